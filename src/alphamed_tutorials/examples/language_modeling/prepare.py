"""Read WikiText-2, or the documentation that Python carries, and write a node's share of the text."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .data import tokenize
from .dataset_verify import HEADING, DataError, read_split

# Tokens taken of the real set, so that a run takes minutes on two cores;
# WikiText-2 has 2,050,000 and 242,000.
MOST_TOKENS = {"train": 600_000, "test": 40_000}
EMBEDDED_TOKENS = 64_000
# What in Python's manual is not prose.
CODE = re.compile(r"::=|^\s|^[-*+|=.#\d]|>>>|\*\*\*|---|===")

Article = list[str]  # lines without their line ends; the first is the title


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return the lines of the training and test text, all of one class; owners are articles.

    Args:
        source: A folder with WikiText-2, or None for the embedded text.
        scratch: Not needed: the embedded text is made in memory.

    Raises:
        DataError: The files of `source` are missing or damaged.
    """
    train, test = load_embedded() if source is None else load_folder(source)
    lines = [line for article in train for line in article]
    owners = [number for number, article in enumerate(train) for _ in article]
    test_lines = [line for article in test for line in article]
    return {
        "train": {"items": lines, "labels": [0] * len(lines), "owners": owners},
        "test": {"items": test_lines, "labels": [0] * len(test_lines)},
    }


def write(
    folder: Path, split: str, items: Sequence[str], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Write one part of WikiText, blank lines about each heading; return its tokens."""
    text = " \n"
    for line in items:
        is_heading = line.startswith("= ")
        if is_heading and not text.endswith(" \n \n") and text != " \n":
            text += " \n"
        text += f" {line} \n" + (" \n" if is_heading else "")
    (folder / f"wiki.{split}.tokens").write_text(text, encoding="utf-8")
    return {"tokens": sum(len(tokenize(line)) for line in items)}


def load_folder(source: Path) -> tuple[list[Article], list[Article]]:
    """Return training and test articles of a folder that holds WikiText-2 whole, or in parts `node1`, `node2`, …"""
    folder = source / "wikitext-2" if (source / "wikitext-2").is_dir() else source
    parts = sorted(path for path in folder.glob("node*") if path.is_dir()) or [folder]
    texts, problems = {}, []
    for split in MOST_TOKENS:
        try:
            texts[split] = [read_split(part, split) for part in parts]
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)
    train, test = (
        take(articles("\n".join(texts[split])), most)
        for split, most in MOST_TOKENS.items()
    )
    return train, test


def articles(text: str) -> list[Article]:
    """Return the articles of a text: each begins with a title between two blank lines."""
    lines = [""] + [line.strip() for line in text.split("\n")] + [""]
    found: list[Article] = [[]]
    for before, line, after in zip(lines, lines[1:], lines[2:]):
        if HEADING.fullmatch(f" {line} ") and not before and not after:
            found.append([])
        if line:
            found[-1].append(line)
    return [article for article in found if article]


def take(found: list[Article], most: int) -> list[Article]:
    """Return whole articles from the beginning, as many as fit, the first in any case."""
    total = 0
    for number, article in enumerate(found):
        total += sum(len(tokenize(line)) for line in article)
        if total > most and number:
            return found[:number]
    return found


def load_embedded() -> tuple[list[Article], list[Article]]:
    """Return the prose of Python's manual and of its library's docstrings; every eighth article is for testing."""
    found, known, total = [], set(), 0
    for title, blocks in python_texts():
        prose = [
            " ".join(tokenize(block))
            for block in blocks
            if len(block) > 80 and not CODE.search(block)
        ]
        # What is said twice is in one place only.
        prose = [line for line in dict.fromkeys(prose) if line not in known]
        if not prose:
            continue
        known.update(prose)
        found.append([f"= {title} =", *prose])
        total += sum(len(line.split()) for line in prose)
        if total > EMBEDDED_TOKENS:
            break
    return [article for i, article in enumerate(found) if i % 8], found[::8]


def python_texts() -> Iterator[tuple[str, list[str]]]:
    """Yield a title and the paragraphs of each topic of Python's manual, then of each module's docstrings."""
    # Here, because real data need not cost its half a megabyte.
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield name, re.split(r"\n\s*\n", topics[name])
    for file in sorted(Path(ast.__file__).parent.glob("[a-z]*.py")):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        nodes = (
            node
            for node in ast.walk(ast.parse(file.read_bytes()))
            if isinstance(node, documented)
        )
        yield (
            file.stem,
            [
                block
                for node in nodes
                for block in re.split(r"\n\s*\n", ast.get_docstring(node) or "")
            ],
        )
