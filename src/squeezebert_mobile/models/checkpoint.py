"""Checkpoints by name: a local folder, a Hub id, a shipped demo, or a preset."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from torch import Tensor

from squeezebert_mobile.errors import CheckpointError, choose
from squeezebert_mobile.files import read_regular
from squeezebert_mobile.hub import (
    DEMO,
    DEMOS,
    PRESETS,
    check_revision,
    checkpoint_folder,
    is_preset,
    is_shipped,
    local_folder,
    named_errors,
)
from squeezebert_mobile.models.config import BertConfig, EncoderConfig, SqueezeBertConfig
from squeezebert_mobile.models.families import load_config, task_of
from squeezebert_mobile.models.heads import MODEL_CLASSES, initialize
from squeezebert_mobile.models.modeling import PretrainedModel
from squeezebert_mobile.models.sentence_modules import SentenceModules, read_sentence_modules
from squeezebert_mobile.models.weight_files import read_weights, weights_sha256
from squeezebert_mobile.models.weights import find_head, has_pooler
from squeezebert_mobile.progress import Progress, silent
from squeezebert_mobile.runtime.tokenizer import SqueezeBertTokenizer
from squeezebert_mobile.tasks import TASKS, get_task

__all__ = [
    "DEMO",
    "DEMOS",
    "PRESETS",
    "PRESET_TASK",
    "Checkpoint",
    "assemble_checkpoint",
    "demo_folder",
    "download_checkpoint",
    "find_task",
    "open_checkpoint",
    "preset_config",
    "read_license",
    "resolve_folder",
    "shipped_texts",
]

#: The architecture of each preset: for measuring latency, not for predictions.
_ARCHITECTURES: dict[str, Callable[[], EncoderConfig]] = {
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
    notes: tuple[str, ...] = ()  # what a user should know of how it was read
    sentences: SentenceModules = field(default_factory=SentenceModules)  # for feature-extraction

    @property
    def max_sequence_length(self) -> int:
        """The longest input, in tokens, that both model and tokenizer accept."""
        # As in sentence-transformers its max_seq_length replaces the tokenizer's model_max_length.
        longest = max(self.tokenizer.model_max_length, self.sentences.max_length or 0)
        return min(self.model.config.max_position_embeddings, longest)

    @property
    def default_sequence_length(self) -> int:
        """The length, in tokens, at which texts are truncated unless the user chooses another."""
        longest = self.sentences.max_length or self.tokenizer.model_max_length
        return min(self.model.config.max_position_embeddings, longest)


def demo_folder(name: str = DEMO) -> Path:
    """The folder of a demo checkpoint, one of DEMOS."""
    return Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / name


def download_checkpoint(
    name: str | Path, *, revision: str | None = None, progress: Progress = silent
) -> str | None:
    """Download the files of a Hub id that are not in the cache yet.

    Args:
        name: The name of a checkpoint, as for `open_checkpoint`.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.
        progress: Shows the download of the weights.

    Returns:
        The commit, by which it opens without asking the Hub again; None if it is not a Hub id.

    Raises:
        CheckpointError: it is neither a folder nor a Hub id, it cannot be downloaded, or this
            package cannot build its model.
    """
    check_revision(name, revision)
    if is_shipped(name) or local_folder(name):
        return None
    folder = checkpoint_folder(name, revision=revision, progress=progress, check=load_config)
    return folder.name


def resolve_folder(name: str | Path, *, revision: str | None = None) -> Path:
    """The local folder of a checkpoint that is not a preset; a Hub id is downloaded.

    Args:
        name: A folder, a Hub id, or one of DEMOS.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    check_revision(name, revision)
    if name in DEMOS:
        return demo_folder(str(name))
    return checkpoint_folder(name, revision=revision, check=load_config)


def shipped_texts() -> list[str]:
    """The 200 sentences that exports are calibrated and verified with."""
    path = Path(str(resources.files("squeezebert_mobile.models"))) / "assets" / "sentences.txt"
    return path.read_text(encoding="utf-8").splitlines()


def open_checkpoint(
    name: str | Path, *, task: str | None = None, revision: str | None = None
) -> Checkpoint:
    """Load a checkpoint with the head of a task.

    Args:
        name: A folder, a Hub id, one of DEMOS, or one of PRESETS.
        task: The task; None selects the one named by `architectures` in config.json, or else the
            one whose head is in the weights; for a preset, PRESET_TASK.
        revision: A branch, a tag or a commit of a Hub id; None is its default branch.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, it has no such head, or neither
            its config nor its weights tell its task.
        ExportError: the task is unknown.
    """
    check_revision(name, revision)
    if is_preset(name):
        return _open_preset(str(name), get_task(task or PRESET_TASK).name)
    folder = resolve_folder(name, revision=revision)
    with named_errors(name, folder):
        config, tensors = load_config(folder), read_weights(folder)
        notes: list[str] = []
        if task is None:
            task, notes = find_task(folder, config, tensors)
        model = MODEL_CLASSES[get_task(task).name].from_tensors(folder, config, tensors)
        return assemble_checkpoint(name, folder, model, notes=notes)


