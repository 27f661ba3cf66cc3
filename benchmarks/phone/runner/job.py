"""The job file that tells a runner what to load (docs/runner.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from squeezebert_mobile.benchmarks.records.targets import Accelerator

__all__ = ["FIRST", "PROTOCOL", "Job"]

#: Newest version of the protocol between this package and the runner. A job has the oldest that
#: has all of it, so that the runner in an older app still does what it can.
PROTOCOL = 2
FIRST = "first"  # id of the command in a job


@dataclass(frozen=True)
class Job:
    """What a runner is started for."""

    artifact: str  # its folder on the phone, or another maker's model file
    format: str
    threads: int
    inputs: Mapping[str, list[list[int]]]  # name of the input -> rows of token ids
    check: bool  # compare the files' SHA-256 and the golden outputs
    model_sha256: str  # that the runner must report; not in the job file
    name: str = "job"
    accelerator: Accelerator = "cpu"
    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # protocol 2
    plain: Mapping[str, Any] | None = None  # of another maker's model file; protocol 2
    first_answer: str | None = None  # the text to answer once the files are checked and loaded

    @property
    def has_golden(self) -> bool:
        """Whether the runner compares golden outputs, which only an artifact has."""
        return self.check and self.plain is None

    @property
    def protocol(self) -> int:
        """The protocol version that a runner must have for this job."""
        return 2 if self.texts or self.plain else 1

    def to_json(self, libraries: str | None) -> str:
        """The text of the job file.

        Args:
            libraries: The folder of the native libraries on the phone; None if the runner brings
                them.
        """
        commands = [{"do": "first_answer", "id": FIRST, "input": self.first_answer}]
        # The runner in an older app does not know the field.
        accelerator = {} if self.accelerator == "cpu" else {"accelerator": self.accelerator}
        return json.dumps(
            {
                "protocol": self.protocol,
                "artifact": self.artifact,
                "format": self.format,
                "threads": self.threads,
                **accelerator,
                "libraries": libraries,
                "checksums": self.check or self.first_answer is not None,
                "golden": self.has_golden,
                "inputs": self.inputs,
                **({"texts": self.texts} if self.texts else {}),
                **({"plain": self.plain} if self.plain else {}),
                "commands": commands if self.first_answer is not None else [],
            }
        )
