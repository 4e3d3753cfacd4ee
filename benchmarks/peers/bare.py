"""Federated averaging as one would write it by hand, in one process."""

import digits
import torch


def main() -> None:
    """Run all rounds."""
    asked = digits.arguments()
    model, ends = digits.build_model(asked.seed), []
    average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for round_number in range(1, asked.rounds + 1):
        total = {name: torch.zeros_like(tensor) for name, tensor in average.items()}
        for node in range(1, asked.nodes + 1):
            model.load_state_dict(average)
            digits.train(model, digits.load(asked.data, node), asked.seed, node, round_number)
            for name, tensor in model.state_dict().items():
                total[name] += tensor
        average = {name: tensor / asked.nodes for name, tensor in total.items()}
        ends.append(digits.now())
    digits.report(ends, average, asked.out)


if __name__ == "__main__":
    main()
