"""Text of 59 words, each with a favourite successor: a network can learn it, and counting words cannot."""

import random
from pathlib import Path

from alphamed_tutorials.examples.language_modeling.data import read_words
from alphamed_tutorials.runs.folder import Run

from . import Contribution

WORDS = ["<unk>", *[word for word in read_words() if word.isalpha()][:59]]


def write_text(folder: Path) -> None:
    """Write articles of ten paragraphs: 6,000 words for training and 1,000 for testing."""
    folder.mkdir(parents=True)
    draw, index = random.Random(0), 1
    for split, articles in (("train", 12), ("test", 2)):
        text = ""
        for number in range(articles):
            text += f" \n = Report {split} {number} = \n \n"
            for _ in range(10):
                paragraph = []
                for _ in range(50):
                    index = index % 59 + 1 if draw.random() < 0.8 else draw.randint(1, 59)
                    paragraph.append(WORDS[index])
                text += f" {' '.join(paragraph)} \n"
        (folder / f"wiki.{split}.tokens").write_text(text, encoding="utf-8")


def knows_successors(run: Run) -> bool:
    """Return whether the run knows what no count of words can, and no more than 80 % certainty allows."""
    perplexity = run.metrics["test/perplexity"]
    return 2.5 < perplexity < 0.5 * run.metrics["test/unigram_perplexity"]  # lower would be leakage


CONTRIBUTION = Contribution(
    make_source=write_text,
    learning={"max_rounds": 4, "merge_epochs": 4, "words": WORDS},
    has_learned=knows_successors,
)
