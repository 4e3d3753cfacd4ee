"""What `make offline` makes, unpacked elsewhere and opened from disk: all of it works, and nothing leaves the machine."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, opened, search

import print_guides
from languages import HOME
from pages import ROOT
from try_it_html import WORDS

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.slow]
both_languages = pytest.mark.parametrize("language", HOME)
TERM = {"zh": "聚合方", "en": "aggregator"}
PLACE = Path("U 盘 #1", "alphamed-tutorials")  # what a browser has to quote in addresses


@pytest.fixture(scope="session")
def unpacked(once, browser, site) -> Path:
    """Return the copy that is taken along, made by the Makefile's own commands from a built site."""
    rule = (ROOT / "Makefile").read_text("utf-8").partition("\noffline:")[2].partition("\n\n")[0]
    (pack,) = re.findall(r"\$\(BIN\)/python (-m zipfile .*)", rule)

    def make(folder: Path) -> None:
        copy = shutil.copytree(site.path, folder / "offline" / PLACE.name)
        environment = os.environ | {"PYTHONPATH": str(ROOT / "hooks")}
        subprocess.run([sys.executable, print_guides.__file__, copy], env=environment, check=True)
        subprocess.run([sys.executable, *pack.split()], cwd=copy.parent, check=True)
        (archive,) = copy.parent.glob("*.zip")
        with zipfile.ZipFile(archive) as opened_archive:
            opened_archive.extractall(folder / PLACE.parent)

    return once("unpacked", make) / PLACE


def home(unpacked: Path, language: str) -> str:
    return f"{(unpacked / HOME[language]).as_uri()}/"


@both_languages
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_reader_gets_from_the_home_page_to_each_guide_and_its_pdf(browser, unpacked, language, size):
    guides = print_guides.find_guides(unpacked, language)
    with opened(browser, unpacked.as_uri(), size) as page:
        page.goto(f"{home(unpacked, language)}index.html")
        links = page.locator(".examples a").evaluate_all("links => links.map(link => link.href)")
        assert {guide.as_uri() for guide in guides} == set(links)
        for guide in guides:
            page.goto(guide.as_uri())
            pdf = page.get_by_role("link", name="PDF", exact=True).evaluate("link => link.href")
            assert pdf == guide.with_suffix(".pdf").as_uri() and guide.with_suffix(".pdf").read_bytes()[:5] == b"%PDF-"


@both_languages
def test_search_leads_to_a_page_that_has_the_word(browser, unpacked, language):
    with opened(browser, unpacked.as_uri()) as page:
        page.goto(f"{home(unpacked, language)}guides/mnist.html")
        assert TERM[language] in search(page, TERM[language])[0]
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "guides/mnist.html" not in url)
        assert page.url.startswith(home(unpacked, language)) and TERM[language] in page.locator("article").inner_text()


@both_languages
def test_tabs_figures_and_the_other_language_are_there(browser, unpacked, language):
    (other,) = HOME.keys() - {language}
    with opened(browser, unpacked.as_uri()) as page:
        page.goto(f"{home(unpacked, language)}guides/mnist.html")
        tabs = page.locator(".tabbed-set").first
        tabs.locator(".tabbed-labels label").nth(1).click()
        assert (
            tabs.locator(".tabbed-block").nth(1).is_visible() and not tabs.locator(".tabbed-block").nth(0).is_visible()
        )
        picture = page.locator(".results-grid .chart")
        before = picture.get_attribute("aria-label")
        page.locator(".results-grid input").first.press("End")
        page.locator(".results-grid input").last.press("Home")
        assert picture.get_attribute("aria-label") != before
        page.click(".site-language")
        page.wait_for_url(f"{home(unpacked, other)}guides/mnist.html*")
        assert page.get_attribute("html", "lang") == other


@both_languages
def test_models_that_cannot_be_loaded_from_disk_give_way_to_their_recorded_answers(browser, unpacked, language):
    with opened(browser, unpacked.as_uri()) as page:
        page.goto(f"{home(unpacked, language)}guides/mnist.html")
        page.click(".try-load")
        page.get_by_text(WORDS[language]["from_disk"]).wait_for()
        page.locator(".try-it input").last.check()
        page.wait_for_function(
            "words => document.querySelector('.try-status').textContent.includes(words)",
            arg=WORDS[language]["recorded"],
        )
