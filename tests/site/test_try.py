"""A digit drawn or chosen in the MNIST guide is answered in the page: what is loaded when, and what stands in for it."""

import json
import shutil

import pytest
from browsing import DESKTOP, opened

from pages import ROOT
from try_it_html import SAMPLES, WORDS, samples

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")

RECORDED = json.loads((ROOT / "docs/results/mnist/try.json").read_text("utf-8"))
RUNTIME = {"onnxruntime/ort.wasm.bundle.min.js", "onnxruntime/ort-wasm-simd-threaded.wasm"}
MODELS = {f"results/mnist/{name}.onnx" for name in RECORDED["models"]}
PHONE = {"width": 390, "height": 844}
HOMES = {"zh": "", "en": "en/"}
ONE = [(0.5, 0.15), (0.5, 0.85)]
NINE = [(0.68, 0.35), (0.5, 0.17), (0.33, 0.35), (0.5, 0.52), (0.68, 0.35), (0.6, 0.88)]
ANSWERS = """async digits => {
    const widget = document.querySelector(".try-it"), found = [];
    for (const text of digits) found.push(await widget.answer(Uint8Array.from(atob(text), sign => sign.charCodeAt(0))));
    return found;
}"""
SEEN = """() => {
    const canvas = document.querySelector(".try-it figure canvas");
    return [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data].filter((_, place) => place % 4 === 0);
}"""

pytestmark = pytest.mark.browser

both_languages = pytest.mark.parametrize("language", HOMES)


def open_guide(page, address: str, language: str) -> None:
    page.goto(f"{address}{HOMES[language]}guides/mnist.html")
    page.locator(".try-pad").evaluate("pad => pad.scrollIntoView({ block: 'center' })")


def load(page) -> None:
    page.click(".try-load")
    page.wait_for_selector(".try-it.ready")


