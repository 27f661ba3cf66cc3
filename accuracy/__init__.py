"""How often an artifact or a checkpoint is right, on labelled data."""

from squeezebert_mobile.errors import require_extra

require_extra("evaluate")  # before the imports that would fail

from squeezebert_mobile.accuracy.answering import Prediction
from squeezebert_mobile.accuracy.data import DataFile, DataSet, Example, read_file
from squeezebert_mobile.accuracy.formats import FORMATS, Columns, read_data
from squeezebert_mobile.accuracy.labels import match_labels
from squeezebert_mobile.accuracy.metrics import METRICS, Metric
from squeezebert_mobile.accuracy.scoring import Scores, score

__all__ = [
    "FORMATS",
    "METRICS",
    "Columns",
    "DataFile",
    "DataSet",
    "Example",
    "Metric",
    "Prediction",
    "Scores",
    "match_labels",
    "read_data",
    "read_file",
    "score",
]
