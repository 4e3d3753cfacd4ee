"""Build the whole site once for all tests of it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "hooks"))  # as MkDocs does when it loads a hook


@dataclass
class Site:
    """The built site and what the builds printed."""

    path: Path
    output: str

    @property
    def pages(self) -> list[str]:
        """Addresses of all pages of both languages, without the error pages."""
        found = (file.relative_to(self.path).as_posix() for file in self.path.rglob("*.html"))
        return sorted(page for page in found if not page.endswith("404.html"))


def build(config: Path, out: Path) -> str:
    """Build one language as `make site` does and return what MkDocs printed."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # Material's advertisement of another tool
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Site:
    """The site in a temporary folder: Chinese first, because its build empties the folder."""
    path = tmp_path_factory.mktemp("built") / "site"
    return Site(path, build(ROOT / "mkdocs.yml", path) + build(ROOT / "mkdocs.en.yml", path / "en"))
