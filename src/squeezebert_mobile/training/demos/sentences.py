"""Generated sentences for the demos: requests to a voice assistant with twelve intents.

grammar/ has one grammar per split: `training`, `development` (for choosing the recipe) and
`held_out` (for the reported accuracy). No two splits share a template, a polite phrase or a filler.
A held-out sentence shares with the training split only its verbs and the grammar of English.
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
_OPEN_TAGGED = tuple(slot for slot in TAGGED if slot in _OPEN and slot not in {"day", "task"})
_INVENTED_TAGGED = 0.4  # share of these slots that hold invented words
_BEGIN, _NAMED, _END = "\ue000", "\ue001", "\ue002"  # mark a slot: begin, name, named, words, end
_TOKEN = re.compile(rf"{_BEGIN}\w+{_NAMED}|{_END}|\w+(?:['’.:,-]\w+)*|[^\w\s]")
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"


@dataclass(frozen=True)
class Sentence:
    """A request, and its intent (one of INTENTS)."""

    text: str
    intent: str


@dataclass(frozen=True)
class TaggedSentence:
    """The words of a request, and the tag of each: B-time, I-time, O."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Grammar:
    """The templates and fillers of a split."""

    prefixes: tuple[str, ...]  # may precede a command
    suffixes: tuple[str, ...]  # may follow a command
    slots: Mapping[str, Sequence[str]]
    commands: Mapping[str, Sequence[str]]  # by intent
    sentences: Mapping[str, Sequence[str]]  # questions and statements, by intent


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
        text = _filled_politely(
            template, grammar, rng, lambda slot: _filler(slot, grammar, rng, noisy), is_command
        )
        return _with_slips(text, rng) if noisy else text

    return [Sentence(*pair) for pair in _distinct(split, per_intent, seed, make).items()]


def tagged_sentences(
    split: str, *, per_intent: int, seed: int = 0, noisy: bool = False
) -> list[TaggedSentence]:
    """Distinct tagged sentences of a split, the same number for every intent.

    Args:
        split: One of SPLITS.
        per_intent: The number of sentences per intent.
        seed: Random seed.
        noisy: Whether some open slots hold invented words, and words are dropped.
    """
    grammar = read_grammar(split)

    def make(template: str, is_command: bool, rng: random.Random) -> str:
        def fill(slot: str) -> str:
            if noisy and slot in _OPEN_TAGGED and rng.random() < _INVENTED_TAGGED:
                filler = _invented_words(rng)
            else:
                filler = rng.choice(grammar.slots[slot])
            return f"{_BEGIN}{slot}{_NAMED}{filler}{_END}" if slot in TAGGED else filler

        return _filled_politely(template, grammar, rng, fill, is_command)

    slips = random.Random(f"slips of {split} {seed}")
    return [_tagged(text, slips, noisy) for text in _distinct(split, per_intent, seed, make)]


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
        words = _with_tagged_slips(words, rng)
    slots = [(slot, number) for _, slot, number in words]
    tags = [
        (f"{'I' if previous == (slot, number) else 'B'}-{slot}" if slot else "O")
        for previous, (slot, number) in zip([None, *slots], slots, strict=False)
    ]
    return TaggedSentence(tuple(word for word, *_ in words), tuple(tags))


def _with_tagged_slips(
    words: list[tuple[str, str, int]], rng: random.Random
) -> list[tuple[str, str, int]]:
    """Drop or replace a few words, in slots and outside, so that an unknown word can be either."""
    kept = []
    for word, slot, number in words:
        draw = rng.random()
        if draw < _SLIPS:
            if draw < _SLIPS * 0.7:
                kept.append((_unreserved(_invented_word, rng), slot, number))
        else:
            kept.append((word, slot, number))
    return kept or words


def _distinct(
    split: str, per_intent: int, seed: int, make: Callable[[str, bool, random.Random], str]
) -> dict[str, str]:
    """Distinct texts and their intents: `make` applied to the templates until there are enough."""
    grammar = read_grammar(split)
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


def _filled_politely(
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


def _fill(template: str, rng: random.Random, fill: Callable[[str], str]) -> str:
    """The template with a random option for each choice, and `fill(slot)` for each slot."""
    while choice := _CHOICE.search(template):
        option = rng.choice(choice[1].split("|"))
        template = template[: choice.start()] + option + template[choice.end() :]
    while slot := _SLOT.search(template):
        template = template[: slot.start()] + fill(slot[1]) + template[slot.end() :]
    return " ".join(template.split())


def _filler(slot: str, grammar: Grammar, rng: random.Random, noisy: bool) -> str:
    if noisy and slot in _NUMBERS and rng.random() < _INVENTED_NUMBERS:
        return _unreserved(_invented_number, rng)
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
def _known_words() -> tuple[str, ...]:
    grammar = read_grammar("training")
    tables = (grammar.slots, grammar.commands, grammar.sentences)
    known = _words(*(text for table in tables for group in table.values() for text in group))
    return tuple(sorted(word for word in known if word.isalpha() and len(word) > 2))


@cache
def _reserved_words() -> set[str]:
    """Words of the other splits' fillers, which training must not invent by chance."""
    others = [read_grammar(split).slots for split in SPLITS if split != "training"]
    return _words(*(text for slots in others for group in slots.values() for text in group))


def _unreserved(make: Callable[[random.Random], str], rng: random.Random) -> str:
    """Call `make` until its word is not reserved."""
    while (word := make(rng)) in _reserved_words():
        pass
    return word


def _invented_number(rng: random.Random) -> str:
    return str(rng.randint(1, 10 ** rng.randint(1, 4)))


def _invented_words(rng: random.Random) -> str:
    """One to four invented words."""
    count = rng.choice((1, 1, 1, 2, 2, 3, 4))
    return " ".join(_unreserved(_invented_word, rng) for _ in range(count))


def _invented_word(rng: random.Random) -> str:
    draw = rng.random()
    if draw < _BLENDED + _COMPOUND:
        return _blend(rng, whole=draw < _COMPOUND)
    return _syllables(rng)


def _blend(rng: random.Random, *, whole: bool) -> str:
    """The beginning of a known word, or the whole word, joined to the end of another.

    Whole words, because a word can begin with an unrelated one: "spin" is about music, "spinach"
    is not.
    """
    first, second = rng.choice(_known_words()), rng.choice(_known_words())
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
            words += [_unreserved(_invented_word, rng)] if draw < _SLIPS / 2 else []
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
