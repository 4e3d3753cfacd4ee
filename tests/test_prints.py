"""What is printed reaches the reader in whole lines, and bars not at all."""

import io
import sys

import pytest

from alphamed_tutorials.prints import Lines, no_bars

BAR = [f"\r{percent:3}%|{'#' * (percent // 10):10}|" for percent in range(0, 101, 10)]


def shown(*texts: str) -> str:
    outer = io.StringIO()
    lines = Lines(outer)
    for text in texts:
        lines.write(text)
    lines.finish()
    return outer.getvalue()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a\nb", "c\n", "d"], "a\nbc\nd\n"),
        (["a\r\n", "b\r\n"], "a\nb\n"),  # lines of Windows
        ([*BAR, "\n"], ""),
        ([*BAR], ""),
        (["10 %\r", "20 %\r", "\n"], ""),
        (["10 %", "\b\b\b\b20 %", "\n"], ""),
        ([BAR[0], "\r           \r", "said meanwhile\n", BAR[1], "\n"], "said meanwhile\n"),  # tqdm.write()
        (["outer 0%", "\n", "\rinner 0%", "\x1b[A", "\router 50%", "\n", "\rinner 9%", "\x1b[A"], "outer 0%\n"),
        (["\x1b[31mred\x1b[0m\n"], "\x1b[31mred\x1b[0m\n"),
        (["\n", "\n"], ""),
    ],
)
def test_whole_lines_without_bars(texts, expected):
    assert shown(*texts) == expected


def test_a_long_bar_takes_no_memory():
    lines = Lines(io.StringIO())
    for _ in range(1000):
        lines.write(BAR[3])
    assert len(lines.rest) < 100


def test_streams_are_as_before(capsys):
    outer = sys.stdout, sys.stderr
    with no_bars():
        print("half", end="")
        assert sys.stdout.isatty() == outer[0].isatty()
    assert (sys.stdout, sys.stderr) == outer and capsys.readouterr().out == "half\n"
