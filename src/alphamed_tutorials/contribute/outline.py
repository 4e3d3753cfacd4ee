"""Make the outline of a page from another example's: all that is not prose stays, a mark says what is to be written."""

import re
import textwrap
from collections.abc import Iterator

from .hints import hint_of

DESCRIPTION = ["---", "description: TODO", "---", ""]
CONTAINER = re.compile(r'(?:===|!!!|\?\?\?\+?) .*"')
BULLET = re.compile(r"- \*\*[^*]+\*\*[:：]?")
ITEM = re.compile(r"\d+\.\s")
NOT_RUN = re.compile(r"<!-- not run:.*-->")
DRAWS = re.compile(r"<!-- draws:.*-->")
SEEN = {"zh": "TODO 图里看到什么", "en": "TODO what is seen in the picture"}
SIDE_BY_SIDE = '<div class="grid side-by-side" markdown>'
TABLES = ("changes", "trouble")  # the sections whose tables every example has
TEST = re.compile(r"`test_\w+`")


def outline(markdown: str, title: str, language: str) -> str:
    """Return a page with the sections, code, tabs, notes and annotations of another, and marks for all its prose.

    Args:
        markdown: The other page, its example's name replaced already.
        title: The new page's heading, with its anchor.
        language: `zh` or `en`.
    """
    lines = DESCRIPTION.copy()
    for heading, body in _sections(markdown.split("\n")):
        is_title = heading.startswith("# ")
        anchor = "title" if is_title else heading.rpartition("#")[2].strip(" }")
        lines += [title if is_title else heading, "", hint_of(anchor, language), *_kept(body, anchor, language), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each heading with the lines up to the next."""
    from pages import HEADING, find_fences

    code = {index for first, last in find_fences(lines) for index in range(first, last + 1)}
    starts = [index for index, line in enumerate(lines) if index not in code and HEADING.fullmatch(line)]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        yield lines[start], lines[start + 1 : end]


def _kept(lines: list[str], anchor: str, language: str) -> list[str]:
    """Return the lines of a section, or of a container in it, that stay; each part with an empty line before it."""
    from pages import find_fences

    fences, kept, index = dict(find_fences(lines)), [], 0
    while index < len(lines):
        line, end = lines[index], index + 1
        if index in fences:
            end = _after_annotations(lines, fences[index] + 1)
            kept += ["", *_mark(lines[index - 1], language), *lines[index:end]]
        elif CONTAINER.match(line):
            end = _end_of_body(lines, end)
            kept += _container(line, textwrap.dedent("\n".join(lines[index + 1 : end])).split("\n"), anchor, language)
        elif line == SIDE_BY_SIDE:
            end = lines.index("</div>", index) + 1
            kept += ["", line, *_kept(lines[index + 1 : end - 1], anchor, language), "", "</div>"]
        elif line.startswith("|") and anchor in TABLES:
            kept += [line] if kept and kept[-1].startswith("|") else ["", line]
        index = end
    return kept


def _mark(line: str, language: str) -> list[str]:
    """Return what stands above a block for the tests and for those who cannot see: why it does not run, what it draws."""
    if DRAWS.fullmatch(line):
        return [f"<!-- draws: {SEEN[language]} -->"]
    return [line] if NOT_RUN.fullmatch(line) else []


def _container(head: str, body: list[str], anchor: str, language: str) -> list[str]:
    """Return a tab or a note with what stays in it: nothing where a tab held only results, or a question only words."""
    if "abstract" in head:
        kept = [f"{bullet[0]} TODO" for bullet in map(BULLET.match, body) if bullet]
    elif any(map(TEST.search, body)):  # the tests of the hazards
        kept = body
    else:
        kept = _kept(body, anchor, language)
        if not kept and not head.startswith("===") and "question" not in head:
            kept = [hint_of("", language)]
    return ["", head, *textwrap.indent("\n".join(kept), "    ").split("\n")] if kept else []


def _end_of_body(lines: list[str], start: int) -> int:
    """Return where the indented lines end that belong to what stands before them."""
    end = start
    for index in range(start, len(lines)):
        if lines[index].startswith("    "):
            end = index + 1
        elif lines[index].strip():
            break
    return end


def _after_annotations(lines: list[str], start: int) -> int:
    """Return the place behind the numbered list that follows a code block, if one does."""
    index = start
    while index < len(lines) and not lines[index].strip():
        index += 1
    end = start
    while index < len(lines) and (ITEM.match(lines[index]) or lines[index].startswith(" ") or not lines[index].strip()):
        if ITEM.match(lines[index]) or (lines[index].strip() and end > start):
            end = index + 1
        elif lines[index].strip():
            break
        index += 1
    return end
