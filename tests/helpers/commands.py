"""Runs the command line in the process of the test."""

import sys
from collections.abc import Callable

import pytest

from squeezebert_mobile.cli import main

#: Takes the arguments of the program; returns exit code, stdout and stderr.
Cli = Callable[..., tuple[int, str, str]]


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
