"""The built site in a real browser: no fault, no outside request, no overflow; search, copy, language switch, file://."""

import shutil
from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, opened, search, show_listings
from sampled import in_soak_but_every

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

DOCS = Path(__file__).parents[2] / "docs" / "zh"
SOURCES = [file.relative_to(DOCS).with_suffix(".html").as_posix() for file in DOCS.rglob("*.md")]
NOTEBOOKS = [f"notebooks/{Path(page).name}" for page in SOURCES if page.startswith("guides/")]
PAGES = sorted([*SOURCES, *NOTEBOOKS, "404.html"])
CHECKED_ON_PHONES = [page for page in PAGES if page == "index.html" or page.startswith("guides/")]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def axe():
    return axe_module.Axe()


# Whether text can be read follows from its colour, size and weight, its line's colour, and what lies behind it: one
# piece of text of each such look stands for all, because axe takes seconds for the thousands of a page.
MARK_ONE_OF_EACH_LOOK = """() => {
    document.querySelectorAll("[data-sample]").forEach(element => element.removeAttribute("data-sample"));
    const seen = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        const own = getComputedStyle(element);
        const look = [own.color, own.fontSize, own.fontWeight, own.textDecoration, own.textShadow];
        look.push(getComputedStyle(element.parentElement).color);
        for (let place = element; place; place = place.parentElement) {
            const style = getComputedStyle(place);
            const behind = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter].join();
            if (behind !== "rgba(0, 0, 0, 0),none,1,none") look.push(behind);
        }
        if (!seen.has(look.join(";"))) element.setAttribute("data-sample", "");
        seen.add(look.join(";"));
    }
    document.querySelectorAll(".highlight span[class]:not([id], [data-sample])").forEach(
        span => span.querySelector("[data-sample]") || span.replaceWith(...span.childNodes));
    return seen.size;
}"""
COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # all that can differ between light and dark
SCHEMES = {"light": "default", "dark": "slate"}
OTHER_RULES = {rule: {"enabled": False} for rule in COLOUR_RULES}


