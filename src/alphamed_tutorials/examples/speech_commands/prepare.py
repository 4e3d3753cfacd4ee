"""Make the nodes' data folders, from a folder of Speech Commands or from words that a small synthesiser speaks."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import TutorialError

from .dataset_verify import NAME, TEST_LIST, WORDS, DatasetVerify
from .synthesiser import speak_all


def prepare(
    out: Path, nodes: int, partition: Partition, seed: int, source: Path | None
) -> dict[str, dict[str, dict[str, int]]]:
    """Write each owner's training clips and the aggregator's test clips in Speech Commands' own layout.

    Nobody is heard in training and in the test. With the partition `owners`, nobody is on two nodes either.

    Args:
        out: The folder to write to.
        nodes: How many data owners there are.
        partition: How the training clips are dealt out to them.
        seed: Start of the partition's random numbers.
        source: A folder that holds Speech Commands, or None for the embedded voices.

    Returns:
        Number of clips by node, split and word.

    Raises:
        TutorialError: The files of `source` are missing or damaged, or cannot be dealt out so; nothing was written.
    """
    with open_source(source, out) as folder:
        clips = np.array(
            sorted(
                f"{word}/{path.name}"
                for word in WORDS
                for path in (folder / word).glob("*.wav")
            )
        )
        is_test = choose_test(folder, clips)
        train = clips[~is_test]
        labels, owners = (
            np.array(parts) for parts in zip(*(clip.split("/") for clip in train))
        )
        owners = np.array([speaker_of(name) for name in owners])
        parts = partition.split(labels, nodes, seed, owners)
        counts = {
            "aggregator": {
                "test": write_node(out / "nodes" / "aggregator", folder, clips[is_test])
            }
        }
        names = "".join(f"{clip}\n" for clip in clips[is_test])
        (out / "nodes" / "aggregator" / TEST_LIST).write_text(names, encoding="utf-8")
        for i, part in enumerate(parts, start=1):
            counts[f"node{i}"] = {
                "train": write_node(out / "nodes" / f"node{i}", folder, train[part])
            }
    return counts


@contextlib.contextmanager
def open_source(source: Path | None, out: Path) -> Iterator[Path]:
    """Give the folder of the source for as long as it is needed; its clips were found sound."""
    with contextlib.ExitStack() as stack:
        if source is None:
            out.mkdir(parents=True)  # on the same disk, so that clips can be linked
            source = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out)))
            speak_all(source)
        check(source)
        yield source


def check(folder: Path) -> None:
    """Refuse a source whose clips will not do."""
    verify = DatasetVerify("prepare", "source")
    verify.data_dir = str(folder)
    verify.required_splits = (
        ("train", "test") if (folder / TEST_LIST).exists() else ("train",)
    )
    ok, reason = verify.verify_data()
    if not ok:
        raise TutorialError(f"the source cannot be used:\n{reason}")


def speaker_of(name: str) -> str:
    """Return who speaks in a clip, by its file name."""
    return NAME.fullmatch(name)[1]


def choose_test(folder: Path, clips: np.ndarray) -> np.ndarray:
    """Return which clips are the test: those of the official list, else those of a fifth of the speakers."""
    if (folder / TEST_LIST).exists():
        return np.isin(clips, (folder / TEST_LIST).read_text(encoding="utf-8").split())
    speakers = np.array([speaker_of(clip.split("/")[1]) for clip in clips])
    names = sorted(
        set(speakers), key=lambda name: hashlib.sha1(name.encode()).hexdigest()
    )
    return np.isin(speakers, names[: len(names) // 5])


def write_node(node: Path, source: Path, clips: np.ndarray) -> dict[str, int]:
    """Put clips into a node's folder, linked where the disk can, and return the number of clips by word."""
    for word in WORDS:
        (node / word).mkdir(parents=True)
    for clip in clips:
        try:
            os.link(source / clip, node / clip)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(source / clip, node / clip)
    words = [clip.split("/")[0] for clip in clips]
    return {word: words.count(word) for word in WORDS}
