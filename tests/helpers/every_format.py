"""Test parameters: every format, and every format with each of its precisions."""

import pytest

from squeezebert_mobile.export.backends import BACKENDS

#: Lowering to XNNPACK is slow: make test-executorch.
SLOW = {"executorch": pytest.mark.executorch}
MADE = [
    pytest.param(name, precision, marks=SLOW.get(name, ()))
    for name, backend in BACKENDS.items()
    for precision in backend.facts.precisions
]
FORMATS = [pytest.param(name, marks=SLOW.get(name, ())) for name in BACKENDS]
