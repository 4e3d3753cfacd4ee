"""Number a listing's annotations from 1, as the list below it does, and leave out those that no list explains.

A program that is shown in parts keeps one numbering in its file; shown whole, it has the explanations at its parts.
The list says that it is one of notes: the theme takes it from the screen when the listing is first seen, the style sheet
before that, so that nothing moves.
"""

import re

BLOCK = re.compile(r'<div class="language-python.*?</div>(?P<explained>\s*<ol>)?', re.DOTALL)
MARK = re.compile(r' *<span class="c1"># \((?P<number>\d+)\)!</span>')


def renumber(html: str) -> str:
    """Return a page whose listings have the annotations that they explain."""

    def renumbered(block: re.Match) -> str:
        numbers = [int(number) for number in MARK.findall(block[0])]
        if not numbers:
            return block[0]
        if not block["explained"]:
            return MARK.sub("", block[0])
        first = min(numbers)
        head, _, _ = block[0].rpartition("<ol>")
        return MARK.sub(lambda mark: _shifted(mark, first), head) + '<ol class="notes">'

    return BLOCK.sub(renumbered, html)


def _shifted(mark: re.Match, first: int) -> str:
    return f' <span class="c1 sign"># ({int(mark["number"]) - first + 1})!</span>'


def on_page_content(html, page, config, files):
    return renumber(html)
