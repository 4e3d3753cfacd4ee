"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import torch
import torch.nn.functional as F
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, Dataset

# --8<-- [end:imports]
from .data import PictureDataset, extract_features
from .model import CLASSES, Classifier


# --8<-- [start:scheduler]
# --8<-- [start:settings]
class TransferScheduler(FedAvgScheduler):  # (1)!
    """Train a `Classifier` by federated averaging: only its head, or all of it.

    Args:
        max_rounds: Rounds to run.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator tests every so many rounds.
        involve_aggregator: The aggregator trains too, on training data of its own.
        backbone: `efficientnet_lite0` or `resnet18`.
        freeze_backbone: Train and exchange the head only; else everything.
        batch_size: Pictures in a batch.
        learning_rate: Step size of SGD.
        momentum: Momentum of SGD.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/hymenoptera_data"  # (2)!

    def __init__(
        self,
        max_rounds: int = 5,
        merge_epochs: int = 1,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        backbone: str = "efficientnet_lite0",
        freeze_backbone: bool = True,
        batch_size: int = 8,
        learning_rate: float = 0.001,
        momentum: float = 0.9,
        seed: int = 0,
    ):
        super().__init__(
            max_rounds=max_rounds,
            merge_epochs=merge_epochs,
            log_rounds=log_rounds,
            involve_aggregator=involve_aggregator,
        )
        self.backbone = backbone
        self.freeze_backbone = freeze_backbone
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.seed = seed

    # --8<-- [end:settings]
    # --8<-- [start:model]
    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = Classifier(self.backbone, self.data_dir)  # (3)!
        return model.to(self.device, memory_format=torch.channels_last)  # faster here

    # --8<-- [end:model]
    # --8<-- [start:trained]
    @property
    def trained(self) -> nn.Module:
        """The head, which takes features, or the whole model, which takes images."""
        return self.model.head if self.freeze_backbone else self.model

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self.trained.state_dict()

    def load_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        self.trained.load_state_dict(state_dict)

    # --8<-- [end:trained]

    # --8<-- [start:build]
    def build_optimizer(self, model: nn.Module) -> Optimizer:
        return SGD(
            self.trained.parameters(), lr=self.learning_rate, momentum=self.momentum
        )

    def build_train_dataloader(self) -> DataLoader:
        dataset = PictureDataset(self.data_dir, "train", augment=not self.freeze_backbone)
        return self.build_dataloader(dataset, shuffle=True)

    def build_test_dataloader(self) -> DataLoader:
        dataset = PictureDataset(self.data_dir, "val", augment=False)
        return self.build_dataloader(dataset, shuffle=False)

    def build_dataloader(self, dataset: Dataset, shuffle: bool) -> DataLoader:
        if self.freeze_backbone:  # (4)!
            dataset = extract_features(self.model, dataset, self.device)
        return DataLoader(dataset, batch_size=self.batch_size, shuffle=shuffle)

    # --8<-- [end:build]
    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.trained.train()
        total_loss = 0.0
        for inputs, labels in self.train_loader:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.trained(inputs), labels)
            loss.backward()
            self.optimizer.step()
            total_loss += loss.item() * len(labels)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:run_test]
    @torch.no_grad()
    def run_test(self) -> None:
        self.trained.eval()  # (5)!
        total_loss = 0.0
        count = correct = torch.zeros(len(CLASSES))  # of each class
        for inputs, labels in self.test_loader:
            logits = self.trained(inputs.to(self.device)).cpu()
            total_loss += F.cross_entropy(logits, labels, reduction="sum").item()
            right = labels[logits.argmax(1) == labels]
            count = count + torch.bincount(labels, minlength=len(CLASSES))
            correct = correct + torch.bincount(right, minlength=len(CLASSES))
        total, accuracy = count.sum().item(), correct.sum().item() / count.sum().item()
        self.tb_writer.add_scalar("test/accuracy", accuracy, self.current_round)
        self.tb_writer.add_scalar("test/loss", total_loss / total, self.current_round)
        for name, share in zip(CLASSES, correct / count):
            metric = f"test/{name}_accuracy"
            self.tb_writer.add_scalar(metric, share.item(), self.current_round)


# --8<-- [end:run_test]
# --8<-- [end:scheduler]
