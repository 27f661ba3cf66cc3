"""Which results are comparable, and the section that compares them."""

import pytest
from parsed_page import Parsed
from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.report import write_report
from squeezebert_mobile.benchmarks.report.side_by_side import (
    check_comparable,
    differences,
    shared_medians,
)
from squeezebert_mobile.errors import BenchmarkError

pytestmark = pytest.mark.usefixtures("undrawn")

STAND_IN = PHONE.model_copy(update={"stand_in": True})


def with_settings(results, **changes):
    return results.model_copy(update={"settings": results.settings.model_copy(update=changes)})


def refusal(*results):
    names = ("a.json", "b.json", "c.json")
    with pytest.raises(BenchmarkError) as caught:
        check_comparable(list(zip(names, results, strict=False)))
    return str(caught.value)


def test_two_runs_on_one_phone_are_comparable():
    check_comparable([("a.json", phone_results()), ("b.json", phone_results(scale=0.8))])


def test_two_stand_ins_are_comparable():
    check_comparable(
        [("a.json", phone_results(phone=STAND_IN)), ("b.json", phone_results(phone=STAND_IN))]
    )


def test_one_thread_in_common_is_enough():
    check_comparable([("a", phone_results(threads=(1, 4))), ("b", phone_results(threads=(4, 8)))])


def test_a_host_and_a_phone_are_not_comparable(pretend, short, fake_clock):
    host = measure_host([pretend("A", 0.01)], preset=short, clock=fake_clock)
    assert refusal(host, phone_results()) == (
        "'a.json' and 'b.json' cannot be compared: target is host in the first and adb in "
        "the second; write a separate report of each"
    )


def test_the_shell_and_the_app_are_not_comparable():
    assert refusal(phone_results(), phone_results(target="app")) == (
        "'a.json' and 'b.json' cannot be compared: target is adb in the first and app in "
        "the second; write a separate report of each"
    )


@pytest.mark.parametrize("turned", [False, True])
def test_a_stand_in_and_a_phone_are_not_comparable(turned):
    pair = [phone_results(), phone_results(phone=STAND_IN)]
    kinds = ["a phone", "a stand-in"]
    if turned:
        pair.reverse()
        kinds.reverse()
    assert refusal(*pair) == (
        f"'a.json' and 'b.json' cannot be compared: what was measured is {kinds[0]} in the "
        f"first and {kinds[1]} in the second; write a separate report of each"
    )


def test_different_presets_are_not_comparable():
    assert refusal(phone_results(), with_settings(phone_results(), preset="rapid")) == (
        "'a.json' and 'b.json' cannot be compared: preset is quick in the first and rapid "
        "in the second; measure the second again with --preset quick"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch": 2}, "batch is 1 in the first and 2 in the second"),
        ({"choices": 2}, "number of choices is none in the first and 2 in the second"),
        ({"input_seed": 7}, "seed of the inputs is 0 in the first and 7 in the second"),
    ],
)
def test_different_inputs_are_not_comparable(changes, told):
    assert refusal(phone_results(), with_settings(phone_results(), **changes)) == (
        f"'a.json' and 'b.json' cannot be compared: {told}; measure both again with the "
        "same version and artifacts of the same task"
    )


def test_no_length_in_common():
    assert refusal(phone_results(lengths=(64, 128)), phone_results(lengths=(256,))) == (
        "'a.json' and 'b.json' cannot be compared: they have no sequence lengths in common "
        "(64, 128 in the first, 256 in the second); measure the second again with "
        "--sequence-length 64 --sequence-length 128"
    )


def test_no_number_of_threads_in_common():
    assert refusal(phone_results(), phone_results(threads=(4,))) == (
        "'a.json' and 'b.json' cannot be compared: they have no numbers of threads in "
        "common (1 in the first, 4 in the second); measure the second again with --threads 1"
    )


def test_no_model_in_common():
    others = phone_results(labels=("A", "B", "C", "D"))
    assert refusal(phone_results(), others) == (
        "'a.json' and 'b.json' cannot be compared: no model was measured in both at the "
        "same number of threads and length; measure artifacts with the names of the first: "
        "SqueezeBERT int8, SqueezeBERT fp32, BERT-base int8, BERT-base fp32"
    )


def test_the_third_is_compared_too():
    message = refusal(phone_results(), phone_results(), phone_results(threads=(4,)))
    assert message.startswith("'a.json' and 'c.json' cannot be compared")


def test_a_file_given_twice():
    with pytest.raises(BenchmarkError) as caught:
        check_comparable([("a.json", phone_results()), ("a.json", phone_results())])
    assert str(caught.value) == "'a.json' is given twice; name each results file once"


def test_shared_medians_and_their_ratio():
    one, two = phone_results(threads=(1, 4)), phone_results(scale=0.8, threads=(4,))
    cells = shared_medians([("a", one), ("b", two)])
    assert [(cell.contender, cell.threads) for cell in cells] == [
        (facts.label, 4) for facts in one.contenders
    ]
    for cell in cells:
        medians = [
            each.latency.median_ms
            for results in (one, two)
            for each in results.measurements
            if (each.contender, each.threads) == (cell.contender, 4)
        ]
        assert cell.medians == tuple(medians)
        assert cell.changes == (medians[1] / medians[0],)


