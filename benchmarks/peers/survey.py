"""Build whatever can be built, measure all of it in one run, and judge the goals."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback, progress_bar
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS as LONGER_PRESETS
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.peers.building import BuildFailed, build_apart
from squeezebert_mobile.benchmarks.peers.models import MODELS, WAYS, Model
from squeezebert_mobile.benchmarks.records.assembly import ratio_to_baseline
from squeezebert_mobile.benchmarks.records.results import Failure, Goal, Results
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "GOALS",
    "GOALS_AT",
    "LENGTHS",
    "PRESETS",
    "SURVEY",
    "THREADS",
    "bench_peers",
    "judged",
]

LENGTHS = (16, 32, 128, 384)
THREADS = (1, 2)
GOALS_AT = (1, 128)  # threads and length

#: Who is to be how many times faster than whom.
GOALS = (
    ("ours SqueezeBERT onnx int8", "peer BERT-base onnx fp32", 6.5),
    ("ours SqueezeBERT onnx int8", "peer BERT-base onnx int8", 1.6),
    ("ours SqueezeBERT onnx int8", "peer SqueezeBERT onnx int8", 9.0),
    ("ours SqueezeBERT onnx fp32", "peer SqueezeBERT onnx fp32", 1.0),
)

#: An export takes up to 4 GB of memory; most of it, and all of lowering to XNNPACK, one core.
_AT_ONCE = 2

#: Short for a single model, but there are thirty of them, at eight lengths and threads.
SURVEY = Preset("survey", runs=12, seconds=1, blocks=6, starts=1)
PRESETS = {SURVEY.name: SURVEY, **LONGER_PRESETS}


def bench_peers(
    folder: Path,
    *,
    preset: Preset = SURVEY,
    models: Sequence[Model] = MODELS,
    threads: Sequence[int] = THREADS,
    sequence_lengths: Sequence[int] = LENGTHS,
    journal: Path | None = None,
) -> Results:
    """Build `models` in `folder`, measure them in one run, and compare with `GOALS`.

    Args:
        folder: an empty folder; all models together take 6 GB in it.
        preset: how long to measure.
        models: who takes part.
        threads: how many threads each model gets; all are measured with each number.
        sequence_lengths: how many tokens the input has.
        journal: a new file that keeps each block as soon as it is measured.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        BenchmarkError: not one model could be built and run.
    """
    with progress_bar() as progress:
        contenders, failures = _build_all(folder, models, progress)
        if not contenders:
            raise BenchmarkError(f"no model could be built: {failures[0].error}")
        results = measure_host(
            contenders,
            preset=preset,
            threads=threads,
            sequence_lengths=sequence_lengths,
            not_built=failures,
            journal=journal,
            progress=progress,
        )
    return judged(results)


def _build_all(
    folder: Path, models: Sequence[Model], progress: ProgressCallback
) -> tuple[list[Contender], list[Failure]]:
    """Whatever can be built; what cannot is a failure."""
    reasons: dict[str, str | None] = {}

    def build(model: Model) -> None:
        try:
            build_apart(folder / "log.txt", model.build, folder)
        except BuildFailed as error:
            reasons[model.label] = str(error)
        else:
            reasons[model.label] = None
        progress(f"build: {len(reasons)} of {len(models)}, {model.label}", 0, 0)

    # By way: an int8 peer comes after the fp32 that it is made from.
    ordered = sorted(models, key=lambda model: WAYS.index(model.way))
    progress(f"build: 0 of {len(models)}", 0, 0)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(build, ordered))  # after a missing extra, or Ctrl-C, nothing more is begun
    return (
        [model.contender(folder) for model in models if not reasons[model.label]],
        [
            Failure(contender=model.label, stage="build", error=reason)
            for model in models
            if (reason := reasons[model.label])
        ],
    )


def judged(results: Results) -> Results:
    """The same with the goals, if it was measured where they are set."""
    measured = {
        each.contender: each
        for each in results.measurements
        if (each.threads, each.sequence_length) == GOALS_AT
    }
    goals = []
    for contender, baseline, at_least in GOALS if measured else ():
        ratio = (
            ratio_to_baseline(results.measurements, measured[contender], baseline=baseline)
            if contender in measured
            else None
        )
        found = ratio.times_faster if ratio else None
        goals.append(Goal.judge(contender, baseline, at_least=at_least, found=found))
    return results.model_copy(update={"goals": tuple(goals)})
