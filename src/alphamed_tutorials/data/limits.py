"""How much is taken of what others made: what is more is a mistake or an attack."""

from collections.abc import Iterable

MOST_BYTES = 8 << 30  # of an archive, unpacked; all of Speech Commands, the largest official set, has half of that
MOST_FILES = 1_000_000  # of an archive; Speech Commands has 106,000
MOST_LINES = 30  # of a refusal; our examples' own stop at 20, for AlphaMed's pages


def few(lines: Iterable[str]) -> str:
    """Return lines of a refusal, each once: no flood of them, and nothing in them that steers a terminal."""
    kept = list(dict.fromkeys(lines))
    if (more := len(kept) - MOST_LINES) > 0:
        kept[MOST_LINES:] = [f"{more} more problems: mend these first"]
    return "\n".join(map(_printable, kept))


def _printable(line: str) -> str:
    """Escape control signs, and names in another encoding than the system's."""
    return "".join(sign if sign.isprintable() or sign in "\t\u3000" else ascii(sign)[1:-1] for sign in line)
