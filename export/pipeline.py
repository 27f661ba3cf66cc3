"""From a checkpoint to a verified artifact: load, rewrite, export, quantize, verify, write."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from squeezebert_mobile import __version__
from squeezebert_mobile.artifact import (
    FORMATS,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILES,
    PRECISIONS,
    SCHEMA_VERSION,
    Manifest,
    Parity,
    Part,
    Quantization,
    Source,
    TensorSpec,
    file_facts,
    staged,
    write_json,
)
from squeezebert_mobile.errors import ExportError, choose
from squeezebert_mobile.export.calibration import calibrate
from squeezebert_mobile.export.checkpoint import Checkpoint, open_checkpoint, shipped_texts
from squeezebert_mobile.export.config import SqueezeBertConfig
from squeezebert_mobile.export.facts import model_facts, parts_of
from squeezebert_mobile.export.outliers import set_apart, smooth
from squeezebert_mobile.export.quantization import quantize
from squeezebert_mobile.export.rewriting import Traceable, prove_equal, rewrite
from squeezebert_mobile.export.rounding import round_weights
from squeezebert_mobile.export.to_onnx import operators, to_onnx
from squeezebert_mobile.export.verification import (
    GOLDEN_TEXTS,
    Verification,
    calibration_feeds,
    make_golden,
    verify,
)
from squeezebert_mobile.runtime import Pipeline
from squeezebert_mobile.runtime.session import open_session
from squeezebert_mobile.tasks import INPUT_NAMES, get_task

__all__ = ["Progress", "export_checkpoint", "verify_against"]

_TOOLS = ("torch", "onnx", "onnxruntime", "onnxsim")
#: Shorter than this no pair of texts fits between its special tokens.
SHORTEST_LENGTH = 8


#: What a step reports to while it runs: how much is done, and of how much.
Step = Callable[[int, int], None]
#: Shows the steps of an export: `with progress("verify") as step: step(3, 200)`.
Progress = Callable[[str], contextlib.AbstractContextManager[Step]]


@contextlib.contextmanager
def _silent(name: str) -> Iterator[Step]:
    yield lambda done, total: None


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    format: str
    precision: str
    sequence_length: int | None
    max_sequence_length: int


def export_checkpoint(
    checkpoint: str | Path,
    folder: str | Path,
    *,
    task: str | None = None,
    format: str = "onnx",
    precision: str = "int8",
    sequence_length: int | None = None,
    max_sequence_length: int | None = None,
    texts: Sequence[str] | None = None,
    force: bool = False,
    progress: Progress = _silent,
) -> Manifest:
    """Export a checkpoint to a verified artifact.

    Args:
        checkpoint: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        folder: Where the artifact goes; nothing is there until it is whole.
        task: Which head; None takes the one that the checkpoint's config names.
        format: "onnx".
        precision: "fp32" or "int8".
        sequence_length: A fixed length in tokens; None accepts any up to the longest.
        max_sequence_length: The longest input in tokens; None takes the model's own.
        texts: What to verify with; None takes the 200 sentences that ship with the package.
        force: Whether to replace an artifact that is there.
        progress: Called with the name of each step.

    Returns:
        The manifest, with the measured parity.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: what was asked for cannot be done.
        ParityError: the exported model does not answer as the checkpoint does.
    """
    folder, texts = Path(folder), texts or shipped_texts()
    _check_choices(task, format, precision)
    if len(texts) < GOLDEN_TEXTS:
        raise ExportError(f"{len(texts)} texts are too few to verify with; give {GOLDEN_TEXTS}")
    with staged(folder, force=force) as partial:
        with progress("load"):
            source = open_checkpoint(checkpoint, task=task)
            lengths = _lengths(source, sequence_length, max_sequence_length)
            request = _Request(format, precision, *lengths)
        with progress("rewrite"):
            rewritten = rewrite(source.model)
            prove_equal(source.model, rewritten)
        if precision == "int8":
            with progress("calibrate"):
                _prepare(source, request, rewritten, texts)
        with progress("export"):
            graph = to_onnx(rewritten, sequence_length=request.sequence_length)
        recipe = None
        if precision == "int8":
            with progress("quantize"):
                graph, recipe = quantize(graph)
        parts, kernels = parts_of(source.model, graph), operators(graph)
        onnx.save(graph, str(partial / MODEL_FILES[format]))
        del graph, rewritten  # twice the model, where memory is short
        source.tokenizer.save_pretrained(partial)
        draft = _manifest(source, request, parts, recipe, kernels)
        with progress("verify") as report:
            parity = _verified(source, request, draft, partial, texts, report)
        manifest = draft.model_copy(
            update={
                "parity": parity,
                "files": {path.name: file_facts(path) for path in sorted(partial.iterdir())},
            }
        )
        write_json(manifest, partial / MANIFEST_FILE)
    return manifest


def _check_choices(task: str | None, format: str, precision: str) -> None:
    if task is not None:
        get_task(task)
    for what, value, valid in (
        ("format", format, FORMATS),
        ("precision", precision, PRECISIONS),
    ):
        if value not in valid:
            raise ExportError(choose(what, value, valid))
    if format != "onnx":
        raise ExportError(f"this version cannot export to {format!r}; use --format onnx")


def _lengths(
    source: Checkpoint, sequence_length: int | None, max_sequence_length: int | None
) -> tuple[int | None, int]:
    """The fixed length or None, and the longest."""
    longest = min(source.model.config.max_position_embeddings, source.tokenizer.model_max_length)
    given = (
        ("--sequence-length", sequence_length),
        ("--max-sequence-length", max_sequence_length),
    )
    for option, length in given:
        if length is not None and not SHORTEST_LENGTH <= length <= longest:
            raise ExportError(
                f"{option} {length} is out of range; the model reads up to {longest} tokens, and "
                f"fewer than {SHORTEST_LENGTH} hold no pair of texts"
            )
    if sequence_length is None:
        return None, max_sequence_length or longest
    if max_sequence_length not in {None, sequence_length}:
        raise ExportError(
            f"--max-sequence-length {max_sequence_length} contradicts --sequence-length "
            f"{sequence_length}; give one of them"
        )
    return sequence_length, sequence_length


def _verification(source: Checkpoint, request: _Request) -> Verification:
    return Verification(
        source.model, source.tokenizer, request.max_sequence_length, request.sequence_length
    )


def _prepare(
    source: Checkpoint, request: _Request, rewritten: Traceable, texts: Sequence[str]
) -> None:
    """Ready the encoder's products for int8, by what they read on a part of the texts."""
    read = calibrate(rewritten, calibration_feeds(_verification(source, request), texts))
    read = set_apart(rewritten, smooth(rewritten, read))
    prove_equal(source.model, rewritten)
    round_weights(read)


