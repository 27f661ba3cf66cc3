"""Run a PyTorch checkpoint through the runtime pipelines: the reference for its artifacts."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.facts import model_spec
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.runtime import PIPELINES, Pipeline
from squeezebert_mobile.runtime.sessions.base import FloatArray, checked_feed

__all__ = ["reference_pipeline"]


class _TorchSession(Closeable):
    """A runtime session that runs a PyTorch model, on the model's device."""

    def __init__(self, model: PretrainedModel, spec: ModelSpec) -> None:
        self._model: PretrainedModel | None = model
        self.spec = spec

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs; `feed` may omit token_type_ids and attention_mask."""
        if self._model is None:
            raise InputError("this session is closed; open the checkpoint again")
        device = next(self._model.parameters()).device
        arrays = checked_feed(self.spec, feed)
        with torch.inference_mode():
            outputs = self._model(
                **{name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            )
        return {
            output.name: getattr(outputs, output.name).float().cpu().numpy()
            for output in self.spec.outputs
        }

    def close(self) -> None:
        """Release the model; `run` raises InputError afterwards."""
        self._model = None


def reference_pipeline(checkpoint: Checkpoint) -> Pipeline[Any]:
    """The pipeline of a checkpoint's task; it is called like the one `load_artifact` returns.

    Args:
        checkpoint: The checkpoint; its model must be in evaluation mode.
    """
    model = checkpoint.model
    spec = model_spec(
        model,
        max_sequence_length=checkpoint.default_sequence_length,
        sentence_vector=checkpoint.sentences.vector,
    )
    session = _TorchSession(model, spec)
    return PIPELINES[spec.task](spec=spec, session=session, tokenizer=checkpoint.tokenizer)
