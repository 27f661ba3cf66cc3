"""Builds all models, measures them in one run, and checks the goals."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from squeezebert_mobile.benchmarks.measure.contenders import Contender
from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback, progress_bar
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS as LONGER_PRESETS
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.peers.building import BuildError, build_in_subprocess
from squeezebert_mobile.benchmarks.peers.families import LENGTHS
from squeezebert_mobile.benchmarks.peers.models import MODELS, WAYS, SurveyModel
from squeezebert_mobile.benchmarks.records.assembly import ratio_to_baseline
from squeezebert_mobile.benchmarks.records.results import Failure, Goal, Results
from squeezebert_mobile.benchmarks.report.queries import MAIN_WORKLOAD, measurements_at
from squeezebert_mobile.errors import BenchmarkError

__all__ = [
    "GOALS",
    "GOALS_AT",
    "LENGTHS",
    "PRESETS",
    "SURVEY",
    "THREADS",
    "bench_peers",
    "with_goals",
]

THREADS = (1, 2)
#: The workload at which the goals are set.
GOALS_AT = MAIN_WORKLOAD

#: (contender, baseline, how many times faster it has to be)
GOALS = (
    ("ours SqueezeBERT onnx int8", "peer BERT-base onnx fp32", 6.5),
    ("ours SqueezeBERT onnx int8", "peer BERT-base onnx int8", 1.6),
    ("ours SqueezeBERT onnx int8", "peer SqueezeBERT onnx int8", 9.0),
    ("ours SqueezeBERT onnx fp32", "peer SqueezeBERT onnx fp32", 1.0),
    ("ours SqueezeBERT onnx int8", "peer SqueezeBERT litert int8", 1.15),
    ("ours SqueezeBERT onnx int8", "peer BERT-base litert int8", 2.3),
)

#: Builds at the same time. An export takes up to 4 GB of memory and mostly a single core.
_AT_ONCE = 2

#: Short for a single model, but about thirty models are measured at eight workloads.
SURVEY = Preset("survey", runs=12, seconds=1, blocks=6, starts=1)
PRESETS = {SURVEY.name: SURVEY, **LONGER_PRESETS}


def bench_peers(
    folder: Path,
    *,
    preset: Preset = SURVEY,
    models: Sequence[SurveyModel] = MODELS,
    threads: Sequence[int] = THREADS,
    sequence_lengths: Sequence[int] = LENGTHS,
    journal: Path | None = None,
) -> Results:
    """Build `models` in `folder`, measure them in one run, and check `GOALS`.

    Args:
        folder: An empty folder; all models together take 6 GB.
        preset: How long to measure.
        models: The models to compare.
        threads: Numbers of threads; every model is measured with each.
        sequence_lengths: Lengths of the input in tokens.
        journal: A new file to which each block is written as soon as it is measured.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        BenchmarkError: no model could be built and run.
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
    return with_goals(results)


def _build_all(
    folder: Path, models: Sequence[SurveyModel], progress: ProgressCallback
) -> tuple[list[Contender], list[Failure]]:
    """The models that could be built, and a failure for each of the others."""
    reasons: dict[str, str | None] = {}

    def build(model: SurveyModel) -> None:
        try:
            build_in_subprocess(folder / "log.txt", model.build, folder)
        except BuildError as error:
            reasons[model.label] = str(error)
        else:
            reasons[model.label] = None
        progress(f"build: {len(reasons)} of {len(models)}, {model.label}", 0, 0)

    # In the order of WAYS: an int8 peer is made from the fp32 one.
    ordered = sorted(models, key=lambda model: WAYS.index(model.way))
    progress(f"build: 0 of {len(models)}", 0, 0)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(build, ordered))  # after a missing extra or Ctrl-C, no further build starts
    return (
        [model.contender(folder) for model in models if not reasons[model.label]],
        [
            Failure(contender=model.label, stage="build", error=reason)
            for model in models
            if (reason := reasons[model.label])
        ],
    )


def with_goals(results: Results) -> Results:
    """The results with the goals, if the workload of the goals was measured."""
    measured = {each.contender: each for each in measurements_at(results, GOALS_AT)}
    goals = []
    for contender, baseline, at_least in GOALS if measured else ():
        ratio = (
            ratio_to_baseline(results.measurements, measured[contender], baseline=baseline)
            if contender in measured
            else None
        )
        times_faster = ratio.times_faster if ratio else None
        goals.append(Goal.judge(contender, baseline, at_least=at_least, found=times_faster))
    return results.model_copy(update={"goals": tuple(goals)})
