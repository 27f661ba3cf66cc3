"""Checkpoints by Hub id, downloaded from a loopback server with the Hub's protocol."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sentence_folder
import tiny
import torch
from hub_server import HubServer, digest_of, files_of

from squeezebert_mobile import hub as our_hub
from squeezebert_mobile.errors import CheckpointError
from squeezebert_mobile.export import inspect_checkpoint
from squeezebert_mobile.models.checkpoint import download_checkpoint, open_checkpoint
from squeezebert_mobile.models.families import load_config
from squeezebert_mobile.models.heads import MODEL_CLASSES
from squeezebert_mobile.progress import StepProgress
from squeezebert_mobile.runtime import SqueezeBertTokenizerFast

NAME = "user/model"
SETTINGS = ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
WEIGHTS = "model.safetensors"


def download(revision: str | None = None, name: str = NAME) -> Path:
    return our_hub.checkpoint_folder(name, revision=revision, check=load_config)


def refused(revision: str | None = None, name: str = NAME) -> str:
    """The one line that says why the checkpoint cannot be had."""
    with pytest.raises(CheckpointError) as error:
        download(revision, name)
    assert "\n" not in str(error.value) and "cache/huggingface" not in str(error.value)
    return str(error.value)


def downloads(hub: HubServer) -> list[str]:
    """The files that were sent, with those of the storage by the start of their digest."""
    stored = [r.path[9:13] for r in hub.requests if r.path.startswith("/storage")]
    return [name for name in hub.files() if not name.endswith(("safetensors", "bin"))] + stored


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was received is written every 500 bytes, instead of 10 MB."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)


def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the address of the Hub any longer."""
    from huggingface_hub.utils import close_session

    close_session()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)


# Files --------------------------------------------------------------------------------------


def test_only_the_needed_files_are_fetched(hub: HubServer, checkpoint: Path) -> None:
    repository = hub.add(NAME, checkpoint)
    others = [
        *("tf_model.h5", "flax_model.msgpack", "rust_model.ot", "pytorch_model.bin"),
        *("onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.bin", "model.onnx"),
        *(".gitattributes", "eval/results.json", "train_script.py", "training_args.bin"),
    ]
    needed = ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "README.md"]
    needed += ["special_tokens_map.json", "2_Dense/config.json"]
    files = files_of(checkpoint) | dict.fromkeys([*others, *needed], b"{}")
    repository.commit(files)
    folder = download()
    assert files_of(folder) == {name: files[name] for name in [*SETTINGS, *needed, WEIGHTS]}
    stored = [r.path for r in hub.requests if r.path.startswith("/storage")]
    assert stored == [f"/storage/{digest_of(files[WEIGHTS])}"]


def test_the_model_is_the_folders(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)
    ours, theirs = open_checkpoint(NAME), open_checkpoint(checkpoint)
    assert (ours.name, ours.sha256) == ("model", theirs.sha256)
    assert ours.tokenizer.get_vocab() == theirs.tokenizer.get_vocab()
    assert MODEL_CLASSES["text-classification"].from_pretrained(NAME).config == ours.model.config


