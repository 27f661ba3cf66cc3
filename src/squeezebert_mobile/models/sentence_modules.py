"""How a checkpoint of sentence-transformers makes the vector of a text: modules.json and its files.

modules.json                       the modules, in order: Transformer, Pooling, Normalize
1_Pooling/config.json              how the vectors of the tokens become one
sentence_bert_config.json          the longest input; beside the weights
config_sentence_transformers.json  prompts, which are texts before every input, and the similarity

In older checkpoints config.json and the weights are in a subfolder, such as 0_Transformer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from squeezebert_mobile.artifact import SentenceVector
from squeezebert_mobile.artifact.spec import PoolingMode, SimilarityFunction
from squeezebert_mobile.errors import CheckpointError, choose
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.hub import MODULES_FILE, first_module

__all__ = ["SentenceModules", "read_sentence_modules"]

_LENGTH_FILE = "sentence_bert_config.json"
_MODEL_FILE = "config_sentence_transformers.json"

#: The flags of a Pooling module before version 5.4, in the order in which it concatenates.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_REMEDY = f"for the normalized mean over all tokens, export a copy without {MODULES_FILE}"
_MIN_LENGTH = 3  # tokens: one between the two special ones


@dataclass(frozen=True)
class SentenceModules:
    """What the modules of a checkpoint say, as far as they do."""

    vector: SentenceVector | None = None
    max_length: int | None = None  # tokens
    lower_case: bool = False  # whether texts become lower case before they are tokenized


def read_sentence_modules(folder: Path) -> SentenceModules:
    """Read the files of sentence-transformers in a checkpoint; empty if it has none.

    Args:
        folder: The folder with config.json and the weights.

    Raises:
        CheckpointError: a file is damaged, or a module cannot be exported.
    """
    lengths = _read(folder / _LENGTH_FILE, dict)
    return SentenceModules(
        vector=_vector(root, folder) if (root := _root(folder)) else None,
        max_length=_max_length(lengths, folder / _LENGTH_FILE),
        lower_case=_flag(lengths, "do_lower_case", False, folder / _LENGTH_FILE),
    )


def _root(folder: Path) -> Path | None:
    """The folder of the modules.json that names `folder`: itself, or the one above."""
    if (folder / MODULES_FILE).exists():
        return folder
    above = folder.resolve().parent
    name = first_module(above)
    return above if name is not None and above / name == folder.resolve() else None


def _vector(root: Path, folder: Path) -> SentenceVector:
    """What the modules.json in `root` says of the vectors of the encoder in `folder`."""
    path = root / MODULES_FILE
    modules = [_module(module, path) for module in _read(path, list)]
    # Dropout does nothing outside training.
    kinds = [kind for kind, _ in modules if kind != "Dropout"]
    if kinds[:1] == ["BERT"]:  # the name of Transformer before version 0.4
        kinds[0] = "Transformer"
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"{str(path)!r} has the modules {', '.join(kinds) or 'none'}; exported are "
            f"Transformer, Pooling and, after them, Normalize; {_REMEDY}"
        )
    encoder = root / modules[0][1]
    if encoder.resolve() != folder.resolve():
        raise CheckpointError(
            f"{str(path)!r} has its Transformer in {str(encoder)!r}; give that folder, or {_REMEDY}"
        )
    pooling, include_prompt = _pooling(root / dict(modules)["Pooling"] / "config.json")
    config = _read(root / _MODEL_FILE, dict)
    if (size := config.get("truncate_dim")) is not None:
        raise CheckpointError(
            f"{str(root / _MODEL_FILE)!r} has the truncate_dim {size!r:.80}, which is not "
            "exported; remove it there, and keep the first numbers of each vector yourself"
        )
    prompts, default = _prompts(config, root / _MODEL_FILE)
    return SentenceVector(
        pooling=pooling,  # type: ignore[arg-type]
        normalize="Normalize" in kinds,
        prompts=prompts,
        default_prompt=default,
        include_prompt=include_prompt,
        similarity=_similarity(config, root / _MODEL_FILE),  # type: ignore[arg-type]
    )


def _module(module: Any, path: Path) -> tuple[str, str]:
    """The class of a module without its package, and its folder in the checkpoint."""
    fields = module if isinstance(module, dict) else {}
    kind, subfolder = fields.get("type"), fields.get("path", "")
    if not isinstance(kind, str) or not isinstance(subfolder, str):
        raise CheckpointError(
            f"{str(path)!r} lists {module!r:.80}; each module must have a 'type' and a 'path'"
        )
    inside = PurePosixPath(subfolder)
    if inside.is_absolute() or ".." in inside.parts or "\0" in subfolder:
        raise CheckpointError(f"{str(path)!r} has the path {subfolder!r:.80} outside its folder")
    return kind.rpartition(".")[2], subfolder


def _pooling(path: Path) -> tuple[tuple[str, ...], bool]:
    """The modes of a Pooling module, and whether the tokens of a prompt are pooled too."""
    if not path.is_file():
        raise CheckpointError(
            f"the Pooling module has no {str(path)!r}; copy the checkpoint with its folders, or, "
            f"{_REMEDY}"
        )
    config = _read(path, dict)
    include_prompt = _flag(config, "include_prompt", True, path)
    modes = config.get("pooling_mode")
    if modes is None:
        active = (mode for key, mode in _FLAGS.items() if _flag(config, key, False, path))
        return tuple(active) or ("mean",), include_prompt
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes:
        raise CheckpointError(
            f"{str(path)!r} has the pooling_mode {modes!r:.80}; it must be a mode or a list"
        )
    for mode in modes:
        if mode not in get_args(PoolingMode):
            raise CheckpointError(
                f"{str(path)!r} has an {choose('pooling_mode', str(mode), get_args(PoolingMode))}"
            )
    return tuple(modes), include_prompt


def _prompts(config: Mapping[str, Any], path: Path) -> tuple[dict[str, str], str | None]:
    """The prompts by name, and the name of the default one."""
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(
        isinstance(text, str | None) for text in prompts.values()
    ):
        raise CheckpointError(
            f"{str(path)!r} has the prompts {prompts!r:.80}; it must be a map from names to texts"
        )
    if default is not None and default not in prompts:
        raise CheckpointError(
            f"{str(path)!r} has the default_prompt_name {default!r:.80}, which is not among its "
            f"prompts: {', '.join(prompts) or 'there are none'}"
        )
    return {name: text or "" for name, text in prompts.items()}, default


def _similarity(config: Mapping[str, Any], path: Path) -> str:
    """The name of the function that compares vectors."""
    name = config.get("similarity_fn_name") or "cosine"
    if name not in get_args(SimilarityFunction):
        raise CheckpointError(
            f"{str(path)!r} has an "
            f"{choose('similarity_fn_name', str(name), get_args(SimilarityFunction))}"
        )
    return str(name)


def _max_length(config: Mapping[str, Any], path: Path) -> int | None:
    length = config.get("max_seq_length")
    if length is not None and (type(length) is not int or length < _MIN_LENGTH):
        raise CheckpointError(
            f"max_seq_length in {str(path)!r} is {length!r:.80}; it must be a number of tokens, "
            f"at least {_MIN_LENGTH}"
        )
    return length


def _flag(config: Mapping[str, Any], key: str, default: bool, path: Path) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise CheckpointError(f"{key} in {str(path)!r} is {value!r:.80}; it must be true or false")
    return value


def _read(path: Path, kind: type[Any]) -> Any:
    """The JSON in a file; empty if there is no such file."""
    try:
        data = json.loads(read_regular(path).decode("utf-8-sig"))
    except FileNotFoundError:
        return kind()
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(data, kind):
        raise CheckpointError(f"{str(path)!r} must hold a {kind.__name__}, not {data!r:.40}")
    return data
