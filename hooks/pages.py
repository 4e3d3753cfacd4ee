"""Read the pages as the site's build does: includes expanded, code blocks taken out."""

import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import markdown
from mkdocs.config import load_config
from pymdownx.snippets import SnippetMissingError, SnippetPreprocessor

ROOT = Path(__file__).parents[1]
LANGUAGES = ("zh", "en")
NOTEBOOKS = "notebooks/"  # where their pages are, below the language's home
INCLUDE = re.compile(r"""\s*-+8<-+\s+(["'])(?P<name>.+)\1\s*""")
FENCE = re.compile(r"(?P<indent>\s*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
HEADING = re.compile(r"(?P<level>#{1,6})\s+(?P<title>.*?)(?:\s*\{:?[^}]*#(?P<anchor>[\w-]+)[^}]*\})?\s*")
ANNOTATION = re.compile(r"#\s*\((\d+)\)!?")
RUN_LANGUAGES = ("python", "sh")
NOT_RUN = re.compile(r"\s*<!--\s*not run:(?P<reason>.*)-->\s*")
DRAWS = re.compile(r"\s*<!--\s*draws:(?P<seen>.*)-->\s*")


@dataclass(frozen=True)
class Line:
    """A line as the reader sees it, its number on the page, and the include it comes from, if any."""

    text: str
    number: int
    include: str = ""

    def __str__(self) -> str:
        return f"line {self.number}" + (f" ({self.include})" if self.include else "")


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        first, last: The places of its fences among the page's lines.
        not_run: Why it is not run, as the comment above it says; None where it is run.
        draws: What is seen in the picture that it draws, as the comment above it says, for those who do not see it.
    """

    info: str
    indent: int
    first: int
    last: int
    lines: tuple[Line, ...]
    not_run: str | None
    draws: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def runs(self) -> bool:
        return self.language in RUN_LANGUAGES and self.not_run is None

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


def find_fences(lines: list[str]) -> list[tuple[int, int]]:
    """Return the places of the first and the last line of each fenced block; one that never ends has no last line."""
    found, opened, first = [], None, 0
    for index, line in enumerate(lines):
        match = FENCE.fullmatch(line)
        if match and opened is None:
            opened, first = match, index
        elif match and match["fence"].startswith(opened["fence"]) and not match["info"].strip():
            found.append((first, index))
            opened = None
    return [*found, (first, len(lines))] if opened else found


class Page:
    """A page of the site with its includes expanded.

    Args:
        path: The Markdown file, below `docs/zh` or `docs/en` of the project.
        root: The project's folder, which the includes start from.
    """

    def __init__(self, path: Path, root: Path = ROOT):
        self.path, self.root = path, root
        self.name = path.relative_to(root).as_posix()
        self.language = path.relative_to(root / "docs").parts[0]
        self.includes: list[str] = []
        self.problems: list[str] = []
        self.lines = self._expand()
        self.blocks = self._find_blocks()

    def __repr__(self) -> str:
        return self.name

    def program(self, language: str) -> list[Block]:
        """Return the page's blocks in `language`, top to bottom, without those marked as not run."""
        return [block for block in self.blocks if block.language == language and block.runs]

    def prose(self) -> list[Line]:
        """Return the lines outside code blocks."""
        code = {index for block in self.blocks for index in range(block.first, block.last + 1)}
        return [line for index, line in enumerate(self.lines) if index not in code]

    def _expand(self) -> list[Line]:
        expander, lines = make_expander(self.root), []
        for number, text in enumerate(self.path.read_text("utf-8").split("\n"), start=1):
            include = INCLUDE.fullmatch(text)
            name = include["name"] if include else ""
            try:
                expanded = expander.run([text])
            except SnippetMissingError as error:
                expanded = [text]
                self.problems.append(f"line {number}: {error}")
            if name:
                self.includes.append(name)
                if not "".join(expanded).strip():
                    self.problems.append(f"line {number}: the include {name} is empty")
            elif re.fullmatch(r"\s*-+8<-+\s*", text):
                self.problems.append(f"line {number}: use the form of an include that takes one line")
            lines += [Line(line, number, name) for line in expanded]
        return lines

    def _find_blocks(self) -> list[Block]:
        blocks = []
        for first, last in find_fences([line.text for line in self.lines]):
            if last == len(self.lines):
                self.problems.append(f"{self.lines[first]}: the code block never ends")
            else:
                blocks.append(self._make_block(FENCE.fullmatch(self.lines[first].text), first, last))
        return blocks

    def _make_block(self, opened: re.Match, first: int, last: int) -> Block:
        indent = len(opened["indent"])
        inside = tuple(
            replace(line, text=re.sub(f"^ {{0,{indent}}}", "", line.text)) for line in self.lines[first + 1 : last]
        )
        above = self.lines[first - 1].text if first else ""
        not_run, draws = NOT_RUN.fullmatch(above), DRAWS.fullmatch(above)
        return Block(
            opened["info"].strip(),
            indent,
            first,
            last,
            inside,
            not_run["reason"].strip() if not_run else None,
            draws["seen"].strip() if draws else "",
        )


@functools.cache
def _snippet_options() -> dict:
    return load_config(str(ROOT / "mkdocs.yml"), hooks=[]).mdx_configs["pymdownx.snippets"]


def make_expander(root: Path) -> SnippetPreprocessor:
    """Return the site's own expander of includes, with its options, for the project in `root`."""
    options = _snippet_options() | {"base_path": [str(root)], "auto_append": []}
    converter = markdown.Markdown(extensions=["pymdownx.snippets"], extension_configs={"pymdownx.snippets": options})
    return converter.preprocessors["snippet"]


@functools.cache
def read_page(path: Path, root: Path) -> Page:
    """Return a page that several parts of a build want, read once; `outputs.py` forgets them when a build begins."""
    return Page(path, root)


@functools.cache
def find_pages(root: Path = ROOT) -> list[Page]:
    """Return every page of every language, in order of their names."""
    return [Page(path, root) for language in LANGUAGES for path in sorted((root / "docs" / language).rglob("*.md"))]
