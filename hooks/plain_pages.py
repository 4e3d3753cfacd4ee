"""Write each page as plain Markdown beside it, for assistants: `guides/mnist.md` beside `guides/mnist.html`.

It is made from the finished page, so it says what a reader sees: code as it was tested, what it printed, results as
tables. `llms.txt` lists the pages as https://llmstxt.org proposes, `llms-full.txt` holds them all, in each language.
A notebook has none: it says what its guide says, and its own file is beside it already.
"""

import posixpath
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter
from mkdocs.plugins import event_priority
from mkdocs.utils import write_file

from pages import NOTEBOOKS

MARKED = re.compile("\0(.*?)\0")  # a link whose way depends on where the text will be
LISTING = re.compile("<pre>.*?</pre>", re.DOTALL)
DRAWING = re.compile("(<svg[^>]*>).*?(?=</svg>)", re.DOTALL)
LEFT_OUT = {"input", "script", "style"}, {"headerlink", "twemoji", "chart-legend", "doc-labels"}  # elements, classes
TITLES = {"summary"}, {"admonition-title", "filename", "chart-title"}
WORDS = {
    "zh": {
        "how": "每一页都有纯文本的 Markdown 版，与网页同名。全部内容在[一个文件]({full})里。[English]({other})。",
        "start": "开始",
        "page": "网页版：[{name}]({link})",
    },
    "en": {
        "how": "Each page is plain Markdown too, under the name of the web page. [One file]({full}) has them all. [中文]({other}).",
        "start": "Start",
        "page": "The web page: [{name}]({link})",
    },
}
OTHER = {"zh": "en/llms.txt", "en": "../llms.txt"}  # the list in the other language
SKIPPABLE = "Optional"  # llmstxt.org's name, in any language, of what may be left out where there is little room


@dataclass(frozen=True)
class PlainPage:
    """A page's Markdown.

    Attributes:
        url: Its address, such as `guides/mnist.md`.
        section: The part of the navigation that it is in; empty at the top.
        title, description: As on the page.
        html: The finished page.
    """

    url: str
    section: str
    title: str
    description: str
    html: str


class Plain(MarkdownConverter):
    """Turn a page's HTML into Markdown that needs none of the site's styles.

    Args:
        link: Gives each link's new target.
    """

    def __init__(self, link: Callable[[str], str]):
        super().__init__(heading_style="atx", bullets="-", escape_underscores=False, escape_asterisks=False)
        self.link = link

    def convert_a(self, el: Tag, text: str, parent_tags: set) -> str:
        if "term" in el.get("class", []) or not el.get("href"):
            return text
        el["href"] = self.link(el["href"])
        del el["title"]
        return super().convert_a(el, text, parent_tags)

    def convert_img(self, el: Tag, text: str, parent_tags: set) -> str:
        el["src"] = self.link(el["src"])
        return super().convert_img(el, text, parent_tags)

    def convert_svg(self, el: Tag, text: str, parent_tags: set) -> str:
        label = el.get("aria-label", "")
        return f"\n\n{label}\n\n" if label else ""

    def convert_pre(self, el: Tag, text: str, parent_tags: set) -> str:
        code = text.strip("\n")
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", code))])
        return f"\n\n{fence}{_language_of(el)}\n{code}\n{fence}\n\n"

    def convert_td(self, el: Tag, text: str, parent_tags: set) -> str:
        return super().convert_td(el, re.sub(r"(?<!\\)\|", r"\|", text), parent_tags)

    convert_th = convert_td


def _language_of(pre: Tag) -> str:
    box = pre.find_parent(class_="highlight")
    names = [name for name in (box.get("class", []) if box else []) if name.startswith("language-")]
    return names[0].removeprefix("language-") if names else ""


def bare(html: str) -> str:
    """Return a page whose listings are text and whose drawings are empty: each element within them would take time."""
    html = LISTING.sub(lambda listing: f"<pre>{re.sub('<[^>]+>', '', listing[0])}</pre>", html)
    return DRAWING.sub(r"\1", html)


def find_marked(soup: BeautifulSoup, names: set[str], classes: set[str]) -> list[Tag]:
    """Return the elements of some names or classes, in a fraction of the time that `select` takes."""
    return soup.find_all(lambda tag: tag.name in names or not classes.isdisjoint(tag.get("class", ())))


def plain(html: str, link: Callable[[str], str] = str) -> str:
    """Return a finished page's content as Markdown.

    Args:
        html: The content, without what the theme puts around it.
        link: Gives the new target of each link and picture.
    """
    soup = BeautifulSoup(bare(html), "html.parser")
    for element in find_marked(soup, *LEFT_OUT):
        element.decompose()
    for tabs in soup.find_all(class_="tabbed-set"):
        labels = tabs.select_one(".tabbed-labels").extract().select("label")
        blocks = tabs.select_one(".tabbed-content").find_all(class_="tabbed-block", recursive=False)
        for label, block in zip(labels, blocks, strict=True):
            block.insert(0, _in_bold(soup, label))
    for title in find_marked(soup, *TITLES):
        title.replace_with(_in_bold(soup, title))
    return Plain(link).convert_soup(soup)


