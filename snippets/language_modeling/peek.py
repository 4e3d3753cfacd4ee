"""What a model without the causal mask seems to be able to do."""

from train_centralised import run_test, train_an_epoch

from alphamed_tutorials import prepare

prepare("language_modeling", "one-place", num_nodes=1, seed=1)

# --8<-- [start:peek]
import torch

from alphamed_tutorials.examples.language_modeling.data import (
    build_dataloader,
    read_words,
)
from alphamed_tutorials.examples.language_modeling.model import TransformerModel


class Peeking(TransformerModel):
    def forward(self, tokens):
        x = self.position(self.embedding(tokens) * self.scale)
        return self.decoder(self.encoder(x))  # no mask: the answer is in view


words = read_words()
torch.manual_seed(1)
peeking = Peeking(words)
optimizer = torch.optim.Adam(peeking.parameters(), lr=0.001)
train = build_dataloader("one-place/nodes/node1", "train", words)
test = build_dataloader("one-place/nodes/aggregator", "test", words)
for _ in range(2):
    train_an_epoch(peeking, train, optimizer, "cpu")
print(f"perplexity {run_test(peeking, test, 'cpu'):.1f}")
# --8<-- [end:peek]
