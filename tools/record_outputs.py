"""Record what the code blocks of the pages print and draw, for both languages and for the notebooks.

    python tools/record_outputs.py [PAGE ...]      (`make outputs` records all; a page is named as `guides/mnist`)

A page's blocks run as one program, as its reader would run them. Pictures are drawn in both languages (drawing/); that
needs a font with Chinese characters. What is recorded stays as it is where the new run, with the same versions, prints the
same but for what `difference` lets pass.

Another kind of processor rounds otherwise, and training may take another course there: after one epoch of the detector
AP50 was 0.65 with one set of instructions and 0.41 with another. A block that prints other numbers here than where its
page was recorded is marked for that (DEPENDS), and the mark stays as long as the block; every other block has to print the
same on any processor. One machine can play another, with the oldest instructions:

    ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41 make outputs

Then the next `make outputs` marks what comes out otherwise with its own.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from outputs import key, name_of, pictures_of, read, recording_of
from pages import RUN_LANGUAGES, Block, Line, Page, find_pages

MARK = "\x1e"  # stands in the output where a block ends
MARKS = {"python": f'__name__ == "__main__" and print({MARK!r}, flush=True)', "sh": f"printf '{MARK}\\n'"}
COMMANDS = {"python": [sys.executable, "page.py"], "sh": ["bash", "-Eeuo", "pipefail", "page.sh"]}
ENVIRONMENT = {"COLUMNS": "80", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
SECONDS = re.compile(r"\b\d+(?:\.\d+)?(?= ?(?:s|ms|秒|seconds?|GiB)\b)")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?%?")
TOLERANCE = 0.05  # of shares, numbers with a decimal point and big ones: training differs a little between processors
BIG = 1000  # whole numbers below are compared as they are, such as counts of samples; file sizes are above
DRAWING = Path(__file__).parent / "drawing"
DEPENDS = "numbers_depend_on_processor"
INSTRUCTIONS = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")  # with fewer of them it is another processor
NEAR_ZERO = 1e-4  # smaller differences between two computations are both nothing


def program(blocks: list[Block]) -> list[Line]:
    """Return blocks as one program that prints a mark after each of them."""
    return [line for block in blocks for line in (*block.lines, Line(MARKS[block.language], 0))]


def split(printed: str) -> list[str]:
    """Return what each block of a program printed."""
    return re.split(f"{MARK}\n", printed)[:-1]


def processor() -> str:
    """Return a short name of the kind of processor: with the same one, the same program prints the same digits."""
    kept = ("vendor_id", "cpu family", "model", "stepping", "cache size", "flags")
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").split("\n\n")[0].split("\n") if file.exists() else [platform.processor()]
    facts = [line for line in lines if line.partition("\t")[0].strip() in kept] or lines
    facts += [f"{name}={os.environ[name]}" for name in INSTRUCTIONS if name in os.environ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def difference(recorded: str, printed: str, any_numbers: bool = False) -> str:
    """Say where two outputs differ; nothing where they are the same but for seconds, spaces and the last digits.

    With `any_numbers` only the number of lines has to agree, and half of the lines but for numbers: a model that took
    another course names other classes, too.
    """
    old, new = recorded.rstrip().split("\n"), printed.rstrip().split("\n")
    if any_numbers and len(old) == len(new):
        alike = sum(_words(one) == _words(other) for one, other in zip(_without_seconds(old), _without_seconds(new)))
        return "" if alike >= len(old) // 2 else f"only {alike} of {len(old)} lines have the words that were recorded"
    for before, now, one, other in zip(old, new, _without_seconds(old), _without_seconds(new), strict=False):
        if _words(one) != _words(other) or not all(map(_near, NUMBER.findall(one), NUMBER.findall(other))):
            return f"recorded:\n  {before}\nnow:\n  {now}"
    return "" if len(old) == len(new) else f"{len(old)} lines were recorded, and there are {len(new)} now"


def _without_seconds(lines: list[str]) -> list[str]:
    """Return lines without what a clock said: numbers before a unit, and a table's last column where it is so called."""
    found, timed = [], False
    for line in lines:
        timed = (timed or bool(re.search(r"seconds\s*┃$", line))) and not line.startswith("└")
        line = SECONDS.sub("", line)
        found.append(re.sub(r"[\d.]+(?=\s*│$)", "", line) if timed else line)
    return found


def _words(line: str) -> list[str]:
    """Return what stands between a line's numbers; spaces and frames, which fit themselves to numbers, count once."""
    return re.sub(r"[ ─━═]+", " ", NUMBER.sub("\0", line)).split()


def _near(one: str, other: str) -> bool:
    first, second = float(one.rstrip("%")), float(other.rstrip("%"))
    if one.lstrip("-").isdigit() and other.lstrip("-").isdigit() and max(abs(first), abs(second)) < BIG:
        return first == second
    near_zero = max(abs(first), abs(second)) < NEAR_ZERO
    return near_zero or abs(first - second) <= TOLERANCE * max(abs(first), 1)


