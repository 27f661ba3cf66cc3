import json

import pytest

from squeezebert_mobile.benchmarks.measure.host import measure_host
from squeezebert_mobile.benchmarks.records.journal import Journal
from squeezebert_mobile.benchmarks.records.reading import read_events, read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "results.json.journal"


@pytest.fixture
def results(pretend, short, fake_clock, journal):
    contenders = [pretend("A", 0.01), pretend("B", 0.02, role="baseline")]
    return measure_host(contenders, preset=short, clock=fake_clock, journal=journal)


def test_results_are_read_as_they_were_written(results, tmp_path):
    path = tmp_path / "new" / "results.json"
    results.write(path)
    assert read_results(path) == results
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # no partial file
    data = json.loads(path.read_text())
    assert data["schema_version"] == 5
    assert len(data["measurements"][0]["blocks"]) == 8  # the raw samples
    assert len(path.read_text().splitlines()) < 300  # a block on a line, not a sample


def test_the_journal_holds_the_same_results(results, journal):
    assert read_results(journal) == results


def test_each_block_is_in_the_file_as_soon_as_it_is_measured(pretend, short, fake_clock, journal):
    seen = []

    def model(feed):
        seen.append(journal.read_text().count('"block"'))
        fake_clock.work(0.01)()

    measure_host([pretend("A", model)], preset=short, clock=fake_clock, journal=journal)
    assert sorted(set(seen)) == list(range(8))


def test_the_results_have_a_json_schema():
    schema = Results.model_json_schema()
    assert schema["properties"]["schema_version"] == {
        "enum": [1, 2, 3, 4, 5],
        "title": "Schema Version",
        "type": "integer",
    }


def test_a_line_that_was_cut_off_is_left_out(results, journal):
    text = journal.read_text()
    cut = text[: text.rindex('{"event":"block"') + 40]
    journal.write_text(cut)
    found = read_results(journal)
    assert not found.complete
    assert [len(each.blocks) for each in found.measurements] == [7, 7]


def test_a_line_that_was_cut_off_within_a_character_is_left_out(
    pretend, short, fake_clock, journal
):
    contenders = [pretend("caf\u00e9 \u6771\u4eac \U0001f600", 0.01)]
    measure_host(contenders, preset=short, clock=fake_clock, journal=journal)
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    begun, half = b"".join(lines[:-2]), lines[-2]
    assert lines[-2].startswith(b'{"event":"block"') and not half.isascii()
    expected = len(read_events(journal)) - 2
    for end in range(len(half)):  # every place, within a character too
        journal.write_bytes(begun + half[:end])
        assert len(read_events(journal)) == expected
        assert not read_results(journal).complete
    with Journal(journal, resume=True) as log:
        assert len(log.events) == expected
    assert journal.read_bytes() == begun


def test_a_complete_line_that_is_not_utf_8_is_damage(results, journal):
    journal.write_bytes(journal.read_bytes().replace(b'"A"', b'"\xc3"'))
    with pytest.raises(BenchmarkError, match="cannot read the results .* can't decode byte 0xc3"):
        read_results(journal)


def test_a_journal_cut_off_in_its_first_line_has_no_beginning(journal):
    for data in ('{"event":"begin","label":"\u00e9'.encode()[:-1], b"\xc3", b""):
        journal.write_bytes(data)
        with pytest.raises(BenchmarkError, match="its first line is not 'begin'"):
            read_events(journal)


def test_an_older_journal_is_not_overwritten(pretend, short, journal):
    journal.write_text("what another run has measured")
    with pytest.raises(BenchmarkError, match="exists: it may hold measurements of an interr"):
        measure_host([pretend("A", 0.01)], preset=short, journal=journal)
    assert journal.read_text() == "what another run has measured"


def test_a_journal_that_cannot_be_written(pretend, short, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="cannot write the journal .*Not a directory"):
        measure_host(
            [pretend("A", 0.01)], preset=short, journal=tmp_path / "file" / "x" / "j.jsonl"
        )


def test_results_that_cannot_be_written(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="cannot write the results to .*choose another file"):
        results.write(tmp_path / "file" / "results.json")


