"""The command line: build, measure, print, and write a report."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from squeezebert_mobile.benchmarks.peers.grids import taking_part
from squeezebert_mobile.benchmarks.peers.markdown import (
    PLOT_NAME,
    check_marks,
    readme_with,
    report,
)
from squeezebert_mobile.benchmarks.peers.models import MODELS, select
from squeezebert_mobile.benchmarks.peers.plot import draw
from squeezebert_mobile.benchmarks.peers.survey import (
    LENGTHS,
    PRESETS,
    SURVEY,
    THREADS,
    bench_peers,
    judged,
)
from squeezebert_mobile.benchmarks.peers.text import print_survey
from squeezebert_mobile.benchmarks.records.reading import read_results
from squeezebert_mobile.benchmarks.records.results import Results
from squeezebert_mobile.errors import BenchmarkError, SqueezeBertMobileError, require

_LONGEST = 512  # positions of both families' models
_SHORTEST = 2  # a program for ExecuTorch takes no single token

RESULTS_NAME = "results.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, measure, print; the exit status is 130 after Ctrl-C and 1 after an error."""
    options = _parser().parse_args(arguments)
    try:
        _check_places(options)
        results = _earlier(options.shown) if options.shown else _measured(options)
        _write(results, options)
    except SqueezeBertMobileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted before anything was measured", file=sys.stderr)
        return 130
    if options.json:
        print(results.to_json(), end="")
    else:
        print_survey(results)
    return 0 if results.complete else 130


def _earlier(path: Path) -> Results:
    results = judged(read_results(path))
    taking_part(results)  # or an error
    return results


def _measured(options: argparse.Namespace) -> Results:
    models = select(options.only)
    journal = options.output / f"{RESULTS_NAME}.journal" if options.output else None
    if journal:
        journal.unlink(missing_ok=True)  # of an earlier run to the same folder
    with tempfile.TemporaryDirectory(prefix="squeezebert-peers-") as folder:
        return bench_peers(
            Path(folder),
            preset=PRESETS[options.preset],
            models=models,
            threads=options.threads,
            sequence_lengths=options.lengths,
            journal=journal,
        )


# Files --------------------------------------------------------------------------------------


def _check_places(options: argparse.Namespace) -> None:
    """Find out now, and not when all is measured, whether the results can be written."""
    if options.readme:
        check_marks(_text(options.readme))
    if options.output:
        require("matplotlib", "bench")
        try:
            options.output.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=options.output).close()
        except OSError as error:
            raise BenchmarkError(
                f"cannot write into {str(options.output)!r}: {error.strerror}; "
                "choose another folder with -o"
            ) from None


def _write(results: Results, options: argparse.Namespace) -> None:
    if options.output:
        results.write(options.output / RESULTS_NAME)
        (options.output / f"{RESULTS_NAME}.journal").unlink(missing_ok=True)
        (options.output / "report.md").write_text(report(results), encoding="utf-8")
        draw(results, options.output / PLOT_NAME)
    if options.readme:
        text = readme_with(_text(options.readme), results)
        options.readme.write_text(text, encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"cannot read {str(path)!r}: {error}") from None


# Options ------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m squeezebert_mobile.benchmarks.peers",
        description="Measure what a user gets without this package beside what it gives. All "
        f"{len(MODELS)} models take about 40 minutes on two idle cores, 6 GB in the temporary "
        "folder (TMPDIR) and 12 GB of memory.",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORDS",
        help="those with all of these words in their names, such as 'ours onnx' or "
        "'SqueezeBERT int8'; several times: those of each",
    )
    parser.add_argument(
        "--lengths",
        nargs="+",
        type=_length,
        default=LENGTHS,
        metavar="N",
        help=f"in tokens; default: {' '.join(map(str, LENGTHS))}",
    )
    parser.add_argument(
        "--threads",
        nargs="+",
        type=_count,
        default=THREADS,
        metavar="N",
        help=f"default: {' '.join(map(str, THREADS))}",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default=SURVEY.name, help=f"how long; default: {SURVEY.name}"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help=f"write {RESULTS_NAME}, report.md and {PLOT_NAME} there",
    )
    parser.add_argument(
        "--from",
        dest="shown",
        type=Path,
        metavar="FILE",
        help=f"measure nothing; show what is in the {RESULTS_NAME} of an earlier run",
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="write the short table between its marks there"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _length(text: str) -> int:
    if not text.isdecimal() or not _SHORTEST <= int(text) <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from {_SHORTEST} to {_LONGEST}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
