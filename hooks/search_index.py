"""Write the index that docs/assets/search.js reads: what each section of the pages says.

It is a script, not JSON: a copy on disk may load scripts, but fetch nothing. Notebooks stay out, because the guides say
the same, and so do long listings, recorded results and what programs printed.
"""

import json
import tomllib
from pathlib import Path

from bs4 import BeautifulSoup, Comment, Tag
from mkdocs.utils import write_file

from pages import NOTEBOOKS
from plain_pages import bare, find_marked

SYNONYMS = Path(__file__).with_name("synonyms.toml")
HEADINGS = ["h1", "h2", "h3", "h4"]
# A text belongs to the heading it is in, else to its listing, else to its row, else to the innermost block.
BLOCKS = (HEADINGS, ["pre"], ["tr"], ["p", "li", "dt", "dd", "figcaption", "summary"])
SKIPPED = (  # elements, classes
    {"svg", "script", "style", "thead"},
    {"headerlink", "doc-labels", "output", "results", "fact", "offers", "threads"},
)
LONGEST_LISTING = 8  # lines

found: dict[str, list[dict]] = {}  # a page's address → its sections


def sections(html: str, url: str) -> list[dict]:
    """Return a page's sections: address, title, the page's title; text, what is bold in it, rows, short listings."""
    soup, result = BeautifulSoup(bare(html), "html.parser"), []
    for element in find_marked(soup, *SKIPPED):
        element.decompose()
    for block, text in _blocks(soup):
        if block.name in HEADINGS:
            address = f"{url}#{block['id']}" if result else url
            result.append({"url": address, "title": text, "page": "", "text": [], "bold": [], "rows": [], "code": []})
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
            result[-1]["bold"] += [_words(bold.get_text()) for bold in block.find_all("strong")]
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
            blocks.setdefault(id(block), (block, []))[1].append(text)
    return [(block, words) for block, texts in blocks.values() if (words := _words("".join(texts)))]


def on_pre_build(config):
    found.clear()


def on_page_content(html, page, config, files):
    if not page.file.src_uri.startswith(NOTEBOOKS):
        found[page.url] = sections(html, page.url)


def on_post_build(config):
    synonyms = tomllib.loads(SYNONYMS.read_text("utf-8"))[config.theme["language"]]
    index = {"synonyms": synonyms, "sections": [section for page in found.values() for section in page]}
    script = f"window.searchIndex = {json.dumps(index, ensure_ascii=False, separators=(',', ':'))};\n"
    write_file(script.encode("utf-8"), str(Path(config.site_dir) / "search" / "index.js"))
