"""Where the site is: addresses in the pages where SITE_URL says one, none where it does not; what a shared link shows;
addresses that end in a slash; what is answered where no page is."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from browsing import opened, search
from bs4 import BeautifulSoup
from mkdocs.commands.build import build
from mkdocs.config import load_config
from PIL import Image

import draw_cards
import languages
import redirects
from pages import LANGUAGES, ROOT

SITE = "https://example.org/docs/alphamed/"
PAGES = {"index.md": "# Home\n", "guides/mnist.md": '---\ndescription: Digits & "more".\n---\n\n# MNIST\n'}
LENGTHS = {"zh": range(30, 91), "en": range(70, 171)}  # characters; search engines cut off what is much longer


@pytest.fixture
def small(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Return a function that builds a site of two pages in both languages, with some of the hooks."""

    def make(site_url: str = "", hooks: tuple[str, ...] = ("languages",), **settings) -> Path:
        monkeypatch.setenv("SITE_URL", site_url)
        for name, text in PAGES.items():
            (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "docs" / name).write_text(text, "utf-8")
        settings |= {"hooks": [f"hooks/{name}.py" for name in hooks], "plugins": [], "nav": list(PAGES)}
        for language, configuration in draw_cards.CONFIGURATIONS.items():
            out = tmp_path / "site" / languages.HOME[language]
            build(load_config(str(configuration), docs_dir=str(tmp_path / "docs"), site_dir=str(out), **settings))
        return tmp_path / "site"

    return make


def head_of(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text("utf-8").partition("</head>")[0], "html.parser").head


def alternates(tags) -> dict[str, str]:
    return {tag["hreflang"]: tag["href"] for tag in tags}


def both_addresses(url: str) -> dict[str, str]:
    return {"zh": f"{SITE}{url}", "en": f"{SITE}en/{url}"}


def test_a_page_says_its_address_in_each_language(small):
    folder = small(SITE.rstrip("/"))
    for url in ("index.html", "guides/mnist.html"):
        both = both_addresses(url)
        for language, home in languages.HOME.items():
            head = head_of(folder / home / url)
            assert head.select_one("link[rel=canonical]")["href"] == both[language]
            assert alternates(head.select("link[rel=alternate]")) == both | {"x-default": both["zh"]}
            loaded = [tag["href"] for tag in head.select("link[rel=stylesheet]")]
            assert loaded and not [link for link in loaded if link.startswith(("/", "http"))], "a copy on disk works"


def test_the_sitemap_has_every_page_in_both_languages_and_their_twins(small):
    folder, expected = small(SITE), {}
    for url in ("index.html", "guides/mnist.html"):
        both = both_addresses(url)
        expected |= dict.fromkeys(both.values(), both | {"x-default": both["zh"]})
    for home in languages.HOME.values():
        root = ElementTree.parse(folder / home / "sitemap.xml").getroot()
        found = {url[0].text: alternates(dict(link.items()) for link in url if link.items()) for url in root}
        assert found == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shared_link_shows_title_description_and_a_picture(small, language):
    home, other = languages.HOME[language], {"zh": "en_US", "en": "zh_CN"}[language]
    folder = small(SITE, ("languages", "shared_files"))
    head = head_of(folder / home / "guides" / "mnist.html")
    card = {tag["property"]: tag["content"] for tag in head.select("meta[property^=og]")}
    assert card["og:title"] == "MNIST" and card["og:description"] == 'Digits & "more".'
    assert card["og:url"] == f"{SITE}{home}guides/mnist.html"
    assert card["og:locale"] != card["og:locale:alternate"] == other
    assert (folder / card["og:image"].removeprefix(SITE)).is_file()
    assert {tag["content"] for tag in head_of(folder / home / "index.html").select("meta[property='og:title']")} == {
        load_config(str(draw_cards.CONFIGURATIONS[language]), hooks=[]).site_name
    }


