"""Keep names whole in the cells of tables: a browser would break `--no-deps` and `runs/first` at hyphens and slashes."""

import re

CELL_CODE = re.compile(r"<code>(?P<code>[^<]+)</code>(?=(?:(?!<t[dh]\b).)*</t[dh]>)", re.DOTALL)
NAME = re.compile(r"\S*[-/]\S*")
LONGEST = 32  # characters that a phone shows on one line; a longer path goes on after a slash


def keep_whole(name: str) -> str:
    """Return a name's HTML that breaks nowhere, or, where it is a long path, between folders only."""
    parts = re.findall("[^/]*/|[^/]+", name) if len(name) > LONGEST else [name]
    return "<wbr>".join(f'<span class="name">{part}</span>' for part in parts)


def mark(html: str) -> str:
    """Return a page's HTML with the names in its tables marked."""
    return CELL_CODE.sub(lambda code: f"<code>{NAME.sub(lambda name: keep_whole(name[0]), code['code'])}</code>", html)


def on_page_content(html, page, config, files):
    return mark(html)
