"""The architecture of a checkpoint: its config.json as a checked dataclass, for both families.

BERT is SqueezeBERT with every group count 1. Whatever else config.json holds is kept, and written
back on saving.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from squeezebert_mobile.artifact import MANIFEST_FILE
from squeezebert_mobile.errors import CheckpointError, choose
from squeezebert_mobile.hub import checkpoint_folder
from squeezebert_mobile.models.activations import ACTIVATIONS
from squeezebert_mobile.tasks import TASKS

__all__ = [
    "CONFIG_FILE",
    "GROUPS",
    "BertConfig",
    "SqueezeBertConfig",
    "architecture_of",
    "task_of",
]

CONFIG_FILE = "config.json"

#: Group count -> the two sizes it must divide (input and output channels).
GROUPS = {
    "q_groups": ("hidden_size", "hidden_size"),
    "k_groups": ("hidden_size", "hidden_size"),
    "v_groups": ("hidden_size", "hidden_size"),
    "post_attention_groups": ("hidden_size", "hidden_size"),
    "intermediate_groups": ("hidden_size", "intermediate_size"),
    "output_groups": ("intermediate_size", "hidden_size"),
}

# Far above any published encoder, and low enough that building one is refused before the memory
# of the machine is asked for.
_LARGEST = {
    "vocab_size": 2**20,
    "hidden_size": 2**14,
    "num_hidden_layers": 2**8,
    "num_attention_heads": 2**10,
    "intermediate_size": 2**16,
    "max_position_embeddings": 2**17,
    "type_vocab_size": 2**16,
    "embedding_size": 2**14,
    "num_labels": 2**20,
    **dict.fromkeys(GROUPS, 2**14),
}
_PROBABILITIES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
# BERT checkpoints that compute something else than this encoder: the value that is the encoder.
_ENCODER_ONLY = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
}


@dataclass(frozen=True, kw_only=True)
class SqueezeBertConfig:
    """What a SqueezeBERT is made of; names, meanings and defaults are those of config.json.

    Raises:
        CheckpointError: a value that no such network can have.
    """

    model_type: str = field(default="squeezebert", init=False)
    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    embedding_size: int = None  # type: ignore[assignment]  # None: hidden_size, the one valid value
    q_groups: int = 4
    k_groups: int = 4
    v_groups: int = 4
    post_attention_groups: int = 1
    intermediate_groups: int = 4
    output_groups: int = 4
    tie_word_embeddings: bool = True
    num_labels: int = None  # type: ignore[assignment]  # None: as many as id2label has, or 2
    id2label: dict[int, str] = None  # type: ignore[assignment]  # None: LABEL_0, LABEL_1, ...
    label2id: dict[str, int] = None  # type: ignore[assignment]  # None: id2label the other way
    problem_type: str | None = None
    architectures: tuple[str, ...] | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # the other keys of config.json

    def __post_init__(self) -> None:
        """Fill what follows from other values, then check everything."""
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size)
        _check_numbers(self)
        _check_names(self)
        _check_fit(self)
        _set_labels(self)

    @property
    def head_dropout(self) -> float:
        """The dropout before the classifier; only BERT has one of its own."""
        if self.model_type == "squeezebert" or self.classifier_dropout is None:
            return self.hidden_dropout_prob
        return self.classifier_dropout

    @property
    def encoder_layer_norm_eps(self) -> float:
        """The epsilon of the layers' norms: in SqueezeBERT a fixed one, whatever the config says.

        `layer_norm_eps` is that of the embeddings' and the fill-mask head's norm in both families.
        """
        return 1e-12 if self.model_type == "squeezebert" else self.layer_norm_eps

    def with_labels(self, names: Iterable[str]) -> Self:
        """The same architecture for other labels."""
        id2label = dict(enumerate(names))
        label2id = {name: i for i, name in id2label.items()}
        return replace(self, id2label=id2label, label2id=label2id, num_labels=len(id2label))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The config that the keys of a config.json describe; `model_type` says which family."""
        family = _family(data.get("model_type"))
        if not issubclass(family, cls):
            raise CheckpointError(
                f"model_type is {data['model_type']!r}; {cls.__name__} reads 'bert' only"
            )
        own = {entry.name for entry in fields(family) if entry.init} - {"extra"}
        extra = {key: value for key, value in data.items() if key not in own | {"model_type"}}
        if family is BertConfig:
            _check_encoder_only(extra)
        return family(**{key: data[key] for key in own & data.keys()}, extra=extra)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """The config of a checkpoint: a folder or a Hub id.

        Raises:
            CheckpointError: there is no config.json, or it describes no network of this package.
        """
        path = checkpoint_folder(name) / CONFIG_FILE
        data = _read_json(path)
        try:
            return cls.from_dict(data)
        except CheckpointError as error:
            raise CheckpointError(f"{str(path)!r}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The keys of config.json, without what follows from the others."""
        own = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.init and entry.name not in {"extra", "num_labels"}
        }
        given = {key: value for key, value in own.items() if not _is_default_none(key, value)}
        # The weights are float32 here, whatever they were in the file that was read.
        extra = {k: v for k, v in self.extra.items() if k not in {"dtype", "torch_dtype"}}
        return {**extra, **given, "model_type": self.model_type}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json into `folder`, which is made where it is missing."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True)
        (Path(folder) / CONFIG_FILE).write_bytes((text + "\n").encode())


