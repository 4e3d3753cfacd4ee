"""From the text in a node's folder to batches of word indices."""

# --8<-- [start:imports]
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

# --8<-- [end:imports]
from .dataset_verify import read_text

# --8<-- [start:tokenize]
UNKNOWN = "<unk>"  # index 0, for every word that is not in the vocabulary


def tokenize(line: str) -> list[str]:
    """Split a line into lower-case words and marks, as torchtext's `basic_english` did."""
    line = line.lower().replace('"', "").replace("<br />", " ")
    line = re.sub(r"([.,'()!?])", r" \1 ", line)
    return re.sub("[;:]", " ", line).split()


def read_tokens(file: Path) -> list[str]:
    """Return the tokens of a text file, one line after another."""
    return [token for line in read_text(file).split("\n") for token in tokenize(line)]


# --8<-- [end:tokenize]


# --8<-- [start:vocabulary]
def build_vocabulary(tokens: Iterable[str], size: int) -> list[str]:
    """Return the unknown word and the most frequent ones, `size` in all, by index."""
    counts = Counter(token for token in tokens if token != UNKNOWN)
    # Equally frequent words: by the alphabet.
    by_count = sorted(counts, key=lambda word: (-counts[word], word))
    return [UNKNOWN, *by_count[: size - 1]]


def encode(tokens: Iterable[str], words: Sequence[str]) -> torch.Tensor:
    """Return the indices [T] of tokens."""
    indices = {word: index for index, word in enumerate(words)}
    return torch.tensor([indices.get(token, 0) for token in tokens])


# --8<-- [end:vocabulary]


def read_words() -> list[str]:
    """Return the vocabulary that comes with this example: 4,000 words of WikiText-2's validation text."""
    return (
        Path(__file__)
        .with_name("vocabulary.txt")
        .read_text(encoding="utf-8-sig")
        .splitlines()
    )


# --8<-- [start:dataset]
class TextDataset(Dataset):
    """Hand out pieces of a text, each with the same piece one word later.

    Args:
        data_dir: A node's data folder, holding `wiki.<split>.tokens`.
        split: `train`, `valid` or `test`.
        words: The vocabulary.
        length: Words in a piece.
    """

    def __init__(
        self, data_dir: str | Path, split: str, words: Sequence[str], length: int = 35
    ):
        self.tokens = encode(read_tokens(Path(data_dir) / f"wiki.{split}.tokens"), words)
        self.length = length

    def __len__(self) -> int:
        return (len(self.tokens) - 1) // self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return words [length], and the word that follows each of them [length]."""
        start = index * self.length
        piece = self.tokens[start : start + self.length + 1]
        return piece[:-1], piece[1:]


def build_dataloader(
    data_dir: str | Path,
    split: str,
    words: Sequence[str],
    batch_size: int = 10,
    length: int = 35,
) -> DataLoader:
    """Return batches of ([N, length], [N, length]), for training in a new order."""
    dataset = TextDataset(data_dir, split, words, length)
    return DataLoader(dataset, batch_size=batch_size, shuffle=split == "train")


# --8<-- [end:dataset]


# --8<-- [start:unigram]
def unigram_perplexity(tokens: torch.Tensor) -> float:
    """Return the lowest perplexity that a model without context can have on these tokens."""
    shares = tokens.unique(return_counts=True)[1].double() / tokens.numel()
    return torch.exp(-(shares * shares.log()).sum()).item()


# --8<-- [end:unigram]


def sample_inputs(data_dir: str | Path, count: int) -> torch.Tensor:
    """Return the first pieces [count, 35] of the test text, as `Predictor` takes them."""
    dataset = TextDataset(data_dir, "test", read_words())
    return torch.stack([dataset[index][0] for index in range(min(count, len(dataset)))])
