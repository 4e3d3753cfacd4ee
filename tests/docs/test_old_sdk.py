"""The table of old and new names on the AlphaMed page: each stands in its own version of the SDK, and there alone."""

import re

import pytest
from names import OLD_NAMES, sdk_files
from oldsdk import VERSIONS, unpack
from test_reference import rows

from pages import LANGUAGES, ROOT, Page

SAME = {"state_dict", "load_state_dict", "involve_aggregator"}
NEVER_THE_SDKS = {"run", "DatasetVerify", "train", "test", "name"}  # as names too common to look for
FILES = ("fed_avg/fed_avg.py", "scheduler.py")


@pytest.fixture(params=LANGUAGES)
def table(request) -> list[list[str]]:
    return rows(Page(ROOT / "docs" / request.param / "alphamed.md"), "old-sdk")


def words(cell: str) -> set[str]:
    return {name.split(".")[-1] for name in re.findall(r"`([\w.]+)(?:\(\))?`", cell)} - NEVER_THE_SDKS


@pytest.fixture(scope="module", params=VERSIONS)
def old(request, tmp_path_factory) -> str:
    folder = unpack(request.param, tmp_path_factory) / "alphafed"
    return request.param + "\n" + "\n".join((folder / name).read_text("utf-8") for name in FILES)


def test_the_old_names_are_those_of_the_old_sdk(table, old):
    found = set().union(*(words(cells[0]) for cells in table))
    assert found - SAME == OLD_NAMES
    for name in found - ({"involve_aggregator"} if old.startswith("alphafed==0.1.1") else set()):
        assert re.search(rf"(def )?\b{name}\b[(:]", old), name
    assert ("involve_aggregator" in old) == ("0.1.2" in old)
    for name in ("train", "test"):
        assert re.search(rf"@abstractmethod\n    def {name}\(self\)", old)
    for name in ("state_dict", "load_state_dict"):
        assert re.search(rf"@abstractmethod\n    def {name}\(", old)
    assert "torch.jit.trace(self.model, _input)" in old and "DataChecker" not in old
    assert "pickle.dump(self, tf)" in old and "src.zip" not in old


def test_the_new_names_are_those_of_the_sdk(table):
    files = [path for path in sdk_files() if path.name in ("fed_avg.py", "scheduler.py")]
    source = "\n".join(path.read_text("utf-8") for path in files)
    found = set().union(*(words(cells[1]) for cells in table)) - {"add_scalar", "pt"}
    assert {"build_model", "build_optimizer", "train_an_epoch", "run_test", "submit"} <= found
    for name in found:
        assert re.search(rf"\b{name}\b", source), name
    assert not [name for name in OLD_NAMES if re.search(rf"\b{name}\b", source)]
