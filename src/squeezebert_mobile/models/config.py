"""The architecture of a checkpoint: config.json as a validated dataclass for each model family.

`EncoderConfig` is what all families share; the families themselves are listed in `families.py`.
Keys of config.json that no field describes are kept in `extra` and written back on saving.
"""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from squeezebert_mobile.errors import CheckpointError, choose, is_unicode
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.hub import CONFIG_FILE, check_has_config, settings_folder
from squeezebert_mobile.models.activations import ACTIVATIONS

__all__ = [
    "CONFIG_FILE",
    "GROUPS",
    "BertConfig",
    "EncoderConfig",
    "SqueezeBertConfig",
    "read_config",
]

_Config = TypeVar("_Config", bound="EncoderConfig")

#: Group count -> the two sizes it must divide (input and output channels).
GROUPS = {
    "q_groups": ("hidden_size", "hidden_size"),
    "k_groups": ("hidden_size", "hidden_size"),
    "v_groups": ("hidden_size", "hidden_size"),
    "post_attention_groups": ("hidden_size", "hidden_size"),
    "intermediate_groups": ("hidden_size", "intermediate_size"),
    "output_groups": ("intermediate_size", "hidden_size"),
}

# Far above any published encoder, yet low enough that a hostile config.json is rejected before
# memory is allocated for its model.
_MAXIMUM = {
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
_LABELS = "a map from the ids 0, 1, 2, ... to names"
_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The architecture of an encoder; field names, meanings and defaults are those of config.json.

    A family's config class sets `model_type` and redeclares the fields in which it differs. Fields
    with init=False are not part of its config.json.

    Raises:
        CheckpointError: a value is not valid for such a network.
    """

    model_type: ClassVar[str]
    #: Keys of config.json that this package reads with one value only.
    required_values: ClassVar[Mapping[str, Any]] = {}

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
    # None: hidden_size, the only valid value
    embedding_size: int = field(default=None, init=False)  # type: ignore[assignment]
    q_groups: int = field(default=1, init=False)
    k_groups: int = field(default=1, init=False)
    v_groups: int = field(default=1, init=False)
    post_attention_groups: int = field(default=1, init=False)
    intermediate_groups: int = field(default=1, init=False)
    output_groups: int = field(default=1, init=False)
    tie_word_embeddings: bool = True
    num_labels: int = None  # type: ignore[assignment]  # None: the size of id2label, or 2
    id2label: dict[int, str] = None  # type: ignore[assignment]  # None: LABEL_0, LABEL_1, ...
    label2id: dict[str, int] = None  # type: ignore[assignment]  # None: the inverse of id2label
    problem_type: str | None = None
    architectures: tuple[str, ...] | None = None
    #: What a user should know of how the checkpoint was read.
    notes: tuple[str, ...] = field(default=(), init=False, compare=False, repr=False)
    #: Those of the notes that are about the names of labels.
    label_notes: tuple[str, ...] = field(default=(), init=False, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict)  # the other keys of config.json

    def __post_init__(self) -> None:
        """Fill in the fields derived from others, then validate all of them."""
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size)
        _check_numbers(self)
        _check_names(self)
        _check_divisibility(self)
        _set_labels(self)

    @property
    def head_dropout(self) -> float:
        """The dropout probability before a classifier."""
        if self.classifier_dropout is None:
            return self.hidden_dropout_prob
        return self.classifier_dropout

    @property
    def encoder_layer_norm_eps(self) -> float:
        """The epsilon of the layer norms in the encoder's layers.

        `layer_norm_eps` is that of the embeddings and the fill-mask head in every family.
        """
        return self.layer_norm_eps

    def with_labels(self, names: Iterable[str]) -> Self:
        """The same architecture with other labels."""
        id2label = dict(enumerate(names))
        label2id = {name: i for i, name in id2label.items()}
        return replace(self, id2label=id2label, label2id=label2id, num_labels=len(id2label))

    def with_notes(self, *notes: str) -> Self:
        """The same architecture with further notes."""
        noted = copy.copy(self)
        object.__setattr__(noted, "notes", (*self.notes, *notes))
        return noted

    def with_one_token_type(self) -> Self:
        """The same architecture for inputs whose token types are all 0."""
        changed = copy.copy(self)
        object.__setattr__(changed, "type_vocab_size", 1)
        return changed

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The config described by the keys of a config.json of this family."""
        if data.get("model_type") != cls.model_type:
            raise CheckpointError(
                f"model_type is {data.get('model_type')!r:.80}; {cls.__name__} reads "
                f"{cls.model_type!r} only"
            )
        known = {entry.name for entry in fields(cls) if entry.init} - {"extra"}
        extra = {key: value for key, value in data.items() if key not in known | {"model_type"}}
        for key, value in cls.required_values.items():
            if extra.get(key, value) != value:
                raise CheckpointError(
                    f"{key} is {extra[key]!r:.80}; this package reads encoders, where it is "
                    f"{value!r}"
                )
        return cls(**{key: data[key] for key in known & data.keys()}, extra=extra)

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> Self:
        """The config of a checkpoint of this family, given as a folder or a Hub id.

        Args:
            name: The folder or Hub id.
            revision: A branch, a tag or a commit of a Hub id; None is its default branch.

        Raises:
            CheckpointError: there is no config.json, or this package cannot build its model.
        """
        return read_config(name, cls.from_dict, revision)

    def to_dict(self) -> dict[str, Any]:
        """The keys of config.json, without those that follow from others."""
        values = {
            entry.name: getattr(self, entry.name)
            for entry in fields(self)
            if entry.init and entry.name not in {"extra", "num_labels"}
        }
        # None is left out as the default, except for pad_token_id, whose default is 0.
        values = {k: v for k, v in values.items() if v is not None or k == "pad_token_id"}
        # Weights are saved as float32 here, whatever dtype they were read in.
        extra = {k: v for k, v in self.extra.items() if k not in {"dtype", "torch_dtype"}}
        return {**extra, **values, "model_type": self.model_type}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json into `folder`, creating the folder if it is missing."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True)
        (Path(folder) / CONFIG_FILE).write_bytes((text + "\n").encode())


@dataclass(frozen=True, kw_only=True)
class SqueezeBertConfig(EncoderConfig):
    """The architecture of a SqueezeBERT: an encoder with grouped convolutions."""

    model_type: ClassVar[str] = "squeezebert"

    embedding_size: int = None  # type: ignore[assignment]  # None: hidden_size, the only valid value
    q_groups: int = 4
    k_groups: int = 4
    v_groups: int = 4
    post_attention_groups: int = 1
    intermediate_groups: int = 4
    output_groups: int = 4

    @property
    def head_dropout(self) -> float:
        """The dropout probability before a classifier; `classifier_dropout` has no effect."""
        return self.hidden_dropout_prob

    @property
    def encoder_layer_norm_eps(self) -> float:
        """The epsilon of the layer norms in the encoder's layers: fixed in SqueezeBERT."""
        return 1e-12


@dataclass(frozen=True, kw_only=True)
class BertConfig(EncoderConfig):
    """The architecture of a BERT: the same encoder with every group count 1."""

    model_type: ClassVar[str] = "bert"
    required_values: ClassVar[Mapping[str, Any]] = {
        "is_decoder": False,
        "add_cross_attention": False,
        "position_embedding_type": "absolute",
    }


# Reading and validation ---------------------------------------------------------------------


def read_config(
    name: str | Path, parse: Callable[[Mapping[str, Any]], _Config], revision: str | None = None
) -> _Config:
    """Read the config.json of a checkpoint, a folder or a Hub id; errors name the file."""
    path = settings_folder(name, revision=revision) / CONFIG_FILE
    data = _read_json(path)
    try:
        return parse(data)
    except CheckpointError as error:
        raise CheckpointError(f"{str(path)!r}: {error}") from None


def _read_json(path: Path) -> dict[str, Any]:
    check_has_config(path.parent)
    try:
        data = json.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{str(path)!r} must hold a JSON object, not {data!r:.40}")
    return data


def _invalid(name: str, value: object, expected: str) -> CheckpointError:
    return CheckpointError(f"{name} is {value!r:.80}; it must be {expected}")


def _is_number(value: object, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high  # type: ignore[operator]  # NaN is not


def _is_integer(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high  # isinstance would accept a bool


def _check_numbers(config: EncoderConfig) -> None:
    for name, maximum in _MAXIMUM.items():
        value = getattr(config, name)
        if not (_is_integer(value, 1, maximum) or (name == "num_labels" and value is None)):
            raise _invalid(name, value, f"a whole number from 1 to {maximum}")
    for name in _PROBABILITIES:
        value = getattr(config, name)
        if not (_is_number(value, 0, 1) or (name == "classifier_dropout" and value is None)):
            raise _invalid(name, value, "a probability, from 0 to 1")
    for name in ("layer_norm_eps", "initializer_range"):
        if not _is_number(getattr(config, name), 0, 1):
            raise _invalid(name, getattr(config, name), "a number from 0 to 1")
    pad = config.pad_token_id
    if pad is not None and not _is_integer(pad, 0, config.vocab_size - 1):
        raise _invalid("pad_token_id", pad, f"null or an id below vocab_size, {config.vocab_size}")


def _check_names(config: EncoderConfig) -> None:
    if not isinstance(config.hidden_act, str) or config.hidden_act not in ACTIVATIONS:
        raise CheckpointError(choose("hidden_act", str(config.hidden_act)[:80], ACTIVATIONS))
    if config.problem_type is not None and config.problem_type not in _PROBLEM_TYPES:
        raise CheckpointError(choose("problem_type", str(config.problem_type)[:80], _PROBLEM_TYPES))
    if not isinstance(config.tie_word_embeddings, bool):
        raise _invalid("tie_word_embeddings", config.tie_word_embeddings, "true or false")
    if config.architectures is not None:
        names = config.architectures
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise _invalid("architectures", names, "null or a list of class names")
        object.__setattr__(config, "architectures", tuple(names))


def _check_divisibility(config: EncoderConfig) -> None:
    """Check that sizes are multiples of the counts they are split by."""
    if config.embedding_size != config.hidden_size:
        raise _invalid(
            "embedding_size", config.embedding_size, f"hidden_size, {config.hidden_size}"
        )
    divisors = {"num_attention_heads": ("hidden_size",), **GROUPS}
    for divisor, sizes in divisors.items():
        for size in sizes:
            if getattr(config, size) % getattr(config, divisor):
                raise _invalid(size, getattr(config, size), _multiple(config, divisor))


def _multiple(config: EncoderConfig, divisor: str) -> str:
    return f"a multiple of {divisor}, {getattr(config, divisor)}"


def _set_labels(config: EncoderConfig) -> None:
    """Derive id2label, label2id and num_labels from whichever of them are set, as transformers."""
    names, notes = _named_labels(config.num_labels, config.id2label)
    ids = config.label2id
    if ids is None or notes:
        ids = {name: i for i, name in names.items()}
    if not isinstance(ids, dict) or not all(isinstance(name, str) for name in ids):
        raise _invalid("label2id", ids, "a map from names to ids")
    if config.problem_type == "single_label_classification" and len(names) == 1:
        raise _invalid(
            "num_labels", 1, "at least 2 where problem_type is single_label_classification"
        )
    object.__setattr__(config, "id2label", names)
    object.__setattr__(config, "label2id", ids)
    object.__setattr__(config, "num_labels", len(names))
    object.__setattr__(config, "notes", notes)
    object.__setattr__(config, "label_notes", notes)


def _named_labels(
    num_labels: int | None, id2label: object
) -> tuple[dict[int, str], tuple[str, ...]]:
    """The name of every output of the model, and what to say of how they were found."""
    if id2label is None:
        return _numbered(2 if num_labels is None else num_labels), ()
    named = _checked_labels(id2label)
    if num_labels not in {None, len(named)}:
        names = _numbered(num_labels)
        note = (
            f"num_labels is {num_labels}, but id2label in config.json has {len(named)} names; the "
            f"labels are {', '.join(names.values()):.80}, as in transformers"
        )
        return names, (note,)
    if not named:
        raise _invalid("id2label", id2label, _LABELS)
    names, notes = _numbered(len(named)), []
    if named.keys() != names.keys():
        notes.append(
            f"id2label in config.json does not count from 0: {id2label!r:.80}; as in transformers, "
            "each id is the index of an output, and outputs without a name are called LABEL_n"
        )
    if not all(isinstance(name, str) for name in named.values()):
        notes.append("id2label in config.json has names that are numbers: they are read as text")
    found = {i: str(name) for i, name in named.items() if i in names}
    return names | found, tuple(notes)


def _numbered(count: int) -> dict[int, str]:
    return {i: f"LABEL_{i}" for i in range(count)}


def _checked_labels(id2label: object) -> dict[int, object]:
    """The map with its keys as numbers, and any strings, numbers or booleans as values."""
    if not isinstance(id2label, dict) or len(id2label) > _MAXIMUM["num_labels"]:
        raise _invalid("id2label", id2label, _LABELS)
    if not all(isinstance(name, str | int | float) for name in id2label.values()):
        raise _invalid("id2label", id2label, _LABELS)
    for name in id2label.values():
        if not is_unicode(str(name)):
            raise CheckpointError(
                f"the label {name!r} in id2label has half of a surrogate pair, which is no "
                "character; correct it in config.json"
            )
    try:
        return {int(key): name for key, name in id2label.items()}  # JSON has no int keys
    except (TypeError, ValueError, OverflowError):
        raise _invalid("id2label", id2label, _LABELS) from None