@pytest.mark.parametrize(
    "kinds", [("Transformer", "Pooling", "Normalize"), ("Transformer", "Pooling")]
)
def test_sentence_transformers(
    hub: HubServer, checkpoint: Path, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    theirs = tmp_path / "theirs"
    tiny.write_checkpoint(theirs)
    settings = {"lengths": {"max_seq_length": 16}, "prompts": {"prompts": {"query": "what is "}}}
    sentence_folder.write_modules(theirs, {"pooling_mode": "cls"}, kinds=kinds, **settings)
    hub.add(NAME, theirs)
    ours = open_checkpoint(NAME, task="feature-extraction")
    assert ours.sentences == open_checkpoint(theirs, task="feature-extraction").sentences
    assert ours.sentences.vector and ours.sentences.vector.pooling == ("cls",)
    assert (ours.default_sequence_length, ours.max_sequence_length) == (16, 40)


def test_a_module_that_is_refused(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    tiny.write_checkpoint(theirs)
    kinds = ("Transformer", "Pooling", "Dense")
    sentence_folder.write_modules(theirs, {"pooling_mode": "cls"}, kinds=kinds)
    hub.add(NAME, theirs)
    with pytest.raises(CheckpointError, match="^'user/model/modules.json' has the modules Trans"):
        open_checkpoint(NAME, task="feature-extraction")


def test_errors_name_the_repository(hub: HubServer, checkpoint: Path) -> None:
    repository, files = hub.add(NAME, checkpoint), files_of(checkpoint)
    with pytest.raises(CheckpointError, match="^'user/model' has no weights for fill-mask"):
        open_checkpoint(NAME, task="fill-mask")
    for name, data, message in (
        (WEIGHTS, b"no weights", "'user/model/model.safetensors' is damaged, or not a safetens"),
        ("config.json", b"{", "'user/model/config.json' cannot be read as JSON"),
        ("config.json", b"[]", "'user/model/config.json' must hold a JSON object"),
    ):
        repository.commit(files | {name: data})
        for load in (open_checkpoint, inspect_checkpoint):
            with pytest.raises(CheckpointError, match=f"^{message}"):
                load(NAME)
    repository.commit(files | {"vocab.txt": b"", "tokenizer.json": b"{"})
    with pytest.raises(CheckpointError, match="'user/model/tokenizer.json'"):
        open_checkpoint(NAME)


def test_the_license_of_the_card(hub: HubServer, checkpoint: Path) -> None:
    card = {"README.md": b"---\nlicense: apache-2.0\n---\n# A model\n"}
    hub.add(NAME, checkpoint).commit(files_of(checkpoint) | card)
    assert open_checkpoint(NAME).license == "apache-2.0"


def shards(files: dict[str, bytes], kind: str, folder: Path) -> dict[str, bytes]:
    """The files with their weights in two shards."""
    from safetensors.torch import load, save_file

    weights, suffix = load(files[WEIGHTS]), kind.rpartition(".")[2]
    stem = kind.removesuffix(f".{suffix}")
    shards = {f"{stem}-0000{n}-of-00002.{suffix}": sorted(weights)[n - 1 :: 2] for n in (1, 2)}
    others = {name: data for name, data in files.items() if name != WEIGHTS}
    for name, keys in shards.items():
        part = {key: weights[key].clone() for key in keys}
        if suffix == "bin":
            torch.save(part, folder / name)
        else:
            save_file(part, folder / name)
        others[name] = (folder / name).read_bytes()
    index = {"weight_map": {key: name for name, keys in shards.items() for key in keys}}
    return others | {f"{kind}.index.json": json.dumps(index).encode()}


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_shards(hub: HubServer, checkpoint: Path, tmp_path: Path, kind: str) -> None:
    hub.add(NAME, checkpoint).commit(shards(files_of(checkpoint), kind, tmp_path))
    theirs = open_checkpoint(checkpoint).model.state_dict()
    ours = open_checkpoint(NAME).model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_safetensors_are_preferred_to_shards_of_bin(
    hub: HubServer, checkpoint: Path, tmp_path: Path
) -> None:
    files = shards(files_of(checkpoint), "pytorch_model.bin", tmp_path) | files_of(checkpoint)
    hub.add(NAME, checkpoint).commit(files)
    assert files_of(download()) == files_of(checkpoint)


def test_only_bin(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load

    files = files_of(checkpoint)
    torch.save(load(files.pop(WEIGHTS)), tmp_path / "pytorch_model.bin")
    files["pytorch_model.bin"] = (tmp_path / "pytorch_model.bin").read_bytes()
    hub.add(NAME, checkpoint).commit(files)
    assert files_of(download()) == files
    open_checkpoint(NAME)


def test_a_shard_that_is_not_in_the_repository(
    hub: HubServer, checkpoint: Path, tmp_path: Path
) -> None:
    files = shards(files_of(checkpoint), WEIGHTS, tmp_path)
    del files["model-00002-of-00002.safetensors"]
    hub.add(NAME, checkpoint).commit(files)
    with pytest.raises(CheckpointError, match="shard 'model-00002-of-00002.safetensors' of "):
        open_checkpoint(NAME)


@pytest.mark.parametrize(
    "index", [b"[]", b"{", b'{"weight_map": [1]}', b'{"weight_map": {"a": 1}}']
)
def test_a_damaged_index(hub: HubServer, checkpoint: Path, index: bytes) -> None:
    files = files_of(checkpoint) | {f"{WEIGHTS}.index.json": index}
    del files[WEIGHTS]
    hub.add(NAME, checkpoint).commit(files)
    with pytest.raises(CheckpointError, match="index.json"):
        open_checkpoint(NAME)


@pytest.mark.parametrize("load", [load_config, SqueezeBertTokenizerFast.from_pretrained])
def test_config_and_tokenizer_need_no_weights(
    hub: HubServer, checkpoint: Path, load: Callable[[str], object]
) -> None:
    hub.add(NAME, checkpoint)
    load(NAME)
    assert downloads(hub) == SETTINGS


def test_a_repository_without_config(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint).commit({"model.gguf": b"", "README.md": b""})
    assert refused() == (
        "the Hub repository 'user/model' has no config.json (but README.md, model.gguf); give one "
        "in the layout of transformers, with config.json and model.safetensors"
    )


def test_a_repository_in_the_older_layout_of_sentence_transformers(
    hub: HubServer, checkpoint: Path
) -> None:
    files = {f"0_BERT/{name}": content for name, content in files_of(checkpoint).items()}
    hub.add(NAME, checkpoint).commit(files | {"modules.json": b"[]"})
    message = refused()
    assert message.startswith("the Hub repository 'user/model' has no config.json (but 0_BERT/conf")
    assert message.endswith(
        "; its model is in 0_BERT, as older versions of sentence-transformers saved it; run: hf "
        "download user/model --local-dir FOLDER, and give that folder"
    )


def test_a_repository_without_weights(hub: HubServer, checkpoint: Path) -> None:
    files = files_of(checkpoint) | {"tf_model.h5": b"weights"}
    del files[WEIGHTS]
    hub.add(NAME, checkpoint).commit(files)
    assert refused() == (
        "the Hub repository 'user/model' has neither model.safetensors nor pytorch_model.bin (but "
        "config.json, tf_model.h5, tokenizer.json, tokenizer_config.json, vocab.txt); give one "
        "that has, or save its model with save_pretrained of transformers and give the folder"
    )
    assert downloads(hub) == []
    load_config(NAME)  # which needs none


@pytest.mark.parametrize("model_type", ["distilbert", "roberta", "t5"])
def test_another_model_is_refused_before_its_weights_are_there(
    hub: HubServer, checkpoint: Path, model_type: str
) -> None:
    config = json.dumps({"model_type": model_type, "architectures": ["AModel"]}).encode()
    hub.add(NAME, checkpoint).commit(files_of(checkpoint) | {"config.json": config})
    with pytest.raises(CheckpointError) as error:
        open_checkpoint(NAME)
    assert str(error.value).startswith(f"'user/model/config.json': model_type is '{model_type}'")
    assert downloads(hub) == SETTINGS


# Revisions ----------------------------------------------------------------------------------


def test_a_branch_a_tag_and_a_commit(hub: HubServer, checkpoint: Path) -> None:
    repository, files = hub.add(NAME, checkpoint), files_of(checkpoint)
    cards = {name: files | {"README.md": name.encode()} for name in ("main", "refs/pr/1", "old")}
    tagged = repository.commit(cards["old"], tag="v1.0")
    head = repository.commit(cards["main"])
    repository.commit(cards["refs/pr/1"], branch="refs/pr/1")
    for revision, name in [
        *((None, "main"), ("main", "main"), (head, "main")),
        *(("v1.0", "old"), (tagged, "old"), ("refs/pr/1", "refs/pr/1")),
    ]:
        assert files_of(download(revision)) == cards[name], revision


def test_a_commit_in_the_cache_needs_no_request(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)
    commit = download_checkpoint(NAME)
    assert commit == hub.repositories[NAME].branches["main"]
    hub.requests.clear()
    assert download(commit).name == commit
    assert hub.requests == []


def test_a_branch_that_has_moved_on(hub: HubServer, checkpoint: Path) -> None:
    repository = hub.add(NAME, checkpoint)
    first = download()
    repository.commit(files_of(checkpoint) | {"vocab.txt": b"[PAD]\n"})
    hub.requests.clear()
    second = download()
    assert second != first and (second / "vocab.txt").read_bytes() == b"[PAD]\n"
    assert downloads(hub) == ["vocab.txt"]  # the other files are the same


@pytest.mark.parametrize(
    ("revision", "guess"), [("v1.1", "did you mean 'v1.0'? "), ("x", ""), ("0" * 40, "")]
)
def test_a_revision_that_does_not_exist(
    hub: HubServer, checkpoint: Path, revision: str, guess: str
) -> None:
    hub.add(NAME, checkpoint).commit(files_of(checkpoint), tag="v1.0")
    assert refused(revision) == (
        f"the Hub repository 'user/model' has no revision {revision!r}; {guess}give one of its "
        "branches or tags (main, v1.0), or all 40 digits of a commit"
    )


def test_a_missing_revision_is_not_taken_from_the_cache(hub: HubServer, checkpoint: Path) -> None:
    repository = hub.add(NAME, checkpoint)
    repository.commit(files_of(checkpoint), branch="old")
    download("old")
    del repository.branches["old"]
    assert "has no revision 'old'" in refused("old")


def test_many_revisions_are_not_all_listed(hub: HubServer, checkpoint: Path) -> None:
    repository = hub.add(NAME, checkpoint)
    repository.branches |= {f"step{n}": repository.branches["main"] for n in range(20)}
    assert "(main, step0, " in refused("x") and "step8 and 11 more)" in refused("x")


@pytest.mark.parametrize("revision", ["", "a b", "../main", "a..b", "/main", "main/", "v[1]", "-x"])
def test_what_is_no_revision(hub: HubServer, revision: str) -> None:
    assert refused(revision) == (
        f"the revision {revision!r} cannot be a branch, a tag or a commit of a Hub repository; "
        "give one of these"
    )
    assert hub.requests == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("demo", "part of this package"), ("preset:bert-base", "part of this package")],
)
def test_a_revision_of_what_has_none(name: str, kind: str) -> None:
    for call in (open_checkpoint, download_checkpoint):
        with pytest.raises(CheckpointError) as error:
            call(name, revision="main")  # type: ignore[operator]
        assert str(error.value) == (
            f"the revision 'main' is for a Hub id, but {name!r} is {kind}; leave the revision out"
        )


def test_a_revision_of_a_folder(checkpoint: Path) -> None:
    assert refused("main", str(checkpoint)).endswith("is a folder; leave the revision out")


# The cache, without the Hub -----------------------------------------------------------------


@pytest.mark.parametrize("without", [offline, gone])
def test_without_the_hub_the_copy_in_the_cache_is_used(
    hub: HubServer,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    without: Callable[[pytest.MonkeyPatch], None],
) -> None:
    hub.add(NAME, checkpoint).commit(files_of(checkpoint), branch="dev", tag="v1")
    folders = {revision: download(revision) for revision in (None, "dev", "v1")}
    without(monkeypatch)
    caplog.clear()
    for revision, folder in folders.items():
        assert download(revision) == folder
    messages = [record.getMessage() for record in caplog.records]
    if without is offline:
        assert messages == []
    else:
        assert messages[0].startswith("'user/model' is taken from the cache: no folder ")
        assert messages[0].endswith(" cannot be reached: [Errno 111] Connection refused")
        assert len(messages) == len(folders)
    open_checkpoint(NAME)


def test_offline_without_a_cache(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.add(NAME, checkpoint).commit(files_of(checkpoint), tag="v1")
    download()
    offline(monkeypatch)
    cache = str(tmp_path / "home" / "hub")
    reason = (
        f"the Hub is not asked because HF_HUB_OFFLINE is set; the cache {cache!r} does not have"
    )
    remedy = "unset HF_HUB_OFFLINE for the first download, or give a folder"
    assert refused(name="user/other") == (
        f"no folder 'user/other', and {reason} 'user/other'; {remedy}"
    )
    assert refused("v1") == (
        f"no folder 'user/model', and {reason} 'user/model' at revision 'v1'; {remedy}"
    )


def test_the_hub_gone_without_a_cache(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    gone(monkeypatch)
    message = refused()
    assert message.startswith("no folder 'user/model', and the Hub (http://127.0.0.1:")
    assert message.endswith(
        "cannot be reached: [Errno 111] Connection refused; check the name and the network, or "
        "download the checkpoint and give its folder"
    )


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> None:
    monkeypatch.setattr("squeezebert_mobile.hub.download._TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        assert f"the Hub ({endpoint}) cannot be reached: timed out; check" in refused()


def test_a_server_that_is_no_hub(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)
    hub.failures.append(("/api/models", 200, {"Content_Type": "text/html"}))
    assert refused() == (
        f"the answer of {hub.endpoint} for 'user/model' is not the Hub's; check the proxy or the "
        "login page of your network, and HF_ENDPOINT if it is set"
    )


def test_a_cache_with_a_part(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint)
    load_config(NAME)
    offline(monkeypatch)
    load_config(NAME)
    SqueezeBertTokenizerFast.from_pretrained(NAME)
    assert refused().startswith(
        "the cache has only a part of 'user/model', without model.safetensors: no folder "
    )


def test_a_cache_that_transformers_has_filled(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for files one by one, so that the cache does not have the list of files."""
    import huggingface_hub

    hub.add(NAME, checkpoint)
    huggingface_hub.hf_hub_download(NAME, "config.json")
    offline(monkeypatch)
    assert "the cache has only a part of 'user/model', without model.safetensors" in refused()


def test_a_whole_cache_that_transformers_has_filled(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    hub.add(NAME, checkpoint)
    for name in files_of(checkpoint):
        huggingface_hub.hf_hub_download(NAME, name)
    offline(monkeypatch)
    assert files_of(download()) == files_of(checkpoint)


# Access -------------------------------------------------------------------------------------


def test_the_token_is_for_the_hub_only(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint, token="hf_right")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    open_checkpoint(NAME)
    sent = {r.path.startswith("/storage"): set[str | None]() for r in hub.requests}
    for request in hub.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent[request.path.startswith("/storage")].add(headers.get("authorization"))
    assert sent == {False: {"Bearer hf_right"}, True: {None}}


def test_a_token_of_hf_auth_login(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    hub.add(NAME, checkpoint, token="hf_right")
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "token").write_text("hf_right\n", encoding="utf-8")
    download()


def test_a_private_repository(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint, token="hf_right")
    assert refused() == (
        "'user/model' is neither a folder nor a Hub repository that can be read without a token; "
        "check the spelling; if the repository is private, run: hf auth login, or set HF_TOKEN"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert refused() == (
        "'user/model' is neither a folder nor a Hub repository that your token can read; check "
        "the spelling; if the repository is private, use the token of an account that has access"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    download()


def test_a_repository_that_does_not_exist(hub: HubServer) -> None:
    assert refused(name="my/checkpoint").startswith(
        "'my/checkpoint' is neither a folder nor a Hub repository that can be read without a token"
    )


def test_a_gated_repository(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint, gated=True, member="hf_member")
    beginning = (
        "the Hub repository 'user/model' is gated: its files are for users who have been granted "
        f"access; ask for it at {hub.endpoint}/user/model "
    )
    assert refused() == (
        f"{beginning}and run: hf auth login, or set HF_TOKEN, then repeat the command"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert refused() == (f"{beginning}with the account of your token, then repeat the command")
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    download()


def test_a_token_that_is_not_valid(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint)
    hub.bad_token = "hf_expired"
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    assert refused() == (
        "the Hub does not accept your token, which 'user/model' was asked for with; run: hf auth "
        "login, or correct HF_TOKEN, or remove it for public repositories"
    )


def test_a_token_without_the_permission(
    hub: HubServer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint)
    hub.failures += [("/api/models", 403, {})] * 2
    assert refused() == (
        "the Hub does not let users without a token read 'user/model'; run: hf auth login, or set "
        "HF_TOKEN"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_fine_grained")
    assert refused().startswith(
        "the Hub does not let your token read 'user/model'; give the token the permission to read "
        f"it, at {hub.endpoint}/settings/tokens, or run: hf auth login"
    )


def test_a_disabled_repository(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint, disabled=True)
    assert refused() == (
        "the Hub repository 'user/model' is disabled there; use another checkpoint"
    )


def test_access_that_was_lost_leaves_the_copy_in_the_cache(
    hub: HubServer, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = hub.add(NAME, checkpoint)
    folder = download()
    repository.token = "hf_right"
    assert download() == folder
    assert caplog.records[-1].getMessage() == (
        "'user/model' is taken from the cache: 'user/model' is neither a folder nor a Hub "
        "repository that can be read without a token"
    )


def test_a_renamed_repository(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)
    hub.add("user/old-name", checkpoint, moved_to=NAME)
    assert files_of(download(name="user/old-name")) == files_of(checkpoint)


# What goes wrong on the way -----------------------------------------------------------------


def test_an_interrupted_download_goes_on_where_it_was(
    hub: HubServer, checkpoint: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    hub.add(NAME, checkpoint)
    weights = files_of(checkpoint)[WEIGHTS]
    hub.cuts[digest_of(weights)] = [1000, 2500]
    assert files_of(download()) == files_of(checkpoint)
    ranges = [r.headers.get("Range") for r in hub.requests if r.path.startswith("/storage")]
    assert ranges == [None, "bytes=1000-", "bytes=2500-"]


def test_a_download_that_fails_keeps_the_finished_files(
    hub: HubServer, checkpoint: Path, waits: list[float]
) -> None:
    hub.add(NAME, checkpoint)
    digest = digest_of(files_of(checkpoint)[WEIGHTS])
    hub.cuts[digest] = [0] * 100
    message = refused()
    assert message.startswith("no folder 'user/model', and the Hub (")
    assert " cannot be reached: " in message and "check the name and the network" in message
    hub.cuts.clear()
    hub.requests.clear()
    assert files_of(download()) == files_of(checkpoint)
    assert downloads(hub) == [digest[:4]]


def test_a_download_that_the_user_stops(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    @contextmanager
    def progress(name: str) -> Iterator[StepProgress]:
        yield stop

    with pytest.raises(KeyboardInterrupt):
        our_hub.checkpoint_folder(NAME, progress=progress)
    assert files_of(download()) == files_of(checkpoint)


@pytest.mark.parametrize("name", [WEIGHTS, "vocab.txt"])
def test_a_damaged_file_is_noticed_and_downloaded_again(
    hub: HubServer, checkpoint: Path, name: str
) -> None:
    hub.add(NAME, checkpoint)
    data = files_of(checkpoint)[name]
    hub.damaged[digest_of(data)] = bytes(reversed(data))
    assert refused() == (
        f"{name} of 'user/model' is damaged: its checksum is not the Hub's; it was removed from "
        "the cache: repeat the command to download it again"
    )
    hub.damaged.clear()
    assert files_of(download()) == files_of(checkpoint)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0"])
def test_a_file_of_another_size(
    hub: HubServer, checkpoint: Path, change: Callable[[bytes], bytes]
) -> None:
    hub.add(NAME, checkpoint)
    data = files_of(checkpoint)[WEIGHTS]
    hub.damaged[digest_of(data)] = change(data)
    assert refused() == (
        "a file of 'user/model' has arrived with another size than the Hub states; repeat the "
        "command, or download the checkpoint and give its folder"
    )
    hub.damaged.clear()
    assert files_of(download()) == files_of(checkpoint)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [(503, {}, [1, 2]), (502, {}, [1, 2]), (429, {}, [1, 2]), (429, {"Retry_After": "7"}, [7, 7])],
)
def test_a_busy_hub_is_asked_again(
    hub: HubServer,
    checkpoint: Path,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
    expected: list[float],
) -> None:
    hub.add(NAME, checkpoint)
    hub.failures += [("/api/models", status, headers)] * 2
    download()
    assert [seconds for seconds in waits if seconds >= 1] == expected
    assert f"the Hub is busy (status {status}); trying again in {expected[0]} s" in caplog.text


@pytest.mark.parametrize("path", ["/tree/", "/resolve/.*vocab.txt", "/storage"])
def test_a_hub_that_is_busy_later(
    hub: HubServer, checkpoint: Path, waits: list[float], path: str
) -> None:
    hub.add(NAME, checkpoint)
    hub.failures.append((path, 429, {}))
    assert files_of(download()) == files_of(checkpoint)


def test_a_hub_that_stays_busy(
    hub: HubServer, checkpoint: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, checkpoint)
    hub.failures += [("/api/models", 503, {})] * 4
    assert refused() == (
        f"the Hub ({hub.endpoint}) is out of order (status 503), so 'user/model' was not "
        "downloaded; repeat the command later, or give the folder of a copy"
    )
    hub.failures += [("/api/models", 429, {})] * 4
    assert refused("main") == (
        "the Hub refuses further requests for now (429), so 'user/model' at revision 'main' was "
        "not downloaded; repeat the command in a few minutes, or for a higher limit run: hf auth "
        "login, or set HF_TOKEN"
    )
    waits.clear()
    hub.failures.append(("/api/models", 429, {"Retry_After": "300"}))
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert refused() == (
        "the Hub refuses further requests for now (429), so 'user/model' was not downloaded; "
        "repeat the command in 300 seconds"
    )
    assert [seconds for seconds in waits if seconds >= 1] == []
    folder = download()
    hub.failures += [("/api/models", 500, {})] * 4
    assert download() == folder  # from the cache


def test_a_cache_that_cannot_be_written(
    hub: HubServer, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    hub.add(NAME, checkpoint)
    cache = str(tmp_path / "home" / "hub")
    for number in (errno.ENOSPC, errno.EACCES, errno.EROFS):

        def fail(*arguments: object, number: int = number, **settings: object) -> None:
            raise OSError(number, os.strerror(number), "a file")

        with monkeypatch.context() as patch:
            patch.setattr("huggingface_hub.snapshot_download", fail)
            message = refused()
        assert message.startswith(f"'user/model' cannot be written to the cache {cache!r}: ")
        assert os.strerror(number) in message
        assert message.endswith("make room there, or set HF_HOME to another folder")


# Names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a--b/model", "user/model..x", "user/model.git", "-a/b", "a/.b"])
def test_what_is_no_hub_id(hub: HubServer, name: str) -> None:
    assert refused(name=name) == (
        f"{name!r} is neither a folder nor a valid Hub id; check the path, or give an id like "
        "'squeezebert/squeezebert-uncased'"
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://huggingface.co/user/model", "user/model"),
        ("https://huggingface.co/user/model/", "user/model"),
        ("https://hf.co/user/model/tree/v1.0", "user/model --revision v1.0"),
        ("http://hf.co/user/model/blob/main/config.json", "user/model --revision main"),
    ],
)
def test_an_address_of_the_hub(address: str, expected: str) -> None:
    assert refused(name=address) == (
        f"{address!r} is an address; give the Hub id alone: {expected}"
    )


# Progress -----------------------------------------------------------------------------------


def test_the_download_of_the_weights_is_shown(
    hub: HubServer, checkpoint: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    hub.add(NAME, checkpoint)
    size = len(files_of(checkpoint)[WEIGHTS])
    hub.cuts[digest_of(files_of(checkpoint)[WEIGHTS])] = [1000]
    steps: dict[str, list[tuple[int, int]]] = {}

    @contextmanager
    def progress(name: str) -> Iterator[StepProgress]:
        seen = steps[name] = []
        yield lambda done, total: seen.append((done, total))

    our_hub.checkpoint_folder(NAME, progress=progress)
    our_hub.checkpoint_folder(NAME, progress=progress)  # nothing is downloaded
    assert list(steps) == [f"download {size / 1e6:.1f} MB"]
    seen = steps.popitem()[1]
    assert seen == sorted(seen) and seen[0][0] == 500 and seen[-1] == (size, size)


def test_the_bars_of_the_library_are_not_shown(
    hub: HubServer, checkpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.add(NAME, checkpoint)
    download()
    assert capfd.readouterr() == ("", "")
