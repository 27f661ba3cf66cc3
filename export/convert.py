"""From a checkpoint to a verified artifact: load, rewrite, export, quantize, verify, write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squeezebert_mobile.artifact import (
    FORMATS,
    GOLDEN_FILE,
    MANIFEST_FILE,
    Accuracy,
    Manifest,
    Parity,
    file_facts,
    write_json,
)
from squeezebert_mobile.errors import ExportError, ParityError, choose, require_extra
from squeezebert_mobile.export.backends.base import WRITERS, Request, activations
from squeezebert_mobile.export.backends.torchscript import ENGINES
from squeezebert_mobile.export.backends.written import Written
from squeezebert_mobile.export.manifest import make_manifest, spec_of
from squeezebert_mobile.export.quantize.calibration import calibrate
from squeezebert_mobile.export.quantize.gelu import gelu_by_tanh
from squeezebert_mobile.export.quantize.mixed_precision import QUANTIZED, Keeping
from squeezebert_mobile.export.quantize.outliers import set_apart, smooth
from squeezebert_mobile.export.verify.verification import (
    GOLDEN_TEXTS,
    Verification,
    calibration_feeds,
    make_golden,
    sensitivity_feeds,
    verify,
)
from squeezebert_mobile.files import atomic_folder
from squeezebert_mobile.models.checkpoint import Checkpoint, open_checkpoint, shipped_texts
from squeezebert_mobile.models.rewriting import Traceable, prove_equal, rewrite
from squeezebert_mobile.progress import Progress, silent
from squeezebert_mobile.runtime import PIPELINES, Pipeline
from squeezebert_mobile.runtime.sessions import open_model
from squeezebert_mobile.tasks import get_task

if TYPE_CHECKING:
    from squeezebert_mobile.export.verify.metric_drop import Labelled

__all__ = ["export_checkpoint", "verify_against"]

#: Shorter than this no pair of texts fits between its special tokens.
SHORTEST_LENGTH = 8


def export_checkpoint(
    checkpoint: str | Path,
    folder: str | Path,
    *,
    task: str | None = None,
    format: str = "onnx",
    precision: str = "int8",
    sequence_length: int | None = None,
    max_sequence_length: int | None = None,
    engine: str | None = None,
    texts: Sequence[str] | None = None,
    data: str | Path | None = None,
    max_drop: float | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Manifest:
    """Export a checkpoint to a verified artifact.

    Args:
        checkpoint: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        folder: Where the artifact goes; nothing is there until it is whole.
        task: Which head; None takes the one that the checkpoint's config names.
        format: "onnx", "executorch" or "torchscript".
        precision: "fp32" or "int8"; for ONNX also "fp16" (half the file, fp32 at run time) and
            "int4" (half of int8's file, and its speed).
        sequence_length: A fixed length in tokens; None accepts any up to the longest.
        max_sequence_length: The longest input in tokens; None takes the model's own.
        engine: For which of torch's engines int8 TorchScript is packed: "qnnpack" (phones; the
            default) or "x86".
        texts: What to verify with; None takes the 200 sentences that ship with the package.
        data: A file with labelled examples; the manifest then says how right both models are.
        max_drop: By how much the artifact's metric on `data` may be worse, as a fraction.
        force: Whether to replace an artifact that is there.
        progress: Called with the name of each step.

    Returns:
        The manifest, with the measured parity.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: what was asked for cannot be done.
        InputError: `data` cannot be read, or is for another model.
        MissingExtraError: the format needs executorch, or `data` scikit-learn, and it is not there.
        ParityError: the exported model does not answer as the checkpoint does.
    """
    folder, texts = Path(folder), texts or shipped_texts()
    if max_drop is not None and data is None:
        raise ExportError(f"--max-drop {max_drop:g} needs labelled examples; add --data FILE")
    _check_choices(task, format, precision, engine)
    if len(texts) < GOLDEN_TEXTS:
        raise ExportError(f"{len(texts)} texts are too few to verify with; give {GOLDEN_TEXTS}")
    with atomic_folder(folder, force=force) as partial:
        with progress("load"):
            source = open_checkpoint(checkpoint, task=task)
            lengths = _lengths(source, sequence_length, max_sequence_length)
            request = Request(format, precision, *lengths, engine or ENGINES[0])
        labelled = None
        if data is not None:
            from squeezebert_mobile.export.verify.metric_drop import Labelled  # needs an extra

            with progress("evaluate") as report:
                labelled = Labelled.ask(source, Path(data), max_drop, report)
        trial = _Trial(source, request, partial, texts, labelled, progress)
        with progress("rewrite"):
            rewritten = rewrite(source.model)
            prove_equal(source.model, rewritten)
        source.tokenizer.save_pretrained(partial)
        if precision in QUANTIZED:
            with progress("calibrate"):
                quantizing = _prepare(source, request, rewritten, texts)
            written, measured = _kept_to(quantizing, trial)
        else:
            written = _write(rewritten, request, partial, progress)
            del rewritten  # memory may be short
            measured = trial.held()
        files = {path.name: file_facts(path) for path in sorted(partial.iterdir())}
        manifest = make_manifest(source, request, written, *measured, files)
        write_json(manifest, partial / MANIFEST_FILE)
    return manifest


def _check_choices(task: str | None, format: str, precision: str, engine: str | None) -> None:
    if task is not None:
        get_task(task)
    for what, value, valid in (
        ("format", format, WRITERS),
        ("precision", precision, FORMATS["onnx"].precisions),  # it comes in all of them
    ):
        if value not in valid:
            raise ExportError(choose(what, value, valid))
    if precision not in FORMATS[format].precisions:
        raise ExportError(
            f"--precision {precision} is for --format onnx; {format} comes in "
            f"{' and '.join(FORMATS[format].precisions)}"
        )
    if format == "executorch":
        require_extra("executorch")  # now, not when the work before it is done
    if engine is None:
        return
    if engine not in ENGINES:
        raise ExportError(choose("engine", engine, ENGINES))
    if (format, precision) != ("torchscript", "int8"):
        raise ExportError(
            f"--engine {engine} is for --format torchscript --precision int8, and not for "
            f"{precision} {format}; leave it out"
        )


def _lengths(
    source: Checkpoint, sequence_length: int | None, max_sequence_length: int | None
) -> tuple[int | None, int]:
    """The fixed length or None, and the longest."""
    longest = source.max_sequence_length
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


def _verification(source: Checkpoint, request: Request) -> Verification:
    return Verification(
        source.model, source.tokenizer, request.max_sequence_length, request.sequence_length
    )


@dataclass(frozen=True)
class _Quantizing:
    """A rewritten model, ready for integers but for rounding."""

    model: Traceable
    keeping: Keeping
    approximated: dict[str, str]  # operator -> how


def _prepare(
    source: Checkpoint, request: Request, rewritten: Traceable, texts: Sequence[str]
) -> _Quantizing:
    """Ready the encoder for integers by some of the texts."""
    verification = _verification(source, request)
    feeds = list(calibration_feeds(verification, texts))
    read = calibrate(rewritten, feeds)
    read = set_apart(rewritten, smooth(rewritten, read))
    prove_equal(source.model, rewritten)
    # It is ONNX Runtime's erf that is slow.
    approximated = gelu_by_tanh(rewritten, feeds[::16]) if request.format == "onnx" else {}
    feeds = sensitivity_feeds(verification, texts)
    keeping = Keeping(rewritten, read, request.precision, activations(request), feeds)
    return _Quantizing(rewritten, keeping, approximated)


@dataclass(frozen=True)
class _Trial:
    """What a written file is held against."""

    source: Checkpoint
    request: Request
    folder: Path
    texts: Sequence[str]
    labelled: "Labelled | None"
    progress: Progress

    def held(self) -> tuple[Parity, Accuracy | None]:
        """Compare the file with the checkpoint, and write its golden answers.

        Returns:
            What was measured.

        Raises:
            ParityError: it is over a limit.
        """
        verification = _verification(self.source, self.request)
        precision, texts, labelled = self.request.precision, self.texts, self.labelled
        spec = spec_of(self.source, self.request)
        path = self.folder / FORMATS[self.request.format].file
        # One thread: the spinning threads of the session and of torch would fight for the cores.
        session = open_model(path, self.request.format, spec, threads=1)
        try:
            with self.progress("verify") as report:
                parity = verify(verification, session, precision, texts, progress=report)
                golden = make_golden(verification, session, parity, texts)
            accuracy = None
            if labelled is not None:
                pipeline = PIPELINES[spec.task](
                    spec=spec, session=session, tokenizer=self.source.tokenizer
                )
                with self.progress("evaluate") as report:
                    accuracy = labelled.measure(pipeline, precision, report)
        finally:
            session.close()
        write_json(golden, self.folder / GOLDEN_FILE)
        return parity, accuracy


def _kept_to(
    quantizing: _Quantizing, trial: _Trial
) -> tuple[Written, tuple[Parity, Accuracy | None]]:
    """Write the file until it is within the limits, with more and more in higher precision."""
    keeping = quantizing.keeping
    while True:
        keeping.set_weights()
        request = replace(trial.request, apart=keeping.apart)
        written = _write(quantizing.model, request, trial.folder, trial.progress)
        assert written.quantization is not None
        recipe = written.quantization.model_copy(
            update={
                "kept": written.quantization.kept | keeping.kept,
                "approximated": quantizing.approximated,
                "sensitivity": keeping.sensitivity,
            }
        )
        try:
            return replace(written, quantization=recipe), trial.held()
        except ParityError as error:
            with trial.progress("keep more"):
                keeping.keep_more(error)


def _write(model: Traceable, request: Request, folder: Path, progress: Progress) -> Written:
    return WRITERS[request.format](model, folder / FORMATS[request.format].file, request, progress)


def verify_against(
    model: Pipeline[Any],
    checkpoint: str | Path,
    *,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
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
