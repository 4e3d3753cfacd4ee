"""`python -m alphamed_tutorials.playground.agent NODE_FOLDER`: run the agent of a node."""

import sys
from pathlib import Path

from .serve import serve

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m alphamed_tutorials.playground.agent NODE_FOLDER")
    serve(Path(sys.argv[1]))
