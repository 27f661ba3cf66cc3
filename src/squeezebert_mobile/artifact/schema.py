"""Base class and field types of manifest.json and golden.json."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Count", "Fraction", "Name", "Record", "Sha256", "Whole"]

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0, lt=2**31)]  # ids and positions
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: A text from outside; what JSON cannot store, such as a byte of a file's name, is escaped.
Name = Annotated[
    str, AfterValidator(lambda text: text.encode("utf-8", "backslashreplace").decode("utf-8"))
]


class Record(BaseModel):
    """Immutable; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
