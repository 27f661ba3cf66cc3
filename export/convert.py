"""From a checkpoint to a verified artifact: load, rewrite, calibrate, write, verify, publish."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squeezebert_mobile.artifact import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    Accuracy,
    Manifest,
    Parity,
    Quantization,
    file_facts,
    write_json,
)
from squeezebert_mobile.errors import ExportError, ParityError
from squeezebert_mobile.export.backends import BACKENDS
from squeezebert_mobile.export.backends.base.backend import Backend, ExportOptions, ModelFile
from squeezebert_mobile.export.feeds.reference import Reference
from squeezebert_mobile.export.feeds.selection import calibration_feeds, sensitivity_feeds
from squeezebert_mobile.export.manifest import make_manifest, make_spec
from squeezebert_mobile.export.memory import return_freed_memory
from squeezebert_mobile.export.options import checked_options, name_labels, other_notes
from squeezebert_mobile.export.quantize.gelu import approximate_gelu
from squeezebert_mobile.export.quantize.mixed_precision import MixedPrecision
from squeezebert_mobile.export.quantize.preparation import (
    Preparation,
    calibrated,
    read_preparation,
)
from squeezebert_mobile.export.quantize.recipe import RECIPES, quantization_record
from squeezebert_mobile.export.verify.golden import GOLDEN_TEXTS, make_golden
from squeezebert_mobile.export.verify.limits import Limit, make_limit
from squeezebert_mobile.export.verify.parity import verify
from squeezebert_mobile.export_options import check_export_options
from squeezebert_mobile.files import atomic_folder
from squeezebert_mobile.hub import is_preset
from squeezebert_mobile.models.checkpoint import (
    Checkpoint,
    download_checkpoint,
    open_checkpoint,
    resolve_folder,
    shipped_texts,
)
from squeezebert_mobile.models.rewriting import Traceable, prove_equal, rewrite
from squeezebert_mobile.progress import Progress, as_progress
from squeezebert_mobile.runtime import PIPELINES, Pipeline
from squeezebert_mobile.runtime.sessions import open_model
from squeezebert_mobile.tasks import get_task

if TYPE_CHECKING:
    from squeezebert_mobile.export.verify.metric_drop import LabelledData

__all__ = ["export_checkpoint", "verify_against"]


def export_checkpoint(
    checkpoint: str | Path,
    folder: str | Path,
    *,
    revision: str | None = None,
    task: str | None = None,
    format: str = "onnx",
    precision: str = "int8",
    sequence_length: int | Sequence[int] | None = None,
    max_sequence_length: int | None = None,
    engine: str | None = None,
    labels: Sequence[str] | None = None,
    texts: Sequence[str] | None = None,
    data: str | Path | None = None,
    max_drop: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    force: bool = False,
    progress: Progress | bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Manifest:
    """Export a checkpoint to a verified artifact.

    Args:
        checkpoint: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        folder: Where to write the artifact; nothing is there until it is complete.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.
        task: The task of the head; None takes the one that `architectures` in config.json names,
            or else the one whose head is in the weights.
        format: "onnx", "executorch", "litert" or "torchscript".
        precision: "fp32" or "int8"; for ONNX also "fp16" (half of fp32's file, computes in fp32)
            and "int4" (half of int8's file, at the same speed).
        sequence_length: A fixed length in tokens; None accepts any up to the longest. LiteRT, whose
            shapes are always fixed, takes several: an input is padded to one of them. None is
            those of `FORMATS["litert"].lengths`, and the longest.
        max_sequence_length: The longest input in tokens; None takes the model's own.
        engine: Quantized kernel backend for int8 TorchScript: "qnnpack" (phones; the default) or
            "x86".
        labels: The names of a classifier's labels in the order of their ids, if its config.json
            does not name them.
        texts: The texts to calibrate and verify with; None takes the 200 sentences that ship with
            the package.
        data: A file with labelled examples; the manifest then has the metric of both models.
        max_drop: How much lower the artifact's metric on `data` may be, as a fraction.
        atol: The largest allowed difference of an output from the checkpoint's. None: 1e-4 for
            fp32; the other precisions have limits of the cosine, and this one in addition.
        rtol: The same as a fraction of the output's largest absolute value; the larger of the two
            applies. None: 3e-5 for fp32.
        force: Whether to replace an existing artifact.
        progress: True prints each step on stderr with its time; a function is called with the name
            of each step (`squeezebert_mobile.progress.Progress`).
        note: Called with each note for the user, such as which weights are ignored.

    Returns:
        The manifest, with the measured parity.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: an option is wrong, or the model cannot be exported.
        InputError: `data` cannot be read, or is for another model.
        MissingExtraError: the format needs executorch or ai-edge-litert, or `data` scikit-learn,
            which is not installed.
        ParityError: the outputs of the exported model are too far from the checkpoint's.
    """
    folder, progress = Path(folder), as_progress(progress)
    texts = shipped_texts() if texts is None else texts
    if task is not None:
        get_task(task)
    check_export_options(
        format,
        precision,
        engine,
        sequence_length=sequence_length,
        max_sequence_length=max_sequence_length,
        labels=labels,
        data=data,
        max_drop=max_drop,
        atol=atol,
        rtol=rtol,
    )
    limit = make_limit(precision, atol, rtol)
    if len(texts) < GOLDEN_TEXTS:
        raise ExportError(
            f"{len(texts)} {'text is' if len(texts) == 1 else 'texts are'} too few to verify with; "
            f"give at least {GOLDEN_TEXTS}"
        )
    with atomic_folder(folder, force=force) as partial:
        revision = download_checkpoint(checkpoint, revision=revision, progress=progress)
        with progress("load"):
            source = open_checkpoint(checkpoint, task=task, revision=revision)
            if labels is not None:
                source = name_labels(source, labels)
            lengths = sequence_length, max_sequence_length
            options = checked_options(source, format, precision, *lengths, engine)
        for text in source.notes:
            note(text)
        labelled = _load_data(source, data, max_drop, progress)
        trained_with = None
        if not is_preset(checkpoint):
            found = resolve_folder(checkpoint, revision=revision)
            trained_with = read_preparation(found, precision, source.model.task, note)
        export = _Export(source, options, partial, texts, limit, labelled, progress, trained_with)
        model = export.rewrite()
        if precision not in RECIPES:
            model_file = export.write(model)
            del model  # verification needs the memory
            measured = export.verify()
            if measured.error:
                raise measured.error
            return export.publish(model_file, measured, None)
        mixed, approximated = export.calibrate(model)
        model_file, measured = export.write_within_limits(model, mixed)
        record = quantization_record(
            precision,
            export.backend.activations(model),
            engine=options.engine,
            without_weights=model_file.without_weights,
            kept=model_file.kept | mixed.reasons,
            approximated=approximated,
            sensitivity=mixed.sensitivity,
        )
        return export.publish(model_file, measured, record)


def _load_data(
    source: Checkpoint, data: str | Path | None, max_drop: float | None, progress: Progress
) -> "LabelledData | None":
    if data is None:
        return None
    from squeezebert_mobile.export.verify.metric_drop import LabelledData  # needs an extra

    with progress("evaluate") as report:
        return LabelledData.load(source, Path(data), max_drop, report)


@dataclass(frozen=True)
class _Measured:
    """What verification measured, and the error if a limit is exceeded."""

    parity: Parity
    accuracy: Accuracy | None
    error: ParityError | None


@dataclass(frozen=True)
class _Export:
    """The steps of one export, from the loaded checkpoint on."""

    source: Checkpoint
    options: ExportOptions
    folder: Path
    texts: Sequence[str]
    limit: Limit
    labelled: "LabelledData | None"
    progress: Progress
    trained_with: Preparation | None = None  # if the weights were trained for the precision

    @property
    def backend(self) -> Backend:
        return BACKENDS[self.options.format]

    @property
    def reference(self) -> Reference:
        options = self.options
        return Reference(
            self.source.model,
            self.source.tokenizer,
            options.max_sequence_length,
            options.sequence_length,
        )

    def rewrite(self) -> Traceable:
        """Rewrite the model for inference, and save the tokenizer."""
        with self.progress("rewrite"):
            rewritten = rewrite(self.source.model)
            prove_equal(self.source.model, rewritten)
        self.source.tokenizer.save_pretrained(self.folder)
        return rewritten

    def calibrate(self, model: Traceable) -> tuple[MixedPrecision, dict[str, str]]:
        """Prepare the encoder for int8 and int4, with some of the texts.

        Returns:
            The precision of each unit, and the manifest's entry of approximated operators.
        """
        with self.progress("calibrate"):
            precision = self.options.precision
            recipe = RECIPES[precision]
            feeds = list(calibration_feeds(self.reference, self.texts))
            statistics = calibrated(model, feeds, precision, self.trained_with)
            prove_equal(self.source.model, model)
            approximated = approximate_gelu(model, feeds[::16]) if self.backend.tanh_gelu else {}
            mixed = MixedPrecision(
                model,
                statistics,
                precision,
                self.backend.activations(model),
                sensitivity_feeds(self.reference, self.texts),
                fitted_to=feeds if recipe.compensates and not self.trained_with else (),
                is_trained=self.trained_with is not None,
            )
            return mixed, approximated

    def write_within_limits(
        self, model: Traceable, mixed: MixedPrecision
    ) -> tuple[ModelFile, _Measured]:
        """Write and verify the file, raising the precision of units until it is within the limits.

        Raises:
            ParityError: the file is over a limit, and no more units may have a higher precision.
        """
        while True:
            mixed.set_weights()
            model_file = self.write(model, mixed.overrides)
            measured = self.verify()
            if not measured.error:
                return model_file, measured
            with self.progress("raise precision"):
                raised = mixed.raise_precision()
            if not raised:
                measured.error.add_note(mixed.table())
                raise measured.error

    def write(self, model: Traceable, overrides: Mapping[str, str] | None = None) -> ModelFile:
        """Write the model file."""
        options = replace(self.options, overrides=overrides or {})
        path = self.folder / self.backend.facts.file
        return_freed_memory()
        return self.backend.write(model, path, options, self.progress)

    def verify(self) -> _Measured:
        """Compare the file with the checkpoint, and write its golden outputs."""
        spec = make_spec(self.source, self.options)
        path = self.folder / self.backend.facts.file
        return_freed_memory()
        # One thread: the session's threads would compete with torch's for the cores.
        session = open_model(path, self.options.format, spec, threads=1)
        try:
            with self.progress("verify") as report:
                precision, reference = self.options.precision, self.reference
                comparison = verify(
                    reference, session, precision, self.texts, limit=self.limit, progress=report
                )
                if comparison.violations:
                    return _Measured(comparison.parity, None, comparison.error())
                golden = make_golden(reference, session, comparison, self.texts)
            accuracy, error = None, None
            if self.labelled is not None:
                pipeline = PIPELINES[spec.task](
                    spec=spec, session=session, tokenizer=self.source.tokenizer
                )
                with self.progress("evaluate") as report:
                    drop = self.labelled.measure(pipeline, report)
                accuracy = drop.accuracy()
                error = drop.error(precision) if drop.is_violation else None
        finally:
            session.close()
        write_json(golden, self.folder / GOLDEN_FILE)
        return _Measured(comparison.parity, accuracy, error)

    def publish(
        self, model_file: ModelFile, measured: _Measured, quantization: Quantization | None
    ) -> Manifest:
        """Write the manifest, which makes the folder an artifact."""
        files = {path.name: file_facts(path) for path in sorted(self.folder.iterdir())}
        parity, accuracy = measured.parity, measured.accuracy
        manifest = make_manifest(
            self.source, self.options, model_file, quantization, parity, accuracy, files
        )
        write_json(manifest, self.folder / MANIFEST_FILE)
        return manifest


def verify_against(
    model: Pipeline[Any],
    checkpoint: str | Path,
    *,
    revision: str | None = None,
    texts: Sequence[str] | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    progress: Progress | bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Parity:
    """Compare a loaded artifact with a checkpoint, as at the end of an export.

    Args:
        model: The result of `load_artifact`.
        checkpoint: A folder in Hugging Face layout, a Hub id, ``demo`` or ``preset:NAME``.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.
        texts: The texts to verify with; None takes the 200 sentences that ship with the package.
        atol: The largest allowed difference of an output, as for `export_checkpoint`.
        rtol: The same as a fraction of the output's largest absolute value.
        progress: True prints each step on stderr with its time; a function is called with the name
            of each step (`squeezebert_mobile.progress.Progress`).
        note: Called with each note for the user.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ExportError: the checkpoint has another vocabulary, or `atol` or `rtol` is wrong.
        ParityError: the outputs of the artifact are too far from the checkpoint's.
    """
    manifest, progress = model.manifest, as_progress(progress)
    precision = manifest.precision
    limit = make_limit(precision, atol, rtol)
    revision = download_checkpoint(checkpoint, revision=revision, progress=progress)
    with progress("load"):
        source = open_checkpoint(checkpoint, task=manifest.task, revision=revision)
        if source.tokenizer.get_vocab() != model.tokenizer.get_vocab():
            raise ExportError(
                f"the vocabulary of {str(checkpoint)!r} is not the artifact's; compare it with the "
                f"checkpoint that it was exported from, {manifest.source.name!r}"
            )
    config = source.model.config
    own_labels = manifest.labels in {None, tuple(config.id2label.values())}
    for text in source.notes if own_labels else other_notes(source, config):
        note(text)
    reference = Reference(
        source.model, source.tokenizer, manifest.max_sequence_length, manifest.sequence_length
    )
    texts = shipped_texts() if texts is None else texts
    with progress("verify") as report:
        comparison = verify(
            reference, model.session, precision, texts, limit=limit, progress=report
        )
    if comparison.violations:
        raise comparison.error(written=True)
    return comparison.parity
