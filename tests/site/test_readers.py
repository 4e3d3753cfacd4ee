"""The built site for those who read it on a phone, on paper, or in colours of their own."""

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import DESKTOP, opened, show_listings

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

PHONE = {"width": 390, "height": 844}
PAGES = ["quickstart", "own-code", "guides/mnist", "guides/object_detection", "reference/cli", "notebooks/mnist"]

pytestmark = pytest.mark.browser

both_languages = pytest.mark.parametrize("language", ["", "en/"])
# The English pages are of the same make: what is slow waits with them for the long lane.
english_in_soak = pytest.mark.parametrize("language", ["", pytest.param("en/", marks=pytest.mark.soak)])

OPEN_NOTES = "document.querySelectorAll('article details').forEach(note => { note.open = true })"
SMALL_TYPE = """(place) => {
    const found = new Set(), texts = document.createTreeWalker(document.querySelector(place), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement, picture = element.closest("svg");
        if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("title, desc")) continue;
        const size = parseFloat(getComputedStyle(element).fontSize) * (picture ? picture.getScreenCTM().a : 1);
        if (size < (picture ? 11 : 12) - .01) found.add(`${size}: ${texts.currentNode.data.trim()}`);
    }
    return [...found];
}"""
CUT_NAMES = """() => {
    const found = [], range = new Range();
    for (const name of document.querySelectorAll(":is(td, th) code")) {
        const texts = document.createTreeWalker(name, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/\\S+/g)) {
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            const rows = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
            if (rows.size > 1) found.push(word[0]);
        }
    }
    return found;
}"""
SIGNS = """() => [...document.querySelectorAll("a.md-annotation__index")].map(sign => {
    const { left, right, width, height } = sign.getBoundingClientRect();
    return { left, right, width, height };
})"""
TITLES = """() => [...document.querySelectorAll(".md-header__topic")].map(title => {
    const header = document.querySelector(".md-header").getBoundingClientRect(), range = new Range();
    range.selectNodeContents(title);
    const { width, height } = range.getBoundingClientRect();
    return { whole: width <= title.parentElement.clientWidth + 1 && height <= header.height, text: title.innerText };
})"""


@both_languages
@pytest.mark.parametrize("path", PAGES)
def test_everything_can_be_read_and_touched_on_a_phone(browser, address, path, language):
    with opened(browser, address, PHONE, touch=True) as page:
        page.goto(f"{address}{language}{path}.html")
        show_listings(page)
        assert page.evaluate(SMALL_TYPE, "article") == []
        assert page.evaluate(CUT_NAMES) == []
        assert [title["text"] for title in page.evaluate(TITLES) if not title["whole"]] == []
        signs = page.evaluate(SIGNS)
        assert len(signs) > 2 or not path.startswith("guides/")
        for sign in signs:
            assert sign["left"] >= 0 and sign["right"] <= PHONE["width"], sign
            assert sign["width"] >= 24 and sign["height"] >= 24, sign
        faults = axe_module.Axe().run(page, options={"runOnly": ["scrollable-region-focusable"]}).response["violations"]
        assert [node["target"] for fault in faults for node in fault["nodes"]] == []


@both_languages
def test_no_word_of_a_figure_is_too_small_on_a_phone(browser, address, site, language):
    pages = [page for page in site.pages if page.startswith("en/") == bool(language) and "notebooks/" not in page]
    pages = [page for page in pages if "</text>" in (site.path / page).read_text("utf-8")]
    assert len(pages) > 10
    with opened(browser, address, PHONE, touch=True) as page:
        for path in pages:
            page.goto(address + path, wait_until="domcontentloaded")
            page.evaluate(OPEN_NOTES)
            for width in (320, PHONE["width"]):
                page.set_viewport_size(PHONE | {"width": width})
                small = [said for said in page.evaluate(SMALL_TYPE, "article") if float(said.partition(":")[0]) < 11]
                assert small == [], (path, width)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path


DOCS = Path(__file__).parents[2] / "docs" / "zh"
SOURCES = sorted(file.relative_to(DOCS).with_suffix("").as_posix() for file in DOCS.rglob("*.md"))
ANNOTATED = [page for page in SOURCES if page.startswith("guides/") and not page.endswith("-program")]
OTHERS_IN_SOAK = [page if page == "guides/mnist" else pytest.param(page, marks=pytest.mark.soak) for page in ANNOTATED]


@english_in_soak
@pytest.mark.parametrize("path", OTHERS_IN_SOAK)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_sign_opens_its_note_on_the_screen_in_letters_that_can_be_read(browser, address, language, path, size):
    with opened(browser, address, size, touch=size == PHONE) as page:
        page.goto(f"{address}{language}{path}.html")
        show_listings(page)
        signs = page.locator("a.md-annotation__index")
        assert signs.count() > 2
        for sign in signs.all():
            sign.click()
            note = page.locator(".md-tooltip--active")
            note.wait_for()
            box = note.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
            assert note.inner_text().strip() and page.evaluate(SMALL_TYPE, ".md-tooltip--active") == []
            page.locator("h1").click()
            page.wait_for_selector(".md-tooltip--active", state="detached")


# What is cut out of a background has no colour of its own where the reader's colours are forced.
CUT_OUT = """() => {
    const canvas = getComputedStyle(document.body).backgroundColor, lost = [], seen = new Set();
    for (const element of document.querySelectorAll(".md-container *, .md-header *")) {
        if (!element.checkVisibility()) continue;
        for (const part of ["::before", "::after"]) {
            const style = getComputedStyle(element, part);
            if (style.maskImage === "none" || style.content === "none" || style.opacity === "0") continue;
            const isGround = part === "::before" && element.matches(".md-annotation__index");
            seen.add(element.className);
            if (!isGround && style.backgroundColor === canvas) lost.push(element.className + part);
        }
    }
    return { lost: [...new Set(lost)], seen: [...seen] };
}"""


