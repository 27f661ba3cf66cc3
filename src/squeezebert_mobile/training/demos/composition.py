"""More templates for training: those of grammar/forms.toml, some of them composed of parts.

"{can_you} {play} {music}" has parts, each of which is replaced by one of its phrases, until only
slots are left: "could you put on {song} by {artist}".
"""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from squeezebert_mobile.training.demos.sentences import SLOT, SPLITS, Grammar, choices, read_grammar

__all__ = ["broadened", "composed"]

_COMPOSED = 3  # uses of a template with parts for each use of another
_SCRAPS = "{scrap}"  # templates with it are bare words of an intent


@cache
def broadened(split: str) -> Grammar:
    """The grammar of a split, with the templates of forms.toml and without bare words."""
    grammar, forms = read_grammar(split), read_grammar("forms")

    def often(templates: Sequence[str]) -> list[str]:
        """Those with parts several times, as each has many forms."""
        return [one for one in templates for _ in range(_COMPOSED if _has_parts(one, forms) else 1)]

    return replace(
        grammar,
        phrases=forms.phrases,
        prefixes=grammar.prefixes + forms.prefixes,
        suffixes=grammar.suffixes + forms.suffixes,
        commands={
            intent: [*templates, *often(forms.commands[intent])]
            for intent, templates in grammar.commands.items()
        },
        sentences={
            intent: [
                *(one for one in templates if _SCRAPS not in one),
                *often(forms.sentences[intent]),
            ]
            for intent, templates in grammar.sentences.items()
        },
    )


def _has_parts(template: str, grammar: Grammar) -> bool:
    return any(slot in grammar.phrases for slot in SLOT.findall(template))


def composed(template: str, grammar: Grammar, rng: random.Random) -> str:
    """The template with its parts chosen at random.

    If it has parts, the result differs in more than one word from every template of another split.
    """

    def choose(part: re.Match[str]) -> str:
        options = grammar.phrases.get(part[1])
        return rng.choice(options) if options else part[0]

    while True:
        text, before = template, ""
        while text != before:
            text, before = SLOT.sub(choose, text), text
        if text == template or not _shortened(text) & _reserved():
            return text


@cache
def _reserved() -> set[str]:
    """The templates of the splits that are not for training, and each with one word left out."""
    others = [read_grammar(split) for split in SPLITS if split != "training"]
    tables = [table for grammar in others for table in (grammar.commands, grammar.sentences)]
    templates = (template for table in tables for group in table.values() for template in group)
    whole = (text for template in templates for text in choices(template))
    return {text for template in whole for text in _shortened(template)}


def _shortened(template: str) -> set[str]:
    """The template in bare words, and with each word left out.

    Two templates that differ in one word, or by one, share one of these.
    """
    words = re.findall(r"[\w{}]+", template.lower())
    parts = [words, *(words[:at] + words[at + 1 :] for at in range(len(words)))]
    return {" ".join(part) for part in parts}
