"""Test parameters: every format, and every format with each of its precisions."""

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
