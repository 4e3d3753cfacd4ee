"""Compare the two listings of `<div class="grid side-by-side">`: mark what only one has, and how far lines are indented.

With the indents docs/assets/site.css hangs the rest of a line that wraps where no code begins.
"""

import re
from difflib import SequenceMatcher

from bs4 import BeautifulSoup, NavigableString, Tag

PAIR = re.compile(r'<div class="grid side-by-side">(?:.*?</pre></div>){2}\s*</div>', re.DOTALL)


def compare(html: str) -> str:
    """Return the pair with each line in an element that knows its indent, and marks on the words that differ."""
    soup = BeautifulSoup(html, "html.parser")
    left, right = (_wrap_lines(soup, code) for code in soup.select("pre > code"))
    for kind, start, end, other_start, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind != "equal":
            for word in left[start:end] + right[other_start:other_end]:
                word.find_parent("span", class_="line")["class"] = ["line", "differs"]
                word.wrap(soup.new_tag("mark"))
    return str(soup)


def _wrap_lines(soup: BeautifulSoup, code: Tag) -> list[NavigableString]:
    """Put each line of the code into an element and return its words."""
    lines: list[list] = [[]]
    for part in list(code.children):
        pieces = part.splitlines(keepends=True) if isinstance(part, NavigableString) else [part]
        for piece in pieces:
            lines[-1].append(piece)
            if isinstance(piece, str) and piece.endswith("\n"):
                lines.append([])
    code.clear()
    for pieces in filter(None, lines):
        line = soup.new_tag("span", attrs={"class": ["line"]})
        line.extend(pieces)
        text = line.get_text()
        line["style"] = f"--indent:{len(text) - len(text.lstrip(' '))}"
        code.append(line)
    return [text for text in code.find_all(string=True) if text.strip()]


def on_page_content(html, page, config, files):
    return PAIR.sub(lambda pair: compare(pair[0]), html)
