"""An agent whose children are small programs: `python small_agent.py NODE`."""

import sys
from pathlib import Path

from alphamed_tutorials.playground.agent.serve import serve

if __name__ == "__main__":
    serve(Path(sys.argv[1]), program=(str(Path(__file__).with_name("small_child.py")),))
