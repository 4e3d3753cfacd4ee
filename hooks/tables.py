"""Keep names whole in the cells of tables: a browser would break `--no-deps` and `runs/first` at hyphens and slashes."""

import re

CELL = re.compile(r"<t[dh]\b.*?</t[dh]>", re.DOTALL)
CODE = re.compile(r"<code>(?P<code>[^<]+)</code>")
NAME = re.compile(r"\S*[-/]\S*")
LONGEST = 32  # characters that a phone shows on one line; a longer path goes on after a slash


def keep_whole(name: str) -> str:
    """Return a name's HTML that breaks nowhere, or, where it is a long path, between folders only."""
    parts = re.findall("[^/]*/|[^/]+", name) if len(name) > LONGEST else [name]
    return "<wbr>".join(f'<span class="name">{part}</span>' for part in parts)


def mark(html: str) -> str:
    """Return a page's HTML with the names in its tables marked."""
    return CELL.sub(lambda cell: CODE.sub(_whole, cell[0]), html)


def _whole(code: re.Match) -> str:
    return f"<code>{NAME.sub(lambda name: keep_whole(name[0]), code['code'])}</code>"


def on_page_content(html, page, config, files):
    return mark(html)
