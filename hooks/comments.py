"""Show the comments of the code in Chinese on Chinese pages: the code stays what was tested, `snippets/comments.zh.toml` translates."""

import re
import tomllib
from functools import cache
from html import escape, unescape
from pathlib import Path

TABLE = Path(__file__).parents[1] / "snippets" / "comments.zh.toml"
IN_CODE = re.compile(r"(?<!\S)# (?P<comment>.+)$", re.MULTILINE)
PYTHON = re.compile(r'<div class="language-python.*?</div>', re.DOTALL)
IN_HTML = re.compile(r'(?<=<span class="c1">)# (?P<comment>[^<]+)')


@cache
def translations() -> dict[str, str]:
    """Return the Chinese for each comment."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def comments(code: str) -> list[str]:
    """Return the comments of code that say something in words."""
    return [match["comment"] for match in IN_CODE.finditer(code) if re.search("[a-z]{3}", match["comment"])]


def in_chinese(code: str) -> str:
    """Return code with its comments in Chinese, those without a translation as they are."""
    return IN_CODE.sub(lambda match: f"# {translations().get(match['comment'], match['comment'])}", code)


def _replaced(match: re.Match) -> str:
    comment = unescape(match["comment"])
    return f"# {escape(translations().get(comment, comment), quote=False)}"


def on_page_content(html, page, config, files):
    if config.theme["language"] != "zh":
        return html
    return PYTHON.sub(lambda block: IN_HTML.sub(_replaced, block[0]), html)
