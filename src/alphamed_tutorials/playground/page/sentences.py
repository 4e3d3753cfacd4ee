"""The playground's sentences in Chinese: hub, agent and child say them in English, and the page shows both.

What is said is found by its pattern, which is written as the f-string that it was made by: see `sentences.zh.toml`.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("sentences.zh.toml")
PART = re.compile(r"\{(\w+)\}")
LINE = "{number}  {time}  "  # how each line of a timeline begins
DEEPEST = 5  # sentences in sentences; ours have two or three, and strangers could send any number
MARKS = {"; ": "；", ", ": "，"}  # between sentences that stand together in one


class Pattern(NamedTuple):
    """One sentence.

    Attributes:
        names: Of its parts.
        same: What stands before, between and behind these, and is always the same.
        chinese: The Chinese sentence, with the same parts.
    """

    names: list[str]
    same: list[str]
    chinese: str

    def parts(self, text: str) -> dict[str, str] | None:
        """Return the parts of a text, each as short as it can be; None where it is not this sentence.

        No regular expression: strangers write parts, and could write some that take it hours.
        """
        first, *between = self.same
        last = between.pop() if between else ""
        start, end = len(first), len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last)):
            return None
        found = []
        for words in between:
            place = text.find(words, start + 1, end)
            if place < 0:
                return None
            found.append(text[start:place])
            start = place + len(words)
        if (start >= end) if self.names else (start != end):
            return None
        parts = dict(zip(self.names, [*found, text[start:end]]))
        return None if any(mark in parts.get("who", "") for mark in MARKS) else parts


def chinese(text: str) -> str:
    """Return in Chinese what the playground says; what it does not say itself, as a user's own text, comes unchanged."""
    return _translated(text, DEEPEST)


def _translated(text: str, depth: int) -> str:
    return _known(text, depth) or "\n".join(_known(line, depth) or line for line in text.split("\n"))


def _known(text: str, depth: int) -> str | None:
    """Return a sentence in Chinese, or several that stand together; None where they are none of ours."""
    for mark, own_mark in MARKS.items():
        groups: list[str] = []
        for piece in text.split(mark):
            if groups and not _found(piece):  # it goes on with the one before
                groups[-1] += mark + piece
            else:
                groups.append(piece)
        if len(groups) > 1 and all(map(_found, groups)):
            return own_mark.join(str(_filled(group, depth)) for group in groups)
    return _filled(text, depth)


def _filled(text: str, depth: int, table: str = "") -> str | None:
    """Return the Chinese sentence with the parts of the English one; None where no pattern of the table is its."""
    found = _found(text, table)
    return found and found[0].chinese.format_map({name: _part(name, said, depth) for name, said in found[1].items()})


def _found(text: str, table: str = "") -> tuple[Pattern, dict[str, str]] | None:
    """Return the pattern of a text, and what its parts are."""
    for pattern in _patterns(table):
        if (parts := pattern.parts(text)) is not None:
            return pattern, parts
    return None


def _part(name: str, said: str, depth: int) -> str:
    """Return a part as its name says: a sentence, a list, something from a table of this name, or else as it is."""
    if name == "why" and depth:
        return _translated(said, depth - 1)
    if name == "names":
        return said.replace(", ", "、")
    return (_filled(said, depth - 1, name) if depth else None) or said


@cache
def _patterns(table: str) -> list[Pattern]:
    """Return the patterns of whole sentences, or of a kind of part."""
    found = _read()
    if table:
        return _in_order(found["parts"].get(table, {}))
    lines = {LINE + english: LINE + own for english, own in found["timeline"].items()}
    return _in_order(lines) + _in_order(found["sentences"] | found["libraries"])


def _in_order(sentences: Mapping[str, str]) -> list[Pattern]:
    """Return patterns, first those that begin with most words of their own: one with a sentence in it before that."""
    patterns = [Pattern(PART.findall(english), PART.split(english)[::2], own) for english, own in sentences.items()]
    return sorted(patterns, key=lambda each: (-len(each.same[0]), -len("".join(each.same))))


@cache
def _read() -> dict[str, dict]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
