"""Weight each node by its number of samples, with the SDK as it is."""

# --8<-- [start:weighted]
import torch

from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


class WeightedScheduler(MNISTScheduler):
    def build_model(self):
        self.samples = torch.ones(())  # travels with the parameters
        return super().build_model()

    def state_dict(self):
        entries = {**self.model.state_dict(), "samples": self.samples}
        if self.is_aggregator:
            return entries  # the very tensors: zeros in copies would be lost
        count = len(self.train_loader.dataset)
        return {name: value * count for name, value in entries.items()}

    def load_state_dict(self, state_dict):
        mean = {name: value / state_dict["samples"] for name, value in state_dict.items()}
        del mean["samples"]
        self.model.load_state_dict(mean)
        self.samples.fill_(1)


# --8<-- [end:weighted]


from alphamed_tutorials import prepare, run

prepare("mnist", "data", partition="dirichlet:0.3", seed=1)
weighted = run(WeightedScheduler(max_rounds=2, seed=1), "data", seed=1)
print(weighted.state, weighted.metrics)
