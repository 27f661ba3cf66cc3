"""Lists of the operators that artifacts need, for runtimes that are built with only these.

A list covers several artifacts of one format, and is what the build of that format's runtime reads.
"""

from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.artifact import Manifest, read_artifact, read_manifest
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.formats import OPERATORS_HEADER
from squeezebert_mobile.runtime.required_operators.lists import OperatorList

__all__ = ["OperatorList", "list_operators"]

#: Format -> why there is no list for it, and what to do.
_NO_LIST = {
    "litert": "LiteRT's libraries for Android are not built with a selection; leave it out",
    "torchscript": "torch's build takes no list of them; export it as onnx or executorch",
}


def list_operators(folders: Sequence[str | Path]) -> OperatorList:
    """The operators that all of these artifacts need.

    Args:
        folders: artifacts of one format, onnx or executorch.

    Raises:
        ArtifactError: an artifact is missing or damaged, or its runtime cannot load it.
        InputError: there is none, their formats differ, or the format has no such lists.
        MissingExtraError: executorch is not installed.
    """
    paths = [Path(folder) for folder in folders]
    if not paths:
        raise InputError("no artifact was given; give all artifacts that the app contains")
    format = _common_format(paths, [read_manifest(path) for path in paths])
    manifests = [read_artifact(path) for path in paths]
    models = [path / manifest.model_file for path, manifest in zip(paths, manifests, strict=True)]
    title = f"{OPERATORS_HEADER}{', '.join(map(_shown, models))}"
    if format == "executorch":
        from squeezebert_mobile.runtime.required_operators import executorch

        names = {name for manifest in manifests for name in manifest.operators}
        delegates = sorted(name for name in names if "::" not in name)
        return executorch.list_operators(models, delegates, title)
    from squeezebert_mobile.runtime.required_operators import onnx

    return onnx.list_operators(models, title)


def _shown(path: Path) -> str:
    return path.as_posix().encode("unicode_escape").decode()  # one line, in any encoding


def _common_format(paths: Sequence[Path], manifests: Sequence[Manifest]) -> str:
    first = manifests[0].format
    for path, manifest in zip(paths, manifests, strict=True):
        if manifest.format != first:
            raise InputError(
                f"{str(paths[0])!r} is {first} and {str(path)!r} is {manifest.format}; write a "
                "list for each format, as each has a runtime of its own"
            )
    if first in _NO_LIST:
        raise InputError(f"{str(paths[0])!r} is {first}: {_NO_LIST[first]}")
    return first
