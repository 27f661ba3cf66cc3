import io

from rich.console import Console

from squeezebert_mobile.benchmarks.progress import progress_bar


def test_silent_without_a_terminal():
    file = io.StringIO()
    with progress_bar(Console(file=file)) as tell:
        tell("1 thread, length 128", 3, 60)
    assert file.getvalue().strip() == ""


def test_a_bar_with_the_remaining_time_on_a_terminal():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    with progress_bar(console) as tell:
        tell("start [int8]", 3, 60)
    assert "start [int8]" in file.getvalue()
    assert "-:--:--" in file.getvalue()  # nothing is known yet about the speed
