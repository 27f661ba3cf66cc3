"""A checkpoint behind the runtime's interface: what an artifact is held against."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import ModelSpec
from squeezebert_mobile.closeable import Closeable
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.models.checkpoint import Checkpoint
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.spec import model_spec
from squeezebert_mobile.runtime import PIPELINES, Pipeline
from squeezebert_mobile.runtime.sessions.base import FloatArray, checked_feed

__all__ = ["reference_pipeline"]


class _TorchSession(Closeable):
    """A torch model as it stands, on the device where it is."""

    def __init__(self, model: PretrainedModel, spec: ModelSpec) -> None:
        self._model: PretrainedModel | None = model
        self.spec = spec

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed; token_type_ids and attention_mask may be left out."""
        if self._model is None:
            raise InputError("this session is closed; open the checkpoint again")
        device = next(self._model.parameters()).device
        arrays = checked_feed(self.spec, feed)
        with torch.inference_mode():
            found = self._model(
                **{name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            )
        return {
            output.name: getattr(found, output.name).float().cpu().numpy()
            for output in self.spec.outputs
        }

    def close(self) -> None:
        """Let the model go; a later `run` is an error."""
        self._model = None


def reference_pipeline(source: Checkpoint) -> Pipeline[Any]:
    """The pipeline of a checkpoint's task, with its own torch model, which must not be training.

    What `load_artifact` gives for an artifact: it is called in the same way.
    """
    spec = model_spec(source.model, max_sequence_length=source.longest)
    session = _TorchSession(source.model, spec)
    return PIPELINES[spec.task](spec=spec, session=session, tokenizer=source.tokenizer)
