"""The job file that tells a runner what to load (docs/runner.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from squeezebert_mobile.benchmarks.records.targets import Accelerator

__all__ = ["PROTOCOL", "Job"]

#: Version of the protocol between this package and the runner; both must agree.
PROTOCOL = 1


@dataclass(frozen=True)
class Job:
    """What a runner is started for."""

    artifact: str  # its folder on the phone
    format: str
    threads: int
    inputs: Mapping[str, list[list[int]]]  # name of the input -> rows of token ids
    check: bool  # compare the files' SHA-256 and the golden outputs
    model_sha256: str  # that the runner must report; not in the job file
    name: str = "job"
    accelerator: Accelerator = "cpu"

    def to_json(self, libraries: str | None) -> str:
        """The text of the job file.

        Args:
            libraries: The folder of the native libraries on the phone; None if the runner brings
                them.
        """
        # The runner in an older app does not know the field.
        accelerator = {} if self.accelerator == "cpu" else {"accelerator": self.accelerator}
        return json.dumps(
            {
                "protocol": PROTOCOL,
                "artifact": self.artifact,
                "format": self.format,
                "threads": self.threads,
                **accelerator,
                "libraries": libraries,
                "checksums": self.check,
                "golden": self.check,
                "inputs": self.inputs,
                "commands": [],
            }
        )
