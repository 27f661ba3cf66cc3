"""Implements docs/runner.md and measures nothing: latencies are made up, so it takes no time.

    python pretend_runner.py JOB.json [COMMANDS LINES]

With three paths it works through files: it reads commands from the second and writes lines to the
third, as the runner does in the sample app.

A latency depends on the artifact's folder, the length of the input and the threads, with a little
noise that is the same every time. STAND_IN_ROOT/stand_in/pretend.json changes that while it runs
(`StandIn.pretend`):

    latency_ms    name of a folder, a precision, or "*" -> ms for an input of 128 tokens, one thread
    slowdown      a factor for everything: a hot phone
    hello         fields of the first line to replace
    golden_holds  false: the golden texts fail; or {name of a folder: false}
    error         {"at": a stage or command, "kind": ..., "message": ...}
    die_at        a stage or command at which it ends without an error message
    placement     name of a folder -> fields of `accelerator` in the load event
    nonsense      {"at": a stage or command, "how": a name in NONSENSE}: it never gets any further
    answer_mj     mJ that an answer takes, or {name of a folder, a precision, or "*": mJ}
    text_ms       what answering a text takes beside the model, 2 by default
    first_answer_ms  when a process has answered a text, 400 by default; 0: unknown
    profile       the text of a profile, instead of one that fits
    change        {name of an event: fields to replace}; a field with null is left out

Only the standard library: it runs by itself.
"""

import base64
import hashlib
import json
import math
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROTOCOL = 2  # and 1, without texts
ONNX_RUNTIME = "1.29.0"  # can be changed with "hello"
POLL, PATIENCE = 0.01, 600.0  # seconds
PROBE_RESULT = -2941680418117529349  # of 4 million steps of xorshift from 1
FIELDS = {
    "warm_up": {"input": str, "most_runs": int, "most_seconds": float},
    "block": {"input": str, "lead_in": int, "samples": int, "seconds": float},
    "first_answer": {"input": str},
    "profile": {"input": str, "runs": int},
    "probe": {},
    "context": {},
    "end": {},
}
RANGES = {
    "most_runs": (3, 10_000),
    "most_seconds": (0, 600),
    "lead_in": (0, 100),
    "samples": (1, 100_000),
    "runs": (1, 1_000),
    "seconds": (0, 600),
}
JOB = {
    "protocol": int,
    "artifact": str,
    "format": str,
    "threads": int,
    "accelerator": str,
    "libraries": str | None,
    "checksums": bool,
    "golden": bool,
    "inputs": dict,
    "texts": dict,
    "plain": dict,
    "commands": list,
}
OPTIONAL = {"accelerator", "texts", "plain"}


class Wrong(Exception):
    """A kind of error of docs/runner.md, and its message."""


def tell(event: str, **fields: Any) -> None:
    changes = pretended().get("change", {}).get(event, {})
    told = {name: value for name, value in {**fields, **changes}.items()
            if not (name in changes and value is None)}  # fmt: skip
    print(json.dumps({"event": event, **told}), flush=True)


def endless_progress() -> None:
    while True:
        tell("progress", stage="load", done=0, of=1)
        time.sleep(0.01)


def drip() -> None:
    while True:
        print(" ", end="", flush=True)
        time.sleep(0.01)


def long_line() -> None:
    for _ in range(40):
        print("[" * 1_000_000, end="", flush=True)
    time.sleep(600)


NONSENSE: dict[str, Callable[[], None]] = {
    "silence": lambda: time.sleep(600),
    "endless progress": endless_progress,
    "drip": drip,
    "long line": long_line,
    "brackets": lambda: print("[" * 1_000_000, flush=True),
}


def pretended() -> dict[str, Any]:
    path = Path(os.environ.get("STAND_IN_ROOT", "."), "stand_in/pretend.json")
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def reach(stage: str) -> None:
    """Fail at a stage, if a test asks for that."""
    wanted = pretended()
    if wanted.get("die_at") == stage:
        os._exit(139)
    nonsense = wanted.get("nonsense")
    if nonsense and nonsense["at"] == stage:
        NONSENSE[nonsense["how"]]()
    error = wanted.get("error")
    if error and error["at"] == stage:
        raise Wrong(error["kind"], error["message"])


