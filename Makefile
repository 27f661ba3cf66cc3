# Commands for development. `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LINKS := .typing/squeezebert_mobile
.DEFAULT_GOAL := help
# Compiled modules are kept, even if the shell says otherwise: without them each command that a test
# starts takes half as long again.
export PYTHONDONTWRITEBYTECODE :=
# Maven ends within minutes: compiling its code well takes longer than running it.
export MAVEN_OPTS ?= -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
.PHONY: help setup demo demo-checkpoint accuracy-table test test-slow test-all test-executorch test-phone fuzz fuzz-kotlin lint format typecheck bench-peers bench-arm64 check-arm64 which-format runner android library library-api test-onnxruntime app-assets test-runner unicode-tables schema samples clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

setup: $(READY)  ## create .venv with every extra, the test tools and the peers

# Python compiles what is imported; pip would compile all 22,000 modules.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than Python 3.11; run: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "error: $(PYTHON) cannot create virtual environments; run: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip setuptools
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt --group test -e '.[all]'
	@touch $@

demo: $(READY)  ## export the demo to int8, run it on five sentences, compare SqueezeBERT's latency with BERT's
	$(BIN)/python -m squeezebert_mobile.cli.demo

demo-checkpoint: $(READY)  ## train the three demo checkpoints again (45 minutes; reproduces the same bytes)
	for name in demo demo-slots demo-fill-mask; do \
	  $(BIN)/python -m squeezebert_mobile.training.demos $$name src/squeezebert_mobile/models/assets/$$name || exit 1; done

# Number of test processes. A file runs in one process, as its tests share exported artifacts.
WORKERS ?= 2
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist loadfile

test: $(READY)  ## run the Python tests that a change is likely to break (6 minutes; no phone, GPU, Java, network)
	$(PYTEST)

test-slow: $(READY)  ## run the slow Python tests: every format on a trained model, killed exports, runs in the app
	$(PYTEST) -m slow

test-all: test test-slow test-executorch android test-phone check-arm64  ## run all tests (Java 17, Maven; root for qemu)

test-executorch: $(READY)  ## run the tests that lower models to XNNPACK
	$(PYTEST) -m "executorch and not slow"

# One process per file and target: a native crash ends only one of them, and shows which.
fuzz: $(READY)  ## run 540,000 mutated files, journals, runner lines, unusual texts and folders, then atheris (4 hours)
	$(BIN)/pytest -s --hypothesis-profile=fuzz --timeout=7200 tests/test_fuzz.py
	$(BIN)/pytest --hypothesis-profile=fuzz --timeout=7200 tests/runtime/tokenizer/test_any_text.py \
	  tests/runtime/tokenizer/test_tokenizer_conformance.py \
	  tests/runtime/tokenizer/test_tokenizer_folders.py
	$(BIN)/pytest -s --hypothesis-profile=fuzz --timeout=7200 \
	  tests/benchmarks/phone/runner/test_mutated_events.py \
	  tests/benchmarks/records/test_mutated_journals.py
	@$(BIN)/python -c 'import atheris' || { echo "atheris cannot be installed here; its part is skipped" >&2; exit 0; } && \
	for target in manifests artifacts goldens configs weights tokenizers; do \
	  $(BIN)/python tests/helpers/coverage_fuzz.py $$target 10000 || exit 1; done
	@if command -v mvn >/dev/null; then $(MAKE) fuzz-kotlin; else echo "Maven is not installed; the Kotlin part is skipped" >&2; fi

fuzz-kotlin:  ## give 100,000 damaged zips and artifacts to the app, and jobs to the runner (Java 17, Maven; 1 to 2 hours)
	$(NEED_JAVA)
	mvn -B --no-transfer-progress -f android_demo -pl app -am -Dshort.jvm= -Dfuzz=100000 -Dtest=FuzzTest -Dsurefire.failIfNoSpecifiedTests=false package

lint: $(READY)  ## check formatting and rules
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

format: $(READY)  ## format, and apply automatic fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

