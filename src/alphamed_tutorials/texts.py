"""Texts that can be handed on as they are: strict JSON, and lines that steer no terminal."""

import json
import math
import re
from typing import Any

# What steers a terminal, turns the direction of writing, or is no character (a file's name need not be UTF-8).
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NUMBERS = {text: float(text) for text in ("NaN", "Infinity", "-Infinity")}  # which JSON does not know
AS_TEXT = re.compile(r"\\*(NaN|-?Infinity)")  # a text that says one of them gets one more backslash


def to_json(content: Any, indent: int | None = None) -> str:
    """Return strict JSON; a float that is no number, or infinite, becomes the text that Python and JavaScript read."""
    text = json.dumps(_strict(content), ensure_ascii=False, allow_nan=False, indent=indent)
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def from_json(text: str) -> Any:
    """Return what `to_json` wrote, with its numbers."""
    return _restored(json.loads(text))


def printable(text: str) -> str:
    """Return a text whose unsafe characters are shown and not obeyed: `\\x1b`."""
    return UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def in_line(text: str) -> str:
    """Return a text that is printable and stays in its line."""
    return printable(text).replace("\n", "\\n")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    if isinstance(value, str) and AS_TEXT.fullmatch(value):
        return f"\\{value}"
    return json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _restored(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_restored(each) for each in value]
    if isinstance(value, str) and AS_TEXT.fullmatch(value):
        return NUMBERS.get(value, value[1:])
    return value
