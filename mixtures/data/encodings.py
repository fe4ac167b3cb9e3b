"""Text files of other programs: their encoding, and the line in which Excel names the separator."""

import codecs
import re

from mixtures.errors import InputError
from mixtures.messages import Option, named, worded

__all__ = ["as_utf8", "said_of", "without_separator_line"]

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, and the encodings that they name."""


WIDE, GUESSED_BY = ("utf-32-le", "utf-32-be"), 4096
"""Encodings of four bytes a character; bytes by which that of an unmarked text is guessed."""


SEPARATOR_LINE = re.compile(rb'"?sep=(?P<mark>[^\r\n"])"?[ \t]*(?=\r|\n|$)', re.IGNORECASE)


def as_utf8(content: bytes, encoding: str | None, source: str) -> bytes:
    """Text in UTF-8, without a byte order mark.

    Parameters
    ----------
    content : bytes
        The text in some encoding.
    encoding : str, optional
        Name of the encoding, such as "cp1252"; it must agree with the byte order mark, if there is one. By
        default that of the mark, or else UTF-8; bytes that are not UTF-8 are left for the reader of the table
        to refuse.
    source : str
        Name of the text in messages.

    Examples
    --------
    >>> as_utf8("ä".encode("utf-16"), None, "the file").decode()
    'ä'
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    name = encoding if encoding is not None else MARKS.get(mark, "utf-8")
    if name != "utf-8":
        content = _decoded(content, mark, name, source).encode()
    if (place := content.find(b"\0")) >= 0:
        _refuse_nul(content, encoding, place, source)
    return content.removeprefix(codecs.BOM_UTF8)


def _refuse_nul(content: bytes, encoding: str | None, place: int, source: str) -> None:
    """Refuse NUL bytes, which text has only in encodings of two or four bytes a character."""
    line = f"line {content.count(b'\n', 0, place) + 1}"
    if encoding is not None:
        what = f" has a NUL in {line}: name another encoding, or save it as UTF-8"
        raise InputError(worded(f"{source} read with ", Option("encoding", encoding), what))
    raise InputError(
        worded(
            f"{source} is not text in UTF-8: {line} has a NUL byte; say ",
            said_of(_guessed(content[:GUESSED_BY])),
            " if it is in that encoding, or save it as UTF-8",
        )
    )


def _guessed(content: bytes) -> str:
    """The likeliest of the encodings with NUL bytes, of text that has no mark.

    Examples
    --------
    >>> _guessed("a,b".encode("utf-16-le")), _guessed("a,b".encode("utf-32-be"))
    ('utf-16', 'utf-32-be')
    """
    whole = content[: len(content) // 4 * 4]
    for name in WIDE:
        try:
            text = whole.decode(name)
        except UnicodeDecodeError:
            continue
        if text and "\0" not in text:
            return name
    first, second = content[::2].count(0), content[1::2].count(0)
    return "utf-16-be" if first > max(second, len(content) // 8) else "utf-16"


def said_of(encoding: str) -> Option:
    """An encoding to be named, in the words of Python and of the command line."""
    return Option("encoding", encoding, f"encoding={encoding!r} (--encoding {encoding} on the command line)")


def _decoded(content: bytes, mark: bytes, encoding: str, source: str) -> str:
    try:
        if mark.decode(encoding, errors="replace") in ("", "\N{ZERO WIDTH NO-BREAK SPACE}"):
            return content.decode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            line = content.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{source} is not {named(encoding)} (line {line}): name another encoding, or save it as UTF-8"
            ) from error
        raise InputError(
            worded(
                Option("encoding"),
                f" {named(str(encoding))} is not known here; it is a name such as cp1252 or utf-16",
            )
        ) from error
    marked = f"{source} is marked as {MARKS[mark]} by its first bytes: leave out "
    raise InputError(worded(marked, Option("encoding", encoding)))


def without_separator_line(content: bytes) -> tuple[bytes, str | None]:
    r"""Blank a first line that only names the separator, as Excel writes it; return the text and separator.

    Examples
    --------
    >>> without_separator_line(b"sep=;\r\na;b\r\n")
    (b'\r\na;b\r\n', ';')
    """
    found = SEPARATOR_LINE.match(content)
    return (content, None) if found is None else (content[found.end() :], found["mark"].decode("latin-1"))
