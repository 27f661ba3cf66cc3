"""A run on a stand-in for a phone: measurements, journal, and commands on the phone."""

from pathlib import Path
from typing import Any

import pytest
from phone_run import Run

from squeezebert_mobile.benchmarks.measure.schedule import block_order
from squeezebert_mobile.benchmarks.phone.adb.errors import PhoneError
from squeezebert_mobile.benchmarks.phone.adb.files import HOME, clean
from squeezebert_mobile.benchmarks.phone.runner import client
from squeezebert_mobile.benchmarks.records.events import Conditioned, VisitMeasured

pytestmark = [pytest.mark.phone, pytest.mark.timeout(120)]


def test_a_whole_run(run: Run) -> None:
    run.phone.pretend(latency_ms={"*": 10.0})
    results = run.measure(threads=(1, 2), sequence_lengths=(4, 8))
    assert (results.target, results.complete) == ("adb", True)
    assert results.phone is not None and results.phone.stand_in
    assert (results.phone.model, results.phone.soc, results.phone.android) == (
        "Pixel 8",
        "Tensor G3",
        "14",
    )
    assert [len(each.cores) for each in results.phone.clusters] == [1, 4, 4]
    cells = [(1, 4), (1, 8), (2, 4), (2, 8)]
    for label in ("ours", "theirs"):
        found = [each for each in results.measurements if each.contender == label]
        assert [(each.threads, each.sequence_length) for each in found] == cells
        assert all(each.latency.runs >= 4 and len(each.blocks) >= 2 for each in found)
        assert results.answers[label].texts == 1
        (start,) = results.phone_starts[label]
        assert start.first and start.load_ms > 0 and start.first_run_ms > 0
        assert (start.peak_bytes or 0) >= (start.resident_bytes or 0) > 0
    assert len(results.ratios) >= 4
    # Before the run, before each block, after each cell.
    assert len(results.conditions) == 1 + 4 * (2 + 1)
    assert len(results.probes) == 4 * 2
    times = [each.at_s for each in results.conditions]
    assert times == sorted(times)
    assert all(each.thermal_status == 0 and each.plugged == "usb" for each in results.conditions)


def test_contenders_alternate_in_the_order_of_the_schedule(run: Run) -> None:
    run.measure()
    visits = [event for event in run.events if isinstance(event, VisitMeasured)]
    for index in (0, 1):
        made = [each for each in visits if each.block == index]
        assert [each.place for each in made] == [0, 1, 2, 3]
        assert [each.contender for each in made] == block_order(["ours", "theirs"], index)


@pytest.mark.parametrize("found", ["0" * 64, None, "another"])
def test_a_model_that_is_not_the_artifacts_is_not_measured(
    run: Run, monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    """As if another program had changed the job on the phone."""
    read = client.parse_event

    def event(line: bytes) -> dict[str, Any]:
        fields = read(line)
        return fields | {"model_sha256": found} if fields["event"] == "artifact" else fields

    monkeypatch.setattr(client, "parse_event", event)
    with pytest.raises(PhoneError, match=f"the runner loaded a model with the SHA-256 {found!r} "):
        run.measure()


def test_jobs_have_names_of_their_own_and_are_removed(run: Run) -> None:
    run.measure()
    assert not list((run.phone.home / "squeezebert-mobile").glob("*.json"))


def test_what_is_there_is_not_pushed_again(run: Run) -> None:
    run.measure()
    assert any(what.startswith("push") for what in run.said)
    run.journal.unlink()
    run.said.clear()
    run.measure()
    assert not any(what.startswith("push") for what in run.said)


def test_a_file_that_was_damaged_on_the_phone_is_pushed_again(run: Run) -> None:
    run.measure()
    (library,) = (run.phone.home / "squeezebert-mobile").rglob("libonnxruntime.so")
    library.chmod(0o644)
    library.write_bytes(b"another one")
    library.chmod(0o444)
    run.journal.unlink()
    run.measure()
    assert library.read_bytes() == b"a library" * 1000
    assert library.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    ("cores", "masks"), [("all", set()), ("big", {"1f0"}), ("F0", {"f0"}), ("1", {"1"})]
)
def test_cores(run: Run, cores: str, masks: set[str]) -> None:
    assert run.measure(cores=cores).settings.cores == cores
    assert set(run.phone.masks) == masks


@pytest.mark.parametrize(
    ("cores", "message"),
    [
        ("some", "--cores 'some' is not valid; use all, big, or a hexadecimal mask such as f0"),
        ("400", "--cores 400 selects cores that do not exist; Pixel 8 has cores 0 to 8"),
        ("0", "--cores 0 selects cores that do not exist; Pixel 8 has cores 0 to 8"),
    ],
)
def test_invalid_cores(run: Run, cores: str, message: str) -> None:
    with pytest.raises(PhoneError) as caught:
        run.measure(cores=cores)
    assert str(caught.value) == message
    assert not run.journal.exists()


def test_a_hot_phone_is_waited_for_and_flagged(run: Run) -> None:
    slept: list[float] = []
    run.phone.set_throttling(after=2, looks=99)
    results = run.measure(sleep=slept.append)
    assert slept and any(what == "cooling down: thermal status 3" for what in run.said)
    assert all("throttled" in each.flags for each in results.measurements)
    statuses = [event.conditions.thermal_status for event in run.events
                if isinstance(event, Conditioned)]  # fmt: skip
    assert statuses[0] == 0 and statuses[-1] == 3


def test_two_at_once_and_clean_removes_only_what_is_ours(run: Run, tmp_path: Path) -> None:
    run.measure()
    other = run.phone.home / "somebody's file"
    other.write_text("stays")
    assert clean(run.device) > 0
    assert not (run.phone.root / HOME.lstrip("/")).exists()
    assert other.read_text() == "stays"
    assert clean(run.device) == 0
