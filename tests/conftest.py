"""One thread for torch in every test: tests are small, and may share the machine."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Cli, runner
from forks import COMMANDS, Forks
from hypothesis import HealthCheck, settings

# Whether examples are found quickly depends on what else the machine does.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# The same examples in every run: what fails in CI fails here. `make fuzz` draws others.
settings.register_profile("short", max_examples=100, derandomize=True, **_PATIENT)
settings.register_profile("fuzz", max_examples=20_000, **_PATIENT)  # make fuzz
settings.load_profile("short")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With -m phone, executorch or slow, a file without such a test is not imported.

    Importing all files takes 20 s.
    """
    mark = config.option.markexpr.partition(" ")[0]
    if mark not in {"phone", "executorch", "slow"} or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if f"mark.{mark}" in text or "every_format" in text else True


def pytest_collection_finish() -> None:
    """What was imported stays until the end: a full garbage collection need not look at it.

    torch is imported here, as the process of pytest-xdist that runs no test does not need it.
    """
    import torch

    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command line in the process of the test."""
    return runner(monkeypatch, capfd)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Runs the command line, or another program, in processes that need not import much."""
    with Forks(COMMANDS) as forks:
        yield forks


@pytest.fixture(scope="session")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo checkpoint as an int8 ONNX artifact, exported by the command line."""
    from squeezebert_mobile.cli import app
    from squeezebert_mobile.models.checkpoint import shipped_texts

    folder = tmp_path_factory.mktemp("cli") / "assistant"
    texts = folder.with_name("texts.txt")
    texts.write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")
    app(["export", "demo", "-o", str(folder), "--texts", str(texts)], standalone_mode=False)
    return folder
