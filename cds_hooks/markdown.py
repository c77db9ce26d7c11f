"""Strings of a record inside a card's detail, which is GitHub-flavoured Markdown.

Clients render it with raw HTML enabled (the official sandbox does), so a string of the record must not be able to
become markup, a link, a table cell, or text that reads in another order than it stands.
"""

import re
from typing import Final

__all__ = ["escape"]

# CommonMark 0.31, 2.4: a backslash before ASCII punctuation makes it text. HTML goes by entities, which hold even
# where a renderer hands the text on as HTML.
_PUNCTUATION: Final = {ord(mark): f"\\{mark}" for mark in "\\`*_[]|~#"}
_HTML: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}
# Unicode Standard Annex 9: the marks, embeddings, overrides and isolates that change the order of what follows.
_BIDI: Final = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# Half a surrogate pair has no UTF-8.
_SURROGATES: Final = dict.fromkeys(range(0xD800, 0xE000))
_CONTROLS: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")

_ESCAPES: Final = {**_SURROGATES, **_BIDI, **_CONTROLS, **_PUNCTUATION, **_HTML}

# What opens a list, a rule, a heading's or a table header's underline when a line begins with it.
_OPENS_BLOCK: Final = re.compile(r"(?=[-+=:](?!\w))|[0-9]{1,9}(?=[.)](?: |$))")
# GFM 6.9, extended autolinks: these become links without any bracket.
_AUTOLINK: Final = re.compile(r"(?<=://)|(?<=www)(?=\.)|(?<=[\w.+-])(?=@)", re.IGNORECASE)
_ZERO_WIDTH_SPACE: Final = "\u200b"


def escape(text: str) -> str:
    """The text as one line of Markdown that shows it literally, wherever in a paragraph or a table cell it stands.

    Line breaks and other control characters become spaces, runs of spaces one space; a web or mail address gets an
    invisible space, so that it does not become a link.
    """
    line = " ".join(text.translate(_ESCAPES).split())
    line = _AUTOLINK.sub(_ZERO_WIDTH_SPACE, line)
    if opening := _OPENS_BLOCK.match(line):
        line = f"{line[: opening.end()]}\\{line[opening.end() :]}"
    return line
