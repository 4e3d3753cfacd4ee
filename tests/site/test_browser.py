"""The built site in a real browser: no fault, no outside request, no overflow; search, copy, language switch, file://."""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs" / "zh"
SOURCES = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
PAGES = sorted(file.relative_to(DOCS).with_suffix(".html").as_posix() for file in SOURCES)
CHECKED_ON_PHONES = [page for page in PAGES if page == "index.html" or page.startswith("guides/")]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium on this machine (Debian: apt-get install chromium)"
    ),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve without a log."""

    def log_message(self, format: str, *args) -> None: ...


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site.path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe():
    return axe_module.Axe()


@contextlib.contextmanager
def opened(browser, address: str, size: dict = DESKTOP, scheme: str = "light") -> Iterator:
    """Yield a page on which anything wrong, and any request that leaves `address`, fails the test in the end."""
    faults = []
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith((address, "data:", "blob:")) or faults.append(request.url)
    )
    page.on("response", lambda response: response.status >= 400 and faults.append(f"{response.status} {response.url}"))
    yield page
    context.close()
    assert not faults


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


@pytest.mark.parametrize("language", ["", "en/"])
@pytest.mark.parametrize("path", PAGES)
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
        page.evaluate("selector => { document.querySelector(selector).style.opacity = 0.2 }", selector)
        (fault,) = accessibility_faults(axe, page, "dark")
        assert fault.startswith("color-contrast")


def search(page, words: str) -> list[str]:
    """Type words into the search field and return the titles found."""
    page.fill(".md-search__input", "")
    page.click(".md-search__input")
    page.keyboard.type(words)
    page.keyboard.press("Shift")  # Chinese text alone sends no key event
    page.wait_for_selector(".md-search-result__item h1, .md-search-result__item h2")
    return page.locator(".md-search-result__item :is(h1, h2)").all_inner_texts()


@pytest.mark.parametrize("language", ["", "en/"])
@pytest.mark.parametrize("words", ["标签偏斜", "scheduler"])
def test_search_finds_chinese_and_english(browser, address, language, words):
    with opened(browser, address) as page:
        page.goto(address + language + "index.html")
        assert search(page, words)


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
            page.locator(".md-header__button[for^=__palette]:visible").click()
        page.click(".site-language")
        page.wait_for_url(address + "en/reference/cli.html#export")
        assert page.get_attribute("html", "lang") == "en"
        assert page.get_attribute("body", "data-md-color-scheme") == "slate"
        page.click(".site-language")
        page.wait_for_url(address + "reference/cli.html#export")


def test_annotations_open(browser, address):
    with opened(browser, address) as page:
        page.goto(address + "guides/mnist.html")
        annotations = page.locator("a.md-annotation__index")
        if not annotations.count():
            pytest.skip("the guide has no annotations yet")
        annotations.first.evaluate("mark => { mark.closest('details').open = true }")  # a long listing is folded
        annotations.first.click()
        page.wait_for_selector(".md-tooltip--active")


def test_the_keyboard_reaches_skip_link_and_search(browser, address):
    with opened(browser, address) as page:
        page.goto(address + "quickstart.html")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('.md-skip:focus-visible')")
        page.keyboard.press("Enter")
        assert page.url.endswith("#quickstart")
        page.keyboard.press("/")
        page.wait_for_function("document.activeElement.classList.contains('md-search__input')")


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
