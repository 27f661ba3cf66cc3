"""The WordPiece tokenizer."""

from squeezebert_mobile.runtime.tokenizer.wordpiece import (
    SqueezeBertTokenizer,
    SqueezeBertTokenizerFast,
)

__all__ = ["SqueezeBertTokenizer", "SqueezeBertTokenizerFast"]
