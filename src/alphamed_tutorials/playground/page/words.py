"""The page in the reader's language: English as it stands in the templates, Chinese from `words.zh.toml`.

What the settings of our examples mean, their docstrings say in English, and `settings.zh.toml` in Chinese.
"""

import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.requests import Request

from .sentences import chinese

LANGUAGES = {"zh": "中文", "en": "English"}
COOKIE = "playground-language"


class Words:
    """Says things in one language.

    Args:
        language: `zh` or `en`.
    """

    def __init__(self, language: str):
        self.language = language

    def __call__(self, text: str, **parts: Any) -> str:
        """Return a text of the templates, with its parts, which are escaped, filled in."""
        found = _chinese()[text] if self.language == "zh" else text
        return Markup(found).format(**parts) if parts else found

    def said(self, text: str) -> str:
        """Return a sentence of the hub, the agent or a child; what a user's code said stays as it is."""
        return chinese(text) if self.language == "zh" else text

    def meaning(self, text: str) -> str:
        """Return what a setting means; that of a user's own scheduler as its docstring says it."""
        return _meanings().get(text, text) if self.language == "zh" else text

    def clock(self, time: str | float | None) -> Markup:
        """Return a time as this machine's clock shows it: without the date if that is today's."""
        if not time:
            return Markup("")
        when = (datetime.fromtimestamp(time) if isinstance(time, float) else datetime.fromisoformat(time)).astimezone()
        is_today = when.date() == datetime.now().astimezone().date()
        shown = f"{when:%H:%M:%S}" if is_today else f"{when:%Y-%m-%d %H:%M}"
        return Markup('<time datetime="{}">{}</time>').format(when.isoformat(timespec="seconds"), shown)


def words(request: Request) -> Words:
    """Return the language of a request: the one chosen, else the browser's, else Chinese."""
    asked = request.query_params.get("lang") or request.cookies.get(COOKIE)
    if asked not in LANGUAGES:
        first = request.headers.get("accept-language", "")[:2].lower()
        asked = "en" if first and first != "zh" else "zh"
    return Words(asked)


@cache
def _chinese() -> dict[str, str]:
    return _read("words.zh.toml")


@cache
def _meanings() -> dict[str, str]:
    return _read("settings.zh.toml")


def _read(name: str) -> dict[str, str]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
