"""The sentences of the demo: twelve things that people ask a voice assistant for.

Three grammars, in grammar/, one a split: `training`, `development` (for choices while
the recipe was made) and `held_out` (for the reported accuracy). No two share a template, a polite
phrase or a filler, so that a held-out sentence has in common with training what every way of
saying the thing has in common: its verbs, and the grammar of English.
"""

import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = [
    "INTENTS",
    "SPLITS",
    "TAGGED",
    "Grammar",
    "Sentence",
    "TaggedSentence",
    "read_grammar",
    "sentences",
    "tagged_sentences",
]

SPLITS = ("training", "development", "held_out")
INTENTS = (
    "set_alarm",
    "set_timer",
    "check_weather",
    "play_music",
    "make_call",
    "send_message",
    "get_directions",
    "set_reminder",
    "shopping_list",
    "smart_home",
    "translate",
    "calculate",
)
#: The slots whose words are tagged.
TAGGED = (
    *("time", "day", "duration", "name", "place", "song", "artist", "genre", "item", "task"),
    *("device", "room", "colour", "language"),
)

_GRAMMARS = Path(__file__).parent / "grammar"
_CHOICE = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")
# Slots that may hold anything. In training a part of them does, so that an unknown word, or a
# known one in another's place, says nothing about the intent, and the words around it must.
_OPEN = (
    "name",
    "place",
    "song",
    "artist",
    "genre",
    "item",
    "task",
    "device",
    "cover",
    "room",
    "colour",
    "language",
    "phrase",
    "body",
    "adjective",
    "fall",
    "wear",
    "unit",
    "day",
)
_NUMBERS = ("number", "count")
_MADE_UP_NUMBERS = 0.5  # share of these that is any number
_SWAPPED = 0.15  # share of open slots that hold the filler of another slot
_MADE_UP = 0.25  # share of open slots that hold made-up words
_PREFIXED, _SUFFIXED = 0.45, 0.25  # shares of the commands
_SLIPS = 0.15  # share of the words that are lost or misheard
_SHUFFLED = 0.2  # share of the sentences
_BLENDED, _COMPOUND = 0.35, 0.35  # shares of the made-up words that look like English
_OPEN_TAGGED = tuple(slot for slot in TAGGED if slot in _OPEN and slot not in {"day", "task"})
_MADE_UP_TAGGED = 0.4  # share of these that hold made-up words
_BEGIN, _NAMED, _END = "\ue000", "\ue001", "\ue002"  # around a slot: begin, name, named, words, end
_TOKEN = re.compile(rf"{_BEGIN}\w+{_NAMED}|{_END}|\w+(?:['’.:,-]\w+)*|[^\w\s]")
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


@dataclass(frozen=True)
class Sentence:
    """What somebody says, and which of INTENTS it means."""

    text: str
    intent: str


