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


def test_extras_are_those_of_the_package() -> None:
    config = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    extras = config["project"]["optional-dependencies"]
    found = {
        extra: [re.split(r"[\[<>=]", each)[0].replace("-", "_") for each in packages]
        for extra, packages in extras.items()
        if extra != "all"
    }
    modules = {"scikit_learn": "sklearn"}
    assert errors.EXTRAS == {
        extra: tuple(modules.get(name, name) for name in names if name != "squeezebert_mobile")
        for extra, names in found.items()
    }


def test_an_extra_that_is_half_there(monkeypatch: pytest.MonkeyPatch) -> None:
    errors.require_extra("export")
    monkeypatch.setitem(sys.modules, "onnxsim", None)
    with pytest.raises(errors.MissingExtraError, match=r"onnxsim is not installed; run: pip inst"):
        errors.require_extra("export")


def test_what_a_message_quotes_is_made_printable() -> None:
    message = str(errors.InputError("a\nb\x1b[31m \ud800 é 日 'x' \\"))
    assert message == r"a\nb\x1b[31m \ud800 é 日 'x' " + "\\"
