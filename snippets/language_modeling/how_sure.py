"""How sure is the perplexity? Draw the test articles again and again."""

from alphamed_tutorials import prepare, run
from alphamed_tutorials.examples.language_modeling.data import read_words
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler

prepare("language_modeling", "data", partition="owners", seed=1)
run(LanguageModelScheduler(max_rounds=1, seed=1), "data", seed=1, out="first-run")
words = read_words()

# --8<-- [start:bootstrap]
import re
from pathlib import Path

import torch
import torch.nn.functional as F

from alphamed_tutorials.examples.language_modeling.data import encode, tokenize
from alphamed_tutorials.examples.language_modeling.model import TransformerModel

model = TransformerModel(words).eval()
model.load_state_dict(torch.load("first-run/model.pt", weights_only=True))
text = Path("data/nodes/aggregator/wiki.test.tokens").read_text(encoding="utf-8")
losses = []  # one tensor an article: the loss of each of its words
for article in re.split(r"(?m)^ = [^=]+ = $", text)[1:]:
    tokens = encode(tokenize(article), words)
    if len(tokens) > 35:
        pieces = tokens.unfold(0, 36, 35)  # 35 words, and the one after them
        with torch.no_grad():
            logits = model(pieces[:, :-1]).flatten(0, 1)
        losses.append(F.cross_entropy(logits, pieces[:, 1:].flatten(), reduction="none"))


def interval(groups):
    """Draw as many groups as there are, with replacement, five hundred times."""
    sums = torch.tensor([group.sum() for group in groups])
    sizes = torch.tensor([len(group) for group in groups])
    draws = torch.randint(len(groups), (500, len(groups)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = means.exp().quantile(torch.tensor([0.025, 0.975]))
    return f"{len(groups)}: {low:.1f} to {high:.1f}"


torch.manual_seed(1)
every_word = torch.cat(losses)
print(f"perplexity {every_word.mean().exp():.1f}")
print("drawing articles,", interval(losses))
print("drawing words,", interval(every_word.split(1)))
# --8<-- [end:bootstrap]
