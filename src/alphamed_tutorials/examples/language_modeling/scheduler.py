"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

# --8<-- [end:imports]
from .data import build_dataloader, read_words, unigram_perplexity
from .model import TransformerModel


# --8<-- [start:scheduler]
# --8<-- [start:settings]
class LanguageModelScheduler(FedAvgScheduler):  # (1)!
    """Train `TransformerModel` by federated averaging.

    Args:
        max_rounds: Rounds to run.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator tests every so many rounds, and at both ends.
        involve_aggregator: The aggregator trains too, and needs training data.
        batch_size: Pieces of text in a batch.
        learning_rate: Step size of Adam.
        words: The vocabulary; the example's own if left out.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/wikitext-2"  # (2)!

    def __init__(
        self,
        max_rounds: int = 4,
        merge_epochs: int = 1,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        batch_size: int = 10,
        learning_rate: float = 0.001,
        words: Sequence[str] | None = None,
        seed: int = 0,
    ):
        super().__init__(
            max_rounds=max_rounds,
            merge_epochs=merge_epochs,
            log_rounds=log_rounds,
            involve_aggregator=involve_aggregator,
        )
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.words = list(words) if words else read_words()  # (3)!
        self.seed = seed

    # --8<-- [end:settings]
    # --8<-- [start:build]
    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)  # (4)!
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return TransformerModel(self.words).to(self.device)

    def build_optimizer(self, model: nn.Module) -> Optimizer:  # (5)!
        return Adam(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, "train", self.words, self.batch_size)

    def build_test_dataloader(self) -> DataLoader:  # (6)!
        return build_dataloader(self.data_dir, "test", self.words, self.batch_size)

    # --8<-- [end:build]
    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.model.train()
        total_loss = 0.0
        for tokens, targets in self.train_loader:
            tokens, targets = tokens.to(self.device), targets.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(tokens).flatten(0, 1), targets.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
            self.optimizer.step()
            total_loss += loss.item() * len(tokens)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:run_test]
    @torch.no_grad()
    def run_test(self) -> None:  # (7)!
        self.model.eval()
        total_loss, found = 0.0, []
        for tokens, targets in self.test_loader:
            tokens, targets = tokens.to(self.device), targets.to(self.device)
            scores = self.model(tokens).flatten(0, 1)
            loss = F.cross_entropy(scores, targets.flatten(), reduction="sum")
            total_loss += loss.item()
            found.append(targets.flatten())
        all_targets = torch.cat(found)
        perplexity = math.exp(total_loss / len(all_targets))
        self.tb_writer.add_scalar("test/perplexity", perplexity, self.current_round)
        unigram = unigram_perplexity(all_targets)
        self.tb_writer.add_scalar("test/unigram_perplexity", unigram, self.current_round)


# --8<-- [end:run_test]
# --8<-- [end:scheduler]
