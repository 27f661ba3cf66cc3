"""Test parameters: every format, and every format with each of its precisions."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from squeezebert_mobile.export.backends import BACKENDS

#: Format -> the mark of its tests, if these are not among those of make test.
SLOW = {"executorch": pytest.mark.executorch, "litert": pytest.mark.slow}
MADE = [
    pytest.param(name, precision, marks=SLOW.get(name, ()))
    for name, backend in BACKENDS.items()
    for precision in backend.facts.precisions
]
#: The same; in `make test` only what most users take, in `make test-slow` the others.
MOSTLY_SLOW = [
    case
    if case.marks or case.values in {("onnx", "int8"), ("onnx", "fp32")}
    else pytest.param(*case.values, marks=pytest.mark.slow)
    for case in MADE
]
FORMATS = [pytest.param(name, marks=SLOW.get(name, ())) for name in BACKENDS]


def paired(*others: Sequence[str]) -> list[Any]:
    """MOSTLY_SLOW with every combination of values of other parameters.

    Of those in `make test` and `make test-executorch` the half in which every value still meets
    every precision and, of three parameters, every other value; the rest is in `make test-slow`.
    """
    found = []
    for case in MOSTLY_SLOW:
        for places in itertools.product(*(range(len(values)) for values in others)):
            chosen = [values[place] for values, place in zip(others, places, strict=True)]
            is_fast = (sum(places) + (case.values[1] == "int8")) % 2
            marks = [*case.marks, *([] if is_fast else [pytest.mark.slow])]
            found.append(pytest.param(*case.values, *chosen, marks=marks))
    return found
