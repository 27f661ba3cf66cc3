"""Reading a data file: files that are not UTF-8 text."""

from pathlib import Path

import pytest

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation import read_file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; give a file with labelled examples"),
        (b"", "is empty; give a file with labelled examples"),
        (b" \n\t\n", "is empty; give a file with labelled examples"),
        (
            b"a\nb\0",
            "is not a text file: it has a NUL byte at line 2; give the data as UTF-8 text",
        ),
        (b"a\n\xff\n", "is not UTF-8 (line 2, byte 0xff); convert it to UTF-8"),
    ],
)
def test_files_without_text(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_file(path)
    assert str(error.value) == f"{str(path)!r} {message}"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give the file with the labelled examples"):
        read_file(tmp_path)
