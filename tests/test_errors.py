import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from squeezebert_mobile import errors


def test_missing_extra_names_the_pip_command() -> None:
    with pytest.raises(
        errors.MissingExtraError,
        match=r"^nosuch is not installed; run: pip install 'squeezebert-mobile\[export\]'$",
    ):
        errors.require("nosuch.module", "export")


def test_an_installed_module_is_imported() -> None:
    assert errors.require("json", "export") is importlib.import_module("json")


def test_an_import_error_inside_a_module_is_not_a_missing_extra(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("import nosuchthing\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nosuchthing"):
        errors.require("broken", "export")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("onx", "unknown format 'onx'; did you mean 'onnx'? choose from: executorch, onnx"),
        ("zzz", "unknown format 'zzz'; choose from: executorch, onnx"),
    ],
)
def test_choose(value: str, message: str) -> None:
    assert errors.choose("format", value, ["onnx", "executorch"]) == message


def test_all_errors_have_one_base_class_and_are_documented() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert all(issubclass(error, errors.SqueezeBertMobileError) for error in classes)
    assert all(error.__name__ in (errors.__doc__ or "") for error in classes)


def test_extras_match_pyproject() -> None:
    config = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    extras = config["project"]["optional-dependencies"]
    packages_of = {
        extra: [re.split(r"[\[<>=]", package)[0].replace("-", "_") for package in packages]
        for extra, packages in extras.items()
        if extra != "all"
    }
    modules = {"scikit_learn": "sklearn"}
    assert errors.EXTRAS == {
        extra: tuple(modules.get(name, name) for name in names if name != "squeezebert_mobile")
        for extra, names in packages_of.items()
    }


def test_a_partly_installed_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    errors.require_extra("export")
    monkeypatch.setitem(sys.modules, "onnxsim", None)
    with pytest.raises(errors.MissingExtraError, match=r"onnxsim is not installed; run: pip inst"):
        errors.require_extra("export")


def test_messages_are_printable() -> None:
    message = str(errors.InputError("a\nb\x1b[31m \ud800 é 日 'x' \\"))
    assert message == r"a\nb\x1b[31m \ud800 é 日 'x' " + "\\"
