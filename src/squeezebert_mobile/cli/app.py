"""The command line: the one place that strings export, runtime and benchmarks together.

Nothing heavy is imported here; each command imports what it runs, so that --help answers at once.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import Enum, StrEnum
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from squeezebert_mobile.errors import (
    ArtifactError,
    InputError,
    SqueezeBertMobileError,
    require,
    require_extra,
)
from squeezebert_mobile.tasks import TASKS

if TYPE_CHECKING:
    from squeezebert_mobile.artifact import Manifest
    from squeezebert_mobile.benchmarks import Contender, Results
    from squeezebert_mobile.evaluation import NamedPipeline

__all__ = ["app", "main"]

app = typer.Typer(
    help="Export a SqueezeBERT checkpoint to a phone's format, run it, and measure it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: it fits 80 columns, and pipes
)

# An option's choices, so that a wrong one is a usage error (exit 2) that lists them.
TaskName = Enum("TaskName", {name: name for name in TASKS}, type=str)  # type: ignore[misc]


class FormatName(StrEnum):
    """The formats that this version writes."""

    onnx = "onnx"
    executorch = "executorch"
    torchscript = "torchscript"


class PrecisionName(StrEnum):
    """The precisions that this version writes."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    int4 = "int4"


class EngineName(StrEnum):
    """Torch's engines for int8."""

    qnnpack = "qnnpack"
    x86 = "x86"


class PresetName(StrEnum):
    """How long to measure."""

    rapid = "rapid"
    quick = "quick"
    normal = "normal"


class TargetName(StrEnum):
    """Where to measure."""

    host = "host"
    adb = "adb"
    app = "app"


class Aggregation(StrEnum):
    """How tokens are joined to entities."""

    none = "none"
    simple = "simple"
    first = "first"
    average = "average"
    max = "max"


Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
# Read by `main`, which sees errors after the command has ended.
Debug = Annotated[
    bool, typer.Option("--debug", help="Show an error's traceback, and what libraries log.")
]


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 1."""
    debug = "--debug" in sys.argv
    logging.getLogger("squeezebert_mobile").setLevel(logging.DEBUG if debug else logging.NOTSET)
    try:
        app()
    except SqueezeBertMobileError as error:
        if debug:
            raise
        print("\n".join([f"error: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader of our output (head, less) has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _version(asked: bool) -> None:
    if asked:
        from squeezebert_mobile import __version__

        print(f"squeezebert-mobile {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None: ...


# Export -------------------------------------------------------------------------------------


def _length(value: str) -> int | None:
    if value == "dynamic":
        return None
    if not value.isdecimal():
        raise typer.BadParameter(f"{value!r} is neither a number of tokens nor 'dynamic'")
    return int(value)


@app.command()
def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A folder in Hugging Face layout, a Hub id, demo, demo-slots, demo-fill-mask, "
            "preset:squeezebert-base, or preset:bert-base (random weights)."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    task: Annotated[
        TaskName | None,
        typer.Option(
            metavar="TASK", help=f"One of {', '.join(TASKS)}; default: what config.json names."
        ),
    ] = None,
    format: Annotated[
        FormatName,
        typer.Option(
            help="What the phone's runtime reads. torchscript is legacy: no runtime for phones is "
            "maintained; it serves C++ hosts and older apps."
        ),
    ] = FormatName.onnx,
    precision: Annotated[PrecisionName, typer.Option(help="How weights are stored.")] = (
        PrecisionName.int8
    ),
    sequence_length: Annotated[
        str, typer.Option(metavar="dynamic|N", help="The input's length in tokens.")
    ] = "dynamic",
    max_sequence_length: Annotated[
        int | None, typer.Option(help="The longest input in tokens; default: the model's.")
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(help="int8 torchscript: who multiplies; qnnpack (phones) is the default."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Texts to verify with, one a line; default: 200 of ours.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Labelled examples, as evaluate takes them, to measure with."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0, help="How much worse the metric on --data may be, as a fraction: 0.01."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an artifact that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Export a checkpoint to a verified artifact.

    Its grouped convolutions are rewritten and proved equal, it is quantized, and the file that
    was written is compared with the checkpoint on real text before the folder appears.
    """
    from squeezebert_mobile.cli.printing import export_progress, print_export
    from squeezebert_mobile.export import export_checkpoint

    manifest = export_checkpoint(
        checkpoint,
        output,
        task=task.value if task else None,
        format=format.value,
        precision=precision.value,
        sequence_length=_length(sequence_length),
        max_sequence_length=max_sequence_length,
        engine=engine.value if engine else None,
        texts=_lines(texts) if texts else None,
        data=data,
        max_drop=max_drop,
        force=force,
        progress=export_progress(Console(stderr=True)),
    )
    if as_json:
        print(manifest.model_dump_json(indent=1))
    else:
        print_export(manifest, output, Console())


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--texts {str(path)!r} cannot be read: {error}") from None
    if found := [line for line in lines if line.strip()]:
        return found
    raise InputError(f"--texts {str(path)!r} holds no text; write one a line")


