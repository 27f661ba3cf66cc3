"""Cold start: load time and memory of one model in a fresh process.

    python -P -m squeezebert_mobile.benchmarks.measure.cold_start '{"contender": {...}, ...}'

prints one line of JSON, a `Start`. The file has both sides: `measure_start` starts the process,
`main` runs in it. Only the standard library is imported at the top: anything else would count as
memory that was in use before the runtime library.
"""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks.measure.contenders import Contender
    from squeezebert_mobile.benchmarks.records.results import Settings, Start

__all__ = ["main", "measure_start"]

_RUNS = 5  # a runtime has then allocated what it allocates in its first runs
_TIMEOUT_SECONDS = 600  # enough for emulated or swapping machines
_STATUS = Path("/proc/self/status")


# The process that measures -------------------------------------------------------------------


def measure_start(contender: "Contender", settings: "Settings") -> "Start":
    """Load and run `contender` in a fresh process.

    Raises:
        BenchmarkError: the process failed; the message has the last line of its stderr.
    """
    from squeezebert_mobile.benchmarks.measure.contenders import feed_arguments
    from squeezebert_mobile.benchmarks.records.results import Start
    from squeezebert_mobile.errors import BenchmarkError

    request = {
        "contender": dataclasses.asdict(contender),
        "threads": settings.start_threads,
        "feed": feed_arguments(contender, settings, settings.start_sequence_length),
    }
    # -P: a file in the current folder must not shadow a library.
    command = [sys.executable, "-P", "-m", __spec__.name, json.dumps(request)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(
            f"{contender.label!r} did not load and run within {_TIMEOUT_SECONDS} s"
        ) from None
    if done.returncode != 0:
        raise BenchmarkError(f"{contender.label!r} failed in a fresh process: {_reason(done)}")
    return Start.model_validate_json(done.stdout.splitlines()[-1])


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode < 0:
        return f"the process was ended by signal {-done.returncode} (9: out of memory)"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit status {done.returncode}"


# The fresh process --------------------------------------------------------------------------


def main(request: str) -> None:
    """Load and run the model that `request` describes (JSON), and print the `Start`."""
    print(json.dumps(_measure(json.loads(request))), flush=True)


def _measure(request: dict[str, Any]) -> dict[str, int | float | None]:
    before_import = _resident_bytes()
    from squeezebert_mobile.benchmarks.measure.contenders import (
        Contender,
        import_library,
        make_feed,
        open_model,
    )

    contender = Contender(**request["contender"])
    feed = make_feed(**request["feed"])
    import_ms, _ = _timed(lambda: import_library(contender))
    after_import = _resident_bytes()
    load_ms, model = _timed(lambda: open_model(contender, threads=request["threads"]))
    after_load = _resident_bytes()
    first_run_ms, _ = _timed(lambda: model(feed))
    for _ in range(_RUNS - 1):
        model(feed)
    return {
        "import_ms": import_ms,
        "load_ms": load_ms,
        "first_run_ms": first_run_ms,
        "runs": _RUNS,
        "before_import_bytes": before_import,
        "after_import_bytes": after_import,
        "after_load_bytes": after_load,
        "after_runs_bytes": _resident_bytes(),
        "peak_bytes": _peak_bytes(),
    }


def _timed(action: Any) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = action()
    return 1000 * (time.perf_counter() - begin), result


def _resident_bytes() -> int:
    """Resident memory of this process; on Linux, measured without importing anything."""
    if _STATUS.is_file():
        return _status_bytes("VmRSS")
    from squeezebert_mobile.errors import require

    return int(require("psutil", "bench").Process().memory_info().rss)


def _peak_bytes() -> int | None:
    if _STATUS.is_file():
        return _status_bytes("VmHWM")
    from squeezebert_mobile.benchmarks.measure.system_facts import peak_bytes

    return peak_bytes()


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024  # "VmRSS:\t   12345 kB"
    raise RuntimeError(f"{_STATUS} has no {field}")


if __name__ == "__main__":
    main(sys.argv[1])