def accessibility_faults(axe, page, scheme: str) -> list[str]:
    assert page.evaluate(MARK_ONE_OF_EACH_LOOK) > 5
    only = {"resultTypes": ["violations"]}
    colours = only | {"runOnly": COLOUR_RULES, "preload": False}
    found = axe.run(page, {"include": [["[data-sample]"]]}, colours).response["violations"]
    if scheme == "light":
        found += axe.run(page, options=only | {"rules": OTHER_RULES}).response["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    return [f"{fault['id']}: {[node['target'] for node in fault['nodes'][:5]]}" for fault in serious]


# English pages are of the same make, and every fifth page stands for its neighbours: the others wait for the long lane.
@pytest.mark.parametrize("language", in_soak_but_every(2, ["", "en/"]))
@pytest.mark.parametrize("path", in_soak_but_every(5, PAGES))
def test_page_is_sound(browser, address, axe, path, language):
    with opened(browser, address) as page:
        page.goto(address + language + path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_selector(f"body[data-md-color-scheme={SCHEMES[scheme]}]")
            page.set_viewport_size(DESKTOP)
            assert accessibility_faults(axe, page, scheme) == []
            page.set_viewport_size(PHONE)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            if path in CHECKED_ON_PHONES:
                assert accessibility_faults(axe, page, scheme) == []


@pytest.mark.parametrize("selector", [".highlight .k", "td", ".md-footer a"])
def test_text_that_cannot_be_read_is_found(browser, address, axe, selector):
    with opened(browser, address) as page:
        page.goto(address + "guides/mnist.html")
        page.locator(selector).locator("visible=true").first.evaluate("element => { element.style.opacity = 0.2 }")
        (fault,) = accessibility_faults(axe, page, "dark")
        assert fault.startswith("color-contrast")


def test_copy_button_copies_the_block(browser, address):
    with opened(browser, address) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(address + "quickstart.html")
        block = page.locator(".highlight", has_text="playground prepare").first
        block.hover()
        block.locator("button").first.click()
        page.wait_for_function("navigator.clipboard.readText().then((text) => text.length)")
        assert (
            page.evaluate("navigator.clipboard.readText()").strip() == "playground prepare mnist --nodes 3 --out data"
        )


def test_language_switch_stays_at_the_section_and_keeps_the_colours(browser, address):
    with opened(browser, address) as page:
        page.goto(address + "reference/cli.html#export")
        for _ in range(2):  # from following the system to light to dark
            page.locator(".site-palette > button:visible").click()
        page.click(".site-language")
        page.wait_for_url(address + "en/reference/cli.html#export")
        assert page.get_attribute("html", "lang") == "en"
        assert page.get_attribute("body", "data-md-color-scheme") == "slate"
        page.click(".site-language")
        page.wait_for_url(address + "reference/cli.html#export")


@pytest.mark.parametrize("home", ["", "en/"])
def test_annotations_open_and_escape_closes_them(browser, address, home):
    with opened(browser, address) as page:
        page.goto(f"{address}{home}guides/mnist.html")
        show_listings(page)
        annotations = page.locator("a.md-annotation__index")
        for open_note in (annotations.first.click, annotations.first.focus, annotations.first.locator("..").focus):
            open_note()
            page.wait_for_selector(".md-tooltip--active")
            page.keyboard.press("Escape")
            page.wait_for_selector(".md-tooltip--active", state="detached")


@pytest.mark.parametrize(("home", "words"), [("", "跳到正文：快速开始"), ("en/", "Skip to the text: Quick start")])
def test_the_keyboard_reaches_skip_link_and_search(browser, address, home, words):
    with opened(browser, address) as page:
        page.goto(f"{address}{home}quickstart.html")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text().strip() == words
        assert page.evaluate("document.activeElement.matches('.md-skip:focus-visible')")
        page.keyboard.press("Enter")
        assert page.url.endswith("#quickstart")
        page.goto(f"{address}{home}quickstart.html")  # a jump closes the search a little later
        page.keyboard.press("/")
        page.wait_for_function("document.activeElement.classList.contains('md-search__input')")


@pytest.mark.parametrize("home", ["", "en/"])
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_a_card_can_be_clicked_anywhere_and_its_links_are_apart(browser, address, home, width):
    with opened(browser, address, {"width": width, "height": 900}) as page:
        page.goto(f"{address}{home}index.html")
        card = page.locator(".examples > ul > li").nth(1)
        assert card.get_by_role("link").count() == 2 and card.locator(".fact").count() == 3
        second = card.get_by_role("link").nth(1)
        second.click()
        page.wait_for_url("**/guides/transfer_learning.html")
        page.go_back()
        for x, y in ((0.98, 0.5), (0.5, 0.95), (0.05, 0.05)):
            box = card.bounding_box()
            card.click(position={"x": box["width"] * x, "y": box["height"] * y})
            page.wait_for_url("**/guides/transfer_learning-program.html")
            page.go_back()


MOVING = (
    "document.getAnimations().map(each => each.effect.getComputedTiming()).filter(each => each.endTime > 5000).length"
)


@pytest.mark.parametrize("home", ["", pytest.param("en/", marks=pytest.mark.soak)])
@pytest.mark.parametrize("path", ["index.html", "guides/mnist.html"])
def test_what_moves_stops_by_itself_and_never_moves_for_those_who_want_none(browser, address, path, home):
    for motion in ("no-preference", "reduce"):
        with browser.new_context(viewport=DESKTOP, reduced_motion=motion) as context:
            page = context.new_page()
            page.goto(address + home + path)
            show_listings(page)
            moving = page.locator(".federation .up" if path == "index.html" else ".md-annotation__index").first
            moving.scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            assert moving.evaluate("element => element.getAnimations().length") == (motion == "no-preference")
            assert page.evaluate(MOVING) == 0


@pytest.mark.parametrize("home", ["", "en/"])
def test_the_figure_s_lines_have_heads_and_its_key_their_colours(browser, address, home):
    with opened(browser, address) as page:
        page.goto(f"{address}{home}index.html")
        for way in ("up", "down"):
            colours = page.locator(f".federation path.{way}").evaluate_all(
                "paths => paths.map(path => path.matches('.head') ? getComputedStyle(path).fill : getComputedStyle(path).stroke)"
            )
            assert len(colours) == 6 and len(set(colours)) == 1, "three lines, their heads; the key and its head"


def test_a_copy_on_disk_works(browser, site, tmp_path):
    shutil.copytree(site.path, tmp_path / "copy")
    root = (tmp_path / "copy").as_uri() + "/"
    with opened(browser, root) as page:
        page.goto(root + "index.html")
        assert search(page, "轮次")
        page.goto(root + "guides/mnist.html")
        page.click(".site-language")
        page.wait_for_url(root + "en/guides/mnist.html")
        assert search(page, "aggregator")
