"""Checkpoints by name: a folder, a Hub id, a demo that ships with the package, or a preset."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from squeezebert_mobile.errors import CheckpointError, choose
from squeezebert_mobile.hub import checkpoint_folder
from squeezebert_mobile.models.config import BertConfig, SqueezeBertConfig, task_of
from squeezebert_mobile.models.modeling import MODEL_CLASSES, PretrainedModel, initialize
from squeezebert_mobile.models.weights import weights_sha256
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import get_task

__all__ = [
    "DEMO",
    "DEMOS",
    "PRESETS",
    "PRESET_TASK",
    "Checkpoint",
    "demo_folder",
    "describe",
    "named_folder",
    "open_checkpoint",
    "preset_config",
    "shipped_texts",
    "stated_license",
]

DEMO = "demo"
#: The checkpoints that ship with the package: intents, marked words, masked words.
DEMOS = (DEMO, "demo-slots", "demo-fill-mask")

#: Published architectures. With random weights: their latency is real, their answers are not.
PRESETS: dict[str, Callable[[], SqueezeBertConfig]] = {
    "preset:squeezebert-base": lambda: SqueezeBertConfig(vocab_size=30528),
    "preset:bert-base": BertConfig,
}
#: The head of a preset where no task is named.
PRESET_TASK = "text-classification"


@dataclass(frozen=True)
class Checkpoint:
    """A model with its tokenizer, and where both came from."""

    name: str
    model: PretrainedModel
    tokenizer: SqueezeBertTokenizer
    weights: Literal["trained", "random"]
    sha256: str  # over the weight files
    license: str | None

    @property
    def longest(self) -> int:
        """The most tokens that model and tokenizer both take."""
        return min(self.model.config.max_position_embeddings, self.tokenizer.model_max_length)


def demo_folder(name: str = DEMO) -> Path:
    """The folder of one of DEMOS."""
    return Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / name


def named_folder(name: str | Path) -> Path:
    """The folder of a checkpoint that is no preset.

    Raises:
        CheckpointError: there is none.
    """
    return demo_folder(str(name)) if name in DEMOS else checkpoint_folder(name)


def shipped_texts() -> list[str]:
    """The 200 sentences that exports are verified with."""
    path = Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / "sentences.txt"
    return path.read_text(encoding="utf-8").splitlines()


def open_checkpoint(name: str | Path, *, task: str | None = None) -> Checkpoint:
    """The checkpoint called `name`, with the head of `task`.

    Args:
        name: A folder, a Hub id, one of DEMOS, or one of PRESETS.
        task: Which head; None takes the one that the config's architectures name
            (PRESET_TASK for a preset).

    Raises:
        CheckpointError: there is none, or it is damaged, or it has no such head.
        ExportError: there is no such task.
    """
    if str(name).startswith("preset:"):
        return _preset(str(name), get_task(task or PRESET_TASK).name)
    folder = named_folder(name)
    config = SqueezeBertConfig.from_pretrained(folder)
    model = MODEL_CLASSES[get_task(task or task_of(config)).name].from_pretrained(folder)
    return describe(name, folder, model)


def describe(name: str | Path, folder: Path, model: PretrainedModel) -> Checkpoint:
    """`model` with the tokenizer of the checkpoint in `folder`, and what is to be known of it.

    Raises:
        CheckpointError: the tokenizer has more tokens than the model.
    """
    tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise CheckpointError(
            f"the vocabulary of {str(folder)!r} has {len(tokenizer)} tokens, its model only "
            f"{model.config.vocab_size}; give the vocab.txt that the model was trained with"
        )
    return Checkpoint(
        name=str(name) if name in DEMOS else Path(name).name or folder.resolve().name,
        model=model,
        tokenizer=tokenizer,
        weights="trained",
        sha256=weights_sha256(folder),
        license=stated_license(folder, model.config),
    )


def stated_license(folder: Path, config: SqueezeBertConfig) -> str | None:
    """What config.json or the front matter of README.md states."""
    stated = config.extra.get("license")
    if isinstance(stated, str):
        return stated
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    found = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S+)[ \t]*\n(?:.*\n)*?---", text)
    return found[1] if found else None


def preset_config(name: str) -> SqueezeBertConfig:
    """The architecture of the preset `name`.

    Raises:
        CheckpointError: there is no such preset.
    """
    if name not in PRESETS:
        raise CheckpointError(choose("preset", name, PRESETS))
    return PRESETS[name]()


def _preset(name: str, task: str) -> Checkpoint:
    model = initialize(task, preset_config(name))
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.numpy().data)
    return Checkpoint(
        name=name,
        model=model,
        tokenizer=_filled_up(SqueezeBertTokenizer.from_pretrained(demo_folder()), model.config),
        weights="random",
        sha256=digest.hexdigest(),
        license=None,
    )


def _filled_up(demo: SqueezeBertTokenizer, config: SqueezeBertConfig) -> SqueezeBertTokenizer:
    """The demo's vocabulary, filled up to the published size with words nobody writes."""
    vocab = dict(demo.get_vocab())
    for number in range(len(vocab), config.vocab_size):
        vocab[f"[unused{number}]"] = number
    return SqueezeBertTokenizer(vocab, model_max_length=config.max_position_embeddings)