# Fine-tune ----------------------------------------------------------------------------------


@app.command()
def finetune(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="Where to start: a folder in Hugging Face layout, a Hub id, demo, demo-slots, "
            "demo-fill-mask, or preset:NAME (random weights)."
        ),
    ],
    data: Annotated[Path, typer.Argument(help="What to learn: a file as evaluate reads it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The checkpoint to write.")],
    task: Annotated[
        TaskName,
        typer.Option(metavar="TASK", help="What the data is for: text-classification, ..."),
    ],
    dev: Annotated[
        Path | None,
        typer.Option(help="Data to measure with after each epoch: the best weights are kept."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Default: 3, or what makes 1,000 steps; at most 50.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 5e-5 at a width of 768, more for less.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Of one process. Default: 16.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of a new head, the order, dropout.")
    ] = 0,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="Learn this checkpoint's answers as well."),
    ] = None,
    data_format: Annotated[
        str | None, typer.Option(help="Of the data; default: what it looks like.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Of a table; default: text.")] = None,
    pair_column: Annotated[str | None, typer.Option(help="Default: text_pair.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Default: label.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that broke off.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a fine-tuned checkpoint that is there.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fine-tune a checkpoint on labelled data.

    Several GPUs or machines: torchrun --nproc-per-node N -m squeezebert_mobile finetune ...
    """
    for extra in ("export", "evaluate", "finetune"):
        require_extra(extra, within="finetune")
    from squeezebert_mobile.cli.printing import print_training, training_progress
    from squeezebert_mobile.evaluation import Columns
    from squeezebert_mobile.training.finetuning import finetune_checkpoint

    console = Console(stderr=True)
    with training_progress(console) as report:
        results = finetune_checkpoint(
            checkpoint,
            data,
            output,
            task=task.value,
            dev=dev,
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed=seed,
            teacher=teacher,
            resume=resume,
            force=force,
            data_format=data_format,
            columns=Columns(text_column, pair_column, label_column),
            report=report,
            note=lambda text: console.print(f"note: {text}", highlight=False, soft_wrap=True),
        )
    if int(os.environ.get("RANK", 0)) > 0:
        return  # of several processes the first one speaks
    if as_json:
        print(json.dumps(results, indent=1))
    else:
        print_training(results, output, Console())


# Run ----------------------------------------------------------------------------------------


@app.command()
def run(
    artifact: Annotated[Path, typer.Argument(help="An exported folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; default: the lines of stdin.")
    ] = None,
    text_pair: Annotated[str | None, typer.Option(help="The second text.")] = None,
    choice: Annotated[
        list[str] | None, typer.Option(help="multiple-choice: a choice; give two or more.")
    ] = None,
    question: Annotated[str | None, typer.Option(help="question-answering: the question.")] = None,
    context: Annotated[str | None, typer.Option(help="question-answering: where to look.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="How many answers to give.")] = None,
    aggregation: Annotated[
        Aggregation, typer.Option(help="token-classification: how tokens are joined.")
    ] = Aggregation.simple,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: the runtime's.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Answer texts with an artifact."""
    from squeezebert_mobile.runtime import load_artifact

    model = load_artifact(artifact, threads=threads)
    given = {
        "text_pair": text_pair,
        "choices": choice or None,
        "question": question,
        "context": context,
        "top_k": top_k,
    }
    accepted = signature(type(model).__call__).parameters
    options = _options_for(model.manifest.task, accepted, given)
    if "aggregation_strategy" in accepted:
        options["aggregation_strategy"] = aggregation.value
    if model.manifest.weights == "random":
        print("note: the weights are random; the answers mean nothing", file=sys.stderr)
    if question is not None:
        _answer(None, model(**options), as_json)
        return
    for text in texts or _stdin():
        _answer(text, model(text, **options), as_json)


def _options_for(task: str, accepted: Iterable[str], given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, if the task's pipeline accepts them."""
    options = {name: value for name, value in given.items() if value is not None}
    if wrong := sorted(options.keys() - set(accepted)):
        flag = {"choices": "choice"}.get(wrong[0], wrong[0]).replace("_", "-")
        raise InputError(f"--{flag} is not for {task}; leave it out, or take another artifact")
    if task == "multiple-choice" and len(options.get("choices", ())) < 2:
        raise InputError("multiple-choice needs two choices or more; give --choice for each")
    if task == "question-answering" and not {"question", "context"} <= options.keys():
        raise InputError("question-answering needs --question and --context")
    return options


def _stdin() -> Iterator[bytes]:
    """The lines of stdin as they come; the pipeline decodes them, and says where it cannot."""
    if sys.stdin.isatty():
        print("Type a text and Enter; Ctrl-D ends.", file=sys.stderr)
    for line in sys.stdin.buffer:
        if line.strip():
            yield line.rstrip(b"\r\n")


def _answer(text: str | bytes | None, result: Any, as_json: bool) -> None:
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    if as_json:
        print(json.dumps({"text": text, **result.to_dict()}, ensure_ascii=False), flush=True)
        return
    if text is not None:
        print(text)
    for line in str(result).splitlines():
        print(f"  {line}", flush=True)
    if result.notice:
        print(f"note: {result.notice}", file=sys.stderr)


# Inspect ------------------------------------------------------------------------------------


@app.command()
def inspect(
    name: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|ARTIFACT",
            help="An exported folder, or what export takes: a folder, a Hub id, demo, preset:NAME.",
        ),
    ],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a checkpoint or an artifact is made of.

    A checkpoint: its heads, parameters, groups, and the size it will have. An artifact: its sizes,
    operators, how close it is to its checkpoint, and what was kept in higher precision.
    """
    from squeezebert_mobile.artifact import MANIFEST_FILE, read_artifact
    from squeezebert_mobile.cli.printing import print_artifact, print_checkpoint

    if (Path(name) / MANIFEST_FILE).is_file():
        manifest = read_artifact(Path(name))
        if as_json:
            print(manifest.model_dump_json(indent=1))
        else:
            print_artifact(manifest, Console())
        return
    from squeezebert_mobile.export import inspect_checkpoint

    facts = inspect_checkpoint(name)
    if as_json:
        found = asdict(facts) | {"model": facts.model.model_dump()}
        print(json.dumps(found, indent=1))
    else:
        print_checkpoint(facts, Console())


# Verify -------------------------------------------------------------------------------------


@app.command()
def verify(
    artifact: Annotated[Path, typer.Argument(help="An exported folder.")],
    against: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="Compare with this checkpoint, on all texts."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="With --against: texts, one a line; default: 200 of ours.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the artifact's runtime.")] = 1,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check an artifact: its files' checksums, and whether this machine reproduces its answers.

    With --against the checkpoint is run as well, and the artifact must be as close to it as an
    export must.
    """
    from squeezebert_mobile.artifact import read_golden
    from squeezebert_mobile.cli.printing import export_progress, print_verification
    from squeezebert_mobile.runtime import check_golden, load_artifact

    if texts and not against:
        raise InputError("--texts is for --against; give a checkpoint to compare with, too")
    model = load_artifact(artifact, threads=threads)
    checks = check_golden(model.session, model.spec, read_golden(artifact))
    parity = None
    if against and all(check.holds for check in checks):
        from squeezebert_mobile.export import verify_against

        progress = export_progress(Console(stderr=True))
        lines = _lines(texts) if texts else None
        parity = verify_against(model, against, texts=lines, progress=progress)
    if as_json:
        golden = [asdict(check) | {"holds": check.holds} for check in checks]
        found = {"files": len(model.manifest.files), "golden": golden}
        if parity:
            found["parity"] = parity.model_dump(mode="json")
        print(json.dumps(found, indent=1))
    else:
        print_verification(model.manifest, checks, parity, Console())
    if wrong := [check for check in checks if not check.holds]:
        raise ArtifactError(
            f"this machine does not reproduce the artifact's answers: {wrong[0].output} differs by "
            f"{wrong[0].max_abs_diff:.3g} (at most {wrong[0].tolerance:.3g}); upgrade the runtime, "
            "or export the checkpoint again"
        )


# Evaluate -----------------------------------------------------------------------------------


@app.command()
def evaluate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT|CHECKPOINT",
            help="An exported folder, or what export takes: a folder, a Hub id, demo, preset:NAME.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="A file with labelled examples: of GLUE, SQuAD or CoNLL as published; a table "
            "(CSV, TSV, JSONL) with text, text_pair and label; JSONL with text, choices and label; "
            "for fill-mask a text a line."
        ),
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="ARTIFACT|CHECKPOINT", help="Compare with this one, on the same data."
        ),
    ] = None,
    data_format: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: what the file looks like.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Of a table; default: text.")] = None,
    pair_column: Annotated[
        str | None, typer.Option(help="Of a table; default: text_pair, if it has that.")
    ] = None,
    label_column: Annotated[str | None, typer.Option(help="Of a table; default: label.")] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Texts of one model call; 1 is as a phone asks.")
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Threads that ask; the figures are the same. Default: all cores."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how often an artifact or a checkpoint is right, on labelled data.

    With --against also how much better or worse it is than another one, within which interval, and
    where the two disagree most.
    """
    from squeezebert_mobile import evaluation as accuracy
    from squeezebert_mobile.cli.evaluation_text import print_evaluation
    from squeezebert_mobile.cli.printing import export_progress

    file = accuracy.read_file(data)
    progress = export_progress(Console(stderr=True))
    with progress("load"):
        model = _model(name)
    is_regression = accuracy.is_regression_model(model.pipeline)
    columns = accuracy.Columns(text_column, pair_column, label_column, is_regression)
    task = model.pipeline.spec.task
    labelled = accuracy.read_data(file, task, format=data_format, columns=columns)
    with progress("load"):
        other = _model(against, task) if against else None
    found = accuracy.evaluate(
        model,
        labelled,
        against=other,
        batch_size=batch_size,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
    )
    if as_json:
        print(json.dumps({"data": str(data), **found.to_dict()}, indent=1))
    else:
        print_evaluation(found, Console())


def _model(name: str, task: str | None = None) -> "NamedPipeline":
    """An artifact, or a checkpoint that is run as it stands; both with one thread a call."""
    from squeezebert_mobile.artifact import MANIFEST_FILE
    from squeezebert_mobile.evaluation import NamedPipeline

    if (Path(name) / MANIFEST_FILE).is_file():
        from squeezebert_mobile.runtime import load_artifact

        pipeline = load_artifact(name, threads=1)
        weights = pipeline.manifest.weights
    else:
        require("torch", "export").set_num_threads(1)
        from squeezebert_mobile.export import reference_pipeline
        from squeezebert_mobile.models.checkpoint import open_checkpoint

        source = open_checkpoint(name, task=task)
        pipeline, weights = reference_pipeline(source), source.weights
    if weights == "random":
        print(f"note: the weights of {name} are random; its figures mean nothing", file=sys.stderr)
    return NamedPipeline(name, pipeline)


# Bench --------------------------------------------------------------------------------------

BaselineKey = tuple[str, str, str, int | None]  # task, format, precision, fixed length


Serials = Annotated[
    list[str] | None, typer.Option("--serial", metavar="SERIAL", help="Which phone.")
]
AllDevices = Annotated[bool, typer.Option("--all-devices", help="All phones at once.")]
AdbServer = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="An adb server elsewhere.")
]


@app.command()
def bench(
    artifacts: Annotated[list[Path], typer.Argument(help="Exported folders.")],
    baseline: Annotated[
        str, typer.Option(help="bert-base, another artifact, or none.")
    ] = "bert-base",
    target: Annotated[
        TargetName,
        typer.Option(
            help="This machine; a phone on which nothing is installed; the sample app on a phone."
        ),
    ] = TargetName.host,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Default: 1.")] = None,
    sequence_length: Annotated[
        list[int] | None, typer.Option(min=1, help="In tokens; default: 128.")
    ] = None,
    preset: Annotated[
        PresetName, typer.Option(help="How long: 64 runs and 6 s, 128 and 10 s, 1024 and 60 s.")
    ] = PresetName.quick,
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    cores: Annotated[
        str | None, typer.Option(help="Of a phone: all, big, or a mask as f0; default: all.")
    ] = None,
    android_runtime: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.aar", help="In place of what Maven brings.")
    ] = None,
    max_celsius: Annotated[
        float | None, typer.Option(help="Wait while a phone is warmer; default: 37.")
    ] = None,
    cool_down: Annotated[
        float | None, typer.Option(min=0, help="How long to wait, in seconds; default: 300.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run on a phone that broke off.")
    ] = False,
    fail_if_slower: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Exit with 1 unless RATIO times as fast as baseline."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="JSON results; of a phone by default phone.json."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure artifacts on this machine or on phones, beside BERT-base in the same run.

    The baseline has the artifacts' task and format: once in their precision and once in fp32. It
    is exported on first use and kept in the user's cache.
    """
    from squeezebert_mobile.benchmarks import (
        artifact_contenders,
        check_ratios,
        get_preset,
        print_table,
    )

    def contenders() -> list["Contender"]:
        given = [] if baseline in {"bert-base", "none"} else [Path(baseline)]
        found = artifact_contenders(artifacts, baselines=given)
        return found + (_baselines(artifacts) if baseline == "bert-base" else [])

    phone_options = {
        "serial": serial,
        "all_devices": all_devices,
        "adb_server": adb_server,
        "cores": cores,
        "android_runtime": android_runtime,
        "max_celsius": max_celsius,
        "cool_down": cool_down,
        "resume": resume,
    }
    measured = {
        "preset": get_preset(preset.value),
        "threads": tuple(threads or [1]),
        "sequence_lengths": tuple(sequence_length) if sequence_length else None,
    }
    if target is TargetName.host:
        _check_for_host(phone_options)
        found = [_bench_host(contenders(), measured, output)]
    else:
        measured["target"] = target.value
        found = _bench_phones(artifacts, contenders, phone_options, measured, output)
    for results in found:
        if as_json:
            print(results.to_json(), end="")
        else:
            print_table(results)
    if not all(results.complete for results in found):
        raise typer.Exit(130)  # as a shell reports Ctrl-C
    if fail_if_slower is not None:
        for results in found:
            check_ratios(results, fail_if_slower)