def find_task(
    folder: Path, config: EncoderConfig, tensors: Mapping[str, Tensor]
) -> tuple[str, list[str]]:
    """The task of a checkpoint, and notes for the user.

    It is the one that `architectures` in config.json names; without `architectures`, as in the
    published SqueezeBERT checkpoints, the one whose head is in the weights.

    Raises:
        CheckpointError: config.json names another class, or the weights have several heads.
    """
    if config.architectures:
        return task_of(config), []
    heads = _heads(config, tensors)
    tasks = [task for tasks in heads.values() for task in tasks] or ["feature-extraction"]
    if len(tasks) > 1:
        raise CheckpointError(
            f"{str(folder)!r} does not say what the model is for: config.json has no "
            f"architectures, and its weights ({', '.join(heads)}) fit several tasks; give --task, "
            f"{' or '.join(tasks)}"
        )
    has = f"{next(iter(heads))} is" if heads else "no head is"
    return tasks[0], [
        f"config.json has no architectures; the task is {tasks[0]}, because {has} in the weights"
    ]


def _heads(config: EncoderConfig, tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The first weight of each head in a checkpoint -> the tasks that the head may be for."""
    heads: dict[str, list[str]] = {}
    for task in TASKS:
        if found := find_head(tensors, config, task):
            heads.setdefault(found, []).append(task)
    return {
        key: _classifier_tasks(config, tensors) if len(tasks) > 1 else tasks
        for key, tasks in heads.items()
    }


def _classifier_tasks(config: EncoderConfig, tensors: Mapping[str, Tensor]) -> list[str]:
    """The tasks that a classifier may be for: three tasks give it the same name."""
    if not has_pooler(tensors, config):
        return ["token-classification"]  # the others read the pooler
    weight = tensors.get("classifier.weight")
    if weight is not None and weight.shape[:1] == (1,) and config.num_labels != 1:
        return ["multiple-choice"]
    if any(re.match("[BI]-", name) for name in config.id2label.values()):
        return ["text-classification", "token-classification"]  # SqueezeBERT's have a pooler
    return ["text-classification"]


def assemble_checkpoint(
    name: str | Path, folder: Path, model: PretrainedModel, *, notes: Iterable[str] = ()
) -> Checkpoint:
    """Combine a loaded `model` with the tokenizer, hash and license of its checkpoint in `folder`.

    Args:
        name: What the checkpoint was called.
        folder: Its folder.
        model: The model, which has notes of its own.
        notes: Further notes for the user.

    Raises:
        CheckpointError: the vocabulary is larger than the model's, or a module of
            sentence-transformers cannot be exported.
    """
    tokenizer = SqueezeBertTokenizer.from_pretrained(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise CheckpointError(
            f"the vocabulary of {str(folder)!r} has {len(tokenizer)} tokens, but its model has "
            f"only {model.config.vocab_size}; use the vocabulary the model was trained with"
        )
    if not tokenizer.has_token_types and model.config.type_vocab_size > 1:
        model.keep_one_token_type()
        model.config = model.config.with_notes(
            "both texts of a pair have token type 0, as in transformers: the tokenizer's class is "
            "not BERT's, and model_input_names in tokenizer_config.json has no 'token_type_ids'; "
            "add them there if the model was trained with them"
        )
    sentences = SentenceModules()
    if model.task == "feature-extraction":
        sentences = read_sentence_modules(folder)
        if sentences.lower_case and not tokenizer.do_lower_case:
            raise CheckpointError(
                f"do_lower_case in {str(folder / 'sentence_bert_config.json')!r} is true, but the "
                "tokenizer keeps capital letters; set it in tokenizer_config.json too"
            )
    return Checkpoint(
        name=str(name) if name in DEMOS else Path(name).name or folder.resolve().name,
        model=model,
        tokenizer=tokenizer,
        weights="trained",
        sha256=weights_sha256(folder),
        license=read_license(folder, model.config),
        notes=(*notes, *model.notes),
        sentences=sentences,
    )


def read_license(folder: Path, config: EncoderConfig) -> str | None:
    """The license stated in config.json, or else in the front matter of README.md."""
    license = config.extra.get("license")
    if isinstance(license, str):
        return license
    readme = folder / "README.md"
    try:
        text = read_regular(readme).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:  # most checkpoints have none
        return None
    match = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S+)[ \t]*\n(?:.*\n)*?---", text)
    return match[1] if match else None


def preset_config(name: str) -> EncoderConfig:
    """The architecture of the preset `name`.

    Raises:
        CheckpointError: the preset is unknown.
    """
    if name not in PRESETS:
        raise CheckpointError(choose("preset", name, PRESETS))
    return _ARCHITECTURES[name]()


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
