"""Who takes part: ours in every format and precision, and the peers. The one table."""

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
from squeezebert_mobile.benchmarks.peers.families import FAMILIES, Family
from squeezebert_mobile.benchmarks.peers.ours import build_ours
from squeezebert_mobile.benchmarks.peers.theirs import PEERS
from squeezebert_mobile.benchmarks.records.results import Role
from squeezebert_mobile.errors import BenchmarkError, choose

__all__ = ["MODELS", "REFERENCE", "WAYS", "Model", "models_of", "select"]

#: Who all others are compared with: what is usual today.
REFERENCE = "peer BERT-base onnx fp32"


@dataclass(frozen=True)
class Model:
    """A model that takes part, and how it comes to be."""

    kind: str  # "ours" or "peer"
    family: Family
    format: str
    precision: str
    variant: str  # what tells it from another of its kind, format and precision
    file: str  # its name beside those of the same kind and family; ours are folders
    make: Callable[[Family, Path], None]
    how: str

    @property
    def way(self) -> str:
        """What it has in common with a model of the other family."""
        return " ".join(filter(None, (self.kind, self.format, self.precision, self.variant)))

    @property
    def label(self) -> str:
        """Its name in results."""
        return self.way.replace(self.kind, f"{self.kind} {self.family.name}", 1)

    def path(self, folder: Path) -> Path:
        """Where it lies when it is built in `folder`."""
        return folder / f"{self.kind} {self.family.name}" / self.file

    def build(self, folder: Path) -> None:
        """Build it in `folder`, beside the others."""
        path = self.path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.make(self.family, path)

    def contender(self, folder: Path) -> Contender:
        """What was built in `folder`, ready to be measured."""
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


def models_of(family: Family) -> Iterator[Model]:
    """Ours, then the peers."""
    how = "squeezebert-mobile export"
    for format, facts in FORMATS.items():
        for precision in facts.precisions:
            make = partial(build_ours, format=format, precision=precision)
            yield Model("ours", family, format, precision, "", f"{format} {precision}", make, how)
    for peer in PEERS:
        yield Model("peer", family, **vars(peer))


MODELS = tuple(model for family in FAMILIES for model in models_of(family))
WAYS = tuple(dict.fromkeys(model.way for model in MODELS))


def select(wanted: Sequence[str], models: Sequence[Model] = MODELS) -> list[Model]:
    """Those whose label has every word of one of `wanted`; all, if there is none.

    Raises:
        BenchmarkError: one of `wanted` fits no model.
    """
    found: dict[str, Model] = {}
    for words in wanted or [""]:
        fitting = [model for model in models if _words(words) <= _words(model.label)]
        if not fitting:
            raise BenchmarkError(_no_model(words, models))
        found |= {model.label: model for model in fitting}
    return [model for model in models if model.label in found]


def _words(text: str) -> set[str]:
    return set(text.lower().split())


def _no_model(words: str, models: Sequence[Model]) -> str:
    """What is wrong with `words`: one of them is unknown, or no model has them all."""
    known = set().union(*(_words(model.label) for model in models))
    if unknown := sorted(_words(words) - known):
        return choose("word of a model's name", unknown[0], known)
    return f"no model has all of {words!r} in its name; give fewer words"
