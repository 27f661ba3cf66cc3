"""Test vectors for the Kotlin tokenizer: texts with the ids of the Python tokenizer.

    python tests/helpers/wordpiece_vectors.py golden > tests/golden/wordpiece.json
    python tests/helpers/wordpiece_vectors.py random FILE

The golden vectors are checked in, and read by pytest and JUnit. The random vectors are 100,000
texts: half of them contain every Unicode character once, the other half difficult ones. Their
vocabulary has a token for almost every character in the texts, so that the ids show the complete
normalized text.
"""

import json
import random
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tokenizer_traps import PAIRS, TRAPS
from tokenizers import AddedToken, Tokenizer

from squeezebert_mobile.runtime import SqueezeBertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "un",
    "##aff",
    "##able",
    "snow",
    "the",
    "cat",
    "##s",
    "don",
    "##ing",
    "hello",
    "wor",
    "##ld",
]

TEXTS = [text for trap in TRAPS for text in trap.texts]
LENGTHS = (3, 4, 5, 10, 11, 40)

#: The number of random texts that contain every character.
COUNT = 100_000

ADDED = [
    AddedToken("newword", normalized=True),
    AddedToken("[X]", normalized=False, lstrip=True, rstrip=True),
    AddedToken("whole", normalized=True, single_word=True),
    AddedToken("É", normalized=True, lstrip=True),
    AddedToken("cat", normalized=False, rstrip=True),
]
VARIANTS: dict[str, dict[str, Any]] = {
    "uncased": {},
    "cased": {"do_lower_case": False},
    "cased, no accents": {"do_lower_case": False, "strip_accents": True},
    "lower case with accents": {"strip_accents": False},
    "ideographs as they are": {"tokenize_chinese_chars": False},
    "added tokens": {"added_tokens": ADDED},
    "cased, added tokens": {"added_tokens": ADDED, "do_lower_case": False},
}


def golden() -> dict[str, Any]:
    """The content of wordpiece.json."""
    vocab = vocabulary_of_traps()
    tokenizers = {
        name: SqueezeBertTokenizer(vocab, **options) for name, options in VARIANTS.items()
    }
    first = tokenizers["uncased"]
    ids = first("The cats, unaffable: don't [MASK] ##s ' n't é")["input_ids"]
    pieces = ["##s", ".", "##ing", "n't", "do not", "'", "s", "##", "?", "cat"]
    return {
        "tokenizer": _file(first),
        "variants": {name: _overrides(tokenizer) for name, tokenizer in tokenizers.items()},
        "texts": [
            {"variant": name, **_encoded(tokenizer, text)}
            for name, tokenizer in tokenizers.items()
            for text in TEXTS
        ],
        "rows": [_row(first, *pair, length) for pair in PAIRS for length in LENGTHS],
        "decoded": [
            {"ids": ids, "skip_special": skip, "text": first.decode(ids, skip_special_tokens=skip)}
            for skip in (False, True)
        ],
        "joined": {"tokens": pieces, "text": first.convert_tokens_to_string(pieces)},
    }


def random_vectors(count: int = COUNT, seed: int = 7) -> Iterator[dict[str, Any]]:
    """The tokenizers, then `count` texts; every fourth is a pair to truncate."""
    draw = random.Random(seed)
    drawn = list(_drawn(draw, count))
    chars = {char for text, pair, *_ in drawn for char in text + (pair or "")}
    vocab = vocabulary(sorted(c for c in chars if unicodedata.category(c) not in {"Cn", "Co"}))
    tokenizers = [SqueezeBertTokenizer(vocab, **options) for options in VARIANTS.values()]
    yield {
        "count": count,
        "tokenizer": _file(tokenizers[0]),
        "variants": [_overrides(tokenizer) for tokenizer in tokenizers],
    }
    for text, pair, which, length in drawn:
        if pair is None:
            yield {"variant": which, **_encoded(tokenizers[which], text)}
        else:
            yield {"variant": which, **_row(tokenizers[which], text, pair, length)}


