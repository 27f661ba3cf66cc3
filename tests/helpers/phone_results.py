"""Results of a phone that does not exist, as a run on it would write them."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from squeezebert_mobile.benchmarks.records import statistics as stats
from squeezebert_mobile.benchmarks.records.energy import DeviceState
from squeezebert_mobile.benchmarks.records.phone import (
    Answers,
    Cluster,
    Conditions,
    Phone,
    PhoneStart,
    Probe,
)
from squeezebert_mobile.benchmarks.records.results import (
    ContenderFacts,
    Measurement,
    Ratio,
    Results,
    Settings,
    fp32_baseline,
    headline_baseline,
)

__all__ = ["PHONE", "phone_results"]

_BLOCKS, _RUNS = 16, 8
_MIB = 1 << 20

#: Median ms of one inference of 128 tokens with one thread, and MB of the file.
_MODELS = {
    "SqueezeBERT int8": (58.2, 52.5),
    "SqueezeBERT fp32": (141.0, 205.0),
    "BERT-base int8": (112.4, 110.0),
    "BERT-base fp32": (389.0, 438.0),
}

PHONE = Phone(
    serial="TEST0123",
    connection="usb",
    manufacturer="Nobody",
    model="Test Phone",
    soc="Test SoC 8",
    android="15",
    sdk=35,
    security_patch="2026-10-05",
    build="nobody/test/test:15/T1/1:user/release-keys",
    abi="arm64-v8a",
    clusters=(
        Cluster(cores=(7,), max_khz=2_914_000, governor="schedutil"),
        Cluster(cores=(4, 5, 6), max_khz=2_367_000, governor="schedutil"),
        Cluster(cores=(0, 1, 2, 3), max_khz=1_704_000, governor="schedutil"),
    ),
    memory_bytes=8 << 30,
    libraries={"libonnxruntime.so": "a" * 64},
    runner_sha256="b" * 64,
    stand_in=False,
)

#: What the phone reports of what else takes power.
STATE = DeviceState(
    wakefulness="Awake",
    brightness=12,
    airplane_mode=True,
    wifi=True,
    bluetooth=False,
    mobile_data=None,
)


def phone_results(
    *,
    phone: Phone = PHONE,
    scale: float = 1.0,
    threads: Sequence[int] = (1,),
    lengths: Sequence[int] = (128,),
    labels: Sequence[str] = tuple(_MODELS),
    **changes: Any,
) -> Results:
    """Results with four models on the Test Phone.

    Args:
        phone: The phone.
        scale: Factor of every latency.
        threads: Numbers of threads.
        lengths: In tokens; latency is proportional to them.
        labels: Names of the two contenders and the two baselines.
        **changes: Other values for fields of `Results`.
    """
    contenders = tuple(_facts(label, like) for label, like in zip(labels, _MODELS, strict=True))
    measurements, ratios = _measured(contenders, scale, tuple(threads), tuple(lengths))
    results = Results(
        schema_version=1,
        target="adb",
        created="2026-11-23T08:00:00+00:00",
        complete=True,
        settings=Settings(
            preset="quick",
            runs=128,
            seconds=10,
            blocks=_BLOCKS,
            starts=5,
            threads=tuple(threads),
            sequence_lengths=tuple(lengths),
            start_threads=1,
            start_sequence_length=128,
            batch=1,
            choices=None,
            lead_in_runs=1,
            input_seed=0,
            input_vocab_size=30522,
        ),
        machine=None,
        load_before=None,
        load_after=None,
        contenders=contenders,
        starts={},
        measurements=measurements,
        ratios=ratios,
        failures=(),
        phone=phone,
        answers={each.label: _ANSWERS for each in contenders},
        phone_starts={each.label: tuple(_starts(each)) for each in contenders},
        conditions=tuple(_conditions()),
        probes=tuple(
            Probe(at_s=12.0 + 9 * block, block=block, median_ms=4.1 + 0.01 * block)
            for block in range(_BLOCKS)
        ),
    )
    return Results.model_validate_json(results.model_copy(update=changes).to_json())


_ANSWERS = Answers(
    texts=8, max_abs_diff={"logits": 0.012}, tolerance={"logits": 0.05}, same_answers=True
)


def _facts(label: str, like: str) -> ContenderFacts:
    return ContenderFacts(
        label=label,
        role="contender" if like.startswith("SqueezeBERT") else "baseline",
        origin="artifact",
        format="onnx",
        precision=like.split()[1],
        task="text-classification",
        weights="trained",
        sequence_length=None,
        file_bytes=int(_MODELS[like][1] * 1e6),
        sha256=like.encode().hex().ljust(64, "0")[:64],
    )


@functools.cache  # intervals take long to compute, and tests need the same ones
def _measured(
    contenders: tuple[ContenderFacts, ...],
    scale: float,
    threads: tuple[int, ...],
    lengths: tuple[int, ...],
) -> tuple[tuple[Measurement, ...], tuple[Ratio, ...]]:
    measurements = tuple(_measurements(contenders, scale, threads, lengths))
    return measurements, tuple(_ratios(contenders, measurements))


def _measurements(
    contenders: Sequence[ContenderFacts],
    scale: float,
    threads: Sequence[int],
    lengths: Sequence[int],
) -> Iterator[Measurement]:
    random = np.random.default_rng(0)
    for count in threads:
        for length in lengths:
            for facts, (median, _) in zip(contenders, _MODELS.values(), strict=True):
                typical = scale * median * length / 128 / count**0.8
                noise = 1 + 0.01 * random.gamma(2, size=(_BLOCKS, _RUNS)) - 0.0168
                blocks = tuple(tuple(row) for row in (typical * noise).tolist())
                yield Measurement(
                    contender=facts.label,
                    threads=count,
                    sequence_length=length,
                    warm_up_runs=12,
                    warm_up_stable=True,
                    latency=stats.latency(blocks),
                    drift=stats.drift(blocks),
                    flags=stats.latency_flags(blocks),
                    blocks=blocks,
                )


def _ratios(
    contenders: Sequence[ContenderFacts], measurements: Sequence[Measurement]
) -> Iterator[Ratio]:
    blocks = {(m.contender, m.threads, m.sequence_length): m.blocks for m in measurements}
    for (label, threads, length), own in blocks.items():
        facts = next(each for each in contenders if each.label == label)
        wanted = [headline_baseline(facts, contenders), fp32_baseline(facts, contenders)]
        for baseline in dict.fromkeys(each.label for each in wanted if each and each != facts):
            if facts.role == "contender" or baseline != label:
                other = blocks[baseline, threads, length]
                yield Ratio(
                    contender=label,
                    baseline=baseline,
                    threads=threads,
                    sequence_length=length,
                    times_faster=stats.speedup(slower=other, faster=own),
                )


def _starts(facts: ContenderFacts) -> Iterator[PhoneStart]:
    for index in range(5):
        yield PhoneStart(
            first=index == 0,
            load_ms=410.0 if index == 0 else 180.0 + index,
            first_run_ms=95.0 if index == 0 else 80.0 + index,
            resident_bytes=facts.file_bytes + 60 * _MIB,
            peak_bytes=2 * facts.file_bytes + 60 * _MIB,
        )


def _conditions() -> Iterator[Conditions]:
    for index in range(17):
        warm = 1 - 0.8**index
        yield Conditions(
            at_s=10.0 + 9 * index,
            thermal_status=0 if index < 11 else 1,
            celsius={
                name: round(31.0 + rise * warm, 1)
                for name, rise in (("CPU7", 24), ("CPU4", 17), ("GPU", 9), ("SKIN", 6), ("USB", 2))
            },
            battery_percent=80 + index // 8,
            battery_celsius=round(29.0 + 4 * warm, 1),
            plugged="usb",
            cpu_khz={core: 2_914_000 if core == 7 else 2_367_000 for core in range(4, 8)},
            load_average=1.5,
        )
