"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import math

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

# --8<-- [end:imports]
from .data import augment, build_dataloader
from .model import M5, WORDS


# --8<-- [start:scheduler]
# --8<-- [start:settings]
class SpeechCommandsScheduler(FedAvgScheduler):  # (1)!
    """Train `M5` by federated averaging.

    Args:
        max_rounds: Rounds to run.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator tests every so many rounds, and at both ends.
        involve_aggregator: The aggregator trains too, and needs training data.
        batch_size: Clips in a batch.
        learning_rate: Step size of Adam at first; it falls along half a cosine.
        weight_decay: Weight decay of Adam.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/speech_commands"  # (2)!

    def __init__(
        self,
        max_rounds: int = 20,
        merge_epochs: int = 4,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        batch_size: int = 32,
        learning_rate: float = 0.005,
        weight_decay: float = 1e-4,
        seed: int = 0,
    ):
        super().__init__(  # (3)!
            max_rounds=max_rounds,
            merge_epochs=merge_epochs,
            log_rounds=log_rounds,
            involve_aggregator=involve_aggregator,
        )
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    # --8<-- [end:settings]
    # --8<-- [start:build]
    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)  # (4)!
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return M5().to(self.device)

    def build_optimizer(self, model: nn.Module) -> Optimizer:  # (5)!
        return Adam(
            model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )

    def build_train_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, train=True, batch_size=self.batch_size)

    def build_test_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, train=False, batch_size=1000)

    # --8<-- [end:build]
    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.set_learning_rate()
        self.model.train()
        total_loss = 0.0
        for waveforms, labels in self.train_loader:
            waveforms, labels = waveforms.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = F.nll_loss(self.model(augment(waveforms)), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:run_test]
    def set_learning_rate(self) -> None:  # (6)!
        """Give the optimizer the step size of this round."""
        progress = (self.current_round - 1) / self.max_rounds
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (1 + math.cos(math.pi * progress)) / 2

    @torch.no_grad()
    def run_test(self) -> None:  # (7)!
        self.model.eval()
        total_loss = 0.0
        confusion = torch.zeros(len(WORDS), len(WORDS))  # row: said, column: heard
        for waveforms, labels in self.test_loader:
            log_probabilities = self.model(waveforms.to(self.device)).cpu()
            total_loss += F.nll_loss(log_probabilities, labels, reduction="sum").item()
            for said, heard in zip(labels, log_probabilities.argmax(1)):
                confusion[said, heard] += 1
        count = len(self.test_loader.dataset)
        accuracy = confusion.trace().item() / count
        self.tb_writer.add_scalar("test/accuracy", accuracy, self.current_round)
        self.tb_writer.add_scalar("test/loss", total_loss / count, self.current_round)
        if self.current_round == self.max_rounds:  # (8)!
            for said, row in zip(WORDS, confusion.tolist()):
                for heard, number in zip(WORDS, row):
                    name = f"test/confusion/{said}/{heard}"
                    self.tb_writer.add_scalar(name, number, self.current_round)


# --8<-- [end:run_test]
# --8<-- [end:scheduler]
