"""The doc gate's rules: each yields a complaint for every fault, and test_gate_rules.py sees it do so."""

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import names
from mkdocs.utils.meta import get_data
from pymdownx.snippets import SnippetPreprocessor

from catalogue import EXAMPLES, PROGRAM, example_of
from glossary import PAGE as GLOSSARY
from glossary import read_avoided
from outputs import name_of, pictures_of
from pages import ANNOTATION, HEADING, LANGUAGES, ROOT, RUN_LANGUAGES, Block, Line, Page
from translations import newer

SHOWN_LANGUAGES = ("csv", "html", "ini", "json", "markdown", "mermaid", "text", "toml", "yaml")
INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`)(?P<code>.+?)(?<!`)\1(?!`)")
PROPER_NAMES = re.compile(r"AlphaMed|Flower|Python|PyTorch|TorchScript")  # these stay as they are in Chinese
LINK = re.compile(r"(?<!!)\[(?P<words>[^][]+)\]\([^)]+\)")
VAGUE = re.compile(  # what says nothing by itself; in English as Lighthouse counts it
    r"click (here|this)|go|(right )?here|(more )?information|(learn |read |see )?more|more info|start|this"
    r"|(请)?(点击|点|见)?(这里|此处)|点击|详情|(查看|了解|阅读)?更多(信息)?"
)
PLAINER = {  # words that are no terms, as patterns: 一部分数据 and 百分数 are other words than 分数
    "带回家": "导出模型，离线使用",
    "逐比特": "逐位相同",
    "语料": "文本",
    "(?<![部百])分数": "logits 或置信度",
}
AVOIDED = {
    language: read_avoided((ROOT / "docs" / language / GLOSSARY).read_text("utf-8"))
    | (PLAINER if language == "zh" else {})
    for language in LANGUAGES
}
STEPS = (  # what every guide shows: file of snippets/<example> and section
    ("prepare_data.py", "prepare"),
    ("start.py", "parts"),
    ("explore_data.py", "file"),
    ("explore_data.py", "sample"),
    ("look_inside.py", "shapes"),
    ("look_inside.py", "step"),
    ("train_centralised.py", "train"),
    ("train_centralised.py", "train_an_epoch"),
    ("run_centralised.py", "main"),
    ("run_centralised.py", "one_node"),
    ("verify_data.py", "verify"),
    ("verify_data.py", "damage"),
    ("run_federated.py", "run"),
    ("run_federated.py", "metrics"),
    ("take_home.py", "export"),
    ("take_home.py", "predict"),
)
SECTIONS = {  # what every guide has, by the ending of its name, in this order; more may stand between
    PROGRAM: ("problem", "data", "dataset", "model", "loss", "autograd", "centralised", "next"),
    "": (
        "start",
        "verify",
        "federated",
        "side-by-side",
        "scheduler",
        "changes",
        "one-node",
        "run",
        "results",
        "how-sure",
        "export",
        "alphamed",
        "trouble",
        "exercises",
        "next",
    ),
}
RECORDED = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
LONGEST = 48  # lines of a listing that is not folded
FILE_SUFFIXES = [
    "csv",
    "gz",
    "html",
    "ipynb",
    "json",
    "jsonl",
    "log",
    "md",
    "onnx",
    "pickle",
    "png",
    "pt",
    "py",
    "sh",
    "svg",
    "toml",
    "ts",
    "txt",
    "whl",
    "yml",
    "zip",
]


# Rules about one page


def python_is_included(page: Page) -> Iterator[str]:
    """Every Python block holds include lines and nothing else."""
    for block in page.blocks:
        if block.language == "python":
            yield from (
                f"{line}: Python typed into the page; include it from snippets/ or src/"
                for line in block.lines
                if not line.include
            )


def includes_resolve(page: Page) -> Iterator[str]:
    """Every include names a file or a section that exists and holds text, never line numbers, which drift."""
    yield from page.problems
    for name in page.includes:
        if re.search(r":[-\d]", name):
            yield f"the include {name} counts lines; name a section instead"


def fences_are_known(page: Page) -> Iterator[str]:
    """Every fence is of backticks and opens with a language that is run, or one that is known as shown only."""
    for block in page.blocks:
        line = page.lines[block.first]
        if block.language not in RUN_LANGUAGES + SHOWN_LANGUAGES:
            yield f"{line}: unknown kind of code block `{block.info}`; use one of {RUN_LANGUAGES + SHOWN_LANGUAGES}"
        if line.text.strip().startswith("~"):
            yield f"{line}: open the code block with ``` instead of ~~~"
        if "hl_lines" in block.info:
            yield f"{line}: highlighted line numbers drift; use an annotation"
        if not block.text.strip():
            yield f"{line}: the code block is empty"


def reasons_are_given(page: Page) -> Iterator[str]:
    """A block that is not run says why, in its comment."""
    for block in page.blocks:
        if block.not_run == "":
            yield f"{page.lines[block.first]}: `not run:` gives no reason"


def pictures_are_described(page: Page) -> Iterator[str]:
    """What is seen in a picture that code draws stands in a comment above it, in the page's language."""
    for block in page.blocks:
        line, drawn = page.lines[block.first], block.runs and bool(pictures_of(block))
        if drawn and not block.draws:
            yield f"{line}: say what is seen in the picture: <!-- draws: … --> above the code"
        elif block.draws and not drawn:
            yield f"{line}: `draws:` stands above code that draws nothing"
        elif drawn and (page.language == "zh") != bool(re.search("[\u4e00-\u9fff]", block.draws)):
            yield f"{line}: `draws:` is not in the page's language"


def annotations_are_explained(page: Page) -> Iterator[str]:
    """The list after a block has one item for each of its annotations, with the same numbers.

    A listing that is shown in parts and whole has the lists at its parts, which together count from 1.
    """
    explained: list[int] = []
    for block in page.blocks:
        found = sorted({int(number) for number in ANNOTATION.findall(block.text)})
        items = _list_items(page, block) if found else []
        if found and found == items:
            explained = found if found[0] == 1 else [*explained, *found]
        if found != items and not (set(found) <= set(explained) and not items):
            yield f"{page.lines[block.first]}: annotations {found}, but list items {items} after the block"
        elif explained != list(range(1, len(explained) + 1)):
            yield f"{page.lines[block.first]}: the annotations {explained} do not count from 1"


def listings_are_short(page: Page) -> Iterator[str]:
    """A listing is short enough to be read in one go, or it is folded: the page speaks about its parts."""
    for block in page.blocks:
        if len(block.lines) > LONGEST and not _is_folded(page, block):
            yield f"{page.lines[block.first]}: {len(block.lines)} lines; show it in parts, and fold the whole"


def _is_folded(page: Page, block: Block) -> bool:
    """Tell whether one of the notes and tabs that a block stands in is folded."""
    depth = block.indent
    for line in reversed(page.lines[: block.first]):
        text = line.text.lstrip()
        if text and len(line.text) - len(text) < depth:
            depth = len(line.text) - len(text)
            if re.match(r"\?\?\?(?!\+)", text):
                return True
    return False


def _list_items(page: Page, block: Block) -> list[int]:
    """Return the numbers of the list after a block."""
    items: list[int] = []
    for line in page.lines[block.last + 1 :]:
        text = line.text.lstrip()
        indent = len(line.text) - len(text)
        number = re.match(r"(\d+)\.\s", text)
        if indent == block.indent and number:
            items.append(int(number[1]))
        elif text and (indent <= block.indent or not items):
            break
    return items


def names_exist(page: Page) -> Iterator[str]:
    """Inline code that looks like a call, a class, or a name with underscores exists.

    A call or a class must be defined by the SDK, this project or PyTorch, or stand in the page's Python blocks;
    any other name must at least be a word of that code, as message types and settings are.
    """
    python = _words(block for block in page.blocks if block.language == "python")
    callables = names.callable_names() | python
    words = names.all_words() | python | _words(page.blocks)
    for line, code in inline_code(page):
        called = re.fullmatch(r"([A-Za-z_][\w.]*)\(.*\)", code)
        path = (called[1] if called else code).split(".")
        if not all(map(str.isidentifier, path)) or (not called and path[-1] in FILE_SUFFIXES):
            continue
        strict = called or _is_class_name(path[-1])
        checked = [part for part in path if len(path) > 1 or strict or re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", part)]
        missing = [part for part in checked if part not in words]
        if strict and path[-1] not in callables:
            missing = [path[-1]]
        yield from (f"{line}: `{code}`: the SDK, this project and PyTorch have no {part}" for part in missing)


def _is_class_name(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)) and not name.isupper() and len(re.findall("[A-Z]", name)) > 1


def _words(blocks) -> set[str]:
    return {word for block in blocks for word in re.findall(r"\w+", block.text)}


def inline_code(page: Page) -> Iterator[tuple[Line, str]]:
    """Yield the inline code of the page's prose with its line."""
    for line in page.prose():
        for match in INLINE_CODE.finditer(re.sub(r"<!--.*?-->", "", line.text)):
            yield line, re.sub(r"^#!\w+\s", "", match["code"].strip())


def commands_exist(page: Page) -> Iterator[str]:
    """Every `playground` command and option in prose and shell blocks exists."""
    for line, code in inline_code(page):
        yield from (f"{line}: {fault}" for fault in _command_faults(code, ends=""))
    for block in page.blocks:
        if block.language == "sh":
            text = block.text.replace("\\\n", " ")
            faults = [fault for command in text.split("\n") for fault in _command_faults(command, ends="|&;")]
            yield from (f"{page.lines[block.first]}: {fault}" for fault in faults)


def _command_faults(text: str, ends: str) -> Iterator[str]:
    """Check one line; `ends` are the signs that end a command (a synopsis such as `iid|dirichlet` has none)."""
    try:
        words = list(shlex.shlex(text, posix=True, punctuation_chars=True)) if "playground" in text else []
    except ValueError:
        words = text.split()  # a quotation over several lines
    pairs = zip(["", *words], words)  # an engine has the command's name
    starts = [place for place, pair in enumerate(pairs) if pair[1] == "playground" and pair[0] != "--engine"]
    for start, end in zip(starts, [*starts[1:], None]):
        called = words[start + 1 : end]
        command = " ".join(called[:2])  # of a group, such as `task create`
        if command not in names.command_options():
            command = called[0] if called else ""
        options = _options(command)
        if options is None:
            yield f"`playground {command}`: there is no such command"
            continue
        for word in called:
            if word and word[0] in tuple(ends):
                break
            option = word.partition("=")[0]
            if re.fullmatch("--?[a-z][a-z-]*", option) and option not in options:
                yield f"`playground {command}` has no option {option}"


def _options(command: str) -> frozenset[str] | None:
    known = names.command_options()
    if re.fullmatch("[a-z][a-z -]*", command):
        return known.get(command)
    return known[""] if command.startswith("-") or not command else frozenset().union(*known.values())  # a placeholder


def headings(page: Page) -> list[re.Match]:
    """Return the page's headings: their level, title and anchor."""
    return [match for line in page.prose() if (match := HEADING.fullmatch(line.text))]


def front_matter_is_yaml(page: Page) -> Iterator[str]:
    """What stands between the first two `---` is YAML: else the site shows it as text, and knows no title."""
    if page.lines[0].text == "---" and not get_data(page.path.read_text("utf-8"))[1]:
        yield "line 1: the front matter is no YAML; a colon with a space behind it needs quotation marks"


def figures_differ(page: Page) -> Iterator[str]:
    """No figure stands on a page twice: one of the two is not what its caption says."""
    seen: dict[str, Line] = {}
    for line in page.prose():
        if line.text.lstrip().startswith("<svg"):
            if line.text in seen:
                yield f"{line}: the figure of {seen[line.text]} again"
            seen[line.text] = line


def headings_have_anchors(page: Page) -> Iterator[str]:
    """A page has one title, and every heading below it its own anchor: links hold in both languages."""
    found = headings(page)
    if [heading["level"] for heading in found].count("#") != 1:
        yield "a page needs exactly one title (#)"
    anchors = [heading["anchor"] for heading in found if heading["anchor"]]
    yield from (f"the anchor #{name} is there twice" for name in dict.fromkeys(anchors) if anchors.count(name) > 1)
    yield from (
        f"the heading {heading['title']!r} needs an anchor: {{ #a-short-name }}"
        for heading in found
        if heading["level"] != "#" and not heading["anchor"]
    )


def headings_are_chinese(page: Page) -> Iterator[str]:
    """A heading of a Chinese page is Chinese, unless it is code, an abbreviation or a proper name alone."""
    for heading in headings(page) if page.language == "zh" else ():
        title = PROPER_NAMES.sub("", INLINE_CODE.sub("", heading["title"]))
        if re.search("[a-z]", title) and not re.search("[\u4e00-\u9fff]", title):
            yield f"the heading {heading['title']!r} is not Chinese"


def terms_are_those_of_the_glossary(page: Page) -> Iterator[str]:
    """One thing has one name on all pages of a language."""
    for line in page.prose() if page.path.name != Path(GLOSSARY).name else ():
        yield from (f"{line}: {fault}" for fault in other_words(line.text, page.language))


def other_words(text: str, language: str) -> Iterator[str]:
    """Yield each word of a text that is not the glossary's; code may say what it likes."""
    said = INLINE_CODE.sub("", text).lower()
    yield from (f"{word!r}: write {ours}" for word, ours in AVOIDED[language].items() if re.search(word, said))


def links_say_where_they_lead(page: Page) -> Iterator[str]:
    """A link's words say by themselves where it leads: a list of links is read aloud without what stands around them."""
    for line in page.prose():
        for words in LINK.findall(line.text):
            if VAGUE.fullmatch(words.strip(" .…*").lower()):
                yield f"{line}: the link [{words}] does not say where it leads; take in the words that do"


# Rules about the two languages of a page


def same_headings(chinese: Page, english: Page) -> Iterator[str]:
    """Both languages have the same headings: levels and anchors, in the same order."""
    yield from _differences(
        "heading", *([f"{h['level']} {h['anchor']}" for h in headings(page)] for page in (chinese, english))
    )


def same_includes(chinese: Page, english: Page) -> Iterator[str]:
    """Both languages include the same code in the same order."""
    yield from _differences("include", chinese.includes, english.includes)


def same_blocks(chinese: Page, english: Page) -> Iterator[str]:
    """Both languages have the same kinds of code blocks in the same order, run or not."""
    yield from _differences(
        "block",
        *(
            [block.language + (" not run" if block.not_run is not None else "") for block in page.blocks]
            for page in (chinese, english)
        ),
    )


def same_placeholders(chinese: Page, english: Page) -> Iterator[str]:
    """Both languages show the same of what is recorded; a sentence may name its figures in another order."""
    found = [Counter(RECORDED.findall("\n".join(line.text for line in page.prose()))) for page in (chinese, english)]
    for placeholder in (found[0] - found[1]) + (found[1] - found[0]):
        yield f"{{{{ {placeholder} }}}} stands more often in one language than in the other"


def compared_when_both_change(chinese: Page, english: Page) -> Iterator[str]:
    """A page that has changed in both languages was compared: else nobody knows which one is newer."""
    if newer(chinese.root, name_of(chinese)) == set(LANGUAGES):
        yield f"both languages have changed: if they say the same, make translated PAGES={name_of(chinese)}"


def _differences(kind: str, chinese: list[str], english: list[str]) -> Iterator[str]:
    for number, (one, other) in enumerate(zip(chinese, english), start=1):
        if one != other:
            yield f"{kind} {number} is {one!r} in Chinese and {other!r} in English"
            return
    if len(chinese) != len(english):
        yield f"{len(chinese)} {kind}s in Chinese, {len(english)} in English"


# Rules about the project


def same_tree(root: Path, pages: list[Page]) -> Iterator[str]:
    """Both languages have the same files."""
    chinese, english = (
        {
            path.relative_to(root / "docs" / language).as_posix()
            for path in (root / "docs" / language).rglob("*")
            if path.is_file()
        }
        for language in LANGUAGES
    )
    yield from (f"{name} is missing in English" for name in sorted(chinese - english))
    yield from (f"{name} is missing in Chinese" for name in sorted(english - chinese))


def sections_are_paired(root: Path, pages: list[Page]) -> Iterator[str]:
    """Every section of a source file has one start and one end, in this order, and text between them."""
    for path in _source_files(root):
        opened: dict[str, bool] = {}  # name → text seen, until the section ends
        seen: set[str] = set()
        for number, text in enumerate(path.read_text("utf-8").split("\n"), start=1):
            marker = SnippetPreprocessor.RE_SNIPPET_SECTION.match(text)
            where = f"{path.relative_to(root).as_posix()} line {number}"
            if marker is None:
                opened = {name: filled or bool(text.strip()) for name, filled in opened.items()}
            elif marker["type"] == "start":
                if marker["name"] in seen:
                    yield f"{where}: section {marker['name']} is defined twice"
                seen.add(marker["name"])
                opened[marker["name"]] = False
            elif marker["name"] not in opened:
                yield f"{where}: section {marker['name']} ends but has not started"
            elif not opened.pop(marker["name"]):
                yield f"{where}: section {marker['name']} is empty"
        yield from (f"{path.relative_to(root).as_posix()}: section {name} never ends" for name in opened)


def snippets_are_used(root: Path, pages: list[Page]) -> Iterator[str]:
    """Every file in snippets/ and every section in it is shown by some page."""
    included = {name for page in pages for name in page.includes}
    files = {name.partition(":")[0] for name in included}
    for path in sorted((root / "snippets").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name not in files:
            yield f"{name} is on no page"
        for marker in map(SnippetPreprocessor.RE_SNIPPET_SECTION.match, path.read_text("utf-8").split("\n")):
            if marker and marker["type"] == "start" and f"{name}:{marker['name']}" not in included:
                yield f"section {name}:{marker['name']} is on no page"


def imports_are_shown(root: Path, pages: list[Page]) -> Iterator[str]:
    """What a section of a snippet uses is imported in a section of that file, so that a reader can copy it."""
    for path in sorted((root / "snippets").rglob("*.py")):
        text = path.read_text("utf-8")
        shown = _lines_in_sections(text)
        hidden: set[str] = set()
        for node in sorted(ast.walk(ast.parse(text)), key=lambda node: getattr(node, "lineno", 0)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bound = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
                if node.lineno in shown:
                    hidden -= bound
                elif not path.with_name(f"{getattr(node, 'module', '')}.py").exists():  # else an earlier step's code
                    hidden |= bound
            elif isinstance(node, ast.Name) and node.lineno in shown and node.id in hidden:
                hidden.remove(node.id)
                yield f"{path.relative_to(root).as_posix()} line {node.lineno}: {node.id} is imported outside of any section"


def _lines_in_sections(text: str) -> set[int]:
    """Return the numbers of the lines that lie in some section."""
    opened, found = 0, set()
    for number, line in enumerate(text.split("\n"), start=1):
        if marker := SnippetPreprocessor.RE_SNIPPET_SECTION.match(line):
            opened += 1 if marker["type"] == "start" else -1
        elif opened:
            found.add(number)
    return found


def snippets_are_plain(root: Path, pages: list[Page]) -> Iterator[str]:
    """What a page shows of a snippet holds no remark to the formatter or the linter."""
    for path in sorted((root / "snippets").rglob("*.py")):
        text = path.read_text("utf-8")
        shown = _lines_in_sections(text)
        for number, line in enumerate(text.split("\n"), start=1):
            if number in shown and re.search(r"#\s*(fmt|noqa|isort|ruff|type):?", line):
                yield f"{path.relative_to(root).as_posix()} line {number}: {line.strip()!r} is no business of a reader"


def same_names(root: Path, pages: list[Page]) -> Iterator[str]:
    """The same step has the same file and the same first section in every example that has a guide."""
    examples = {example_of(page.name) for page in pages if page.path.parent.name == "guides"}
    for name in sorted(examples):
        for file, section in STEPS:
            path = root / "snippets" / name / file
            if not path.exists() or f"[start:{section}]" not in path.read_text("utf-8"):
                yield f"snippets/{name}/{file}:{section} is missing: a guide takes the steps of the others"


def guides_and_examples_belong_together(root: Path, pages: list[Page]) -> Iterator[str]:
    """Every example has both its guides in every language, and every guide its example."""
    examples = {file.parent.name for file in (root / EXAMPLES).glob("*/example.toml")}
    wanted = {
        f"docs/{language}/guides/{name}{end}.md" for name in examples for language in LANGUAGES for end in SECTIONS
    }
    found = {page.name for page in pages if page.path.parent.name == "guides"}
    yield from (f"{name} is missing: an example has its pages" for name in sorted(wanted - found))
    yield from (f"{name}: there is no example {example_of(name)}" for name in sorted(found - wanted))


def guides_have_their_sections(root: Path, pages: list[Page]) -> Iterator[str]:
    """Every guide has the sections of the others, in their order."""
    for page in pages:
        if page.path.parent.name == "guides":
            wanted = SECTIONS[PROGRAM if page.path.stem.endswith(PROGRAM) else ""]
            found = [heading["anchor"] for heading in headings(page) if heading["anchor"] in wanted]
            yield from (f"{page}: the section #{anchor} is missing" for anchor in wanted if anchor not in found)
            if sorted(found, key=wanted.index) != found:
                yield f"{page}: the sections are not in the order of the other guides: {', '.join(found)}"


def _source_files(root: Path) -> list[Path]:
    return [path for folder in ("snippets", "src") for path in sorted((root / folder).rglob("*.py"))]


PAGE_RULES = (
    python_is_included,
    includes_resolve,
    fences_are_known,
    reasons_are_given,
    pictures_are_described,
    annotations_are_explained,
    listings_are_short,
    names_exist,
    commands_exist,
    front_matter_is_yaml,
    figures_differ,
    headings_have_anchors,
    headings_are_chinese,
    terms_are_those_of_the_glossary,
    links_say_where_they_lead,
)
LANGUAGE_RULES = (same_headings, same_includes, same_blocks, same_placeholders, compared_when_both_change)
PROJECT_RULES = (
    same_tree,
    sections_are_paired,
    snippets_are_used,
    imports_are_shown,
    snippets_are_plain,
    same_names,
    guides_and_examples_belong_together,
    guides_have_their_sections,
)
