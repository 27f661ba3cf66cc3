"""The formats as parameters of a test."""

import pytest

from squeezebert_mobile.export.formats import WRITERS

#: Lowering to XNNPACK takes long: make test-executorch.
SLOW = {"executorch": pytest.mark.executorch}
FORMATS = [pytest.param(name, marks=SLOW.get(name, ())) for name in WRITERS]
