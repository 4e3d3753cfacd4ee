"""A browser for the built site and for the nodes' pages, and how tests look at them."""

import contextlib
from collections.abc import Iterator

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}


@contextlib.contextmanager
def opened(
    browser, address: str, size: dict = DESKTOP, scheme: str = "light", touch: bool = False, forced_colors: str = "none"
) -> Iterator:
    """Yield a page on which anything wrong, and any request that leaves `address`, fails the test in the end."""
    faults = []
    context = browser.new_context(
        viewport=size,
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=touch,
        is_mobile=touch,
        forced_colors=forced_colors,
    )
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


def show_listings(page) -> None:
    """Unfold everything and show each listing once: the theme gives it button and notes when it is first seen."""
    page.evaluate("document.querySelectorAll('article details').forEach(each => { each.open = true })")
    size = page.viewport_size
    page.set_viewport_size(size | {"height": page.evaluate("document.documentElement.scrollHeight")})
    page.wait_for_function(
        "[...document.querySelectorAll('pre > code')].every(code => code.parentElement.id || !code.checkVisibility())"
    )
    page.set_viewport_size(size)
    wait_for_boxes(page)


def wait_for_boxes(page) -> None:
    """Wait until what can be scrolled takes the focus: the theme goes through its boxes one by one."""
    page.wait_for_function(
        "[...document.querySelectorAll('pre > code, .md-typeset__scrollwrap')].every(box =>"
        " box.scrollWidth <= box.clientWidth || !box.checkVisibility() || box.tabIndex === 0)"
    )


def search(page, words: str) -> list[str]:
    """Type words into the search field and return what the hits say, once all pages are searched."""
    page.fill(".md-search__input", "")
    page.click(".md-search__input")
    page.keyboard.type(words)
    page.wait_for_selector("[aria-busy=false] > .md-search-result__item")
    return page.locator(".md-search-result__item").all_inner_texts()
