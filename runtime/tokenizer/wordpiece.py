"""The WordPiece tokenizer, with the same results as in transformers.

It uses the `tokenizers` library. The library stores truncation and padding settings in the
tokenizer, which is not thread-safe; here both are applied to the encodings of each call, so that
threads can share a tokenizer.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import WordPiece

from squeezebert_mobile.errors import CheckpointError, InputError, choose
from squeezebert_mobile.hub import settings_folder
from squeezebert_mobile.runtime.tokenizer.batch_encoding import BatchEncoding, as_lists, as_tensors
from squeezebert_mobile.runtime.tokenizer.input_text import as_batch, check_room
from squeezebert_mobile.runtime.tokenizer.rows import Row, Segment, first_row, rows_with_overflow
from squeezebert_mobile.runtime.tokenizer.special_tokens import SPECIAL_TOKENS, check_special_tokens
from squeezebert_mobile.runtime.tokenizer.vocabulary import (
    UNLIMITED,
    read_settings,
    read_vocab_file,
)

__all__ = ["SqueezeBertTokenizer", "SqueezeBertTokenizerFast"]

_PADDINGS = {True: "longest", False: "do_not_pad", "max_length": "max_length"}
_LARGE = int(1e20)  # a larger model_max_length means "no limit"; transformers writes 1e30


class SqueezeBertTokenizer:
    """Converts texts and pairs of texts to model inputs, truncated and padded on the right."""

    padding_side = truncation_side = "right"

    def __init__(
        self,
        vocab: Mapping[str, int] | str | Path,
        *,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
        special_tokens: Mapping[str, str] | None = None,
        added_tokens: Sequence[AddedToken] = (),
        model_max_length: int = UNLIMITED,
        has_token_types: bool = True,
    ) -> None:
        """Create a tokenizer from a vocabulary (see `from_pretrained` for a checkpoint).

        Args:
            vocab: token -> id, or the path of a vocab.txt.
            do_lower_case: whether to convert texts to lower case.
            strip_accents: whether to strip accents; None: same as do_lower_case.
            tokenize_chinese_chars: whether each CJK ideograph is a separate word.
            special_tokens: `unk_token`, `sep_token`, `pad_token`, `cls_token`, `mask_token`, if
                they differ from BERT's.
            added_tokens: tokens that are matched in a text before it is split into words.
            model_max_length: default of max_length for truncation.
            has_token_types: whether the second text of a pair has type 1; otherwise all have 0.

        Raises:
            CheckpointError: the vocabulary is empty or lacks a special token.
        """
        if isinstance(vocab, str | Path):
            vocab = read_vocab_file(Path(vocab))
        names = {**SPECIAL_TOKENS, **(special_tokens or {})}
        if not vocab:
            raise CheckpointError("the vocabulary is empty; it needs one token per line")
        check_special_tokens(vocab, names, {token.content for token in added_tokens})
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.model_max_length = model_max_length
        self.has_token_types = has_token_types
        self.unk_token, self.sep_token = names["unk_token"], names["sep_token"]
        self.pad_token, self.cls_token = names["pad_token"], names["cls_token"]
        self.mask_token = names["mask_token"]
        try:
            self._tokenizer = self._build(vocab, list(added_tokens))
        except Exception as error:  # the library raises plain Exceptions
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"the vocabulary cannot be used: {reason}") from None
        self.unk_token_id, self.sep_token_id = self._id("unk_token"), self._id("sep_token")
        self.pad_token_id, self.cls_token_id = self._id("pad_token"), self._id("cls_token")
        self.mask_token_id = self._id("mask_token")

    @classmethod
    def from_pretrained(
        cls, checkpoint: str | Path, *, revision: str | None = None
    ) -> "SqueezeBertTokenizer":
        """Load the tokenizer of a checkpoint.

        Args:
            checkpoint: a folder or Hub id with tokenizer.json or vocab.txt.
            revision: a branch, a tag or a commit of a Hub id; None is its default branch.

        Raises:
            CheckpointError: the files are missing, damaged or inconsistent.
        """
        return cls(**vars(read_settings(settings_folder(checkpoint, revision=revision))))

    @classmethod
    def from_artifact(cls, folder: Path, files: Collection[str]) -> "SqueezeBertTokenizer":
        """Load the tokenizer of an artifact; only `files`, whose checksums are known, are read.

        Raises:
            CheckpointError: as in `from_pretrained`.
        """
        return cls(**vars(read_settings(folder, listed=files)))

    def _build(self, vocab: Mapping[str, int], added: list[AddedToken]) -> Tokenizer:
        tokenizer = Tokenizer(WordPiece(dict(vocab), unk_token=self.unk_token))
        tokenizer.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.tokenize_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.do_lower_case,
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(prefix="##")
        contents = {token.content for token in added}
        tokenizer.add_tokens(added)
        tokenizer.add_tokens(
            [AddedToken(t, special=True) for t in self._special().values() if t not in contents]
        )
        cls, sep = self.cls_token, self.sep_token
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[f"{cls}:0", "$A:0", f"{sep}:0"],
            pair=[f"{cls}:0", "$A:0", f"{sep}:0", "$B:1", f"{sep}:1"],
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in {cls, sep}],
        )
        return tokenizer

    def _special(self) -> dict[str, str]:
        return {key: getattr(self, key) for key in SPECIAL_TOKENS}

    def _id(self, key: str) -> int:
        number = self._tokenizer.token_to_id(getattr(self, key))
        assert number is not None, key  # check_special_tokens
        return number

    # Texts to ids ---------------------------------------------------------------------------

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        return_overflowing_tokens: bool = False,
        return_offsets_mapping: bool = False,
        return_special_tokens_mask: bool = False,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Model inputs for a text or a list of texts.

        Args:
            text: a text or a list of texts.
            text_pair: the second text of each.
            add_special_tokens: whether to add [CLS] and [SEP].
            padding: True or "longest" pads to the longest row, "max_length" to max_length.
            truncation: True or "longest_first" truncates the longer text of a pair first,
                "only_first" and "only_second" only that text; None truncates if max_length is set.
            max_length: the maximum number of tokens in a row; None is model_max_length.
            stride: the number of tokens that an overflowing row shares with the one before it.
            return_overflowing_tokens: whether to return the truncated tokens as further rows, with
                the index of their text in overflow_to_sample_mapping.
            return_offsets_mapping: whether to return the position of each token in its text, in
                characters.
            return_special_tokens_mask: whether to return a mask of the added special tokens.
            return_tensors: "np" or "pt" for int64 arrays or tensors; None for lists.

        Returns:
            input_ids, token_type_ids, attention_mask, and the optional fields.

        Raises:
            InputError: a text is invalid, or the options are incompatible.
        """
        if max_length is not None and truncation is None and padding is False:
            truncation = True
        firsts = self.encode_rows(
            text,
            text_pair,
            add_special_tokens=add_special_tokens,
            strategy="longest_first" if truncation is True else truncation or None,
            max_length=max_length,
            stride=stride,
        )
        rows = list(enumerate(firsts))
        if return_overflowing_tokens:
            rows = [(i, part) for i, row in rows for part in rows_with_overflow(row, stride)]
        longest = max(map(len, firsts), default=0)
        length = self._padded_length(padding, longest, max_length)
        encoding = as_lists(
            [row for _, row in rows],
            length,
            self.pad_token_id,
            special_tokens=return_special_tokens_mask,
            offsets=return_offsets_mapping,
            token_types=self.has_token_types,
        )
        if return_overflowing_tokens:
            encoding["overflow_to_sample_mapping"] = [i for i, _ in rows]
        if return_tensors is not None:
            return as_tensors(encoding, return_tensors)
        if isinstance(text, str) and not return_overflowing_tokens:
            return BatchEncoding({name: values[0] for name, values in encoding.items()})
        return encoding

    def encode_rows(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        strategy: str | None = None,
        max_length: int | None = None,
        stride: int = 0,
    ) -> list[Row]:
        """One row per text, without padding; see `rows_with_overflow` for the truncated tokens.

        Raises:
            InputError: as in a call.
        """
        firsts, seconds = as_batch(text, text_pair)
        room = self.model_max_length if max_length is None else max_length
        if strategy is not None and room > _LARGE:
            strategy = None  # no limit to truncate to
        if strategy is not None:
            specials = self.num_special_tokens_to_add(bool(seconds)) if add_special_tokens else 0
            check_room(room, specials, stride)
            room -= specials
        segments = [self._segments(texts) for texts in (firsts, seconds) if texts]
        special_ids = (self.cls_token_id, self.sep_token_id) if add_special_tokens else None
        return [
            first_row(pair, special_ids=special_ids, strategy=strategy, room=room, stride=stride)
            for pair in zip(*segments, strict=True)
        ]

    def _segments(self, texts: list[str]) -> list[Segment]:
        return [
            Segment(encoding)
            for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)
        ]

    def _padded_length(self, padding: bool | str, longest: int, max_length: int | None) -> int:
        mode = _PADDINGS[padding] if isinstance(padding, bool) else padding
        if mode not in _PADDINGS.values():
            raise InputError(choose("padding", mode, _PADDINGS.values()))
        if mode == "longest":
            return longest
        length = self.model_max_length if max_length is None else max_length
        return 0 if mode == "do_not_pad" or length > _LARGE else length

    def tokenize(self, text: str, text_pair: str | None = None) -> list[str]:
        """The tokens of a text (and its pair), without special tokens."""
        row = self.encode_rows(text, text_pair, add_special_tokens=False)[0]
        return [token for segment in row.segments for token in segment.encoding.tokens]

    # Rows from token ids --------------------------------------------------------------------

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The number of special tokens added to a text or a pair of texts."""
        return 3 if pair else 2

    def build_inputs_with_special_tokens(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """`[CLS] A [SEP]`, or `[CLS] A [SEP] B [SEP]`."""
        row = [self.cls_token_id, *token_ids_0, self.sep_token_id]
        return row if token_ids_1 is None else [*row, *token_ids_1, self.sep_token_id]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: Sequence[int], token_ids_1: Sequence[int] | None = None
    ) -> list[int]:
        """0 for the first text and its special tokens, 1 for the second text and its [SEP]."""
        first, second = [0] * (len(token_ids_0) + 2), int(self.has_token_types)
        return first if token_ids_1 is None else first + [second] * (len(token_ids_1) + 1)

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Sequence[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for special tokens in the row, or in the row that would be built; else 0."""
        if already_has_special_tokens:
            special = {
                number
                for number, token in self._tokenizer.get_added_tokens_decoder().items()
                if token.special
            }
            return [int(number in special) for number in token_ids_0]
        row = [1, *[0] * len(token_ids_0), 1]
        return row if token_ids_1 is None else [*row, *[0] * len(token_ids_1), 1]

    # Ids to texts ---------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """The size of the vocabulary without added tokens."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=False))

    def __len__(self) -> int:
        """The size of the vocabulary with added tokens."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def get_vocab(self) -> dict[str, int]:
        """Token -> id, with added tokens."""
        return dict(self._tokenizer.get_vocab(with_added_tokens=True))

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of the ids, as far as the vocabulary preserves it."""
        ids = [int(number) for number in token_ids]
        return self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of tokens, with the pieces of a word joined."""
        return str(self._tokenizer.decoder.decode(list(tokens)))

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int: ...
    @overload
    def convert_tokens_to_ids(self, tokens: list[str] | tuple[str, ...]) -> list[int]: ...
    def convert_tokens_to_ids(self, tokens: str | list[str] | tuple[str, ...]) -> int | list[int]:
        """The id of a token, or of each token in a list; `unk_token_id` for unknown ones."""
        if isinstance(tokens, str):
            number = self._tokenizer.token_to_id(tokens)
            return self.unk_token_id if number is None else number
        return [self.convert_tokens_to_ids(token) for token in tokens]

    @overload
    def convert_ids_to_tokens(self, ids: int) -> str | None: ...
    @overload
    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str | None]: ...
    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> str | None | list[str | None]:
        """The token of an id, or of each id in a list; None for unknown ids."""
        if isinstance(ids, int | np.integer):
            return self._tokenizer.id_to_token(int(ids))
        return [self._tokenizer.id_to_token(int(number)) for number in ids]

    # Files ----------------------------------------------------------------------------------

    def save_vocabulary(self, folder: str | Path) -> tuple[str]:
        """Write vocab.txt, one token per line in the order of ids; returns its path."""
        by_id = {number: token for token, number in self._tokenizer.get_vocab(False).items()}
        # An id without a token gets an empty line, so that the other ids stay the line numbers.
        lines = [by_id.get(number, "") for number in range(max(by_id) + 1)]
        path = Path(folder) / "vocab.txt"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return (str(path),)

    def save_pretrained(self, folder: str | Path) -> tuple[str, ...]:
        """Write tokenizer.json, vocab.txt and tokenizer_config.json to `folder`.

        Returns:
            The paths of the files. The same tokenizer writes the same bytes.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        settings = {
            "tokenizer_class": "SqueezeBertTokenizer",
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
            "model_max_length": self.model_max_length,
            **self._special(),
        }
        files = {
            "tokenizer.json": self._tokenizer.to_str(pretty=True),
            "tokenizer_config.json": json.dumps(settings, ensure_ascii=False, indent=2) + "\n",
        }
        for name, text in files.items():
            (target / name).write_bytes(text.encode("utf-8"))
        return (*(str(target / name) for name in files), *self.save_vocabulary(target))


SqueezeBertTokenizerFast = SqueezeBertTokenizer
