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

from squeezebert_mobile.errors import CheckpointError
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


def _pieces(row: str) -> list[dict[str, Any]]:
    """A template, from a row as in "[CLS]:0 A:0 [SEP]:0"."""
    pairs = [piece.rsplit(":", 1) for piece in row.split()]
    return [
        {
            "Sequence" if name in {"A", "B"} else "SpecialToken": {
                "id": name,
                "type_id": int(number),
            }
        }
        for name, number in pairs
    ]


def _template(single: str, pair: str) -> dict[str, Any]:
    known = {name: {"id": name, "ids": [WORDS.index(name)], "tokens": [name]} for name in WORDS}
    return {
        "type": "TemplateProcessing",
        "single": _pieces(single),
        "pair": _pieces(pair),
        "special_tokens": known,
    }


_SINGLE, _PAIR = "[CLS]:0 A:0 [SEP]:0", "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"
_BERT_PROCESSING = {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]}
_MOVED = _template(_SINGLE, _PAIR)
_MOVED["special_tokens"]["[SEP]"]["ids"] = [4]
#: Part of tokenizer.json, its changes, and the setting that an error names; None: same ids.
DESCRIBED: list[tuple[str, dict[str, Any], str | None]] = [
    ("model", {"max_input_chars_per_word": 5}, "model.max_input_chars_per_word in .* is 5, "),
    ("model", {"max_input_chars_per_word": 200}, "model.max_input_chars_per_word in .* is 200"),
    ("model", {"max_input_chars_per_word": 100}, None),
    ("model", {"continuing_subword_prefix": "@@"}, "model.continuing_subword_prefix .* '@@'"),
    ("model", {"continuing_subword_prefix": ""}, "model.continuing_subword_prefix in .* is ''"),
    ("model", {"unk_token": "<unk>"}, "model.unk_token in .* is '<unk>', which .* be '.UNK.'"),
    ("model", {"unk_token": "hello"}, "model.unk_token in .* is 'hello'"),
    ("normalizer", {"clean_text": False}, "normalizer.clean_text in .* is False, .* be True"),
    ("normalizer", {"lowercase": True}, None),
    ("normalizer", {"strip_accents": True}, None),
    ("normalizer", {"handle_chinese_chars": False}, None),
    ("post_processor", _template(_SINGLE, _PAIR), None),
    ("post_processor", _BERT_PROCESSING, None),
    (
        "post_processor",
        _template("[CLS]:0 A:0", _PAIR),
        r"post_processor.single .* '\[CLS\]:0 A:0',",
    ),
    ("post_processor", _template("A:0 [SEP]:0", _PAIR), "post_processor.single"),
    ("post_processor", _template("[CLS]:0 A:0 [MASK]:0", _PAIR), "post_processor.single"),
    ("post_processor", _template("[SEP]:0 A:0 [CLS]:0", _PAIR), "post_processor.single"),
    ("post_processor", _template("<s>:0 A:0 </s>:0", _PAIR), "post_processor.single"),
    ("post_processor", _template(_SINGLE, "[CLS]:0 A:0 B:1 [SEP]:1"), "post_processor.pair"),
    ("post_processor", _template(_SINGLE, _PAIR.replace("1", "0")), "post_processor.pair"),
    ("post_processor", _MOVED, r"post_processor.single in .* with the ids \[4\]:0"),
    ("post_processor", {**_BERT_PROCESSING, "sep": ["</s>", 14]}, "post_processor.single"),
    ("post_processor", {"special_tokens": {}}, "the post_processor in .* is damaged"),
    ("post_processor", {"single": [3]}, "the post_processor in .* is damaged"),
    ("post_processor", {"type": "BertProcessing"}, "the post_processor in .* is damaged"),
]


def _described(folder: Path, part: str, changes: dict[str, Any], class_name: str) -> Path:
    """A checkpoint with these changes in its tokenizer.json."""
    files = {"tokenizer_config.json": {"tokenizer_class": class_name}}
    write_folder(folder, files, "tokenizer.json")
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer[part].update(changes)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("part", "changes", "message"), DESCRIBED)
def test_what_tokenizer_json_describes(
    part: str, changes: dict[str, Any], message: str | None, tmp_path: Path
) -> None:
    """The same ids as in transformers, or an error that names the setting."""
    folder = _described(tmp_path / "checkpoint", part, changes, "PreTrainedTokenizerFast")
    if message is not None:
        with pytest.raises(CheckpointError, match=message) as raised:
            SqueezeBertTokenizer.from_pretrained(folder)
        assert "\n" not in str(raised.value)
        return
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = SqueezeBertTokenizer.from_pretrained(folder)
    saved = tmp_path / "saved"
    ours.save_pretrained(saved)
    for text in (*SAMPLES, "w\x00orld\x01 a\u200bb", "worlds" * 30, "x" * 101):
        for pair in ((text,), (text, SAMPLES[0])):
            want = theirs(*pair)["input_ids"]
            assert ours(*pair)["input_ids"] == want
            assert SqueezeBertTokenizer.from_pretrained(saved)(*pair)["input_ids"] == want


@pytest.mark.parametrize("part", ["model", "normalizer"])
def test_what_tokenizer_json_describes_for_berts_tokenizer(part: str, tmp_path: Path) -> None:
    """transformers takes the vocabulary alone from it."""
    changes: dict[str, Any] = {}
    for name, settings, message in DESCRIBED:
        changes |= settings if name == part and message else {}
    folder = _described(tmp_path / "checkpoint", part, changes, "BertTokenizer")
    assert_same_tokenizer(
        SqueezeBertTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("words", [WORDS, [*WORDS, "[PAD]"], WORDS[5:] + WORDS[:5]])
def test_a_byte_order_mark(words: list[str], ends: str, tmp_path: Path) -> None:
    """vocab.txt, as some editors save it, and JSON files are read as without the mark."""
    folders = []
    for mark in (b"", b"\xef\xbb\xbf"):
        folder = write_folder(tmp_path / f"{len(folders)}", FOLDERS["added_tokens_decoder"])
        (folder / "vocab.txt").write_bytes(mark + ends.join(words).encode())
        config = folder / "tokenizer_config.json"
        config.write_bytes(mark + config.read_bytes())
        folders.append(folder)
    plain, marked = map(SqueezeBertTokenizer.from_pretrained, folders)
    assert marked.get_vocab() == plain.get_vocab()
    assert_same_tokenizer(marked, Theirs.from_pretrained(folders[0]))
    assert SqueezeBertTokenizer(folders[1] / "vocab.txt").get_vocab().keys() == set(words)
    marked.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved/vocab.txt").read_bytes().startswith(b"\xef")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_vocabulary_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("\n".join(WORDS).encode(encoding))
    with pytest.raises(
        CheckpointError, match=r"vocab.txt' is not UTF-8 text \(byte \d+\); save it"
    ):
        SqueezeBertTokenizer(path)


def test_a_vocabulary_that_begins_with_two_marks(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf" + "\n".join(WORDS).encode())
    assert SqueezeBertTokenizer(path).get_vocab().keys() == set(WORDS)


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
