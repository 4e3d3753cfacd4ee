"""A long page answers early on a phone: hardly anything makes the browser lay it out anew while its scripts run.

Seconds differ from machine to machine; how often it happens does not.
"""

import pytest
from browsing import opened

PHONE = {"width": 390, "height": 844}
STACK = "disabled-by-default-devtools.timeline.stack"  # without it no event says which script it waited for
PAGES = ["guides/mnist", "guides/object_detection", "guides/breast_cancer"]

pytestmark = pytest.mark.browser


def forced(page, address: str) -> list[list[str]]:
    """Return, for each layout that a script had to wait for while the page was loaded, the scripts on the stack."""
    session, events, finished = page.context.new_cdp_session(page), [], []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: finished.append(end))
    categories = {"includedCategories": ["devtools.timeline", STACK], "excludedCategories": ["*"]}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": categories})
    page.goto(address)
    page.wait_for_timeout(1000)  # the theme is done with its boxes
    session.send("Tracing.end")
    while not finished:
        page.wait_for_timeout(50)
    layouts = [event for event in events if event["name"] in ("Layout", "UpdateLayoutTree")]
    stacks = [event["args"].get("beginData", {}).get("stackTrace", []) for event in layouts]
    scripts = [[frame["url"] for frame in stack if "/assets/" in frame["url"]] for stack in stacks]
    return [urls for urls in scripts if urls]  # without what the browser runs for itself


@pytest.mark.parametrize("home", ["", pytest.param("en/", marks=pytest.mark.soak)])
@pytest.mark.parametrize("path", PAGES)
def test_scripts_seldom_make_the_browser_lay_out_a_guide(browser, address, path, home):
    with opened(browser, address, PHONE, touch=True) as page:
        stacks = forced(page, f"{address}{home}{path}.html")
    assert 0 < len(stacks) < 120  # about 80; with a button for every listing at once they were 210 to 290
    assert len([stack for stack in stacks if stack[0].endswith("site.js")]) < 10


SWITCHING = """{
    window.switched = 0;
    const options = { subtree: true, attributeFilter: ["data-md-color-switching"] };
    new MutationObserver(() => window.switched++).observe(document, options);
}"""


def test_colours_are_put_on_before_anything_is_seen_and_the_page_is_not_styled_again_for_them(browser, address):
    with opened(browser, address, PHONE, "dark", touch=True) as page:
        page.add_init_script(SWITCHING)
        page.goto(f"{address}guides/mnist.html", wait_until="commit")
        page.wait_for_selector("article", state="attached")
        worn = "document.body.dataset.mdColorScheme"
        assert page.evaluate(worn) == "slate"
        page.wait_for_load_state()
        page.wait_for_timeout(500)
        assert page.evaluate("window.switched") == 0
        for scheme in ("default", "slate", "slate"):  # light, dark, as the system has it
            page.locator(".site-palette > button:visible").press("Enter")
            assert page.evaluate(worn) == scheme
            page.wait_for_function("!('mdColorSwitching' in document.body.dataset)")
            assert page.locator(".site-palette > button:visible").evaluate(
                "button => button === document.activeElement"
            )
            assert page.evaluate("document.querySelector('meta[name=color-scheme]').content") == (
                "dark" if scheme == "slate" else "light"
            )
        page.emulate_media(color_scheme="light")
        page.wait_for_function(f"{worn} === 'default'")
        assert page.evaluate("window.switched") >= 4
