"""The runner as it is pushed to phones: runner.jar, built by `make runner`."""

from pathlib import Path

__all__ = ["RUNNER_JAR"]

RUNNER_JAR = Path(__file__).with_name("runner.jar")
