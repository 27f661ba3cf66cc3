"""The command `run`."""

from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from squeezebert_mobile.cli.lines import Line, answer_lines, read_lines
from squeezebert_mobile.cli.options import Artifact, Debug, Json
from squeezebert_mobile.cli.search import search_lines
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.formats import MAX_THREADS
from squeezebert_mobile.tasks import TASKS, Aggregation

if TYPE_CHECKING:
    from squeezebert_mobile.runtime import Pipeline

__all__ = ["run"]

#: Options of the pipelines that have another name in the command.
_FLAGS = {
    "aggregation_strategy": "aggregation",
    "candidate_labels": "candidate_label",
    "choices": "choice",
}


def run(
    artifact: Artifact,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Input texts (default: the lines of stdin).")
    ] = None,
    text_pair: Annotated[str | None, typer.Option(help="Second text of a pair.")] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(help="A choice, for multiple-choice; repeat for each."),
    ] = None,
    question: Annotated[str | None, typer.Option(help="Question, for question-answering.")] = None,
    context: Annotated[
        str | None, typer.Option(help="Text to find the answer in, for question-answering.")
    ] = None,
    candidate_label: Annotated[
        list[str] | None,
        typer.Option(help="A label for zero-shot classification by an NLI model; repeat for each."),
    ] = None,
    hypothesis_template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="With --candidate-label: the hypothesis, with {} where the label goes "
            "(default: This example is {}.).",
        ),
    ] = None,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label", help="With --candidate-label: several labels can be true."),
    ] = False,
    entailment_label: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            help="With --candidate-label: the model's label for entailment, if not named so.",
        ),
    ] = None,
    prompt_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For feature-extraction: the checkpoint's prompt to put before each text.",
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="For feature-extraction: print the texts that are most similar to this one.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of predictions to return; with --query, of texts (default: 10)."
        ),
    ] = None,
    aggregation: Annotated[
        Aggregation | None,
        typer.Option(
            help="How token-classification groups tokens into entities: 'first', the default, "
            "gives a word the label of its first token, and 'simple' may split it."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_THREADS,
            help="Number of threads (default: the runtime's).",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Texts per model call (default: 1; with --query 8). More than 1 is faster for "
            "many short texts, and in int8 changes results in about the third digit.",
        ),
    ] = None,
    skip_blank: Annotated[
        bool,
        typer.Option(
            "--skip-blank",
            help="Print nothing for blank lines of stdin, instead of an empty answer.",
        ),
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run an artifact on texts and print its predictions.

    There is an answer for each line of stdin, in the same order.
    """
    from squeezebert_mobile.cli.printing.progress import line_progress, print_note
    from squeezebert_mobile.cli.printing.results import BLANK_RESULTS, print_result
    from squeezebert_mobile.runtime import load_artifact

    model = load_artifact(artifact, threads=threads)
    zero_shot = {
        "hypothesis_template": hypothesis_template,
        "multi_label": multi_label or None,
        "entailment_label": entailment_label,
    }
    predict, what = _prediction(model, candidate_label, zero_shot, query)
    accepted = signature(predict).parameters
    options = _task_options(
        what,
        accepted,
        {
            "text_pair": text_pair,
            "choices": choice or None,
            "question": question,
            "context": context,
            "prompt_name": prompt_name,
            "query": query,
            "top_k": top_k,
            "aggregation_strategy": aggregation,
            "candidate_labels": candidate_label or None,
            **zero_shot,
        },
    )
    if "aggregation_strategy" in accepted:
        options.setdefault("aggregation_strategy", "first")
    if model.manifest.weights == "random":
        print_note("the weights are random; the predictions are meaningless")
    if question is not None:
        print_result(None, predict(**options), as_json=as_json)
        return
    given = [Line(f"text {number}", text) for number, text in enumerate(texts or (), 1)]
    if query is not None:
        if batch_size is not None:
            options["batch_size"] = batch_size
        _search(partial(predict, options.pop("query"), **options), given, as_json=as_json)
        return
    pair = options.pop("text_pair", None)
    answer = partial(predict, batch_size=batch_size or 1, **options)
    if given:
        for line, result in answer_lines(answer, given, text_pair=pair):
            print_result(str(line.content), result, as_json=as_json)
        return
    blank = BLANK_RESULTS[model.manifest.task]
    blank_lines = 0
    lines = (line for line in read_lines() if not (skip_blank and line.is_blank))
    with line_progress() as report:
        for line, result in answer_lines(answer, lines, blank=blank, text_pair=pair):
            print_result(str(line.content), result, as_json=as_json)
            report(line.size)
            blank_lines += result is blank
    if blank_lines:
        have = "blank line has" if blank_lines == 1 else "blank lines have"
        print_note(f"{blank_lines} {have} an empty answer; --skip-blank prints none")


def _search(search: Callable[..., Any], given: list[Line], *, as_json: bool) -> None:
    """Print the nearest of the given texts, or of the lines of stdin."""
    from squeezebert_mobile.cli.printing.progress import line_progress
    from squeezebert_mobile.cli.printing.results import print_hits

    if given:
        result, lines = search_lines(search, given)
    else:
        with line_progress(prints=False) as report:
            result, lines = search_lines(search, read_lines(), report)
    print_hits(result, lines, as_json=as_json)


def _prediction(
    model: "Pipeline[Any]",
    candidates: list[str] | None,
    zero_shot: dict[str, Any],
    query: str | None,
) -> tuple[Callable[..., Any], str]:
    """The method to call, for each text or for --query, and what it does."""
    from squeezebert_mobile.runtime.tasks.feature_extraction import FeatureExtraction
    from squeezebert_mobile.runtime.tasks.text_classification import TextClassification

    if not candidates:
        if given := [name for name, value in zero_shot.items() if value is not None]:
            raise InputError(
                f"--{given[0].replace('_', '-')} is for zero-shot classification; add "
                "--candidate-label for each label"
            )
        if query is None:
            return model.__call__, model.manifest.task
        if not isinstance(model, FeatureExtraction):
            raise InputError(
                f"--query does not apply to {model.manifest.task}; use a feature-extraction "
                "artifact"
            )
        return model.search, "a search with --query"
    if not isinstance(model, TextClassification):
        raise InputError(
            f"--candidate-label does not apply to {model.manifest.task}; use a text-classification "
            "artifact of a model of natural language inference"
        )
    return model.zero_shot, "zero-shot classification"


def _task_options(task: str, accepted: Iterable[str], options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, if the task's pipeline accepts them."""
    options = {name: value for name, value in options.items() if value is not None}
    if wrong := sorted(options.keys() - set(accepted)):
        flag = _FLAGS.get(wrong[0], wrong[0]).replace("_", "-")
        other = ", or use another artifact" if task in TASKS else ""
        raise InputError(f"--{flag} does not apply to {task}; remove it{other}")
    if task == "multiple-choice" and len(options.get("choices", ())) < 2:
        raise InputError("multiple-choice needs at least two choices; add --choice for each")
    if task == "question-answering" and not {"question", "context"} <= options.keys():
        raise InputError("question-answering needs --question and --context")
    return options
