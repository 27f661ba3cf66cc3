"""The program `squeezebert-mobile`: its commands, errors and exit codes.

Each command imports its libraries when it runs, so that --help stays fast.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from squeezebert_mobile.cli.bench import bench, report
from squeezebert_mobile.cli.command import Command, Program
from squeezebert_mobile.cli.evaluate import evaluate
from squeezebert_mobile.cli.export import export, inspect, operators, verify
from squeezebert_mobile.cli.finetune import finetune
from squeezebert_mobile.cli.phones import clean, devices, doctor, push
from squeezebert_mobile.cli.run import run
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.streams import prepare_streams, print_line, writing_errors, writing_output

__all__ = ["app", "errors_in_one_line", "main"]

app = typer.Typer(
    cls=Program,
    help="Export SqueezeBERT and BERT checkpoints for phones, run and benchmark them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text fits 80 columns and can be piped
)

for _command in (
    *(export, finetune, run, inspect, verify, evaluate),
    *(bench, devices, doctor, clean, push, report, operators),
):
    # Typer cuts summaries that it takes from docstrings.
    app.command(cls=Command, short_help=(_command.__doc__ or "").partition("\n")[0])(_command)


def main() -> None:
    """Run the command line; errors of this package print one line and exit with 1."""
    debug = "--debug" in sys.argv
    logging.getLogger("squeezebert_mobile").setLevel(logging.DEBUG if debug else logging.NOTSET)
    with errors_in_one_line(debug=debug):
        app()


@contextlib.contextmanager
def errors_in_one_line(*, debug: bool = False) -> Iterator[None]:
    """Exit with 1 after an error of this package, which is printed in one line unless `debug`."""
    prepare_streams()
    try:
        try:
            yield
        finally:
            with writing_output():
                sys.stdout.flush()
    except SqueezeBertMobileError as error:
        if debug:
            raise
        for line in (f"error: {error}", *getattr(error, "__notes__", ())):
            print_line(line, stderr=True)
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader of stdout (head, less) has exited
        raise SystemExit(1) from None
    finally:
        with writing_errors():
            sys.stderr.flush()


def _version(requested: bool) -> None:
    if requested:
        from squeezebert_mobile import __version__

        print_line(f"squeezebert-mobile {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None: ...
