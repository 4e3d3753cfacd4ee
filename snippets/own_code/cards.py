"""Train on a graphics card where a node has one, and exchange what every node can read."""

from alphamed_tutorials import new

# isort: split

from my_task import DiabetesScheduler

new("toy")

# --8<-- [start:cards]
import torch
import torch.nn.functional as F

from alphamed_tutorials import run


class OnCards(DiabetesScheduler):
    def build_model(self):
        self.card = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return super().build_model()  # lies in ordinary memory

    def train_an_epoch(self):
        self.model.to(self.card).train()
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            outputs = self.model(inputs.to(self.card))
            loss = F.cross_entropy(outputs, labels.to(self.card))
            loss.backward()
            self.optimizer.step()
        self.model.cpu()  # before its parameters travel


done = run(OnCards, "toy/data", num_rounds=2, seed=1)
state = torch.load(done.path / "model.pt", weights_only=True)
print({str(value.device) for value in state.values()})
# --8<-- [end:cards]
