"""NVIDIA FLARE's simulator: its recipe for FedAvg; `nvidia_flare_client.py` is what runs on each client.

Each client has a process, as the simulator does unless told otherwise. With fewer (`num_threads`) it starts Python and
torch anew for each client in each round, which takes seconds a time.

https://nvflare.readthedocs.io/en/main/user_guide/data_scientist_guide/job_recipe.html
"""

import json
from datetime import datetime
from pathlib import Path

import digits
import torch
from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe
from nvflare.recipe import SimEnv

CLIENT = Path(__file__).with_name("nvidia_flare_client.py")


def round_ends(log: Path) -> list[float]:
    """Return when each round ended: when the next one started, or all were finished."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    times = {line["message"].strip(" -=\n"): datetime.fromisoformat(line["asctime"]).timestamp() for line in lines}
    return [at for message, at in times.items() if message.endswith(" started.") or message == "Finished FedAvg."][1:]


def main() -> None:
    """Run all rounds."""
    asked = digits.arguments()
    model = digits.build_model(asked.seed)
    initial = asked.out / "initial.pt"
    torch.save(model.state_dict(), initial)
    recipe = FedAvgRecipe(
        name="digits",
        model=model,
        initial_ckpt=str(initial.resolve()),
        min_clients=asked.nodes,
        num_rounds=asked.rounds,
        train_script=str(CLIENT),
        train_args=f"{asked.data.resolve()} {asked.seed}",
    )
    environment = SimEnv(num_clients=asked.nodes, workspace_root=str(asked.out.resolve()))
    result = Path(recipe.execute(environment).get_result())
    saved = torch.load(next(result.rglob("FL_global_model.pt")), weights_only=True)["model"]
    digits.report(round_ends(result / "server" / "log.json"), saved, asked.out)


if __name__ == "__main__":
    main()
