"""A run on a stand-in for a phone, with actions while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phone_stand_in import AdbServer, StandIn
from small_artifact import write_small_artifact

from squeezebert_mobile.artifact import sha256_of
from squeezebert_mobile.artifact.reading import read_with_checksums
from squeezebert_mobile.benchmarks import artifact_contenders
from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.phone.adb.client import Adb, Device
from squeezebert_mobile.benchmarks.phone.adb.files import artifact_files
from squeezebert_mobile.benchmarks.phone.cooling import Cooling
from squeezebert_mobile.benchmarks.phone.libraries.lookup import Libraries
from squeezebert_mobile.benchmarks.phone.measurement import measure_phone
from squeezebert_mobile.benchmarks.records.events import Event
from squeezebert_mobile.benchmarks.records.reading import read_events
from squeezebert_mobile.benchmarks.records.results import Results

__all__ = ["SHORT", "Run", "name_on_phone"]

SHORT = Preset("short", runs=4, seconds=0, blocks=2, starts=1)


def name_on_phone(artifact: Path) -> str:
    """The name of an artifact's folder on the phone."""
    _, checksums = read_with_checksums(artifact)
    return Path(artifact_files(artifact, checksums).folder).name


@dataclass
class Run:
    """Measures two small artifacts, or other models, any number of times."""

    folder: Path
    server: AdbServer
    phone: StandIn
    said: list[str] = field(default_factory=list)  # steps that the progress bar showed

    @property
    def journal(self) -> Path:
        return self.folder / "phone.json.journal"

    @property
    def events(self) -> list[Event]:
        return read_events(self.journal)

    @property
    def device(self) -> Device:
        return Device(Adb(self.server.address), self.phone.serial)

    def measure(
        self, *, at: str = "", nth: int = 1, do: Callable[[], object] = lambda: None, **changes: Any
    ) -> Results:
        """Measure; `do` is called when the progress bar shows `at` for the nth time."""
        seen = 0

        def progress(what: str, done: float, total: float) -> None:
            nonlocal seen
            self.said.append(what)
            if at and what.startswith(at):
                seen += 1
                if seen == nth:
                    do()

        library = self.folder / "libonnxruntime.so"
        library.write_bytes(b"a library" * 1000)
        options: dict[str, Any] = {
            "device": self.device,
            "libraries": Libraries({library.name: library}, {library.name: sha256_of(library)}, {}),
            "preset": SHORT,
            "cooling": Cooling(limit_s=1),
            "journal": self.journal,
            "progress": progress,
            "sleep": lambda seconds: None,
        }
        contenders = changes.pop("contenders", None) or self._artifacts()
        return measure_phone(contenders, **options | changes)

    def _artifacts(self) -> list[Contender]:
        names = [self.folder / name for name in ("ours", "theirs")]
        for path in names:
            if not path.exists():
                write_small_artifact(path)
        return artifact_contenders(names[:1], baselines=names[1:])
