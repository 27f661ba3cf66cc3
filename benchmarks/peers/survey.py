"""Builds all models, measures them in one run, and checks the goals."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.progress import ProgressCallback, progress_bar
from squeezebert_mobile.benchmarks.measure.schedule import PRESETS as LONGER_PRESETS
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.peers.building import BuildError, build_in_subprocess
from squeezebert_mobile.benchmarks.peers.families import LENGTHS
from squeezebert_mobile.benchmarks.peers.models import CONFIGURATIONS, MODELS, SurveyModel
from squeezebert_mobile.benchmarks.peers.resume_state import RunFiles
from squeezebert_mobile.benchmarks.records.assembly import assemble, ratio_to_baseline
from squeezebert_mobile.benchmarks.records.events import Begin, End, Event, Failed
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
    files: RunFiles,
    *,
    preset: Preset = SURVEY,
    models: Sequence[SurveyModel] = MODELS,
    threads: Sequence[int] = THREADS,
) -> Results:
    """Build `models`, measure them in one run, and check `GOALS`.

    What is complete in `files` is neither built nor measured again.

    Args:
        files: Where the run keeps its parts; all models together take 6 GB.
        preset: How long to measure.
        models: The models to compare.
        threads: Numbers of threads; every model is measured with each.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        BenchmarkError: no model could be built and run, or the run to continue is another one.
    """
    events = files.journal.events
    if events:
        _check_same(files, models, preset, threads)
    if events and isinstance(events[-1], End):  # only the results are missing
        return with_goals(assemble(events))
    with progress_bar() as progress:
        failures = _failed_builds(events) if events else _build_all(files, models, progress)
        contenders = [files.built[model.label] for model in models if model.label in files.built]
        if not contenders:
            raise BenchmarkError(f"no model could be built: {failures[0].error}")
        results = measure_host(
            contenders,
            preset=preset,
            threads=threads,
            sequence_lengths=files.lengths,
            not_built=failures,
            journal=files.journal,
            progress=progress,
        )
    return with_goals(results)


def _check_same(
    files: RunFiles,
    models: Sequence[SurveyModel],
    preset: Preset,
    threads: Sequence[int],
) -> None:
    """Check that the run in `files` began with the same options, and that its models are there.

    Raises:
        BenchmarkError: it did not, or they are not.
    """
    events = files.journal.events
    begin = events[0]
    assert isinstance(begin, Begin)
    measured = {facts.label for facts in begin.contenders}
    labels = {*measured, *(failure.contender for failure in _failed_builds(events))}
    then = begin.settings
    options = (labels, then.preset, set(then.threads), set(then.sequence_lengths))
    if options != (
        {model.label for model in models},
        preset.name,
        set(threads),
        set(files.lengths),
    ):
        raise BenchmarkError(
            f"cannot resume {str(files.journal.path)!r}: models, threads, lengths or preset "
            "are not those that the run began with; use the same command as before, or choose "
            "another folder with -o"
        )
    if gone := sorted(measured - files.built.keys()):
        raise BenchmarkError(
            f"cannot resume {str(files.journal.path)!r}: the file of {gone[0]!r} in "
            f"{str(files.folder)!r} has changed or is gone; remove both, and run again without "
            "--resume"
        )


def _failed_builds(events: Sequence[Event]) -> list[Failure]:
    """The builds that failed before the measurement began."""
    failures = [event.failure for event in events if isinstance(event, Failed)]
    return [failure for failure in failures if failure.stage == "build"]


def _build_all(
    files: RunFiles, models: Sequence[SurveyModel], progress: ProgressCallback
) -> list[Failure]:
    """Build the models that are not complete; returns those that could not be built."""
    reasons: dict[str, str] = {}

    def report(what: str) -> None:
        done = len(files.built) + len(reasons)
        progress(f"build: {done} of {len(models)}{what}", 0, 0)

    def build(model: SurveyModel) -> None:
        try:
            build_in_subprocess(files.folder / "log.txt", model.build, files.folder, files.lengths)
        except BuildError as error:
            reasons[model.label] = str(error)
        else:
            with adding:
                files.add(model)
        report(f", {model.label}")

    # In the order of CONFIGURATIONS: an int8 peer is made from the fp32 one.
    adding = threading.Lock()
    left = [model for model in models if model.label not in files.built]
    ordered = sorted(left, key=lambda model: CONFIGURATIONS.index(model.configuration))
    report("")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(build, ordered))  # after a missing extra or Ctrl-C, no further build starts
    return [
        Failure(contender=model.label, stage="build", error=reasons[model.label])
        for model in models
        if model.label in reasons
    ]


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
