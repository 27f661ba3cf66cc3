"""The settings of a run: checked, and completed with defaults."""

from collections.abc import Sequence

from squeezebert_mobile.benchmarks.measure.contenders import CHOICES, INPUT_SEED, Contender
from squeezebert_mobile.benchmarks.measure.schedule import (
    DEFAULT_SEQUENCE_LENGTH,
    LEAD_IN_RUNS,
    Preset,
)
from squeezebert_mobile.benchmarks.records.energy import EnergyPlan
from squeezebert_mobile.benchmarks.records.results import Settings
from squeezebert_mobile.benchmarks.records.targets import Accelerator
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["make_settings"]


def make_settings(
    contenders: Sequence[Contender],
    preset: Preset,
    threads: Sequence[int],
    sequence_lengths: Sequence[int] | None,
    *,
    cores: str = "all",
    accelerator: Accelerator = "cpu",
    energy: EnergyPlan | None = None,
) -> Settings:
    """Check the options of a run, and complete them with defaults.

    Args:
        contenders: The models to measure.
        preset: How long to measure.
        threads: The numbers of threads.
        sequence_lengths: In tokens. By default the length of a contender with a fixed length, or
            else 128, or less if a contender's maximum is shorter.
        cores: On a phone: "all", "big" or a mask.
        accelerator: On a phone, what is asked to run LiteRT artifacts.
        energy: On a phone, how its energy is measured.

    Raises:
        BenchmarkError: the contenders cannot be measured with these options.
    """
    _check_contenders(contenders)
    lengths = _default_lengths(contenders) if sequence_lengths is None else sequence_lengths
    for name, values in (("threads", threads), ("sequence length", lengths)):
        if not values or min(values) < 1:
            raise BenchmarkError(f"{name} must be at least 1, not {list(values)!r}")
    for length in lengths:
        for contender in contenders:
            _check_length(contender, length)
    return Settings(
        preset=preset.name,
        runs=preset.runs,
        seconds=preset.seconds,
        blocks=preset.blocks,
        starts=preset.starts,
        threads=tuple(dict.fromkeys(threads)),
        sequence_lengths=tuple(dict.fromkeys(lengths)),
        start_threads=threads[0],
        start_sequence_length=max(lengths),
        batch=1,
        choices=CHOICES if any(contender.has_choices for contender in contenders) else None,
        lead_in_runs=LEAD_IN_RUNS,
        input_seed=INPUT_SEED,
        input_vocab_size=min(contender.vocab_size for contender in contenders),
        cores=cores,
        accelerator=accelerator,
        energy=energy,
    )


def _check_contenders(contenders: Sequence[Contender]) -> None:
    if not contenders:
        raise BenchmarkError("there is nothing to measure; pass at least one artifact")
    labels = [contender.label for contender in contenders]
    for label in labels:
        if labels.count(label) > 1:
            raise BenchmarkError(f"two contenders are called {label!r}; give them different labels")


def _default_lengths(contenders: Sequence[Contender]) -> list[int]:
    fixed = [contender.sequence_length for contender in contenders if contender.sequence_length]
    longest = min(contender.max_sequence_length for contender in contenders)
    return [fixed[0] if fixed else min(DEFAULT_SEQUENCE_LENGTH, longest)]


def _check_length(contender: Contender, length: int) -> None:
    fixed = contender.sequence_length
    if fixed is not None and fixed != length:
        raise BenchmarkError(
            f"{contender.label!r} was exported for sequence length {fixed} and cannot run at "
            f"{length}; use --sequence-length {fixed}, or export it with --sequence-length dynamic"
        )
    if length > contender.max_sequence_length:
        raise BenchmarkError(
            f"sequence length {length} is too long for {contender.label!r}, which accepts at "
            f"most {contender.max_sequence_length}"
        )
