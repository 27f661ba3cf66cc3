"""docs/artifact.md: its Python code runs, and its tables name what an export writes."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tokenizers
from forks import Forks

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.artifact.golden import Golden, GoldenText
from squeezebert_mobile.formats import FORMATS
from squeezebert_mobile.tasks import TASKS

ROOT = Path(__file__).parents[2]
#: A folder of node_modules with onnxruntime-node and @huggingface/transformers.
NODE_MODULES = os.environ.get("NODE_MODULES", "")
PAGE = (ROOT / "docs" / "artifact.md").read_text(encoding="utf-8")


def _rows(heading: str) -> dict[str, str]:
    """The table below `heading`: its first cells, and the rest of each row."""
    part = f"\n{PAGE}".split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", part, flags=re.MULTILINE)
    return dict(rows[1:])


def _names(cells: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", cells))


def test_the_python_code_gives_the_answer_beside_it(
    assistant: Path, tmp_path: Path, forks: Forks
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert "squeezebert_mobile" not in block
    (tmp_path / "assistant").symlink_to(assistant)
    done = forks.run(tmp_path, program=block)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == block.rsplit("# ", 1)[1].strip()


@pytest.mark.skipif(not NODE_MODULES or not shutil.which("node"), reason="no NODE_MODULES or node")
def test_the_javascript_code_gives_the_answer_beside_it(assistant: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```js\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "assistant").symlink_to(assistant)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    (tmp_path / "answer.mjs").write_text(block, encoding="utf-8")
    done = subprocess.run(
        ["node", "answer.mjs"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == block.rsplit("// ", 1)[1].strip()


def test_the_self_test_as_the_page_describes_it(assistant: Path) -> None:
    golden = json.loads((assistant / "golden.json").read_text(encoding="utf-8"))
    tokenizer = tokenizers.Tokenizer.from_file(str(assistant / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(assistant / "model.onnx"))
    assert len(golden["texts"]) == 8
    for text in golden["texts"]:
        (ids,) = text["input_ids"]
        tokenizer.enable_truncation(len(ids))
        ours = tokenizer.encode(*text["texts"][0])
        assert (ours.ids, ours.type_ids) == (ids, text["token_type_ids"][0])
        feed = {
            name: np.array(text[name], dtype=np.int64)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        (logits,) = session.run(None, feed)
        stored = text["outputs"]["logits"]
        values = logits.ravel()[stored["indices"]]
        assert list(logits.shape) == stored["shape"] and len(values) <= 64
        assert np.abs(values - stored["values"]).max() <= golden["tolerance"]["logits"]
        assert logits.argmax(-1).tolist() == stored["top"]


def test_the_tables_name_every_file_field_and_output(assistant: Path) -> None:
    files = _names(" ".join(_rows("# The artifact")))
    assert files == {
        *(facts.file for facts in FORMATS.values()),
        *("model.onnx.data", "manifest.json"),
        *read_manifest(assistant).files,
    }
    assert _names(" ".join(_rows("## The self-test"))) == set(GoldenText.model_fields)
    assert "`tolerance`" in PAGE and set(Golden.model_fields) == {
        *("schema_version", "tolerance", "texts")
    }
    tasks = _rows("## Inputs and outputs")
    assert tasks.keys() == TASKS.keys()
    for name, cells in tasks.items():
        for output in TASKS[name].outputs:
            assert output in cells, (name, output)