def _drawn(draw: random.Random, count: int) -> Iterator[tuple[str, str | None, int, int]]:
    """A text, its pair or None, the index of a variant, and the maximum length of a pair."""
    codes = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    hard = _hard_pieces(codes)
    draw.shuffle(codes)
    for number in range(count):
        plain = codes[number // 2 :: COUNT // 2]
        text = "".join(plain if number % 2 else draw.choices(hard, k=draw.randint(1, 24)))
        which = draw.randrange(len(VARIANTS))
        if number % 4:
            yield text, None, which, 0
        else:
            pair = "".join(draw.choices(hard, k=draw.randint(0, 24)))
            yield text, pair, which, draw.randint(3, 40)


def _hard_pieces(codes: Sequence[str]) -> list[str]:
    """Difficult characters and words; each kind is about equally frequent."""
    kinds: dict[str, list[str]] = {}
    for char in codes:
        category = unicodedata.category(char)
        if category in {"Cn", "Co"}:
            continue
        kind = "combining" if unicodedata.combining(char) else category
        kinds.setdefault(kind, []).append(char)
        if unicodedata.decomposition(char):
            kinds.setdefault("decomposes", []).append(char)
    kinds["special"] = [*SPECIAL, "newword", "NEWWORD", "[X]", "whole", "É", "e\u0301", "cat", "##"]
    kinds["words"] = ["the ", "cats", "don't", "hello world", "unaffable", "  ", "a" * 101]
    most = max(map(len, kinds.values()))
    return [piece for pieces in kinds.values() for piece in pieces * (1 + most // len(pieces) // 8)]


# Tokenizers ---------------------------------------------------------------------------------


def vocabulary_of_traps() -> dict[str, int]:
    """The `vocabulary` of the characters in TEXTS and of ASCII."""
    return vocabulary(sorted({c for text in TEXTS for c in text} | set(map(chr, range(33, 127)))))


def vocabulary(chars: Sequence[str]) -> dict[str, int]:
    """Special tokens, a few words, and a token for every character in every normalized form."""
    forms = set(chars)
    for options in VARIANTS.values():
        tokenizer = SqueezeBertTokenizer(dict.fromkeys(SPECIAL, 0), **options)
        normalizer = Tokenizer.from_str(json.dumps(_file(tokenizer))).normalizer
        assert normalizer is not None
        for char in chars:
            forms.update(str(normalizer.normalize_str(char)))
    tokens = [*SPECIAL, *WORDS, *(f"{mark}{c}" for c in sorted(forms) for mark in ("", "##"))]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


@cache
def _file(tokenizer: SqueezeBertTokenizer) -> dict[str, Any]:
    """The content of tokenizer.json."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        data: dict[str, Any] = json.loads(Path(folder, "tokenizer.json").read_text("utf-8"))
    return data


def _overrides(tokenizer: SqueezeBertTokenizer) -> dict[str, Any]:
    """The parts of tokenizer.json that differ from the first variant."""
    data = _file(tokenizer)
    return {name: data[name] for name in ("normalizer", "added_tokens")}


# Texts --------------------------------------------------------------------------------------


def _encoded(tokenizer: SqueezeBertTokenizer, text: str) -> dict[str, Any]:
    segment = tokenizer.encode_rows(text, add_special_tokens=False)[0].segments[0]
    return {
        "text": text,
        "ids": segment.ids,
        "starts": [start for start, _ in segment.offsets],
        "ends": [end for _, end in segment.offsets],
        "words": segment.words,
    }


def _row(tokenizer: SqueezeBertTokenizer, text: str, pair: str, length: int) -> dict[str, Any]:
    row = tokenizer.encode_rows([text], [pair], strategy="longest_first", max_length=length)[0]
    return {"text": text, "pair": pair, "length": length, "ids": row.ids, "types": row.type_ids}


def write_random(path: Path, count: int = COUNT) -> None:
    """One JSON object per line."""
    with path.open("w", encoding="ascii") as file:
        for vector in random_vectors(count):
            file.write(json.dumps(vector, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "golden":
        print(json.dumps(golden(), indent=None, separators=(",", ":")).replace('},{"', '},\n{"'))
    else:
        write_random(Path(sys.argv[2]))
