"""The site in the states a reader brings it into: something opened, another screen, other colours; and by keyboard alone."""

from itertools import pairwise

import pytest
from browsing import opened, search, show_listings, wait_for_boxes
from sampled import in_soak_but_every
from test_browser import COLOUR_RULES, MARK_ONE_OF_EACH_LOOK, OTHER_RULES

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.browser

both_languages = pytest.mark.parametrize("language", ["", "en/"])


def find_hits(page) -> None:
    search(page, "DatasetVerify")


def find_nothing(page) -> None:
    page.click(".md-search__input")
    page.keyboard.type("qqqxyzzy")
    page.wait_for_function("!document.querySelector('.md-search__output').hidden")
    page.wait_for_function("/\\S/.test(document.querySelector('.md-search-result__meta').innerText)")


def open_search_on_a_phone(page) -> None:
    page.locator("label.md-header__button[for=__search]").click()
    page.locator(".md-search__input").wait_for()
    find_hits(page)


def open_the_menu(page) -> None:
    page.locator("label.md-header__button[for=__drawer]").click()
    page.wait_for_function("document.querySelector('.md-sidebar--primary').getBoundingClientRect().left >= 0")


def open_everything_folded(page) -> None:
    page.evaluate("document.querySelectorAll('article details').forEach(each => { each.open = true })")


def open_a_note(page) -> None:
    show_listings(page)
    page.locator("a.md-annotation__index").first.click()
    page.wait_for_selector(".md-tooltip--active")


TOUCH, FORCED = {"size": PHONE, "touch": True}, {"forced_colors": "active"}
STATES = {
    "hits": ("index", find_hits, {}),
    "no hits": ("reference/glossary", find_nothing, {}),
    "hits on a phone": ("guides/mnist", open_search_on_a_phone, TOUCH),
    "menu": ("index", open_the_menu, TOUCH),
    "menu of a guide": ("guides/mnist", open_the_menu, TOUCH),
    "note": ("guides/mnist", open_a_note, {}),
    "note on a phone": ("guides/mnist", open_a_note, TOUCH),
    "unfolded on a phone": ("guides/object_detection", open_everything_folded, TOUCH),
    "command line on a phone": ("reference/cli", open_everything_folded, TOUCH),
    "forced colours": ("index", open_everything_folded, FORCED),
    "hits in forced colours": ("guides/mnist", find_hits, FORCED),
}


def faults(page) -> list[str]:
    """Return what axe finds, of any impact; colours are looked at once for each look a text has."""
    page.evaluate(MARK_ONE_OF_EACH_LOOK)
    axe, only = axe_module.Axe(), {"resultTypes": ["violations"]}
    colours = only | {"runOnly": COLOUR_RULES, "preload": False}
    found = axe.run(page, {"include": [["[data-sample]"]]}, colours).response["violations"]
    found += axe.run(page, options=only | {"rules": OTHER_RULES}).response["violations"]
    return [f"{fault['id']}: {[node['target'] for node in fault['nodes'][:4]]}" for fault in found]


IN_SOAK = [pytest.param(*each, marks=pytest.mark.soak) for each in (("", "dark"), ("en/", "light"), ("en/", "dark"))]


@pytest.mark.parametrize(("language", "scheme"), [("", "light"), *IN_SOAK])
@pytest.mark.parametrize("state", in_soak_but_every(3, STATES))
def test_no_state_of_a_page_has_faults(browser, address, language, scheme, state):
    path, bring_about, screen = STATES[state]
    with opened(browser, address, scheme=scheme, **screen) as page:
        page.goto(f"{address}{language}{path}.html")
        bring_about(page)
        page.wait_for_timeout(300)  # what opens has opened
        wait_for_boxes(page)
        assert faults(page) == []


# Where the keyboard is; a switch that cannot be seen is shown by what it switches, a card's link by the card.
FOCUS = """() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const shown = element.matches(".tabbed-set > input") ? element.parentElement.querySelector(".tabbed-labels")
        : element.closest(".examples strong") ? element.closest("li") : element;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown), box = shown.getBoundingClientRect();
    return {
        what: element.outerHTML.slice(0, 120),
        outlined: element.matches(":focus-visible") && outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
        onScreen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
        part: ["header", "nav.md-tabs", ".md-sidebar--primary", ".md-sidebar--secondary", "article", "footer"].find(
            part => element.closest(part)) ?? "start",
    };
}"""
PARTS = ["start", "header", "nav.md-tabs", ".md-sidebar--primary", ".md-sidebar--secondary", "article", "footer"]


@both_languages
@pytest.mark.parametrize("path", ["index", "guides/mnist"])
def test_the_keyboard_walks_through_a_page_is_always_seen_and_gets_out(browser, address, language, path):
    with opened(browser, address) as page:
        page.goto(f"{address}{language}{path}.html")
        page.wait_for_timeout(500)  # the theme is done with its buttons
        stops = []
        while len(stops) < 300:
            page.keyboard.press("Tab")
            stop = page.evaluate(FOCUS)
            if stop is None:
                break
            stops.append(stop)
        assert 30 < len(stops) < 300
        assert [stop["what"] for stop in stops if not (stop["outlined"] and stop["onScreen"])] == []
        order = list(dict.fromkeys(stop["part"] for stop in stops))
        assert order == [part for part in PARTS if part in order], "from the head of the page to its foot"
        changes = sum(one["part"] != following["part"] for one, following in pairwise(stops))
        assert changes == len(order) - 1, "each part is walked through once"


def test_search_opens_with_a_key_and_escape_closes_it(browser, address):
    with opened(browser, address) as page:
        page.goto(address + "guides/mnist.html")
        page.keyboard.press("/")
        page.wait_for_function("document.activeElement.matches('.md-search__input')")
        page.keyboard.type("DatasetVerify")
        page.wait_for_selector(".md-search-result__item")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('.md-search-result__link')")
        page.keyboard.press("Escape")
        page.wait_for_function("!document.activeElement.closest('.md-search')")
        assert not page.locator(".md-search-result__item").first.is_visible()
