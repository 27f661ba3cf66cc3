"""Several results in the order of time."""

from phone_results import PHONE, phone_results

from squeezebert_mobile.benchmarks.report.contents import report_page
from squeezebert_mobile.benchmarks.report.history import history, regressions
from squeezebert_mobile.benchmarks.report.side_by_side import NamedResults
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown


def _runs(*scales: float) -> list[NamedResults]:
    """A run a day, of which the newest is given first."""
    runs = [
        (f"{day}.json", phone_results(scale=scale, created=f"2026-11-0{day}T08:00:00+00:00"))
        for day, scale in enumerate(scales, start=1)
    ]
    return runs[::-1]


def test_a_regression_is_shown() -> None:
    runs = _runs(1.0, 1.02, 0.98, 1.2)
    sentences = list(regressions(runs))
    assert len(sentences) == 2 and sentences[0].startswith("Slower: SqueezeBERT int8 takes ")
    assert "in 4.json, 20.0 % more than in the runs before it." in sentences[0]
    table = next(iter(history(runs)))
    assert [row[1] for row in table.rows] == ["1.json", "2.json", "3.json", "4.json"]
    changes = [str(row[3].text) for row in table.rows]
    assert changes[0] == "" and changes[1] == "+2.0 %" and changes[3] == "+20.0 % slower"
    text = as_markdown(report_page(runs))
    assert "## History" in text and "Slower: SqueezeBERT int8" in text
    assert text.index("Slower: ") < text.index("## Side by side")


def test_what_stays_alike_or_gets_faster_is_no_regression() -> None:
    assert list(regressions(_runs(1.0, 1.02, 0.98, 1.03))) == []
    assert list(regressions(_runs(1.0, 1.3, 0.9))) == []  # it was slower only in between
    assert list(regressions(_runs(1.0, 1.3))) == []  # a comparison


def test_other_devices_are_not_compared() -> None:
    runs = _runs(1.0, 1.0, 1.0)
    other = PHONE.model_copy(update={"serial": "OTHER", "model": "Slow Phone"})
    slow = phone_results(phone=other, scale=3, created="2026-11-09T08:00:00+00:00")
    assert list(regressions([*runs, ("9.json", slow)])) == []
    table = next(iter(history([*runs, ("9.json", slow)])))
    assert table.rows[-1][3].text == ""
