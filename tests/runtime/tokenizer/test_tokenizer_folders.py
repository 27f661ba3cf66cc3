"""The tokenizer reads a checkpoint folder as transformers does, whatever its files say."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from same_encoding import EVERYTHING, assert_same_encoding
from transformers import AutoTokenizer
from transformers import SqueezeBertTokenizerFast as Theirs

from squeezebert_mobile.runtime import SqueezeBertTokenizer

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
#: Case -> the content of the files beside the vocabulary.
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
#: Settings without effect: for slow tokenizers, for calls, or without a token.
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
    """Write the tokenizer files of a checkpoint; with both vocabularies, vocab.txt is different."""
    folder.mkdir(exist_ok=True)
    for name, content in {"config.json": {"model_type": "squeezebert"}, **files}.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    if layout != "vocab.txt":  # with other settings for case, added tokens and lengths
        shutil.copytree(folder, folder / "plain")
        theirs = Theirs.from_pretrained(folder / "plain", do_lower_case=False)
        theirs.backend_tokenizer.enable_truncation(3)
        theirs.backend_tokenizer.enable_padding(length=9)
        theirs.backend_tokenizer.save(str(folder / "tokenizer.json"))
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
        assert_same_encoding(call, ours, theirs)
    assert_same_encoding({"text": SAMPLES, "padding": True}, ours, theirs)


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


#: Cases without added tokens, for which the saved vocab.txt is enough.
PLAIN = {"vocabulary alone", "cased, a length", "accents kept", "ideographs not split"}


def test_the_folders_differ(tmp_path: Path) -> None:
    """Every case changes an encoding; otherwise its test would prove nothing."""
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


@pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("class_name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_tokenizer_class_other_than_berts(class_name: str, file: str, tmp_path: Path) -> None:
    """Then tokenizer.json, which is cased, decides, not the default of tokenizer_config.json."""
    files = {file: {"model_type": "squeezebert", "tokenizer_class": class_name}}
    folder = write_folder(tmp_path / "checkpoint", files, "tokenizer.json")
    ours, theirs = (
        SqueezeBertTokenizer.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    for text in SAMPLES:
        encoding = dict(ours(text, **EVERYTHING))
        del encoding["token_type_ids"]  # which this class leaves out
        assert encoding == dict(theirs(text, **EVERYTHING))
    assert ours("Hello")["input_ids"] != ours("hello")["input_ids"]


def test_padding_is_always_on_the_right(tmp_path: Path) -> None:
    """Positions are absolute: padding on the left would change the results of short texts."""
    folder = write_folder(tmp_path / "left", {"tokenizer_config.json": {"padding_side": "left"}})
    ours, theirs = SqueezeBertTokenizer.from_pretrained(folder), Theirs.from_pretrained(folder)
    assert_same_encoding({"text": SAMPLES}, ours, theirs)
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
    assert_same_encoding({"text": texts, "padding": True}, ours, theirs)
    assert_same_encoding(
        {"text": texts[0], "text_pair": texts[1], "truncation": True}, ours, theirs
    )
