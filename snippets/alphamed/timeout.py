"""Let data owners be late, and see what the SDK's aggregator sends out when it repeats the round."""

# --8<-- [start:task]
import alphamed_tutorials  # before alphafed, which else writes alphafed.log
import torch
from alphafed.fed_avg import FedAvgScheduler
from alphafed.fed_avg.fed_avg import ResetRound


class OneNumber(FedAvgScheduler):
    """A model of one parameter, which is 1.0 before the first round."""

    def build_model(self):
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.ones_(model.weight)
        return model

    def no_part_of_this(self, *_):
        return None

    build_optimizer = build_train_dataloader = build_test_dataloader = no_part_of_this
    train_an_epoch = run_test = no_part_of_this


# --8<-- [end:task]


# --8<-- [start:network]
import io


class Network:
    """Stand in for the network: some owners answer in time, all with 3.0."""

    def __init__(self, in_time):
        self.in_time = in_time

    def batch_send_stream(self, target, data_stream, **_):
        sent = torch.load(io.BytesIO(data_stream))
        print("  sent out:", sent["weight"].item())
        return target

    def batch_receive_stream(self, source_list, **_):
        answer = io.BytesIO()
        torch.save({"weight": torch.full((1, 1), 3.0)}, answer)
        return {name: answer.getvalue() for name in source_list[: self.in_time]}

    def __getattr__(self, name):  # start_round, reset_round …: messages to nobody
        return lambda **_: None


# --8<-- [end:network]


# --8<-- [start:rounds]
for in_time in (3, 2, 0):
    print(in_time, "of 3 owners in time")
    aggregator = OneNumber(max_rounds=1)
    aggregator.id, aggregator.is_aggregator = "aggregator", True
    aggregator.gethered = ["hospital-a", "hospital-b", "hospital-c"]
    aggregator.contractor = aggregator.data_channel = Network(in_time)
    for _ in range(2):
        try:
            aggregator._run_a_round()
        except ResetRound as reset:
            print("  repeated:", reset)
# --8<-- [end:rounds]
