"""Facts about a run: the phone or machine, the settings, the models and the versions."""

from collections.abc import Callable, Container, Iterator, Mapping

from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.formatting import cores_text, format_number
from squeezebert_mobile.benchmarks.report.writers.page import Block, Cell, Row, Table

__all__ = [
    "Facts",
    "facts_notes",
    "facts_table",
    "machine_facts",
    "model_table",
    "phone_facts",
    "settings_facts",
    "version_facts",
]

#: What measured on a phone, by the results' target.
_MEASURED_BY = {
    "adb": "a process of the adb shell, which Android schedules differently from an app, above "
    "all with several threads",
    "app": "the sample app: figures in an app's scheduling context, not the shell's",
}
_ALL_WORDS = frozenset({0, 1})

Facts = Mapping[str, object]  # name -> value; None and "" are left out


def facts_table(
    caption: str, facts: Callable[[Results], Facts], results: Results
) -> Iterator[Block]:
    """A table of names and values; nothing if no value is known."""
    rows = tuple((name, str(value)) for name, value in _known(facts(results)))
    if rows:
        yield Table(caption, ("", ""), rows, _ALL_WORDS)


def facts_notes(results: Results) -> Iterator[str]:
    """The facts that matter most, in a line each."""
    yield from _sentence("Phone", phone_facts(results), leave_out={"build", "security patch"})
    if results.target in _MEASURED_BY:
        yield f"Measured by {_MEASURED_BY[results.target]}; cores: {results.settings.cores}."
    facts = machine_facts(results)
    yield from _sentence("Machine", facts, leave_out={"architecture", "memory", "system"})
    if results.machine:
        used = {"squeezebert-mobile", *(_library(each.format) for each in results.contenders)}
        installed = results.machine.versions
        software = {name: version for name, version in installed.items() if name in used}
        yield from _sentence("Software", software | {"on": results.machine.os})


def _library(format: str) -> str:
    """The package that runs a format, as the versions name it."""
    return FORMATS[format].library.partition(".")[0] if format in FORMATS else format


def _sentence(title: str, facts: Facts, leave_out: Container[str] = ()) -> Iterator[str]:
    parts = [f"{name} {value}" for name, value in _known(facts) if name not in leave_out]
    if parts:
        yield f"{title}: {'; '.join(parts)}."


def _known(facts: Facts) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in facts.items() if value not in (None, ""))


def phone_facts(results: Results) -> Facts:
    """What the phone reports about itself."""
    phone = results.phone
    if phone is None:
        return {}
    names: Facts = {
        "model": phone.model,
        "manufacturer": phone.manufacturer,
        "processor": phone.soc,
        "build": phone.build,
        "security patch": phone.security_patch,
    }
    clusters: dict[str, object] = {}
    for each in phone.clusters:
        clock = (
            f"up to {format_number(each.max_khz / 1e6)} GHz" if each.max_khz else "clock unknown"
        )
        clusters[cores_text(each.cores)] = f"{clock}, governor {each.governor or 'unknown'}"
    return {
        # A stand-in carries the name of a phone that was not measured.
        **({} if phone.stand_in else names),
        "serial": phone.serial,
        "connection": phone.connection,
        "Android": phone.android and f"{phone.android} (SDK {phone.sdk or 'unknown'})",
        "ABI": phone.abi,
        "memory": _gib(phone.memory_bytes),
        **clusters,
        "designs": ", ".join(f"{count} {name}" for name, count in phone.designs.items()),
        "features": " ".join(phone.features),
    }


def machine_facts(results: Results) -> Facts:
    """The host that measured."""
    machine = results.machine
    if machine is None:
        return {}
    of = f" of {machine.logical_cores}" if machine.usable_cores != machine.logical_cores else ""
    before, after = results.load_before, results.load_after
    return {
        "processor": machine.cpu,
        "architecture": machine.architecture,
        "cores": f"{machine.usable_cores}{of}",
        "quota": machine.cpu_quota and f"{machine.cpu_quota:g} cores",
        "features": " ".join(machine.features),
        "memory": _gib(machine.memory_bytes),
        "governor": machine.governor,
        "virtual machine": {True: "yes", False: "no", None: None}[machine.virtual],
        "system": machine.os,
        "load average before": before and f"{before[0]:.2f}",
        "load average after": after and f"{after[0]:.2f}",
    }


def _gib(size: int | None) -> str | None:
    return f"{size / (1 << 30):.1f} GiB" if size else None


def settings_facts(results: Results) -> Facts:
    """How long, with how many threads and with what inputs was measured."""
    settings = results.settings
    return {
        "measured": results.created.replace("T", " ").replace("+00:00", " UTC"),
        "measured by": _MEASURED_BY.get(results.target),
        "preset": settings.preset,
        "runs of each model, at least": settings.runs,
        "seconds of each model, at least": f"{settings.seconds:g}",
        "blocks, at least": settings.blocks,
        "fresh starts": settings.starts,
        "threads": ", ".join(map(str, settings.threads)),
        "lengths in tokens": ", ".join(map(str, settings.sequence_lengths)),
        "threads of a fresh start": settings.start_threads,
        "tokens of a fresh start": settings.start_sequence_length,
        "batch": settings.batch,
        "choices": settings.choices,
        "unrecorded runs before each visit": settings.lead_in_runs,
        "seed of the inputs": settings.input_seed,
        "ids of the inputs are below": settings.input_vocab_size,
        "cores": settings.cores if results.phone else None,
        "accelerator asked for": {"cpu": None}.get(settings.accelerator, settings.accelerator),
    }


def model_table(results: Results) -> Iterator[Block]:
    """The model files that were measured."""
    header = ("model", "role", "format", "precision", "task", "weights", "length", "MB", "SHA-256")
    rows: list[Row] = [
        (
            each.label,
            each.role,
            each.format,
            each.precision,
            each.task or "",
            each.weights,
            str(each.sequence_length or "any"),
            format_number(each.file_bytes / 1e6),
            Cell(each.sha256, style="checksum"),
        )
        for each in results.contenders
    ]
    yield Table("What was measured", header, tuple(rows), frozenset({0, 1, 2, 3, 4, 5, 8}))


def version_facts(results: Results) -> Facts:
    """The software that measured."""
    facts: dict[str, object] = {}
    if results.machine:
        facts |= {"Python": results.machine.python, **results.machine.versions}
    if results.phone:
        facts |= {f"{name}, SHA-256": each for name, each in results.phone.libraries.items()}
        runner = "the app's APK" if results.target == "app" else "runner"
        facts[f"{runner}, SHA-256"] = results.phone.runner_sha256
    return facts
