"""`python -m alphamed_tutorials.playground.hub FOLDER`: a hub as a process of its own."""

import argparse
from pathlib import Path

from .serve import serve
from .state import Limits


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m alphamed_tutorials.playground.hub", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--away", type=float, default=Limits.away, help="seconds of silence after which a node is away")
    given = vars(parser.parse_args())
    limits = Limits(away=given.pop("away"))
    serve(**given, limits=limits)


if __name__ == "__main__":
    main()
