"""Interrupted surveys, continued with --resume."""

import json

import pytest

from squeezebert_mobile.benchmarks.measure import host
from squeezebert_mobile.benchmarks.peers import BuildError, __main__, resume_state
from squeezebert_mobile.benchmarks.peers.__main__ import main
from squeezebert_mobile.benchmarks.records.events import BlockMeasured, Started
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.errors import BenchmarkError

LABELS = ["ours SqueezeBERT onnx fp32", "peer SqueezeBERT onnx fp32", "peer BERT-base onnx fp32"]
WORDS = ["--only", "onnx fp32 SqueezeBERT", "--only", "peer onnx fp32", "--threads", "1"]
WORDS += ["--lengths", "16", "32"]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "survey"


class Killed(BaseException):
    """The process ends at once."""


@pytest.fixture
def survey(stand_ins, output, monkeypatch):
    """Run the survey; `stop_at` interrupts it when so many events were written."""

    def run(*more, stop_at=None, error=KeyboardInterrupt):
        add = Journal.add

        def stopping(journal, event):
            if stop_at == len(journal.events):
                raise error
            add(journal, event)

        with monkeypatch.context() as patched:
            patched.setattr(Journal, "add", stopping)
            return main([*WORDS, "-o", str(output), *more])

    monkeypatch.setattr(__main__, "draw", lambda results, path: path.touch())  # takes a second
    run.broken = stand_ins
    return run


def files(output):
    return sorted(path.name for path in output.iterdir())


@pytest.fixture
def measured(monkeypatch):
    """The labels of cold starts, and the cells of blocks, that are measured."""
    seen = []
    add = Journal.add

    def counting(journal, event):
        if isinstance(event, Started):
            seen.append(event.contender)
        if isinstance(event, BlockMeasured):
            seen.append(event.sequence_length)
        add(journal, event)

    monkeypatch.setattr(Journal, "add", counting)
    return seen


def test_models_are_built_for_the_lengths_that_are_measured(survey):
    assert survey(stop_at=6) == 130
    assert survey.broken.lengths == [16, 32]


def test_an_interrupted_survey_keeps_its_complete_parts(survey, output, measured, capsys):
    # begin, 3 starts, 3 warm-ups, 8 blocks, 3 warm-ups, 2 of 8 blocks
    assert survey(stop_at=20) == 130
    assert files(output) == [
        "latency.svg",
        "models",
        "report.md",
        "results.json",
        "results.json.journal",
    ]
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"what is finished is kept in {str(output)!r}; to continue, run the same command with "
        "--resume"
    )
    first = {
        each.sequence_length: each for each in read_results(output / "results.json").measurements
    }
    assert len(first[16].blocks) == 8 and len(first[32].blocks) == 2
    assert measured == [*LABELS, *[16] * 8, *[32] * 2]
    measured.clear()
    survey.broken.built.clear()
    assert survey("--resume") == 0
    assert survey.broken.built == []
    assert measured == [32] * 8  # all contenders alternate again in all blocks
    assert files(output) == ["latency.svg", "report.md", "results.json"]
    results = read_results(output / "results.json")
    assert results.complete and len(results.measurements) == 6
    assert {len(each.blocks) for each in results.measurements} == {8}
    kept_now = [each for each in results.measurements if each.sequence_length == 16]
    assert kept_now[-1] == first[16]
    assert all(len(starts) == 1 for starts in results.starts.values())


@pytest.mark.parametrize("stop_at", [1, 3, 7, 15, 25, 26])
def test_a_survey_is_continued_after_every_event(survey, output, stop_at, capsys):
    with pytest.raises(Killed):
        survey(stop_at=stop_at, error=Killed)  # killed
    assert survey("--resume") == 0
    results = read_results(output / "results.json")
    assert results.complete and not results.failures
    assert [len(each.blocks) for each in results.measurements] == [8] * 6
    assert [len(starts) for starts in results.starts.values()] == [1, 1, 1]
    assert files(output) == ["latency.svg", "report.md", "results.json"]


