"""A table as text, Markdown and HTML; numbers of bytes in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from unicodedata import combining


def as_bytes(count: float) -> str:
    """
    >>> as_bytes(1536), as_bytes(12)
    ('1.5 KiB', '12 B')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def _width(text: str) -> int:
    """The columns that a text takes: marks above letters take none."""
    return sum(not combining(letter) for letter in text)


class Table:
    """Rows under headings; columns in `right` are aligned to the right.

    >>> print(Table(["op", "bytes"], [["mul", "12"]], right={1}))
    op   bytes
    ---  -----
    mul     12
    """

    def __init__(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], right: set[int] | None = None
    ) -> None:
        self.head, self.rows, self.right = list(head), [list(row) for row in rows], right or set()

    def text(self) -> str:
        """Aligned columns for a terminal."""
        widths = [max(map(_width, column)) for column in zip(self.head, *self.rows)]
        lines = [self.head, ["-" * width for width in widths], *self.rows]
        return "\n".join(
            "  ".join(
                (" " * (width - _width(cell)) + cell)
                if place in self.right
                else cell + " " * (width - _width(cell))
                for place, (cell, width) in enumerate(zip(line, widths))
            ).rstrip()
            for line in lines
        )

    __str__ = text

    def markdown(self) -> str:
        """A table of a Markdown file."""
        rule = ["--:" if place in self.right else "---" for place in range(len(self.head))]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in [self.head, *self.rows]]
        return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])

    def html(self) -> str:
        """A table of a page; it takes its colours from there."""

        def line(cells: list[str], tag: str) -> str:
            parts = [
                f'<{tag} style="text-align:{"right" if i in self.right else "left"}">'
                f"{escape(cell)}</{tag}>"
                for i, cell in enumerate(cells)
            ]
            return f"<tr>{''.join(parts)}</tr>"

        body = "".join(line(row, "td") for row in self.rows)
        return f"<table><thead>{line(self.head, 'th')}</thead><tbody>{body}</tbody></table>"
