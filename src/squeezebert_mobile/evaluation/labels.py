"""Match a model's labels to the classes of a data set."""

import re
from collections import Counter
from collections.abc import Sequence

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.readers.data import DataSet, shortened
from squeezebert_mobile.evaluation.readers.label_kinds import parse_number

__all__ = ["describe_labels", "list_labels", "match_labels", "unknown_labels"]

_DEFAULT_NAME = re.compile(r"LABEL_\d+")  # transformers' name for a label without one
_MAX_LISTED = 300  # characters of a list of labels


def match_labels(
    labels: Sequence[str],
    data: DataSet,
    *,
    owner: str = "the model",
    is_artifact: bool = False,
) -> dict[str, int]:
    """The index of the data's class for each of the model's labels that the data has.

    Labels match by name, ignoring case, if both sides have names, and by value if both have
    numbers. Otherwise they match by id, if the data defines the ids: GLUE by its published order,
    a file of ids by these ids.

    Args:
        labels: The model's labels.
        data: The data set.
        owner: The model, as the message shows it.
        is_artifact: Whether it is an artifact, which has no config.json.

    Raises:
        InputError: a class of the data has no label in the model.
    """
    matched = _match(labels, data)
    if matched is None:
        unknown = describe_labels(data, unknown_labels(labels, data))
        remedy = "set id2label in the model's config.json"
        if is_artifact:  # which has no config.json
            unnamed = all(map(_DEFAULT_NAME.fullmatch, labels))
            first = "" if unnamed else "set id2label in the checkpoint's config.json and "
            remedy = f"{first}export the checkpoint again{' with --labels' if unnamed else ''}"
        raise InputError(
            f"{unknown}, but {owner} has {list_labels(labels)}; use the model's labels in the "
            f"data, or {remedy}"
        )
    return matched


def unknown_labels(labels: Sequence[str], data: DataSet) -> tuple[str, ...]:
    """The classes of the data for which the model has no label; empty if all match."""
    if _match(labels, data) is not None:
        return ()
    if not _lists_all(data):
        ids = zip(data.classes, data.class_ids or (), strict=True)
        unknown = [name for name, number in ids if number >= len(labels)]
    else:
        folded, known = Counter(map(_folded, data.classes)), set(map(_folded, labels))
        unknown = [
            name
            for name in data.classes
            if name not in labels and (_folded(name) not in known or folded[_folded(name)] > 1)
        ]
    return tuple(unknown) or data.classes


def describe_labels(data: DataSet, labels: Sequence[str]) -> str:
    """The beginning of a message about labels of the data: the file, the labels, the place."""
    location = data.location_of(labels[0])
    if len(labels) == 1:
        place = f" {location}" if location else ""
        return f"{data.source} has the label {list_labels(labels)}{place}"
    place = f" (the first {location})" if location else ""
    return f"{data.source} has the labels {list_labels(labels)}{place}"


def list_labels(labels: Sequence[str]) -> str:
    """The labels in quotes, as messages show them."""
    return shortened(", ".join(labels), _MAX_LISTED)


def _match(labels: Sequence[str], data: DataSet) -> dict[str, int] | None:
    for normalize in (str, _folded, parse_number):
        ours, theirs = (list(map(normalize, names)) for names in (data.classes, labels))
        counts = Counter(ours), Counter(theirs)
        if all(key is not None and counts[0][key] == counts[1][key] == 1 for key in ours):
            return {labels[theirs.index(key)]: index for index, key in enumerate(ours)}
    unnamed = all(map(_DEFAULT_NAME.fullmatch, labels))
    # GLUE lists every class, so a named model with more or fewer labels is for something else.
    sizes_fit = unnamed or not _lists_all(data) or len(labels) == len(data.classes)
    by_id = unnamed or not data.has_class_names
    if data.class_ids and by_id and sizes_fit and max(data.class_ids) < len(labels):
        return {labels[number]: index for index, number in enumerate(data.class_ids)}
    return None


def _lists_all(data: DataSet) -> bool:
    """Whether the data's format names all classes; a table of ids has those that occur."""
    return list(map(parse_number, data.classes)) != list(data.class_ids or ())


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")
