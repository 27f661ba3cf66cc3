"""Which output of a model is which class of the data."""

import re
from collections.abc import Sequence

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.readers.data import DataSet, shortened

__all__ = ["match_labels"]

_NAMELESS = re.compile(r"LABEL_\d+")
_SHOWN = 300  # characters of a list of labels


def match_labels(labels: Sequence[str], data: DataSet) -> dict[str, int]:
    """The model's labels that the data has -> the places of these classes.

    By name where both have names, whatever the case; by id where one has none and the data says
    which id a class has: GLUE by its published order, a file of ids by these.

    Raises:
        InputError: a class has no label.
    """
    for as_read in (str, _folded):
        by_name = {as_read(label): label for label in labels}
        names = [as_read(name) for name in data.classes]
        if len(set(names)) == len(names) and by_name.keys() >= set(names):
            return {by_name[name]: place for place, name in enumerate(names)}
    nameless = all(map(_NAMELESS.fullmatch, labels))
    # Of GLUE's all classes are known, so a named label more or less is a model for something else.
    all_known = data.classes != tuple(map(str, data.ids or ()))
    fits = nameless or not all_known or len(labels) == len(data.classes)
    if data.ids and (nameless or not data.named) and max(data.ids) < len(labels) and fits:
        return {labels[number]: place for place, number in enumerate(data.ids)}
    raise InputError(
        f"the data has the labels {_listed(data.classes)}, and the model has {_listed(labels)}; "
        "write the model's into the data, or name the model's in its config.json (id2label)"
    )


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _listed(labels: Sequence[str]) -> str:
    return shortened(", ".join(labels), _SHOWN)
