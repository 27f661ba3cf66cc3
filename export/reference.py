"""A checkpoint behind the runtime's interface: what an artifact is held against."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike

from squeezebert_mobile.artifact import Manifest
from squeezebert_mobile.errors import InputError
from squeezebert_mobile.export.checkpoint import Checkpoint
from squeezebert_mobile.export.drafting import draft_manifest
from squeezebert_mobile.export.formats import Request
from squeezebert_mobile.export.model import PretrainedModel
from squeezebert_mobile.export.to_torchscript import ENGINES
from squeezebert_mobile.export.written import Written
from squeezebert_mobile.runtime import PIPELINES, Pipeline
from squeezebert_mobile.runtime.closing import Closing
from squeezebert_mobile.runtime.session import FloatArray, checked_feed

__all__ = ["reference_pipeline"]


class _TorchSession(Closing):
    """A torch model as it stands, on the device where it is."""

    def __init__(self, model: PretrainedModel, manifest: Manifest) -> None:
        self._model: PretrainedModel | None = model
        self.manifest = manifest

    def run(self, feed: Mapping[str, ArrayLike]) -> dict[str, FloatArray]:
        """The model's outputs for a feed; token_type_ids and attention_mask may be left out."""
        if self._model is None:
            raise InputError("this session is closed; open the checkpoint again")
        device = next(self._model.parameters()).device
        arrays = checked_feed(self.manifest, feed)
        with torch.inference_mode():
            found = self._model(
                **{name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            )
        return {
            output.name: getattr(found, output.name).float().cpu().numpy()
            for output in self.manifest.outputs
        }

    def close(self) -> None:
        """Let the model go; a later `run` is an error."""
        self._model = None


def reference_pipeline(source: Checkpoint) -> Pipeline[Any]:
    """The pipeline of a checkpoint's task, with its own torch model, which must not be training.

    What `load_artifact` gives for an artifact: it is called in the same way.
    """
    # Of a manifest's formats the one that torch runs.
    request = Request("torchscript", "fp32", None, source.longest, ENGINES[0])
    manifest = draft_manifest(source, request, Written(stored={}, operators={}, quantization=None))
    session = _TorchSession(source.model, manifest)
    return PIPELINES[manifest.task](manifest=manifest, session=session, tokenizer=source.tokenizer)
