"""Flower's simulation: its FedAvg over as many nodes, with one CPU for each client, so that all cores are used.

`run_simulation` is the quicker of its two ways: `flwr run` starts a server in the background first. Flower asks to use
the latter from now on.
https://flower.ai/docs/framework/how-to-run-simulations.html
"""

import digits
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

asked = digits.arguments()
client, server = ClientApp(), ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """Train a node."""
    node, round_number = context.node_config["partition-id"] + 1, message.content["config"]["server-round"]
    model = digits.ConvNet()
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    loader = digits.load(asked.data, node)
    digits.train(model, loader, asked.seed, node, round_number)
    content = {
        "arrays": ArrayRecord(model.state_dict()),
        "metrics": MetricRecord({"num-examples": len(loader.dataset)}),  # FedAvg weighs by it: here all are equal
    }
    return Message(content=RecordDict(content), reply_to=message)


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Run all rounds."""
    ends: list[float] = []

    def note_end(round_number: int, arrays: ArrayRecord) -> None:
        if round_number:  # it is called with 0 for what a run begins with
            ends.append(digits.now())

    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=asked.nodes)
    initial = ArrayRecord(digits.build_model(asked.seed).state_dict())
    result = strategy.start(grid, initial, num_rounds=asked.rounds, evaluate_fn=note_end)
    digits.report(ends, result.arrays.to_torch_state_dict(), asked.out)


if __name__ == "__main__":
    run_simulation(
        server_app=server,
        client_app=client,
        num_supernodes=asked.nodes,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": asked.workers}},
    )
