import io
import threading

from squeezebert_mobile.benchmarks.measure.progress import progress_bar
from squeezebert_mobile.streams import Console


def test_silent_without_a_terminal():
    file = io.StringIO()
    with progress_bar(Console(file=file)) as tell:
        tell("1 thread, length 128", 3, 60)
    assert file.getvalue().strip() == ""


def test_a_bar_with_the_remaining_time_on_a_terminal():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    before = threading.active_count()
    with progress_bar(console) as tell:
        tell("build [int8]", 0, 0)
        assert "build [int8]" in file.getvalue()
        assert "left" not in file.getvalue()
        tell("start [int8]", 13, 90)
        assert "start [int8]" in file.getvalue()
        assert "1:17 left" in file.getvalue()
        assert threading.active_count() == before  # nothing draws while something is timed
