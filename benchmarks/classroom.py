"""What a class takes: the hub, the teacher's node and the nodes of many students, all on this machine.

The task trains next to nothing. In a class each student's agent and child have a machine to themselves; here all of
them share the cores, so that seconds are more than a class will see. `share` is memory with what several processes
have in common counted once: what one more of a kind takes on a machine that runs many.

    python benchmarks/classroom.py --json
    python benchmarks/classroom.py --record      (writes what the page about classes shows)
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import playground

from alphamed_tutorials.experiments.record import IDLE
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json

NUM_AGENTS = 30
RECORDING = Path(__file__).parents[1] / "docs" / "results" / "playground" / "classroom.json"


def record(num_agents: int, num_rounds: int, nice: int) -> dict[str, Any]:
    """Run a class and return what the page shows."""
    found = playground.measure(num_agents, num_rounds, nice)
    return {
        "recorded": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "experiments": [
            {
                "name": "class",
                "seed": playground.SEED,
                "rounds": num_rounds,
                "idle": found["cores_of_others"] < IDLE,
                **found,
                "all_gb": round(all_megabytes(found) / 1000, 1),
            }
        ],
    }


def all_megabytes(found: dict[str, Any]) -> float:
    """Return the memory of the hub, of all agents and of their children."""
    nodes = found["owners"] + 1
    return found["hub_share_mb"] + nodes * (found["agent_share_mb"] + found["child_share_mb"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=NUM_AGENTS, metavar="N", help="students")
    parser.add_argument("--rounds", type=int, default=playground.NUM_ROUNDS, metavar="N", help="at least 4")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="priority of the processes while rounds run")
    parser.add_argument("--record", action="store_true", help="write what the page shows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    content = record(arguments.agents, arguments.rounds, arguments.nice)
    if arguments.record:
        write_json(RECORDING, content)
    if arguments.json:
        print(json.dumps(content))
        return
    for name, value in content["experiments"][0].items():
        print(f"{name:>26}: {value}")


if __name__ == "__main__":
    main()
