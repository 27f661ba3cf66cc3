"""What `export`, `inspect` and `verify` print about an artifact."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from squeezebert_mobile.artifact import MANIFEST_FILE, Accuracy, Manifest, Parity
from squeezebert_mobile.cli.printing.tables import (
    architecture,
    groups,
    make_table,
    parameter_count,
    print_facts,
    same_answers,
    sentence_vector,
)
from squeezebert_mobile.runtime import GoldenCheck
from squeezebert_mobile.streams import Console

__all__ = ["print_artifact", "print_export", "print_verification"]

_SENSITIVE_SHOWN = 3
#: The cost in the reason of a part that repair keeps in higher precision.
_COST = re.compile(r"([\d.]+) MB more")


def print_export(manifest: Manifest, folder: Path, console: Console) -> None:
    """Print the size of each part before and after, and the differences from the checkpoint."""
    _print_summary(manifest, console)
    print_facts(console, _inputs(manifest))
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)


def print_artifact(manifest: Manifest, folder: Path, console: Console) -> None:
    """Print what `print_export` prints, then files, source, inputs, versions and operators."""
    _print_summary(manifest, console)
    console.print(_file_table(manifest, folder))
    source = manifest.source
    print_facts(
        console,
        {
            "source": f"{source.name} (weights sha256 {source.sha256[:12]}…)",
            "license": source.license or "not stated",
            "groups": groups(manifest.model),
            "labels": ", ".join(manifest.labels or ()),
            "inputs": ", ".join(spec.name for spec in manifest.inputs),
            "axes": ", ".join(str(axis) for axis in manifest.inputs[0].axes),
            **_inputs(manifest),
            "memory": _planned_memory(manifest),
            "versions": ", ".join(f"{name} {v}" for name, v in manifest.versions.items()),
        },
    )
    if manifest.format == "litert":
        console.print(_signature_table(manifest))
        return
    console.print(_operator_table("operator", manifest.operators))
    if manifest.delegated:
        console.print(_operator_table("delegated operator", manifest.delegated))


def print_verification(
    manifest: Manifest, checks: Sequence[GoldenCheck], parity: Parity | None, console: Console
) -> None:
    """Print the file count, the golden outputs and, if any, the comparison with a checkpoint."""
    console.print(f"{len(manifest.files)} files, checksums match")
    table = make_table("golden outputs", "max |diff|", "tolerance", "same answer")
    for check in checks:
        same = "" if check.same_answers is None else f"{check.same_answers} of {check.texts}"
        table.add_row(check.output, f"{check.max_abs_diff:.2g}", f"{check.tolerance:.2g}", same)
    console.print(table)
    if parity:
        console.print(_parity_table(parity))
        console.print(_agreement(manifest, parity), highlight=False)


def _print_summary(manifest: Manifest, console: Console) -> None:
    console.print(f"{manifest.task}, {manifest.precision} {manifest.format}")
    console.print(architecture(manifest.model))
    console.print(_size_table(manifest), _parity_table(manifest.parity))
    console.print(_agreement(manifest, manifest.parity), highlight=False)
    if manifest.accuracy:
        console.print(_accuracy(manifest.accuracy), highlight=False)
    if manifest.quantization:
        for part, reason in manifest.quantization.kept.items():
            precision, _, why = reason.partition(": ")
            console.print(f"kept in {precision}: {part} ({why})", style="dim", highlight=False)
        for operator, how in manifest.quantization.approximated.items():
            console.print(f"approximated: {operator} {how}", style="dim", highlight=False)
        if worst := _most_sensitive(manifest.quantization.sensitivity):
            console.print(
                f"most sensitive (signal-to-noise ratio): {worst}", style="dim", highlight=False
            )
        if repair := _repair(manifest.precision, manifest.quantization.kept):
            console.print(repair, highlight=False)
    if manifest.weights == "random":
        console.print("random weights: latency is real, predictions are not", style="yellow")


def _inputs(manifest: Manifest) -> dict[str, str]:
    """What the model takes, and how it makes a vector of a text."""
    return {
        "longest input": f"{manifest.max_sequence_length} tokens",
        "padded to": _lengths(manifest.sequence_lengths),
        "sentence vector": sentence_vector(manifest.sentence_vector),
    }


def _lengths(lengths: Sequence[int] | None) -> str:
    return f"{', '.join(map(str, lengths))} tokens" if lengths else ""


def _file_table(manifest: Manifest, folder: Path) -> Table:
    """All files of an artifact, which an app contains, with their sizes."""
    sizes = {name: facts.bytes for name, facts in manifest.files.items()}
    sizes[MANIFEST_FILE] = (folder / MANIFEST_FILE).stat().st_size  # it does not list itself
    table = make_table("file", "bytes")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{size:,}")
    table.add_section()
    table.add_row("total", f"{sum(sizes.values()):,}")
    return table


def _size_table(manifest: Manifest) -> Table:
    table = make_table("MB", "parameters", "checkpoint", manifest.precision, "reduction")
    for name, part in manifest.parts.items():
        table.add_row(name, *_size_cells(part.parameters, part.checkpoint_bytes, part.bytes))
    before = sum(part.checkpoint_bytes for part in manifest.parts.values())
    table.add_section()
    table.add_row(
        manifest.model_file,
        *_size_cells(manifest.model.parameters, before, manifest.model_bytes),
    )
    return table


def _size_cells(parameters: int, before: int, after: int) -> tuple[str, ...]:
    ratio = f"{before / after:.1f}x" if after else ""
    return parameter_count(parameters), f"{before / 1e6:.2f}", f"{after / 1e6:.2f}", ratio


def _parity_table(parity: Parity) -> Table:
    table = make_table("against fp32", "max |diff|", "mean cosine", "min cosine")
    for name, output in parity.outputs.items():
        table.add_row(
            name,
            f"{output.max_abs_diff:.2g}",
            f"{output.mean_cosine:.5f}",
            f"{output.min_cosine:.5f}",
        )
    return table


def _agreement(manifest: Manifest, parity: Parity) -> str:
    """What was compared, and how many answers are the same."""
    text = f"verified on {parity.texts} texts"
    if not isinstance(manifest.inputs[0].axes[-1], int):
        text += ", each at several lengths"
    if parity.top1_agreement is None:
        return text
    same = round(parity.top1_agreement * parity.answers)
    text += f": {same_answers(same, parity.answers, 'comparisons')}"
    if parity.answers_undecided:
        text += (
            f"; {parity.answers_undecided:,} more are not counted, because the checkpoint's two "
            "best answers are nearly equal there"
        )
    return text


def _accuracy(accuracy: Accuracy) -> str:
    return (
        f"{accuracy.metric} on {accuracy.data} ({accuracy.examples:,} examples): artifact "
        f"{accuracy.artifact:.4f}, checkpoint {accuracy.checkpoint:.4f}"
    )


def _most_sensitive(sensitivity: Mapping[str, float]) -> str:
    """The units with the lowest signal-to-noise ratio, in dB."""
    worst = sorted(sensitivity.items(), key=lambda item: item[1])[:_SENSITIVE_SHOWN]
    return ", ".join(f"{unit} {decibels:.0f} dB" for unit, decibels in worst)


def _repair(precision: str, kept: Mapping[str, str]) -> str:
    """How many parts stay in higher precision only for their effect on the answers; or nothing."""
    costs = [float(cost[1]) for why in kept.values() if (cost := _COST.search(why))]
    if not costs:
        return ""
    return (
        f"repaired: {len(costs)} parts in higher precision, about {sum(costs):.2f} MB more than in "
        f"{precision}"
    )


def _planned_memory(manifest: Manifest) -> str:
    if manifest.planned_bytes is None:
        return ""
    return f"{manifest.planned_bytes / 1e6:.1f} MB reserved, for the longest input"


def _signature_table(manifest: Manifest) -> Table:
    """The operators of a LiteRT file; those for each of its lengths are the same."""
    lengths = manifest.sequence_lengths or (manifest.max_sequence_length,)
    each = f"each of {len(lengths)} lengths" if len(lengths) > 1 else "count"
    table = make_table("operator", each, "run by XNNPACK")
    for name, count in sorted(manifest.operators.items(), key=lambda item: -item[1]):
        # Artifacts of before this was counted.
        delegated = str(manifest.delegated.get(name, 0)) if manifest.delegated else "not counted"
        table.add_row(name, str(count), delegated)
    return table


def _operator_table(title: str, operators: Mapping[str, int]) -> Table:
    table = make_table(title, "count")
    for name, count in sorted(operators.items(), key=lambda item: -item[1]):
        table.add_row(name, str(count))
    return table
