"""Show notebooks in the site's own dress: mkdocs-jupyter brings 600 kB of styles and scripts to every page of them."""

import re
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from mkdocs.structure.files import File, Files
from mkdocs.structure.toc import AnchorLink, TableOfContents
from mkdocs.utils import get_relative_url

WORDS = {
    "zh": {"page": "网页版", "download": "下载 Notebook", "description": "Notebook：{}"},
    "en": {"page": "The page", "download": "Download the notebook", "description": "Notebook: {}"},
}
HEADING = re.compile(r"^#+ (.*?) *\{[^}]*#([\w-]+)[^}]*\}$", re.MULTILINE)


def plain(html: str, anchors: dict[str, str], pictures: list[dict[str, str]]) -> BeautifulSoup:
    """Return a rendered notebook as the theme marks up a page: headings, text, code, what it printed, pictures.

    Args:
        html: What mkdocs-jupyter made.
        anchors: The anchor of each of the guide's headings, by its text; the notebook's are among them.
        pictures: The attributes of each picture, in order. They name its file: the notebook has it inside, which would
            make its page as heavy.
    """
    attributes = iter(pictures)
    old, new = BeautifulSoup(html, "html.parser"), BeautifulSoup("", "html.parser")
    for part in old.select(".jp-RenderedMarkdown, .highlight-ipynb, .jp-RenderedText, .jp-RenderedImage"):
        if "jp-RenderedMarkdown" in part["class"]:
            for code in part.select(".highlight pre"):
                code.replace_with(_code(new, code))
            for heading in part.select("h1, h2, h3, h4"):
                _set_anchor(heading, anchors)
            new.extend(list(part.children))
        elif part.find("img"):
            new.append(new.new_tag("img", attrs={"class": "output", **next(attributes)}))  # on white, in the dark too
        else:
            box = new.new_tag("div", attrs={"class": "highlight" if part.find("span") else "highlight output"})
            box.append(_code(new, part.pre))
            new.append(box)
    return new


def describe_pictures(notebook: Path, folder: str) -> list[dict[str, str]]:
    """Return what a notebook's pictures show, in words, and where their files are: in a folder of the site."""
    outputs = [output for cell in nbformat.read(notebook, 4).cells for output in cell.get("outputs", [])]
    facts = [output.metadata["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [{"alt": fact["alt"], "src": f"{folder}/{fact['file']}"} for fact in facts]


def _code(soup: BeautifulSoup, pre: Tag) -> Tag:
    """Return a `pre` whose content is in a `code`, where the theme puts its copy button."""
    result, code = soup.new_tag("pre"), soup.new_tag("code")
    code.extend(list(pre.children))
    result.append(code)
    return result


def _set_anchor(heading: Tag, anchors: dict[str, str]) -> None:
    heading.find("a", class_="anchor-link").decompose()
    heading["id"] = "notebook" if heading.name == "h1" else anchors[heading.get_text()]


def contents(page: BeautifulSoup) -> TableOfContents:
    """Return the table of contents of a page."""
    links: list[AnchorLink] = []
    for heading in page.select("h2, h3"):
        link = AnchorLink(heading.get_text(), heading["id"], int(heading.name[1]))
        (links[-1].children if heading.name == "h3" and links else links).append(link)
    return TableOfContents(links)


def _guide(notebook: File, files: Files) -> File:
    return files.get_file_from_path(f"guides/{Path(notebook.src_uri).stem}.md")


def on_page_content(html, page, config, files):
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    guide = _guide(page.file, files)
    headings = HEADING.findall(Path(guide.abs_src_path).read_text(encoding="utf-8"))
    anchors = {title.replace("`", ""): anchor for title, anchor in headings}
    language = config.theme["language"]
    folder = get_relative_url(f"assets/results/outputs/guides/{Path(page.file.src_uri).stem}/{language}", page.url)
    content = plain(html, anchors, describe_pictures(Path(page.file.abs_src_path), folder))
    page.toc = contents(content)
    words, buttons = WORDS[language], BeautifulSoup("<p></p>", "html.parser")
    for target, word in ((get_relative_url(guide.url, page.url), "page"), (Path(page.file.src_uri).name, "download")):
        button = buttons.new_tag("a", href=target, attrs={"class": "md-button"})
        button.string = words[word]
        buttons.p.extend([button, " "])
    content.h1.insert_after(buttons)
    return str(content)


def on_env(env, config, files):
    for file in files.documentation_pages():  # by now every guide has been read
        if file.src_uri.endswith(".ipynb") and (description := _guide(file, files).page.meta.get("description")):
            file.page.meta["description"] = WORDS[config.theme["language"]]["description"].format(description)