def test_a_failed_write_leaves_the_older_file(results, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text("older")

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(BenchmarkError, match="No space left on device"):
        results.write(path)
    assert path.read_text() == "older"
    assert not list(tmp_path.glob(".*partial*"))


# Damage -------------------------------------------------------------------------------------


@pytest.fixture
def written(results, tmp_path):
    path = tmp_path / "results.json"
    results.write(path)
    return path


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_another_schema_version_is_refused(written, journal):
    change(written, schema_version=6)
    with pytest.raises(BenchmarkError, match="schema_version 6, this version .* reads 1 to 5; up"):
        read_results(written)
    text = journal.read_text()
    journal.write_text(text.replace('"schema_version":5', '"schema_version":9', 1))
    with pytest.raises(BenchmarkError, match="schema_version 9, this version .* reads 1 to 5"):
        read_results(journal)


def test_files_of_version_1_are_read(results, written, journal):
    """They have no profiles, and nothing from text to answer."""
    data = json.loads(written.read_text()) | {"schema_version": 1}
    del data["profiles"], data["not_profiled"], data["from_text"], data["first_answers"]
    written.write_text(json.dumps(data))
    assert read_results(written) == results.model_copy(update={"schema_version": 1})
    text = journal.read_text()
    journal.write_text(text.replace('"schema_version":5', '"schema_version":1', 1))
    assert read_results(journal) == results


def test_a_wrong_field_is_named(written):
    change(written, complete="perhaps")
    with pytest.raises(BenchmarkError, match="results.json' is damaged at complete: Input should"):
        read_results(written)


def test_not_json(written):
    written.write_text("{")
    with pytest.raises(BenchmarkError, match="is not valid JSON"):
        read_results(written)
    written.write_text("[]")
    with pytest.raises(BenchmarkError, match="must hold a JSON object, not list"):
        read_results(written)


def test_a_missing_file(tmp_path):
    with pytest.raises(BenchmarkError, match="cannot read the results .*No such file"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize("text", ['{"event":"end","load_after":null}\n', '{"event":"begin","sch'])
def test_a_journal_without_a_beginning(journal, text):
    journal.write_text(text)
    with pytest.raises(BenchmarkError, match="is not a complete journal: its first line is not"):
        read_results(journal)


def test_an_empty_file(journal):
    journal.write_text("")
    with pytest.raises(BenchmarkError, match="is not valid JSON"):
        read_results(journal)


def test_another_json_file_is_no_results(tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"schema_version": 1, "task": "fill-mask"}')
    with pytest.raises(BenchmarkError) as error:
        read_results(manifest)
    assert str(error.value) == (
        f"{str(manifest)!r} is not a results file; give one that bench has written with -o, or "
        "what evaluate --json printed"
    )


def test_a_damaged_line_in_a_journal(results, journal):
    lines = journal.read_text().split("\n")
    lines[2] = '{"event":"dance"}'
    journal.write_text("\n".join(lines))
    with pytest.raises(BenchmarkError, match="is damaged at .*does not match any"):
        read_results(journal)


@pytest.mark.parametrize("ms", ["0", "2.2e-309", "-1", "1e300", "NaN"])
def test_times_that_no_clock_gives(results, journal, ms):
    before, block, after = journal.read_text().rpartition('"samples":{"A":[')
    journal.write_text(f"{before}{block}{ms},{after}")
    with pytest.raises(BenchmarkError, match="is damaged at block.samples.A.0: |not valid JSON"):
        read_results(journal)


def test_blocks_of_different_models(results, journal):
    lines = journal.read_text().split("\n")
    at = max(index for index, line in enumerate(lines) if line.startswith('{"event":"block"'))
    event = json.loads(lines[at])
    del event["samples"]["B"]
    lines[at] = json.dumps(event)
    journal.write_text("\n".join(lines))
    message = "is damaged: blocks at 128 tokens have samples of different models, so it was not"
    for read in (read_results, read_events):
        with pytest.raises(BenchmarkError, match=message):
            read(journal)


def test_times_of_a_model_that_is_not_in_the_run(results, journal):
    first, rest = journal.read_text().split("\n", 1)
    begin = json.loads(first)
    del begin["contenders"][0]
    journal.write_text(f"{json.dumps(begin)}\n{rest}")
    with pytest.raises(
        BenchmarkError, match="damaged: it has times of 'A', which is not among its"
    ):
        read_results(journal)


@pytest.mark.parametrize("name", ["threads", "sequence_lengths"])
def test_a_run_without_workloads(results, journal, name):
    first, rest = journal.read_text().split("\n", 1)
    begin = json.loads(first)
    begin["settings"][name] = []
    journal.write_text(f"{json.dumps(begin)}\n{rest}")
    with pytest.raises(BenchmarkError, match=rf"is damaged at begin.settings.{name}: "):
        read_results(journal)
