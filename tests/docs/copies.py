"""Copies of the repository, and what the example is called that is added to them."""

import shutil
from pathlib import Path

from pages import ROOT

PARTS = ("src", "docs", "snippets", "hooks", "tools", "tests")
FILES = ("pyproject.toml", "conftest.py", "NOTICE", "Makefile", "mkdocs*.yml")
NAME = "heart_sounds"
TITLES = {"zh": "心音分类", "en": "Heart sounds"}


def copy_repository(folder: Path) -> None:
    """Copy what an example is made of and tested by."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for pattern in FILES:
        for file in ROOT.glob(pattern):
            shutil.copy(file, folder)