def _bench_host(
    contenders: Sequence["Contender"], measured: dict[str, Any], output: Path | None
) -> "Results":
    from squeezebert_mobile.benchmarks import measure_host, progress_bar

    journal = output.with_name(f"{output.name}.journal") if output else None
    if journal:
        journal.unlink(missing_ok=True)  # of an earlier run to the same file
    with progress_bar() as progress:
        results = measure_host(contenders, journal=journal, progress=progress, **measured)
    if output and journal:
        results.write(output)
        journal.unlink()
    return results


def _check_for_host(options: dict[str, Any]) -> None:
    """No option that is for phones."""
    for name, value in options.items():
        if value:
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} is for --target adb; add that, or leave --{flag} out")


def _bench_phones(
    artifacts: Sequence[Path],
    contenders: Callable[[], Sequence["Contender"]],
    options: dict[str, Any],
    measured: dict[str, Any],
    output: Path | None,
) -> list["Results"]:
    from squeezebert_mobile.artifact import read_manifest
    from squeezebert_mobile.benchmarks.phone.cooling import Cooling
    from squeezebert_mobile.benchmarks.phone.fleet import PhoneRequest, bench_on_phones

    if measured["target"] == "app" and options["android_runtime"]:
        raise InputError(
            "--android-runtime is for --target adb: the app has its own libraries; leave "
            "--android-runtime out"
        )
    limits = {"max_celsius": options["max_celsius"], "limit_s": options["cool_down"]}
    request = PhoneRequest(
        serials=tuple(options["serial"] or ()),
        all_devices=options["all_devices"],
        adb_server=options["adb_server"],
        cores=options["cores"] or "all",
        android_runtime=tuple(options["android_runtime"] or ()),
        cooling=Cooling(**{name: value for name, value in limits.items() if value is not None}),
        output=output or Path("phone.json"),
        resume=options["resume"],
        **measured,
    )
    formats = [read_manifest(folder).format for folder in artifacts]
    written = bench_on_phones(request, formats, contenders)
    for path, _ in written:
        print(f"written to {path}", file=sys.stderr)
    return [results for _, results in written]


