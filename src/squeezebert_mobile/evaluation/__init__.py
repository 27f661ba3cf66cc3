"""How often an artifact or a checkpoint is right, on labelled data."""

from squeezebert_mobile.errors import require_extra

require_extra("evaluate")  # before the imports that would fail

from squeezebert_mobile.evaluation.answering import Prediction, gives_numbers
from squeezebert_mobile.evaluation.comparing import Comparison, Difference, Disagreement, compare
from squeezebert_mobile.evaluation.evaluation import Evaluation, Model, evaluate
from squeezebert_mobile.evaluation.labels import match_labels
from squeezebert_mobile.evaluation.metrics import METRICS, Metric
from squeezebert_mobile.evaluation.readers.data import DataFile, DataSet, Example, read_file
from squeezebert_mobile.evaluation.readers.formats import FORMATS, Columns, read_data
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
    "Model",
    "Prediction",
    "Scores",
    "compare",
    "evaluate",
    "gives_numbers",
    "match_labels",
    "read_data",
    "read_file",
    "score",
]
