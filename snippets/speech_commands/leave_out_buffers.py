"""What becomes of a model with BatchNorm when only its parameters travel."""

from pathlib import Path

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler


# --8<-- [start:class]
class WithoutBuffers(SpeechCommandsScheduler):
    def state_dict(self):
        # the running means stay behind
        return {name: value.detach() for name, value in self.model.named_parameters()}

    def load_state_dict(self, state_dict):
        self.model.load_state_dict(state_dict, strict=False)


# --8<-- [end:class]


if __name__ == "__main__":
    prepare(
        find("speech_commands"),
        Path("data"),
        num_nodes=2,
        partition=Partition("owners"),
        seed=1,
    )
    run = run_local(
        WithoutBuffers(max_rounds=1, merge_epochs=1, seed=1), data="data", seed=1
    )
    print(run.state, run.metrics)
