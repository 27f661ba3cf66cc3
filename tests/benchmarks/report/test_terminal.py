import io
import itertools

import numpy as np
import pytest
from phone_results import phone_results

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.results import Failure, Results
from squeezebert_mobile.benchmarks.report import print_table
from squeezebert_mobile.benchmarks.report.formatting import format_number
from squeezebert_mobile.streams import Console


def rendered(results: Results, **console: object) -> str:
    file = io.StringIO()
    print_table(results, Console(file=file, width=80, **console))
    return file.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def four(pretend, short, fake_clock):
    def measure(*, scale=1.0, names=("ours-int8", "ours-fp32", "bert-int8", "bert-fp32")):
        random = np.random.default_rng(0)

        def model(seconds):
            return lambda feed: fake_clock.work(seconds * random.uniform(1, 1.01))()

        contenders = [
            pretend(names[0], model(0.0246 * scale)),
            pretend(names[1], model(0.0622 * scale), precision="fp32"),
            pretend(names[2], model(0.0402 * scale), role="baseline"),
            pretend(names[3], model(0.1640 * scale), precision="fp32", role="baseline"),
        ]
        return measure_host(contenders, preset=short, clock=fake_clock)

    return measure


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0"), (0.0423, "0.042"), (0.876, "0.88"), (1.623, "1.62"), (9.996, "10.0"),
     (24.61, "24.6"), (164.2, "164"), (999.4, "999"), (999.6, "1000"), (12345.6, "12346")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert format_number(value) == text


def test_a_row_has_its_latency_and_both_ratios_with_intervals(four):
    lines = rendered(four()).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("ours-int8"))
    name, median, p90, p99, least, mean, std, same, fp32 = lines[at].split()
    assert [float(each) for each in (median, p90, p99, least, mean)] == pytest.approx(
        [24.7] * 5, abs=0.2
    )
    assert float(std) < 0.2
    assert (same, fp32) == ("1.63x", "6.66x")
    low, high = lines[at + 1].split()[-1].split("-")
    assert float(low) <= 6.66 <= float(high)
    assert "int8 onnx" in lines[at + 1]
    assert "Latency in ms, 1 thread, 128 tokens, batch 1" in lines[0]


def test_start_memory_and_size(four):
    lines = rendered(four()).splitlines()
    at = lines.index(next(line for line in lines if line.startswith("Start, memory")))
    row = next(line for line in lines[at:] if line.startswith("ours-int8"))
    # load, first run; resident: 100 - 40 MiB; peak; 52.5 MB
    assert row.split()[1:] == ["20.0", "9.00", "60.0", "120", "52.5"]
    assert "minus the process with only the library imported (40.0 MiB)" in flat("".join(
        rendered(four()).splitlines(keepends=True)
    ))  # fmt: skip


@pytest.mark.parametrize("scale", [1e-3, 1, 100])
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_is_wider_than_80_columns_or_cut_off(four, scale, terminal):
    names = tuple(
        f"{start}-a-very-long-folder-name-without-any-space-to-break-at-{'x' * 30}"
        for start in ("ours-int8", "ours-fp32", "bert-int8", "bert-fp32")
    )
    text = rendered(four(scale=scale, names=names))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for name in names:
        assert name[:10] in text
    assert "fp32" in text.splitlines()[2]  # the last column's header
    assert text.count("x" * 10) >= 8


def test_no_colours_in_a_pipe_and_colours_on_a_terminal(four):
    results = four()
    assert "\x1b" not in rendered(results)
    assert "\x1b[1m" in rendered(results, force_terminal=True)


def test_a_label_is_not_markup(four):
    text = rendered(four(names=("[red]ours[/red]", "[bold]", "c", "d")))
    assert "[red]ours[/red]" in text
    assert "[bold]" in text


def test_random_weights_are_noted(four, pretend, short, fake_clock):
    assert "Random weights: latency is real, answers are not." in rendered(four())
    contenders = [pretend("A", 0.01, weights="trained"), pretend("B", 0.01)]
    mixed = measure_host(contenders, preset=short, clock=fake_clock)
    assert "Random weights (B): latency is real, answers are not." in rendered(mixed)
    trained = measure_host(contenders[:1], preset=short, clock=fake_clock)
    assert "Random weights" not in rendered(trained)


@pytest.mark.parametrize(
    ("architecture", "precision", "noted"),
    [("x86_64", "int8", True), ("x86_64", "fp32", False), ("arm64", "int8", False)],
)
def test_fp16_without_a_fast_kernel_is_noted(
    pretend, short, fake_clock, architecture, precision, noted
):
    contender = pretend("A", 0.01, precision=precision)
    contender = contender.__class__(**(vars(contender) | {"format": "executorch"}))
    results = measure_host([contender], preset=short, clock=fake_clock)
    machine = results.host.model_copy(update={"architecture": architecture})
    text = rendered(results.model_copy(update={"machine": machine}))
    assert ("computes Gelu in fp16" in " ".join(text.split())) == noted