def test_a_model_missing_in_one_of_three_files():
    without = phone_results().model_copy(
        update={"measurements": phone_results().measurements[1:]},
    )
    first = shared_medians([("a", phone_results()), ("b", without), ("c", phone_results())])[0]
    assert first.contender == "SqueezeBERT int8"
    assert first.medians[1] is None and first.changes == (None, 1.0)


def test_another_runtime_library_is_noted():
    other = PHONE.model_copy(update={"libraries": {"libonnxruntime.so": "c" * 64}})
    assert differences([("a", phone_results()), ("b", phone_results(phone=other))]) == [
        "The same phone was measured in 'a' and 'b'.",
        "The runtime library libonnxruntime.so is not the same (SHA-256 aaaaaaaaaaaa… and "
        "cccccccccccc…) in 'a' and 'b'.",
    ]


def test_other_phones_models_and_cores_are_noted():
    other = phone_results(phone=PHONE.model_copy(update={"serial": "OTHER"}))
    facts = other.contenders[0].model_copy(update={"sha256": "d" * 64})
    other = with_settings(
        other.model_copy(update={"contenders": (facts, *other.contenders[1:])}), cores="big"
    )
    told = differences([("a", phone_results()), ("b", other)])
    assert told[0] == "Different phones were measured in 'a' and 'b'."
    assert told[1].startswith("The model file of SqueezeBERT int8 is not the same (SHA-256 5371")
    assert told[2] == "Cores: all in 'a', big in 'b'."


def test_another_machine_and_other_versions_are_noted(pretend, short, fake_clock):
    one = measure_host([pretend("A", 0.01)], preset=short, clock=fake_clock)
    versions = one.host.versions | {"onnxruntime": "9.9"}
    machine = one.host.model_copy(update={"cpu": "Other", "versions": versions})
    told = differences([("a", one), ("b", one.model_copy(update={"machine": machine}))])
    assert told == [
        f"The processor is not the same ({one.host.cpu} and Other) in 'a' and 'b'.",
        f"The version of onnxruntime is not the same ({one.host.versions['onnxruntime']} and 9.9) "
        "in 'a' and 'b'.",
    ]


# The report ----------------------------------------------------------------------------------


def test_the_section_has_both_medians_and_the_change(written):
    before, after = phone_results(threads=(1, 4)), phone_results(scale=0.5)
    page = Parsed(written(before, after))
    (title,) = page.said["h1"]
    assert title == (
        "SqueezeBERT int8: 58.1 ms in a.json (Test Phone), 29.1 ms in b.json (Test Phone)"
    )
    at = next(i for i, row in enumerate(page.rows) if row[-1] == "change in b.json")
    assert page.rows[at + 1] == ["SqueezeBERT int8", "1", "128", "58.1", "29.1", "0.50 (-50.0 %)"]
    assert [row[1] for row in page.rows[at + 1 : at + 5]] == ["1"] * 4
    assert any("It has no interval" in text for text in page.said["p"])
    assert "The same phone was measured in 'a.json' and 'b.json'." in page.said["li"]
    assert [text for text in page.said["h2"]] == [
        "Side by side", "a.json (Test Phone)", "b.json (Test Phone)"
    ]  # fmt: skip


def test_the_title_is_about_the_users_models(written):
    """Two files of different models have only the baselines in common."""
    baselines = ("BERT-base int8", "BERT-base fp32")
    one = phone_results(labels=("one int8", "one fp32", *baselines))
    two = phone_results(labels=("two int8", "two fp32", *baselines), scale=0.5)
    page = Parsed(written(one, two))
    assert page.said["h1"] == [
        "one int8: 58.1 ms in a.json (Test Phone); two int8: 29.1 ms in b.json (Test Phone)"
    ]
    assert ["one int8", "1", "128", "58.1", "", ""] in page.rows
    assert ["two int8", "1", "128", "", "29.1", ""] in page.rows


def test_the_size_stands_beside_the_ratios(written):
    results = phone_results()
    sizes = {"SqueezeBERT int8": (51_100_000, 12), "BERT-base int8": (109_500_000, 12)}
    contenders = [
        facts.model_copy(
            update=dict(zip(("parameters", "layers"), sizes[facts.label], strict=True))
        )
        if facts.label in sizes
        else facts
        for facts in results.contenders
    ]
    results = results.model_copy(update={"contenders": tuple(contenders)})
    text = written(results, suffix="md")
    assert (
        "medians: SqueezeBERT int8 58.1 ms (51.1 M parameters, 12 layers), BERT-base int8 112 ms "
        "(110 M parameters, 12 layers)."
    ) in text
    assert "| SqueezeBERT int8 | 51.1 M parameters, 12 layers | 58.1 |" in text
    assert "| SqueezeBERT fp32 |  | 141 |" in text
    assert "| model | median |" in written(phone_results(), suffix="md")


def test_stand_ins_are_labelled_as_stand_ins(written):
    text = written(phone_results(phone=STAND_IN), phone_results(phone=STAND_IN))
    assert text.count("was measured on a stand-in, a program") == 2
    assert "a.json (stand-in)" in text and "Test Phone" not in text


def test_incomparable_results_leave_no_file(tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(BenchmarkError, match="cannot be compared: what was measured"):
        write_report([("a", phone_results()), ("b", phone_results(phone=STAND_IN))], path)
    assert list(tmp_path.iterdir()) == []
