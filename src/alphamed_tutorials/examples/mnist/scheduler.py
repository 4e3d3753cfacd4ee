"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader

# --8<-- [end:imports]
from .data import build_dataloader
from .model import ConvNet


# --8<-- [start:scheduler]
# --8<-- [start:settings]
class MNISTScheduler(FedAvgScheduler):  # (1)!
    """Train `ConvNet` by federated averaging, with the SDK's unweighted mean.

    Args:
        max_rounds: Rounds to run.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator tests every so many rounds.
        involve_aggregator: The aggregator trains too, on training data of its own.
        batch_size: Digits in a batch.
        learning_rate: Step size of SGD.
        momentum: Momentum of SGD.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/mnist"  # (2)!

    def __init__(
        self,
        max_rounds: int = 10,
        merge_epochs: int = 1,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        batch_size: int = 64,
        learning_rate: float = 0.05,
        momentum: float = 0.5,
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
        self.momentum = momentum
        self.seed = seed

    # --8<-- [end:settings]
    # --8<-- [start:build]
    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)  # (4)!
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return ConvNet().to(self.device)

    def build_optimizer(self, model: nn.Module) -> Optimizer:  # (5)!
        return SGD(model.parameters(), lr=self.learning_rate, momentum=self.momentum)

    def build_train_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, train=True, batch_size=self.batch_size)

    def build_test_dataloader(self) -> DataLoader:  # (6)!
        return build_dataloader(self.data_dir, train=False, batch_size=1000)

    # --8<-- [end:build]
    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.model.train()
        total_loss = 0.0
        for images, labels in self.train_loader:
            images, labels = images.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = F.nll_loss(self.model(images), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:run_test]
    @torch.no_grad()
    def run_test(self) -> None:  # (7)!
        self.model.eval()
        total_loss, correct = 0.0, 0
        for images, labels in self.test_loader:
            images, labels = images.to(self.device), labels.to(self.device)
            log_probabilities = self.model(images)
            total_loss += F.nll_loss(log_probabilities, labels, reduction="sum").item()
            correct += (log_probabilities.argmax(1) == labels).sum().item()
        count = len(self.test_loader.dataset)
        self.tb_writer.add_scalar("test/accuracy", correct / count, self.current_round)
        self.tb_writer.add_scalar("test/loss", total_loss / count, self.current_round)


# --8<-- [end:run_test]
# --8<-- [end:scheduler]
