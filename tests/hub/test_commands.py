"""Hub ids and revisions in the commands."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import hub_server
import pytest
import tiny
from commands import Cli, steps, without_steps
from hub_server import HubServer
from published import write_published
from small_training import TABLE

from squeezebert_mobile.artifact import read_manifest
from squeezebert_mobile.models.checkpoint import shipped_texts
from squeezebert_mobile.models.weight_files import weights_sha256

NAME = "user/model"
LINE = re.compile(r"download \d+\.\d MB +\d+\.\d s\n")


@pytest.fixture
def revisions(hub: HubServer, checkpoint: Path, tmp_path: Path) -> dict[str, str]:
    """A repository with other weights in main than in its tag v1: revision -> their SHA-256."""
    tiny.write_checkpoint(tmp_path / "newer", task="text-classification", seed=1)
    repository = hub.add(NAME, checkpoint)
    repository.tags["v1"] = repository.branches["main"]
    repository.commit(hub_server.files_of(tmp_path / "newer"))
    Path("texts.txt").write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")
    Path("data.jsonl").write_text(TABLE, encoding="utf-8")
    return {"v1": weights_sha256(checkpoint), "main": weights_sha256(tmp_path / "newer")}


def exported(cli: Cli, output: str, options: str = "", name: str = NAME) -> str:
    """The SHA-256 of the weights that an export took, and its stderr."""
    command = f"export {name} -o {output} --precision fp32 --texts texts.txt {options}"
    code, _, err = cli(*command.split())
    assert code == 0, err
    return err


def test_the_readmes_export(hub: HubServer, tmp_path: Path, cli: Cli) -> None:
    name = "squeezebert/squeezebert-mnli"
    write_published(tmp_path / "theirs", "squeezebert-mnli")
    hub.add(name, tmp_path / "theirs")
    Path("texts.txt").write_text("\n".join(shipped_texts()[::8]), encoding="utf-8")
    err = exported(cli, "mnli", name=name)
    assert LINE.match(err) and steps(err)[1:] == ["load", "rewrite", "export", "verify"]
    assert without_steps(err).startswith("note: config.json has no architectures; the task is ")
    source = read_manifest(Path("mnli")).source
    assert (source.name, source.sha256) == ("squeezebert-mnli", weights_sha256(tmp_path / "theirs"))
    err = exported(cli, "again", name=name)
    assert steps(err) == ["load", "rewrite", "export", "verify"]
    assert hub_server.files_of(Path("mnli")) == hub_server.files_of(Path("again"))


def test_export_and_verify(hub: HubServer, revisions: dict[str, str], cli: Cli) -> None:
    for revision, sha256 in revisions.items():
        exported(cli, revision, f"--revision {revision}")
        assert read_manifest(Path(revision)).source.sha256 == sha256
    exported(cli, "newest")
    assert read_manifest(Path("newest")).source.sha256 == revisions["main"]
    verify = f"verify v1 --against {NAME} --texts texts.txt"
    assert cli(*f"{verify} --revision v1".split())[0] == 0
    code, _, err = cli(*verify.split())  # the newest is another model
    assert code == 1 and "error: the fp32 model does not answer as the checkpoint does" in err


def test_inspect(hub: HubServer, checkpoint: Path, cli: Cli) -> None:
    card = {"README.md": b"---\nlicense: mit\n---\n"}
    repository = hub.add(NAME, checkpoint)
    repository.commit(hub_server.files_of(checkpoint) | card, branch="licensed")
    code, out, err = cli("inspect", NAME, "--json")
    assert (code, err, json.loads(out)["license"]) == (0, "", None)
    code, out, err = cli("inspect", NAME, "--revision", "licensed")
    assert (code, err) == (0, "") and "mit" in out  # the weights are the same


def test_a_line_for_the_download(hub: HubServer, checkpoint: Path, cli: Cli) -> None:
    hub.add(NAME, checkpoint)
    code, _, err = cli("inspect", NAME)
    assert code == 0 and LINE.fullmatch(err)


def test_evaluate(hub: HubServer, revisions: dict[str, str], checkpoint: Path, cli: Cli) -> None:
    def metrics(*words: str) -> dict[str, object]:
        command = ("evaluate", *words[:1], "data.jsonl", "--json", "--labels-are", "classes")
        code, out, err = cli(*command, *words[1:])
        assert code == 0, err
        return json.loads(out)

    # The labels of the checkpoint are LABEL_0 and LABEL_1.
    table = TABLE.replace("alarm", "0").replace("weather", "1")
    Path("data.jsonl").write_text(table, encoding="utf-8")
    theirs = metrics(str(checkpoint), "--against", "newer")
    ours = metrics(NAME, "--revision", "v1", "--against", NAME, "--against-revision", "main")
    assert _scores(ours) == _scores(theirs)


def _scores(result: dict[str, object]) -> str:
    """All numbers of an evaluation, without the names of the models."""
    return re.sub(r'"(model|against|name|other)": "[^"]*"', "", json.dumps(result))


def test_finetune(hub: HubServer, revisions: dict[str, str], cli: Cli) -> None:
    command = f"finetune {NAME} data.jsonl --task text-classification --epochs 1 --json"
    for revision, sha256 in revisions.items():
        code, out, err = cli(*command.split(), "-o", revision, "--revision", revision)
        assert code == 0, err
        assert json.loads(out)["checkpoint"]["sha256"] == sha256
        assert "download" not in err
    teacher = f"--teacher {NAME} --teacher-revision mian"
    code, _, err = cli(*command.split(), "-o", "new", *teacher.split())
    assert code == 1
    assert err.splitlines()[-1].startswith(
        "error: the Hub repository 'user/model' has no revision 'mian'; did you mean 'main'? "
    )
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "export user/model -o new --revision mian",
            "has no revision 'mian'; did you mean 'main'? ",
        ),
        ("inspect user/model --revision mian", "has no revision 'mian'; did you mean 'main'? "),
        ("evaluate user/model data.jsonl --revision mian", "has no revision 'mian'; did you mean"),
        ("export user/nothing -o new", "error: 'user/nothing' is neither a folder nor a Hub"),
        ("inspect user/nothing", "error: 'user/nothing' is neither a folder nor a Hub"),
        ("evaluate user/nothing data.jsonl", "error: 'user/nothing' is neither a folder nor a"),
    ],
)
def test_an_error_is_one_line(
    hub: HubServer, revisions: dict[str, str], cli: Cli, command: str, message: str
) -> None:
    code, out, err = cli(*command.split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ") and message in err
    assert not Path("new").exists()


# Other processes ----------------------------------------------------------------------------


def _run(server: HubServer, home: str, command: str, **variables: str) -> tuple[int, str, str]:
    """Run the command line in a process of its own, whose cache is in the folder `home`."""
    environment = hub_server.environment(server.endpoint, Path(home).resolve())
    done = subprocess.run(
        [sys.executable, "-m", "squeezebert_mobile", *command.split()],
        env=os.environ | environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_the_variables_of_the_environment(hub: HubServer, checkpoint: Path, tmp_path: Path) -> None:
    hub.add(NAME, checkpoint, token="hf_right")
    inspect = f"inspect {NAME} --json"
    code, out, err = _run(hub, "first", inspect, HF_TOKEN="hf_right")
    assert (code, err) == (0, "") and json.loads(out)["name"] == NAME
    assert _run(hub, "first", inspect, HF_HUB_OFFLINE="1") == (0, out, "")
    code, out, err = _run(hub, "second", inspect, HF_HUB_OFFLINE="1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    cache = str(tmp_path / "second" / "hub")
    assert err.startswith(
        "error: no folder 'user/model', and the Hub is not asked because HF_HUB_OFFLINE is set; "
        f"the cache {cache!r} does not have 'user/model'"
    )


@pytest.mark.slow
def test_a_bar_on_a_terminal(hub: HubServer, checkpoint: Path) -> None:
    hub.add(NAME, checkpoint)
    ours, theirs = pty.openpty()
    environment = hub_server.environment(hub.endpoint, Path("home").resolve())
    command = [sys.executable, "-m", "squeezebert_mobile", "inspect", NAME, "--json"]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=theirs
    ) as run:
        os.close(theirs)
        assert run.stdout and json.loads(run.stdout.read())["name"] == NAME
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert run.returncode == 0
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", shown)
    assert "✓" in plain and LINE.search(plain)
    assert "Fetching" not in shown  # the library's own bar
