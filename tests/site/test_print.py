"""The guides on paper: as PDFs beside the pages of a copy, and as the style sheet lays pages out for sheets."""

import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import opened
from bs4 import BeautifulSoup

import print_guides
from languages import HOME

pytestmark = pytest.mark.browser

SHEET = {"width": 673, "height": 971}  # between the margins of A4, in CSS pixels


@pytest.fixture(scope="module")
def copied(site, tmp_path_factory) -> Path:
    return shutil.copytree(site.path, tmp_path_factory.mktemp("offline") / "copy")


@pytest.fixture(scope="module", params=HOME)
def printed(request, browser, copied):
    """Print one guide of a language; return what the PDF's reader says, the page it comes from, and its language."""
    pypdf = pytest.importorskip("pypdf")
    guide = print_guides.find_guides(copied, request.param)[1]
    page = browser.new_page()
    pdf = print_guides.print_guide(page, guide, request.param)
    page.close()
    return pypdf.PdfReader(pdf), BeautifulSoup(guide.read_text("utf-8"), "html.parser"), request.param


def plain(text: str) -> str:
    """Return a PDF's or a page's text in comparable form: a PDF may hold 用 as the radical ⽤, and spaces anywhere."""
    return "".join(unicodedata.normalize("NFKC", text).replace("¶", "").split())


def bookmarks(outline: list) -> Iterator:
    for each in outline:
        yield from bookmarks(each) if isinstance(each, list) else [each]


def test_every_section_is_a_bookmark_of_the_sheet_it_stands_on(printed):
    reader, html, _language = printed
    headings = [plain(each.text) for each in html.select("article :is(h1, h2, h3)")]
    marks = list(bookmarks(reader.outline))
    assert [plain(mark.title) for mark in marks] == headings and len(headings) > 10
    sheets = [reader.get_destination_page_number(mark) for mark in marks]
    assert sheets[0] == 0 and sheets == sorted(sheets)
    for sheet, heading in zip(sheets, headings, strict=True):
        assert heading in plain(reader.pages[sheet].extract_text()), heading


def test_every_sheet_has_text_the_title_and_its_number(printed):
    reader, html, _language = printed
    for number, sheet in enumerate(reader.pages, start=1):
        text = plain(sheet.extract_text())
        end = plain(f"{html.title.text} {number} / {len(reader.pages)}")
        assert text.endswith(end) and len(text) > len(end) + 100


def test_no_heading_is_the_last_on_a_sheet(printed):
    reader, html, _language = printed
    ends = {}
    for mark in bookmarks(reader.outline):
        sheet = reader.get_destination_page_number(mark)
        foot = plain(f"{html.title.text} {sheet + 1} / {len(reader.pages)}")
        ends[plain(mark.title)] = plain(reader.pages[sheet].extract_text()).removesuffix(foot)
    assert len(ends) > 10 and [heading for heading, end in ends.items() if end.endswith(heading)] == []


def parts(element) -> Iterator:
    """Yield an element of a PDF's structure and all that belong to it; what is no element is the content of one."""
    yield element
    inside = element.get("/K", [])
    for each in inside if isinstance(inside, list) else [inside]:
        if isinstance(each.get_object(), dict):
            yield from parts(each.get_object())


def test_short_tables_and_charts_are_whole_on_one_sheet(printed):
    reader, _html, _language = printed
    kinds = {"/Table": 0, "/Figure": 0}
    for element in parts(reader.trailer["/Root"]["/StructTreeRoot"]):
        rows = sum(part.get("/S") == "/TR" for part in parts(element)) if element.get("/S") in kinds else 12
        if rows < 12:
            kinds[element["/S"]] += 1
            assert len({part.raw_get("/Pg").idnum for part in parts(element) if "/Pg" in part}) == 1, element.get(
                "/Alt"
            )
    assert kinds["/Table"] > 3 and kinds["/Figure"] > 10


