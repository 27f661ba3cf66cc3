"""The command line: builds, measures, prints, and writes a report."""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from squeezebert_mobile.benchmarks.command import run_command
from squeezebert_mobile.benchmarks.peers.families import MAX_LENGTH, MIN_LENGTH
from squeezebert_mobile.benchmarks.peers.models import MODELS, select
from squeezebert_mobile.benchmarks.peers.pages import report_page, terminal_page
from squeezebert_mobile.benchmarks.peers.plot import PLOT_NAME, draw
from squeezebert_mobile.benchmarks.peers.readme import check_marks, readme_with
from squeezebert_mobile.benchmarks.peers.resume_state import kept, run_files
from squeezebert_mobile.benchmarks.peers.survey import (
    LENGTHS,
    PRESETS,
    SURVEY,
    THREADS,
    bench_peers,
    with_goals,
)
from squeezebert_mobile.benchmarks.peers.tables import survey_models
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.benchmarks.report.writers.markdown import as_markdown
from squeezebert_mobile.benchmarks.report.writers.terminal import print_page
from squeezebert_mobile.errors import BenchmarkError, require
from squeezebert_mobile.files import atomic_file, atomic_write, check_regular, check_writable
from squeezebert_mobile.streams import Console, print_json, print_line

__all__ = ["main"]

RESULTS_NAME, _REPORT_NAME = "results.json", "report.md"
_FOR_README = {"what": "summary table", "remedy": "choose another file with --readme"}

if TYPE_CHECKING:
    PresetName = str
else:
    PresetName = Literal[tuple(PRESETS)]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; after Ctrl-C that is 130."""
    words = list(_one_value_each(sys.argv[1:] if arguments is None else arguments))
    return run_command(app, "python -m squeezebert_mobile.benchmarks.peers", words)


def _one_value_each(arguments: Sequence[str]) -> Iterator[str]:
    """`--threads 1 2` as `--threads 1 --threads 2`: an option of typer takes a single value."""
    option, values = "", 0
    for word in arguments:
        if word.startswith("-"):
            option, values = word, 0
        else:
            if option in {"--threads", "--lengths"} and values:
                yield option
            values += 1
        yield word


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is not a number of at least 1")
    return int(text)


def _length(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or not MIN_LENGTH <= int(text) <= MAX_LENGTH:
        raise typer.BadParameter(f"{text!r} is not a number from {MIN_LENGTH} to {MAX_LENGTH}")
    return int(text)


@app.command(
    help="Measure our exports beside those of the usual exporters. All "
    f"{len(MODELS)} models take about 40 minutes on two idle cores, 6 GB in the temporary folder "
    "(TMPDIR) and 12 GB of memory."
)
def _peers(
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help="Models with all of these words in their names, such as 'ours onnx' or "
            "'SqueezeBERT int8'; repeat it to select more.",
        ),
    ] = None,
    lengths: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N...",
            parser=_length,
            help=f"Input lengths in tokens; default: {' '.join(map(str, LENGTHS))}.",
        ),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N...",
            parser=_count,
            help=f"Numbers of threads; default: {' '.join(map(str, THREADS))}.",
        ),
    ] = None,
    preset: Annotated[PresetName, typer.Option(help="How long to measure.")] = SURVEY.name,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results as JSON instead of text.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            *("-o", "--output"),
            metavar="FOLDER",
            help=f"Write {RESULTS_NAME}, {_REPORT_NAME} and {PLOT_NAME} there.",
        ),
    ] = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help=f"Measure nothing; show the {RESULTS_NAME} of an earlier run.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the interrupted run in the output folder: models that were built, cold "
            "starts, and the blocks of each number of threads and length that was completed.",
        ),
    ] = False,
    readme: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the summary table between its marks there."),
    ] = None,
) -> None:
    if resume and (output is None or earlier):
        raise typer.BadParameter("--resume needs the folder of the interrupted run; add -o FOLDER")
    _check_places(output, readme)
    try:
        if earlier:
            results = _read(earlier)
            _show(results, output, readme, as_json)
        else:
            models = select(only or [])
            with run_files(output, lengths or LENGTHS, resume=resume) as files:
                if resume:
                    files.continue_with(models)
                results = bench_peers(
                    files,
                    preset=PRESETS[preset],
                    models=models,
                    threads=threads or THREADS,
                )
                _show(results, output, readme, as_json)
                if results.complete:
                    files.remove()
                elif output:
                    print_line(kept(output), stderr=True)
    except KeyboardInterrupt as error:
        print_line("interrupted before anything was measured", stderr=True)
        for note in getattr(error, "__notes__", ()):
            print_line(note, stderr=True)
        raise typer.Exit(130) from None
    if not results.complete:
        raise typer.Exit(130)


def _show(results: Results, output: Path | None, readme: Path | None, as_json: bool) -> None:
    _write(results, output, readme)
    if as_json:
        print_json(results.to_json())
    else:
        print_page(terminal_page(results), Console())


def _read(path: Path) -> Results:
    results = with_goals(read_results(path))
    survey_models(results)  # raises if they are of other models
    return results


# Files --------------------------------------------------------------------------------------


def _check_places(output: Path | None, readme: Path | None) -> None:
    """Check before anything is measured that the results can be written."""
    if readme:
        check_marks(_text(readme))
        check_writable(readme, **_FOR_README)
    if output:
        require("matplotlib", "bench")
        try:
            output.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=output).close()
        except OSError as error:
            raise BenchmarkError(
                f"cannot write into {str(output)!r}: {error.strerror}; "
                "choose another folder with -o"
            ) from None
        for name in (RESULTS_NAME, _REPORT_NAME, PLOT_NAME):
            check_writable(output / name, what=name, remedy="choose another folder with -o")


def _write(results: Results, output: Path | None, readme: Path | None) -> None:
    if output:
        results.write(output / RESULTS_NAME)
        atomic_write(
            output / _REPORT_NAME, as_markdown(report_page(results)), what="report of the survey"
        )
        with atomic_file(output / PLOT_NAME, what="plot") as partial:
            draw(results, partial)
    if readme:
        text = readme_with(_text(readme), results)
        with atomic_file(readme, **_FOR_README) as partial:
            partial.write_bytes(text.encode("utf-8"))


def _text(path: Path) -> str:
    try:
        check_regular(path)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read {str(path)!r}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
