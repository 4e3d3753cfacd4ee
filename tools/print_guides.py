"""Print each guide of a copy of the site as a PDF beside its page, and link the page to it.

    python tools/print_guides.py FOLDER      (`make offline`)

The copy is opened from disk. Where there is no Chromium the copy stays as it is: no page has a link that leads nowhere.
"""

import sys
from html import escape
from pathlib import Path

from catalogue import READ, read_examples
from chromium import CHROMIUM, launched
from languages import HOME
from pages import ROOT

TITLES = {"zh": "本页的 PDF，可打印", "en": "This page as a PDF, to print"}
ARTICLE = '<article class="md-content__inner md-typeset">'
FOOTER = """<div lang="{language}" style="display: flex; justify-content: space-between; width: 100%; margin: 0 16mm;
  color: #555; font: 8pt system-ui, sans-serif">
  <span class="title"></span><span><span class="pageNumber"></span> / <span class="totalPages"></span></span>
</div>"""
# A link from page to page would hold the folder that this copy lies in; it leads to the site, or nowhere. The theme puts
# the notes of a listing below it only when a page is about to be printed.
LINK_TO_THE_SITE = """() => addEventListener("beforeprint", () => {
  const site = document.querySelector("link[rel=canonical]")?.href;
  document.querySelectorAll("article a[href]").forEach((link) => {
    const there = link.getAttribute("href"), { protocol, pathname } = new URL(there, location);
    if (protocol !== "file:" || pathname === location.pathname) return;
    site ? link.setAttribute("href", new URL(there, site)) : link.removeAttribute("href");
  });
})"""


def find_guides(folder: Path, language: str) -> list[Path]:
    """Return the pages of the examples in reading order.

    Args:
        folder: The built site, or a copy of it.
        language: Whose pages they are.
    """
    pages = folder / HOME[language] / "guides"
    files = [pages / f"{example.name}{ending}.html" for example in read_examples(ROOT) for ending in READ[language]]
    return [file for file in files if file.is_file()]


def print_guide(page, guide: Path, language: str) -> Path:
    """Print a guide and return its PDF, with the sections as bookmarks and tags for screen readers.

    Args:
        page: Playwright's.
        guide: The page on disk.
        language: The guide's.
    """
    pdf = guide.with_suffix(".pdf")
    page.goto(guide.as_uri())
    page.evaluate(LINK_TO_THE_SITE)
    page.pdf(
        path=pdf,
        format="A4",
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER.format(language=language),
        outline=True,
        tagged=True,
    )
    return pdf


def link(guide: Path, pdf: Path, language: str) -> None:
    """Link a guide to its PDF.

    Raises:
        ValueError: The page is not as the theme makes it.
    """
    html, title = guide.read_text("utf-8"), escape(TITLES[language])
    if html.count(ARTICLE) != 1:
        raise ValueError(f"{guide}: there is no single place for the link")
    button = f'<a class="md-content__button pdf" href="{pdf.name}" title="{title}">PDF</a>'
    guide.write_text(html.replace(ARTICLE, ARTICLE + button), "utf-8")


def print_guides(folder: Path) -> list[Path]:
    """Print and link the guides of both languages, and return the PDFs.

    Args:
        folder: A copy of the built site.
    """
    pdfs = []
    with launched() as browser:
        page = browser.new_page()
        for language in HOME:
            for guide in find_guides(folder, language):
                pdfs.append(print_guide(page, guide, language))
                link(guide, pdfs[-1], language)
    return pdfs


if __name__ == "__main__":
    if CHROMIUM is None:
        print("There is no Chromium on this machine (Debian: apt-get install chromium): the copy has no PDFs.")
    else:
        pdfs = print_guides(Path(sys.argv[1]).resolve())
        print(f"{len(pdfs)} PDFs, {sum(pdf.stat().st_size for pdf in pdfs) / 1e6:.0f} MB")