def _baselines(artifacts: Sequence[Path]) -> list["Contender"]:
    """BERT-base as each artifact needs it: its head and length, in its precision and in fp32."""
    from squeezebert_mobile.artifact import read_manifest
    from squeezebert_mobile.benchmarks import artifact_contender
    from squeezebert_mobile.cli.baselines import baseline_artifact
    from squeezebert_mobile.cli.printing import export_progress

    manifests = [read_manifest(folder) for folder in artifacts]
    progress = export_progress(Console(stderr=True))
    wanted = {_baseline_key(m, p): None for m in manifests for p in (m.precision, "fp32")}
    return [
        artifact_contender(
            baseline_artifact(task, format, precision, length, progress=progress),
            label=" ".join(_telling(wanted, key)),
            role="baseline",
        )
        for key in wanted
        for task, format, precision, length in [key]
    ]


def _telling(wanted: Iterable[BaselineKey], key: BaselineKey) -> list[str]:
    """BERT-base with its precision, and with what else tells it from the others."""
    task, format, precision, length = key
    others = list(wanted)
    words = ["BERT-base", precision]
    if len({other[0] for other in others}) > 1:
        words.append(task)
    if len({other[1] for other in others}) > 1:
        words.append(format)
    if len({other[3] for other in others}) > 1:
        words.append(f"at {length or 'any length'}")
    return words


