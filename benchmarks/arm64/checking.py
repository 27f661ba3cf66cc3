"""The counts of the default artifact that are not to grow."""

from collections.abc import Sequence

from squeezebert_mobile.benchmarks.arm64.counting import Count
from squeezebert_mobile.errors import BenchmarkError

__all__ = ["CHECKED_LENGTH", "SHIPPED", "SHIPPED_RUNTIMES", "check"]

_ALLOWED = 1.01
CHECKED_LENGTH = 128  # tokens

#: Model -> core -> millions of instructions of one inference.
SHIPPED = {
    "ours SqueezeBERT onnx int8": {"cortex-a76": 528.8, "i8mm": 421.3, "sve2": 430.6},
    "ours SqueezeBERT executorch int8": {"cortex-a76": 389.2, "i8mm": 341.5, "sve2": 341.5},
}
#: What counts them: the oldest ONNX Runtime that the artifacts support.
SHIPPED_RUNTIMES = ("onnxruntime 1.26.0", "executorch 1.5.1")


def check(counts: Sequence[Count]) -> None:
    """Compare the counts of the default artifact with SHIPPED.

    Raises:
        BenchmarkError: one is more than 1 % larger, or missing.
    """
    found = {(each.model, each.cpu): each.instructions / 1e6 for each in counts}
    problems = []
    for model, cores in SHIPPED.items():
        for cpu, expected in cores.items():
            if (model, cpu) not in found:
                problems.append(f"{model} was not counted on {cpu}")
            elif (millions := found[model, cpu]) > _ALLOWED * expected:
                problems.append(
                    f"{model} takes {millions:.1f} M instructions on {cpu}, and took "
                    f"{expected:.1f} M"
                )
    if problems:
        raise BenchmarkError(
            "; ".join(problems) + "; find the operator that grew with python -m "
            "squeezebert_mobile.benchmarks.arm64 --only 'ours SqueezeBERT int8', or write the new "
            "count into benchmarks/arm64/checking.py and say why"
        )
