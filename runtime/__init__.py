"""Run an exported artifact: its tokenizer, its session, and a pipeline for its task."""

from squeezebert_mobile.runtime.golden import GoldenCheck, check_golden
from squeezebert_mobile.runtime.loading import PIPELINES, load_artifact
from squeezebert_mobile.runtime.pipeline import Pipeline
from squeezebert_mobile.runtime.results import (
    Answer,
    Choice,
    Entity,
    FeatureExtractionResult,
    Fill,
    FillMaskResult,
    Label,
    MultipleChoiceResult,
    QuestionAnsweringResult,
    Result,
    TextClassificationResult,
    TokenClassificationResult,
)
from squeezebert_mobile.runtime.session import OnnxSession, Session, open_session
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer, SqueezeBertTokenizerFast

__all__ = [
    "PIPELINES",
    "Answer",
    "Choice",
    "Entity",
    "FeatureExtractionResult",
    "Fill",
    "FillMaskResult",
    "GoldenCheck",
    "Label",
    "MultipleChoiceResult",
    "OnnxSession",
    "Pipeline",
    "QuestionAnsweringResult",
    "Result",
    "Session",
    "SqueezeBertTokenizer",
    "SqueezeBertTokenizerFast",
    "TextClassificationResult",
    "TokenClassificationResult",
    "check_golden",
    "load_artifact",
    "open_session",
]
