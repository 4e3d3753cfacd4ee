"""The code blocks of a built page, as a browser gets them."""

from html.parser import HTMLParser


class _CodeBlocks(HTMLParser):
    """Collect (language, text) of highlighted blocks, except those that mkdocstrings makes from docstrings."""

    def __init__(self):
        super().__init__()
        self.blocks: list[tuple[str, str]] = []
        self._divs: list[set[str]] = []  # the classes of the open <div> elements
        self._text: list[str] | None = None

    def handle_starttag(self, tag, attributes):
        if tag == "div":
            self._divs.append(set((dict(attributes).get("class") or "").split()))
        elif tag == "code" and self._language() and not any("doc" in classes for classes in self._divs):
            self._text = []

    def handle_endtag(self, tag):
        if tag == "code" and self._text is not None:
            self.blocks.append((self._language(), "".join(self._text)))
            self._text = None
        elif tag == "div" and self._divs:
            self._divs.pop()

    def handle_data(self, data):
        if self._text is not None:
            self._text.append(data)

    def _language(self) -> str:
        names = [name for classes in self._divs for name in classes if name.startswith("language-")]
        return names[-1].removeprefix("language-") if names else ""


def code_blocks(html: str) -> list[tuple[str, str]]:
    """Return the language and the text of each code block in `html`."""
    parser = _CodeBlocks()
    parser.feed(html)
    return parser.blocks
