"""The federated task: what every node of it runs. Lines marked `(n)!` are what federation adds."""

# --8<-- [start:imports]
import math

import torch
from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import DataLoader

# --8<-- [end:imports]
from .data import PooledEvaluation, build_dataloader
from .model import build_model, find_coco_weights


# --8<-- [start:scheduler]
# --8<-- [start:settings]
class ObjectDetectionScheduler(FedAvgScheduler):  # (1)!
    """Finetune Mask R-CNN by federated averaging.

    Args:
        max_rounds: Rounds to run.
        merge_epochs: Local epochs each data owner trains in a round.
        log_rounds: The aggregator tests every so many rounds, and at both ends.
        involve_aggregator: The aggregator trains too, and needs training data.
        calculation_timeout: Seconds the aggregator waits for the slowest data owner.
        backbone: `lite0` (with AdamW) or `resnet50` (the tutorial's, with SGD).
        min_size: Pictures are scaled so that their shorter side has so many pixels.
        batch_size: Pictures in a batch.
        learning_rate: Step size in the first round; it falls with the rounds.
        warmup_steps: Steps of a node over which the step size grows to its full length.
        seed: Start of each node's random numbers.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/object_detection"  # (2)!

    def __init__(
        self,
        max_rounds: int = 10,
        merge_epochs: int = 1,
        log_rounds: int = 1,
        involve_aggregator: bool = False,
        calculation_timeout: int = 3600,
        backbone: str = "lite0",
        min_size: int = 256,
        batch_size: int = 2,
        learning_rate: float = 0.001,
        warmup_steps: int = 20,
        seed: int = 0,
    ):
        super().__init__(  # (3)!
            max_rounds=max_rounds,
            merge_epochs=merge_epochs,
            log_rounds=log_rounds,
            involve_aggregator=involve_aggregator,
            calculation_timeout=calculation_timeout,
        )
        self.backbone = backbone
        self.min_size = min_size
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.seed = seed
        self.steps = 0

    # --8<-- [end:settings]
    # --8<-- [start:build]
    def build_model(self) -> nn.Module:
        torch.manual_seed(self.seed)  # (4)!
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        weights = None
        if getattr(self, "is_aggregator", False):  # (5)!
            lite = self.backbone == "lite0"
            weights = "package" if lite else find_coco_weights(self.data_dir)
        return build_model(self.backbone, self.min_size, weights).to(self.device)

    def build_optimizer(self, model: nn.Module) -> Optimizer:
        parameters = [each for each in model.parameters() if each.requires_grad]
        if self.backbone == "lite0":
            return AdamW(parameters, lr=self.learning_rate)
        return SGD(parameters, lr=self.learning_rate, momentum=0.9, weight_decay=0.0005)

    def build_train_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, train=True, batch_size=self.batch_size)

    def build_test_dataloader(self) -> DataLoader:
        return build_dataloader(self.data_dir, train=False, batch_size=1)

    def step_size(self) -> float:  # (6)!
        """Return this step's learning rate: half a cosine over the rounds, after a warm-up."""
        share = (self.current_round - 1) / self.max_rounds
        warmup = min(1.0, (self.steps + 1) / self.warmup_steps)
        return self.learning_rate * warmup * (1 + math.cos(math.pi * share)) / 2

    # --8<-- [end:build]
    # --8<-- [start:train_an_epoch]
    def train_an_epoch(self) -> None:
        self.model.train()
        total_loss = 0.0
        for images, targets in self.train_loader:
            images = [image.to(self.device) for image in images]
            targets = [
                {name: value.to(self.device) for name, value in target.items()}
                for target in targets
            ]
            for group in self.optimizer.param_groups:
                group["lr"] = self.step_size()
            losses = self.model(images, targets)
            loss = sum(losses.values())
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
            self.steps += 1
            total_loss += loss.item() * len(images)
        mean_loss = total_loss / len(self.train_loader.dataset)
        self.tb_writer.add_scalar("train/loss", mean_loss, self.current_round)

    # --8<-- [end:train_an_epoch]

    # --8<-- [start:run_test]
    @torch.no_grad()
    def run_test(self) -> None:  # (7)!
        self.model.eval()
        evaluation = PooledEvaluation()
        for images, targets in self.test_loader:
            outputs = self.model([image.to(self.device) for image in images])
            for target, output in zip(targets, outputs):
                evaluation.add(target, output)
        for name, value in evaluation.average_precision().items():
            self.tb_writer.add_scalar(f"test/{name}", value, self.current_round)


# --8<-- [end:run_test]
# --8<-- [end:scheduler]
