"""Measure artifacts against a baseline, on this machine or on a phone."""

import importlib
from typing import TYPE_CHECKING

# Imported on first use (PEP 562): a fresh process that measures memory must not start with all of
# this loaded.
if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks.measure.contenders import (
        Contender,
        artifact_contender,
        artifact_contenders,
        file_contender,
    )
    from squeezebert_mobile.benchmarks.measure.host import measure_host
    from squeezebert_mobile.benchmarks.measure.progress import progress_bar
    from squeezebert_mobile.benchmarks.measure.schedule import PRESETS, Preset, get_preset
    from squeezebert_mobile.benchmarks.records.reading import read_results
    from squeezebert_mobile.benchmarks.records.regression_check import check_regression
    from squeezebert_mobile.benchmarks.records.results import Results
    from squeezebert_mobile.benchmarks.report import print_table

_HOMES = {
    "PRESETS": "measure.schedule",
    "Contender": "measure.contenders",
    "Preset": "measure.schedule",
    "Results": "records.results",
    "artifact_contender": "measure.contenders",
    "artifact_contenders": "measure.contenders",
    "check_regression": "records.regression_check",
    "file_contender": "measure.contenders",
    "get_preset": "measure.schedule",
    "measure_host": "measure.host",
    "print_table": "report",
    "progress_bar": "measure.progress",
    "read_results": "records.reading",
}

__all__ = [
    "PRESETS",
    "Contender",
    "Preset",
    "Results",
    "artifact_contender",
    "artifact_contenders",
    "check_regression",
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
