"""The formats, and what can be made in them, as parameters of a test."""

import pytest

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.export.backends.base import WRITERS

#: Lowering to XNNPACK takes long: make test-executorch.
SLOW = {"executorch": pytest.mark.executorch}
MADE = [
    pytest.param(name, precision, marks=SLOW.get(name, ()))
    for name in WRITERS
    for precision in FORMATS[name].precisions
]
FORMATS = [pytest.param(name, marks=SLOW.get(name, ())) for name in WRITERS]
