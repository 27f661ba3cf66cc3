"""Export of a checkpoint to a verified artifact, and the torch models."""

from squeezebert_mobile.errors import require_extra

require_extra("export")  # before the imports that would fail

from squeezebert_mobile.export.convert import export_checkpoint, verify_against
from squeezebert_mobile.export.inspection import inspect_checkpoint
from squeezebert_mobile.models.checkpoint import open_checkpoint
from squeezebert_mobile.models.config import BertConfig, SqueezeBertConfig
from squeezebert_mobile.models.families import load_config, task_of
from squeezebert_mobile.models.heads import (
    MODEL_CLASSES,
    SqueezeBertForMaskedLM,
    SqueezeBertForMultipleChoice,
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    initialize,
)
from squeezebert_mobile.models.modeling import SqueezeBertModel
from squeezebert_mobile.models.reference import reference_pipeline
from squeezebert_mobile.models.weight_files import weights_sha256

__all__ = [
    "MODEL_CLASSES",
    "BertConfig",
    "SqueezeBertConfig",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertModel",
    "export_checkpoint",
    "initialize",
    "inspect_checkpoint",
    "load_config",
    "open_checkpoint",
    "reference_pipeline",
    "task_of",
    "verify_against",
    "weights_sha256",
]
