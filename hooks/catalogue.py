"""Draw from the examples' folders what pages say of them, so that a new folder needs no line elsewhere.

{{ examples: cards }}   a card for each example, with links to its two pages
{{ examples: api }}     the classes and functions of each example

Its pages are `guides/<example>-program.md`, which explains the program, and `guides/<example>.md`, which makes it federated.
Only `example.toml` is read: the site is built where neither torch nor our package's other dependencies are installed.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mkdocs.exceptions import PluginError

PACKAGE = "alphamed_tutorials.examples"
EXAMPLES = Path("src", *PACKAGE.split("."))
MODULES = ("model", "data", "scheduler", "dataset_verify")  # what a task is made of, in a reader's order
PLACEHOLDER = re.compile(r"\{\{\s*examples\s*:?\s*([^{}]*?)\s*\}\}")
PROGRAM = "-program"  # ends the name of the page that explains an example's program
READ = {
    "zh": {PROGRAM: "看懂程序", "": "改造成联邦学习"},
    "en": {PROGRAM: "Understand the program", "": "Make it federated"},
}


@dataclass(frozen=True)
class Example:
    """What the site wants to know of an example: `title` and `card` are the tables of its `example.toml`."""

    name: str
    title: dict[str, str]
    card: dict[str, str]
    modules: tuple[str, ...]


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
            modules = tuple(name for name in MODULES if (file.parent / f"{name}.py").is_file())
            example = Example(file.parent.name, facts["title"], facts.get("card", {}), modules)
        except (ValueError, KeyError) as error:
            raise PluginError(f"{file.relative_to(root)} is damaged or incomplete: {error}") from error
        found.append((facts.get("order", 1_000_000), example.name, example))
    return [example for *_, example in sorted(found, key=lambda each: each[:2])]


def cards(examples: list[Example], language: str, guides: set[str]) -> str:
    """Return the cards; those of an example's pages that are among `guides` are linked."""
    items = []
    for example in examples:
        icon = f":{example.card['icon']}: " if "icon" in example.card else ""
        pages = {f"{example.name}{ending}": words for ending, words in READ[language].items()}
        links = " · ".join(f"[{words}](guides/{page}.md)" for page, words in pages.items() if page in guides)
        parts = [f"- {icon}**{example.title[language]}**", example.card.get(language, ""), links]
        items.append("\n\n    ".join(filter(None, parts)))
    return '<div class="grid cards examples" markdown>\n\n' + "\n\n".join(items) + "\n\n</div>"


def api(examples: list[Example], language: str) -> str:
    """Return a section for each example: its modules as mkdocstrings shows them."""
    parts = []
    for example in examples:
        parts.append(f"### {example.title[language]} {{ #{example.name} }}")
        parts += [
            f"::: {PACKAGE}.{example.name}.{module}\n    options:\n{_options(module)}" for module in example.modules
        ]
    return "\n\n".join(parts)


def _options(module: str) -> str:
    """Return what mkdocstrings is to show of a module; of the verification only the class that is uploaded."""
    options = ["heading_level: 4", *(["members: [DatasetVerify]"] if module == "dataset_verify" else [])]
    return "\n".join(f"      {option}" for option in options)


def replace(markdown: str, page: str, examples: list[Example], language: str, guides: set[str]) -> str:
    """Return the page's text with every placeholder replaced.

    Raises:
        PluginError: There is no such placeholder; the message names the page.
    """

    def answer(match: re.Match) -> str:
        if match[1] == "cards":
            return cards(examples, language, guides)
        if match[1] == "api":
            return api(examples, language)
        raise PluginError(f"{page}: {match[0]}: there is only {{{{ examples: cards }}}} and {{{{ examples: api }}}}")

    return PLACEHOLDER.sub(answer, markdown)


def on_page_markdown(markdown, page, config, files):
    examples = read_examples(Path(config.config_file_path).parent)
    guides = {Path(file.src_uri).stem for file in files if file.src_uri.startswith("guides/")}
    return replace(
        markdown, f"{Path(config.docs_dir).name}/{page.file.src_uri}", examples, config.theme["language"], guides
    )
