"""The two listings that are compared: what differs is marked, a wrapped line looks like no other indentation."""

import pytest
from browsing import DESKTOP, PHONE, opened, show_listings

from side_by_side import PAIR, compare

LEFT = '<span class="k">def</span> <span class="n">f</span><span class="p">(</span>x<span class="p">):</span>\n    <span class="n">x</span>\n'
RIGHT = '<span class="k">def</span> <span class="n">f</span><span class="p">(</span>x<span class="p">):</span>\n\n    self.<span class="n">x</span>\n'
HTML = (
    '<p>a</p><div class="grid side-by-side">\n'
    f'<div class="language-python highlight"><pre><span></span><code>{LEFT}</code></pre></div>\n'
    f'<div class="language-python highlight"><pre><span></span><code>{RIGHT}</code></pre></div>\n</div><p>b</p>'
)


def test_what_differs_is_marked_and_every_line_knows_its_indent():
    (pair,) = PAIR.findall(HTML)
    html = compare(pair)
    assert html.count("<mark>") == 1 and "self." in html[html.index("<mark>") : html.index("</mark>")]
    assert html.count('class="line"') == 4 and html.count('class="line differs"') == 1
    assert html.count('style="--indent:4"') == 2 and html.count('style="--indent:0"') == 3


# Where the rows of each line begin, in characters from the line's own beginning: [[0], [0, 6], …]
ROWS = """() => [...document.querySelectorAll(".side-by-side .line")].map(line => {
    const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT), rows = new Map(), range = new Range();
    while (texts.nextNode()) {
        const { length } = texts.currentNode;
        for (let i = 0; i < length; i++) {
            if (!texts.currentNode.data[i].trim()) continue;
            range.setStart(texts.currentNode, i);
            range.setEnd(texts.currentNode, i + 1);
            const { left, width, bottom } = range.getBoundingClientRect();
            const row = [...rows.keys()].find(key => Math.abs(key - bottom) < 4) ?? bottom;
            rows.set(row, Math.min(rows.get(row) ?? Infinity, left / width));
        }
    }
    const begins = [...rows.values()];
    return begins.map(begin => Math.round(begin - begins[0]));
})"""
COVERED = """() => [...document.querySelectorAll("pre > .md-code__nav")].filter(nav => {
    const button = nav.getBoundingClientRect(), code = nav.parentElement.querySelector("code").getBoundingClientRect();
    return button.width && button.bottom > code.top && button.left < code.right - 1;
}).length"""


@pytest.mark.browser
@pytest.mark.parametrize("home", ["", pytest.param("en/", marks=pytest.mark.soak)])
def test_wrapped_lines_hang_and_the_copy_button_covers_no_code(browser, address, home):
    with opened(browser, address) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{address}{home}guides/mnist.html")
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(size)
            rows = page.evaluate(ROWS)
            assert any(len(begins) > 1 for begins in rows), "no line wraps: nothing is tested"
            assert {begin for begins in rows for begin in begins[1:]} == {6}
            show_listings(page)
            assert page.evaluate("document.querySelectorAll('pre > .md-code__nav').length") > 10
            assert page.evaluate(COVERED) == 0
        listing = page.locator(".side-by-side .highlight").last
        listing.locator("button").first.click()
        page.wait_for_function("navigator.clipboard.readText().then((text) => text.length)")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == listing.locator("code").evaluate("code => code.textContent").strip()