def test_models_are_built_once(survey, output, capsys):
    survey.broken[LABELS[2]] = KeyboardInterrupt()
    assert survey() == 130
    err = capsys.readouterr().err
    assert err.splitlines()[-2:] == [
        "interrupted before anything was measured",
        f"what is finished is kept in {str(output)!r}; to continue, run the same command with "
        "--resume",
    ]
    done = json.loads((output / "models" / "built.json").read_text())["built"]
    assert done and LABELS[2] not in done
    survey.broken.clear()
    survey.broken.built.clear()
    assert survey("--resume") == 0
    assert sorted([*done, *survey.broken.built]) == sorted(LABELS)
    assert read_results(output / "results.json").complete


def test_a_failed_build_is_tried_again_unless_the_measurement_has_begun(survey, output, capsys):
    survey.broken |= {LABELS[0]: BuildError("no memory"), LABELS[1]: KeyboardInterrupt()}
    survey.broken.error_s = 0.2  # the third is built meanwhile
    assert survey() == 130
    del survey.broken[LABELS[1]]
    survey.broken.built.clear()
    assert survey("--resume", stop_at=18) == 130
    assert LABELS[0] in survey.broken.built
    survey.broken.clear()
    survey.broken.built.clear()
    assert survey("--resume") == 0
    assert survey.broken.built == []
    (failure,) = read_results(output / "results.json").failures
    assert (failure.contender, failure.error) == (LABELS[0], "no memory")


def test_nothing_is_kept_of_a_run_without_complete_parts(survey, output, capsys):
    survey.broken |= dict.fromkeys(LABELS, BuildError("no disk space"))
    assert survey() == 1
    assert capsys.readouterr().err == "error: no model could be built: no disk space\n"
    assert files(output) == []


def test_results_that_were_not_written_are_written(survey, output, monkeypatch, capsys):
    def full(*_, **__):
        raise BenchmarkError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("squeezebert_mobile.benchmarks.records.results.Results.write", full)
        assert survey() == 1
        assert "kept in" in capsys.readouterr().err
    monkeypatch.setattr(host, "open_model", lambda *_, **__: pytest.fail("measured again"))
    assert survey("--resume") == 0
    assert read_results(output / "results.json").complete


# What is refused ----------------------------------------------------------------------------


def error(survey, capsys, *words):
    capsys.readouterr()
    assert survey(*words) == 1
    first, *notes = capsys.readouterr().err.splitlines()
    assert len(notes) <= 1
    return first


def test_a_new_run_does_not_remove_an_interrupted_one(survey, output, capsys):
    survey(stop_at=20)
    journal = (output / "results.json.journal").read_bytes()
    assert "finished parts of an interrupted run; continue it with --resume" in error(
        survey, capsys
    )
    assert (output / "results.json.journal").read_bytes() == journal


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling link"])
def test_a_folder_of_models_that_is_not_of_a_run_stays(survey, output, tmp_path, kind, capsys):
    mine, models = tmp_path / "mine", output / "models"
    output.mkdir()
    if kind == "folder":
        mine = models
    if kind in {"folder", "link"}:
        mine.mkdir()
        (mine / "weights.bin").touch()
    if kind == "file":
        models.touch()
    if "link" in kind:
        models.symlink_to(mine)
    before = sorted(tmp_path.rglob("*"))
    message = error(survey, capsys)
    assert f"{str(models)!r} is not of an earlier run" in message and "with -o" in message
    assert sorted(tmp_path.rglob("*")) == before and survey.broken.built == []


def test_a_run_killed_before_its_first_model_is_complete_is_replaced(survey, output):
    survey.broken |= dict.fromkeys(LABELS, Killed())
    with pytest.raises(Killed):
        survey()
    (output / "models" / "log.txt").touch()
    survey.broken.clear()
    assert survey() == 0
    assert files(output) == ["latency.svg", "report.md", "results.json"]


