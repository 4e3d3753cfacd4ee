"""The pictures of the pages, drawn by code or taken of the playground: on a phone, in the dark, and for those who listen."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from browsing import opened
from bs4 import BeautifulSoup
from PIL import Image

from lazy_pictures import LEAST, SHOT
from pages import ROOT, find_pages

PHONE = {"width": 390, "height": 844}
SMALLEST = 10  # points: matplotlib's size
CHINESE = re.compile("[一-鿿]")

# The English pages are of the same make, and notebooks as their guides: they wait for the long lane.
english_in_soak = pytest.mark.parametrize("language", ["", pytest.param("en/", marks=pytest.mark.soak)])
notebooks_in_soak = pytest.mark.parametrize("notebooks", [False, pytest.param(True, marks=pytest.mark.soak)])
both_languages = pytest.mark.parametrize("language", ["", "en/"])


def pictures_by_page(site, language: str) -> dict[str, list]:
    """Return the pictures of each page of a language that has some: elements of its HTML."""
    pages = [page for page in site.pages if page.startswith("en/") == bool(language)]
    trees = {page: BeautifulSoup((site.path / page).read_text("utf-8"), "html.parser") for page in pages}
    return {page: found for page, tree in trees.items() if (found := tree.select("img:is(.output, .shot)"))}


SHOWN = """() => [...document.querySelectorAll("article img:is(.output, .shot)")].filter(
    picture => picture.checkVisibility()).map(picture => ({
        source: picture.src, isDrawn: picture.matches(".output"), width: picture.offsetWidth,
        isWhole: picture.parentElement.scrollWidth >= picture.offsetWidth,
    }))"""
KEYBOARD_REACHES_WHAT_SCROLLS = """() => [...document.querySelectorAll("article p:has(> img)")].filter(
    box => box.checkVisibility()).every(box => (box.scrollWidth > box.clientWidth) === box.matches("[tabindex='0']"))"""


def smallest_words(picture: dict, site) -> float:
    """Return how many pixels high the smallest words of a picture are shown."""
    with Image.open(site.path / unquote(urlsplit(picture["source"]).path).lstrip("/")) as file:
        natural = SMALLEST / 72 * file.info["dpi"][0] if picture["isDrawn"] else SHOT
        return natural * picture["width"] / file.width


@pytest.mark.browser
@english_in_soak
@notebooks_in_soak
def test_the_words_of_every_picture_can_be_read_on_a_phone(browser, address, site, language, notebooks):
    pages = [page for page in pictures_by_page(site, language) if ("notebooks/" in page) == notebooks]
    assert len(pages) > 5 and (notebooks or f"{language}playground/walk.html" in pages)
    with opened(browser, address, PHONE, touch=True) as page:
        for path in pages:
            page.goto(address + path, wait_until="domcontentloaded")
            page.evaluate("document.querySelectorAll('.tabbed-set > input').forEach(tab => tab.click())")
            page.wait_for_function(KEYBOARD_REACHES_WHAT_SCROLLS)
            shown = page.evaluate(SHOWN)
            assert shown, path
            for picture in shown:
                assert smallest_words(picture, site) >= LEAST - 0.05 and picture["isWhole"], (path, picture)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_no_words_are_smaller_than_the_pages_take_them_for():
    code = "".join(file.read_text("utf-8") for file in (ROOT / "snippets").rglob("*.py"))
    assert all(int(size) >= SMALLEST for size in re.findall(r"\bfontsize=(\d+)", code))
    styles = (ROOT / "src/alphamed_tutorials/playground/page/static/page.css").read_text("utf-8")
    sizes = re.findall(r"font-size: ([\d.]+)(rem|px)", styles)
    assert sizes and all(float(size) * (16 if unit == "rem" else 1) >= SHOT for size, unit in sizes)


@both_languages
def test_every_picture_says_what_is_seen_in_it_in_the_language_of_its_page(site, language):
    pages = pictures_by_page(site, language)
    described = {block.draws for page in find_pages() for block in page.blocks if block.draws}
    assert len(pages) > 12 and f"{language}notebooks/mnist.html" in pages
    for path, pictures in pages.items():
        said = [picture["alt"] for picture in pictures]
        assert all(bool(CHINESE.search(each)) == (not language) and len(each) > 5 for each in said), (path, said)
        drawn = {picture["alt"] for picture in pictures if "output" in picture["class"]}
        assert drawn <= described, path


@pytest.mark.browser
@both_languages
@pytest.mark.parametrize("path", ["guides/mnist", "notebooks/mnist"])
def test_what_code_drew_lies_on_white_in_the_dark(browser, address, language, path):
    with opened(browser, address, scheme="dark") as page:
        page.goto(f"{address}{language}{path}.html", wait_until="domcontentloaded")
        assert page.get_attribute("body", "data-md-color-scheme") == "slate"
        grounds = page.locator("article img.output").evaluate_all(
            "pictures => pictures.map(picture => getComputedStyle(picture).backgroundColor)"
        )
        assert set(grounds) == {"rgb(255, 255, 255)"}
