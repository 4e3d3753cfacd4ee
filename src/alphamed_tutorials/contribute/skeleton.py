"""Add an example to the project: another one's files and pages under a new name, and a mark where there is work to do."""

import ast
import itertools
import json
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from ..errors import WrongUse
from ..target import EXAMPLES
from .outline import outline

HOME = Path("src", EXAMPLES.parent.name, EXAMPLES.name)
OUTPUTS = Path("docs", "results", "outputs")
LANGUAGES = ("zh", "en")
PAGES = ("-program", "")  # how the names of an example's two pages end
TITLES = {
    "zh": {"-program": "看懂程序：{}", "": "改造示例：{}"},
    "en": {"-program": "Understand the program: {}", "": "Make it federated: {}"},
}
CONTRIBUTION = "tests/examples/contributions/{}.py"  # what the tests of every example want to know of this one
TESTS = {  # an example's own, and what its author has to do there
    "tests/examples/test_{}.py": "# TODO: a test for each hazard of the page's table that only this example can show\n",
    "tests/examples/test_{}_data.py": "# TODO: what the embedded data are, and every way in which these files may be damaged\n",
}
FACTS = (
    "# TODO: name, embedded, [[metric]], [[experiment]] and [[download]] are those of the example it was copied from"
)
STYLES = ("pyproject.toml", "snippets/ruff.toml", (HOME / "ruff.toml").as_posix())
KEPT = re.compile(r'https?://\S+|shared_data / "\w+"')  # a name there is not the example's


def add_example(root: Path, name: str, titles: dict[str, str], like: str = "mnist") -> list[Path]:
    """Write an example with its pages, snippets, recorded outputs and tests, all of it or nothing.

    Args:
        root: The repository.
        name: What the example is called.
        titles: What readers call it, in both languages.
        like: The example that it is copied from.

    Returns:
        The files that were written or changed, from the repository's folder.

    Raises:
        WrongUse: The name or a title will not do, something of the name exists, or there is no such example.
    """
    _refuse(root, name, titles, like)
    with tempfile.TemporaryDirectory(dir=root, prefix=".new-page-") as folder:
        stage = Path(folder)
        _copy_code(root, stage, name, like)
        _write_facts(root, stage, name, titles)
        _write_pages(root, stage, name, titles, like)
        _format(root, stage)
        _take_over_outputs(root, stage, name, like)
        _list_elsewhere(root, stage, name, titles, like)
        return _move(stage, root)


