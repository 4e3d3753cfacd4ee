"""Look at a scheduler at work: what it writes, and what its optimizer keeps."""

from torch.optim import Optimizer


class Writer:
    """Take the place of TensorBoard's writer, for a scheduler that no engine runs; keep the last of each metric."""

    def __init__(self):
        self.scalars = {}

    def add_scalar(self, name, value, step):
        self.scalars[name] = value


def watch_momentum(optimizer: Optimizer, node: str, seen: list) -> None:
    """Append (node, optimizer, its momenta) to `seen`, before and after each step."""

    def look(optimizer, *_):
        seen.append((node, optimizer, [entry["momentum_buffer"].clone() for entry in optimizer.state.values()]))

    optimizer.register_step_pre_hook(look)
    optimizer.register_step_post_hook(look)
