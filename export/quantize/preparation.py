"""What calibration changed in a model before its weights were rounded, stored beside a checkpoint.

Training with rounded weights (`finetune --quantize`) and the export of what it trained must round
the same numbers. So the smoothing factors and the outlier channels that were chosen before the
training are written next to its weights, in `FILE`; the export takes them from there instead of
calibrating anew, and each weight then takes the nearest value of its grid, as in training. The file
names the precision, and the SHA-256 of the weights that it belongs to: with others it is ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export.feeds.building import TensorFeed
from squeezebert_mobile.export.quantize.calibration import Statistics, calibrate
from squeezebert_mobile.export.quantize.outlier_channels import split_outlier_channels
from squeezebert_mobile.export.quantize.recipe import RECIPES
from squeezebert_mobile.export.quantize.smoothing import divide_channels, smooth
from squeezebert_mobile.models.linear_layers import Factors, FeedForward
from squeezebert_mobile.models.rewriting import Traceable
from squeezebert_mobile.models.weight_files import weights_sha256

__all__ = [
    "FILE",
    "Preparation",
    "calibrated",
    "preparation_of",
    "prepare",
    "read_preparation",
    "write_preparation",
]

FILE = "quantization.safetensors"
_REMEDY = "train again with finetune --quantize, or delete the file"


@dataclass(frozen=True)
class Preparation:
    """The changes of one rewritten model, by the path of the module."""

    precision: str
    task: str
    factors: dict[str, Tensor]  # what each channel (C) is multiplied by
    outliers: dict[str, Tensor]  # the outlier channels of a feed-forward


def preparation_of(model: Traceable, precision: str) -> Preparation:
    """What was changed in `model`, the result of `rewrite`."""
    factors, outliers = {}, {}
    for path, module in model.named_modules():
        if isinstance(module, Factors) and module.factors is not None:
            factors[path] = module.factors.detach().clone()
        if isinstance(module, FeedForward) and module.parts:
            outliers[path] = module.parts[1]
    return Preparation(precision, model.task.name, factors, outliers)


def calibrated(
    model: Traceable,
    feeds: Sequence[TensorFeed],
    precision: str,
    trained_with: Preparation | None = None,
) -> Statistics:
    """Prepare a rewritten model, in place, and return what its products read from then on.

    Args:
        model: The result of `rewrite`.
        feeds: Ids, mask and token types of representative texts.
        precision: "int8" or "int4".
        trained_with: What its weights were trained with, instead of what the feeds suggest.
    """
    if trained_with is not None:
        prepare(model, trained_with)
        return calibrate(model, feeds)
    statistics = smooth(model, calibrate(model, feeds), precision=precision)
    return split_outlier_channels(model, statistics)


@torch.no_grad()
def prepare(model: Traceable, preparation: Preparation) -> None:
    """Change a rewritten model in the same way.

    Raises:
        CheckpointError: the changes are of another model.
    """
    modules: dict[str, nn.Module] = dict(model.named_modules())
    for path, factors in preparation.factors.items():
        place = modules.get(path)
        if not isinstance(place, Factors) or not _are_factors(factors, place):
            raise CheckpointError(f"{FILE} does not fit the model at {path!r}; {_REMEDY}")
        divide_channels(place, 1 / factors)
    for path, outliers in preparation.outliers.items():
        group = modules.get(path)
        if not isinstance(group, FeedForward) or not _are_channels(outliers, group):
            raise CheckpointError(f"{FILE} does not fit the model at {path!r}; {_REMEDY}")
        inner = torch.arange(group.products[1][0].in_features)
        group.split([inner[~torch.isin(inner, outliers)], outliers])


def _are_factors(factors: Tensor, place: Factors) -> bool:
    """Whether they are one positive number for each channel."""
    channels = sum(reader.in_features for reader in place.readers)
    numbers = factors.shape == (channels,) and factors.is_floating_point()
    return numbers and bool((factors.isfinite() & (factors > 0)).all())


def _are_channels(outliers: Tensor, group: FeedForward) -> bool:
    """Whether they are indices of some of the intermediate channels, each one once."""
    inner = group.products[1][0].in_features
    if outliers.dim() != 1 or outliers.dtype != torch.int64 or not 0 < len(outliers) < inner:
        return False
    inside = bool(((outliers >= 0) & (outliers < inner)).all())
    return inside and len(set(outliers.tolist())) == len(outliers)


def write_preparation(folder: Path, preparation: Preparation) -> None:
    """Write `FILE` beside the weights in `folder`."""
    tensors = {f"factors:{path}": x for path, x in preparation.factors.items()}
    tensors |= {f"outliers:{path}": x for path, x in preparation.outliers.items()}
    metadata = {
        "precision": preparation.precision,
        "task": preparation.task,
        "weights_sha256": weights_sha256(folder),
    }
    content = save({name: x.contiguous() for name, x in tensors.items()}, metadata)
    (folder / FILE).write_bytes(content)  # not by save_file, as in models/weights.py


def read_preparation(
    folder: Path, precision: str, task: str, note: Callable[[str], None]
) -> Preparation | None:
    """What the weights in `folder` were trained with; None if not for this precision and task.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file() or precision not in RECIPES:
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} is damaged ({error}); {_REMEDY}") from None
    trained = metadata.get("precision"), metadata.get("task")
    if None in trained:
        note(f"{FILE} was not written by finetune --quantize and is ignored")
        return None
    if trained != (precision, task):
        note(
            f"the weights were trained to be rounded to {trained[0]}, for {trained[1]}; they are "
            f"rounded to {precision} as any others"
        )
        return None
    if metadata.get("weights_sha256") != weights_sha256(folder):
        note(f"{FILE} belongs to other weights and is ignored")
        return None
    factors, outliers = (
        {name.removeprefix(kind): x for name, x in tensors.items() if name.startswith(kind)}
        for kind in ("factors:", "outliers:")
    )
    return Preparation(precision, task, factors, outliers)
