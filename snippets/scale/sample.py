"""Let only some of the owners train in each round, on AlphaMed too."""

# --8<-- [start:sample]
import random

from alphamed_tutorials.examples.mnist.scheduler import MNISTScheduler


class Sampled:
    share = 0.5

    def owners(self):
        return [name for name in self.participants if name != self.id]

    def _start_round(self):
        names = self.owners()
        drawn = random.Random(f"{self.seed}/{self.current_round}")
        chosen = drawn.sample(names, max(1, round(self.share * len(names))))
        self.gethered = [name for name in names if name in chosen]  # spelt as in the SDK
        super()._start_round()  # whom it does not name skips the round

    def _sync_state(self):
        self.gethered = self.owners()  # all of them answer before each round
        super()._sync_state()


class SampledMNIST(Sampled, MNISTScheduler): ...


# --8<-- [end:sample]

if __name__ == "__main__":
    # --8<-- [start:run]
    import torch

    from alphamed_tutorials import prepare, run

    prepare("mnist", "four-owners", num_nodes=4, seed=1)
    drawn = run(SampledMNIST(max_rounds=4, seed=1), "four-owners", seed=1)
    option = run(MNISTScheduler(max_rounds=4, seed=1), "four-owners", seed=1, sample=0.5)
    for done in drawn, option:
        for number in range(1, 5):
            print(
                number,
                [row.node for row in done.rows if row[:3:2] == (number, "train/loss")],
            )
    one, other = (torch.load(done.path / "model.pt") for done in (drawn, option))
    print("equal:", all(torch.equal(one[name], other[name]) for name in one))
    # --8<-- [end:run]
