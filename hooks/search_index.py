"""Write the index that docs/assets/search.js reads: what each section of the pages says.

It is two scripts, not JSON: a copy on disk may load scripts, but fetch nothing. The first has the pages that lead through
something, the second, which is loaded right after, those that readers look things up in. Notebooks stay out, because the
guides say the same, and so do long listings, recorded results and what programs printed.
"""

import json
import re
import tomllib
from pathlib import Path

from bs4 import BeautifulSoup, Comment, Tag
from mkdocs.utils import write_file

from pages import NOTEBOOKS
from plain_pages import bare, find_marked

SYNONYMS = Path(__file__).with_name("synonyms.toml")
HEADINGS = ["h1", "h2", "h3", "h4"]
# A text belongs to the heading it is in, else to its listing, else to its row, else to the innermost block.
TEXTS = ["p", "li", "dt", "dd", "figcaption", "summary"]
BLOCKS = (HEADINGS, ["pre"], ["tr"], TEXTS)
SKIPPED = (  # elements, classes
    {"svg", "script", "style", "thead"},
    {"headerlink", "doc-labels", "output", "results", "fact", "offers", "threads"},
)
LONGEST_LISTING = 8  # lines
BOLD = "\0"  # stands before and after what is bold in a text; no page can hold it
LOOKED_UP = re.compile(r"reference/|(symptoms|scale|contribute|playground/(how-it-works|differences|protocol))\.html")

found: dict[str, list[dict]] = {}  # a page's address → its sections


def sections(html: str, url: str) -> list[dict]:
    """Return a page's sections: address, title, the page's title; text with marks for what is bold, rows, short listings."""
    soup, result = BeautifulSoup(bare(html), "html.parser"), []
    for element in find_marked(soup, *SKIPPED):
        element.decompose()
    for block, text in _blocks(soup):
        if block.name in HEADINGS:
            address = f"{url}#{block['id']}" if result else url
            result.append({"url": address, "title": text, "page": "", "text": [], "rows": [], "code": []})
            result[-1]["page"] = result[0]["title"]
        elif not result:
            continue
        elif block.name == "pre":
            if block.get_text().strip().count("\n") < LONGEST_LISTING:
                result[-1]["code"].append(text)
        elif block.name == "tr":
            cells = [_words(cell.get_text()) for cell in block.find_all(["th", "td"])]
            if cells[0].isdigit() and len(cells) > 3:
                del cells[0]  # the row's number
            result[-1]["rows"].append([cells[0], " · ".join(filter(None, cells[1:]))])
        else:
            result[-1]["text"].append(text)
    return result


def _words(text: str) -> str:
    return " ".join(text.split())


def _blocks(soup: BeautifulSoup) -> list[tuple[Tag, str]]:
    """Return headings, listings, rows and the innermost blocks of text, in the page's order, each with its words."""
    blocks: dict[int, tuple[Tag, list[str]]] = {}
    for text in soup.find_all(string=lambda text: not isinstance(text, Comment)):
        parents = list(text.parents)
        block = next((parent for names in BLOCKS for parent in parents if parent.name in names), None)
        if block and (block.name not in HEADINGS or block.get("id")):
            bold = BOLD if block.name in TEXTS and any(parent.name == "strong" for parent in parents) else ""
            blocks.setdefault(id(block), (block, []))[1].append(f"{bold}{text}{bold}")
    return [
        (block, words) for block, texts in blocks.values() if (words := _words("".join(texts).replace(2 * BOLD, "")))
    ]


def on_pre_build(config):
    found.clear()


def on_page_content(html, page, config, files):
    if not page.file.src_uri.startswith(NOTEBOOKS):
        found[page.url] = sections(html, page.url)


def on_post_build(config):
    synonyms = tomllib.loads(SYNONYMS.read_text("utf-8"))[config.theme["language"]]
    read, looked_up = [], []
    for url, page in found.items():
        (looked_up if LOOKED_UP.match(url) else read).extend(page)
    _write(config, "read.js", "window.searchIndex = {};", {"synonyms": synonyms, "sections": read})
    _write(config, "looked-up.js", "window.searchIndex.sections.push(...{});", looked_up)


def _write(config, name: str, statement: str, value: object) -> None:
    script = statement.replace("{}", json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + "\n"
    write_file(script.encode("utf-8"), str(Path(config.site_dir) / "search" / name))
