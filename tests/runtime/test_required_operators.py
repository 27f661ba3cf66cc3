"""Lists of operators, read by ONNX Runtime's and ExecuTorch's own tools."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import tiny

from squeezebert_mobile.artifact import file_facts, read_manifest, write_json
from squeezebert_mobile.errors import ArtifactError, InputError
from squeezebert_mobile.export import export_checkpoint
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.runtime.required_operators import list_operators

ARTIFACTS = Path(__file__).parents[1] / "golden/expected/artifacts"


@pytest.fixture(scope="module")
def tools() -> Any:
    return pytest.importorskip("onnxruntime.tools.reduced_build_config_parser")


def _parse(tools: Any, path: Path, text: str) -> tuple[dict[str, dict[int, set[str]]], Any]:
    path.write_text(text, encoding="utf-8")
    return tools.parse_config(str(path), enable_type_reduction=True)


def _names(required: dict[str, dict[int, set[str]]]) -> set[str]:
    return {
        f"{domain}:{name}"
        for domain, versions in required.items()
        for names in versions.values()
        for name in names
    }


def test_onnxruntime_reads_the_list_of_several_artifacts(tools: Any, tmp_path: Path) -> None:
    found = list_operators([ARTIFACTS / "text-classification", ARTIFACTS / "fp16"])
    required, types = _parse(tools, tmp_path / "ops.config", found.text)
    assert _names(required) == set(found.operators)
    assert {"ai.onnx:Gather", "com.microsoft:DynamicQuantizeMatMul"} <= set(found.operators)
    for name, needed in (("float", True), ("MLFloat16", True), ("int8_t", True), ("bool", False)):
        assert types.is_typed_registration_needed("ai.onnx", "Gather", name) is needed
    assert not types.is_typed_registration_needed("ai.onnx", "MatMul", "double")
    lines = found.text.splitlines()
    assert lines[0].startswith("# Operators of ") and "fp16/model.onnx" in lines[0]


def _converted(tools: Any, artifact: Path, folder: Path) -> Path:
    """The list of ONNX Runtime's own tool, which also converts the model."""
    shutil.copy(artifact / "model.onnx", folder)
    command = [sys.executable, "-m", "onnxruntime.tools.convert_onnx_models_to_ort"]
    options = ["--enable_type_reduction", "--optimization_style", "Fixed", "Runtime"]
    subprocess.run([*command, str(folder), *options], check=True, capture_output=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text-classification", "fp32", "fp16", "fill-mask"])
def test_it_has_what_the_tool_of_onnxruntime_lists(tools: Any, tmp_path: Path, name: str) -> None:
    found = list_operators([ARTIFACTS / name])
    ours, types = _parse(tools, tmp_path / "ours.config", found.text)
    for config in _converted(tools, ARTIFACTS / name, tmp_path).glob("required_*.config"):
        theirs, _ = tools.parse_config(str(config), enable_type_reduction=True)
        for domain, versions in theirs.items():
            for version, names in versions.items():
                assert names <= ours[domain][version]
        kinds = [line for line in config.read_text().splitlines() if "{" in line]
        assert kinds and types is not None


def test_every_operator_of_the_file_is_in_the_list() -> None:
    for name in ("int4", "question-answering"):
        graph = onnx.load(str(ARTIFACTS / name / "model.onnx")).graph
        constants = {"ai.onnx:Constant", "ai.onnx:Identity"}
        theirs = {f"{node.domain or 'ai.onnx'}:{node.op_type}" for node in graph.node}
        assert theirs - constants <= set(list_operators([ARTIFACTS / name]).operators)


def test_operators_that_onnxruntime_fuses_are_in_the_list() -> None:
    manifest = read_manifest(ARTIFACTS / "fp32")
    assert "BiasGelu" not in manifest.operators
    assert "com.microsoft:BiasGelu" in list_operators([ARTIFACTS / "fp32"]).operators


def test_a_type_that_the_tool_does_not_know_keeps_all_types(tools: Any, tmp_path: Path) -> None:
    """int4: an operator without types stays as it is, one with the wrong ones would not run."""
    found = list_operators([ARTIFACTS / "text-classification", ARTIFACTS / "int4"])
    _, types = _parse(tools, tmp_path / "ops.config", found.text)
    assert "Cast{" not in found.text and "Cast" in found.text
    assert types.is_typed_registration_needed("ai.onnx", "Cast", "Int4x2")


def test_the_same_list_again_and_in_any_order() -> None:
    names = [ARTIFACTS / "fp32", ARTIFACTS / "text-classification"]
    first, second = list_operators(names), list_operators(names[::-1])
    assert first.text.splitlines()[1:] == second.text.splitlines()[1:]
    assert list_operators(names).text == first.text


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no artifact was given; give all artifacts"):
        list_operators([])
    with pytest.raises(ArtifactError, match="no such artifact folder"):
        list_operators([ARTIFACTS / "fp32", tmp_path / "none"])
    shutil.copytree(ARTIFACTS / "fp32", tmp_path / "damaged")
    (tmp_path / "damaged/model.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match="has changed since the export"):
        list_operators([tmp_path / "damaged"])
    manifest = read_manifest(tmp_path / "damaged")
    files = manifest.files | {"model.onnx": file_facts(tmp_path / "damaged/model.onnx")}
    write_json(manifest.model_copy(update={"files": files}), tmp_path / "damaged/manifest.json")
    with pytest.raises(ArtifactError, match=r"cannot load .*; upgrade onnxruntime, or export"):
        list_operators([tmp_path / "damaged"])


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = []
    for task in ("text-classification", "fill-mask"):
        folder = tmp_path_factory.mktemp("programs") / task
        tiny.write_checkpoint(folder / "checkpoint", task=task, num_hidden_layers=1)
        texts = shipped_texts()[::8]
        export_checkpoint(
            folder / "checkpoint", folder / "artifact", format="executorch", texts=texts
        )
        folders.append(folder / "artifact")
    return folders


@pytest.mark.executorch
def test_executorch_reads_the_list_of_several_programs(programs: list[Path]) -> None:
    import yaml
    from torchgen.selective_build.selector import SelectiveBuilder

    found = list_operators(programs)
    builder = SelectiveBuilder.from_yaml_str(found.text)
    manifests = [read_manifest(folder) for folder in programs]
    expected = {name for each in manifests for name in each.operators} - {"XnnpackBackend"}
    assert set(found.operators) == set(builder.operators) == expected
    assert found.delegates == ("XnnpackBackend",)
    assert "delegates: XnnpackBackend" in found.text
    assert all(builder.is_operator_selected(name) for name in expected)
    assert not builder.is_operator_selected("aten::convolution.out")
    assert not builder.include_all_operators
    keys = builder.et_get_selected_kernels("aten::embedding.out", ["default"])
    assert keys == ["default"]
    models = yaml.safe_load(found.text)["operators"]["aten::embedding.out"]["debug_info"]
    assert models == sorted(str(folder / "model.pte") for folder in programs)


@pytest.mark.executorch
def test_the_tool_of_executorch_that_merges_lists_accepts_it(
    programs: list[Path], tmp_path: Path
) -> None:
    gen = pytest.importorskip("executorch.codegen.tools.gen_all_oplist")
    (tmp_path / "ops.yaml").write_text(list_operators(programs).text, encoding="utf-8")
    (tmp_path / "lists").write_text(str(tmp_path / "ops.yaml"), encoding="utf-8")
    gen.main(["--model_file_list_path", f"@{tmp_path / 'lists'}", "--output_dir", str(tmp_path)])
    written = (tmp_path / "selected_operators.yaml").read_text(encoding="utf-8")
    assert all(f"{name}:" in written for name in list_operators(programs).operators)


@pytest.mark.executorch
def test_a_damaged_program_ends_in_an_error_and_not_the_process(
    programs: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(programs[0], folder)
    (folder / "model.pte").write_bytes(b"x" * 1000)
    manifest = read_manifest(folder)
    files = manifest.files | {"model.pte": file_facts(folder / "model.pte")}
    write_json(manifest.model_copy(update={"files": files}), folder / "manifest.json")
    with pytest.raises(ArtifactError, match="executorch .* cannot load"):
        list_operators([folder])
