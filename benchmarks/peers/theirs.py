"""Builds the peers as the guide of each library recommends for a transformers model.

All functions use the same seeded weights. Where a guide leaves a choice, the peer gets the faster
one.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squeezebert_mobile.benchmarks.peers.families import MAX_LENGTH, MIN_LENGTH, Family
from squeezebert_mobile.errors import require
from squeezebert_mobile.renames import rename
from squeezebert_mobile.tasks import INPUT_NAMES

__all__ = ["PEERS", "Peer", "network"]

_SEED = 0


def network(family: Family) -> Any:
    """The transformers model with random weights, the same on every call. It returns a tuple."""
    torch, transformers = require("torch", "export"), require("transformers", "peers")
    torch.manual_seed(_SEED)
    settings = getattr(transformers, f"{family.prefix}Config")(num_labels=2, **family.sizes)
    settings.return_dict = False  # tracing needs tuples
    return getattr(transformers, f"{family.prefix}ForSequenceClassification")(settings).eval()


def _example() -> tuple[Any, ...]:
    torch = require("torch", "export")
    ids = torch.ones(1, 16, dtype=torch.int64)
    return ids, torch.ones_like(ids), torch.zeros_like(ids)


# transformers, TorchScript ------------------------------------------------------------------


def _saved(family: Family, target: Path) -> None:
    network(family).save_pretrained(target.parent)


def _traced(family: Family, target: Path) -> None:
    _trace(network(family), target)


def _traced_int8(family: Family, target: Path) -> None:
    torch = require("torch", "export")
    quantize_dynamic = torch.ao.quantization.quantize_dynamic
    _trace(quantize_dynamic(network(family), {torch.nn.Linear}, dtype=torch.qint8), target)


def _trace(model: Any, target: Path) -> None:
    torch = require("torch", "export")
    with torch.no_grad():
        traced = torch.jit.trace(model, _example(), check_trace=False)
        torch.jit.freeze(traced).save(str(target))


# ONNX ---------------------------------------------------------------------------------------


def _onnx(family: Family, target: Path) -> None:
    torch = require("torch", "export")
    # The int8 peers read this file and may be built at the same time: it appears when complete.
    partial = target.with_suffix(f".{os.getpid()}.partial")
    # dynamo=False: its graph is the faster of the two (BERT-base on onnxruntime 1.32, x86: 7 %
    # in fp32, 11 % in int8).
    torch.onnx.export(
        network(family),
        _example(),
        partial,
        input_names=list(INPUT_NAMES),
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in INPUT_NAMES},
        dynamo=False,
    )
    rename(partial, target)


def _onnx_int8(family: Family, target: Path) -> None:
    _quantize(family, target)


def _onnx_int8_per_channel(family: Family, target: Path) -> None:
    _quantize(family, target, per_channel=True)


def _onnx_int8_as_optimum(family: Family, target: Path) -> None:
    """Quantize with the settings of optimum's AutoQuantizationConfig.arm64(is_static=False).

    Those of avx512_vnni are the same. Unlike quantize_dynamic, optimum quantizes products of two
    activations as well.
    """
    _quantize(family, target, per_channel=True, extra_options={"MatMulConstBOnly": False})


def _quantize(family: Family, target: Path, **options: Any) -> None:
    quantization = require("onnxruntime.quantization", "peers")
    plain = target.with_name("onnx fp32.onnx")
    if not plain.exists():  # it was not selected, or is built later
        _onnx(family, plain)
    quantization.quantize_dynamic(plain, target, **options)


# ExecuTorch ---------------------------------------------------------------------------------


def _executorch(family: Family, target: Path) -> None:
    torch = require("torch", "export")
    _lower(
        torch.export.export(network(family), _example(), dynamic_shapes=_dynamic_shapes()), target
    )


def _executorch_int8(family: Family, target: Path) -> None:
    torch = require("torch", "export")
    pt2e = require("torchao.quantization.pt2e.quantize_pt2e", "executorch")
    xnnpack = require("executorch.backends.xnnpack.quantizer.xnnpack_quantizer", "executorch")
    settings = xnnpack.get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
    exported = torch.export.export(network(family), _example(), dynamic_shapes=_dynamic_shapes())
    prepared = pt2e.prepare_pt2e(exported.module(), xnnpack.XNNPACKQuantizer().set_global(settings))
    prepared(*_example())
    converted = pt2e.convert_pt2e(prepared)
    _lower(torch.export.export(converted, _example(), dynamic_shapes=_dynamic_shapes()), target)


def _dynamic_shapes() -> tuple[Any, ...]:
    """Dynamic shapes: any length, a batch of 1."""
    torch = require("torch", "export")
    return ({1: torch.export.Dim("sequence", min=MIN_LENGTH, max=MAX_LENGTH)},) * len(INPUT_NAMES)


def _lower(exported: Any, target: Path) -> None:
    exir = require("executorch.exir", "executorch")
    xnnpack = require("executorch.backends.xnnpack.partition.xnnpack_partitioner", "executorch")
    lowered = exir.to_edge_transform_and_lower(exported, partitioner=[xnnpack.XnnpackPartitioner()])
    with target.open("wb") as file:
        lowered.to_executorch().write_to_file(file)


# The table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """One way to export a transformers model to a file."""

    format: str
    precision: str
    variant: str  # distinguishes peers of one format and precision; may be empty
    file: str  # file name
    make: Callable[..., None]  # of the family, the file, and if it fixes shapes the lengths
    how: str
    fixes_shapes: bool = False  # its file takes no other lengths than those it is made for


_QUANTIZED = "onnxruntime.quantization.quantize_dynamic"
PEERS = (
    Peer(
        "transformers",
        "fp32",
        "",
        "transformers/model.safetensors",
        _saved,
        "the transformers model in torch, in inference mode",
    ),
    Peer(
        "onnx",
        "fp32",
        "",
        "onnx fp32.onnx",
        _onnx,
        "torch.onnx.export, dynamo=False (the faster graph)",
    ),
    Peer(
        "onnx",
        "int8",
        "",
        "onnx int8.onnx",
        _onnx_int8,
        f"{_QUANTIZED} of the fp32 file, with its defaults",
    ),
    Peer(
        "onnx",
        "int8",
        "per channel",
        "onnx int8 per channel.onnx",
        _onnx_int8_per_channel,
        "the same with per_channel=True",
    ),
    Peer(
        "onnx",
        "int8",
        "as optimum",
        "onnx int8 as optimum.onnx",
        _onnx_int8_as_optimum,
        "a reproduction with onnxruntime.quantization of what optimum's "
        "AutoQuantizationConfig.arm64 and .avx512_vnni(is_static=False) do: optimum-onnx needs "
        "transformers older than 4.58",
    ),
    Peer(
        "torchscript",
        "fp32",
        "",
        "torchscript fp32.pt",
        _traced,
        "torch.jit.trace and freeze",
    ),
    Peer(
        "torchscript",
        "int8",
        "",
        "torchscript int8.pt",
        _traced_int8,
        "torch.ao.quantization.quantize_dynamic of nn.Linear, then trace and freeze; the encoder "
        "of SqueezeBERT has none and stays fp32",
    ),
    Peer(
        "executorch",
        "fp32",
        "",
        "executorch fp32.pte",
        _executorch,
        "torch.export, to_edge_transform_and_lower for XNNPACK",
    ),
    Peer(
        "executorch",
        "int8",
        "",
        "executorch int8.pte",
        _executorch_int8,
        "PT2E with XNNPACKQuantizer, dynamic and per channel, then lowered like fp32",
    ),
)
