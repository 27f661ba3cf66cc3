"""Measure artifacts, on this machine or on a phone, beside a baseline."""

import importlib
from typing import TYPE_CHECKING

# Resolved on first use (PEP 562): a fresh process that measures memory must not begin with all of
# this in it.
if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks.contenders import (
        Contender,
        artifact_contender,
        artifact_contenders,
        file_contender,
    )
    from squeezebert_mobile.benchmarks.gate import check_ratios
    from squeezebert_mobile.benchmarks.host import measure_host
    from squeezebert_mobile.benchmarks.journal import read_results
    from squeezebert_mobile.benchmarks.progress import progress_bar
    from squeezebert_mobile.benchmarks.protocol import PRESETS, Preset, get_preset
    from squeezebert_mobile.benchmarks.results import Results
    from squeezebert_mobile.benchmarks.table import print_table

_HOMES = {
    "PRESETS": "protocol",
    "Contender": "contenders",
    "Preset": "protocol",
    "Results": "results",
    "artifact_contender": "contenders",
    "artifact_contenders": "contenders",
    "check_ratios": "gate",
    "file_contender": "contenders",
    "get_preset": "protocol",
    "measure_host": "host",
    "print_table": "table",
    "progress_bar": "progress",
    "read_results": "journal",
}

__all__ = [
    "PRESETS",
    "Contender",
    "Preset",
    "Results",
    "artifact_contender",
    "artifact_contenders",
    "check_ratios",
    "file_contender",
    "get_preset",
    "measure_host",
    "print_table",
    "progress_bar",
    "read_results",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
