"""Checkpoints by name: a local folder, a Hub id, a shipped demo, or a preset."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from squeezebert_mobile.errors import CheckpointError, choose
from squeezebert_mobile.hub import DEMO, DEMOS, checkpoint_folder
from squeezebert_mobile.models.config import BertConfig, EncoderConfig, SqueezeBertConfig
from squeezebert_mobile.models.families import load_config, task_of
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.weights import weights_sha256
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import get_task

__all__ = [
    "DEMO",
    "DEMOS",
    "PRESETS",
    "PRESET_TASK",
    "Checkpoint",
    "assemble_checkpoint",
    "demo_folder",
    "open_checkpoint",
    "preset_config",
    "read_license",
    "resolve_folder",
    "shipped_texts",
]

#: Published architectures, built with random weights: for measuring latency, not for predictions.
PRESETS: dict[str, Callable[[], EncoderConfig]] = {
    "preset:squeezebert-base": lambda: SqueezeBertConfig(vocab_size=30528),
    "preset:bert-base": BertConfig,
}
#: The default task of a preset.
PRESET_TASK = "text-classification"


@dataclass(frozen=True)
class Checkpoint:
    """A model with its tokenizer, and their origin."""

    name: str
    model: PretrainedModel
    tokenizer: SqueezeBertTokenizer
    weights: Literal["trained", "random"]
    sha256: str  # of the weight files
    license: str | None  # None if the checkpoint does not state one

    @property
    def max_sequence_length(self) -> int:
        """The longest input, in tokens, that both model and tokenizer accept."""
        return min(self.model.config.max_position_embeddings, self.tokenizer.model_max_length)


def demo_folder(name: str = DEMO) -> Path:
    """The folder of a demo checkpoint, one of DEMOS."""
    return Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / name


def resolve_folder(name: str | Path) -> Path:
    """The local folder of a checkpoint that is not a preset; a Hub id is downloaded.

    Args:
        name: A folder, a Hub id, or one of DEMOS.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    return demo_folder(str(name)) if name in DEMOS else checkpoint_folder(name)


def shipped_texts() -> list[str]:
    """The 200 sentences that exports are calibrated and verified with."""
    path = Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / "sentences.txt"
    return path.read_text(encoding="utf-8").splitlines()


def open_checkpoint(name: str | Path, *, task: str | None = None) -> Checkpoint:
    """Load a checkpoint with the head of a task.

    Args:
        name: A folder, a Hub id, one of DEMOS, or one of PRESETS.
        task: The task; None selects the one named by `architectures` in config.json, or
            PRESET_TASK for a preset.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or it has no such head.
        ExportError: the task is unknown.
    """
    if str(name).startswith("preset:"):
        return _open_preset(str(name), get_task(task or PRESET_TASK).name)
    folder = resolve_folder(name)
    config = load_config(folder)
    model = MODEL_CLASSES[get_task(task or task_of(config)).name].from_pretrained(folder)
    return assemble_checkpoint(name, folder, model)


def assemble_checkpoint(name: str | Path, folder: Path, model: PretrainedModel) -> Checkpoint:
    """Combine a loaded `model` with the tokenizer, hash and license of its checkpoint in `folder`.

    Raises:
        CheckpointError: the vocabulary is larger than the model's.
    """
    tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise CheckpointError(
            f"the vocabulary of {str(folder)!r} has {len(tokenizer)} tokens, but its model has "
            f"only {model.config.vocab_size}; use the vocabulary the model was trained with"
        )
    return Checkpoint(
        name=str(name) if name in DEMOS else Path(name).name or folder.resolve().name,
        model=model,
        tokenizer=tokenizer,
        weights="trained",
        sha256=weights_sha256(folder),
        license=read_license(folder, model.config),
    )


def read_license(folder: Path, config: EncoderConfig) -> str | None:
    """The license stated in config.json, or else in the front matter of README.md."""
    license = config.extra.get("license")
    if isinstance(license, str):
        return license
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    match = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S+)[ \t]*\n(?:.*\n)*?---", text)
    return match[1] if match else None


def preset_config(name: str) -> EncoderConfig:
    """The architecture of the preset `name`.

    Raises:
        CheckpointError: the preset is unknown.
    """
    if name not in PRESETS:
        raise CheckpointError(choose("preset", name, PRESETS))
    return PRESETS[name]()


def _open_preset(name: str, task: str) -> Checkpoint:
    model = initialize(task, preset_config(name))
    demo_tokenizer = SqueezeBertTokenizer.from_pretrained(demo_folder())
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.numpy().data)
    return Checkpoint(
        name=name,
        model=model,
        tokenizer=_padded_tokenizer(demo_tokenizer, model.config),
        weights="random",
        sha256=digest.hexdigest(),
        license=None,
    )


def _padded_tokenizer(demo: SqueezeBertTokenizer, config: EncoderConfig) -> SqueezeBertTokenizer:
    """The demo's tokenizer with its vocabulary padded to the model's size by unused tokens."""
    vocab = dict(demo.get_vocab())
    for number in range(len(vocab), config.vocab_size):
        vocab[f"[unused{number}]"] = number
    return SqueezeBertTokenizer(vocab, model_max_length=config.max_position_embeddings)
