"""Strings of a record in Markdown: nothing of them becomes markup, and nothing of what they say is lost."""

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cds_hooks import escape

ZERO_WIDTH_SPACE = "\u200b"
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"

# Strings made mostly of what Markdown and HTML react to.
MARKUP = st.text(st.sampled_from("\\`*_[]()|~#!<>&\"':;=-+.@/ \t\n\r\x00\x1f\x85\u2028\u202e\u2066ab1w中"))
TEXT = st.one_of(
    st.text(), MARKUP, st.sampled_from(["www.", "https://", "a@b.c"]).flatmap(lambda s: MARKUP.map(s.__add__))
)


def shown(markdown: str) -> str:
    """What a reader sees: backslash escapes and entities undone, as CommonMark 2.4 and 2.5 say."""
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)).replace(ZERO_WIDTH_SPACE, "")


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Letrozole 2.5 mg", "Letrozole 2.5 mg"),
        ("来曲唑 2.5 mg", "来曲唑 2.5 mg"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("[press](javascript:x)", r"\[press\](javascript:x)"),
        ("![x](y)", r"!\[x\](y)"),
        ("*a* _b_ `c` ~~d~~", r"\*a\* \_b\_ \`c\` \~\~d\~\~"),
        ("a | b", r"a \| b"),
        ("# 1", r"\# 1"),
        ("a\\", "a\\\\"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("12) a", r"12\) a"),
        ("1.", r"1\."),
        ("2.5 mg", "2.5 mg"),
        ("-1.8", "-1.8"),
        ("-", r"\-"),
        ("---", r"\---"),
        ("===", r"\==="),
        (":-|-", r"\:-\|-"),
        ("a\n\n# b\r\n    c", r"a \# b c"),
        ("\u202eevil\u2066", "evil"),
        ("a\x00b\x1bc\x85d\u2028e", "a b c d e"),
        ("\ud800x", "x"),
        ("https://evil.example", f"https://{ZERO_WIDTH_SPACE}evil.example"),
        ("WWW.evil.example", f"WWW{ZERO_WIDTH_SPACE}.evil.example"),
        ("a@evil.example", f"a{ZERO_WIDTH_SPACE}@evil.example"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_examples(text: str, markdown: str) -> None:
    assert escape(text) == markdown


@given(TEXT)
@example("\\<")
@example("&#60;b>")
def test_nothing_becomes_markup(text: str) -> None:
    markdown = escape(text)
    assert "<" not in markdown
    assert ">" not in markdown
    # Every mark that has a meaning is behind a backslash that is itself not escaped; every `&` begins an entity.
    plain = re.sub(r"\\[\\`*_\[\]|~#.):=+-]|&(amp|lt|gt|quot);", "", markdown)
    assert not set(plain) & set('\\`*_[]|~#&"')
    assert not re.match(r"[-+=:](?!\w)|[0-9]{1,9}[.)]( |$)", markdown)


@given(TEXT)
def test_it_is_one_line_in_one_direction(text: str) -> None:
    markdown = escape(text)
    assert not set(markdown) & set(BIDI)
    assert not [mark for mark in markdown if unicodedata.category(mark) in ("Cc", "Cs", "Zl", "Zp")]
    assert "  " not in markdown
    assert markdown == markdown.strip()


@given(TEXT)
def test_nothing_becomes_a_link(text: str) -> None:
    """Renderers look for addresses in the text as shown, so a backslash would not help."""
    visible = html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escape(text)))
    assert not re.search(r"https?://[\w.]|www\.|[\w.+-]@", visible, re.IGNORECASE)


@given(TEXT)
def test_the_reader_sees_what_the_record_says(text: str) -> None:
    said = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in BIDI)
    said = "".join(c for c in said if unicodedata.category(c) != "Cs").replace(ZERO_WIDTH_SPACE, "")
    assert shown(escape(text)) == " ".join(said.split())
