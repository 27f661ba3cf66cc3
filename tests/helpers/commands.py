"""Runs the command line in the process of the test."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from squeezebert_mobile.cli import main

#: Takes the arguments of the program; returns exit code, stdout and stderr.
Cli = Callable[..., tuple[int, str, str]]


#: A line for a finished step: its name, and its time in seconds.
STEP_LINE = re.compile(r"(?P<name>[a-z]+(?: [a-z]+| \d+\.\d MB)*) +\d+\.\d s\n")


def steps(err: str) -> list[str]:
    """The names of the steps that stderr has a line for, in order."""
    return [line["name"] for line in STEP_LINE.finditer(err)]


def without_steps(err: str) -> str:
    """stderr without the lines of finished steps."""
    return STEP_LINE.sub("", err)


def runner(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["squeezebert-mobile", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@contextlib.contextmanager
def processor_time() -> Iterator[Callable[[], float]]:
    """The seconds that processes started here have computed; unlike a clock, no load adds to it."""
    before = os.times()
    yield lambda: sum(os.times()[2:4]) - sum(before[2:4])
