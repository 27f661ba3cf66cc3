"""What a user gets without this package, measured beside what it gives.

    python -m squeezebert_mobile.benchmarks.peers [--preset rapid|quick|normal] [-o results.json]

A peer is transformers' model through torch.onnx.export, and through onnxruntime's quantize_dynamic
after that, each with its defaults. All models are of base size with seeded random weights, are
built in a temporary folder, and run with default session options.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import product
from pathlib import Path

from rich.console import Console

from squeezebert_mobile.benchmarks.contenders import (
    Contender,
    artifact_contender,
    file_contender,
)
from squeezebert_mobile.benchmarks.host import measure_host
from squeezebert_mobile.benchmarks.journal import compare
from squeezebert_mobile.benchmarks.progress import progress_bar
from squeezebert_mobile.benchmarks.protocol import PRESETS, Preset, get_preset
from squeezebert_mobile.benchmarks.results import Failure, Goal, Results
from squeezebert_mobile.benchmarks.table import print_table
from squeezebert_mobile.errors import (
    BenchmarkError,
    MissingExtraError,
    SqueezeBertMobileError,
    require,
)

__all__ = [
    "GOALS",
    "BuildFailed",
    "bench_peers",
    "build_apart",
    "build_ours",
    "build_peer",
    "main",
]

#: Shown name -> the beginning of transformers' class names, and our preset.
_FAMILIES = {
    "SqueezeBERT": ("SqueezeBert", "preset:squeezebert-base"),
    "BERT-base": ("Bert", "preset:bert-base"),
}
_PRECISIONS = ("fp32", "int8")  # a peer's int8 is made from its fp32
_VOCAB_SIZE = 30522  # of both families' published base models
_SEED = 0
_TASK = "text-classification"

#: Who is to be how many times faster than whom.
GOALS = (
    ("ours SqueezeBERT int8", "peer BERT-base fp32", 5.0),
    ("ours SqueezeBERT int8", "peer BERT-base int8", 1.3),
    ("ours SqueezeBERT int8", "peer SqueezeBERT int8", 6.0),
)


# Building -----------------------------------------------------------------------------------


def build_ours(family: str, precision: str, folder: Path) -> None:
    """Export our preset to `folder` / `precision`."""
    from squeezebert_mobile.baselines import verification_texts
    from squeezebert_mobile.export import export_checkpoint

    _, checkpoint = _FAMILIES[family]
    texts = verification_texts()
    export_checkpoint(checkpoint, folder / precision, task=_TASK, precision=precision, texts=texts)


def build_peer(
    family: str, precision: str, folder: Path, config: Mapping[str, int] | None = None
) -> None:
    """Export transformers' model to fp32.onnx, or quantize that; `config` overrides base size."""
    plain = folder / "fp32.onnx"
    if precision == "fp32":
        _export_peer(family, plain, config or {})
    else:
        quantization = require("onnxruntime.quantization", "peers")
        quantization.quantize_dynamic(plain, folder / f"{precision}.onnx")


def _export_peer(family: str, path: Path, config: Mapping[str, int]) -> None:
    transformers = require("transformers", "peers")
    torch = require("torch", "export")
    prefix, _ = _FAMILIES[family]
    torch.manual_seed(_SEED)
    settings = getattr(transformers, f"{prefix}Config")(num_labels=2, **config)
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(settings).eval()
    ids = torch.ones(1, 16, dtype=torch.int64)
    inputs = {name: torch.ones_like(ids) for name in ("input_ids", "attention_mask")}
    inputs["token_type_ids"] = torch.zeros_like(ids)
    # dynamo=False: its graph is the faster of the two (BERT-base on onnxruntime 1.32, x86: 7 %
    # in fp32, 11 % in int8), and a peer is given the better one.
    torch.onnx.export(
        model,
        (),
        path,
        kwargs=inputs,
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in inputs},
        dynamo=False,
    )


class BuildFailed(Exception):
    """A model could not be built; the message is one line."""


