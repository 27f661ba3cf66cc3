"""Markdown, the plot, and the README's table."""

import errno
import io
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest

from squeezebert_mobile import files
from squeezebert_mobile.artifact import FORMATS
from squeezebert_mobile.benchmarks.peers import BuildError, __main__, select
from squeezebert_mobile.benchmarks.peers.__main__ import main
from squeezebert_mobile.benchmarks.peers.pages import report_page
from squeezebert_mobile.benchmarks.peers.plot import draw
from squeezebert_mobile.benchmarks.peers.readme import readme_section, readme_with
from squeezebert_mobile.benchmarks.peers.tables import goal_tables, latency_tables, summary_table
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Goal, Interval
from squeezebert_mobile.benchmarks.report.queries import main_workload
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown, escaped

ROOT = Path(__file__).parents[3]
MARKED = (
    "before\n<!-- benchmarks.peers --readme writes from here -->\nold\n<!-- to here -->\nafter\n"
)


def report(results):
    return as_markdown(report_page(results))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def results(stand_ins, folder):
    """ONNX models at one workload, measured once; one peer failed to build."""
    stand_ins["peer SqueezeBERT onnx int8"] = BuildError("no | disk")
    if not (folder / "results.json").exists():
        words = ["--only", "onnx", "--threads", "1", "--lengths", "128", "-o", str(folder)]
        assert main(words) == 0
    return read_results(folder / "results.json")


def test_all_rows_of_a_markdown_table_have_the_same_number_of_cells(results):
    for table in re.findall(r"(?:^\|.*\n)+", report(results), re.MULTILINE):
        counts = {line.count(" | ") for line in table.splitlines()}
        assert len(counts) == 1, table


def test_the_report_names_machine_versions_and_recipes(results):
    text = report(results)
    assert escaped(results.machine.cpu) in text and results.created in text
    assert f"onnxruntime {results.machine.versions['onnxruntime']}" in text
    assert "a reproduction with onnxruntime.quantization" in text  # of optimum's recipe
    assert "![The latency of every model](latency.svg)" in text
    assert r"- peer SqueezeBERT onnx int8 failed (build): no \| disk" in text


def test_the_summary_table(results):
    table = summary_table(results)
    families = ("SqueezeBERT", "BERT-base")
    columns = [
        f"{family} {precision}" for family in families for precision in FORMATS["onnx"].precisions
    ]
    assert table.header == ("", *columns)
    rows = {name: dict(zip(table.header[1:], cells, strict=True)) for name, *cells in table.rows}
    assert list(rows) == [
        "ours: onnx",
        "peer: onnx",
        "peer: onnx per channel",
        "peer: onnx as optimum",
    ]
    medians = {each.contender: each.latency.median_ms for each in results.measurements}
    ours = float(rows["ours: onnx"]["BERT-base int8"].rstrip("?"))
    assert ours == pytest.approx(medians["ours BERT-base onnx int8"], rel=0.06)
    assert rows["peer: onnx"]["SqueezeBERT int8"] == "fails"
    assert rows["peer: onnx per channel"]["SqueezeBERT fp32"] == ""


def test_goals_are_checked(results):
    def goal(at_least, low, high):
        interval = Interval(ratio=5.2, low=low, high=high, flags=())
        return Goal.judge("A", "B", at_least=at_least, found=interval)

    goals = (
        goal(5.0, 5.1, 5.3),
        goal(5.0, 4.9, 5.3),
        goal(6.0, 5.1, 5.3),
        goal(5.3, 5.1, 5.4),
        Goal.judge("A", "B", at_least=2.0, found=None),
    )
    assert [(each.holds, each.firm) for each in goals] == [
        (True, True), (True, False), (False, True), (False, False), (False, False)
    ]  # fmt: skip
    (table,) = goal_tables(results.model_copy(update={"goals": goals}))
    assert table.rows == (
        "than B",
        ("A", "5.0x", "5.20x", "5.10-5.30", "yes"),
        ("A", "5.0x", "5.20x", "4.90-5.30", "yes, not firm"),
        ("A", "6.0x", "5.20x", "5.10-5.30", "no"),
        ("A", "5.3x", "5.20x", "5.10-5.40", "no, not firm"),
        ("A", "2.0x", "", "", "not measured"),
    )


# The plot -----------------------------------------------------------------------------------