@dataclass(frozen=True, kw_only=True)
class BertConfig(SqueezeBertConfig):
    """What a BERT is made of: the same encoder in one group."""

    model_type: str = field(default="bert", init=False)
    embedding_size: int = field(default=None, init=False)  # type: ignore[assignment]
    q_groups: int = field(default=1, init=False)
    k_groups: int = field(default=1, init=False)
    v_groups: int = field(default=1, init=False)
    post_attention_groups: int = field(default=1, init=False)
    intermediate_groups: int = field(default=1, init=False)
    output_groups: int = field(default=1, init=False)


_FAMILIES: dict[str, type[SqueezeBertConfig]] = {
    "squeezebert": SqueezeBertConfig,
    "bert": BertConfig,
}


# Tasks --------------------------------------------------------------------------------------


def architecture_of(config: SqueezeBertConfig, task: str) -> str:
    """The Hugging Face class of `config` with the head of `task`: BertForMaskedLM."""
    family = "SqueezeBert" if config.model_type == "squeezebert" else "Bert"
    return family + TASKS[task].head


_TASK_OF_ARCHITECTURE = {
    **{
        family + task.head: task.name
        for family in ("SqueezeBert", "Bert")
        for task in TASKS.values()
    },
    "BertForPreTraining": "fill-mask",  # the fill-mask head, and a next-sentence head beside it
}


def task_of(config: SqueezeBertConfig) -> str:
    """The task that the checkpoint was saved for, from the class its config names.

    Raises:
        CheckpointError: it names none, or one with another head.
    """
    for name in config.architectures or ():
        if name in _TASK_OF_ARCHITECTURE:
            return _TASK_OF_ARCHITECTURE[name]
    named = ", ".join(config.architectures or ()) or "nothing"
    raise CheckpointError(
        f"config.json does not say what the model is for: architectures names {named}; "
        f"give --task, one of: {', '.join(TASKS)}"
    )


# Checks -------------------------------------------------------------------------------------


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        is_artifact = (path.parent / MANIFEST_FILE).is_file()
        raise CheckpointError(
            f"{str(path.parent)!r} is {'an artifact, and no' if is_artifact else 'not a'} "
            f"checkpoint: it has no {CONFIG_FILE}; "
            "give a folder with config.json and model.safetensors"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(path)!r} must hold a JSON object, not {data!r:.40}")
    return data


def _family(model_type: object) -> type[SqueezeBertConfig]:
    if isinstance(model_type, str) and model_type in _FAMILIES:
        return _FAMILIES[model_type]
    raise CheckpointError(
        f"model_type is {model_type!r:.80}; this package reads 'squeezebert' and 'bert'"
    )


def _bad(name: str, value: object, right: str) -> CheckpointError:
    return CheckpointError(f"{name} is {value!r:.80}; it must be {right}")