def run(blocks: list[Block], folder: Path, twins: Path) -> list[str]:
    """Run blocks of one language as a program in a folder and return what each printed; paths there are cut short.

    The Chinese twins of the pictures it draws go into a folder of their own.
    """
    language = blocks[0].language
    command = COMMANDS[language]
    folder.joinpath(command[-1]).write_text("".join(f"{line.text}\n" for line in program(blocks)), "utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    modules = os.pathsep.join([str(DRAWING), os.environ.get("PYTHONPATH", "")])
    variables = ENVIRONMENT | {"PATH": path, "PYTHONPATH": modules, "TWINS": str(twins)}
    errors = subprocess.PIPE if language == "python" else subprocess.STDOUT  # libraries warn there; a shell talks there
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the {language} blocks end with exit status {done.returncode}:\n{done.stdout}{done.stderr}")
    return [printed.replace(str(folder), "…") for printed in split(done.stdout)]


def record(pages: list[Page]) -> None:
    """Run a page's blocks and write down what they print and draw.

    Args:
        pages: The page in each of its languages; code that is the same in both runs once.
    """
    from alphamed_tutorials.runs.machine import machine, versions

    path, old, started = recording_of(pages[0]), read(pages[0]), time.monotonic()
    before, elsewhere = old["blocks"], old["recorded"].get("processor") != processor()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch, "pictures")
        pictures.mkdir()
        blocks: dict[str, dict] = {}
        for language in RUN_LANGUAGES:
            blocks |= _recorded(pages, language, before, elsewhere, pictures)
        kept = path.with_suffix("")
        same_versions = old["recorded"].get("versions") == versions()
        if blocks == before and _files(pictures) == _files(kept) and same_versions:
            return
        shutil.rmtree(kept, ignore_errors=True)
        if any(pictures.iterdir()):
            shutil.copytree(pictures, kept)
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started, 1),
        "machine": machine(),
        "processor": processor(),
        "versions": versions(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"recorded": facts, "blocks": blocks}, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _files(folder: Path) -> set[tuple[Path, bytes]]:
    """Return a folder's pictures with their sizes: of other sizes are those that other code has drawn."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {(path.relative_to(folder), path.read_bytes()[16:24]) for path in found}


def _recorded(
    pages: list[Page], language: str, before: dict[str, dict], elsewhere: bool, pictures: Path
) -> dict[str, dict]:
    """Return what the blocks of one kind print, by their keys, and put what they draw into a folder, by language."""
    recorded = {}
    for blocks in {tuple(map(key, found)): found for page in pages if (found := page.program(language))}.values():
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as twins:
            for block, printed in zip(blocks, run(blocks, Path(folder), Path(twins)), strict=True):
                entry = recorded[key(block)] = _entry(before.get(key(block), {}), printed, elsewhere)
                drawn = {f"{key(block)[:4]}-{Path(name).name}": Path(folder, name) for name in pictures_of(block)}
                for name, picture in drawn.items():
                    _keep(picture, Path(twins), pictures, name)
                if drawn:
                    entry["pictures"] = list(drawn)
    return recorded


def _entry(old: dict, printed: str, elsewhere: bool) -> dict:
    """Return what is kept of a block: what it prints, and a mark if another processor printed it with other numbers.

    Args:
        old: What is kept of it now; empty for a new block.
        printed: What it printed this time.
        elsewhere: What is kept was printed by another processor.
    """
    before = old.get("printed", "")
    differs = difference(before, printed)
    entry = {"printed": printed if differs else before}
    if DEPENDS in old or (before and elsewhere and differs and not difference(before, printed, any_numbers=True)):
        entry[DEPENDS] = True
    return entry


def _keep(picture: Path, twins: Path, folder: Path, name: str) -> None:
    """Copy a picture and its Chinese twin; one that matplotlib did not draw has no words, and is its own twin."""
    twin = twins / hashlib.sha256(picture.read_bytes()).hexdigest()
    for language, file in {"en": picture, "zh": twin if twin.exists() else picture}.items():
        folder.joinpath(language).mkdir(exist_ok=True)
        shutil.copy(file, folder / language / name)


def pages_by_name() -> dict[str, list[Page]]:
    """Return the pages with code that runs, each with its languages together."""
    found: dict[str, list[Page]] = {}
    for page in find_pages():
        if any(block.runs for block in page.blocks):
            found.setdefault(name_of(page), []).append(page)
    return found


if __name__ == "__main__":
    known = pages_by_name()
    for name in sys.argv[1:] or known:
        print(f"{name} …", flush=True)
        record(known[name])
