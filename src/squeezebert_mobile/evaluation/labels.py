"""Match a model's labels to the classes of a data set."""

import re
from collections.abc import Sequence

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.readers.data import DataSet, shortened

__all__ = ["match_labels"]

_DEFAULT_NAME = re.compile(r"LABEL_\d+")  # transformers' name for a label without one
_MAX_LISTED = 300  # characters of a list of labels


def match_labels(labels: Sequence[str], data: DataSet) -> dict[str, int]:
    """The index of the data's class for each of the model's labels that the data has.

    Labels match by name, ignoring case, if both sides have names. Otherwise they match by id, if
    the data defines the ids: GLUE by its published order, a file of ids by these ids.

    Raises:
        InputError: a class of the data has no label in the model.
    """
    for normalize in (str, _folded):
        by_name = {normalize(label): label for label in labels}
        names = [normalize(name) for name in data.classes]
        if len(set(names)) == len(names) and by_name.keys() >= set(names):
            return {by_name[name]: index for index, name in enumerate(names)}
    unnamed = all(map(_DEFAULT_NAME.fullmatch, labels))
    # GLUE lists every class, so a named model with more or fewer labels is for something else.
    lists_all = data.classes != tuple(map(str, data.class_ids or ()))
    sizes_fit = unnamed or not lists_all or len(labels) == len(data.classes)
    by_id = unnamed or not data.has_class_names
    if data.class_ids and by_id and sizes_fit and max(data.class_ids) < len(labels):
        return {labels[number]: index for index, number in enumerate(data.class_ids)}
    raise InputError(
        f"the data has the labels {_listed(data.classes)}, but the model has {_listed(labels)}; "
        "use the model's labels in the data, or set id2label in the model's config.json"
    )


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _listed(labels: Sequence[str]) -> str:
    return shortened(", ".join(labels), _MAX_LISTED)