def test_nothing_to_resume(survey, output, capsys):
    message = error(survey, capsys, "--resume")
    assert message == (
        f"error: there is no interrupted run in {str(output)!r}; remove --resume and run again, or "
        "name its folder with -o"
    )
    assert main(["--resume"]) == 2
    assert "--resume needs the folder of the interrupted run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--lengths", "64"], ["--threads", "2"], ["--only", "ours onnx int8"], ["--preset", "rapid"]],
)
def test_another_command(survey, words, capsys):
    survey(stop_at=20)
    assert "are not those that the run began with" in error(survey, capsys, "--resume", *words)


def test_other_versions_while_measuring(survey, monkeypatch, capsys):
    survey(stop_at=20)
    facts = host.machine_facts()
    other = facts.model_copy(update={"versions": facts.versions | {"onnxruntime": "9.9"}})
    monkeypatch.setattr(host, "machine_facts", lambda: other)
    message = error(survey, capsys, "--resume")
    was = facts.versions["onnxruntime"]
    assert f"onnxruntime is 9.9, and was {was} when the run began" in message
    moved = facts.model_copy(update={"cpu": "another"})
    monkeypatch.setattr(host, "machine_facts", lambda: moved)
    assert "the machine is not the one that the run began on" in error(survey, capsys, "--resume")


@pytest.mark.parametrize("name", ["torch", "the code of squeezebert-mobile", "the machine"])
def test_other_versions_while_building(survey, output, name, monkeypatch, capsys):
    survey.broken[LABELS[2]] = KeyboardInterrupt()
    survey()
    survey.broken.clear()
    versions = resume_state._built_with([16, 32])
    monkeypatch.setattr(resume_state, "_built_with", lambda lengths: versions | {name: "9.9"})
    message = error(survey, capsys, "--resume")
    assert f"{name} is 9.9, and was {versions[name]} when they were built; remove the" in message
    monkeypatch.undo()  # nothing was removed
    record = json.loads((output / "models" / "built.json").read_text())
    assert record["built"] and record["built_with"] == versions


def test_other_lengths_while_building(survey, capsys):
    survey.broken[LABELS[2]] = KeyboardInterrupt()
    survey()
    message = error(survey, capsys, "--resume", "--lengths", "64")
    assert "the list of lengths is 16 32 64, and was 16 32 when they were built" in message


def test_a_model_that_has_changed(survey, output, tiny_file, capsys):
    survey(stop_at=20)
    tiny_file.write_bytes(tiny_file.read_bytes() + b" ")
    assert f"the file of {LABELS[0]!r} in" in error(survey, capsys, "--resume")


def test_models_that_are_gone_or_a_damaged_record(survey, output, capsys):
    survey(stop_at=20)
    record = output / "models" / "built.json"
    record.write_text("{")
    assert f"cannot read {str(record)!r}: it is damaged" in error(survey, capsys, "--resume")
    record.unlink()
    assert "are gone, without which it cannot be continued" in error(survey, capsys, "--resume")


def test_two_runs_in_one_folder(survey, output, capsys):
    survey(stop_at=20)
    with Journal(output / "results.json.journal", resume=True):
        assert "another benchmark is writing" in error(survey, capsys, "--resume")
        assert "another benchmark is writing" in error(survey, capsys)


def test_the_code_decides_what_is_built(tmp_path):
    names = ["formats.py", "tasks.py", "export_options.py", "files.py", "hub/download.py"]
    names += ["cli/export.py", "models/assets/sentences.txt", "export/convert.py"]
    names += ["runtime/loading.py", "benchmarks/peers/litert-converter.txt"]
    files = resume_state._code_files()
    assert set(names) <= files.keys()
    digest = resume_state._code_digest(files)
    for name in names:
        changed = tmp_path / "changed"
        changed.write_bytes(files[name].read_bytes() + b"\n")
        assert resume_state._code_digest(files | {name: changed}) != digest
    moved = {name: path for name, path in files.items() if name != "files.py"}
    assert resume_state._code_digest(moved | {"hub/files.py": files["files.py"]}) != digest
