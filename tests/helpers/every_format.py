"""The formats, and what can be made in them, as parameters of a test."""

import pytest

from squeezebert_mobile.artifact import PRECISIONS
from squeezebert_mobile.export.formats import WRITERS

#: Lowering to XNNPACK takes long: make test-executorch.
SLOW = {"executorch": pytest.mark.executorch}
MADE = [
    pytest.param(name, precision, marks=SLOW.get(name, ()))
    for name in WRITERS
    for precision in PRECISIONS[name]
]
FORMATS = [pytest.param(name, marks=SLOW.get(name, ())) for name in WRITERS]
