import time

import numpy as np
import pytest

from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.measure.schedule import Preset
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import BenchmarkError


def ratio(results, contender, baseline):
    (found,) = [
        each.times_faster
        for each in results.ratios
        if (each.contender, each.baseline) == (contender, baseline)
    ]
    return found


# Figures ------------------------------------------------------------------------------------


def test_a_contender_that_sleeps_twice_as_long_is_measured_as_half_as_fast(pretend):
    preset = Preset("short", runs=16, seconds=0, blocks=8, starts=1)
    contenders = [
        pretend("fast", lambda feed: time.sleep(0.02)),
        pretend("slow", lambda feed: time.sleep(0.04), role="baseline"),
    ]
    results = measure_host(contenders, preset=preset)
    fast, slow = (each.latency for each in results.measurements)
    # A busy machine wakes sleepers late, both by the same: the best runs tell the true ratio.
    assert slow.min_ms / fast.min_ms == pytest.approx(2, rel=0.1)
    assert fast.min_ms >= 20
    found = ratio(results, "fast", "slow")
    assert found.ratio == pytest.approx(slow.median_ms / fast.median_ms)
    assert found.low <= found.ratio <= found.high


def test_both_ratios_same_precision_first_and_fp32(pretend, short, fake_clock):
    contenders = [
        pretend("ours-int8", 0.010),
        pretend("ours-fp32", 0.020, precision="fp32"),
        pretend("bert-int8", 0.030, role="baseline"),
        pretend("bert-fp32", 0.090, precision="fp32", role="baseline"),
    ]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    assert results.complete
    assert {
        (each.contender, each.baseline): round(each.times_faster.ratio, 3)
        for each in results.ratios
    } == {
        ("ours-int8", "bert-int8"): 3.0,
        ("ours-int8", "bert-fp32"): 9.0,
        ("ours-fp32", "bert-fp32"): 4.5,
        ("bert-int8", "bert-fp32"): 3.0,
    }


def test_a_given_baseline_of_another_precision_is_still_the_baseline(pretend, short, fake_clock):
    contenders = [
        pretend("ours", 0.010),
        pretend("theirs", 0.05, precision="fp32", role="baseline"),
    ]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    assert ratio(results, "ours", "theirs").ratio == pytest.approx(5)


def test_the_baseline_of_the_same_task_is_chosen(pretend, short, fake_clock):
    contenders = [
        pretend("ours", 0.010),
        pretend("bert-tagger", 0.05, role="baseline"),
        pretend("bert-classifier", 0.02, role="baseline"),
    ]
    tagger = contenders[1].__class__(**(vars(contenders[1]) | {"task": "token-classification"}))
    results = measure_host([contenders[0], tagger, contenders[2]], preset=short, clock=fake_clock)
    assert [each.baseline for each in results.ratios] == ["bert-classifier"]


def test_every_number_of_threads_at_every_length_is_a_cell(pretend, short, fake_clock):
    results = measure_host(
        [pretend("A", 0.01)], preset=short, threads=[1, 2, 1], sequence_lengths=[16, 32],
        clock=fake_clock,
    )  # fmt: skip
    cells = [(each.threads, each.sequence_length) for each in results.measurements]
    assert cells == [(1, 16), (1, 32), (2, 16), (2, 32)]
    assert results.settings.threads == (1, 2)
    assert all(len(each.blocks) == 8 for each in results.measurements)
    assert all(each.latency.runs >= 32 for each in results.measurements)


def test_without_a_baseline_there_are_no_ratios(pretend, short, fake_clock):
    results = measure_host([pretend("A", 0.01)], preset=short, clock=fake_clock)
    assert results.ratios == ()


def test_a_contender_that_is_slowed_down_half_way_is_flagged(pretend, short, fake_clock):
    runs = 0

    def model(feed):
        nonlocal runs
        runs += 1
        fake_clock.work(0.01 if runs < 33 else 0.012)()

    contenders = [pretend("A", model), pretend("B", 0.02, role="baseline")]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    slowed, steady = results.measurements
    assert slowed.flags == ("drifting",)
    assert steady.flags == ()
    assert "drifting" in ratio(results, "A", "B").flags


