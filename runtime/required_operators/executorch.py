"""ExecuTorch's selective build: selected_operators.yaml, with the types of tensors."""

import contextlib
import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squeezebert_mobile.runtime.required_operators.lists import OperatorList
from squeezebert_mobile.runtime.sessions.executorch import check_program

__all__ = ["list_operators"]


def list_operators(models: Sequence[Path], delegates: Sequence[str], title: str) -> OperatorList:
    """The operators of these programs that are outside their delegates.

    Raises:
        ArtifactError: executorch cannot load a program.
        MissingExtraError: executorch is not installed, or was built for another torch.
    """
    yaml: Any = importlib.import_module("yaml")
    selector: Any = importlib.import_module("torchgen.selective_build.selector")
    selected = selector.SelectiveBuilder.from_yaml_dict({})
    for model in models:
        check_program(str(model))  # the tool that lists them would end with a damaged one
        selected = selector.combine_selective_builders(
            selected, selector.SelectiveBuilder.from_yaml_dict(yaml.safe_load(_listed(model)))
        )
    merged = selected.to_dict()
    for facts in merged["operators"].values():
        facts["debug_info"] = sorted(facts["debug_info"])  # the programs; a set's order is random
    operators = sorted(selected.operators)
    version = importlib.metadata.version("executorch")
    lines = (
        title,
        f"# as executorch {version} lists them; delegates: {', '.join(delegates) or 'none'}",
        f"# EXECUTORCH_SELECT_OPS_LIST={','.join(operators)}",
        yaml.safe_dump(merged, default_flow_style=False),
    )
    return OperatorList("executorch", tuple(operators), tuple(delegates), "\n".join(lines))


def _listed(model: Path) -> str:
    """What ExecuTorch's own tool writes for a program."""
    tool: Any = importlib.import_module("executorch.codegen.tools.gen_oplist")
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as null:
        file = Path(folder, "selected_operators.yaml")
        with contextlib.redirect_stdout(null):
            tool.gen_oplist(output_path=file, model_file_path=str(model))
        return file.read_text(encoding="utf-8")
