"""Run an exported artifact: tokenizer, session, and a pipeline for its task."""

from squeezebert_mobile.runtime.golden_check import GoldenCheck, check_golden
from squeezebert_mobile.runtime.loading import PIPELINES, load_artifact
from squeezebert_mobile.runtime.sessions import open_session
from squeezebert_mobile.runtime.sessions.base import Session
from squeezebert_mobile.runtime.sessions.onnx import OnnxSession
from squeezebert_mobile.runtime.tasks.pipeline import Pipeline
from squeezebert_mobile.runtime.tasks.results import (
    Answer,
    Choice,
    Entity,
    FeatureExtractionResult,
    Fill,
    FillMaskResult,
    Hit,
    Label,
    MultipleChoiceResult,
    QuestionAnsweringResult,
    Result,
    SearchResult,
    TextClassificationResult,
    TokenClassificationResult,
    ZeroShotResult,
)
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
    "Hit",
    "Label",
    "MultipleChoiceResult",
    "OnnxSession",
    "Pipeline",
    "QuestionAnsweringResult",
    "Result",
    "SearchResult",
    "Session",
    "SqueezeBertTokenizer",
    "SqueezeBertTokenizerFast",
    "TextClassificationResult",
    "TokenClassificationResult",
    "ZeroShotResult",
    "check_golden",
    "load_artifact",
    "open_session",
]
