"""Base class and number types of the records in a results file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Bytes", "Count", "Milliseconds", "Record"]

Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """An immutable record; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
