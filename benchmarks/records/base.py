"""Number types of the records in a results file; artifact/schema.py has their base class."""

from typing import Annotated

from pydantic import Field

__all__ = ["Bytes", "Milliseconds"]

Bytes = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
