"""Counts several models, each on several cores with several versions of its runtime."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from squeezebert_mobile.benchmarks.arm64.counting import Count, Countable, count, countable
from squeezebert_mobile.benchmarks.arm64.records import CountsFile
from squeezebert_mobile.benchmarks.arm64.runtimes import RUNTIMES, Runtime
from squeezebert_mobile.benchmarks.arm64.userland import Userland
from squeezebert_mobile.benchmarks.peers import (
    BuildError,
    SurveyModel,
    build_in_subprocess,
    select,
)
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["NamedModel", "Plan", "base_models", "count_all", "given_models"]

Report = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What to count of each model."""

    cpus: tuple[str, ...]
    runtimes: tuple[str, ...]  # labels
    length: int
    by_operator: bool = True

    def cells(self, suffix: str) -> list[tuple[Runtime, str]]:
        """Runtimes of a kind of file, each with a core."""
        return [
            (runtime, cpu)
            for runtime in RUNTIMES
            if runtime.suffix == suffix and runtime.label in self.runtimes
            for cpu in self.cpus
        ]


@dataclass(frozen=True)
class NamedModel:
    """A model to count, which may have to be built."""

    name: str
    suffix: str
    make: Callable[[], Countable]


def given_models(paths: Sequence[Path]) -> Iterator[NamedModel]:
    """Artifacts and files.

    Raises:
        ArtifactError: an artifact is damaged.
        BenchmarkError: there is no such file, or no runtime counts it.
    """
    for path in paths:
        model = countable(path)
        yield NamedModel(model.name, model.file.suffix, partial(_checked, model))


def _checked(model: Countable) -> Countable:
    return model


def base_models(wanted: Sequence[str], folder: Path, report: Report) -> Iterator[NamedModel]:
    """The selected models of base size that a runtime counts, without variants."""
    for model in select(wanted):
        if not model.variant and model.suffix in {runtime.suffix for runtime in RUNTIMES}:
            yield NamedModel(model.label, model.suffix, partial(_build, model, folder, report))


def _build(model: SurveyModel, folder: Path, report: Report) -> Countable:
    report(f"build {model.label}")
    try:
        build_in_subprocess(folder / "build.log", model.build, folder)
    except BuildError as error:
        raise BenchmarkError(f"not built: {error}") from None
    return countable(model.path(folder))


def count_all(
    userland: Userland,
    models: Iterable[NamedModel],
    plan: Plan,
    file: CountsFile,
    report: Report,
    *,
    strict: bool,
) -> list[Count]:
    """Count each model in each cell of the plan that `file` does not have.

    Args:
        userland: The return value of `prepare`.
        models: Each is built just before it is counted, and only if it has to be.
        plan: What to count.
        file: Gets each count.
        report: Called with the name of each step.
        strict: Whether a model that cannot be counted ends the run. The peers may fail.

    Raises:
        BenchmarkError: a model cannot be counted; only if `strict`.
    """
    counts = []
    for model in models:
        built: Countable | None = None
        for runtime, cpu in plan.cells(model.suffix):
            found = file.find(model.name, cpu, runtime.label, plan.length)
            if found is None:
                try:
                    userland.install(runtime, report)
                    built = built or model.make()
                    report(f"count {model.name} on {cpu} with {runtime.label}")
                    result = count(
                        userland,
                        built,
                        cpu=cpu,
                        runtime=runtime,
                        length=plan.length,
                        by_operator=plan.by_operator,
                    )
                except BenchmarkError as error:
                    if strict:
                        raise
                    report(f"no count: {error}")
                    if built is None:
                        break
                    continue
                found = replace(result, model=model.name)
                file.add(found)
            counts.append(found)
    return counts
