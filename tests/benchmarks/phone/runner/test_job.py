"""The constants of the runner that this package and the Kotlin code share."""

import json
from dataclasses import replace
from pathlib import Path

from phone_stand_in import pretend_runner

from squeezebert_mobile.benchmarks.phone.libraries.parts import (
    ONNX_RUNTIME_VERSION,
    REQUIRED_PARTS,
)
from squeezebert_mobile.benchmarks.phone.runner.job import PROTOCOL, Job

GOLDEN = json.loads((Path(__file__).parents[3] / "golden/schedule.json").read_text())


def test_protocol_formats_and_version_are_those_of_the_golden_file() -> None:
    assert PROTOCOL == GOLDEN["protocol"]
    assert list(REQUIRED_PARTS) == GOLDEN["formats"]
    assert ONNX_RUNTIME_VERSION == GOLDEN["onnx_runtime_version"]


def test_the_pretended_runner_has_the_commands_of_the_golden_file() -> None:
    assert list(pretend_runner.FIELDS) == GOLDEN["commands"]
    assert pretend_runner.PROTOCOL == GOLDEN["protocol"]
    assert pretend_runner.ONNX_RUNTIME == GOLDEN["onnx_runtime_version"]


def test_a_job_names_its_protocol() -> None:
    job = Job("/data/a", "onnx", 1, {"8": [[1, 2]]}, check=True, model_sha256="")
    assert json.loads(job.to_json("/data/l")) == {
        "protocol": 1,
        "artifact": "/data/a",
        "format": "onnx",
        "threads": 1,
        "libraries": "/data/l",
        "checksums": True,
        "golden": True,
        "inputs": {"8": [[1, 2]]},
        "commands": [],
    }


def test_a_job_with_texts_needs_a_newer_runner() -> None:
    texts = {"text 8": {"text": "play jazz"}}
    job = Job("/data/a", "onnx", 1, {}, check=False, model_sha256="", texts=texts)
    told = json.loads(job.to_json(None))
    assert (told["protocol"], told["texts"], told["commands"]) == (PROTOCOL, texts, [])
    assert not told["checksums"]
    first = json.loads(replace(job, first_answer="text 8").to_json(None))
    assert first["checksums"] and not first["golden"]
    assert first["commands"] == [{"do": "first_answer", "id": "first", "input": "text 8"}]