@dataclass(frozen=True)
class TaggedSentence:
    """What somebody says, word by word, and which slot each stands in: B-time, I-time, O."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Grammar:
    """The templates and fillers of a split."""

    prefixes: tuple[str, ...]  # go before a command
    suffixes: tuple[str, ...]  # and behind it
    slots: Mapping[str, Sequence[str]]
    commands: Mapping[str, Sequence[str]]  # by intent
    sentences: Mapping[str, Sequence[str]]  # questions and statements, which stand alone


@cache
def read_grammar(split: str) -> Grammar:
    """The grammar of one of SPLITS."""
    with (_GRAMMARS / f"{split}.toml").open("rb") as file:
        data = tomllib.load(file)
    return Grammar(
        prefixes=tuple(data["prefixes"]),
        suffixes=tuple(data["suffixes"]),
        slots=data["slots"],
        commands=data["commands"],
        sentences=data["sentences"],
    )


def sentences(split: str, *, per_intent: int, seed: int = 0, noisy: bool = False) -> list[Sentence]:
    """Different sentences of a split, the same number for every intent.

    Args:
        split: One of SPLITS.
        per_intent: How many of each intent.
        seed: The same seed gives the same sentences.
        noisy: Whether fillers are swapped and made up, and words lost, so that a model which
            learns from them looks at the whole sentence.
    """
    grammar = read_grammar(split)

    def make(template: str, is_command: bool, rng: random.Random) -> str:
        text = _said(
            template, grammar, rng, lambda slot: _filler(slot, grammar, rng, noisy), is_command
        )
        return _with_slips(text, rng) if noisy else text

    return [Sentence(*pair) for pair in _different(split, per_intent, seed, make).items()]


def tagged_sentences(
    split: str, *, per_intent: int, seed: int = 0, noisy: bool = False
) -> list[TaggedSentence]:
    """Different sentences of a split with their tags, as many for every intent.

    Args:
        split: One of SPLITS.
        per_intent: How many of each intent.
        seed: The same seed gives the same sentences.
        noisy: Whether slots that may hold anything do so now and then, and words are lost.
    """
    grammar = read_grammar(split)

    def make(template: str, is_command: bool, rng: random.Random) -> str:
        def fill(slot: str) -> str:
            if noisy and slot in _OPEN_TAGGED and rng.random() < _MADE_UP_TAGGED:
                filler = _made_up_words(rng)
            else:
                filler = rng.choice(grammar.slots[slot])
            return f"{_BEGIN}{slot}{_NAMED}{filler}{_END}" if slot in TAGGED else filler

        return _said(template, grammar, rng, fill, is_command)

    slips = random.Random(f"slips of {split} {seed}")
    return [_tagged(text, slips, noisy) for text in _different(split, per_intent, seed, make)]


def _tagged(text: str, rng: random.Random, noisy: bool) -> TaggedSentence:
    """The words of a text with marks; of slots within slots the outermost counts."""
    found = list[tuple[str, str, int]]()  # word, slot, which one
    inside, number = list[str](), 0
    for token in _TOKEN.findall(text):
        if token.startswith(_BEGIN):
            number += not inside
            inside.append(token[1:-1])
        elif token == _END:
            inside.pop()
        else:
            found.append((token, inside[0] if inside else "", number))
    if noisy:
        found = _with_slips_beside_tags(found, rng)
    tags = [
        (f"{'I' if before == (slot, place) else 'B'}-{slot}" if slot else "O")
        for before, (_, slot, place) in zip(
            [None, *((slot, place) for _, slot, place in found)], found, strict=False
        )
    ]
    return TaggedSentence(tuple(word for word, *_ in found), tuple(tags))


def _with_slips_beside_tags(
    found: list[tuple[str, str, int]], rng: random.Random
) -> list[tuple[str, str, int]]:
    """The words with a few left out or made up; an unknown word may then be of a slot or none."""
    words = []
    for word, slot, place in found:
        kind = rng.random()
        if kind < _SLIPS:
            words += [(_anew(_made_up_word, rng), slot, place)] if kind < _SLIPS * 0.7 else []
        else:
            words.append((word, slot, place))
    return words or found


def _different(
    split: str, per_intent: int, seed: int, make: Callable[[str, bool, random.Random], str]
) -> dict[str, str]:
    """Text -> intent: what `make` makes of the templates, as typed, until there are enough."""
    grammar = read_grammar(split)
    rng = random.Random(f"{split} {seed}")
    texts: dict[str, str] = {}
    for intent in INTENTS:
        templates = _templates(grammar, intent)
        wanted = len(texts) + per_intent
        while len(texts) < wanted:
            rng.shuffle(templates)  # a round through all, so that each has the same share
            for template, is_command in templates:
                text = make(template, is_command, rng)
                if len(texts) < wanted:
                    texts.setdefault(_as_typed(text, rng), intent)
    return texts


def _templates(grammar: Grammar, intent: str) -> list[tuple[str, bool]]:
    commands = [(template, True) for template in grammar.commands[intent]]
    return commands + [(template, False) for template in grammar.sentences[intent]]


def _said(
    template: str,
    grammar: Grammar,
    rng: random.Random,
    fill: Callable[[str], str],
    is_command: bool,
) -> str:
    """The template, filled; a command politely."""
    text = _fill(template, rng, fill)
    if not is_command:
        return text
    if rng.random() < _PREFIXED:
        text = f"{_fill(rng.choice(grammar.prefixes), rng, fill)} {text}"
    if rng.random() < _SUFFIXED:
        text = f"{text} {_fill(rng.choice(grammar.suffixes), rng, fill)}"
    return text


def _fill(template: str, rng: random.Random, fill: Callable[[str], str]) -> str:
    """The template with a random option of each choice, and in each slot what `fill` gives."""
    while choice := _CHOICE.search(template):
        option = rng.choice(choice[1].split("|"))
        template = template[: choice.start()] + option + template[choice.end() :]
    while slot := _SLOT.search(template):
        template = template[: slot.start()] + fill(slot[1]) + template[slot.end() :]
    return " ".join(template.split())


def _filler(slot: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    if noisy and slot in _NUMBERS and rng.random() < _MADE_UP_NUMBERS:
        return _anew(_made_up_number, rng)
    if noisy and slot in _OPEN:
        kind = rng.random()
        if kind < _MADE_UP:
            return _made_up_words(rng)
        if kind < _MADE_UP + _SWAPPED:
            slot = rng.choice([*grammar.slots])
    return rng.choice(grammar.slots[slot])


def _words(*texts: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(texts).lower()))


@cache
def _known_words() -> tuple[str, ...]:
    grammar = read_grammar("training")
    tables = (grammar.slots, grammar.commands, grammar.sentences)
    known = _words(*(text for table in tables for group in table.values() for text in group))
    return tuple(sorted(word for word in known if word.isalpha() and len(word) > 2))


@cache
def _reserved_words() -> set[str]:
    """Words of the other splits' fillers, which training must not make up by accident."""
    others = [read_grammar(split).slots for split in SPLITS if split != "training"]
    return _words(*(text for slots in others for group in slots.values() for text in group))


