"""The base of what is written to a results file, and the numbers in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Bytes", "Count", "Milliseconds", "Record"]

Count = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """Written once, never changed; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
