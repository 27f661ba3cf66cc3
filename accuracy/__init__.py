"""How often an artifact or a checkpoint is right, on labelled data."""

from squeezebert_mobile.errors import require_extra

require_extra("evaluate")  # before the imports that would fail

from squeezebert_mobile.accuracy.answering import Prediction, gives_numbers
from squeezebert_mobile.accuracy.comparing import Comparison, Difference, Disagreement, compare
from squeezebert_mobile.accuracy.data import DataFile, DataSet, Example, read_file
from squeezebert_mobile.accuracy.evaluation import Evaluation, Model, evaluate
from squeezebert_mobile.accuracy.formats import FORMATS, Columns, read_data
from squeezebert_mobile.accuracy.labels import match_labels
from squeezebert_mobile.accuracy.metrics import METRICS, Metric
from squeezebert_mobile.accuracy.scoring import Scores, score
from squeezebert_mobile.accuracy.text import print_evaluation

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
    "print_evaluation",
    "read_data",
    "read_file",
    "score",
]
