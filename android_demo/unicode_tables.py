"""Writes tables of how the tokenizers library treats each character, for the Kotlin tokenizer.

    python android_demo/unicode_tables.py > \
        android_demo/core/src/main/resources/squeezebertmobile/unicode.txt

Android's Unicode tables differ between versions, and from those of the library. So the Kotlin
tokenizer does not use them: it reads this file, which records the library's behaviour for every
character. Each line is a table: its name, then ranges in hexadecimal, both ends included.

    space, removed, ideograph, punctuation, mark, word    sets: 9-d 20 85
    lower                                 +distance, /step: 41-5a+20 100-12e/2+1 130=69.307
    decomposed                            full decompositions: c0=41.300
    order                                 sort keys of marks: 300-314=e6 (only their order counts)

Hangul syllables are omitted from `decomposed`: Unicode defines a formula for them, which is checked
here.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator

from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel

CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]  # no surrogates
HANGUL = range(0xAC00, 0xD7A4)
_CHUNK = 4096


def tables() -> str:
    """The contents of the file."""
    decomposed = _decompositions()
    lines = {
        "space": _ranges(_spaces()),
        "removed": _ranges(_removed()),
        "ideograph": _ranges(_ideographs()),
        "punctuation": _ranges(_punctuation()),
        "mark": _ranges(_marks(decomposed)),
        "word": _ranges(_words()),
        "lower": _mapping(_lower()),
        "decomposed": _mapping({c: d for c, d in decomposed.items() if c not in HANGUL}),
        "order": _order(decomposed),
    }
    return "".join(f"{name} {' '.join(parts)}\n" for name, parts in lines.items())


# The library's behaviour --------------------------------------------------------------------


def _bert(**options: bool) -> Callable[[str], str]:
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    normalizer = normalizers.BertNormalizer(**{name: options.get(name, False) for name in names})
    return normalizer.normalize_str


def _removed() -> list[int]:
    clean = _bert(clean_text=True)
    return [code for code in CODES if clean(chr(code)) == ""]


def _spaces() -> list[int]:
    """Word separators; cleaning replaces them by a space, and added tokens strip them."""
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    spaces = [code for code in CODES if not split(chr(code))]
    clean = _bert(clean_text=True)  # removes some of them first
    assert all(clean(chr(code)) == ("" if chr(code) in "\v\f\x85" else " ") for code in spaces)
    assert spaces == [code for code, end in _added_token_ends(rstrip=True) if end == 2]
    return spaces


def _ideographs() -> list[int]:
    spaced = _bert(handle_chinese_chars=True)
    return [code for code in CODES if spaced(chr(code)) == f" {chr(code)} "]


def _punctuation() -> list[int]:
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return [code for code in CODES if len(split(f"a{chr(code)}b")) == 3]


def _marks(decomposed: dict[int, str]) -> list[int]:
    strip = _bert(strip_accents=True)
    return [code for code in CODES if code not in decomposed and strip(chr(code)) == ""]


def _words() -> list[int]:
    """Word characters: an added token with single_word is not matched beside them."""
    return [code for code, end in _added_token_ends(single_word=True) if end is None]


def _lower() -> dict[int, str]:
    lower = _bert(lowercase=True)
    return {code: to for code in CODES if (to := lower(chr(code))) != chr(code)}


def _decompositions() -> dict[int, str]:
    nfd = normalizers.NFD().normalize_str
    decomposed = {code: to for code in CODES if (to := nfd(chr(code))) != chr(code)}
    for code in HANGUL:
        lead, vowel, tail = (code - 0xAC00) // 588, (code - 0xAC00) // 28 % 21, (code - 0xAC00) % 28
        formula = [0x1100 + lead, 0x1161 + vowel] + [0x11A7 + tail] * (tail > 0)
        assert decomposed[code] == "".join(map(chr, formula)), hex(code)
    assert all(nfd(part) == part for to in decomposed.values() for part in to)
    return decomposed


def _added_token_ends(**options: bool) -> Iterator[tuple[int, int | None]]:
    """Each character, with the end of an added token before it, or None if it is not matched."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("@", normalized=False, **options)])
    for codes in (CODES[first : first + _CHUNK] for first in range(0, len(CODES), _CHUNK)):
        text = "".join(f"@{chr(code)}!" for code in codes)
        encoding = tokenizer.encode(text)
        ends = dict(
            offsets for offsets, token in zip(encoding.offsets, encoding.ids, strict=True) if token
        )
        for index, code in enumerate(codes):
            end = ends.get(3 * index)
            yield code, None if end is None else end - 3 * index


def _order(decomposed: dict[int, str]) -> list[str]:
    """Combining marks that are reordered, numbered by their canonical order.

    One mark of each combining class is found by trying marks in pairs: if two marks are swapped,
    the one that moves to the front has the lower class.
    """
    nfd = normalizers.NFD().normalize_str

    def goes_before(code: int, other: int) -> bool:
        return nfd(chr(other) + chr(code)) == chr(code) + chr(other)

    last, first = 0x345, 0x334  # classes 240 and 1, the highest and the lowest
    movable = [
        code
        for code in CODES
        if code not in decomposed
        and (
            code == last or goes_before(code, last) or (code != first and goes_before(first, code))
        )
    ]
    representatives: list[int] = []
    for code in movable:
        if all(goes_before(code, r) or goes_before(r, code) for r in representatives):
            representatives.append(code)
    rank = {code: 1 + sum(goes_before(r, code) for r in representatives) for code in movable}
    return [
        f"{_span(codes)}={number:x}"
        for number, same in itertools.groupby(movable, key=rank.__getitem__)
        for codes in _runs(same)
    ]


# The file format ----------------------------------------------------------------------------


def _runs(codes: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][-1] == code - 1:
            runs[-1].append(code)
        else:
            runs.append([code])
    return runs


def _span(run: list[int]) -> str:
    return f"{run[0]:x}" if len(run) == 1 else f"{run[0]:x}-{run[-1]:x}"


def _ranges(codes: Iterable[int]) -> list[str]:
    return [_span(run) for run in _runs(codes)]


def _mapping(to: dict[int, str]) -> list[str]:
    """Runs of characters with the same distance as ranges, all others individually."""
    parts: list[str] = []
    written: set[int] = set()
    for first in sorted(to):
        if first in written:
            continue
        taken = max((_same_distance(first, to, step) for step in (1, 2)), key=len)
        written.update(taken)
        if len(taken) > 1:
            step = taken[1] - first
            ends = f"{first:x}-{taken[-1]:x}" + (f"/{step:x}" if step > 1 else "")
            parts.append(f"{ends}{ord(to[first]) - first:+x}")
        else:
            parts.append(f"{first:x}={'.'.join(f'{ord(c):x}' for c in to[first])}")
    return parts


def _same_distance(first: int, to: dict[int, str], step: int) -> list[int]:
    if len(to[first]) > 1:
        return [first]
    distance = ord(to[first]) - first
    taken = [first]
    while (code := taken[-1] + step) in to and to[code] == chr((code + distance) % 0x110000):
        taken.append(code)
    return taken


if __name__ == "__main__":
    sys.stdout.write(tables())