def test_every_contender_gets_the_same_ids_below_the_smallest_vocabulary(
    pretend, short, fake_clock
):
    feeds = {}

    def model(label):
        def run(feed):
            feeds[label] = feed
            fake_clock.work(0.01)()

        return run

    contenders = [
        pretend("large", model("large"), vocab_size=30522),
        pretend("small", model("small"), vocab_size=50),
        pretend("choosing", model("choosing"), has_choices=True),
    ]
    measure_host(contenders, preset=short, sequence_lengths=[24], clock=fake_clock)
    ids = feeds["large"]["input_ids"]
    assert ids.shape == (1, 24)
    assert ids.dtype == np.int64
    assert ids.max() < 50
    assert len(np.unique(ids)) > 10
    np.testing.assert_array_equal(feeds["small"]["input_ids"], ids)
    assert feeds["choosing"]["input_ids"].shape == (1, 2, 24)
    np.testing.assert_array_equal(feeds["choosing"]["input_ids"][:, 0], ids)
    assert (feeds["large"]["attention_mask"] == 1).all()
    assert (feeds["large"]["token_type_ids"] == 0).all()


def test_progress_ends_near_what_it_promised(pretend, short, fake_clock, monkeypatch):
    monkeypatch.setattr(host.time, "monotonic", fake_clock)
    told = []
    measure_host(
        [pretend("A", 0.01), pretend("B", 0.03)], preset=short, threads=[1, 2], clock=fake_clock,
        progress=lambda *update: told.append(update),
    )  # fmt: skip
    expected = told[-1][1]
    assert told[-1][1] == told[-1][2]
    # Once the first cell is warm, the promise holds for the rest.
    promised = next(total for what, _, total in told if what == "1 thread, length 128")
    assert promised == pytest.approx(expected, rel=0.15)
    assert all(done <= total for _, done, total in told)


# Ctrl-C -------------------------------------------------------------------------------------


def interrupted_after(clock, runs):
    def model(feed):
        nonlocal runs
        runs -= 1
        if runs < 0:
            raise KeyboardInterrupt
        clock.work(0.01)()

    return model


def test_ctrl_c_keeps_the_finished_blocks(pretend, short, fake_clock, tmp_path):
    # A visit is a lead-in and two runs: 6 runs a block, after 8 of warm-up.
    contenders = [
        pretend("A", interrupted_after(fake_clock, 8 + 3 * 6 + 4)),
        pretend("B", 0.02, role="baseline"),
    ]
    journal = tmp_path / "journal.jsonl"
    results = measure_host(contenders, preset=short, clock=fake_clock, journal=journal)
    assert not results.complete
    assert [len(each.blocks) for each in results.measurements] == [3, 3]
    assert ratio(results, "A", "B").ratio == pytest.approx(2)
    assert read_results(journal) == results


def test_ctrl_c_before_the_first_block_gives_results_without_measurements(
    pretend, short, fake_clock
):
    contenders = [pretend("A", interrupted_after(fake_clock, 2))]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    assert not results.complete
    assert results.measurements == ()
    assert len(results.starts["A"]) == 1


def test_ctrl_c_in_the_second_cell_keeps_the_first(pretend, short, fake_clock):
    contenders = [pretend("A", interrupted_after(fake_clock, 8 + 8 * 6 + 8 + 2 * 6 + 1))]
    results = measure_host(contenders, preset=short, threads=[1, 2], clock=fake_clock)
    assert [(each.threads, len(each.blocks)) for each in results.measurements] == [(1, 8), (2, 2)]


# Failures -----------------------------------------------------------------------------------


def raising(message):
    def model(feed):
        raise RuntimeError(message)

    return model


def test_a_contender_that_cannot_run_is_a_failure_and_the_others_go_on(pretend, short, fake_clock):
    contenders = [pretend("bad", raising("no kernel\nfor this")), pretend("good", 0.01)]
    results = measure_host(contenders, preset=short, threads=[1, 2], clock=fake_clock)
    assert results.complete
    assert [(each.contender, each.stage, each.error) for each in results.failures] == [
        ("bad", "run", "no kernel")
    ]
    assert {each.contender for each in results.measurements} == {"good"}


