"""The table of models to compare: ours in every format and precision, and the peers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.measure.contenders import (
    Contender,
    artifact_contender,
    file_contender,
)
from squeezebert_mobile.benchmarks.peers.families import FAMILIES, LENGTHS, Family
from squeezebert_mobile.benchmarks.peers.litert import LITERT_PEERS
from squeezebert_mobile.benchmarks.peers.ours import build_ours
from squeezebert_mobile.benchmarks.peers.theirs import PEERS
from squeezebert_mobile.benchmarks.records.results import Role
from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = ["MODELS", "REFERENCE", "CONFIGURATIONS", "SurveyModel", "models_of", "select"]

#: All others are compared with this one: the usual choice today.
REFERENCE = "peer BERT-base onnx fp32"


@dataclass(frozen=True)
class SurveyModel:
    """A model in the comparison, and how to build it."""

    kind: str  # "ours" or "peer"
    family: Family
    format: str
    precision: str
    variant: str  # distinguishes models of one kind, format and precision; may be empty
    file: str  # file name (ours: folder name), unique for a kind and family
    make: Callable[..., None]  # of the family, the path, and if it fixes shapes the lengths
    how: str  # a line for the report
    fixes_shapes: bool = False  # whether it takes no other lengths than those it is made for

    @property
    def configuration(self) -> str:
        """Kind, format, precision and variant: the label without the family."""
        return " ".join(filter(None, (self.kind, self.format, self.precision, self.variant)))

    @property
    def label(self) -> str:
        """The name in results."""
        return self.configuration.replace(self.kind, f"{self.kind} {self.family.name}", 1)

    @property
    def suffix(self) -> str:
        """The suffix of the model file."""
        return Path(FORMATS[self.format].file if self.kind == "ours" else self.file).suffix

    def path(self, folder: Path) -> Path:
        """The file or folder that `build(folder)` writes."""
        return folder / f"{self.kind} {self.family.name}" / self.file

    def build(self, folder: Path, lengths: Sequence[int] = LENGTHS) -> None:
        """Build the model in `folder`, which all models share, for inputs of `lengths` tokens."""
        path = self.path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.make(self.family, path, *([lengths] if self.fixes_shapes else []))

    def contender(self, folder: Path) -> Contender:
        """The built model as a contender to measure."""
        role: Role = "baseline" if self.label == REFERENCE else "contender"
        if self.kind == "ours":
            return artifact_contender(self.path(folder), label=self.label)
        return file_contender(
            self.path(folder),
            label=self.label,
            format=self.format,
            precision=self.precision,
            vocab_size=self.family.vocab_size,
            role=role,
        )


def models_of(family: Family) -> Iterator[SurveyModel]:
    """Our models of `family`, then the peers."""
    how = "squeezebert-mobile export"
    for format, facts in FORMATS.items():
        for precision in facts.precisions:
            make = partial(build_ours, format=format, precision=precision)
            yield SurveyModel(
                "ours", family, format, precision, "", f"{format} {precision}", make, how
            )
    for peer in (*PEERS, *LITERT_PEERS):
        yield SurveyModel("peer", family, **vars(peer))


MODELS = tuple(model for family in FAMILIES for model in models_of(family))
CONFIGURATIONS = tuple(dict.fromkeys(model.configuration for model in MODELS))


def select(wanted: Sequence[str], models: Sequence[SurveyModel] = MODELS) -> list[SurveyModel]:
    """Select models by words of their labels.

    Args:
        wanted: Each item is one or several words; a model is selected if its label has all words
            of one item. Without items all models are selected.
        models: The models to select from.

    Raises:
        BenchmarkError: an item matches no model.
    """
    selected: dict[str, SurveyModel] = {}
    for words in wanted or [""]:
        matching = [model for model in models if _words(words) <= _words(model.label)]
        if not matching:
            raise BenchmarkError(_no_model(words, models))
        selected |= {model.label: model for model in matching}
    return [model for model in models if model.label in selected]


def _words(text: str) -> set[str]:
    return set(text.lower().split())


def _no_model(words: str, models: Sequence[SurveyModel]) -> str:
    """The error message: an unknown word, or no model with all words."""
    known = set().union(*(_words(model.label) for model in models))
    if unknown := sorted(_words(words) - known):
        return choose("word of a model's name", unknown[0], known)
    return f"no model has all of {words!r} in its name; give fewer words"
