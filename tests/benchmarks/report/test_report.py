"""The text of a report."""

import itertools
import re

import pytest
from parsed_page import Parsed
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.phone import Answers
from squeezebert_mobile.benchmarks.records.results import Failure, Interval
from squeezebert_mobile.benchmarks.report.formatting import format_interval, format_number
from squeezebert_mobile.benchmarks.report.writers.markdown import escaped

STAND_IN = PHONE.model_copy(update={"stand_in": True})


def test_the_headline_is_the_first_ratio_with_interval_and_phone(written):
    results = phone_results()
    interval = results.ratios[0].times_faster
    (title,) = Parsed(written(results)).said["h1"]
    assert title == (
        f"SqueezeBERT int8 is {format_number(interval.ratio)} times as fast as BERT-base int8 on "
        f"Test Phone (95 %: {format_interval(interval)})"
    )
    assert title.startswith("SqueezeBERT int8 is 1.93 times as fast")


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        ((0.5, 0.4, 0.8), "A takes 2.00 times as long as B on Test Phone (95 %: 1.25-2.50)"),
        (
            (1.01, 0.98, 1.04),
            "A and B are equally fast on Test Phone, as far as was measured "
            "(ratio 1.01, 95 %: 0.98-1.04)",
        ),
        (
            (2.0, None, None),
            "A is 2.00 times as fast as B on Test Phone (too few blocks for an interval)",
        ),
    ],
)
def test_a_headline_for_every_outcome(written, interval, told):
    results = phone_results(labels=("A", "A fp32", "B", "B fp32"))
    ratio, low, high = interval
    found = Interval(ratio=ratio, low=low, high=high, flags=())
    first = results.ratios[0].model_copy(update={"times_faster": found})
    results = results.model_copy(update={"ratios": (first, *results.ratios[1:])})
    assert written(results, suffix="md").startswith(f"# {told}\n")


def test_without_a_baseline_the_headline_is_a_median(written, pretend, short, fake_clock):
    results = measure_host([pretend("ours", 0.0246)], preset=short, clock=fake_clock)
    title = written(results, suffix="md").splitlines()[0]
    assert title == f"# {escaped(f'ours takes 24.6 ms on {results.host.cpu} (median)')}"


def test_the_headline_without_any_measurement(written):
    results = phone_results(measurements=(), ratios=(), complete=False)
    assert "# Nothing was measured on Test Phone" in written(results, suffix="md")
    assert "At 1 thread, 128 tokens, batch 1: no figures." in written(results, suffix="md")


@pytest.mark.parametrize("target", ["host", "phone"])
def test_the_table_has_the_statistics(written, host, target):
    results = host() if target == "host" else phone_results()
    rows = Parsed(written(results)).rows
    header = next(row for row in rows if row[:2] == ["model", "median"])
    for each in results.measurements:
        row = dict(zip(header, next(row for row in rows if row[0] == each.contender), strict=True))
        took = each.latency
        assert row["median"] == format_number(took.median_ms)
        assert row["P90"] == format_number(took.p90_ms)
        assert row["P99"] == format_number(took.p99_ms)
        assert row["min"] == format_number(took.min_ms)
        assert row["mean"] == format_number(took.mean_ms)
        assert row["trimmed mean"] == format_number(took.trimmed_mean_ms)
        assert row["stability"] == f"{took.stability:.0f}"
        assert row["flags"] == "none"
        for ratio in results.ratios:
            if ratio.contender == each.contender:
                interval = ratio.times_faster
                assert row[f"times as fast as {ratio.baseline}"] == (
                    f"{format_number(interval.ratio)}x ({format_interval(interval)})"
                )


@pytest.mark.parametrize(
    ("target", "headline", "by", "versions"),
    [
        (
            "adb",
            " on Test Phone (95 %: ",
            "a process of the adb shell, which Android schedules differently from an app, above "
            "all with several threads",
            "runner, SHA-256",
        ),
        (
            "app",
            " on Test Phone, in the sample app (95 %: ",
            "the sample app: figures in an app's scheduling context, not the shell's",
            "the app's APK, SHA-256",
        ),
    ],
)
def test_the_report_names_what_measured(written, target, headline, by, versions):
    page = Parsed(written(phone_results(target=target)))
    assert headline in page.said["h1"][0]
    assert ["measured by", by] in page.rows
    assert [versions, "b" * 64] in page.rows