def build_apart(log: Path, build: Callable[..., None], *arguments: object) -> None:
    """Build in a fresh process, so that what measures later is not burdened with torch."""
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            reason = pool.submit(_build_silently, log, build, *arguments).result()
    except BrokenProcessPool:
        reason = "the process that built it was ended (out of memory?)"
    if reason:
        raise BuildFailed(reason)


def _build_silently(log: Path, build: Callable[..., None], *arguments: object) -> str | None:
    """Build with everything that exporters print sent to `log`; the reason if it fails."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        build(*arguments)
    except MissingExtraError:
        raise
    except Exception as error:  # exporters raise anything, and not all of it can be pickled
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return None


# Measuring ----------------------------------------------------------------------------------


def bench_peers(
    folder: Path,
    *,
    preset: Preset,
    threads: int = 1,
    sequence_length: int = 128,
    console: Console | None = None,
) -> Results:
    """Build all models in `folder`, measure them in one run, and compare with `GOALS`.

    Args:
        folder: an empty folder; 1.7 GB are written to it.
        preset: how long to measure.
        threads: how many threads each model gets.
        sequence_length: how many tokens the input has.
        console: where progress goes, if it is a terminal.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        BenchmarkError: not one model could be built and run.
    """
    console = console or Console(stderr=True)
    with progress_bar(console) as progress:
        contenders, failures = _build_all(folder, lambda what: progress(what, 0, 0))
        if not contenders:
            raise BenchmarkError(f"no model could be built: {failures[0].error}")
        results = measure_host(
            contenders,
            preset=preset,
            threads=[threads],
            sequence_lengths=[sequence_length],
            progress=progress,
        )
    return results.model_copy(
        update={"failures": (*failures, *results.failures), "goals": tuple(_goals(results))}
    )


def _build_all(folder: Path, tell: Callable[[str], None]) -> tuple[list[Contender], list[Failure]]:
    """Whatever can be built; what cannot is a failure."""
    contenders: list[Contender] = []
    failures: list[Failure] = []
    for kind, (build, load) in _KINDS.items():
        for family, precision in product(_FAMILIES, _PRECISIONS):
            label = f"{kind} {family} {precision}"
            tell(f"build {label}")
            place = folder / f"{kind}-{family}"
            place.mkdir(parents=True, exist_ok=True)
            try:
                build_apart(folder / "log.txt", build, family, precision, place)
            except BuildFailed as error:
                failures.append(Failure(contender=label, stage="build", error=str(error)))
            else:
                contenders.append(load(place, label, precision))
    return contenders, failures


def _load_ours(folder: Path, label: str, precision: str) -> Contender:
    return artifact_contender(folder / precision, label=label)


def _load_peer(folder: Path, label: str, precision: str) -> Contender:
    return file_contender(
        folder / f"{precision}.onnx",
        label=label,
        precision=precision,
        vocab_size=_VOCAB_SIZE,
        role="baseline" if "BERT-base" in label else "contender",
    )


_KINDS = {"ours": (build_ours, _load_ours), "peer": (build_peer, _load_peer)}


def _goals(results: Results) -> Iterator[Goal]:
    measured = {each.contender: each for each in results.measurements}
    for contender, baseline, at_least in GOALS:
        ratio = (
            compare(results.measurements, measured[contender], baseline=baseline)
            if contender in measured
            else None
        )
        found = ratio.times_faster if ratio else None
        yield Goal.judge(contender, baseline, at_least=at_least, found=found)


# Command line -------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, measure, print; the exit status is 130 after Ctrl-C and 1 after an error."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="squeezebert-peers-") as folder:
            results = bench_peers(
                Path(folder),
                preset=get_preset(options.preset),
                threads=options.threads,
                sequence_length=options.sequence_length,
            )
        if options.output:
            results.write(options.output)
    except SqueezeBertMobileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted before anything was measured", file=sys.stderr)
        return 130
    if options.json:
        print(results.to_json(), end="")
    else:
        print_table(results)
    return 0 if results.complete else 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m squeezebert_mobile.benchmarks.peers",
        description="Measure what a user gets without this package beside what it gives.",
    )
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--sequence-length", type=int, default=128, metavar="N")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write them to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