def test_the_plot_has_every_model_and_is_reproducible(results, folder, tmp_path, monkeypatch):
    draw(results, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (folder / "latency.svg").read_bytes()
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")  # text that can be read
    draw(results, tmp_path / "text.svg")
    svg = ElementTree.parse(tmp_path / "text.svg").getroot()
    words = [each.text for each in svg.iter() if each.tag.endswith("}text")]
    assert words.count("onnx int8") == 4 and words.count("onnx int8 as optimum") == 2
    assert words.count("fails") == 1
    assert (
        sum(bool(re.fullmatch(r"[\d.]+ ms", word or "")) for word in words)
        == len(select(["onnx"])) - 1
    )
    assert any(results.machine.cpu in (word or "") for word in words)


def test_the_report_of_an_interrupted_run(results):
    cut = results.model_copy(
        update={
            "complete": False,
            "settings": results.settings.model_copy(
                update={"threads": (1, 2), "sequence_lengths": (64, 128, 384)}
            ),
        }
    )
    assert " The run was interrupted." in readme_section(cut)
    assert "interrupted" not in readme_section(results)
    assert "> Incomplete: this run was interrupted" in report(cut)
    (table,) = latency_tables(cut)  # of the one workload that was measured
    assert table.header[1] == "128" and "1 thread" in table.caption


def test_the_main_workload_if_the_usual_one_was_not_measured(results):
    def at(threads, length):
        (first, *_) = results.measurements
        return first.model_copy(update={"threads": threads, "sequence_length": length})

    cells = [(2, 16), (2, 64), (4, 16), (4, 64)]
    moved = results.model_copy(update={"measurements": tuple(at(*cell) for cell in cells)})
    assert main_workload(moved) == (2, 64)


# The README ---------------------------------------------------------------------------------


def test_only_the_table_of_the_readme_changes(results, folder, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(MARKED, encoding="utf-8")
    words = ["--from", str(folder / "results.json"), "--readme", str(readme)]
    assert main(words) == 0
    text = readme.read_text(encoding="utf-8")
    assert text == MARKED.replace("old\n", readme_section(results))
    assert escaped(results.machine.cpu) in text and results.created[:10] in text
    assert main(words) == 0
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), ""),
        (("few blocks",), ""),
        (("drifting",), " ?: changed by more than 5 % during the run; read the ratios."),
        (
            ("unstable",),
            " ?: differed too much from run to run (stability below 60 of 100); read the ratios.",
        ),
        (
            ("few blocks", "drifting", "unstable"),
            " ?: changed by more than 5 % during the run, or differed too much from run to run "
            "(stability below 60 of 100); read the ratios.",
        ),
    ],
)
def test_a_question_mark_in_the_readme_is_explained(results, flags, told):
    marked = [each.model_copy(update={"flags": flags}) for each in results.measurements]
    text = readme_section(results.model_copy(update={"measurements": tuple(marked)}))
    assert text.rstrip("\n").endswith(f".{told}") and text.count("?:") == bool(told)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "cannot read"), ("nothing", "has no place for the table")]
)
def test_a_readme_without_marks_is_rejected_before_anything_is_built(
    text, message, tmp_path, capsys
):
    readme = tmp_path / "README.md"
    if text:
        readme.write_text(text, encoding="utf-8")
    assert main(["--readme", str(readme)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["a read-only folder", "a folder"])
def test_files_that_cannot_be_written_are_reported_before_anything_is_built(
    kind, tmp_path, monkeypatch, capsys
):
    readme = tmp_path / "README.md"
    readme.write_text(MARKED, encoding="utf-8")
    monkeypatch.setattr(__main__, "bench_peers", lambda *_, **__: pytest.fail("it was measured"))
    if kind == "a folder":
        (tmp_path / "report.md").mkdir()
        assert main(["-o", str(tmp_path)]) == 1
        told = f"cannot write the report.md to {str(tmp_path / 'report.md')!r}: Is a directory"
    else:
        monkeypatch.setattr(files.os, "access", lambda path, mode: mode == os.R_OK)
        assert main(["--readme", str(readme)]) == 1
        told = f"cannot write the summary table to {str(readme)!r}: Permission denied"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}; choose another")


@pytest.mark.parametrize("name", ["report.md", "latency.svg", "README.md"])
def test_a_full_disk_leaves_the_earlier_file(results, folder, tmp_path, name, monkeypatch, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(MARKED, encoding="utf-8")
    for other in ("report.md", "latency.svg"):
        (tmp_path / other).write_text("earlier")
    before = (tmp_path / name).read_bytes()
    opened = io.open

    def full(file, mode="r", *more, **options):
        """Open a file, and write nothing to it."""
        stream = opened(file, mode, *more, **options)
        if "w" in mode and Path(str(file)).name == name:
            stream.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return stream

    monkeypatch.setattr(io, "open", full)
    monkeypatch.setattr("builtins.open", full)
    words = ["--from", str(folder / "results.json"), "-o", str(tmp_path), "--readme", str(readme)]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot write the ") and "No space left on device" in line
    assert (tmp_path / name).read_bytes() == before


def test_the_readme_and_report_of_this_repository_are_current():
    results = read_results(ROOT / "docs" / "peers" / "results.json")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_with(readme, results) == readme
    kept = (ROOT / "docs" / "peers" / "report.md").read_text(encoding="utf-8")
    assert report(results) == kept
