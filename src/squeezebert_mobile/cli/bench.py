"""The commands `bench` and `report`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from squeezebert_mobile.benchmarks.measure.schedule import PRESETS
from squeezebert_mobile.benchmarks.records.targets import Accelerator, Target
from squeezebert_mobile.cli.numbers import finite, positive
from squeezebert_mobile.cli.options import (
    AdbServer,
    AllDevices,
    Debug,
    Json,
    PresetName,
    Serials,
    reject_phone_options,
)
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.files import check_new, check_writable
from squeezebert_mobile.formats import MAX_THREADS
from squeezebert_mobile.progress import shown
from squeezebert_mobile.streams import print_json, print_line

if TYPE_CHECKING:
    from squeezebert_mobile.benchmarks import Contender, Results

__all__ = ["bench", "report"]

_PRESETS = ", ".join(f"{p.name} {p.runs} and {p.seconds:g} s" for p in PRESETS.values())


def bench(
    artifacts: Annotated[
        list[Path],
        typer.Argument(help="Artifact folders, and .onnx, .pte or .tflite files of other makers."),
    ],
    baseline: Annotated[
        str, typer.Option(help="bert-base, another artifact folder, or none.")
    ] = "bert-base",
    target: Annotated[
        Target,
        typer.Option(
            help="Where to measure: this computer (host), a phone without installing anything "
            "(adb), or the sample app on a phone (app)."
        ),
    ] = "host",
    threads: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=MAX_THREADS,
            help="Number of threads; repeat for several (default: 1).",
        ),
    ] = None,
    sequence_length: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Input length in tokens; repeat for several (default: 128)."),
    ] = None,
    preset: Annotated[
        PresetName, typer.Option(help=f"Minimum runs and time per model: {_PRESETS}.")
    ] = "quick",
    serial: Serials = None,
    all_devices: AllDevices = False,
    adb_server: AdbServer = None,
    cores: Annotated[
        str | None,
        typer.Option(help="Phone cores: all, big, or a hex mask such as f0 (default: all)."),
    ] = None,
    accelerator: Annotated[
        Accelerator,
        typer.Option(
            help="What is asked to run LiteRT artifacts on a phone; a figure that the CPU "
            "contributed to is flagged."
        ),
    ] = "cpu",
    android_runtime: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.aar", help="Runtime library to use instead of downloading it with Maven."
        ),
    ] = None,
    max_celsius: Annotated[
        float | None,
        typer.Option(
            callback=finite,
            help="Wait while the phone is hotter, in degrees Celsius (default: 37).",
        ),
    ] = None,
    cool_down: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=finite,
            help="Longest wait for the phone to cool, in seconds (default: 300).",
        ),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=finite,
            metavar="SECONDS",
            help="Longest wait while another program uses the phone (default: 600).",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume an interrupted run on a phone, or write the results of a complete run "
            "that was killed before.",
        ),
    ] = False,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Afterwards profile ONNX models, and on this computer ExecuTorch: time by "
            "operator, ONNX by layer too, and a trace beside the results (not with --target app).",
        ),
    ] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=FILL[:SHAPE]",
            help="How an input of a model file is filled: ids, ones, zeros or random, and its "
            "shape, such as 1xlength; needed for other names than transformers'.",
        ),
    ] = None,
    from_text: Annotated[
        bool,
        typer.Option(
            "--from-text",
            help="Also measure the time from a text to its answer, and from the start of a process "
            "to its first answer.",
        ),
    ] = False,
    energy: Annotated[
        bool,
        typer.Option(
            "--energy",
            help="Afterwards measure the energy of an answer on a phone that is not plugged in "
            "(--target adb, over Wi-Fi).",
        ),
    ] = False,
    fail_if_slower: Annotated[
        float | None,
        typer.Option(
            callback=positive,
            metavar="RATIO",
            help="Exit with 1 unless RATIO times as fast as the baseline.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="JSON results file (default on phones: phone.json)."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing results.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Benchmark artifacts on this computer or on phones.

    The baseline is measured in the same run. By default it is BERT-base with the task and format
    of each artifact, once in the artifact's precision and once in fp32. It is exported on first
    use and kept in the user's cache.
    """
    if target != "host":
        output = output or Path("phone.json")
    if output:
        check_writable(output, what="results")
        if target == "host":
            check_new(output, force=force or resume)
    from squeezebert_mobile.benchmarks import (
        check_regression,
        get_preset,
        print_table,
    )
    from squeezebert_mobile.benchmarks.measure.host import bench_on_host
    from squeezebert_mobile.benchmarks.measure.profiling import check_profilable
    from squeezebert_mobile.benchmarks.measure.unfinished_runs import check_journal
    from squeezebert_mobile.benchmarks.records.journal import journal_of
    from squeezebert_mobile.benchmarks.records.regression_check import check_measured

    phone_options = {
        "serial": serial,
        "all_devices": all_devices,
        "adb_server": adb_server,
        "cores": cores,
        "accelerator": accelerator if accelerator != "cpu" else None,
        "android_runtime": android_runtime,
        "max_celsius": max_celsius,
        "cool_down": cool_down,
        "wait": wait,
        "resume": resume,
        "energy": energy,
        "force": force,
    }
    measurement: dict[str, Any] = {
        "preset": get_preset(preset),
        "threads": tuple(threads or [1]),
        "sequence_lengths": tuple(sequence_length) if sequence_length else None,
    }
    if target == "host":
        reject_phone_options(
            phone_options | {"resume": None, "force": None}, remedy="add --target adb"
        )
        # Before a baseline is exported, which takes minutes.
        check_journal(journal_of(output) if output else None, resume=resume)
        measurement |= {"output": output, "resume": resume}
        measurement |= {"profile": profile, "from_text": from_text}
        all_results = [
            bench_on_host(
                _contenders(
                    artifacts,
                    baseline,
                    inputs=inputs or (),
                    check=check_profilable if profile else lambda contenders: None,
                ),
                **measurement,
            )
        ]
    else:
        if target == "app" or accelerator != "cpu":
            option = f"--accelerator {accelerator}" if target == "adb" else "--target app"
            _check_artifacts(artifacts, inputs or (), option)
        measurement |= {"target": target, "output": output}
        measurement |= {"profile": profile, "from_text": from_text}
        all_results = _bench_on_phones(
            artifacts, baseline, inputs or (), phone_options, measurement
        )
    for results in all_results:
        if as_json:
            print_json(results.to_json())
        else:
            print_table(results)
    if not all(results.complete for results in all_results):
        raise typer.Exit(130)  # the shell's exit code for Ctrl-C
    for results in all_results:
        check_measured(results)
        if fail_if_slower is not None:
            check_regression(results, fail_if_slower)


