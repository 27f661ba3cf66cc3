import importlib

import pytest

from squeezebert_mobile import errors


def test_missing_extra_names_the_pip_command() -> None:
    with pytest.raises(
        errors.MissingExtraError,
        match=r"^nosuch is not installed; run: pip install 'squeezebert-mobile\[export\]'$",
    ):
        errors.require("nosuch.module", "export")


def test_an_installed_module_is_given() -> None:
    assert errors.require("json", "export") is importlib.import_module("json")


def test_a_module_that_is_broken_inside_is_not_called_missing(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "halfthere.py").write_text("import nosuchthing\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nosuchthing"):
        errors.require("halfthere", "export")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("onx", "unknown format 'onx'; did you mean 'onnx'? choose from: executorch, onnx"),
        ("zzz", "unknown format 'zzz'; choose from: executorch, onnx"),
    ],
)
def test_choose(value: str, message: str) -> None:
    assert errors.choose("format", value, ["onnx", "executorch"]) == message


def test_every_error_is_one_tree() -> None:
    found = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert all(issubclass(each, errors.SqueezeBertMobileError) for each in found)
    assert all(each.__name__ in (errors.__doc__ or "") for each in found)
