"""What one more guide costs the build of the site: processor seconds, MB of the site, bytes of the search index.

A copy of the project gets 10, 50 and 200 more guides in each language, with what their code printed and drew. They are
the real guides in turn, under other names; as every guide, each has a notebook, so that it makes two pages. What is left
beside them, the pages of the project as it is, is built without them first: the fixed part.

    python benchmarks/site.py --json
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("docs", "hooks", "snippets", "src")  # what a build reads
LANGUAGES = {"zh": "mkdocs.yml", "en": "mkdocs.en.yml"}
NUM_GUIDES = (10, 50, 200)
OUTPUTS = Path("docs", "results", "outputs", "guides")


def copy_project(folder: Path) -> None:
    """Copy what a build of the site reads."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for config in ROOT.glob("mkdocs*.yml"):
        shutil.copy(config, folder)


def add_guides(root: Path, num_guides: int) -> None:
    """Add copies of the real guides to a copy of the project."""
    guides = sorted(file.stem for file in (root / "docs" / "zh" / "guides").glob("*.md"))
    for number, guide in zip(range(num_guides), itertools.cycle(guides)):
        name = f"copy{number:03}-{guide}"
        for language in LANGUAGES:
            pages = root / "docs" / language / "guides"
            shutil.copy(pages / f"{guide}.md", pages / f"{name}.md")
        shutil.copy(root / OUTPUTS / f"{guide}.json", root / OUTPUTS / f"{name}.json")
        if (root / OUTPUTS / guide).is_dir():
            shutil.copytree(root / OUTPUTS / guide, root / OUTPUTS / name)


def build(root: Path, site: Path) -> float:
    """Build both languages and return the processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for language, config in LANGUAGES.items():
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--config-file", str(root / config)]
        out = site if language == "zh" else site / language
        subprocess.run([*command, "--site-dir", str(out)], check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(num_guides: int) -> dict[str, float]:
    """Return what the site takes with that many guides more in each language."""
    with tempfile.TemporaryDirectory() as folder:
        root, site = Path(folder, "project"), Path(folder, "site")
        copy_project(root)
        add_guides(root, num_guides)
        seconds = build(root, site)
        files = [file for file in site.rglob("*") if file.is_file()]
        return {
            "cpu_seconds": round(seconds, 1),
            "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 1),
            "index_bytes": sum(file.stat().st_size for file in site.rglob("search/*.js")),
        }


def a_page(found: dict[str, float], fixed: dict[str, float], num_guides: int) -> dict[str, float]:
    """Return what each page costs that was added: in each language a guide, and its notebook."""
    pages = num_guides * len(LANGUAGES) * 2
    return {name: round((found[name] - fixed[name]) / pages, 3) for name in found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--guides", type=int, nargs="+", default=NUM_GUIDES, metavar="N", help="more in each language")
    arguments = parser.parse_args()
    fixed = measure(0)
    result = {"fixed": fixed, "guides": {}}
    if not arguments.json:
        print(f"the project as it is: {fixed}", flush=True)
    for number in arguments.guides:
        found = measure(number)
        result["guides"][str(number)] = found | {"a_page": a_page(found, fixed, number)}
        if not arguments.json:
            print(f"{number:3} guides more: {result['guides'][str(number)]}", flush=True)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