@both_languages
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signs_and_marks_stay_where_colours_are_forced(browser, address, language, scheme):
    with opened(browser, address, scheme=scheme, forced_colors="active") as page:
        page.goto(f"{address}{language}guides/mnist.html")
        show_listings(page)
        page.wait_for_selector("a.md-annotation__index")
        found = page.evaluate(CUT_OUT)
        assert found["lost"] == []
        assert "md-annotation__index" in found["seen"] and "md-code__button" in found["seen"]
        mark = page.locator(".side-by-side mark").first.evaluate("mark => getComputedStyle(mark).color")
        assert mark == page.evaluate("getComputedStyle(document.body).color")
        logo = page.locator(".md-header .md-logo img")
        assert logo.evaluate("logo => getComputedStyle(logo).backgroundColor") == "rgb(14, 79, 95)"


# What a figure draws is seen on the reader's ground: its line or its filling is, a word is by its filling.
FAINT = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number), [ground] = [numbers(getComputedStyle(document.body).backgroundColor)];
    const luminance = colour => colour.slice(0, 3).map(each => each / 255).map(
        each => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4
    ).reduce((sum, each, index) => sum + each * [.2126, .7152, .0722][index], 0);
    const contrast = colour => {
        if (!colour.startsWith("rgb")) return 0;
        const [red, green, blue, alpha = 1] = numbers(colour);
        const mixed = [red, green, blue].map((each, index) => each * alpha + ground[index] * (1 - alpha));
        const [dark, light] = [luminance(mixed), luminance(ground)].sort((one, other) => one - other);
        return (light + .05) / (dark + .05);
    };
    const shapes = [...document.querySelectorAll("article figure svg :is(path, rect, circle, line, polygon, text)")];
    const seen = shapes.filter(shape => shape.checkVisibility() && !shape.matches(".band, defs *"));
    const faint = seen.filter(shape => {
        const { fill, stroke } = getComputedStyle(shape);
        return shape.matches("text") ? contrast(fill) < 4.5 : Math.max(contrast(fill), contrast(stroke)) < 3;
    });
    return [seen.length, faint.map(shape => shape.outerHTML.slice(0, 120))];
}"""
FIGURES = ["index", "scale", "guides/mnist", "guides/language_modeling-program"]


@english_in_soak
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_are_seen_where_colours_are_forced_whatever_colours_the_site_has(browser, address, language, scheme):
    with opened(browser, address, scheme=scheme, forced_colors="active") as page:
        for path in FIGURES:
            page.goto(f"{address}{language}{path}.html")
            page.evaluate(OPEN_NOTES)
            for palette in ("default", "slate"):
                page.evaluate(f"document.body.dataset.mdColorScheme = '{palette}'")
                count, faint = page.evaluate(FAINT)
                assert count > 5 and faint == [], (path, palette)


@both_languages
def test_a_page_is_printed_black_on_white_from_the_dark(browser, address, language):
    with opened(browser, address, DESKTOP, "dark") as page:
        page.goto(f"{address}{language}guides/mnist.html")
        page.evaluate("""addEventListener("beforeprint", () => {
            const { color, backgroundColor } = getComputedStyle(document.body);
            window.printed = { color, backgroundColor };
        })""")
        page.pdf()
        assert page.evaluate("window.printed")["backgroundColor"] == "rgb(255, 255, 255)"
        assert page.evaluate("window.printed")["color"] == "rgba(0, 0, 0, 0.87)"
        assert page.get_attribute("body", "data-md-color-scheme") == "slate"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        assert page.locator(".results details").count() > 2
        assert not page.locator(".results details >> visible=true").count()
        style = "element => getComputedStyle(element).breakInside"
        for whole in ("figure", ".results", "tr"):
            assert page.locator(f"article {whole}").first.evaluate(style) == "avoid"


NOTEBOOKS = [page.replace("guides/", "notebooks/") for page in SOURCES if page.startswith("guides/")]
HEAVIEST = 350_000  # bytes of a page over HTTP, gzipped, before anything is searched for


@english_in_soak
@pytest.mark.parametrize("path", SOURCES + NOTEBOOKS)
def test_a_page_is_light(browser, address, site, path, language):
    with opened(browser, address) as page:
        loaded = set()
        page.on("request", lambda request: loaded.add(urlsplit(request.url).path))
        page.goto(f"{address}{language}{path}.html", wait_until="networkidle")
        weights = {path: len(gzip.compress((site.path / path.lstrip("/")).read_bytes())) for path in loaded}
        assert len(weights) > 5
        assert sum(weights.values()) <= HEAVIEST, sorted(weights.items(), key=lambda item: -item[1])[:5]


@both_languages
@pytest.mark.parametrize("path", ["playground/walk", "notebooks/transfer_learning"])
def test_a_picture_that_loads_late_keeps_its_place(browser, address, path, language):
    pictures = "[...document.querySelectorAll('article img')]"
    heights = f"{pictures}.map(picture => picture.offsetHeight)"
    with opened(browser, address) as page:
        page.goto(f"{address}{language}{path}.html", wait_until="networkidle")
        page.wait_for_load_state()
        before = page.evaluate(heights)
        assert page.evaluate(f"{pictures}.some(picture => !picture.complete)")
        page.evaluate(f"{pictures}.forEach(picture => {{ picture.loading = 'eager' }})")
        page.wait_for_function(f"{pictures}.every(picture => picture.complete)")
        assert page.evaluate(heights) == before
