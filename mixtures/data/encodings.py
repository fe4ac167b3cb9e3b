"""Text files of other programs: their encoding, and the line in which Excel names the separator."""

import codecs
import re

from mixtures.errors import InputError
from mixtures.messages import named

__all__ = ["as_utf8", "without_separator_line"]

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks that name an encoding other than UTF-8."""


SEPARATOR_LINE = re.compile(rb'"?sep=(?P<mark>[^\r\n"])"?[ \t]*(?=\r|\n|$)', re.IGNORECASE)


def as_utf8(content: bytes, encoding: str | None, source: str) -> bytes:
    """Text in UTF-8, without a byte order mark.

    Parameters
    ----------
    content : bytes
        The text in some encoding.
    encoding : str, optional
        Name of the encoding, such as "cp1252". By default that of the byte order mark, if there is one, and
        otherwise UTF-8; bytes that are not UTF-8 are left for the reader of the table to refuse.
    source : str
        Name of the text in messages.

    Examples
    --------
    >>> as_utf8("ä".encode("utf-16"), None, "the file").decode()
    'ä'
    """
    name = encoding or next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if name is not None:
        content = _decoded(content, name, source).encode()
    return content.removeprefix(codecs.BOM_UTF8)


def _decoded(content: bytes, encoding: str, source: str) -> str:
    try:
        return content.decode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            line = content.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{source} is not {named(encoding)} (line {line}): name another encoding, or save it as UTF-8"
            ) from error
        raise InputError(
            f"encoding {named(str(encoding))} is not known here; it is a name such as cp1252 or utf-16"
        ) from error


def without_separator_line(content: bytes) -> tuple[bytes, str | None]:
    r"""Blank a first line that only names the separator, as Excel writes it; return the text and separator.

    Examples
    --------
    >>> without_separator_line(b"sep=;\r\na;b\r\n")
    (b'\r\na;b\r\n', ';')
    """
    found = SEPARATOR_LINE.match(content)
    return (content, None) if found is None else (content[found.end() :], found["mark"].decode("latin-1"))
