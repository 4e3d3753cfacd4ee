"""The torchtext lane: the retired tutorial's code runs, and our tokenizer gives what its tokenizer gave."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("torchtext.vocab", reason="torchtext loads with torch 2.3 only: `make test-torchtext` runs these")

import torch
from torchtext.data.utils import get_tokenizer

from alphamed_tutorials.examples.language_modeling import data as ours
from alphamed_tutorials.examples.language_modeling.model import Predictor, TransformerModel

ROOT = Path(__file__).parents[2]
theirs = get_tokenizer("basic_english")


@pytest.mark.parametrize("path", sorted((ROOT / "snippets").rglob("*torchtext*.py")), ids=lambda path: path.name)
def test_original_code_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert "torch.Size([35, 20])" in capsys.readouterr().out


@pytest.mark.parametrize("line", [
    "", " \n",
    "It's 3.5; \"so\": (a) b! c? d, e.", "<unk> @-@ <br /> <br/> x<br />y", "''\"\"..", "a\u00a0b\u3000c\tŁÓDŹ İ",
    "don't;stop:now", "<\"br />", "戦場のヴァルキュリア3 , lit . — end", "\x1c a\x85b",
])  # fmt: skip
def test_odd_lines_give_the_same_tokens(line):
    assert ours.tokenize(line) == theirs(line)


def test_documentation_gives_the_same_tokens():
    from pydoc_data.topics import topics

    lines = [line for text in topics.values() for line in text.split("\n")]
    assert len(lines) > 5000 and all(ours.tokenize(line) == theirs(line) for line in lines)


@pytest.mark.real_data
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_wikitext_gives_the_same_tokens(shared_data, split):
    count = 0
    for file in sorted((shared_data / "wikitext-2").glob(f"node*/wiki.{split}.tokens")):
        for line in file.read_text(encoding="utf-8").split("\n"):
            tokens = ours.tokenize(line)
            assert tokens == theirs(line)
            count += len(tokens)
    assert count > 200_000


def test_the_model_runs_and_is_scripted_with_this_torch():
    torch.manual_seed(0)
    predictor = Predictor(TransformerModel(["<unk>", "a", "b"], width=8, hidden=8)).eval()
    tokens = torch.tensor([[1, 2, 1, 1]])
    with torch.no_grad():
        assert torch.allclose(torch.jit.script(predictor)(tokens), predictor(tokens), atol=1e-6)
