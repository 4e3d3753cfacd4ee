"""What becomes of a model with BatchNorm when only its parameters travel."""

# --8<-- [start:class]
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler


class WithoutBuffers(SpeechCommandsScheduler):
    def state_dict(self):
        # the running means stay behind
        return {name: value.detach() for name, value in self.model.named_parameters()}

    def load_state_dict(self, state_dict):
        self.model.load_state_dict(state_dict, strict=False)


# --8<-- [end:class]


from alphamed_tutorials import prepare, run

if __name__ == "__main__":
    prepare("speech_commands", "data", num_nodes=2, partition="owners", seed=1)
    task = WithoutBuffers(max_rounds=1, merge_epochs=1, seed=1)
    finished = run(task, "data", seed=1)
    print(finished.state, finished.metrics)