def _in_bold(soup: BeautifulSoup, element: Tag) -> Tag:
    paragraph = soup.new_tag("p")
    paragraph.append(soup.new_tag("strong"))
    paragraph.strong.extend(list(element.children))
    return paragraph


def relink(target: str, url: str, pages: Collection[str]) -> str:
    """Return a link of a page as it leads from the language's home, in marks; one to another site as it is.

    Args:
        target: The link, as the page has it.
        url: The page's address.
        pages: The pages that have Markdown; links to them lead there.
    """
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return target
    place = posixpath.normpath(posixpath.join(posixpath.dirname(url), parts.path)) if parts.path else url
    if place in pages:
        place = f"{place.removesuffix('.html')}.md"
    return f"\0{parts._replace(path=place).geturl()}\0"


def seen_from(folder: str, text: str) -> str:
    """Return Markdown with the links in marks as they lead from a folder below the language's home."""
    return MARKED.sub(lambda link: posixpath.relpath(link[1], folder or "."), text)


def write(page: PlainPage, url: str, pages: Collection[str], language: str) -> str:
    """Return a page's Markdown, with its description and its address below its title, its links in marks.

    Args:
        page: The page.
        url: Its address as a web page.
        pages: The addresses of all pages that have Markdown.
        language: `zh` or `en`.
    """
    title, _, body = plain(page.html, lambda target: relink(target, url, pages)).partition("\n\n")
    name = PurePosixPath(url).name
    facts = [f"> {page.description}", WORDS[language]["page"].format(name=name, link=f"\0{url}\0")]
    return "\n\n".join([title, *facts, body]) + "\n"


def index(pages: list[PlainPage], notebooks: list[PlainPage], site: dict[str, str], language: str, home: str) -> str:
    """Return `llms.txt`: what the site is, and its pages by the parts of its navigation.

    Args:
        pages: Those with Markdown, in the navigation's order.
        notebooks: What may be left out.
        site: Its `title` and `description`.
        language: `zh` or `en`.
        home: The address of the language's home; empty where the site has none, for relative links.
    """
    words = WORDS[language]
    how = words["how"].format(full=f"{home}llms-full.txt", other=f"{home}{OTHER[language]}")
    sections: dict[str, list[str]] = {words["start"]: []}
    for page in pages:
        sections.setdefault(page.section or words["start"], []).append(_entry(page, home))
    sections[SKIPPABLE] = [_entry(page, home) for page in notebooks]
    lists = [f"## {name}\n\n" + "\n".join(entries) for name, entries in sections.items() if entries]
    return "\n\n".join([f"# {site['title']}", f"> {site['description']}", how, *lists]) + "\n"


def _entry(page: PlainPage, home: str) -> str:
    return f"- [{page.title}]({home}{page.url}): {page.description}"


in_order: list = []  # MkDocs' pages as the navigation has them
found: dict[str, PlainPage] = {}  # the address of a page or notebook → its Markdown, in that order


def read(page, site_description: str) -> PlainPage:
    """Return what is to be written of one of MkDocs' pages, once it is finished."""
    ending = ".ipynb" if page.file.src_uri.startswith(NOTEBOOKS) else ".md"
    section = page.ancestors[-1].title if page.ancestors else ""
    title = BeautifulSoup(page.title, "html.parser").get_text()
    description = page.meta.get("description", site_description)
    return PlainPage(page.url.removesuffix(".html") + ending, section, title, description, page.content)


def on_nav(nav, config, files):
    in_order[:] = nav.pages


@event_priority(-100)  # when all others have changed the pages
def on_env(env, config, files):
    found.clear()
    found.update({page.url: read(page, config.site_description) for page in in_order})


def on_page_context(context, page, config, nav):
    if page.url in found and found[page.url].url.endswith(".md"):
        context["plain_page"] = PurePosixPath(found[page.url].url).name


def on_post_build(config):
    language, out = config.theme["language"], Path(config.site_dir)
    pages = {url: page for url, page in found.items() if page.url.endswith(".md")}
    notebooks = [page for page in found.values() if page.url.endswith(".ipynb")]
    texts = {page.url: write(page, url, pages, language) for url, page in pages.items()}
    files = {place: seen_from(posixpath.dirname(place), text) for place, text in texts.items()}
    files["llms-full.txt"] = seen_from("", "\n".join(texts.values()))
    site = {"title": config.site_name, "description": config.site_description}
    files["llms.txt"] = index(list(pages.values()), notebooks, site, language, config.site_url or "")
    for place, text in files.items():
        write_file(text.encode("utf-8"), str(out / place))
