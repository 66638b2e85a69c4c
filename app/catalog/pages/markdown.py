"""Turns the content of a page into Markdown, for readers that are programs. Each page has such a twin."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Final

MARKDOWN: Final = b"text/markdown; charset=utf-8"

_VOID: Final = frozenset({"br", "img", "input", "hr", "meta", "link"})
_LEFT_OUT: Final = frozenset({"nav", "svg", "form", "script", "style"})
_BLOCKS: Final = frozenset(
    {"p", "pre", "li", "dt", "dd", "tr", "figure", "section", "ul", "ol", "dl", "table"}
)
_MARKS: Final = {"strong": "**", "b": "**", "i": "_", "em": "_", "code": "`"}
_HEADING: Final = re.compile("h([1-6])")
_SPACE: Final = re.compile(r"\s+")


def markdown_of(html: str, link: Callable[[str], str]) -> str:
    """Return the `main` element of a page as Markdown. link: from a target in the page to one in the text."""
    writer = _Writer(link)
    writer.feed(html)
    writer.close()
    return writer.written()


class _Writer(HTMLParser):
    """Writes blocks (headings, paragraphs, items, rows, code) from the elements of a page."""

    def __init__(self, link: Callable[[str], str]) -> None:
        super().__init__()
        self._link = link
        self._blocks: list[str] = []
        self._text: list[str] = []
        self._prefix = ""
        self._lists = 0
        self._is_item = self._is_inside = self._is_code = False
        self._left_out = 0
        self._targets: list[str] = []

    def written(self) -> str:
        """Return the text. Items and rows that follow each other have no blank line between them."""
        lines: list[str] = []
        was_row = False
        for block in self._blocks:
            kind = block.lstrip()[:2]
            if lines and not (kind in ("- ", "| ") and lines[-1].lstrip()[:2] == kind):
                lines.append("")
            lines.append(block)
            if kind == "| " and not was_row:
                # The first row is the head of the table.
                lines.append("|" + " --- |" * (block.count("|") - 1))
            was_row = kind == "| "
        return "\n".join(lines) + "\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        if tag in _VOID:
            return
        if self._left_out or tag in _LEFT_OUT or ("aria-hidden", "true") in attrs:
            self._left_out += 1
        elif tag == "main":
            self._is_inside = True
        elif self._is_inside:
            self._begin(tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out an element without content."""

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if self._left_out:
            self._left_out -= 1
        elif tag == "main":
            self._flush()
            self._is_inside = False
        elif self._is_inside:
            self._end(tag)

    def handle_data(self, data: str) -> None:
        """Take text of the page."""
        if self._is_inside and not self._left_out:
            self._text.append(data if self._is_code else _SPACE.sub(" ", data))

    def _begin(self, tag: str, attributes: dict[str, str | None]) -> None:
        heading = _HEADING.fullmatch(tag)
        if self._is_code:
            return
        if heading is not None:
            self._flush()
            self._prefix = "#" * int(heading[1]) + " "
        elif tag == "pre":
            self._flush()
            self._is_code = True
        elif tag in ("li", "dt"):
            self._flush()
            self._prefix, self._is_item = "  " * max(self._lists - 1, 0) + "- ", True
        elif tag in ("ul", "ol", "dl"):
            self._flush()
            self._lists += 1
        elif tag == "tr":
            self._flush()
            self._prefix, self._is_item = "| ", True
        elif tag in _BLOCKS and not self._is_item:
            self._flush()
        elif tag == "a":
            self._targets.append(self._link(attributes.get("href") or ""))
            self._text.append("[")
        elif tag in _MARKS:
            self._text.append(_MARKS[tag])
        else:
            self._text.append(" ")

    def _end(self, tag: str) -> None:
        if self._is_code and tag != "pre":
            return
        if _HEADING.fullmatch(tag) or tag in ("li", "tr", "dd"):
            self._flush()
            self._is_item = False
        elif tag == "pre":
            self._blocks.append(f"```\n{''.join(self._text).strip(chr(10))}\n```")
            self._text.clear()
            self._is_code = False
        elif tag in ("ul", "ol", "dl"):
            self._flush()
            self._lists -= 1
        elif tag == "dt":
            self._text.append(": ")
        elif tag in ("th", "td"):
            self._text.append(" | ")
        elif tag in _BLOCKS and not self._is_item:
            self._flush()
        elif tag == "a":
            self._text.append(f"]({self._targets.pop()})")
        elif tag in _MARKS:
            self._text.append(_MARKS[tag])
        else:
            self._text.append(" ")

    def _flush(self) -> None:
        text = _SPACE.sub(" ", "".join(self._text)).strip()
        self._text.clear()
        if text:
            self._blocks.append(f"{self._prefix}{text}")
            self._prefix = ""
        elif not self._is_item:
            self._prefix = ""
