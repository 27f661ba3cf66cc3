"""The sentences of the demo: twelve things that people ask a voice assistant for.

Three grammars, in assets/demo_grammar/, one a split: `training`, `development` (for choices while
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

__all__ = ["INTENTS", "SPLITS", "Grammar", "Sentence", "read_grammar", "sentences"]

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

_GRAMMARS = Path(__file__).parent / "assets" / "demo_grammar"
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
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


@dataclass(frozen=True)
class Sentence:
    """What somebody says, and which of INTENTS it means."""

    text: str
    intent: str


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
    rng = random.Random(f"{split} {seed}")
    texts: dict[str, str] = {}
    for intent in INTENTS:
        templates = _templates(grammar, intent)
        wanted = len(texts) + per_intent
        while len(texts) < wanted:
            rng.shuffle(templates)  # a round through all, so that each has the same share
            for template, is_command in templates:
                text = _fill(template, grammar, rng, noisy)
                if is_command:
                    text = _with_politeness(text, grammar, rng, noisy)
                if noisy:
                    text = _with_slips(text, rng)
                if len(texts) < wanted:
                    texts.setdefault(_as_typed(text, rng), intent)
    return [Sentence(text, intent) for text, intent in texts.items()]


def _templates(grammar: Grammar, intent: str) -> list[tuple[str, bool]]:
    commands = [(template, True) for template in grammar.commands[intent]]
    return commands + [(template, False) for template in grammar.sentences[intent]]


def _fill(template: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    """The template with a random option of each choice and a random filler in each slot."""
    while choice := _CHOICE.search(template):
        option = rng.choice(choice[1].split("|"))
        template = template[: choice.start()] + option + template[choice.end() :]
    while slot := _SLOT.search(template):
        filler = _filler(slot[1], grammar, rng, noisy)
        template = template[: slot.start()] + filler + template[slot.end() :]
    return " ".join(template.split())


def _filler(slot: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    if noisy and slot in _NUMBERS and rng.random() < _MADE_UP_NUMBERS:
        return _anew(_made_up_number, rng)
    if noisy and slot in _OPEN:
        kind = rng.random()
        if kind < _MADE_UP:
            return " ".join(
                _anew(_made_up_word, rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))
            )
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


def _with_politeness(command: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    if rng.random() < _PREFIXED:
        command = f"{_fill(rng.choice(grammar.prefixes), grammar, rng, noisy)} {command}"
    if rng.random() < _SUFFIXED:
        command = f"{command} {_fill(rng.choice(grammar.suffixes), grammar, rng, noisy)}"
    return command


def _as_typed(text: str, rng: random.Random) -> str:
    """Capitals and a final mark, or the bare words as speech recognition gives them."""
    if rng.random() < 0.5:
        return text.rstrip("?")
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else rng.choice(("", ".")))
