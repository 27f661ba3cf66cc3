"""Standard output and standard error, on terminals and files that are not UTF-8."""

import codecs
import io
import sys

__all__ = ["escape_unencodable"]

_HANDLER = "squeezebert_mobile.escape"


def escape_unencodable() -> None:
    r"""Escape characters that stdout or stderr cannot encode, instead of raising an error.

    Where the encoding is not UTF-8 (redirection on Windows, ``PYTHONIOENCODING``), a character that
    it does not have becomes ``\uXXXX``, with a surrogate pair above U+FFFF. These are JSON's
    escapes, so that JSON stays valid.
    """
    codecs.register_error(_HANDLER, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    codes = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return "".join(f"\\u{code}" for code in codes), error.end