def _verified(
    source: Checkpoint,
    request: _Request,
    manifest: Manifest,
    folder: Path,
    texts: Sequence[str],
    report: Step,
) -> Parity:
    """Hold the file in `folder` against the checkpoint, and write its golden answers."""
    verification = _verification(source, request)
    # One thread: the spinning threads of the session and of torch would fight for the cores.
    session = open_session(folder, manifest, threads=1)
    try:
        parity = verify(verification, session, request.precision, texts, progress=report)
        golden = make_golden(verification, session, parity, texts)
    finally:
        session.close()
    write_json(golden, folder / GOLDEN_FILE)
    return parity


def verify_against(
    model: Pipeline[Any],
    checkpoint: str | Path,
    *,
    texts: Sequence[str] | None = None,
    progress: Progress = _silent,
) -> Parity:
    """Hold a loaded artifact against a checkpoint, as at the end of an export.

    Args:
        model: What `load_artifact` gave.
        checkpoint: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        texts: What to verify with; None takes the 200 sentences that ship with the package.
        progress: Called with the name of each step.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: its vocabulary is another one.
        ParityError: the artifact does not answer as the checkpoint does.
    """
    manifest = model.manifest
    with progress("load"):
        source = open_checkpoint(checkpoint, task=manifest.task)
    if source.tokenizer.get_vocab() != model.tokenizer.get_vocab():
        raise ExportError(
            f"{str(checkpoint)!r} has another vocabulary than the artifact, which was made from "
            f"{manifest.source.name!r}; give that checkpoint"
        )
    verification = Verification(
        source.model, source.tokenizer, manifest.max_sequence_length, manifest.sequence_length
    )
    with progress("verify") as report:
        return verify(
            verification,
            model.session,
            manifest.precision,
            texts or shipped_texts(),
            progress=report,
        )


# The manifest -------------------------------------------------------------------------------


def _manifest(
    source: Checkpoint,
    request: _Request,
    parts: dict[str, Part],
    recipe: Quantization | None,
    kernels: dict[str, int],
) -> Manifest:
    """Everything but what verification and the finished files say."""
    config = source.model.config
    task = get_task(source.model.task)
    has_labels = task.name in {"text-classification", "token-classification"}
    return Manifest(
        schema_version=SCHEMA_VERSION,
        task=task.name,
        labels=tuple(config.id2label.values()) if has_labels else None,
        problem_type=config.problem_type if task.name == "text-classification" else None,  # type: ignore[arg-type]
        model=model_facts(source.model),
        parts=parts,
        weights=source.weights,
        format=request.format,  # type: ignore[arg-type]
        precision=request.precision,  # type: ignore[arg-type]
        inputs=tuple(
            TensorSpec(name=name, dtype="int64", axes=_axes(task.input_axes, config, request))
            for name in INPUT_NAMES
        ),
        outputs=tuple(
            TensorSpec(name=name, dtype="float32", axes=_axes(axes, config, request))
            for name, axes in task.outputs.items()
        ),
        max_sequence_length=request.max_sequence_length,
        source=Source(name=source.name, sha256=source.sha256, license=source.license),
        quantization=recipe,
        operators=kernels,
        files={},
        parity=Parity(outputs={}, top1_agreement=None, answers=0, answers_undecided=0, texts=0),
        versions={"squeezebert-mobile": __version__}
        | {tool: importlib.metadata.version(tool) for tool in _TOOLS},
    )


def _axes(
    names: tuple[str, ...], config: SqueezeBertConfig, request: _Request
) -> tuple[str | int, ...]:
    """The axes with the lengths that are known."""
    known: dict[str, int | None] = {
        "sequence": request.sequence_length,
        "hidden": config.hidden_size,
        "vocab": config.vocab_size,
        "labels": config.num_labels,
    }
    return tuple(known.get(name) or name for name in names)