def _anew(make: Callable[[random.Random], str], rng: random.Random) -> str:
    """What `make` makes, and no reserved word."""
    while (made := make(rng)) in _reserved_words():
        pass
    return made


def _made_up_number(rng: random.Random) -> str:
    return str(rng.randint(1, 10 ** rng.randint(1, 4)))


def _made_up_words(rng: random.Random) -> str:
    """One, or up to four."""
    count = rng.choice((1, 1, 1, 2, 2, 3, 4))
    return " ".join(_anew(_made_up_word, rng) for _ in range(count))


def _made_up_word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < _BLENDED + _COMPOUND:
        return _blend(rng, whole=kind < _COMPOUND)
    return _babble(rng)


def _blend(rng: random.Random, *, whole: bool) -> str:
    """The beginning of one known word, or the whole of it, and the end of another.

    Whole, because a word may well begin with one that means something else: "spin" is for music,
    spinach is not.
    """
    first, second = rng.choice(_known_words()), rng.choice(_known_words())
    beginning = first if whole else first[: rng.randint(1, len(first))]
    return beginning + second[rng.randint(1, len(second) - 1) :]


def _babble(rng: random.Random) -> str:
    syllables = (
        rng.choice(_CONSONANTS) + rng.choice(_VOWELS) + rng.choice(("", "", *_CONSONANTS))
        for _ in range(rng.randint(1, 4))
    )
    return "".join(syllables)


def _with_slips(text: str, rng: random.Random) -> str:
    """The text with a few words left out or made up as if misheard, or in another order."""
    words = []
    for word in text.split():
        kind = rng.random()
        if kind < _SLIPS:
            words += [_anew(_made_up_word, rng)] if kind < _SLIPS / 2 else []
        else:
            words.append(word)
    if rng.random() < _SHUFFLED:
        rng.shuffle(words)
    return " ".join(words) or text


def _as_typed(text: str, rng: random.Random) -> str:
    """Capitals and a final mark, or the bare words as speech recognition gives them."""
    if rng.random() < 0.5:
        return text.rstrip("?")
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else rng.choice(("", ".")))
