"""Texts that other implementations of this tokenizer get wrong, each with its source.

The tests of two tokenizers read this table: the Python one is compared with transformers
(test_tokenizer_conformance.py), the Kotlin one with tests/golden/wordpiece.json
(wordpiece_vectors.py).
"""

import unicodedata
from typing import NamedTuple

__all__ = ["PAIRS", "SORTED", "TRAPS", "Trap"]


class Trap(NamedTuple):
    """A difficulty, its source (a project or an issue), and texts that show it."""

    name: str
    source: str
    texts: tuple[str, ...]


#: Combining characters that stripping accents keeps, and that canonical ordering moves.
SORTED = [
    char
    for char in map(chr, range(0x110000))
    if unicodedata.combining(char) and unicodedata.category(char) != "Mn"
]

TRAPS = (
    Trap(
        "canonical ordering of marks",
        "llama.cpp#5496",
        (
            " ".join(f"a\u0345{char}\u0334b" for char in SORTED),
            "a" + "".join(reversed(SORTED)),
            "\u0344a \u0f73\u0f71 q\u0323\u0307 q\u0307\u0323 \u1e9b\u0323",
            "a\u302e\u0323b \u3099\u302fc \U0001d158\U0001d165\U0001d16d\u0323",  # some are kept
        ),
    ),
    Trap("empty texts", "TFLite BERT-QA FullTokenizer", ("", " \n\t ", "a  b \u3000 c")),
    Trap("words and punctuation", "BERT", ("The cats, unaffable: don't!",)),
    Trap(
        "order: clean, ideographs, accents, case",
        "tokenizers normalizers/bert.rs",
        ("日\u0301本\u200d\u0301x e\u200d\u0301 İ\u200d\u0301 \u2126\u0301 q\u0307\u200d\u0323",),
    ),
    Trap(
        "accents are stripped with lower case unless strip_accents is set",
        "tokenizers#330, swift-transformers#157",
        ("Café naïve Ångström",),
    ),
    Trap(
        "combining accents",
        "dotnet/machinelearning#7728",
        ("Cafe\u0301 x\u0301\u0327y",),
    ),
    Trap(
        "marks outside U+0300-036F: nonspacing ones are removed, spacing ones kept",
        "swift-transformers#157, ollama#15627",
        (
            "a\u05b0b \u0b3f c\u20d0 d\u0903e",
            "\u05d1\u05bc \u0e01\u0e34\u0e48 \u0627\u064e\u0928\u093c",
        ),
    ),
    Trap(
        "offsets after a removed accent",
        "elastic/elasticsearch#88907",
        ("Élève à l'été déjà: où? e\u0301e\u0301 cats", "\u0301a \u0301\u0301b"),
    ),
    Trap(
        "lower case of two characters, and independent of the language",
        "transformers#6680",
        ("İstanbul ISTANBUL I\u0307 ß ẞ ﬁ ΑΣ Σ\u0345 ǅ",),
    ),
    Trap(
        "scripts with recently added cases", "Unicode 8 to 11", ("Ꭰ ꭰ Ა ა \U00010400 \U0001e900",)
    ),
    Trap(
        "emoji newer than the library's tables are removed",
        "tokenizers#142",
        ("\U0001f92a \U0001fae8 \U0001faea \U0001fadf",),
    ),
    Trap(
        "control, format, private and unassigned characters are removed",
        "tokenizers normalizers/bert.rs, TFLite BERT-QA FullTokenizer",
        (
            "x\u200by \u00ad \ufeff \x00 \x07 \ufffd \U000e0041 \u0600 \ue000",
            "\ud7ff\ue000\U0010ffff \u0378 \U000e0080",
            "cats\x07the\u200bhello \u00ad\u00adsnow",
        ),
    ),
    Trap(
        "white space",
        "tokenizers normalizers/bert.rs",
        ("tab\tnew\nline\r\u2028\u00a0\u3000space\x0b\x0c\x85\x1c\x1d\x1e\x1f\u180e.",),
    ),
    Trap(
        "ideographs are words, hangul is decomposed",
        "TFLite BERT-QA FullTokenizer",
        ("日本語 中文abc한국어 각\u11a8 \u1100\u1161",),
    ),
    Trap(
        "where lists of ideographs differ",
        "tokenizers normalizers/bert.rs (0x2B920, Python's 0x2B820)",
        ("\U0002b81f\U0002b820\U0002b91f\U0002b920 \U00030000 \u9fff\u3400",),
    ),
    Trap(
        "ideographs beyond 16 bits, and decomposable ones",
        "TFLite BERT-QA FullTokenizer",
        ("\U00020000\U0002f800\uf900 \ufa0e",),
    ),
    Trap(
        "ASCII symbols and Unicode punctuation",
        "BERT",
        (
            "don't-stop: $3.50 (50%)! `a` ^b ~c |d <e> = +",
            "“quoted” — ellipsis… «x» \u0df4 \u2e4f \u061d",
        ),
    ),
    Trap(
        "special tokens in a text",
        "onnxruntime-extensions#852",
        (
            "a [MASK] b[MASK]c [SEP] [CLS] [PAD] [UNK] [mask] [ MASK ] [MASK",
            "[MASK][MASK] [SEP]é[MASK]\u0301 [CLS]\u200b[MA\u200bSK]",
        ),
    ),
    Trap(
        "a word of more than 100 characters is unknown, counted after normalization",
        "curated-transformers#209",
        ("a" * 100 + " " + "b" * 101, "e\u0301" * 100 + " " + "\U0001d15e" * 100),
    ),
    Trap(
        "one unknown piece makes the word unknown",
        "curated-transformers#209",
        ("snow☃snow cats?s ##ing ##", "catsQ\u2603 cats☃ unaffableness"),
    ),
    Trap(
        "added tokens: in words, next to marks, with the space around them",
        "onnxruntime-extensions#852",
        (
            "one NewWord, newword! xNewWord ...  newword  [X]  \u4e2d[X]\u4e2d"
            " wholes whole whole, wholé",
            "a\x85[X]\x0b\x0cb whole9 whole\u0301 whole\u203f whole\u200d whole. \u0906whole",
            "é[X]\u0301 \x00[X]\x00 a\u0300newword\u0301b [[X]] newwordnewword [x]",
        ),
    ),
)

#: Pairs for truncation: which text is truncated, and by how much.
PAIRS = (
    ("the cats don", "hello world snow"),
    ("the " * 30, "snow"),
    ("snow", "the " * 30),
    ("the " * 30, "cats " * 30),
    ("", "the"),
    ("the", ""),
    ("日本語 Café", "[MASK] don't"),
)