def test_flags_are_explained(written, host):
    few = host(preset=Preset("tiny", runs=4, seconds=0, blocks=2, starts=1))
    text = written(few, suffix="md")
    assert re.search(r"^\| ours-int8 \|.*\| few blocks \|$", text, re.MULTILINE)
    assert (
        "- ? few blocks: fewer than 6 blocks were measured: too few for an interval, or to see a "
        "drift (4 of 4 measurements, 4 of 4 ratios).\n"
    ) in text
    assert " But fewer than 6 blocks were measured" in text
    assert "few blocks" not in written(host(), suffix="md")


def test_a_low_stability_is_flagged_and_explained(written, pretend, short, fake_clock):
    """In the reports' tables, their notes and their headlines."""
    times = itertools.cycle((0.01, 0.01, 0.01, 0.09))
    contenders = [
        pretend("A", lambda feed: fake_clock.work(next(times))()),
        pretend("B", 0.02, role="baseline"),
    ]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    text = written(results, suffix="md")
    assert re.search(r"^\| A \| 10\.0\? \|.*\| 0 \|.*\| unstable \|$", text, re.MULTILINE)
    assert re.search(r"^\| B \| 20\.0 \|.*\| 100 \|.*\| none \|$", text, re.MULTILINE)
    meaning = (
        "the runs of a model differ too much from each other: their stability, from 0 to 100, is "
        "below 60"
    )
    assert f"- ? unstable: {meaning} (1 of 2 measurements).\n" in text
    assert f" But {meaning}." in text
    assert "60 moderate, and less has the flag unstable.\n" in text
    (row,) = (row for row in Parsed(written(results)).rows if row[:2] == ["A", "10.0?"])
    assert row[-1] == "unstable"


def test_start_times_of_a_host_and_of_a_phone(written, host):
    rows = Parsed(written(host())).rows
    assert ["ours-int8", "20.0", "9.00", "60.0", "120", "52.5"] in rows
    rows = Parsed(written(phone_results())).rows
    assert ["SqueezeBERT int8", "410", "95.0", "182", "82.5", "110", "160", "52.5"] in rows


def test_answers(written):
    page = Parsed(written(phone_results()))
    assert (
        "SqueezeBERT int8: the phone computed the right answers: 8 golden texts, largest "
        "difference 0.012 of 0.05 allowed (logits)."
    ) in page.said["li"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_abs_diff": {"logits": 0.07}}, "largest difference 0.07 of 0.05 allowed (logits)."),
        ({"same_answers": False}, "allowed (logits); the largest output is not the same."),
    ],
)
def test_wrong_answers_are_a_banner(written, changes, told):
    right = Answers(
        texts=1, max_abs_diff={"logits": 0.01}, tolerance={"logits": 0.05}, same_answers=True
    )
    text = written(
        phone_results(answers={"X": right.model_copy(update=changes)}), suffix="md"
    ).replace("\\", "")
    assert "> [!WARNING]\n> X: the phone computed WRONG answers: 1 golden text, " in text
    assert f"{told} Its latencies are of no use.\n" in text


def test_the_figures_of_the_paper_are_labelled(written):
    rows = Parsed(written(phone_results())).rows
    at = next(i for i, row in enumerate(rows) if "2020" in row[0])
    assert rows[at - 1] == ["model and baseline", "phone", "baseline's latency", "times as fast"]
    assert rows[at] == [
        "from the paper, not measured here: SqueezeBERT, BERT-base (PyTorch Mobile, fp32, 2020)",
        "Pixel 3",
        "1.7 s",
        "4.3",
    ]
    assert rows[at + 1][0] == "measured here: SqueezeBERT int8, BERT-base int8"
    assert rows[at + 1][1:] == ["Test Phone", "0.11 s", "1.93"]


def test_a_host_is_not_compared_with_the_paper(written, host):
    assert "Pixel 3" not in written(host())


