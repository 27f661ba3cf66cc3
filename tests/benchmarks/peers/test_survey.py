"""One run from the command line, with stand-ins for the built models."""

import json

import pytest

from squeezebert_mobile.benchmarks.peers import GOALS, MODELS, BuildError
from squeezebert_mobile.benchmarks.peers.__main__ import main
from squeezebert_mobile.benchmarks.peers.models import REFERENCE
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import MissingExtraError

ONE_CELL = ("--threads", "1", "--lengths", "128")
GOALS_ONLY = tuple(
    word
    for name in dict.fromkeys(n for goal in GOALS for n in goal[:2])
    for word in ("--only", name)
)


def flat(text):
    return " ".join(text.split())


def test_one_run_measures_all_models_and_checks_the_goals(stand_ins, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")  # a pipe has no width of its own
    assert main([*ONE_CELL, "-o", str(tmp_path / "report")]) == 0
    results = read_results(tmp_path / "report" / "results.json")
    assert [each.contender for each in results.measurements] == [model.label for model in MODELS]
    assert {each.baseline for each in results.ratios} == {REFERENCE}
    assert [(each.contender, each.baseline, each.at_least) for each in results.goals] == list(GOALS)
    for goal in results.goals:
        assert goal.times_faster.low is not None  # the same model is as fast as itself
        assert goal.times_faster.ratio == pytest.approx(1, abs=0.5)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"results.json", "report.md", "latency.svg"}
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    for model in MODELS:
        assert model.configuration in flat(out)


def test_every_workload_is_measured(stand_ins, capsys):
    words = ["--only", "ours onnx", "--threads", "2", "1", "--lengths", "16", "24", "--json"]
    assert main(words) == 0
    results = json.loads(capsys.readouterr().out)
    cells = {(each["threads"], each["sequence_length"]) for each in results["measurements"]}
    assert cells == {(1, 16), (1, 24), (2, 16), (2, 24)}
    assert results["goals"] == []  # they are set for another length


def test_a_failed_build_is_a_row_with_its_error(stand_ins, tmp_path, capsys):
    stand_ins["peer BERT-base onnx int8"] = BuildError("IndexError: tensors used as indices")
    assert main([*ONE_CELL, *GOALS_ONLY, "-o", str(tmp_path)]) == 0
    out = flat(capsys.readouterr().out)
    assert "peer onnx int8 fails" in out
    assert "peer BERT-base onnx int8 failed (build): IndexError: tensors used as indices" in out
    assert "than peer BERT-base onnx int8 ours SqueezeBERT onnx int8 1.6x not measured" in out
    (failure,) = read_results(tmp_path / "results.json").failures
    assert (failure.contender, failure.stage) == ("peer BERT-base onnx int8", "build")
    report = (tmp_path / "report.md").read_text()
    assert "- peer BERT-base onnx int8 failed (build): IndexError" in report


def test_earlier_results_are_shown_again(stand_ins, tmp_path, capsys):
    words = [*ONE_CELL, "--only", "onnx fp32"]
    assert main([*words, "-o", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    report, plot = (tmp_path / "report.md").read_bytes(), (tmp_path / "latency.svg").read_bytes()
    again = tmp_path / "again"
    assert main(["--from", str(tmp_path / "results.json"), "-o", str(again)]) == 0
    assert capsys.readouterr().out == first
    assert (again / "report.md").read_bytes() == report
    assert (again / "latency.svg").read_bytes() == plot


def test_the_journal_of_a_killed_run_is_shown_with_its_failed_builds(
    stand_ins, tmp_path, monkeypatch, capsys
):
    from squeezebert_mobile.benchmarks.measure import host

    stand_ins["peer BERT-base onnx int8"] = BuildError("no memory")

    monkeypatch.setattr(host, "load_average", iter([(0.0, 0.0, 0.0)]).__next__)
    with pytest.raises(StopIteration):  # at the end: the journal has all but its last line
        main([*ONE_CELL, *GOALS_ONLY, "-o", str(tmp_path)])
    assert main(["--from", str(tmp_path / "results.json.journal")]) == 130
    out = flat(capsys.readouterr().out)
    assert out.startswith("Incomplete") and "failed (build): no memory" in out
    assert "than peer BERT-base onnx fp32" in out  # judged, as far as it goes


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted before anything was measured"),
        (MissingExtraError("transformers is not installed"), 1, "error: transformers is not"),
    ],
)
def test_ctrl_c_or_a_missing_extra_ends_all_builds(stand_ins, error, code, message, capsys):
    stand_ins["ours SqueezeBERT onnx fp32"] = error
    assert main([]) == code
    assert message in capsys.readouterr().err
    assert len(stand_ins.built) < len(MODELS) / 2


def test_int8_peers_are_built_after_the_fp32_that_they_are_made_from(stand_ins, capsys):
    assert main([*ONE_CELL, "--only", "peer onnx"]) == 0
    assert {label.split()[3] for label in stand_ins.built[:2]} == {"fp32"}


# Wrong input --------------------------------------------------------------------------------


def test_no_model_can_be_built(stand_ins, capsys):
    stand_ins.update({model.label: BuildError("no disk space") for model in MODELS})
    assert main([]) == 1
    assert capsys.readouterr().err == "error: no model could be built: no disk space\n"


def test_an_unknown_word(capsys):
    assert main(["--only", "onx"]) == 1
    assert "unknown word of a model's name 'onx'; did you mean 'onnx'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "0"], "Invalid value for '--threads': '0' is not a number of at least 1"),
        (
            ["--threads", "two"],
            "Invalid value for '--threads': 'two' is not a number of at least 1",
        ),
        (["--lengths", "1"], "Invalid value for '--lengths': '1' is not a number from 2 to 512"),
        (
            ["--lengths", "16", "513"],
            "Invalid value for '--lengths': '513' is not a number from 2 to 512",
        ),
        (["--preset", "slow"], "'slow' is not one of 'survey'"),
    ],
)
def test_wrong_options(words, message, capsys):
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_an_unwritable_folder_is_rejected_before_anything_is_built(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["-o", str(tmp_path / "file")]) == 1
    assert "cannot write into" in capsys.readouterr().err


def test_a_missing_matplotlib_is_reported_before_anything_is_built(monkeypatch, tmp_path, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["-o", str(tmp_path)]) == 1
    assert "pip install 'squeezebert-mobile[bench]'" in capsys.readouterr().err


def test_results_of_other_models(stand_ins, tmp_path, capsys):
    assert main([*ONE_CELL, "--only", "ours onnx fp32", "-o", str(tmp_path)]) == 0
    path = tmp_path / "results.json"
    text = path.read_text().replace("ours SqueezeBERT onnx fp32", "sentiment-int8")
    path.write_text(text)
    assert main(["--from", str(path)]) == 1
    assert "the results contain 'sentiment-int8', which is none of" in capsys.readouterr().err


def test_a_missing_results_file(tmp_path, capsys):
    assert main(["--from", str(tmp_path / "none.json")]) == 1
    assert "error: cannot read the results" in capsys.readouterr().err
