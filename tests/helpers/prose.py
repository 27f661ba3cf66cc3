"""Real English prose without a download: sentences from the documentation of Python's language.

python tests/helpers/prose.py > lines.txt     writes those that a training may use
"""

import pydoc_data.topics
import re

__all__ = ["for_testing", "for_training"]

_TESTED = 200


def _sentences() -> list[str]:
    """Every sentence of 40 to 300 characters, once."""
    prose = " ".join(" ".join(text.split()) for _, text in sorted(pydoc_data.topics.topics.items()))
    return list(dict.fromkeys(re.findall(r"[A-Z][^.!?]{39,299}[.!?](?= [A-Z])", prose)))


def for_testing() -> list[str]:
    """200 sentences, evenly chosen; neither calibration nor training may see them."""
    sentences = _sentences()
    return sentences[:: len(sentences) // _TESTED][:_TESTED]


def for_training() -> list[str]:
    """The other sentences, but for those that contain one of the 200, or are part of one."""
    tested = for_testing()
    return [
        sentence
        for sentence in _sentences()
        if not any(sentence in other or other in sentence for other in tested)
    ]


if __name__ == "__main__":
    print(*for_training(), sep="\n")
