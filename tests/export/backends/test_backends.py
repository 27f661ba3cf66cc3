"""The registry of backends."""

import importlib.metadata

import pytest

from squeezebert_mobile.export.backends import BACKENDS
from squeezebert_mobile.formats import FORMATS


def test_every_format_has_a_backend() -> None:
    assert BACKENDS.keys() == FORMATS.keys()
    assert all(backend.format == name for name, backend in BACKENDS.items())


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_agrees_with_its_format(name: str) -> None:
    backend = BACKENDS[name]
    assert backend.facts is FORMATS[name]
    assert backend.tied_copies <= set(backend.facts.precisions)
    assert all(importlib.metadata.version(tool) for tool in backend.tools)
