"""The commands `export`, `inspect`, `verify` and `operators`."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from squeezebert_mobile.cli.checks import check_checkpoint, check_data, check_model
from squeezebert_mobile.cli.options import (
    Artifact,
    ArtifactOrCheckpoint,
    Debug,
    Json,
    Revision,
    TaskName,
    read_texts,
)
from squeezebert_mobile.errors import ArtifactError, InputError
from squeezebert_mobile.export_options import check_differences, check_export_options
from squeezebert_mobile.files import atomic_write, check_replaceable, check_writable, is_stream
from squeezebert_mobile.formats import (
    MAX_THREADS,
    OPERATORS_HEADER,
    Engine,
    Format,
    Precision,
    is_artifact,
)
from squeezebert_mobile.progress import shown
from squeezebert_mobile.streams import Console, print_json, print_line
from squeezebert_mobile.tasks import TASKS

__all__ = ["export", "inspect", "operators", "verify"]

_LIST = "list of operators"


AbsoluteDifference = Annotated[
    float | None,
    typer.Option(
        "--atol",
        min=0,
        metavar="X",
        help="Largest allowed difference of an output from the checkpoint's (default: 1e-4 for "
        "fp32; the other precisions have limits of the cosine).",
    ),
]
RelativeDifference = Annotated[
    float | None,
    typer.Option(
        "--rtol",
        min=0,
        metavar="X",
        help="The same as a fraction of the output's largest value; the larger of the two applies "
        "(default: 3e-5 for fp32).",
    ),
]


def _length(values: Sequence[str]) -> int | tuple[int, ...] | None:
    """One length, several, or None for any."""
    if list(values) == ["dynamic"]:
        return None
    for value in values:
        if value == "dynamic":
            raise typer.BadParameter("'dynamic' accepts any length; leave the other lengths out")
        if not re.fullmatch("[0-9]{1,18}", value):
            raise typer.BadParameter(f"{value!r} is neither a number of tokens nor 'dynamic'")
    lengths = tuple(sorted(set(map(int, values))))
    return lengths if len(lengths) > 1 else lengths[0]


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="Hugging Face folder, Hub id, demo, demo-slots, demo-fill-mask, "
            "preset:squeezebert-base or preset:bert-base (presets have random weights)."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Artifact folder to write.")],
    revision: Revision = None,
    task: Annotated[
        TaskName | None,
        typer.Option(
            metavar="TASK",
            help=f"Task head: {', '.join(TASKS)} (default: from config.json, or from the weights).",
        ),
    ] = None,
    format: Annotated[
        Format,
        typer.Option(
            help="Model format. torchscript is legacy, for C++ hosts and older apps: no mobile "
            "runtime for it is maintained."
        ),
    ] = "onnx",
    precision: Annotated[
        Precision,
        typer.Option(
            help="Precision of the weights. Take int8, a quarter of fp32's file and the fastest; "
            "int4 if the file must be smaller, with some loss of accuracy; fp16 if int8 changes "
            "too many answers, half of fp32's file at its speed; fp32 to compare with. executorch, "
            "litert and torchscript have int8 and fp32."
        ),
    ] = "int8",
    sequence_length: Annotated[
        list[str] | None,
        typer.Option(
            metavar="dynamic|N",
            help="Input length in tokens; dynamic, the default, accepts any. litert, whose shapes "
            "are fixed, pads to one of several: repeat it for each.",
        ),
    ] = None,
    max_sequence_length: Annotated[
        int | None,
        typer.Option(help="Maximum input length in tokens (default: the checkpoint's)."),
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(help="Quantized kernel backend for int8 TorchScript (default: qnnpack)."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Names of a classifier's labels in the order of their ids, if its config.json has "
            "none.",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="File of texts for verification, one per line (default: 200 bundled texts)."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled data (see evaluate) on which to compare the metric of the artifact with "
            "the checkpoint's."
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0, help="Largest allowed drop of the metric on --data, as a fraction, e.g. 0.01."
        ),
    ] = None,
    atol: AbsoluteDifference = None,
    rtol: RelativeDifference = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing artifact.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Export a checkpoint to a verified artifact.

    Grouped convolutions are rewritten and checked for equality, the model is quantized, and the
    written file is compared with the checkpoint on real text. The output folder appears only when
    all of this has succeeded.
    """
    length = _length(sequence_length or ["dynamic"])
    names = None if labels is None else [name.strip() for name in labels.split(",")]
    check_export_options(
        format,
        precision,
        engine,
        sequence_length=length,
        max_sequence_length=max_sequence_length,
        labels=names,
        data=data,
        max_drop=max_drop,
        atol=atol,
        rtol=rtol,
    )
    check_checkpoint(checkpoint, revision)
    check_replaceable(output, force=force)
    check_data(data)
    sentences = read_texts(texts) if texts else None
    from squeezebert_mobile.cli.printing.artifact import print_export
    from squeezebert_mobile.cli.printing.progress import print_note
    from squeezebert_mobile.export import export_checkpoint

    manifest = export_checkpoint(
        checkpoint,
        output,
        revision=revision,
        task=task,
        format=format,
        precision=precision,
        sequence_length=length,
        max_sequence_length=max_sequence_length,
        engine=engine,
        labels=names,
        texts=sentences,
        data=data,
        max_drop=max_drop,
        atol=atol,
        rtol=rtol,
        force=force,
        progress=shown(),
        note=print_note,
    )
    if as_json:
        print_json(manifest.model_dump_json(indent=1))
    else:
        print_export(manifest, output, Console())


