"""Read Speech Commands, or words that a small synthesiser speaks, and link a node's share of the clips."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from .dataset_verify import (
    TEST_LIST,
    WORDS,
    DataError,
    check_split,
    list_clips,
    read_test_list,
    speaker_of,
)
from .synthesiser import speak_all


def read(source: Path | None, scratch: Path) -> dict[str, dict]:
    """Return training and test clips with their words; owners are the speakers.

    Nobody is heard in training and in the test.

    Args:
        source: A folder that holds Speech Commands, or None for the embedded voices.
        scratch: An empty folder for the embedded voices.

    Raises:
        DataError: The clips of `source` are missing or damaged.
    """
    if source is None:
        speak_all(scratch)
        source = scratch
    check(source)
    clips = sorted(list_clips(source, "train") + list_clips(source, "test"))
    is_test = choose_test(source, clips)
    train = [clip for clip in clips if clip not in is_test]
    test = [clip for clip in clips if clip in is_test]
    samples = {
        split: {"items": items, "labels": [clip.parent.name for clip in items]}
        for split, items in (("train", train), ("test", test))
    }
    samples["train"]["owners"] = list(map(speaker_of, train))
    return samples


def write(
    folder: Path, split: str, items: Sequence[Path], link: Callable[[Path, Path], None]
) -> dict[str, int]:
    """Put clips into folders by word, and the list of test clips; return clips by word."""
    for word in WORDS:
        (folder / word).mkdir()
    for clip in items:
        link(clip, folder / clip.parent.name / clip.name)
    if split == "test":
        lines = "".join(f"{clip.parent.name}/{clip.name}\n" for clip in items)
        (folder / TEST_LIST).write_text(lines, encoding="utf-8")
    counts = Counter(clip.parent.name for clip in items)
    return {word: counts[word] for word in WORDS}


def check(folder: Path) -> None:
    """Refuse a source whose clips will not do."""
    has_test = (folder / TEST_LIST).exists()
    problems = []
    for split in ("train", "test") if has_test else ("train",):
        try:
            check_split(folder, split)
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)


def choose_test(folder: Path, clips: Sequence[Path]) -> set[Path]:
    """Return the clips of the official test list, else those of a fifth of the speakers."""
    if (folder / TEST_LIST).exists():
        return read_test_list(folder)
    speakers = sorted(
        set(map(speaker_of, clips)),
        key=lambda name: hashlib.sha1(name.encode()).hexdigest(),
    )
    chosen = set(speakers[: len(speakers) // 5])
    return {clip for clip in clips if speaker_of(clip) in chosen}
