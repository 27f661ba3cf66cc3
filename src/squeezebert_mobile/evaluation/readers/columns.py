"""How a table is read: its columns, its delimiter, and what its labels are."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Columns", "LabelKind"]

LabelKind = Literal["classes", "numbers"]


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns, and what else is known about it; None: the default."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    is_regression: bool = False  # whether the model outputs numbers
    delimiter: str | None = None  # of a CSV file; None: , ; or a tab, by its first line
    labels_are: LabelKind | None = None  # None: decided by the labels and the model
    model_labels: tuple[str, ...] = ()  # labels that are classes, whatever they look like

    @property
    def are_named(self) -> bool:
        """Whether a column was named."""
        return any((self.text, self.pair, self.label))

    @property
    def fit_tables_only(self) -> bool:
        """Whether something was named that only tables have."""
        return self.are_named or self.delimiter is not None

    def required(self) -> dict[str, str]:
        """The names of the columns that must be present, by option."""
        names = {"text": self.text or "text", "label": self.label or "label"}
        return names | ({"pair": self.pair} if self.pair else {})