def inspect(
    name: ArtifactOrCheckpoint,
    revision: Revision = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the contents of a checkpoint or an artifact.

    For a checkpoint: task heads, parameters, convolution groups and expected file sizes. For an
    artifact: file sizes, operators, differences from the checkpoint, and the layers kept in higher
    precision.
    """
    check_model(name, revision)
    if is_artifact(Path(name)):
        from squeezebert_mobile.artifact import read_artifact
        from squeezebert_mobile.cli.printing.artifact import print_artifact

        manifest = read_artifact(Path(name))
        if as_json:
            print_json(manifest.model_dump_json(indent=1))
        else:
            print_artifact(manifest, Path(name), Console())
        return
    from squeezebert_mobile.cli.printing.checkpoint import print_checkpoint
    from squeezebert_mobile.cli.printing.progress import download_progress, print_note
    from squeezebert_mobile.export import inspect_checkpoint

    facts = inspect_checkpoint(name, revision=revision, progress=download_progress(as_json))
    for text in facts.notes:
        print_note(text)
    if as_json:
        vector = facts.sentence_vector and facts.sentence_vector.model_dump()
        records = {"model": facts.model.model_dump(), "sentence_vector": vector}
        print_json(json.dumps(asdict(facts) | records, indent=1))
    else:
        print_checkpoint(facts, Console())


def verify(
    artifact: Artifact,
    against: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="Also compare with this checkpoint."),
    ] = None,
    revision: Revision = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="With --against: file of texts, one per line (default: 200 bundled texts)."
        ),
    ] = None,
    atol: AbsoluteDifference = None,
    rtol: RelativeDifference = None,
    threads: Annotated[int, typer.Option(min=1, max=MAX_THREADS, help="Number of threads.")] = 1,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check an artifact's checksums and golden outputs.

    The golden outputs are computed again on this machine. With --against the checkpoint runs as
    well, and the artifact must be within the tolerances of an export.
    """
    needs_checkpoint = {"--texts": texts, "--atol": atol, "--rtol": rtol, "--revision": revision}
    for name, value in needs_checkpoint.items():
        if value is not None and not against:
            raise InputError(f"{name} requires --against; add a checkpoint to compare with")
    check_differences(atol, rtol)
    check_checkpoint(against, revision)
    sentences = read_texts(texts) if texts else None
    from squeezebert_mobile.artifact import read_golden
    from squeezebert_mobile.cli.printing.artifact import print_verification
    from squeezebert_mobile.cli.printing.progress import print_note
    from squeezebert_mobile.runtime import check_golden, load_artifact

    model = load_artifact(artifact, threads=threads)
    checks = check_golden(model.session, model.spec, read_golden(artifact))
    parity = None
    if against and all(check.holds for check in checks):
        from squeezebert_mobile.export import verify_against

        parity = verify_against(
            model,
            against,
            revision=revision,
            texts=sentences,
            atol=atol,
            rtol=rtol,
            progress=shown(),
            note=print_note,
        )
    if as_json:
        golden = [asdict(check) | {"holds": check.holds} for check in checks]
        result = {"files": len(model.manifest.files), "golden": golden}
        if parity:
            result["parity"] = parity.model_dump(mode="json")
        print_json(json.dumps(result, indent=1))
    else:
        print_verification(model.manifest, checks, parity, Console())
    if failed := [check for check in checks if not check.holds]:
        raise ArtifactError(
            f"this machine does not reproduce the golden outputs: {failed[0].output} differs by "
            f"{failed[0].max_abs_diff:.3g} (tolerance {failed[0].tolerance:.3g}); upgrade the "
            "runtime, or export the checkpoint again"
        )


def operators(
    artifacts: Annotated[
        list[Path],
        typer.Argument(
            help="All artifacts that the app contains, of one format (onnx or executorch).",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing list.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the operators that artifacts need, for a smaller runtime.

    For ONNX Runtime it is the configuration with types that its build.py reads with
    --include_ops_by_config, for ExecuTorch the selected_operators.yaml of a selective build.
    """
    check_writable(output, what=_LIST)
    if output.exists() and not is_stream(output):
        _check_replaceable(output, force=force)
    from squeezebert_mobile.runtime.required_operators import list_operators

    found = list_operators(artifacts)
    atomic_write(output, found.text, what=_LIST)
    if as_json:
        facts = {name: value for name, value in asdict(found).items() if name != "text"}
        print_json(json.dumps(facts | {"file": str(output)}, indent=1))
        return
    count = f"{len(found.operators)} operators"
    print_line(
        f"written to {output}: {' and '.join((count, *found.delegates))} of "
        f"{len(artifacts)} artifact{'s' if len(artifacts) > 1 else ''}; to build with it, see "
        "docs/integrate.md"
    )


def _check_replaceable(output: Path, *, force: bool) -> None:
    try:
        with output.open("rb") as file:
            is_list = file.read(len(OPERATORS_HEADER)) == OPERATORS_HEADER.encode()
    except OSError as error:
        raise InputError(
            f"{str(output)!r} exists and cannot be read: {error.strerror}; choose another file "
            "with -o"
        ) from None
    if not is_list:
        raise InputError(
            f"{str(output)!r} is not a {_LIST} and was not changed; choose another file with -o"
        )
    if not force:
        raise InputError(
            f"{str(output)!r} exists; replace it with --force, or choose another file with -o"
        )
