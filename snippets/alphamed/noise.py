"""Measure the noise of the SDK's DPFedAvgScheduler."""

# --8<-- [start:noise]
import io

import alphamed_tutorials  # before alphafed, which else writes alphafed.log
import torch
from alphafed.fed_avg import DPFedAvgScheduler


class Still(DPFedAvgScheduler):
    """Nobody trains, so that all that changes is the noise."""

    def build_model(self):
        return torch.nn.Linear(300, 300)

    build_optimizer = build_train_dataloader = build_test_dataloader = None
    train_a_batch = run_test = None


class Network:
    """Stand in for the network: every owner returns what it got."""

    def batch_receive_stream(self, source_list, **_):
        unchanged = io.BytesIO()
        torch.save(aggregator.state_dict(), unchanged)
        return dict.fromkeys(source_list, unchanged.getvalue())

    def __getattr__(self, name):
        return lambda **_: None


torch.manual_seed(1)
aggregator = Still(w_cap=100, q=1.0, S=1.0, z=1.0)
aggregator.contractor = aggregator.data_channel = Network()
aggregator.id = "aggregator"
aggregator.gethered = ["hospital-a", "hospital-b", "hospital-c"]
aggregator._w_ks = dict.fromkeys(aggregator.gethered, 1.0)  # w_cap samples each
before = aggregator.model.weight.detach().clone()
aggregator._process_aggregation()
noise = aggregator.model.weight.detach() - before
# --8<-- [end:noise]

# --8<-- [start:measure]
sigma = aggregator.z * aggregator.S / aggregator.q / aggregator.W
print(f"promised: {sigma:.2f}, drawn: {noise.std():.2f}, sigma squared: {sigma**2:.2f}")
# --8<-- [end:measure]
