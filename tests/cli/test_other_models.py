"""The published models that the README says work, and those that it says are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import transformers
from commands import Cli

_SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
#: transformers' prefix -> further sizes, and the reason in the message.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "DistilBert": (
        {"dim": 24, "n_layers": 1, "n_heads": 3, "hidden_dim": 24},
        "DistilBERT has no token types and no pooler",
    ),
    "MobileBert": (
        {"embedding_size": 8, "intra_bottleneck_size": 24},
        "MobileBERT has bottlenecks around its layers",
    ),
    "Roberta": ({}, "RoBERTa's vocabulary is byte-level BPE"),
    "XLMRoberta": ({}, "XLM-RoBERTa's vocabulary is SentencePiece"),
    "Camembert": ({}, "CamemBERT's vocabulary is SentencePiece"),
    "MPNet": ({}, "MPNet's attention is relative"),
    "Albert": ({"embedding_size": 8}, "ALBERT's layers share"),
    "Electra": ({"embedding_size": 8}, "ELECTRA has other heads"),
    "DebertaV2": ({}, "DeBERTa's attention is relative"),
    "ModernBert": (
        dict.fromkeys(("pad_token_id", "cls_token_id", "sep_token_id"), 0),
        "ModernBERT has rotary positions",
    ),
    "ConvBert": ({"embedding_size": 8}, "; use a BERT checkpoint"),  # no reason of its own
}


def write_checkpoint(folder: Path, prefix: str) -> str:
    """Save a tiny classifier of transformers with BERT's vocabulary; return its model_type."""
    config_class: Any = getattr(transformers, f"{prefix}Config")
    config = config_class(**_SIZES | REFUSED[prefix][0])
    model: Any = getattr(transformers, f"{prefix}ForSequenceClassification")
    model(config).save_pretrained(folder)
    tiny.write_vocabulary(folder)
    return str(config.model_type)


@pytest.mark.parametrize("prefix", REFUSED)
def test_one_line_says_why_and_what_else(cli: Cli, prefix: str, tmp_path: Path) -> None:
    model_type = write_checkpoint(tmp_path / "other", prefix)
    code, out, err = cli("export", tmp_path / "other", "-o", tmp_path / "out")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    start = f"model_type is '{model_type}'; this package reads 'squeezebert' and 'bert'"
    assert start in err and REFUSED[prefix][1] in err
    assert err.endswith("; use a BERT checkpoint for this task, or finetune one on your data\n")
    assert not (tmp_path / "out").exists()


def test_the_other_commands_say_the_same(cli: Cli, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "other", "Roberta")
    data = tmp_path / "data.csv"
    data.write_text("text,label\nyes,LABEL_0\nno,LABEL_1\n", encoding="utf-8")
    task, teacher = ("--task", "text-classification"), ("--teacher", tmp_path / "other")
    for command in (
        ("inspect", tmp_path / "other"),
        ("evaluate", tmp_path / "other", data),
        ("finetune", tmp_path / "other", data, "-o", tmp_path / "tuned", *task),
        ("finetune", "demo", data, "-o", tmp_path / "tuned", *task, *teacher),
    ):
        code, out, err = cli(*command)
        assert (code, out) == (1, ""), command
        (error,) = (line for line in err.splitlines() if not line.startswith("note: "))
        assert "model_type is 'roberta'" in error and "byte-level BPE" in error, command


#: Models in the README -> their task, and what their config.json has besides sizes.
WORK: dict[str, tuple[str, dict[str, Any]]] = {
    "MiniLM": (
        "feature-extraction",
        {"architectures": ["BertModel"], "gradient_checkpointing": False, "use_cache": True},
    ),
    "BGE": (
        "feature-extraction",
        {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "torch_dtype": "float32"},
    ),
    "E5": (
        "feature-extraction",
        {"classifier_dropout": None, "position_embedding_type": "absolute"},
    ),
    "cross-encoder": (
        "text-classification",
        {
            "id2label": {"0": "LABEL_0"},
            "label2id": {"LABEL_0": 0},
            "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
        },
    ),
}


@pytest.mark.parametrize("name", WORK)
def test_berts_of_other_names_are_read(cli: Cli, name: str, tmp_path: Path) -> None:
    task, further = WORK[name]
    tiny.write_checkpoint(tmp_path, "bert", task, num_labels=len(further.get("id2label", "ab")))
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | further), encoding="utf-8")
    code, out, err = cli("inspect", tmp_path, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["task"] == task