# The job ------------------------------------------------------------------------------------


def read_job(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        reason = f"{path} (No such file or directory)"
        raise Wrong("job", f"the job '{path}' cannot be read: {reason}") from None
    try:
        job = json.loads(text)
    except ValueError as error:
        raise Wrong("job", f"the job '{path}' is not valid JSON: {error}") from None
    if not isinstance(job, dict):
        raise Wrong("job", f"the job '{path}' must be a JSON object")
    if job.get("protocol") not in range(1, PROTOCOL + 1):
        raise Wrong(
            "protocol",
            f"this runner speaks protocols 1 to {PROTOCOL}, but the job has protocol "
            f"{json.dumps(job.get('protocol'))}; push the runner that matches the version on "
            "the computer",
        )
    check("the job", job, JOB)
    if job["format"] not in ("onnx", "executorch", "litert"):
        raise Wrong("job", f"the job is invalid at 'format': '{job['format']}' is not one of them")
    if not 1 <= job["threads"] <= 64:
        raise Wrong("job", f"the job is invalid at 'threads': {job['threads']} is not from 1 to 64")
    for command in job["commands"]:
        check_command("the job", command)
    return job


def check(what: str, data: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, kind in fields.items():
        if name not in data and name not in OPTIONAL:
            raise Wrong("job", f"{what} is invalid at '{name}': missing")
        if name not in data:
            continue
        kind = int | float if kind is float else kind
        surprise = isinstance(data[name], bool) and kind is not bool
        if surprise or not isinstance(data[name], kind):
            raise Wrong("job", f"{what} is invalid at '{name}': {json.dumps(data[name])}")
        if name in RANGES and not RANGES[name][0] <= data[name] <= RANGES[name][1]:
            raise Wrong("job", f"{what} is invalid at '{name}': {data[name]} is out of range")
    for name in data:
        if name not in fields:
            raise Wrong("job", f"{what} is invalid at '{name}': unknown field")


def check_command(what: str, command: Any) -> None:
    name = command.get("do") if isinstance(command, dict) else None
    if name not in FIELDS:
        choices = ", ".join(FIELDS)
        raise Wrong(
            "job", f"{what} is invalid at '': '{name}' is not a command; choose from: {choices}"
        )
    check(what, command, {"do": str, "id": str, **FIELDS[name]})


# The artifact -------------------------------------------------------------------------------


class Artifact:
    """The files of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = self._read("manifest.json")

    def golden(self) -> dict[str, Any]:
        return self._read("golden.json")

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Wrong("artifact", f"'{self.folder / name}' cannot be read: {error}") from None

    def check(self, *, checksums: bool) -> None:
        files = self.manifest["files"]
        total, done = sum(facts["bytes"] for facts in files.values()), 0
        if checksums:
            tell("progress", stage="checksums", done=0, of=total)
        for name, facts in files.items():
            path = self.folder / name
            if not path.is_file():
                raise Wrong("artifact", f"artifact file '{path}' is missing")
            if checksums and hashlib.sha256(path.read_bytes()).hexdigest() != facts["sha256"]:
                raise Wrong("artifact", f"artifact file '{path}' has changed since the export")
            done += facts["bytes"]
        if checksums:
            tell("progress", stage="checksums", done=done, of=total)


class PlainFile:
    """Another maker's model file."""

    def __init__(self, path: Path, job: dict[str, Any]) -> None:
        if not path.is_file():
            raise Wrong("job", f"the model file '{path}' cannot be read: no such file")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if job["checksums"] and found != job["plain"]["sha256"]:
            raise Wrong("job", f"the model file '{path}' is not the one that the computer has sent")
        for inputs in job["plain"]["inputs"].values():
            for tensor in inputs["tensors"]:
                size = len(base64.b64decode(tensor["data"], validate=True))
                elements = math.prod(tensor["shape"])
                if size % max(1, elements) or not elements:
                    raise Wrong("job", f"the tensor '{tensor['name']}' has {size} bytes")
        files = {path.name: {"bytes": path.stat().st_size}}
        self.manifest = {"precision": "unknown", "files": files}


# The measurement ----------------------------------------------------------------------------


class Runner:
    """Runs a job; its clock is ahead of the machine's by the time it pretends to measure."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._ahead_ns = 0
        self._random = random.Random(self._name)
        self._runs = 0

    @property
    def _name(self) -> str:
        return Path(self._job["artifact"]).name

    def run(self, lines: Iterator[str]) -> None:
        job = self._job
        if job["libraries"] is not None and not Path(job["libraries"]).is_dir():
            raise Wrong("library", f"no such folder of libraries: '{job['libraries']}'")
        begin = self._now()
        reach("checksums")
        if "plain" in job:
            self._artifact = PlainFile(Path(job["artifact"]), job)
            tell("artifact", format=job["format"], model_sha256=job["plain"]["sha256"])
        else:
            self._artifact = Artifact(Path(job["artifact"]))
            self._artifact.check(checksums=job["checksums"])
            self._tell_artifact(begin)
        self._load()
        if job["golden"]:
            self._golden()
        tell("ready")
        for command in self._commands(lines):
            reach(command["do"])
            if command["do"] == "end":
                tell("end", id=command["id"], why="asked", context=self._context())
                return
            answer = getattr(self, f"_{command['do']}")(command)
            tell(command["do"], id=command["id"], **answer)
        tell("end", id=None, why="the input was closed", context=self._context())

    def _commands(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        yield from self._job["commands"]
        for line in lines:
            if not line.strip():
                continue
            shown = f"the command '{line.strip()}'"
            try:
                command = json.loads(line)
            except ValueError as error:
                raise Wrong("job", f"{shown} is not valid JSON: {error}") from None
            if not isinstance(command, dict):
                raise Wrong("job", f"{shown} must be a JSON object")
            check_command(shown, command)
            yield command

    # Before anything is timed -----------------------------------------------------------------

    def _tell_artifact(self, begin: int) -> None:
        manifest = self._artifact.manifest
        model = {
            "onnx": "model.onnx",
            "executorch": "model.pte",
            "litert": "model.tflite",
        }.get(manifest["format"], "model.pt")
        tell(
            "artifact",
            task=manifest["task"],
            format=manifest["format"],
            precision=manifest["precision"],
            weights=manifest["weights"],
            source=manifest["source"]["name"],
            model_sha256=manifest["files"][model]["sha256"],
            read_ns=self._now() - begin,
        )
        if manifest["format"] != self._job["format"]:
            raise Wrong(
                "job",
                f"the job requires {self._job['format']}, but the artifact's format is "
                f"{manifest['format']}",
            )

    def _load(self) -> None:
        tell("progress", stage="load", done=0, of=1)
        reach("load")
        before = self._context()
        took = int(20 * self._latency_ns(128))
        self._ahead_ns += took
        placed = {}
        if "accelerator" in self._job:
            told = pretended().get("placement", {}).get(self._name, {})
            placement = {"available": ["cpu"], "reason": None, "operators": None, **told}
            placed["accelerator"] = {"requested": self._job["accelerator"], **placement}
        tell("load", load_ns=took, before=before, after=self._context(), **placed)

    def _golden(self) -> None:
        reach("golden")
        golden = self._artifact.golden()
        count = len(golden["texts"])
        tell("progress", stage="golden", done=0, of=count)
        tell("progress", stage="golden", done=count, of=count)
        holds = pretended().get("golden_holds", True)
        holds = holds if isinstance(holds, bool) else holds.get(self._name, True)
        outputs = {}
        for name, tolerance in golden["tolerance"].items():
            answers = any(text["outputs"][name]["top"] for text in golden["texts"])
            outputs[name] = {
                "max_abs_diff": tolerance * (0.25 if holds else 40.0),
                "tolerance": tolerance,
                "same_answers": (count if holds else count - 1) if answers else None,
                "texts": count,
                "holds": holds,
            }
        tell("golden", outputs=outputs)
        if not holds:
            name, facts = next(iter(outputs.items()))
            raise Wrong(
                "golden",
                "this machine's outputs differ from the golden outputs: "
                f"{name} is off by {facts['max_abs_diff']}, more than the tolerance of "
                f"{facts['tolerance']}",
            )

    # Commands ---------------------------------------------------------------------------------

    def _warm_up(self, command: dict[str, Any]) -> dict[str, Any]:
        enough = min(8, command["most_runs"])
        limit, spent, samples = command["most_seconds"] * 1e9, 0, []
        while len(samples) < enough and not (len(samples) >= 3 and spent >= limit):
            # The first runs take longer: memory is allocated, files are read.
            extra = 1 + 0.8 / (1 + 3 * len(samples)) if len(samples) < 4 else 1.0
            samples.append(int(self._sample(command) * extra))
            spent += samples[-1]
        self._ahead_ns += spent
        return {
            "input": command["input"],
            "samples_ns": samples,
            "stable": len(samples) >= 8,
            "context": self._context(),
        }

    def _block(self, command: dict[str, Any]) -> dict[str, Any]:
        before = self._context()
        limit, spent, samples = command["seconds"] * 1e9, 0, []
        self._ahead_ns += sum(self._sample(command) for _ in range(command["lead_in"]))
        while len(samples) < command["samples"] or spent < limit:
            samples.append(self._sample(command))
            spent += samples[-1]
        self._ahead_ns += spent
        self._take_energy(command["lead_in"] + len(samples))
        after = self._context()
        return {"input": command["input"], "samples_ns": samples, "before": before, "after": after}

    def _first_answer(self, command: dict[str, Any]) -> dict[str, Any]:
        self._sample(command)
        took = pretended().get("first_answer_ms", 400)
        return {
            "input": command["input"],
            "since_start_ns": int(took * 1e6 * self._noise()) if took else None,
        }

    def _profile(self, command: dict[str, Any]) -> dict[str, Any]:
        """Beside the job, in ONNX Runtime's format: two operators a run, and a gap of 1 µs."""
        events, at = [], 100
        for _ in range(command["runs"]):
            half = max(1, self._sample(command) // 2000)
            run = {"cat": "Session", "name": "model_run", "ts": at, "dur": 2 * half + 1, "args": {}}
            events.append(run)
            for name in ("/model/layers.0/attention/MatMul", "/model/classifier/Gemm"):
                kind = name.rpartition("/")[2]
                events.append(
                    {"cat": "Node", "name": f"{name}_kernel_time", "ts": at, "dur": half,
                     "args": {"op_name": kind}}
                )  # fmt: skip
                at += half
            at += 10
        job = Path(os.environ["STAND_IN_JOB"])
        file = job.with_name(f"{job.stem}-profile_{self._runs}.json")
        file.write_text(pretended().get("profile", json.dumps(events)), encoding="utf-8")
        on_phone = f"/{file.relative_to(os.environ['STAND_IN_ROOT'])}"
        return {"input": command["input"], "runs": command["runs"], "file": on_phone}

    def _probe(self, command: dict[str, Any]) -> dict[str, Any]:
        samples = [int(9e6 * self._noise() * self._slowdown()) for _ in range(5)]
        self._ahead_ns += sum(samples)
        return {"samples_ns": samples, "result": PROBE_RESULT}

    def _context(self, command: dict[str, Any] | None = None) -> dict[str, Any]:
        readings = self._readings()
        return readings if command is None else {"context": readings}

    # Made up ----------------------------------------------------------------------------------

    def _now(self) -> int:
        return time.monotonic_ns() + self._ahead_ns

    def _noise(self) -> float:
        return 1 + abs(self._random.gauss(0, 0.01))

    def _slowdown(self) -> float:
        return float(pretended().get("slowdown", 1.0))

    def _sample(self, command: dict[str, Any]) -> int:
        name, texts = command["input"], self._job.get("texts", {})
        rows = self._job["inputs"].get(name)
        plain = self._job.get("plain", {"inputs": {}})["inputs"]
        if rows is None and name in plain:
            rows = [[0] * math.prod(plain[name]["tensors"][0]["shape"])]
        if rows is None and name not in texts:
            names = ", ".join(sorted([*self._job["inputs"], *texts]))
            raise Wrong("job", f"the job has no input '{name}'; it has: {names}")
        self._runs += 1
        if rows is None:
            reach("text")
            words = len(texts[name]["text"].split())
            beside_ns = 1e6 * pretended().get("text_ms", 2)
            return int((self._latency_ns(words) + beside_ns) * self._noise())
        tokens = sum(len(row) for row in rows)
        return max(1, int(self._latency_ns(tokens) * self._noise()))

    def _take_energy(self, answers: int) -> None:
        told = pretended().get("answer_mj", 0)
        millijoules = told if isinstance(told, int | float) else self._own(told)
        if millijoules:
            path = Path(os.environ["STAND_IN_ROOT"], "stand_in/answers_mj")
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{answers * millijoules}\n")

    def _own(self, told: dict[str, Any]) -> Any:
        """What was told for this artifact, or its precision, or all."""
        names = (self._name, self._artifact.manifest["precision"], "*")
        return next((told[each] for each in names if each in told), None)

    def _latency_ns(self, tokens: int) -> float:
        milliseconds = self._own(pretended().get("latency_ms", {}))
        if milliseconds is None:
            digest = hashlib.sha256(self._name.encode()).digest()
            milliseconds = 5 + digest[0] / 8  # 5 to 37
        return milliseconds * 1e6 * tokens / 128 / self._job["threads"] ** 0.7 * self._slowdown()

    def _readings(self) -> dict[str, Any]:
        root = Path(os.environ.get("STAND_IN_ROOT", "/"))
        cpus = os.environ.get("STAND_IN_MASK")
        model = sum(facts["bytes"] for facts in self._artifact.manifest["files"].values())
        resident = 90_000 + model // 1024
        zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
        cores = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))
        return {
            "at_ns": self._now(),
            "peak_memory_kb": resident + 12_000,
            "memory_kb": resident,
            "swapped_kb": 0,
            "cpus_allowed": cores_of(cpus) if cpus else f"0-{len(cores) - 1}",
            "load_average": [float(word) for word in first(root / "proc/loadavg").split()[:3]],
            "cpu_khz": {
                core.name: int(first(core / "cpufreq/scaling_cur_freq") or 0) for core in cores
            },
            "thermal_millicelsius": {
                f"{zone.name} {first(zone / 'type')}": int(first(zone / "temp") or 0)
                for zone in zones
            },
        }


def cores_of(mask: str) -> str:
    """A mask in the kernel's list format: f0 is 4-7."""
    number = int(mask, 16)
    cores = [core for core in range(number.bit_length()) if number >> core & 1]
    parts: list[list[int]] = []
    for core in cores:
        if parts and parts[-1][1] == core - 1:
            parts[-1][1] = core
        else:
            parts.append([core, core])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def first(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def hello() -> dict[str, Any]:
    facts = {
        "protocol": PROTOCOL,
        "onnxruntime": ONNX_RUNTIME,
        "os": "Linux",
        "arch": platform.machine(),
        "vm": "pretended 0",
        "pid": os.getpid(),
    }
    return {**facts, **pretended().get("hello", {})}


def lines_of(path: Path) -> Iterator[str]:
    """Complete lines of a file as they are appended; ends after ten minutes without a line."""
    with path.open(encoding="utf-8") as file:
        line, limit = "", time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            line += file.readline()
            if line.endswith("\n"):
                yield line
                line, limit = "", time.monotonic() + PATIENCE
            else:
                time.sleep(POLL)


def main(arguments: list[str], lines: Callable[[], Iterator[str]]) -> int:
    if len(arguments) == 3:
        job, commands, told = arguments
        sys.stdout = Path(told).open("w", encoding="utf-8")
        return main([job], lambda: lines_of(Path(commands)))
    if len(arguments) != 1:
        print("usage: squeezebertmobile.runner.Main JOB.json", file=sys.stderr)
        return 2
    try:
        reach("hello")
        tell("hello", **hello())
        Runner(read_job(Path(arguments[0]))).run(lines())
    except Wrong as error:
        kind, message = error.args
        tell("error", kind=kind, message=message)
        print(f"{kind}: {message}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, AttributeError) as error:
        tell("error", kind="artifact", message=f"a file of the artifact lacks something: {error!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda: iter(sys.stdin.readline, "")))
