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
NAME = "(?:(?!; |, ).)+?"  # of a node: none goes on over what stands between sentences
MARKS = {"; ": "；", ", ": "，"}  # between sentences that stand together in one


class Pattern(NamedTuple):
    """One sentence.

    Attributes:
        longest: The longest piece of it that is always the same: where it is not, nothing has to be matched.
        regex: The English one.
        chinese: The Chinese one, with the same parts.
    """

    longest: str
    regex: re.Pattern[str]
    chinese: str


def chinese(text: str) -> str:
    """Return in Chinese what the playground says; what it does not say itself, as a user's own text, comes unchanged."""
    return _known(text) or "\n".join(_known(line) or line for line in text.split("\n"))


def _known(text: str) -> str | None:
    """Return a sentence in Chinese, or several that stand together; None where they are none of ours."""
    for mark, own_mark in MARKS.items():
        groups: list[str] = []
        for piece in text.split(mark):
            if groups and _filled(piece) is None:  # it goes on with the one before
                groups[-1] += mark + piece
            else:
                groups.append(piece)
        found = [_filled(group) for group in groups]
        if len(found) > 1 and None not in found:
            return own_mark.join(map(str, found))
    return _filled(text)


def _filled(text: str, table: str = "") -> str | None:
    """Return the Chinese sentence with the parts of the English one; None where no pattern of the table is its."""
    for pattern in _patterns(table):
        if pattern.longest in text and (match := pattern.regex.fullmatch(text)):
            return pattern.chinese.format_map({name: _part(name, said) for name, said in match.groupdict().items()})
    return None


def _part(name: str, said: str) -> str:
    """Return a part as its name says: a sentence, a list, something from a table of this name, or else as it is."""
    if name == "why":
        return chinese(said)
    if name == "names":
        return said.replace(", ", "、")
    return _filled(said, name) or said


@cache
def _patterns(table: str) -> list[Pattern]:
    """Return the patterns of whole sentences, or of a kind of part.

    First come the lines of a timeline, then those that begin with most words of their own: a sentence with another in it
    stands before that other.
    """
    found = _read()
    if table:
        sentences: Mapping[str, str] = found["parts"].get(table, {})
    else:
        timeline = {LINE + english: LINE + chinese for english, chinese in found["timeline"].items()}
        sentences = timeline | found["sentences"] | found["libraries"]
    same = {english: PART.split(english)[::2] for english in sentences}

    def place(english: str) -> tuple[bool, int, int]:
        return not english.startswith(LINE), -len(same[english][0]), -len("".join(same[english]))

    return [
        Pattern(max(same[english], key=len), _compiled(english), sentences[english])
        for english in sorted(sentences, key=place)
    ]


def _compiled(english: str) -> re.Pattern[str]:
    pieces = PART.split(english)
    pieces[::2] = map(re.escape, pieces[::2])
    pieces[1::2] = (f"(?P<{name}>{NAME if name == 'who' else '.+?'})" for name in pieces[1::2])
    return re.compile("".join(pieces), re.DOTALL)


@cache
def _read() -> dict[str, dict]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
