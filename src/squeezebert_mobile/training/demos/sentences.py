"""Generated sentences for the demos: requests to a voice assistant with twelve intents.

grammar/ has one grammar per split: `training`, `development` (for choosing the recipe) and
`held_out` (for the reported accuracy). No two splits share a template, a polite phrase or a filler.
forms.toml broadens the training split for tagged sentences (tagged.py).
A held-out sentence shares with the training split only its verbs and the grammar of English.
"""

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = [
    "INTENTS",
    "SLOT",
    "SPLITS",
    "Grammar",
    "Sentence",
    "choices",
    "distinct",
    "filled_politely",
    "invented_number",
    "invented_word",
    "known_words",
    "read_grammar",
    "sentences",
    "unreserved",
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

_GRAMMARS = Path(__file__).parent / "grammar"
_CHOICE = re.compile(r"\(([^()]*)\)")
#: A slot, or a part, in a template.
SLOT = re.compile(r"\{(\w+)\}")
# Slots that can hold anything. In training some of them do, so that the model relies on the words
# around a slot: an unknown word, or a known one from another slot, does not indicate an intent.
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
_INVENTED_NUMBERS = 0.5  # share of these slots that hold a random number
_SWAPPED = 0.15  # share of open slots that hold another slot's filler
_INVENTED = 0.25  # share of open slots that hold invented words
_PREFIXED, _SUFFIXED = 0.45, 0.25  # shares of the commands with a prefix, a suffix
_SLIPS = 0.15  # share of the words that are dropped or misheard
_SHUFFLED = 0.2  # share of the sentences whose words are shuffled
_BLENDED, _COMPOUND = 0.35, 0.35  # shares of the invented words that look like English
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


@dataclass(frozen=True)
class Sentence:
    """A request, and its intent (one of INTENTS)."""

    text: str
    intent: str


@dataclass(frozen=True)
class Grammar:
    """The templates and fillers of a split."""

    prefixes: tuple[str, ...]  # may precede a command
    suffixes: tuple[str, ...]  # may follow a command
    slots: Mapping[str, Sequence[str]]
    commands: Mapping[str, Sequence[str]]  # by intent
    sentences: Mapping[str, Sequence[str]]  # questions and statements, by intent
    phrases: Mapping[str, Sequence[str]]  # parts of templates


@cache
def read_grammar(split: str) -> Grammar:
    """The grammar of one of SPLITS, or the forms of tagged sentences ("forms")."""
    with (_GRAMMARS / f"{split}.toml").open("rb") as file:
        data = tomllib.load(file)
    return Grammar(
        prefixes=tuple(data["prefixes"]),
        suffixes=tuple(data["suffixes"]),
        slots=data["slots"],
        commands=data["commands"],
        sentences=data["sentences"],
        phrases=data.get("phrases", {}),
    )


def sentences(split: str, *, per_intent: int, seed: int = 0, noisy: bool = False) -> list[Sentence]:
    """Distinct sentences of a split, the same number for every intent.

    Args:
        split: One of SPLITS.
        per_intent: The number of sentences per intent.
        seed: Random seed.
        noisy: Whether fillers are swapped and invented, and words dropped, so that a model trained
            on the sentences learns to use the whole sentence.
    """
    grammar = read_grammar(split)

    def make(template: str, is_command: bool, rng: random.Random) -> str:
        text = filled_politely(
            template, grammar, rng, lambda slot: _filler(slot, grammar, rng, noisy), is_command
        )
        return _with_slips(text, rng) if noisy else text

    return [Sentence(*pair) for pair in distinct(split, grammar, per_intent, seed, make).items()]


def distinct(
    split: str,
    grammar: Grammar,
    per_intent: int,
    seed: int,
    make: Callable[[str, bool, random.Random], str],
) -> dict[str, str]:
    """Distinct texts and their intents: `make` applied to the templates until there are enough."""
    rng = random.Random(f"{split} {seed}")
    texts: dict[str, str] = {}
    for intent in INTENTS:
        templates = _templates(grammar, intent)
        wanted = len(texts) + per_intent
        while len(texts) < wanted:
            rng.shuffle(templates)  # every round uses each template once, for equal shares
            for template, is_command in templates:
                text = make(template, is_command, rng)
                if len(texts) < wanted:
                    texts.setdefault(_as_typed(text, rng), intent)
    return texts


def _templates(grammar: Grammar, intent: str) -> list[tuple[str, bool]]:
    commands = [(template, True) for template in grammar.commands[intent]]
    return commands + [(template, False) for template in grammar.sentences[intent]]


def filled_politely(
    template: str,
    grammar: Grammar,
    rng: random.Random,
    fill: Callable[[str], str],
    is_command: bool,
) -> str:
    """The filled template; a command may get a polite prefix and suffix."""
    text = _fill(template, rng, fill)
    if not is_command:
        return text
    if rng.random() < _PREFIXED:
        text = f"{_fill(rng.choice(grammar.prefixes), rng, fill)} {text}"
    if rng.random() < _SUFFIXED:
        text = f"{text} {_fill(rng.choice(grammar.suffixes), rng, fill)}"
    return text


def choices(template: str) -> Iterator[str]:
    """The template with each option of each choice, such as "(on|off)"."""
    if choice := _CHOICE.search(template):
        for option in choice[1].split("|"):
            yield from choices(template[: choice.start()] + option + template[choice.end() :])
    else:
        yield template


def _fill(template: str, rng: random.Random, fill: Callable[[str], str]) -> str:
    """The template with a random option for each choice, and `fill(slot)` for each slot."""
    while choice := _CHOICE.search(template):
        option = rng.choice(choice[1].split("|"))
        template = template[: choice.start()] + option + template[choice.end() :]
    while slot := SLOT.search(template):
        template = template[: slot.start()] + fill(slot[1]) + template[slot.end() :]
    return " ".join(template.split())


def _filler(slot: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    if noisy and slot in _NUMBERS and rng.random() < _INVENTED_NUMBERS:
        return unreserved(invented_number, rng)
    if noisy and slot in _OPEN:
        draw = rng.random()
        if draw < _INVENTED:
            return _invented_words(rng)
        if draw < _INVENTED + _SWAPPED:
            slot = rng.choice([*grammar.slots])
    return rng.choice(grammar.slots[slot])


def _words(*texts: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(texts).lower()))


@cache
def known_words() -> tuple[str, ...]:
    """The words of the training grammar, sorted."""
    grammar = read_grammar("training")
    tables = (grammar.slots, grammar.commands, grammar.sentences)
    known = _words(*(text for table in tables for group in table.values() for text in group))
    return tuple(sorted(word for word in known if word.isalpha() and len(word) > 2))


@cache
def _reserved_words() -> set[str]:
    """Words of the other splits' fillers, which training must not invent by chance."""
    others = [read_grammar(split).slots for split in SPLITS if split != "training"]
    return _words(*(text for slots in others for group in slots.values() for text in group))


def unreserved(make: Callable[[random.Random], str], rng: random.Random) -> str:
    """Call `make` until its word is not reserved."""
    while (word := make(rng)) in _reserved_words():
        pass
    return word


def invented_number(rng: random.Random) -> str:
    """A number of one to five digits."""
    return str(rng.randint(1, 10 ** rng.randint(1, 4)))


def _invented_words(rng: random.Random) -> str:
    """One to four invented words."""
    count = rng.choice((1, 1, 1, 2, 2, 3, 4))
    return " ".join(unreserved(invented_word, rng) for _ in range(count))


def invented_word(rng: random.Random) -> str:
    """A word from parts of known words, or from syllables."""
    draw = rng.random()
    if draw < _BLENDED + _COMPOUND:
        return _blend(rng, whole=draw < _COMPOUND)
    return _syllables(rng)


def _blend(rng: random.Random, *, whole: bool) -> str:
    """The beginning of a known word, or the whole word, joined to the end of another.

    Whole words, because a word can begin with an unrelated one: "spin" is about music, "spinach"
    is not.
    """
    first, second = rng.choice(known_words()), rng.choice(known_words())
    beginning = first if whole else first[: rng.randint(1, len(first))]
    return beginning + second[rng.randint(1, len(second) - 1) :]


def _syllables(rng: random.Random) -> str:
    syllables = (
        rng.choice(_CONSONANTS) + rng.choice(_VOWELS) + rng.choice(("", "", *_CONSONANTS))
        for _ in range(rng.randint(1, 4))
    )
    return "".join(syllables)


def _with_slips(text: str, rng: random.Random) -> str:
    """Drop or replace a few words, as if misheard, and sometimes shuffle them."""
    words = []
    for word in text.split():
        draw = rng.random()
        if draw < _SLIPS:
            words += [unreserved(invented_word, rng)] if draw < _SLIPS / 2 else []
        else:
            words.append(word)
    if rng.random() < _SHUFFLED:
        rng.shuffle(words)
    return " ".join(words) or text


def _as_typed(text: str, rng: random.Random) -> str:
    """Add a capital and final punctuation, or leave the bare words of speech recognition."""
    if rng.random() < 0.5:
        return text.rstrip("?")
    return text[0].upper() + text[1:] + ("" if text.endswith("?") else rng.choice(("", ".")))
