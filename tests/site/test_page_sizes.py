"""Pages are not too long: neither to scroll through nor to read."""

import pytest
from browsing import opened

from languages import HOME

HIGHEST = 20_000  # pixels on a desktop, notes shut
LONGEST = 4_500  # words
# What is looked up, not read: it grows with what there is to look up.
LOOKED_UP = {"symptoms.html", "reference/api.html", "reference/cli.html"}
# Words of the text: no code, no result, no picture, nothing to play with, nothing that is folded.
COUNT = """() => {
    const style = document.createElement("style");
    style.textContent = "pre, .filename, .results, .output, svg { display: none !important }";
    document.head.append(style);
    return document.querySelector("article").innerText.split(/\\s+/).filter(word => /\\w/.test(word)).length;
}"""


def read_through(site) -> list[str]:
    """Return the pages that are read from top to bottom, without their language's folder; notebooks repeat them."""
    pages = {page.removeprefix("en/") for page in site.pages if page.startswith("en/")}
    return sorted(page for page in pages - LOOKED_UP if not page.startswith("notebooks/"))


@pytest.mark.browser
@pytest.mark.parametrize("language", HOME)
def test_no_page_is_too_high_and_none_has_too_many_words(browser, address, site, language):
    heights, words = {}, {}
    with opened(browser, address) as page:
        for name in read_through(site):
            page.goto(f"{address}{HOME[language]}{name}")
            heights[name] = page.evaluate("document.documentElement.scrollHeight")
            words[name] = page.evaluate(COUNT)
    assert len(heights) > 25
    assert {name: height for name, height in heights.items() if height > HIGHEST} == {}
    if language == "en":  # Chinese does not part its words
        assert min(words.values()) > 300
        assert {name: count for name, count in words.items() if count > LONGEST} == {}