def _refuse(root: Path, name: str, titles: dict[str, str], like: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise WrongUse(f"{name!r} cannot be an example's name: take small letters, digits and _, as in heart_sounds")
    examples = sorted(file.parent.name for file in (root / HOME).glob("*/example.toml"))
    if like not in examples:
        raise WrongUse(f"there is no example {like}: --like takes one of {', '.join(examples)}")
    pages = [f"docs/{language}/guides/{name}{ending}.md" for language in LANGUAGES for ending in PAGES]
    for place in (
        f"{HOME}/{name}",
        f"snippets/{name}",
        *pages,
        *(test.format(name) for test in (*TESTS, CONTRIBUTION)),
    ):
        if (root / place).exists():
            raise WrongUse(f"{place} exists already and is left as it is: take another name")
    if not re.search("[\u4e00-\u9fff]", titles["zh"]):
        raise WrongUse("--title-zh needs a Chinese title")
    if any(set("{}[]|#\n") & set(title) or not title.strip() for title in titles.values()):
        raise WrongUse("a title is plain words: without brackets, |, # and line breaks")


def _renamed(root: Path, name: str, like: str) -> Callable[[str], str]:
    """Return a function that puts a new example's name, and its scheduler's, in place of the other's."""
    classes = ast.parse((root / HOME / like / "scheduler.py").read_text("utf-8")).body
    (scheduler,) = [node.name for node in classes if isinstance(node, ast.ClassDef) and node.name.endswith("Scheduler")]
    new = "".join(word.capitalize() for word in name.split("_")) + "Scheduler"
    names = re.compile(rf"(?P<kept>{KEPT.pattern})|(?<![A-Za-z]){like}(?![A-Za-z0-9_])|\b{scheduler}\b")

    def rename(text: str) -> str:
        return names.sub(lambda found: found["kept"] or (new if found[0] == scheduler else name), text)

    return rename


def _copy_code(root: Path, stage: Path, name: str, like: str) -> None:
    """Copy the example's folder, its snippets and its tests under the new name."""
    rename = _renamed(root, name, like)
    places = {HOME / like: HOME / name, Path("snippets", like): Path("snippets", name)}
    pairs = [
        (file, stage / new / file.relative_to(root / old))
        for old, new in places.items()
        for file in (root / old).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    ]
    tests = [test for test in (*TESTS, CONTRIBUTION) if (root / test.format(like)).exists()]
    pairs += [(root / test.format(like), stage / test.format(name)) for test in tests]
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in (".py", ".toml"):
            target.write_text(rename(source.read_text("utf-8")), "utf-8")
        else:
            shutil.copy(source, target)
    for test, mark in TESTS.items():
        with (stage / test.format(name)).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{mark}")


def _write_facts(root: Path, stage: Path, name: str, titles: dict[str, str]) -> None:
    """Give the example its own place in the reading order and its titles, and mark what its author has to say."""
    file = stage / HOME / name / "example.toml"
    orders = [tomllib.loads(path.read_text("utf-8"))["order"] for path in (root / HOME).glob("*/example.toml")]
    told = {("", "order"): str(max(orders) + 1)}
    told |= {("title", language): json.dumps(titles[language], ensure_ascii=False) for language in LANGUAGES}
    told |= {("card", language): '"TODO"' for language in LANGUAGES}
    told |= {("data", key): '"TODO"' for key in ("source", "licence")}
    table, lines = "", []
    for line in file.read_text("utf-8").split("\n"):
        table = line.strip("[]") if line.startswith("[") else table
        key = line.partition(" = ")[0]
        lines.append(f"{key} = {told[table, key]}" if (table, key) in told else line)
        lines += [FACTS] if line == "[data]" else []
    file.write_text("\n".join(lines), "utf-8")


def _write_pages(root: Path, stage: Path, name: str, titles: dict[str, str], like: str) -> None:
    rename = _renamed(root, name, like)
    for language in LANGUAGES:
        for ending in PAGES:
            place = Path("docs", language, "guides")
            heading = TITLES[language][ending].format(titles[language])
            anchor = f"{name}{ending}".replace("_", "-")
            text = rename((root / place / f"{like}{ending}.md").read_text("utf-8"))
            (stage / place).mkdir(parents=True, exist_ok=True)
            page = outline(text, f"# {heading} {{ #{anchor} }}", language)
            (stage / place / f"{name}{ending}.md").write_text(page, "utf-8")


def _format(root: Path, stage: Path) -> None:
    """Let the formatter wrap what another length of the name wants wrapped otherwise."""
    for style in STYLES:
        shutil.copy(root / style, stage / style)
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--no-cache", str(stage)]
    subprocess.run(command, check=True)
    for style in STYLES:
        (stage / style).unlink()


def _take_over_outputs(root: Path, stage: Path, name: str, like: str) -> None:
    """Keep what the other example's pages printed and drew, block by block: the code is the same but for names."""
    from outputs import key, name_of, pictures_of, read
    from pages import Page

    rename = _renamed(root, name, like)
    for ending in PAGES:
        kept: dict[str, dict] = {}
        target = stage / OUTPUTS / "guides" / f"{name}{ending}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        for language in LANGUAGES:
            guides = Path("docs", language, "guides")
            old = Page(root / guides / f"{like}{ending}.md", root)
            new = Page(stage / guides / f"{name}{ending}.md", stage)
            recording = read(old)
            for before, after in zip(old.blocks, new.blocks, strict=True):
                if key(before) not in recording["blocks"]:
                    continue
                output = recording["blocks"][key(before)]
                kept[key(after)] = output | {"printed": rename(output["printed"])}
                if drawn := output.get("pictures"):
                    names = [f"{key(after)[:4]}-{Path(picture).name}" for picture in pictures_of(after)]
                    kept[key(after)]["pictures"] = names
                    for tongue, (picture, new_name) in itertools.product(LANGUAGES, zip(drawn, names, strict=True)):
                        folder = target.with_suffix("") / tongue
                        folder.mkdir(parents=True, exist_ok=True)
                        shutil.copy(root / OUTPUTS / name_of(old) / tongue / picture, folder / new_name)
        target.write_text(json.dumps(recording | {"blocks": kept}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _list_elsewhere(root: Path, stage: Path, name: str, titles: dict[str, str], like: str) -> None:
    """Add the example to what lists every one: the licences, and the table of the learning path."""
    facts = tomllib.loads((stage / HOME / name / "example.toml").read_text("utf-8"))["data"]
    notice = (root / "NOTICE").read_text("utf-8")
    entry = "".join(
        f"{label:19} {text}\n" for label, text in ((name, facts["name"]), ("", facts["source"]), ("", facts["licence"]))
    )
    head, parts, rest = notice.partition("\nParts of them that this project contains\n")
    carried = rf"(?m)^{HOME.as_posix()}/{like}/.*\n(?: .*\n)+"
    rest = re.sub(carried, lambda found: found[0] + found[0].replace(f"/{like}/", f"/{name}/"), rest)
    (stage / "NOTICE").write_text(head + entry + parts + rest, "utf-8")
    for language in LANGUAGES:
        page = Path("docs", language, "learning-path.md")
        lines = (root / page).read_text("utf-8").split("\n")
        (stage / page).write_text("\n".join(_with_column(lines, name, titles[language], like)), "utf-8")


def _with_column(lines: list[str], name: str, title: str, like: str) -> list[str]:
    """Return the learning path with a column for the example, whose links lead where the other's first ones lead."""
    link = re.compile(rf"\[[^]]+\]\(guides/{like}-program\.md#([\w-]+)\)")
    rows = [index for index, line in enumerate(lines) if re.match(r"\| \d\. .*-program\.md#", line)]
    found = list(lines)
    found[rows[0] - 2] += f' {title} {{ style="min-width:5.5rem" }} |'
    found[rows[0] - 1] += "---|"
    for row in rows:
        anchor = next(link.finditer(lines[row]))[1]
        found[row] += f" [TODO](guides/{name}-program.md#{anchor}) |"
    return found


def _move(stage: Path, root: Path) -> list[Path]:
    """Put what was written where it belongs; take all of it back if that fails halfway."""
    files = sorted(file.relative_to(stage) for file in stage.rglob("*") if file.is_file())
    before = {file: (root / file).read_bytes() if (root / file).exists() else None for file in files}
    folders = {folder for file in files for folder in file.parents if not (root / folder).exists()}
    moved = []
    try:
        for file in files:
            (root / file.parent).mkdir(parents=True, exist_ok=True)
            moved.append(file)
            os.replace(stage / file, root / file)
    except BaseException:
        for file in moved:
            content = before[file]
            if content is None:
                (root / file).unlink(missing_ok=True)
            else:
                (root / file).write_bytes(content)
        for folder in sorted(folders, reverse=True):  # the deepest first
            shutil.rmtree(root / folder, ignore_errors=True)
        raise
    return files
