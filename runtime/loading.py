"""Loading an artifact folder as the pipeline of its task."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

from squeezebert_mobile.artifact import Manifest, reading_artifact
from squeezebert_mobile.errors import ArtifactError, CheckpointError, InputError, choose
from squeezebert_mobile.runtime.sessions import check_file, check_threads, open_checked
from squeezebert_mobile.runtime.tasks.feature_extraction import FeatureExtraction
from squeezebert_mobile.runtime.tasks.fill_mask import FillMask
from squeezebert_mobile.runtime.tasks.multiple_choice import MultipleChoice
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline
from squeezebert_mobile.runtime.tasks.question_answering import QuestionAnswering
from squeezebert_mobile.runtime.tasks.text_classification import TextClassification
from squeezebert_mobile.runtime.tasks.token_classification import TokenClassification
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import OPTIONAL_OUTPUTS, TASKS

__all__ = ["PIPELINES", "load_artifact"]

PIPELINES: dict[str, Callable[..., Pipeline[Any]]] = {
    "feature-extraction": FeatureExtraction,
    "fill-mask": FillMask,
    "text-classification": TextClassification,
    "multiple-choice": MultipleChoice,
    "token-classification": TokenClassification,
    "question-answering": QuestionAnswering,
}


#: The maximum number of tokens in a fixed input shape. The pipelines allocate arrays of this shape,
#: so that without a limit a damaged manifest could take all memory. Published models have 512.
_MAX_TOKENS = 2**20


@overload
def load_artifact(
    folder: str | Path, *, task: Literal["text-classification"], threads: int | None = None
) -> TextClassification: ...
@overload
def load_artifact(
    folder: str | Path, *, task: Literal["feature-extraction"], threads: int | None = None
) -> FeatureExtraction: ...
@overload
def load_artifact(
    folder: str | Path, *, task: Literal["fill-mask"], threads: int | None = None
) -> FillMask: ...
@overload
def load_artifact(
    folder: str | Path, *, task: Literal["multiple-choice"], threads: int | None = None
) -> MultipleChoice: ...
@overload
def load_artifact(
    folder: str | Path, *, task: Literal["token-classification"], threads: int | None = None
) -> TokenClassification: ...
@overload
def load_artifact(
    folder: str | Path, *, task: Literal["question-answering"], threads: int | None = None
) -> QuestionAnswering: ...
@overload
def load_artifact(
    folder: str | Path, *, task: str | None = None, threads: int | None = None
) -> Pipeline[Any]: ...
def load_artifact(
    folder: str | Path, *, task: str | None = None, threads: int | None = None
) -> Pipeline[Any]:
    """Load an exported artifact, after checking the checksums of its files.

    Args:
        folder: the output folder of ``squeezebert-mobile export``.
        task: the task that the artifact must be for. With it, type checkers know the pipeline's
            options and results; None accepts any task.
        threads: the number of threads for one call; None is the default of the format's runtime.

    Returns:
        The pipeline of the artifact's task. Call it with texts. Its attributes include the
        `manifest`, the `session`, which takes token ids, and the `tokenizer`.

    Raises:
        ArtifactError: a file is missing or damaged, or has an unsupported schema version; or the
            artifact is for another task.
        InputError: `task` is unknown, or the number of threads is invalid.
    """
    if task is not None and task not in PIPELINES:
        raise InputError(choose("task", task, PIPELINES))
    check_threads(threads)
    folder = Path(folder)
    with reading_artifact(folder) as manifest:
        _check_task(manifest)
        _check_fixed_shapes(manifest)
        if task not in {None, manifest.task}:
            raise ArtifactError(
                f"{str(folder)!r} is an artifact for {manifest.task}, not {task}; load it with "
                f"task={manifest.task!r}, or export a checkpoint with --task {task}"
            )
        tokenizer = _tokenizer(folder, manifest)
        model_file = folder / manifest.model_file
        check_file(model_file, manifest.format)
    session = open_checked(model_file, manifest.format, manifest.spec, threads=threads)
    return PIPELINES[manifest.task](
        spec=manifest.spec, session=session, tokenizer=tokenizer, artifact=manifest
    )


def _tokenizer(folder: Path, manifest: Manifest) -> SqueezeBertTokenizer:
    try:
        tokenizer = SqueezeBertTokenizer.from_artifact(folder, manifest.files)
    except CheckpointError as error:
        raise ArtifactError(f"{error}; export the checkpoint again") from None
    if len(tokenizer) > manifest.model.vocab_size:
        raise ArtifactError(
            f"the tokenizer of {str(folder)!r} has {len(tokenizer)} tokens, but its model has only "
            f"{manifest.model.vocab_size}; export the checkpoint again"
        )
    return tokenizer


def _check_task(manifest: Manifest) -> None:
    if manifest.task not in PIPELINES:
        raise ArtifactError(
            f"the artifact's manifest names an {choose('task', manifest.task, PIPELINES)}"
        )
    task = TASKS[manifest.task]
    ranks = {output.name: len(output.axes) for output in manifest.outputs}
    expected = {
        name: len(axes)
        for name, axes in task.outputs.items()
        if name in ranks or name not in OPTIONAL_OUTPUTS
    }
    inputs = {len(spec.axes) for spec in manifest.inputs}
    if ranks != expected or inputs != {len(task.input_axes)}:
        raise ArtifactError(
            f"the artifact's manifest does not have the inputs and outputs of {manifest.task}; "
            "export the checkpoint again"
        )


def _check_fixed_shapes(manifest: Manifest) -> None:
    for tensor in manifest.inputs:
        lengths = [axis for axis in tensor.axes if isinstance(axis, int)]
        if min(lengths, default=1) < 1 or math.prod(lengths) > _MAX_TOKENS:
            raise ArtifactError(
                f"the artifact's manifest gives {tensor.name!r} an impossible shape, "
                f"[{', '.join(map(str, tensor.axes))}]; export the checkpoint again"
            )
