"""Generated sentences whose words are tagged: the times, places, names and things in requests.

In training most slots are filled by grammar/forms.toml, which has more words, forms with invented
ones ("the ...er", "half past ..."), and more templates. No held-out filler is read.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from squeezebert_mobile.training.demos.composition import broadened, composed
from squeezebert_mobile.training.demos.sentences import (
    Grammar,
    distinct,
    filled_politely,
    invented_number,
    invented_word,
    known_words,
    read_grammar,
    unreserved,
)

__all__ = ["TAGGED", "TaggedSentence", "tagged_sentences"]

#: The slots whose words are tagged.
TAGGED = (
    *("time", "day", "duration", "name", "place", "song", "artist", "genre", "item", "task"),
    *("device", "room", "colour", "language"),
)

_FORMED = 0.6  # share of the slots that are filled by forms.toml
_SLIPS, _DROPPED = 0.06, 0.02  # shares of the words that are misheard or dropped, and dropped
_BEGIN, _NAMED, _END = "\ue000", "\ue001", "\ue002"  # mark a slot: begin, name, named, words, end
#: Words of forms that are not in a list.
_INVENTED: dict[str, Callable[[random.Random], str]] = {
    "word": lambda rng: unreserved(invented_word, rng),
    "known": lambda rng: rng.choice(known_words()),
    "digits": lambda rng: unreserved(invented_number, rng),
}
_MARK = re.compile(rf"{_BEGIN}\w+{_NAMED}|{_END}")
_TOKEN = re.compile(rf"{_MARK.pattern}|\w+(?:['’.:,-]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class TaggedSentence:
    """The words of a request, and the tag of each: B-time, I-time, O."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def tagged_sentences(
    split: str, *, per_intent: int, seed: int = 0, noisy: bool = False
) -> list[TaggedSentence]:
    """Distinct tagged sentences of a split, the same number for every intent.

    Args:
        split: One of SPLITS.
        per_intent: The number of sentences per intent.
        seed: Random seed.
        noisy: Whether templates and forms of grammar/forms.toml are added, and words are misheard.
            The few sentences in which that makes a held-out filler are left out.
    """
    grammar = broadened(split) if noisy else read_grammar(split)
    slips = random.Random(f"slips of {split} {seed}")
    make = _maker(grammar, formed=_FORMED if noisy else 0)
    texts = distinct(split, grammar, per_intent, seed, make)
    tagged = [_tagged(text, slips, noisy) for text in texts]
    return [one for one in tagged if not noisy or not _has_held_out(" ".join(one.words))]


def _maker(grammar: Grammar, *, formed: float) -> Callable[[str, bool, random.Random], str]:
    """A function that fills a template, some slots by form, and marks the tagged slots."""
    forms = read_grammar("forms").slots

    def make(template: str, is_command: bool, rng: random.Random) -> str:
        def fill(slot: str) -> str:
            if slot in _INVENTED:
                return _INVENTED[slot](rng)
            if slot in grammar.phrases:
                return rng.choice(grammar.phrases[slot])
            fillers = grammar.slots.get(slot)
            if fillers is None or (formed and slot in forms and rng.random() < formed):
                fillers = forms[slot]
            filler = rng.choice(fillers)
            return f"{_BEGIN}{slot}{_NAMED}{filler}{_END}" if slot in TAGGED else filler

        while True:
            whole = composed(template, grammar, rng)
            text = filled_politely(whole, grammar, rng, fill, is_command)
            if not formed or not _has_held_out(text):  # "on" may have come to stand before "sunday"
                return text

    return make


@cache
def _held_out_fillers() -> dict[str, list[list[str]]]:
    """The words of each filler of the held-out split, by the first one."""
    groups = read_grammar("held_out").slots.values()
    fillers = defaultdict[str, list[list[str]]](list)
    for filler in (_words(one) for group in groups for one in group if "{" not in one):
        fillers[filler[0]].append(filler)
    return dict(fillers)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _has_held_out(text: str) -> bool:
    """Whether a filler of the held-out split is in the text."""
    words, fillers = _words(_MARK.sub("", text)), _held_out_fillers()
    return any(
        words[start : start + len(filler)] == filler
        for start, word in enumerate(words)
        for filler in fillers.get(word, ())
    )


def _tagged(text: str, rng: random.Random, noisy: bool) -> TaggedSentence:
    """The words and tags of a text with slot marks; of nested slots the outermost counts."""
    words = list[tuple[str, str, int]]()  # word, slot, the slot's number
    open_slots, number = list[str](), 0
    for token in _TOKEN.findall(text):
        if token.startswith(_BEGIN):
            number += not open_slots
            open_slots.append(token[1:-1])
        elif token == _END:
            open_slots.pop()
        else:
            words.append((token, open_slots[0] if open_slots else "", number))
    if noisy:
        words = _with_slips(words, rng)
    slots = [(slot, number) for _, slot, number in words]
    tags = [
        (f"{'I' if previous == (slot, number) else 'B'}-{slot}" if slot else "O")
        for previous, (slot, number) in zip([None, *slots], slots, strict=False)
    ]
    return TaggedSentence(tuple(word for word, *_ in words), tuple(tags))


def _with_slips(
    words: list[tuple[str, str, int]], rng: random.Random
) -> list[tuple[str, str, int]]:
    """Drop or replace a few words, in slots and outside, so that an unknown word can be either."""
    kept = []
    for word, slot, number in words:
        draw = rng.random()
        if draw >= _SLIPS:
            kept.append((word, slot, number))
        elif draw >= _DROPPED:
            kept.append((unreserved(invented_word, rng), slot, number))
    return kept or words
