"""Strict JSON, and lines that steer no terminal."""

import json
import math

import pytest

from alphamed_tutorials.texts import from_json, printable, to_json

NUMBERS = {"low": -math.inf, "list": [math.inf, (1.5, {"deep": math.inf})], "count": 3, "text": "中文", "none": None}


def test_json_is_strict_and_comes_back():
    text = to_json(NUMBERS, indent=2)
    assert "中文" in text and json.loads(text, parse_constant=pytest.fail)["low"] == "-Infinity"
    assert from_json(text) == {**NUMBERS, "list": [math.inf, [1.5, {"deep": math.inf}]]}
    assert math.isnan(from_json(to_json([math.nan]))[0])


def test_a_text_that_says_nan_stays_a_text():
    texts = ["NaN", "-Infinity", "\\NaN", "\\\\Infinity", "nan", "NaN!", "\\"]
    assert from_json(to_json({"texts": texts})) == {"texts": texts}
    assert [json.loads(to_json(value)) for value in (math.nan, "NaN", "nan")] == ["NaN", "\\NaN", "nan"]


@pytest.mark.parametrize("text", ["\x1b[31mred", "\x9b31m", "\u202egnp", "\udce4\udcb8", "a\x07b\x7f"])
def test_what_steers_a_terminal_is_shown_and_not_obeyed(text):
    assert printable(text).isprintable() and printable(text) != text
    raw = to_json({text: text})
    assert raw.isprintable() and raw.encode() and from_json(raw) == {text: text}


def test_other_texts_stay_as_they_are():
    text = "节点1: 50 %\n\tß😀 /a/b"
    assert printable(text) == text
