"""The rows of CSV and TSV files, and the delimiter of a CSV file."""

import csv
import io
import re
from collections.abc import Collection, Iterator

from squeezebert_mobile.errors import InputError
from squeezebert_mobile.evaluation.readers.data import DataFile

__all__ = ["COMMON_DELIMITERS", "csv_rows", "delimiter_name", "sniff_delimiter", "tsv_rows"]

#: The delimiters that are looked for, and how messages call them.
COMMON_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
#: The line that spreadsheet programs write before the header to name the delimiter.
_DELIMITER_LINE = re.compile(r'sep=([^"\r])', re.IGNORECASE)


def sniff_delimiter(file: DataFile, columns: Collection[str]) -> str:
    """The delimiter of a CSV file.

    Among the common ones, the one that gives the header most of the names in `columns`, and then
    the most cells.
    """
    if named := _delimiter_line(file):
        return named
    return max(COMMON_DELIMITERS, key=lambda delimiter: _fit(file, delimiter, columns))


def csv_rows(file: DataFile, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that has any.

    Raises:
        InputError: quotes are not closed, or used inside a cell.
    """
    lines_before = 1 if _delimiter_line(file) else 0
    text = file.text.split("\n", lines_before)[-1]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    # Python's limit of a cell, 128 KB, is the same for all readers. It is a C long.
    limit = csv.field_size_limit()
    csv.field_size_limit(max(limit, min(len(text), 2**31 - 1)))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield lines_before + reader.line_num, cells
    except csv.Error as error:
        raise file.error(
            f"is not valid CSV at line {lines_before + reader.line_num}: {error}; put a cell that "
            f'contains a quote or a {delimiter_name(delimiter)} in quotes, "like ""this"""'
        ) from None
    finally:
        csv.field_size_limit(limit)


def tsv_rows(file: DataFile) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that is not blank; quotes are text."""
    return ((number, line.split("\t")) for number, line in file.rows())


def delimiter_name(delimiter: str) -> str:
    """How messages call `delimiter`."""
    return COMMON_DELIMITERS.get(delimiter, repr(delimiter))


def _delimiter_line(file: DataFile) -> str | None:
    match = _DELIMITER_LINE.fullmatch(file.lines[0].strip(" "))
    return match[1] if match else None


def _fit(file: DataFile, delimiter: str, columns: Collection[str]) -> tuple[int, int]:
    try:
        _, header = next(csv_rows(file, delimiter), (0, []))
    except InputError:
        return 0, 1
    return len({cell.strip() for cell in header} & set(columns)), max(len(header), 1)
