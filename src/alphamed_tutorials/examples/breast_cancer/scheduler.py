"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import copy

import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader

# --8<-- [end:imports]
from .data import build_dataloader
from .model import (
    NucleiNet,
    auc,
    calibration_error,
    probabilities_of,
    weighted_loss,
)


# --8<-- [start:scheduler]
class BreastCancerScheduler(FedAvgScheduler):  # (1)!
    """Train `NucleiNet` by federated averaging, and stop when validation says so.

    Args:
        max_rounds: Rounds to run at most.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator validates and tests every so many rounds.
        involve_aggregator: The aggregator trains too, on training data of its own.
        batch_size: Patients in a batch.
        learning_rate: Step size of Adam.
        patience: Tests without a lower validation loss before it stops.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/breast_cancer"  # (2)!

    def __init__(
        self,
        max_rounds: int = 40,
        merge_epochs: int = 1,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        batch_size: int = 16,
        learning_rate: float = 0.005,
        patience: int = 5,
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
        self.patience = patience
        self.seed = seed
        self.best_loss, self.tests_without_gain = float("inf"), 0

    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return NucleiNet().to(self.device)

    def build_optimizer(self, model: nn.Module) -> Optimizer:
        return Adam(model.parameters(), lr=self.learning_rate)

    def build_train_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, "train", self.batch_size)

    def build_validation_dataloader(self) -> DataLoader:  # (3)!
        return build_dataloader(self.data_dir, "validation", 1000)

    def build_test_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, "test", 1000)

    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.model.train()
        total_loss, count = 0.0, 0
        for inputs, labels in self.train_loader:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = weighted_loss(self.model(inputs), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
            count += len(labels)
        self.tb_writer.add_scalar("train/loss", total_loss / count, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:stop]
    def run_test(self) -> None:
        self.validate()
        if self.is_task_finished():  # what is tested now is what is saved
            self.load_state_dict(self.best_state)
        self.measure()

    def validate(self) -> None:
        """Remember the best state so far, and how many tests ago that was."""
        logits, labels = self.answer(self.validation_loader)
        loss = weighted_loss(logits, labels).item()
        self.tb_writer.add_scalar("validation/loss", loss, self.current_round)
        if loss < self.best_loss:
            self.best_loss, self.tests_without_gain = loss, 0
            self.best_state = copy.deepcopy(self.state_dict())
        else:
            self.tests_without_gain += 1

    def is_task_finished(self) -> bool:
        return super().is_task_finished() or self.tests_without_gain >= self.patience

    # --8<-- [end:stop]

    @torch.no_grad()
    def answer(self, loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels [N] of all patients of a loader."""
        self.model.eval()
        found = [
            (self.model(inputs.to(self.device)), labels) for inputs, labels in loader
        ]
        logits, labels = map(torch.cat, zip(*found))
        return logits.cpu(), labels

    # --8<-- [start:measure]
    def measure(self) -> None:
        """Log how well the test patients are ranked, and how true the probabilities are."""
        logits, labels = self.answer(self.test_loader)
        said, is_alarm = probabilities_of(logits), logits > 0
        found = {
            "auc": auc(said, labels),
            "calibration_error": calibration_error(said, labels),
            "sensitivity": is_alarm[labels == 1].float().mean().item(),
            "specificity": (~is_alarm)[labels == 0].float().mean().item(),
            "loss": F.binary_cross_entropy(said, labels).item(),
        }
        hospitals = self.test_loader.dataset.hospitals
        for name in sorted(set(hospitals)):
            own = torch.tensor([hospital == name for hospital in hospitals])
            if len(labels[own].unique()) == 2:  # else there is no pair to rank
                found[f"auc/{name}"] = auc(said[own], labels[own])
        for name, value in found.items():
            self.tb_writer.add_scalar(f"test/{name}", value, self.current_round)

    # --8<-- [end:measure]


# --8<-- [end:scheduler]
