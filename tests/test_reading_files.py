"""Only regular files of a limited size are read."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from squeezebert_mobile.files import check_regular, read_regular

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes and /dev")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _folder(path: Path) -> None:
    path.mkdir()


def _link_to(target: str):  # type: ignore[no-untyped-def]
    return lambda path: path.symlink_to(target)


OTHERS = {
    "a named pipe": (_pipe, "it is a named pipe, not a regular file"),
    "a link to a pipe": (_link_to_pipe, "it is a named pipe, not a regular file"),
    "a socket": (_socket, "it is a socket, not a regular file"),
    "a folder": (_folder, "Is a directory"),
    "endless": (_link_to("/dev/zero"), "it is a device, not a regular file"),
    "a device": (_link_to("/dev/null"), "it is a device, not a regular file"),
    "a link to itself": (_link_to("file"), "Too many levels of symbolic links"),
    "a link to nothing": (_link_to("nothing"), "No such file or directory"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path, case: str) -> None:
    make, reason = OTHERS[case]
    make(tmp_path / "file")
    for read in (read_regular, check_regular):
        with pytest.raises(OSError, match=reason) as caught:
            read(tmp_path / "file")
        assert caught.value.strerror == reason


def test_a_file_is_read(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "empty").touch()
    assert read_regular(tmp_path / "file") == read_regular(tmp_path / "link") == content
    assert read_regular(tmp_path / "empty") == b""
    assert read_regular(Path("/proc/self/status"))  # of size 0, by its status


@pytest.mark.parametrize("size", [10, 11, 1 << 40])
def test_a_file_over_the_limit(tmp_path: Path, size: int) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(size)  # takes no space
    if size == 10:
        assert len(read_regular(tmp_path / "file", 10)) == 10
        return
    with pytest.raises(OSError, match="it is larger than 0 MiB, the most that is read"):
        read_regular(tmp_path / "file", 10)


@pytest.mark.timeout(20)
def test_a_file_that_never_ends_is_read_up_to_the_limit(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from squeezebert_mobile.files import read_regular\n"
        "read_regular(Path('/dev/fd/0'), 5 << 20)"
    )
    command = f'yes | {sys.executable} -c "{script}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] it is larger than 5 MiB, the most that is read" in done.stderr


def test_a_pipe_of_the_command_line_is_read(tmp_path: Path) -> None:
    """As bash's <(command), which is /dev/fd/63."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"text,label\n")
    os.close(write_end)
    link = tmp_path / "data.csv"
    link.symlink_to(f"/dev/fd/{read_end}")
    assert read_regular(link) == b"text,label\n"
    os.close(read_end)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        read_regular(tmp_path / ("x" * 256))
