"""Let the tests of the hooks import them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "hooks"))  # as MkDocs does when it loads a hook