def test_without_an_address_there_is_none_on_the_pages(small):
    folder = small("")
    for file in [*folder.rglob("index.html"), *folder.rglob("mnist.html")]:
        head = head_of(file)
        assert not head.select("link[rel=canonical], link[rel=alternate], meta[property^=og], meta[name^=twitter]")
        assert not [tag for tag in head.select("[href], [src]") if "//" in tag.get("href", tag.get("src", ""))]
    assert not re.findall("<loc>", "".join(file.read_text("utf-8") for file in folder.rglob("sitemap.xml")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_of_a_shared_link_has_the_site_s_words(language):
    """If it has not: `make cards`."""
    file = ROOT / "docs" / "assets" / "cards" / f"{language}.png"
    with Image.open(file) as picture:
        assert picture.size == (1200, 630)
        assert picture.text == draw_cards.words(language)
    assert file.stat().st_size < 100_000


# Addresses that end in a slash, and missing pages


def test_only_pages_without_one_of_their_own_are_led_to():
    found = redirects.redirects(["index.html", "guides/mnist.html", "a.html", "a/index.html"], "en")
    assert list(found) == ["guides/mnist/index.html"]


@pytest.mark.browser
@pytest.mark.parametrize("page", ["guides/mnist/#verify", "en/reference/cli/#export", "en/notebooks/mnist/"])
def test_an_address_that_ends_in_a_slash_leads_to_the_page_and_its_section(browser, address_below, page):
    with opened(browser, address_below) as tab:
        tab.goto(address_below + page)
        tab.wait_for_url(address_below + re.sub("/(?=#|$)", ".html", page))


def test_every_page_can_be_asked_for_with_a_slash_and_neither_search_nor_sitemap_has_such_an_address(site, small):
    for page in site.pages:
        if not page.endswith("index.html"):
            text = (site.path / page.removesuffix(".html") / "index.html").read_text("utf-8")
            assert f'"../{Path(page).name}"' in text and "noindex" in text
    assert not [script for script in site.path.rglob("search/*.js") if "/index.html#" in script.read_text("utf-8")]
    folder = small(SITE, ("languages", "redirects"))
    assert (folder / "en" / "guides" / "mnist" / "index.html").is_file()
    assert "mnist/" not in (folder / "sitemap.xml").read_text("utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("missing", ["nothing.html", "guides/deep/nothing"])
def test_a_missing_page_below_a_folder_is_answered_in_its_language_with_ways_on(
    browser, address_below, language, missing
):
    home = address_below + languages.HOME[language]
    with browser.new_context() as context:
        tab = context.new_page()
        assert tab.goto(home + missing).status == 404
        tab.wait_for_url(home + "404.html#**")
        assert tab.get_attribute("html", "lang") == language
        assert tab.locator(".asked b").inner_text() == urlsplit(home + missing).path
        faults = []
        tab.on("response", lambda response: response.status >= 400 and faults.append(response.url))
        tab.reload()
        assert tab.locator("h1").evaluate("title => getComputedStyle(title).fontWeight") == "700", "it has its style"
        tab.locator("article button").click()
        assert search(tab, "MNIST")
        links = [link.evaluate("link => link.href") for link in tab.locator("article a").all()]
        assert links == [home + page for page in ("index.html", "quickstart.html", "learning-path.html")]
        other = tab.locator(".site-language").evaluate("link => link.href").split("#")[0]
        for link in [*links, other]:
            assert tab.goto(link).status == 200
        assert tab.get_attribute("html", "lang") != language
        assert not faults


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_the_site_is_known_a_missing_page_needs_no_script(small, language):
    home = languages.HOME[language]
    text = (small(SITE, ("languages", "shared_files")) / home / "404.html").read_text("utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert page.select_one("article a")["href"] == f"/docs/alphamed/{home}index.html"
    assert page.select_one("link[rel=stylesheet]")["href"].startswith(f"/docs/alphamed/{home}assets/")
    assert not page.select("link[rel=canonical]")


# Descriptions


def test_each_page_has_a_description_of_its_own(site):
    found = {}
    for page in site.pages:
        tag = head_of(site.path / page).select_one("meta[name=description]")
        found[page] = tag["content"]
    assert len(set(found.values())) == len(found)
    lengths = {page: len(text) for page, text in found.items()}
    assert not {page: n for page, n in lengths.items() if n not in LENGTHS["en" if page.startswith("en/") else "zh"]}