def _check_artifacts(models: Sequence[Path], inputs: Sequence[str], option: str) -> None:
    """Check that only artifacts are given, as nothing else is measured with an option."""
    from squeezebert_mobile.benchmarks.measure.contenders import is_model_file

    for path in models:
        if is_model_file(path):
            raise InputError(
                f"{str(path)!r} is a model file, and {option} measures artifacts only, whose "
                f"answers it checks; leave the file or {option.split()[0]} out"
            )
    if inputs:
        raise InputError(f"--input is for model files, not for {option}; remove it")


def _contenders(
    artifacts: Sequence[Path],
    baseline: str,
    *,
    inputs: Sequence[str] = (),
    check: Callable[[Sequence["Contender"]], None] = lambda contenders: None,
) -> list["Contender"]:
    from squeezebert_mobile.benchmarks import artifact_contenders
    from squeezebert_mobile.benchmarks.inputs.specs import parse_input
    from squeezebert_mobile.benchmarks.measure.contenders import is_model_file

    folders = [] if baseline in {"none", "bert-base"} else [Path(baseline)]
    given = [parse_input(text) for text in inputs]
    contenders = artifact_contenders(artifacts, baselines=folders, given=given)
    check(contenders)  # before a baseline is exported, which takes minutes
    if baseline == "bert-base":
        from squeezebert_mobile.cli.baselines import bert_base_contenders

        exported = [path for path in artifacts if not is_model_file(path)]
        contenders += bert_base_contenders(exported, progress=shown())
    return contenders


def _bench_on_phones(
    models: Sequence[Path],
    baseline: str,
    inputs: Sequence[str],
    options: dict[str, Any],
    measurement: dict[str, Any],
) -> list["Results"]:
    from squeezebert_mobile.artifact import read_manifest
    from squeezebert_mobile.benchmarks.measure.contenders import is_model_file
    from squeezebert_mobile.benchmarks.measure.plain_files import FILE_FORMATS
    from squeezebert_mobile.benchmarks.phone.commands import PhoneRequest, bench_on_phones
    from squeezebert_mobile.benchmarks.phone.cooling import Cooling
    from squeezebert_mobile.benchmarks.phone.plain import check_inputs
    from squeezebert_mobile.cli.printing.progress import print_note

    limits = {"max_celsius": options["max_celsius"], "limit_s": options["cool_down"]}
    request = PhoneRequest(
        serials=tuple(options["serial"] or ()),
        all_devices=options["all_devices"],
        adb_server=options["adb_server"],
        cores=options["cores"] or "all",
        accelerator=options["accelerator"] or "cpu",
        android_runtime=tuple(options["android_runtime"] or ()),
        cooling=Cooling(**{name: value for name, value in limits.items() if value is not None}),
        resume=options["resume"],
        energy=options["energy"],
        force=options["force"],
        **({} if options["wait"] is None else {"wait_s": options["wait"]}),
        **measurement,
    )
    formats = {
        str(path): FILE_FORMATS[path.suffix] if is_model_file(path) else read_manifest(path).format
        for path in models
    }
    written = bench_on_phones(
        request,
        formats,
        lambda: _contenders(models, baseline, inputs=inputs, check=check_inputs),
        note=print_note,
    )
    for path, _ in written:
        print_line(f"written to {path}", stderr=True)
    return [results for _, results in written]


def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="Results files written by bench, and what evaluate --json printed."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Report file, ending in .html or .md.")
    ],
    debug: Debug = False,
) -> None:
    """Write an HTML or Markdown report of benchmark results.

    The report has tables, distributions, temperatures, and facts about devices and models.
    """
    check_writable(output, what="report")
    from squeezebert_mobile.benchmarks import read_results
    from squeezebert_mobile.benchmarks.records.accuracy import read_evaluation
    from squeezebert_mobile.benchmarks.report import write_report

    evaluated = {path: found for path in results if (found := read_evaluation(path))}
    measured = [(str(path), read_results(path)) for path in results if path not in evaluated]
    write_report(measured, output, evaluated=list(evaluated.values()))
    print_line(f"written to {output}", stderr=True)
