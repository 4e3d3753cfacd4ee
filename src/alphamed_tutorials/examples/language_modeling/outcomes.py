"""How well the model predicts each test article; only recorded results need this, it is not uploaded."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from .data import tokenize
from .dataset_verify import read_text
from .prepare import articles


@torch.no_grad()
def outcomes(scheduler: Any) -> list[tuple[float, int]]:
    """Return (loss summed over its words, words) for each test article: the words of one article are not independent."""
    losses = []
    for tokens, targets in scheduler.test_loader:
        logits = scheduler.model(tokens).flatten(0, 1)
        losses.append(F.cross_entropy(logits, targets.flatten(), reduction="none"))
    text = read_text(Path(scheduler.data_dir) / "wiki.test.tokens")
    lengths = [sum(len(tokenize(line)) for line in article) for article in articles(text)]
    article = torch.repeat_interleave(torch.tensor(lengths))[
        1:
    ]  # the text's first word is nobody's target
    all_losses = torch.cat(losses).double()
    article = article[
        : len(all_losses)
    ]  # what is left over after the last whole piece is not tested
    total = torch.zeros(len(lengths)).double().index_add(0, article, all_losses)
    count = torch.bincount(article, minlength=len(lengths))
    return [(loss, words) for loss, words in zip(total.tolist(), count.tolist()) if words]


def metric(found: Sequence[tuple[float, int]]) -> float:
    """Return the perplexity of articles."""
    return math.exp(sum(loss for loss, _ in found) / sum(words for _, words in found))
