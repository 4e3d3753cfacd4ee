"""Verification, training, `prepare` and export agree on which files there are and how they are read.

Data of every example are damaged at random, always in the same ways: whenever verification says yes, one epoch of the
loader, the samples for an export and `prepare` work; whenever it says no, each line names what is wrong and where.
"""

import gzip
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from contributions import contribution_of
from tasks import at
from verifying import NODE, check

from alphamed_tutorials.catalogue import Target
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.errors import TutorialError

FEW, MANY = 40, 400  # mutations of each example
KEPT = 3  # files of each folder
LEAST = b"too short for anything"


def put(file: Path, content: bytes) -> None:
    """Write a file anew: the others share its bytes."""
    file.unlink()
    file.write_bytes(content)


def overwrite(file: Path, draw: random.Random, within: int) -> None:
    """Overwrite up to four bytes: some number of a header gets another value."""
    content = bytearray(file.read_bytes())
    place, count = draw.randrange(max(1, min(within, len(content)))), draw.choice((1, 1, 2, 4))
    value = draw.choice((b"\0", b"\xff", b"\x7f", b"\1", draw.randbytes(1)))
    content[place : place + count] = value * len(content[place : place + count])
    put(file, bytes(content))


def resize(file: Path, draw: random.Random) -> None:
    content = file.read_bytes()
    lengths = (0, 1, len(content) // 2, len(content) - 1, len(content) - 2, draw.randrange(len(content) + 1))
    more = draw.choice((b"\0", b"\xff\xff", b"\n", draw.randbytes(30)))
    put(file, content + more if draw.random() < 0.3 else content[: max(0, draw.choice(lengths))])


def recode(file: Path, draw: random.Random) -> None:
    content = file.read_bytes()
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode("latin-1").encode("utf-16"),
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: gzip.decompress(content) if content[:2] == b"\x1f\x8b" else gzip.compress(content),
        lambda: b"<!DOCTYPE html><p>Please log in",
        lambda: bytes(len(content)),
        lambda: content * 2,
    )
    put(file, draw.choice(ways)())


NAMES: tuple[Callable[[str], str], ...] = (
    lambda name: f"._{name}",
    lambda name: f".{name}",
    lambda name: name.upper(),
    lambda name: name.removesuffix(".gz"),
    lambda name: name.replace("-idx", ".idx"),
    lambda name: f"{name}.txt",
    lambda name: f"{name}.gz",
    lambda name: f"copy of {name}",
    lambda name: f"\ufeff{name}",
    lambda name: f"a\x1b[31m{name}",
    lambda name: f"00{name[2:]}",
    lambda name: name.replace("0", "1", 1),
    lambda name: os.fsdecode("蚂蚁".encode("gbk")) + name,
    lambda name: name.replace(".", "\\", 1),
    lambda name: "Thumbs.db",
    lambda name: "desktop.ini",
)


def rename(file: Path, draw: random.Random) -> None:
    target = file.with_name(draw.choice(NAMES)(file.name))
    draw.choice((shutil.move, shutil.copy))(file, target) if target != file else file.unlink()


def litter(file: Path, draw: random.Random) -> None:
    """Leave a file that is none of the data's beside them, as systems and people do."""
    target = file.with_name(draw.choice(NAMES)(file.name))
    if target != file:
        target.unlink(missing_ok=True)
        target.write_bytes(LEAST)


def replace_by_folder(file: Path, draw: random.Random) -> None:
    file.unlink()
    (file / "inside").mkdir(parents=True)


def exchange(file: Path, draw: random.Random) -> None:
    others = [other for other in file.parent.parent.rglob("*") if other.is_file()]
    put(file, draw.choice(others).read_bytes())


def remove_folder(file: Path, draw: random.Random) -> None:
    """Remove the folder that a file lies in, or give it another name."""
    if draw.random() < 0.5 or file.parent.name == "node":
        shutil.rmtree(file.parent)
    else:
        file.parent.rename(file.parent.with_name(file.parent.name + draw.choice((".old", " ", "2"))))


