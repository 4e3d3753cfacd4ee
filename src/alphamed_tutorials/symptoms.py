"""Find what a text on the screen is a symptom of. `symptoms.toml` has them all; the site makes a page of it."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("symptoms.toml")
GAP = r"[^\n]{1,120}?"  # what `…` stands for
LINK = re.compile(r"\[(.+?)\]\(\S+?\)")


@cache
def find_all() -> dict[str, dict[str, Any]]:
    """Return the symptoms by name."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def symptom_of(text: str) -> str | None:
    """Return the name of the symptom that a text shows; None where it shows none.

    The one that is said last counts: where an error tells of another, that is the cause.
    """
    said = [(match.end(), name) for name, pattern in _patterns().items() for match in pattern.finditer(text)]
    return max(said)[1] if said else None


def told(name: str, language: str) -> dict[str, str]:
    """Return a symptom, its cause and its cure for a terminal.

    Args:
        name: The symptom's.
        language: `zh` or `en`.
    """
    return {part: LINK.sub(r"\1", words) for part, words in find_all()[name][language].items()}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    texts = {name: symptom["texts"] for name, symptom in find_all().items() if symptom["texts"]}
    return {name: re.compile("|".join(map(_pattern, each))) for name, each in texts.items()}


def _pattern(text: str) -> str:
    return GAP.join(map(re.escape, text.split("…")))
