"""Draw from the examples' folders what pages say of them, so that a new folder needs no line elsewhere.

{{ examples: cards }}     a card for each example: what was recorded of it, links to its two pages
{{ examples: gallery }}   a table of them: data and licence, centralised and federated results, time
{{ examples: api }}       what each example offers, and its classes and functions

Its pages are `guides/<example>-program.md`, which explains the program, and `guides/<example>.md`, which makes it federated.
Only `example.toml` is read: the site is built where neither torch nor our package's other dependencies are installed.
"""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mkdocs.exceptions import PluginError

import results
import results_card
import results_gallery

PACKAGE = "alphamed_tutorials.examples"
EXAMPLES = Path("src", *PACKAGE.split("."))
MODULES = ("model", "data", "scheduler", "dataset_verify")  # what a task is made of, in a reader's order
PLACEHOLDER = re.compile(r"\{\{\s*examples\s*:?\s*([^{}]*?)\s*\}\}")
PROGRAM = "-program"  # ends the name of the page that explains an example's program
READ = {
    "zh": {PROGRAM: "看懂程序", "": "改造成联邦学习"},
    "en": {PROGRAM: "Understand the program", "": "Make it federated"},
}
OFFERS = {
    "zh": {
        "model": "网络：",
        "data": "读取数据：",
        "scheduler": "调度器：",
        "dataset_verify": "数据验证：",
        "comma": "、",
    },
    "en": {
        "model": "The network: ",
        "data": "Reading the data: ",
        "scheduler": "The scheduler: ",
        "dataset_verify": "Verifying the data: ",
        "comma": ", ",
    },
}


@dataclass(frozen=True)
class Example:
    """What the site wants to know of an example.

    Attributes:
        name: Its folder's.
        title, card, data: Tables of its `example.toml`.
        modules: What each module has to offer: the names of its public classes and functions.
    """

    name: str
    title: dict[str, str]
    card: dict[str, str]
    data: dict[str, str]
    modules: dict[str, list[str]]


def example_of(page: str) -> str:
    """Return the example that a page or a notebook belongs to: `mnist` for `guides/mnist.md`, `guides/mnist-program.md`."""
    return PurePosixPath(page).stem.removesuffix(PROGRAM)


def read_examples(root: Path) -> list[Example]:
    """Return the examples in reading order, which is that of `alphamed_tutorials.catalogue.find_all`.

    Args:
        root: The project's folder.

    Raises:
        PluginError: An `example.toml` is damaged; the message names it.
    """
    found = []
    for file in sorted((root / EXAMPLES).glob("*/example.toml")):
        try:
            facts = tomllib.loads(file.read_text(encoding="utf-8-sig"))
            sources = {name: file.parent / f"{name}.py" for name in MODULES}
            modules = {name: public_names(name, source) for name, source in sources.items() if source.is_file()}
            example = Example(file.parent.name, facts["title"], facts.get("card", {}), facts.get("data", {}), modules)
        except (ValueError, KeyError) as error:
            raise PluginError(f"{file.relative_to(root)} is damaged or incomplete: {error}") from error
        found.append((facts.get("order", 1_000_000), example.name, example))
    return [example for *_, example in sorted(found, key=lambda each: each[:2])]


def public_names(module: str, source: Path) -> list[str]:
    """Return the public classes and functions of a module; of the verification only the class that is uploaded."""
    found = [
        each for each in ast.parse(source.read_text("utf-8")).body if isinstance(each, ast.ClassDef | ast.FunctionDef)
    ]
    names = [each.name for each in found if not each.name.startswith("_") and ast.get_docstring(each)]
    return [name for name in names if module != "dataset_verify" or name == "DatasetVerify"]


def _links(example: Example, language: str, guides: set[str]) -> dict[str, str]:
    """Return the links to those of an example's pages that there are, each with its words, in reading order."""
    pages = {f"{example.name}{ending}": words for ending, words in READ[language].items()}
    return {f"guides/{page}.md": words for page, words in pages.items() if page in guides}