# mypy does not support the editable install's import hook, so it reads the package through links.
typecheck: $(READY)  ## run mypy --strict
	@rm -rf .typing && mkdir -p $(LINKS) && cd $(LINKS) && \
	  ln -s ../../src/squeezebert_mobile/* ../../export ../../runtime ../../benchmarks .
	$(BIN)/mypy

bench-peers: $(READY)  ## compare with models from the usual tools, in one run (40 minutes, RESUME=1 continues it; writes build/peers)
	$(BIN)/python -m squeezebert_mobile.benchmarks.peers -o build/peers $(if $(RESUME),--resume)

# Needs root to install the emulator; otherwise it is skipped with a message.
check-arm64: $(READY)  ## check that the default artifact needs no more instructions than before, as .onnx and .pte (root, apt)
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "check-arm64 is skipped: it installs qemu-user, debootstrap and compilers with apt-get as root"; \
	else \
	  which qemu-aarch64 debootstrap gcc aarch64-linux-gnu-g++ >/dev/null || \
	    apt-get install -y -qq --no-install-recommends qemu-user debootstrap gcc libc6-dev g++-aarch64-linux-gnu; \
	  $(BIN)/python -m squeezebert_mobile.benchmarks.arm64 --check; \
	fi

bench-arm64: $(READY)  ## count ARM64 instructions of our models and the peers' (root once; half an hour)
	$(BIN)/python -m squeezebert_mobile.benchmarks.arm64

which-format: $(READY)  ## write the table of docs/which-format.md from the results in docs
	$(BIN)/python -m squeezebert_mobile.benchmarks.arm64.which_format docs

# Checks the Java version that Maven uses; another version may build different bytes.
define NEED_JAVA
	@command -v mvn >/dev/null || { echo "error: Maven is not installed; run: apt-get install maven" >&2; exit 1; }
	@mvn -version 2>/dev/null | grep -q '^Java version: 17\.' || \
	  { echo "error: Maven does not use Java 17; run: apt-get install openjdk-17-jdk-headless, and set JAVA_HOME to it" >&2; exit 1; }
endef
EXPECTED := $(CURDIR)/android_demo/target/expected

runner:  ## build benchmarks/phone/runner.jar, the program for phones (Java 17, Maven; 3 minutes)
	$(NEED_JAVA)
	mvn -q -B -f android_demo -pl runner -am -Dmaven.test.skip=true package
	$(PYTHON) android_demo/pack_runner.py

android:  ## run all Kotlin tests, build the sample app (ANDROID_RUNTIME=FILE.aar: for a phone; Java 17, Maven)
	$(NEED_JAVA)
	mvn -B --no-transfer-progress -f android_demo $(if $(ANDROID_RUNTIME),-Dandroid.runtime=$(abspath $(ANDROID_RUNTIME))) package

# deploy-file does not install into ~/.m2; a copy from an older run is removed from there.
LIBRARY := $(CURDIR)/android_demo/target/library
CORE := android_demo/core/target/squeezebertmobile-core-0.1.0

library:  ## build core as a library into android_demo/target/library, a Maven repository, and use it (Java 17, Maven)
	$(NEED_JAVA)
	mvn -B --no-transfer-progress -f android_demo -pl core -am -Plibrary package
	rm -rf $(LIBRARY) ~/.m2/repository/squeezebertmobile/squeezebertmobile-core
	mvn -q -B -f android_demo -pl core org.apache.maven.plugins:maven-deploy-plugin:3.1.3:deploy-file \
	  -Durl=file://$(LIBRARY) -DpomFile=$(CURDIR)/android_demo/core/target/release.pom -Dfile=$(CURDIR)/$(CORE).jar \
	  -Dsources=$(CURDIR)/$(CORE)-sources.jar -Djavadoc=$(CURDIR)/$(CORE)-javadoc.jar
	mvn -B --no-transfer-progress -f android_demo/consumer -Dlibrary=$(LIBRARY) test

library-api:  ## write the list of core's public API, which a test compares
	mvn -q -B -f android_demo -pl core -am -Dapi=write -Dtest=PublicApiTest -Dsurefire.failIfNoSpecifiedTests=false test

test-onnxruntime:  ## run core's tests with the oldest ONNX Runtime that it accepts
	$(NEED_JAVA)
	mvn -B --no-transfer-progress -f android_demo -pl core -am -Donnxruntime.version=1.23.0 test

# The demos come first: the other two contain the answers of one.
ASSETS := android_demo/app/src/main/assets/artifacts

app-assets: $(READY)  ## export the demos into the app, and write the expected results of the Kotlin tests
	$(BIN)/python -m squeezebert_mobile export demo --force -o $(ASSETS)/demo-intents
	$(BIN)/python -m squeezebert_mobile export demo-slots --force -o $(ASSETS)/demo-slots
	$(BIN)/python -m squeezebert_mobile export demo-fill-mask --force -o $(ASSETS)/demo-fill-mask
	$(BIN)/python tests/helpers/runner_expectations.py --golden
	$(BIN)/python tests/helpers/app_expectations.py

accuracy-table: $(READY)  ## measure the demos in every format and precision for docs/evaluate.md (10 minutes)
	$(BIN)/python tests/helpers/accuracy_table.py

test-runner: $(READY)  ## compare Kotlin with Python on 100,000 texts; check that runner.jar matches its sources
	$(NEED_JAVA)
	$(BIN)/python tests/helpers/runner_expectations.py $(EXPECTED)
	mvn -B --no-transfer-progress -f android_demo -pl runner -am -Dexpected=$(EXPECTED) package
	$(BIN)/python android_demo/pack_runner.py --check

# The class path of the runner on a desktop JVM, on which the simulated phone starts it.
RUNNER_CLASSES = $(CURDIR)/android_demo/runner/target/classes:$$(cat android_demo/runner/target/desktop.classpath)

# `make android` builds the runner as well.
RUNNER_READY := android_demo/runner/target/desktop.classpath
RUNNER_SOURCES := $(shell find $(addprefix android_demo/,pom.xml executorch-stub/pom.xml executorch-stub/src \
  core/pom.xml core/src/main runner/pom.xml runner/runner.pro runner/src/main) -type f)
$(RUNNER_READY): $(RUNNER_SOURCES)
	$(NEED_JAVA)
	mvn -q -B -f android_demo -pl runner -am -Dmaven.test.skip=true package
	@touch $@

test-phone: $(READY) $(RUNNER_READY)  ## test bench on a simulated phone, errors included (Java 17, Maven)
	STAND_IN_RUNNER_CLASSPATH="$(RUNNER_CLASSES)" $(PYTEST) -m "phone and not slow"

clean:  ## remove build files; a stale build/ adds deleted modules to the wheel
	rm -rf build dist .typing android_demo/target android_demo/*/target *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A failure leaves the written files as they were.
TABLES := android_demo/core/src/main/resources/squeezebertmobile/unicode.txt

unicode-tables: $(READY)  ## write the tokenizers library's character tables for Kotlin
	$(BIN)/python android_demo/unicode_tables.py > $(TABLES).new && mv $(TABLES).new $(TABLES)
	$(BIN)/python tests/helpers/wordpiece_vectors.py golden > tests/golden/wordpiece.json.new \
	  && mv tests/golden/wordpiece.json.new tests/golden/wordpiece.json

samples: $(READY)  ## write the labelled samples in docs/samples/
	$(BIN)/python -m squeezebert_mobile.training.demos.samples docs/samples

schema: $(READY)  ## write docs/manifest.schema.json from the manifest's pydantic model
	$(BIN)/python -c 'import json; from squeezebert_mobile.artifact import Manifest; \
	  print(json.dumps(Manifest.model_json_schema(), indent=1))' > docs/manifest.schema.json.new \
	  && mv docs/manifest.schema.json.new docs/manifest.schema.json
