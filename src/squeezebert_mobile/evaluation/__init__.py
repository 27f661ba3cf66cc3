"""Evaluate an artifact or a checkpoint on labelled data."""

from squeezebert_mobile.errors import require_extra

require_extra("evaluate")  # before the imports that need it

from squeezebert_mobile.evaluation.comparison import Comparison, Difference, Disagreement, compare
from squeezebert_mobile.evaluation.evaluator import Evaluation, OtherModel, evaluate
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.metrics import METRICS, Metric
from squeezebert_mobile.evaluation.named_pipeline import NamedPipeline, open_pipeline
from squeezebert_mobile.evaluation.predictions import Prediction, is_regression_model
from squeezebert_mobile.evaluation.readers.columns import Columns
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, read_file
from squeezebert_mobile.evaluation.readers.formats import FORMATS, read_data
from squeezebert_mobile.evaluation.scoring import Scores, score

__all__ = [
    "FORMATS",
    "METRICS",
    "Columns",
    "Comparison",
    "DataFile",
    "DataSet",
    "Difference",
    "Disagreement",
    "Evaluation",
    "Example",
    "Metric",
    "NamedPipeline",
    "OtherModel",
    "Prediction",
    "Scores",
    "compare",
    "evaluate",
    "is_regression_model",
    "match_labels",
    "open_pipeline",
    "read_data",
    "read_file",
    "score",
]
