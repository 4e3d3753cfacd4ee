"""Record that pages say the same in both languages: `make translated`.

    python tools/record_translations.py [PAGE ...]

Without names: the pages that have changed in both languages, and new ones. A page that has changed in one alone has to be
named, as `guides/mnist`: whoever does so has looked, and the other language needs no change.
"""

import json
import sys
from pathlib import Path

from pages import LANGUAGES, ROOT
from translations import FILE, compared, hashes, newer


def names_of(root: Path) -> list[str]:
    """Return the names of the pages that are there in every language."""
    homes = [root / "docs" / language for language in LANGUAGES]
    found = [{path.relative_to(home).with_suffix("").as_posix() for path in home.rglob("*.md")} for home in homes]
    return sorted(set.intersection(*found))


def record(root: Path, wanted: list[str]) -> list[str]:
    """Write down the hashes of pages and return the names of those whose hashes were other ones.

    Args:
        root: The project's folder.
        wanted: The pages; all that changed in both languages, and new ones, if there are none.
    """
    before, names = compared(root), names_of(root)
    if unknown := sorted(set(wanted) - set(names)):
        raise SystemExit(f"there is no page {unknown[0]} in docs/zh and docs/en: name it as guides/mnist")
    chosen = wanted or [name for name in names if name not in before or len(newer(root, name)) == len(LANGUAGES)]
    now = {name: before[name] for name in names if name in before} | {name: hashes(root, name) for name in chosen}
    lines = [f" {json.dumps(name)}: {json.dumps(now[name])}" for name in sorted(now)]  # a page a line: easy to merge
    root.joinpath(FILE).write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    return [name for name in chosen if now[name] != before.get(name)]


if __name__ == "__main__":
    for recorded in record(ROOT, sys.argv[1:]):
        print(f"{recorded}: both languages say the same")
    for name in names_of(ROOT):
        for language in newer(ROOT, name):
            print(f"docs/{language}/{name}.md is newer: bring the other language up to it, or name the page: {name}")
