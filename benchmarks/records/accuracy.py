"""What `evaluate --json` prints, for reports: the metrics of a model on labelled data."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from squeezebert_mobile.errors import BenchmarkError
from squeezebert_mobile.files import MAX_DOCUMENT_BYTES, read_regular

__all__ = ["Evaluated", "read_evaluation"]


class Evaluated(BaseModel):
    """An evaluation; what a report does not show is ignored."""

    data: str
    model: str  # the artifact, as it was named
    metrics: dict[str, float | None]  # fractions
    examples: int

    @property
    def name(self) -> str:
        """The last part of the artifact's path, as contenders are called."""
        return Path(self.model).name


def read_evaluation(path: Path) -> Evaluated | None:
    """The evaluation in a file; None if it is not one, but perhaps results.

    Raises:
        BenchmarkError: it is a damaged evaluation.
    """
    try:
        found: Any = json.loads(read_regular(path, MAX_DOCUMENT_BYTES))
    except (OSError, ValueError, RecursionError):
        return None  # reading it as results says what is wrong
    if not isinstance(found, dict) or "schema_version" in found or "metrics" not in found:
        return None
    try:
        return Evaluated.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BenchmarkError(
            f"{str(path)!r} is no evaluation: {first['msg']} at {where}; give what evaluate --json "
            "printed"
        ) from None