def _baseline_key(manifest: "Manifest", precision: str) -> BaselineKey:
    return manifest.task, manifest.format, precision, manifest.sequence_length


# Phones -------------------------------------------------------------------------------------


@app.command()
def devices(adb_server: AdbServer = None, as_json: Json = False, debug: Debug = False) -> None:
    """List what adb sees, and what is to be done before it can be measured."""
    from squeezebert_mobile.benchmarks.phone.adb import Adb
    from squeezebert_mobile.benchmarks.phone.checking import look_at_devices
    from squeezebert_mobile.cli.printing_phone import print_devices

    found = look_at_devices(Adb(adb_server))
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=1))
    else:
        print_devices(found, Console())


@app.command()
def doctor(adb_server: AdbServer = None, as_json: Json = False, debug: Debug = False) -> None:
    """Check what a measurement on a phone needs: packages, adb, libraries, a phone."""
    from squeezebert_mobile.benchmarks.phone.checking import check_all
    from squeezebert_mobile.cli.printing_phone import print_checks

    checks = check_all(adb_server)
    if as_json:
        print(json.dumps([asdict(each) for each in checks], indent=1))
    else:
        print_checks(checks, Console())
    if any(check.found is None and check.needed for check in checks):
        raise typer.Exit(1)


@app.command()
def clean(
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    debug: Debug = False,
) -> None:
    """Remove from a phone what bench has pushed to it, and nothing else."""
    from squeezebert_mobile.benchmarks.phone.fleet import clean_phones
    from squeezebert_mobile.benchmarks.phone.pushing import HOME

    for name, size in clean_phones(adb_server, serial or (), all_devices=all_devices):
        print(f"{name}: {HOME} removed, {size / 1e6:.1f} MB")


