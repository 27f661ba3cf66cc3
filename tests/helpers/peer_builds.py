"""Builds that a fresh process can import: it does not see the test modules themselves."""

import os
from collections.abc import Mapping
from pathlib import Path

from squeezebert_mobile.benchmarks.peers import build_peer
from squeezebert_mobile.errors import MissingExtraError


def every_peer(folder: Path, configs: Mapping[str, Mapping[str, int]]) -> None:
    for family, config in configs.items():
        place = folder / family
        place.mkdir()
        for precision in ("fp32", "int8"):
            build_peer(family, precision, place, config)


def noisy_failure() -> None:
    print("a page of advice", flush=True)
    os.write(2, b"from C++ too\n")
    raise ValueError("first line\nsecond line")


def missing_extra() -> None:
    raise MissingExtraError("transformers is not installed; run: pip install ...")


def killed() -> None:
    os.write(1, b"about to die\n")
    os.kill(os.getpid(), 9)
