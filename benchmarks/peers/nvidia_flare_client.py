"""What NVIDIA FLARE runs on each client: take a model, train it, give it back."""

import sys
from pathlib import Path

import digits
import nvflare.client as flare


def main(data: Path, seed: int) -> None:
    """Train as often as the server asks."""
    flare.init()
    node = int(flare.get_site_name().removeprefix("site-"))
    loader, model = digits.load(data, node), digits.build_model(seed)
    while flare.is_running():
        received = flare.receive()
        model.load_state_dict(received.params)
        digits.train(model, loader, seed, node, received.current_round + 1)
        flare.send(flare.FLModel(params=model.state_dict()))  # without a number of steps, each client weighs the same


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
