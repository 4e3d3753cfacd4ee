"""What several tests share."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets that may lie beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here: ../shared/data, beside the project's folder, is missing")
    return folder


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site of both languages, strictly, and return its folder."""
    site = tmp_path_factory.mktemp("site")
    for configuration, folder in (("mkdocs.yml", site), ("mkdocs.en.yml", site / "en")):  # the first wipes its folder
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", configuration, "-d", str(folder)]
        build = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
        assert build.returncode == 0, build.stderr
    return site
