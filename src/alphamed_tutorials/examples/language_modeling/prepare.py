"""Make the nodes' data folders, from a folder that holds WikiText-2 or from the documentation that Python carries."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import TutorialError

from .data import tokenize
from .dataset_verify import HEADING, DataError, read_split

# Tokens taken of the real set, so that a run takes minutes on two cores; WikiText-2 has 2,050,000 and 242,000.
MOST_TOKENS = {"train": 600_000, "test": 40_000}
EMBEDDED_TOKENS = 64_000
CODE = re.compile(
    r"::=|^\s|^[-*+|=.#\d]|>>>|\*\*\*|---|==="
)  # what in Python's manual is not prose

Article = list[str]  # lines without their line ends; the first is the title


def prepare(
    out: Path, nodes: int, partition: Partition, seed: int, source: Path | None
) -> dict[str, dict[str, dict[str, int]]]:
    """Write each owner's training text and the aggregator's test text in WikiText-2's own layout.

    Args:
        out: The folder to write to.
        nodes: How many data owners there are.
        partition: How the training text is dealt out to them: whole articles by `owners`, else single lines.
        seed: Start of the partition's random numbers.
        source: A folder with WikiText-2, or None for the embedded text.

    Returns:
        Number of tokens by node and split; all are of one class, `tokens`.

    Raises:
        TutorialError: The files of `source` are missing or damaged, or cannot be dealt out so; nothing was written.
    """
    train, test = load_embedded() if source is None else load_folder(Path(source))
    lines = [line for article in train for line in article]
    owners = np.repeat(np.arange(len(train)), [len(article) for article in train])
    parts = partition.split(np.zeros(len(lines), dtype=int), nodes, seed, owners)
    folder = out / "nodes"
    counts = {
        "aggregator": {
            "test": write_text(
                folder / "aggregator", "test", [x for a in test for x in a]
            )
        }
    }
    for number, part in enumerate(parts, start=1):
        counts[f"node{number}"] = {
            "train": write_text(
                folder / f"node{number}", "train", [lines[i] for i in part]
            )
        }
    return counts


def load_folder(source: Path) -> tuple[list[Article], list[Article]]:
    """Return training and test articles of a folder that holds WikiText-2 whole, or in parts `node1`, `node2`, …"""
    folder = source / "wikitext-2" if (source / "wikitext-2").is_dir() else source
    parts = sorted(folder.glob("node*")) or [folder]
    texts, problems = {}, []
    for split in MOST_TOKENS:
        try:
            texts[split] = [read_split(part, split) for part in parts]
        except DataError as error:
            problems += str(error).splitlines()
    if problems:
        raise TutorialError(
            "the source cannot be used:\n" + "\n".join(dict.fromkeys(problems))
        )
    return tuple(
        take(articles("\n".join(texts[split])), MOST_TOKENS[split])
        for split in MOST_TOKENS
    )


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
        prose = [
            line for line in dict.fromkeys(prose) if line not in known
        ]  # what is said twice is in one place only
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
    from pydoc_data.topics import (
        topics,
    )  # here, because real data need not cost its half a megabyte

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


def write_text(node: Path, split: str, lines: list[str]) -> dict[str, int]:
    """Write one part of WikiText into a node's folder, blank lines about each heading, and return its tokens."""
    node.mkdir(parents=True)
    text = " \n"
    for line in lines:
        is_heading = line.startswith("= ")
        before = (
            " \n" if is_heading and not text.endswith(" \n \n") and text != " \n" else ""
        )
        text += f"{before} {line} \n" + (" \n" if is_heading else "")
    (node / f"wiki.{split}.tokens").write_text(text, encoding="utf-8")
    return {"tokens": sum(len(tokenize(line)) for line in lines)}
