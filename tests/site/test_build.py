"""What `mkdocs build --strict` does not see, read off the built files."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
LOADED_IN_CSS = re.compile(r"""@import\s+["']?(?!url)([^"';]+)|url\(\s*["']?([^"')]+)""")


class Page(HTMLParser):
    """One page's loaded addresses, links, anchors and empty code elements."""

    def __init__(self, text: str):
        super().__init__()
        self.loaded, self.links, self.anchors, self.empty_code, self.classes = [], [], {""}, 0, set()
        self.code = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.classes |= set(values.get("class", "").split())
        self.loaded += loaded_in_css(values.get("style", ""))
        self.loaded += [values[name] for name in ("src", "poster", "data") if values.get(name) and tag != "a"]
        self.loaded += [part.split()[0] for part in values.get("srcset", "").split(",") if part.strip()]
        if tag == "link" and LOADED_LINKS & set(values.get("rel", "").split()):
            self.loaded.append(values["href"])
        if tag in ("use", "image"):
            self.loaded.append(values.get("href", values.get("xlink:href", "")))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "code":
            self.code = ""

    def handle_data(self, data: str) -> None:
        if self.code is not None:
            self.code += data
        self.loaded += loaded_in_css(data) if self.lasttag == "style" else []

    def handle_endtag(self, tag: str) -> None:
        if tag == "code" and self.code is not None:
            self.empty_code += not self.code.strip()
            self.code = None


def loaded_in_css(text: str) -> list[str]:
    return ["".join(found).strip() for found in LOADED_IN_CSS.findall(text)]


def is_foreign(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def target_file(root: Path, page: str, link: str) -> Path:
    """Return the file an internal link leads to."""
    path = unquote(urlsplit(link).path)
    base = root if path.startswith("/") else (root / page).parent
    file = (base / path.lstrip("/") if path else root / page).resolve()
    return file / "index.html" if file.is_dir() else file


@pytest.fixture(scope="session")
def parsed(site) -> dict[str, Page]:
    files = site.path.rglob("*.html")
    return {file.relative_to(site.path).as_posix(): Page(file.read_text(encoding="utf-8")) for file in files}


def test_the_build_warns_of_nothing(site):
    assert not re.findall(r"^.*(?:WARNING|ERROR|Traceback).*$", site.output, re.MULTILINE)


def test_both_languages_have_the_same_pages(site):
    english = {page.removeprefix("en/") for page in site.pages if page.startswith("en/")}
    assert english == {page for page in site.pages if not page.startswith("en/")}


def test_no_page_loads_anything_from_another_host(parsed):
    foreign = {(page, address) for page, content in parsed.items() for address in content.loaded if is_foreign(address)}
    assert not foreign


def test_no_style_sheet_loads_anything_from_another_host(site):
    sheets = {file: loaded_in_css(file.read_text(encoding="utf-8")) for file in site.path.rglob("*.css")}
    assert sheets
    assert not {(file.name, address) for file, found in sheets.items() for address in found if is_foreign(address)}


def test_no_page_makes_the_theme_fetch_a_diagram_library(parsed):
    assert not {page for page, content in parsed.items() if content.classes & {"mermaid", "arithmatex"}}


def test_everything_a_page_loads_is_there(site, parsed):
    loaded = {(page, address) for page, content in parsed.items() for address in content.loaded}
    local = {(page, address) for page, address in loaded if not address.startswith(("data:", "#"))}
    assert not {(page, address) for page, address in local if not target_file(site.path, page, address).is_file()}


def test_no_code_is_empty(parsed):
    assert not {page for page, content in parsed.items() if content.empty_code}


def test_every_internal_link_and_anchor_leads_somewhere(site, parsed):
    root, broken = site.path.resolve(), []
    for page, content in parsed.items():
        for link in content.links:
            if is_foreign(link):
                continue
            file = target_file(root, page, link)
            name = file.relative_to(root).as_posix() if file.is_relative_to(root) else ""
            anchors = parsed[name].anchors if name in parsed else {""} if name and file.is_file() else set()
            if unquote(urlsplit(link).fragment) not in anchors:
                broken.append((page, link))
    assert not broken


def test_each_page_links_to_itself_in_the_other_language(site, parsed):
    root = site.path.resolve()
    for page in site.pages:
        other = page.removeprefix("en/") if page.startswith("en/") else f"en/{page}"
        assert root / other in {target_file(root, page, link) for link in parsed[page].links if not is_foreign(link)}


def test_a_notebook_has_the_site_s_dress_its_guide_s_anchors_and_its_file_beside_it(site, parsed):
    notebooks = [page for page in site.pages if "notebooks/" in page]
    assert notebooks
    for page in notebooks:
        text, guide = (site.path / page).read_text(encoding="utf-8"), page.replace("notebooks/", "guides/")
        assert "jp-" not in text and "<style" not in text
        headings = set(re.findall(r'<h[23] id="([^"]+)"', text))
        assert headings and headings <= parsed[guide].anchors
        assert "base64" not in text
        pictures = [picture for picture in re.findall("<img[^>]*>", text) if 'class="output"' in picture]
        drawn = [
            name
            for cell in nbformat.read(site.path / Path(page).with_suffix(".ipynb"), 4).cells
            for name in _drawn(cell)
        ]
        assert [re.search('src="[^"]*/([^"/]+)"', picture)[1] for picture in pictures] == drawn
        seen = [re.search('alt="([^"]+)"', picture)[1] for picture in pictures]
        assert all(page.startswith("en/") != bool(re.search("[\u4e00-\u9fff]", words)) for words in seen)
        assert all('loading="lazy" ' in picture for picture in pictures)
        assert {Path(page).with_suffix(".ipynb").name, f"../guides/{Path(page).name}"} <= set(parsed[page].links)


def _drawn(cell) -> list[str]:
    outputs = [output for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
    return [output.metadata["image/png"]["file"] for output in outputs]