def _is_number(value: object, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high  # type: ignore[operator]  # NaN is not


def _is_whole(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high  # bool is an int, and no size


def _check_numbers(config: SqueezeBertConfig) -> None:
    for name, largest in _LARGEST.items():
        value = getattr(config, name)
        if not (_is_whole(value, 1, largest) or (name == "num_labels" and value is None)):
            raise _bad(name, value, f"a whole number from 1 to {largest}")
    for name in _PROBABILITIES:
        value = getattr(config, name)
        if not (_is_number(value, 0, 1) or (name == "classifier_dropout" and value is None)):
            raise _bad(name, value, "a probability, from 0 to 1")
    for name in ("layer_norm_eps", "initializer_range"):
        if not _is_number(getattr(config, name), 0, 1):
            raise _bad(name, getattr(config, name), "a number from 0 to 1")
    pad = config.pad_token_id
    if pad is not None and not _is_whole(pad, 0, config.vocab_size - 1):
        raise _bad("pad_token_id", pad, f"null or an id below vocab_size, {config.vocab_size}")


def _check_names(config: SqueezeBertConfig) -> None:
    if not isinstance(config.hidden_act, str) or config.hidden_act not in ACTIVATIONS:
        raise CheckpointError(choose("hidden_act", str(config.hidden_act)[:80], ACTIVATIONS))
    if config.problem_type is not None and config.problem_type not in _PROBLEM_TYPES:
        raise CheckpointError(choose("problem_type", str(config.problem_type)[:80], _PROBLEM_TYPES))
    if not isinstance(config.tie_word_embeddings, bool):
        raise _bad("tie_word_embeddings", config.tie_word_embeddings, "true or false")
    if config.architectures is not None:
        names = config.architectures
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise _bad("architectures", names, "null or a list of class names")
        object.__setattr__(config, "architectures", tuple(names))


def _check_fit(config: SqueezeBertConfig) -> None:
    """The sizes divide each other where the network splits them."""
    if config.embedding_size != config.hidden_size:
        raise _bad("embedding_size", config.embedding_size, f"hidden_size, {config.hidden_size}")
    divisors = {"num_attention_heads": ("hidden_size",), **GROUPS}
    for divisor, sizes in divisors.items():
        for size in sizes:
            if getattr(config, size) % getattr(config, divisor):
                raise _bad(size, getattr(config, size), _multiple(config, divisor))


def _multiple(config: SqueezeBertConfig, divisor: str) -> str:
    return f"a multiple of {divisor}, {getattr(config, divisor)}"


def _check_encoder_only(extra: Mapping[str, Any]) -> None:
    for name, value in _ENCODER_ONLY.items():
        if extra.get(name, value) != value:
            raise CheckpointError(
                f"{name} is {extra[name]!r:.80}; this package reads encoders, where it is {value!r}"
            )


def _set_labels(config: SqueezeBertConfig) -> None:
    """Give id2label, label2id and num_labels their values, whichever of them were given."""
    if config.id2label is None:
        count = 2 if config.num_labels is None else config.num_labels
        names = {i: f"LABEL_{i}" for i in range(count)}
    else:
        names = _checked_labels(config.id2label)
    if config.num_labels not in {None, len(names)}:
        raise _bad("num_labels", config.num_labels, f"the size of id2label, {len(names)}")
    ids = config.label2id
    if ids is None:
        ids = {name: i for i, name in names.items()}
    if not isinstance(ids, dict) or not all(isinstance(name, str) for name in ids):
        raise _bad("label2id", ids, "a map from names to ids")
    if config.problem_type == "single_label_classification" and len(names) == 1:
        raise _bad("num_labels", 1, "at least 2 where problem_type is single_label_classification")
    object.__setattr__(config, "id2label", names)
    object.__setattr__(config, "label2id", ids)
    object.__setattr__(config, "num_labels", len(names))


def _checked_labels(id2label: object) -> dict[int, str]:
    right = "a map from the ids 0, 1, 2, ... to names"
    if not isinstance(id2label, dict) or not 0 < len(id2label) <= _LARGEST["num_labels"]:
        raise _bad("id2label", id2label, right)
    named = {str(key): name for key, name in id2label.items()}  # JSON has no int keys
    ordered = [named.get(str(i)) for i in range(len(named))]
    if not all(isinstance(name, str) for name in ordered):
        raise _bad("id2label", id2label, right)
    return dict(enumerate(ordered))  # type: ignore[arg-type]


def _is_default_none(name: str, value: object) -> bool:
    return value is None and name != "pad_token_id"  # whose default is 0