def draw(page, points: list[tuple[float, float]]) -> None:
    """Draw a line through points of the pad, in parts of its size."""
    box = page.locator(".try-pad canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def wait_for_answers(page, *words: str) -> str:
    """Return what the page says of the answers, once it holds all the words."""
    page.wait_for_function(
        "words => words.every(word => document.querySelector('.try-status').textContent.includes(word))",
        arg=list(words),
    )
    return page.locator(".try-status").inner_text()


def answers(page) -> dict[str, int]:
    """Return the digit that each model's place shows."""
    return dict(zip(RECORDED["models"], map(int, page.locator(".try-answer b").all_inner_texts()), strict=True))


@both_languages
@pytest.mark.parametrize("at", ["address", "address_below"])
def test_models_and_runtime_are_loaded_by_the_click_and_not_before(browser, request, at, language):
    address, loaded = request.getfixturevalue(at), []
    with opened(browser, address) as page:
        page.on("request", lambda each: loaded.append(each.url))
        open_guide(page, address, language)
        page.locator(".try-it input").nth(5).check()
        wait_for_answers(page, WORDS[language]["recorded"])
        page.wait_for_load_state("networkidle")
        before, loaded[:] = list(loaded), []
        assert any(url.endswith("try.js") for url in before)
        assert [url for url in before if "onnx" in url or url.endswith(".wasm")] == []
        load(page)
        loaded = [url for url in loaded if not url.endswith("favicon.svg")]  # a browser fetches it when it likes
        assert sorted(loaded) == sorted(f"{address}assets/{name}" for name in RUNTIME | MODELS)


@pytest.mark.parametrize("language", ["zh"])  # the models are the same
def test_the_page_answers_as_python_does(browser, address, language):
    with opened(browser, address) as page:
        open_guide(page, address, language)
        load(page)
        found = page.evaluate(ANSWERS, [digit["pixels"] for digit in RECORDED["digits"]])
    expected = [list(digit["answers"].values()) for digit in RECORDED["digits"]]
    differences = [
        abs(one - other)
        for ours, theirs in zip(found, expected, strict=True)
        for model, recorded in zip(ours, theirs, strict=True)
        for one, other in zip(model, recorded, strict=True)
    ]
    assert len(differences) == len(RECORDED["digits"]) * len(RECORDED["models"]) * 10
    assert max(differences) <= 1e-5


@both_languages
def test_a_drawn_digit_is_answered_by_all_and_wrongly_by_who_never_saw_one(browser, address, language):
    words = WORDS[language]
    with opened(browser, address) as page:
        open_guide(page, address, language)
        load(page)
        assert page.locator(".try-pad p").inner_text() == words["hint"]
        draw(page, ONE)
        wait_for_answers(page, words["drawn"], words["computed"])
        found = answers(page)
        assert found["federated"] == found["centralised"] == 1 != found["node2"]
        assert not page.locator(".try-pad p").is_visible()
        page.click(".try-clear")
        wait_for_answers(page, words["ready"])
        assert set(page.locator(".try-answer b").all_inner_texts()) == {"–"} and not any(page.evaluate(SEEN))
        draw(page, NINE)
        wait_for_answers(page, words["drawn"])
        found = answers(page)
        assert found["federated"] == found["centralised"] == 9 != found["node3"]


@pytest.mark.parametrize("size", [1, 0.4])
@pytest.mark.parametrize("away", [0, 0.25])
def test_a_drawing_becomes_a_picture_as_mnist_has_them(browser, address, size, away):
    with opened(browser, address) as page:
        open_guide(page, address, "en")
        load(page)
        draw(page, [(0.5 + away + (x - 0.5) * size * 0.6, 0.5 + away + (y - 0.5) * size * 0.6) for x, y in NINE])
        wait_for_answers(page, WORDS["en"]["drawn"])
        pixels = page.evaluate(SEEN)
    rows = [row for row in range(28) if any(pixels[28 * row : 28 * row + 28])]
    columns = [column for column in range(28) if any(pixels[column::28])]
    assert max(rows[-1] - rows[0], columns[-1] - columns[0]) in (
        19,
        20,
    )  # 20 pixels; one more where it lies between two
    middle = [sum(value * place for place, value in enumerate(line)) / sum(pixels) for line in (
        [sum(pixels[column::28]) for column in range(28)], [sum(pixels[28 * row : 28 * row + 28]) for row in range(28)])]  # fmt: skip
    assert middle == pytest.approx([14, 14], abs=0.1)
    assert any(0 < value < 255 for value in pixels) and 255 in pixels


@both_languages
@pytest.mark.parametrize("why", ["no_webassembly", "from_disk", "failed"])
def test_where_models_cannot_be_loaded_it_says_why_and_shows_what_was_recorded(
    browser, address, site, tmp_path, language, why
):
    words, root = WORDS[language], address
    if why == "from_disk":
        root = shutil.copytree(site.path, tmp_path / "copy").as_uri() + "/"
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        if why == "no_webassembly":
            page.add_init_script("delete globalThis.WebAssembly")
        page.route("**/*.wasm", lambda route: route.abort())
        open_guide(page, root, language)
        page.click(".try-load")
        page.wait_for_function("text => document.querySelector('.try-status').textContent === text", arg=words[why])
        hard = next(place for place, digit in enumerate(samples(RECORDED)) if digit["label"] == 9)
        page.locator(".try-it input").nth(hard).check()
        wait_for_answers(page, words["recorded"])
        found = answers(page)
        assert found["federated"] == 9 != found["node3"] and words["wrong"] in page.locator(".wrong").inner_text()
        if why == "failed":
            page.unroute("**/*.wasm")
            load(page)


@both_languages
def test_without_scripts_the_recorded_answers_are_there(browser, address, language):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}{HOMES[language]}guides/mnist.html")
        text, table = page.locator("noscript p").first, page.locator("noscript table")
        assert text.is_visible() and text.inner_text() == WORDS[language]["no_script"]
        assert table.is_visible() and table.locator("tbody tr").count() == 10 * SAMPLES
        assert not page.locator(".try-it").is_visible()


