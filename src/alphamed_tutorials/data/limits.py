"""How much is taken of what others made: what is more is a mistake or an attack."""

from collections.abc import Iterable

from ..texts import printable

MOST_BYTES = 8 << 30  # of an archive, unpacked; all of Speech Commands, the largest official set, has half of that
MOST_FILES = 1_000_000  # of an archive; Speech Commands has 106,000
MOST_LINES = 30  # of a refusal; our examples' own stop at 20, for AlphaMed's pages


def few(lines: Iterable[str]) -> str:
    """Return lines of a refusal, each once: no flood of them, and nothing in them that steers a terminal."""
    kept = list(dict.fromkeys(lines))
    if (more := len(kept) - MOST_LINES) > 0:
        kept[MOST_LINES:] = [f"{more} more problems: mend these first"]
    return printable("\n".join(kept))
