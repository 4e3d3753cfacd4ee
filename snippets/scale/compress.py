"""Return less to the aggregator: numbers of half the size, or only the largest changes."""

# --8<-- [start:half]
import torch

from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


class HalfPrecision:
    kind = torch.float16  # or torch.bfloat16

    def state_dict(self):
        entries = super().state_dict()
        if self.is_aggregator:
            return entries  # the very tensors, which it sums into
        return {
            name: value.to(self.kind) if value.is_floating_point() else value
            for name, value in entries.items()
        }


class HalfMNIST(HalfPrecision, MNISTScheduler): ...


# --8<-- [end:half]


# --8<-- [start:largest]
torch.sparse.check_sparse_tensor_invariants.enable()  # also of what others send


def largest(value, share):
    # a sparse tensor: the largest numbers and their places
    places = value.abs().flatten().topk(max(1, int(share * value.numel()))).indices
    kept = torch.zeros_like(value).flatten()
    kept[places] = value.flatten()[places]
    return kept.view_as(value).to_sparse()


# --8<-- [end:largest]


# --8<-- [start:changes]
class LargestChanges:
    share = 0.01
    keeps_rest = True

    def build_model(self):
        model = super().build_model()
        self.is_change = torch.zeros(())  # travels along, and says what the rest is
        self.start = {name: value.clone() for name, value in model.state_dict().items()}
        self.rest = {name: torch.zeros_like(value) for name, value in self.start.items()}
        return model

    def changes(self):
        now = self.model.state_dict()
        return {name: now[name] - self.start[name] + self.rest[name] for name in now}

    def state_dict(self):
        if self.is_aggregator:
            return {**self.model.state_dict(), "is_change": self.is_change}
        sent = {name: largest(each, self.share) for name, each in self.changes().items()}
        return {**sent, "is_change": torch.ones(())}

    def load_state_dict(self, state_dict):
        state = dict(state_dict)
        if state.pop("is_change"):  # the mean that the aggregator has taken
            state = {name: self.start[name] + value for name, value in state.items()}
        elif self.keeps_rest:  # the next round's model: what was not sent yet?
            for name, change in self.changes().items():
                self.rest[name] = change - largest(change, self.share).to_dense()
        self.model.load_state_dict(state)
        self.start = {name: value.clone() for name, value in state.items()}
        self.is_change.zero_()


class LargestMNIST(LargestChanges, MNISTScheduler): ...


# --8<-- [end:changes]

if __name__ == "__main__":
    # --8<-- [start:run]
    from alphamed_tutorials import prepare, run

    prepare("mnist", "data", seed=1)
    for kind in MNISTScheduler, HalfMNIST, LargestMNIST:
        done = run(kind(max_rounds=6, seed=1), "data", seed=1)
        print(f"{kind.__name__:14} {done.metrics['test/accuracy']:.3f}")
    # --8<-- [end:run]
