"""Link the first mention of each glossary term on a page to `reference/glossary.md`, with its meaning as the tip.

The page is the only source: `### Term { #anchor }` and, below it, the first sentence. `data-avoid="…"` in the braces holds
what the term is never called, which a test looks for on all pages. Python-Markdown's own
abbreviations find no Chinese term, because Chinese has no spaces round a word.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from pages import NOTEBOOKS

PAGE = "reference/glossary.md"
HEADING = re.compile(
    r'^### (?P<term>.+?) \{ #(?P<anchor>[\w-]+)(?: data-avoid="(?P<avoided>.+?)")? \}\n+(?P<meaning>.+)$', re.MULTILINE
)
SKIPPED = {"a", "code", "pre", "abbr", "summary", "svg", "h1", "h2", "h3", "h4", "h5", "h6", "th", "label"}


def read_terms(text: str) -> dict[str, tuple[str, str]]:
    """Return the glossary page's terms, in lower case: term → (anchor, first sentence)."""
    terms = {}
    for found in HEADING.finditer(text):
        sentence = re.split(r"(?<=[。])|(?<=\.)\s", re.sub(r"[*`]|\[(.+?)\]\(.+?\)", r"\1", found["meaning"]))[0]
        terms |= {name.lower(): (found["anchor"], sentence) for name in _names(found["term"])}
    return terms


def read_avoided(text: str) -> dict[str, str]:
    """Return what the glossary page's terms are never called: the other word → the term."""
    return {
        word: _names(found["term"])[0]
        for found in HEADING.finditer(text)
        if found["avoided"]
        for word in found["avoided"].split(", ")
    }


def _names(heading: str) -> list[str]:
    return [name for name in re.split(r"\s*[（）()/,]\s*", heading) if name]


def pattern(terms: dict) -> re.Pattern:
    """Return what finds a term: Latin ones as whole words, with a plural s; Chinese ones anywhere; longest first."""
    names = sorted(terms, key=len, reverse=True)
    latin = "|".join(re.escape(name) for name in names if name.isascii())
    chinese = "|".join(re.escape(name) for name in names if not name.isascii())
    both = [rf"(?<![\w-])(?:{latin})(?=s?(?![\w-]))" if latin else "", chinese]
    return re.compile("|".join(filter(None, both)), re.IGNORECASE | re.ASCII)


class GlossaryLinks(Treeprocessor):
    """Put the links into one page."""

    def __init__(self, terms: dict):
        super().__init__()
        self.terms, self.pattern, self.enabled = terms, pattern(terms), True

    def run(self, root: ElementTree.Element) -> None:
        if self.enabled and self.terms:
            self._visit(root, set())

    def _visit(self, element: ElementTree.Element, seen: set) -> None:
        self._split(element, None, seen)
        for child in list(element):
            if child.tag not in SKIPPED:
                self._visit(child, seen)
            self._split(element, child, seen)

    def _split(self, parent: ElementTree.Element, before: ElementTree.Element | None, seen: set) -> None:
        """Link the terms in the text that follows `before` in `parent` (or that starts it)."""
        while True:
            text = (parent.text if before is None else before.tail) or ""
            matches = [] if isinstance(text, AtomicString) else self.pattern.finditer(text)
            match = next((m for m in matches if self.terms[m[0].lower()][0] not in seen), None)
            if match is None:
                return
            anchor, meaning = self.terms[match[0].lower()]
            seen.add(anchor)
            link = ElementTree.Element("a", {"href": f"/{PAGE}#{anchor}", "class": "term", "title": meaning})
            link.text, link.tail = match[0], text[match.end() :]
            self._shorten(parent, before, text[: match.start()])
            parent.insert(0 if before is None else list(parent).index(before) + 1, link)
            before = link

    @staticmethod
    def _shorten(parent: ElementTree.Element, before: ElementTree.Element | None, text: str) -> None:
        if before is None:
            parent.text = text
        else:
            before.tail = text


class GlossaryExtension(Extension):
    """Bring the links into Python-Markdown after inline markup and before MkDocs resolves links."""

    def __init__(self, terms: dict):
        super().__init__()
        self.links = GlossaryLinks(terms)

    def extendMarkdown(self, md):
        md.treeprocessors.register(self.links, "glossary", 7)


def on_config(config):
    page = Path(config.docs_dir) / PAGE
    terms = read_terms(page.read_text(encoding="utf-8")) if page.is_file() else {}
    config.markdown_extensions.append(GlossaryExtension(terms))


def on_page_markdown(markdown, page, config, files):
    extension = next(item for item in config.markdown_extensions if isinstance(item, GlossaryExtension))
    is_notebook = page.file.src_uri.startswith(NOTEBOOKS)  # its guide has the links
    extension.links.enabled = not (page.is_homepage or is_notebook or page.file.src_uri == PAGE)