@app.command()
def push(
    artifact: Annotated[Path, typer.Argument(help="An exported folder.")],
    zip: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Write what the app reads, and ask no phone."),
    ] = None,
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put an artifact into the sample app on a phone, which must be installed as a debug build.

    The app calls it by the folder's name, or by that of the zip file.
    """
    from squeezebert_mobile.benchmarks.phone.fleet import push_to_phones, zip_up

    if zip:
        given = {"serial": serial, "all_devices": all_devices, "adb_server": adb_server}
        for flag in (name.replace("_", "-") for name, value in given.items() if value):
            raise InputError(f"--{flag} is for a phone; leave --{flag} out, or leave --zip out")
        found = [zip_up(artifact, zip)]
    else:
        found = push_to_phones(artifact, adb_server, serial or (), all_devices=all_devices)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=1))
        return
    for each in found:
        to = f"written to {each.to}" if zip else f"is in the app on {each.to}"
        print(f"{each.name}: {to}, {each.bytes / 1e6:.1f} MB")


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Results files of bench.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file: report.html or report.md.")
    ],
    debug: Debug = False,
) -> None:
    """Write a page of one or several results: tables, distributions, temperature, facts."""
    from squeezebert_mobile.benchmarks import read_results
    from squeezebert_mobile.benchmarks.report import write_report

    write_report([(str(path), read_results(path)) for path in results], output)
    print(f"written to {output}", file=sys.stderr)
