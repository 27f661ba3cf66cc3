"""Run an exported artifact: its tokenizer, its session, and a pipeline for its task."""

from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer, SqueezeBertTokenizerFast

__all__ = ["SqueezeBertTokenizer", "SqueezeBertTokenizerFast"]