@both_languages
def test_the_keyboard_alone_is_enough(browser, address, language):
    words = WORDS[language]
    with opened(browser, address) as page:
        open_guide(page, address, language)
        chosen = page.locator(".try-it input:checked")
        chosen.focus()
        page.keyboard.press("ArrowRight")
        first = wait_for_answers(page, words["recorded"])
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.matches('.try-load:focus-visible')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".try-it.ready")
        assert page.evaluate("document.activeElement.matches('.try-clear:focus-visible')")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        second = wait_for_answers(page, words["computed"])
        assert first != second and page.locator(".try-it input").nth(1).is_checked()
        outline = page.locator("input:focus-visible + canvas").evaluate("box => getComputedStyle(box).outlineStyle")
        assert outline == "solid"


@both_languages
def test_nothing_jumps(browser, address, language):
    place = """() => {
        const { top, height } = document.querySelector(".try-models").getBoundingClientRect();
        return [top + scrollY, height];
    }"""
    for size in (DESKTOP, PHONE):
        with opened(browser, address, size) as page:
            open_guide(page, address, language)
            places = [page.evaluate(place)]
            load(page)
            places.append(page.evaluate(place))
            draw(page, ONE)
            wait_for_answers(page, WORDS[language]["drawn"])
            places.append(page.evaluate(place))
            page.locator(".try-it input").last.check()
            wait_for_answers(page, WORDS[language]["computed"])
            places.append(page.evaluate(place))
            assert all(each == pytest.approx(places[0], abs=0.5) for each in places), size


@both_languages
@pytest.mark.parametrize("forced", ["none", pytest.param("active", marks=pytest.mark.soak)])
def test_it_is_sound_once_it_answers(browser, address, language, forced):
    axe = axe_module.Axe()
    for size in (DESKTOP, PHONE):
        with opened(browser, address, size, forced_colors=forced) as page:
            open_guide(page, address, language)
            load(page)
            page.locator(".try-it input").last.check()
            wait_for_answers(page, WORDS[language]["computed"])
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, forced_colors=forced)
                page.wait_for_timeout(300)  # the theme turns its colours over
                found = axe.run(page, {"include": [[".try-it"]]}, {"resultTypes": ["violations"]}).response[
                    "violations"
                ]
                assert [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            bar = page.locator(".try-bars .found").first
            colours = bar.evaluate("bar => ['::after', null].map(part => getComputedStyle(bar, part).backgroundColor)")
            assert colours[0] not in (colours[1], page.evaluate("getComputedStyle(document.body).backgroundColor"))
            stripes = page.locator(".never").first.evaluate("bar => getComputedStyle(bar, '::before').backgroundImage")
            assert stripes.startswith("repeating-linear-gradient")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_bars_move_only_for_those_who_want_it(browser, address, motion):
    with browser.new_context(viewport=DESKTOP, reduced_motion=motion) as context:
        page = context.new_page()
        open_guide(page, address, "en")
        bar = page.locator(".try-bars span").first
        seconds = bar.evaluate("bar => parseFloat(getComputedStyle(bar, '::after').transitionDuration)")
        assert (seconds > 0) == (motion == "no-preference")


def test_a_finger_scrolls_over_the_pad_until_it_can_draw_there(browser, address):
    touch = "document.querySelector('.try-pad canvas')"
    with opened(browser, address, PHONE, touch=True) as page:
        open_guide(page, address, "zh")
        assert page.evaluate(f"getComputedStyle({touch}).touchAction") == "auto"
        page.locator(".try-load").tap()
        page.wait_for_selector(".try-it.ready")
        assert page.evaluate(f"getComputedStyle({touch}).touchAction") == "none"
        page.locator(".try-pad canvas").tap()
        wait_for_answers(page, WORDS["zh"]["drawn"])
