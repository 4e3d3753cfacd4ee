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


from alphamed_tutorials import prepare

if __name__ == "__main__":
    from train_centralised import run_test, train_centralised

    prepare("speech_commands", "one-place", num_nodes=1, seed=1)
    model, accuracy = train_centralised(
        "one-place/nodes/node1", "one-place/nodes/aggregator", num_epochs=4, seed=1
    )

    # --8<-- [start:compare]
    from alphamed_tutorials.examples.speech_commands.data import build_dataloader
    from alphamed_tutorials.examples.speech_commands.model import M5

    received = M5()
    parameters = dict(model.named_parameters())  # no buffers among them
    received.load_state_dict(parameters, strict=False)
    loader = build_dataloader("one-place/nodes/aggregator", train=False, batch_size=1000)
    alone = run_test(received, loader, "cpu")
    print(f"all entries: {accuracy:.3f}, parameters only: {alone:.3f}")
    # --8<-- [end:compare]