def test_a_contender_that_cannot_be_loaded_is_a_failure(pretend, short, fake_clock, monkeypatch):
    opener = host.open_model

    def open_model(contender, *, threads):
        if contender.label == "bad":
            raise RuntimeError("NOT_IMPLEMENTED : ConvInteger(10)")
        return opener(contender, threads=threads)

    monkeypatch.setattr(host, "open_model", open_model)
    contenders = [pretend("bad", 0.01), pretend("good", 0.01)]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    (failure,) = results.failures
    assert (failure.stage, failure.error) == ("load", "NOT_IMPLEMENTED : ConvInteger(10)")


def test_a_contender_that_crashes_its_own_process_is_not_loaded_into_this_one(
    pretend, short, fake_clock, monkeypatch
):
    starter = host.measure_start

    def measure_start(contender, settings):
        if contender.label == "bad":
            raise BenchmarkError("'bad' failed in a fresh process: signal 11")
        return starter(contender, settings)

    monkeypatch.setattr(host, "measure_start", measure_start)
    loaded = []
    opener = host.open_model
    monkeypatch.setattr(
        host, "open_model", lambda c, *, threads: loaded.append(c.label) or opener(c, threads=1)
    )
    contenders = [pretend("bad", 0.01), pretend("good", 0.01)]
    results = measure_host(contenders, preset=short, clock=fake_clock)
    assert loaded == ["good"]
    assert results.failures[0].stage == "start"


def test_nothing_left_to_measure(pretend, short, fake_clock):
    with pytest.raises(BenchmarkError, match="nothing can be measured: 'bad': no kernel"):
        measure_host([pretend("bad", raising("no kernel"))], preset=short, clock=fake_clock)


def test_a_failure_between_blocks_ends_the_measurement_and_keeps_the_journal(
    pretend, short, fake_clock, tmp_path
):
    runs = 0

    def model(feed):
        nonlocal runs
        runs += 1
        if runs > 8 + 6 * 2:
            raise MemoryError
        fake_clock.work(0.01)()

    journal = tmp_path / "journal.jsonl"
    match = "failed at 1 thread, length 128: MemoryError"
    with pytest.raises(BenchmarkError, match=match):
        measure_host([pretend("A", model)], preset=short, clock=fake_clock, journal=journal)
    assert len(read_results(journal).measurements[0].blocks) == 2


# Invalid options ----------------------------------------------------------------------------


def test_no_contenders(short):
    with pytest.raises(BenchmarkError, match="nothing to measure; pass at least one artifact"):
        measure_host([], preset=short)


def test_two_contenders_of_one_name(pretend, short):
    with pytest.raises(BenchmarkError, match="two contenders are called 'A'"):
        measure_host([pretend("A", 0.1), pretend("A", 0.1)], preset=short)


@pytest.mark.parametrize("values", [[0], [], [4, -1]])
def test_threads_and_lengths_below_one(pretend, short, values):
    with pytest.raises(BenchmarkError, match=r"threads must be at least 1, not \["):
        measure_host([pretend("A", 0.1)], preset=short, threads=values)
    with pytest.raises(BenchmarkError, match=r"sequence length must be at least 1, not \["):
        measure_host([pretend("A", 0.1)], preset=short, sequence_lengths=values)


def test_a_fixed_length_runs_at_that_length_only(pretend, short, fake_clock):
    fixed = pretend("fixed", 0.01, sequence_length=64)
    match = "'fixed' was exported for sequence length 64 and cannot run at 128; use --sequence-l"
    with pytest.raises(BenchmarkError, match=match):
        measure_host([fixed], preset=short, sequence_lengths=[128])
    results = measure_host([pretend("free", 0.01), fixed], preset=short, clock=fake_clock)
    assert results.settings.sequence_lengths == (64,)


def test_a_length_beyond_the_positions(pretend, short, fake_clock):
    small = pretend("small", 0.01, max_sequence_length=40)
    with pytest.raises(BenchmarkError, match="length 41 is too long for 'small', .* most 40"):
        measure_host([small], preset=short, sequence_lengths=[41])
    results = measure_host([small, pretend("large", 0.01)], preset=short, clock=fake_clock)
    assert results.settings.sequence_lengths == (40,)