def test_choices_are_noted(pretend, short, fake_clock):
    contender = pretend("A", 0.01, has_choices=True)
    contender = contender.__class__(**(vars(contender) | {"task": "multiple-choice"}))
    text = rendered(measure_host([contender], preset=short, clock=fake_clock))
    assert "int8 onnx, 2 choices" in text


def test_an_interrupted_run_is_marked(four):
    results = four()
    cut = results.model_copy(
        update={
            "complete": False,
            "measurements": tuple(
                each.model_copy(update={"blocks": each.blocks[:3]}) for each in results.measurements
            ),
        }
    )
    text = rendered(cut)
    assert text.startswith("Incomplete: this run was interrupted")
    assert "128 tokens, batch 1 (3 of 8 blocks)" in flat(text)
    assert "Incomplete" not in rendered(results)


def test_a_drift_is_marked_and_explained(pretend, short, fake_clock):
    runs = 0

    def model(feed):
        nonlocal runs
        runs += 1
        fake_clock.work(0.01 if runs < 33 else 0.012)()

    contenders = [pretend("A", model), pretend("B", 0.02, role="baseline")]
    text = rendered(measure_host(contenders, preset=short, clock=fake_clock))
    row = next(line for line in text.splitlines() if line.startswith("A "))
    assert row.split()[1].endswith("?")
    assert row.split()[-1].endswith("x?")
    assert (
        "? drifting: the second half of the blocks differs from the first by more than 5 % (1 of 2 "
        "measurements, 1 of 1 ratio; largest: +20 %, A)."
    ) in flat(text)


def test_a_low_stability_is_marked_and_explained(pretend, short, fake_clock):
    times = itertools.cycle((0.01, 0.01, 0.01, 0.09))
    contenders = [
        pretend("A", lambda feed: fake_clock.work(next(times))()),
        pretend("B", 0.02, role="baseline"),
    ]
    text = rendered(measure_host(contenders, preset=short, clock=fake_clock))
    medians = [line.split()[:2] for line in text.splitlines() if line.startswith(("A ", "B "))]
    assert medians[:2] == [["A", "10.0?"], ["B", "20.0"]]
    assert (
        "? unstable: the runs of a model differ too much from each other: their stability, from 0 "
        "to 100, is below 60 (1 of 2 measurements)."
    ) in flat(text)
    assert "Keep the device idle, or measure for longer (--preset)." in flat(text)


def test_few_blocks_give_no_interval(pretend, fake_clock):
    preset = Preset("tiny", runs=4, seconds=0, blocks=2, starts=1)
    contenders = [pretend("A", 0.01), pretend("B", 0.02, role="baseline")]
    text = rendered(measure_host(contenders, preset=preset, clock=fake_clock))
    assert "2.00x?" in text
    assert (
        "too few for an interval, or to see a drift (2 of 2 measurements, 1 of 1 ratio)."
        in flat(text)
    )


def test_a_steady_run_has_no_question_mark(four):
    assert "?" not in rendered(four())


def test_a_baseline_of_another_precision_is_noted(pretend, short, fake_clock):
    contenders = [pretend("A", 0.01), pretend("B", 0.02, precision="fp32", role="baseline")]
    text = rendered(measure_host(contenders, preset=short, clock=fake_clock))
    assert "A is int8, its baseline B is fp32." in text
    assert "baseline" in text.splitlines()[2]
    assert "precision" not in text


def test_without_a_baseline_in_fp32_it_has_no_column(pretend, short, fake_clock):
    contenders = [pretend("A", 0.01), pretend("B", 0.02, precision="int4", role="baseline")]
    text = rendered(measure_host(contenders, preset=short, clock=fake_clock))
    assert "A is int8, its baseline B is int4." in text
    assert "fp32" not in text
    assert "x: times as fast as the baseline" in text


def test_a_failure_is_a_line(four):
    failure = Failure(contender="peer int8", stage="load", error="no ConvInteger")
    text = rendered(four().model_copy(update={"failures": (failure,)}))
    assert "peer int8 failed (load): no ConvInteger" in text


def test_the_machine_is_noted(four):
    results = four()
    text = flat(rendered(results))
    assert f"Machine: processor {results.machine.cpu}" in text
    assert "load average" in text
    assert "onnxruntime 1." in text
    assert "torch" not in text  # it took no part


@pytest.mark.parametrize(
    ("target", "by"),
    [
        (
            "adb",
            "Measured by a process of the adb shell, which Android schedules differently",
        ),
        ("app", "Measured by the sample app: figures in an app's scheduling context, not the"),
    ],
)
def test_what_measured_on_a_phone_is_noted(target, by):
    assert by in flat(rendered(phone_results(target=target)))