def test_facts_settings_hashes_and_versions(written, host):
    text = written(phone_results())
    for fact in (
        "TEST0123",
        "Test SoC 8",
        "15 (SDK 35)",
        "8.0 GiB",
        "a" * 64,
        "b" * 64,
        "schedutil",
    ):
        assert fact in text
    assert f'<td class="word checksum">{phone_results().contenders[0].sha256}</td>' in text
    assert ["measured", "2026-11-23 08:00:00 UTC"] in Parsed(text).rows
    results = host()
    rows = Parsed(written(results)).rows
    assert ["preset", "short"] in rows
    assert ["onnxruntime", results.host.versions["onnxruntime"]] in rows
    assert ["processor", results.host.cpu] in rows


def test_conditions_have_ranges_and_a_figure(written):
    text = written(phone_results())
    page = Parsed(text)
    assert ["temperature of the hottest sensor, °C", "31.0", "31.0", "54.3", "54.3"] in page.rows
    assert "Thermal status: light at worst, throttled at 6 of 17 readings." in page.said["li"]
    assert "The 4 hottest of 5 sensors." in text
    assert "cores 4, 5, 6" in text and "battery" in text


def test_a_phone_without_facts(written):
    bare = phone_results().conditions[0].model_copy(
        update={
            "thermal_status": None, "celsius": {}, "battery_percent": None,
            "battery_celsius": None, "plugged": None, "cpu_khz": {}, "load_average": None,
        }
    )  # fmt: skip
    phone = PHONE.model_copy(
        update={"manufacturer": None, "soc": None, "android": None, "sdk": None, "clusters": ()}
    )
    results = phone_results(
        phone=phone, conditions=(bare, bare), probes=(), phone_starts={}, answers={}
    )
    assert "Test Phone" in written(results)
    assert "Temperature and clock" not in written(results)


def test_flags_of_a_phone_reach_the_headline(written):
    results = phone_results()
    first = results.measurements[0].model_copy(update={"flags": ("throttled",)})
    results = results.model_copy(update={"measurements": (first, *results.measurements[1:])})
    assert (
        "BERT-base int8 112 ms. But the phone reported that it throttled its processor because it "
        "was hot."
    ) in written(results, suffix="md")


def test_odd_values(written):
    """A results file may have no samples, infinite ones, or no phone."""
    odd = phone_results()
    blocks: list[tuple[tuple[float, ...], ...]] = [(), ((float("inf"), float("nan")),), ((0.0,),)]
    latency = odd.measurements[0].latency.model_copy(update={"median_ms": 0.0})
    measurements = tuple(
        each.model_copy(update={"blocks": some, "latency": latency})
        for each, some in zip(odd.measurements, blocks, strict=False)
    )
    text = written(odd.model_copy(update={"measurements": measurements, "phone": None}))
    assert "an unknown machine" in text


def test_failures_random_weights_and_interruptions_are_shown(written, host):
    failure = Failure(contender="peer", stage="load", error="no ConvInteger")
    results = host().model_copy(update={"failures": (failure,), "complete": False})
    page = Parsed(written(results))
    assert "peer failed (load): no ConvInteger" in page.said["li"]
    assert "Random weights: latency is real, answers are not." in page.said["p"]
    assert (
        "Incomplete: 'a.json' was interrupted; these are the results up to then." in page.said["p"]
    )
    whole = written(phone_results())
    assert "Incomplete" not in whole and "Random weights" not in whole


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_a_stand_in_is_never_shown_under_a_phones_name(written, suffix):
    text = written(phone_results(phone=STAND_IN), suffix=suffix)
    assert "on a stand-in, not a phone (95 %" in text
    assert (
        "No phone: 'a.json' was measured on a stand-in, a program that speaks adb like a phone. "
        "Its latencies mean nothing."
    ) in text.replace("&#39;", "'")
    for name in ("Test Phone", "Nobody", "Test SoC", "nobody/test", "Pixel 3"):
        assert name not in text
    assert "Latency in ms, 1 thread, 128 tokens, batch 1 (stand-in, not a phone)" in text
    assert "the stand-in computed the right answers" in text