def _title(example: Example, language: str, links: dict[str, str]) -> str:
    """Return an example's title, which leads to the first of its pages."""
    title = example.title[language]
    return f"[{title}]({next(iter(links))})" if links else title


def cards(examples: list[Example], language: str, guides: set[str], records: dict[str, dict]) -> str:
    """Return the cards. The title leads to the first of an example's pages; the style sheet makes that link the card's.

    Args:
        examples: One card each.
        language: The page's.
        guides: Which pages there are.
        records: What was recorded of each example; one that never was has a card without figures.
    """
    items = []
    for example in examples:
        icon = f":{example.card['icon']}: " if "icon" in example.card else ""
        links = _links(example, language, guides)
        figures = results_card.figures(records[example.name], language) if example.name in records else {}
        parts = [
            f"- {icon}**{_title(example, language, links)}**",
            example.card.get(language, ""),
            " ".join(f'<span class="fact">{name} {value}</span>' for name, value in figures.items()),
            " · ".join(f"[{words}]({page})" for page, words in list(links.items())[1:]),
        ]
        items.append("\n\n    ".join(filter(None, parts)))
    return '<div class="grid cards examples" markdown>\n\n' + "\n\n".join(items) + "\n\n</div>"


def gallery(examples: list[Example], language: str, guides: set[str], records: dict[str, dict]) -> str:
    """Return the examples as a table; the arguments are those of `cards`."""
    rows = []
    for example in examples:
        title = _title(example, language, _links(example, language, guides))
        rows.append(results_gallery.row(title, example.data, records.get(example.name), language))
    return results_gallery.table(rows, language)


def api(examples: list[Example], language: str) -> str:
    """Return a section for each example: what it offers, in the page's language, and its modules as mkdocstrings shows them."""
    parts, words = [], OFFERS[language]
    for example in examples:
        parts.append(f"### {example.title[language]} {{ #{example.name} }}")
        home = f"{PACKAGE}.{example.name}"
        offers = [
            f"- {words[module]}{words['comma'].join(f'[`{name}`](#{home}.{module}.{name})' for name in names)}"
            for module, names in example.modules.items()
            if names
        ]
        parts += ['<div class="offers" markdown>', example.card.get(language, ""), "\n".join(offers), "</div>"]
        parts += [
            f"::: {PACKAGE}.{example.name}.{module}\n    options:\n{_options(module)}" for module in example.modules
        ]
    return "\n\n".join(filter(None, parts))


def _options(module: str) -> str:
    """Return what mkdocstrings is to show of a module; of the verification only the class that is uploaded."""
    options = ["heading_level: 4", *(["members: [DatasetVerify]"] if module == "dataset_verify" else [])]
    return "\n".join(f"      {option}" for option in options)


def replace(
    markdown: str, page: str, examples: list[Example], language: str, guides: set[str], records: dict[str, dict]
) -> str:
    """Return the page's text with every placeholder replaced.

    Raises:
        PluginError: There is no such placeholder; the message names the page.
    """

    def answer(match: re.Match) -> str:
        if match[1] == "cards":
            return cards(examples, language, guides, records)
        if match[1] == "gallery":
            return gallery(examples, language, guides, records)
        if match[1] == "api":
            return api(examples, language)
        raise PluginError(f"{page}: {match[0]}: there is only {{{{ examples: cards }}}}, gallery and api")

    return PLACEHOLDER.sub(answer, markdown)


def on_page_markdown(markdown, page, config, files):
    if not PLACEHOLDER.search(markdown):
        return markdown
    root = Path(config.config_file_path).parent
    examples = read_examples(root)
    records = results.load_all(root / config.extra["results_dir"])
    guides = {Path(file.src_uri).stem for file in files if file.src_uri.startswith("guides/")}
    name, language = f"{Path(config.docs_dir).name}/{page.file.src_uri}", config.theme["language"]
    return replace(markdown, name, examples, language, guides, records)