def test_what_is_folded_on_the_screen_is_printed(printed):
    reader, html, _language = printed
    text = plain("".join(sheet.extract_text() for sheet in reader.pages))
    inside = [plain(each.text) for each in html.select("article details:not(.results details) > :is(p, li)")]
    assert inside and [words for words in inside if words[:20] not in text] == []


def test_a_pdf_is_tagged_whole_and_knows_its_language(printed):
    reader, _html, language = printed
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/StructTreeRoot"] and root["/Lang"] == language
    fonts = [font.get_object() for sheet in reader.pages for font in sheet["/Resources"]["/Font"].values()]
    for font in fonts:
        described = font["/DescendantFonts"][0]["/FontDescriptor"] if "/DescendantFonts" in font else font
        assert {"/FontFile2", "/FontFile3", "/CharProcs"} & set(described), "a font is not in the file"


def test_a_pdf_holds_no_address_of_the_folder_it_was_printed_in(printed):
    reader, _html, _language = printed
    links = [link.get_object() for sheet in reader.pages for link in sheet.get("/Annots", [])]
    addresses = [link["/A"]["/URI"] for link in links if "/A" in link]
    assert addresses and [address for address in addresses if not address.startswith("https://")] == []


def test_a_guide_of_the_copy_links_its_pdf_and_no_other_page_does(browser, copied, address):
    guide = print_guides.find_guides(copied, "en")[0]
    pdf = guide.with_suffix(".pdf")
    print_guides.link(guide, pdf, "en")
    with opened(browser, copied.as_uri()) as page:
        page.goto(guide.as_uri())
        link = page.get_by_role("link", name="PDF", exact=True)
        assert link.evaluate("link => link.href") == pdf.as_uri()
        page.emulate_media(media="print")
        assert not link.is_visible()
        page.goto(f"{copied.as_uri()}/guides/mnist.html")
        assert not page.locator("a[href$='.pdf']").count()


def test_a_page_that_is_not_the_theme_s_gets_no_link(tmp_path):
    (tmp_path / "a.html").write_text("<article></article>", "utf-8")
    with pytest.raises(ValueError, match="no single place"):
        print_guides.link(tmp_path / "a.html", tmp_path / "a.pdf", "zh")


CUT = """() => [...document.querySelectorAll("article :is(pre, pre > code, table, svg, img)")].filter(box =>
    box.checkVisibility() && (box.getBoundingClientRect().right > innerWidth + 1 || box.scrollWidth > box.clientWidth + 1
    && box.matches("pre, code"))).map(box => box.textContent.slice(0, 80))"""
TABS = """() => [...document.querySelectorAll(".tabbed-set")].map(set => {
    const labels = [...set.querySelectorAll(":scope > .tabbed-labels > label")];
    const tabs = [...set.querySelectorAll(":scope > .tabbed-content > .tabbed-block")];
    const top = tab => tab.getBoundingClientRect().top, heads = tabs.map(tab => getComputedStyle(tab, "::before"));
    return {
        named: heads.every((head, index) => head.content === JSON.stringify(labels[index].innerText)),
        held: heads.every(head => head.display === "block" && head.breakAfter === "avoid"),
        once: labels.every(label => !label.checkVisibility()),
        below: tabs.every((tab, index) => !index || top(tab) >= tabs[index - 1].getBoundingClientRect().bottom),
    };
})"""


@pytest.mark.parametrize("language", HOME.values())
@pytest.mark.parametrize("path", ["quickstart", "reference/cli", "guides/mnist", "guides/transfer_learning"])
def test_nothing_is_cut_at_the_edge_of_a_sheet_and_each_tab_has_its_label(browser, address, path, language):
    with opened(browser, address, SHEET) as page:
        page.goto(f"{address}{language}{path}.html")
        page.evaluate("document.querySelectorAll('article details').forEach(each => { each.open = true })")
        page.emulate_media(media="print")
        assert page.evaluate(CUT) == []
        for tabs in page.evaluate(TABS):
            assert all(tabs.values()), tabs