MUTATIONS: tuple[Callable[[Path, random.Random], object], ...] = (
    *[lambda file, draw: overwrite(file, draw, 64)] * 5,
    *[lambda file, draw: overwrite(file, draw, 1 << 30)] * 2,
    *[resize, recode, exchange] * 2,
    *[rename, litter] * 4,
    replace_by_folder,
    remove_folder,
    lambda file, draw: file.unlink(),
    lambda file, draw: put(file, LEAST),
)


@pytest.fixture(scope="session")
def whole(small, example, tmp_path_factory) -> Path:
    """Return a few training and test samples of an example in one folder."""
    home = tmp_path_factory.mktemp(example.name)
    for node in ("node1", "aggregator"):
        part = shutil.copytree(small / "nodes" / node, home / node)
        for place in [part, *(path for path in part.rglob("*") if path.is_dir())]:
            for file in sorted(path for path in place.iterdir() if path.is_file())[KEPT:]:
                file.unlink()
        for file in part.glob("*.txt"):  # a list of files: of those that are left
            lines = file.read_text("utf-8").splitlines()
            file.write_text("".join(f"{line}\n" for line in lines if (part / line).exists()), "utf-8")
        shutil.copytree(part, home / "whole", dirs_exist_ok=True)
    assert check(example.verify_class, home / "whole", ("train", "test"))[0]
    return home / "whole"


def disagreements(example: Target, node: Path, work: Path, with_prepare: bool) -> tuple[bool, list[str]]:
    """Return what verification says of a folder, and what does not fit that."""
    ok, text = check(example.verify_class, node, ("train", "test"))
    if not ok:
        lines = [line for line in text.splitlines() if " more problems (" not in line]
        named = [line.startswith(f"{NODE}: {node}") and "意外错误" not in line for line in lines]
        return ok, [line for line, is_named in zip(lines, named) if not is_named] if lines else ["no reason"]
    found = []
    steps: dict[str, Callable[[], object]] = {
        "epoch": lambda: list(at(example, node, **contribution_of(example.name).loading).build_train_dataloader()),
        "export": lambda: example.member("data", "sample_inputs")(node, 2),
    }
    if with_prepare:
        steps["prepare"] = lambda: prepare(example, work / "prepared", 1, source=node)
    for name, step in steps.items():
        try:
            step()
        except TutorialError as error:
            found += [f"{name}: {error}"] if "samples cannot be split" not in str(error) else []
        except Exception as error:
            found.append(f"{name}: {type(error).__name__}: {error}")
    shutil.rmtree(work / "prepared", ignore_errors=True)
    return ok, found


def mutate(example: Target, whole: Path, work: Path, numbers: range) -> Counter:
    """Try mutations; return how often verification said yes and no."""
    verdicts: Counter[bool] = Counter()
    for number in numbers:
        draw, node = random.Random(f"{example.name} {number}"), work / "node"
        shutil.copytree(whole, node, copy_function=os.link)
        changed = []
        for _ in range(draw.choice((1, 1, 1, 2))):
            files = sorted(path for path in node.rglob("*") if path.is_file())
            if files:
                kind = draw.choice(sorted({file.suffix for file in files}))
                changed.append(draw.choice([file for file in files if file.suffix == kind]))
                draw.choice(MUTATIONS)(changed[-1], draw)
        ok, found = disagreements(example, node, work, with_prepare=number % 4 == 0)
        assert not found, f"mutation {number} of {[str(file.relative_to(node)) for file in changed]}, ok={ok}: {found}"
        verdicts[ok] += 1
        shutil.rmtree(node, ignore_errors=True)
    print(f"{example.name}: {sum(verdicts.values())} mutations, {verdicts[True]} yes, {verdicts[False]} no")
    return verdicts


def test_verification_training_export_and_prepare_agree(example, whole, tmp_path):
    verdicts = mutate(example, whole, tmp_path, range(FEW))
    assert verdicts[True] > FEW // 20 and verdicts[False] > FEW // 4  # the mutations are of both kinds


@pytest.mark.soak
def test_they_agree_whatever_happens(example, whole, tmp_path):
    mutate(example, whole, tmp_path, range(MANY))
