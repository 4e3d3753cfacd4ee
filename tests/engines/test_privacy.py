"""What the SDK lets others see, and where its secure aggregation and differential privacy fall short."""

import ast
import inspect
import io
import pickle
import random
import runpy
from pathlib import Path

import alphafed
import pytest
import torch
from alphafed.data_channel import SharedFileDataChannel
from alphafed.fed_avg import SecureFedAvgScheduler
from alphafed.fed_avg.dp_contractor import DPFedAvgContractor
from alphafed.secure import SecretShare
from schedulers import TinyTask, build_network

from pages import ROOT

SNIPPETS = ROOT / "snippets" / "alphamed"


@pytest.fixture
def run(capsys):
    """Return a function that runs one of the page's programs; it returns what that defines and prints."""

    def run(name: str) -> tuple[dict, list[str]]:
        names = runpy.run_path(str(SNIPPETS / f"{name}.py"))
        return names, capsys.readouterr().out.splitlines()

    return run


def test_a_sample_is_read_back_from_an_update(run):
    names, lines = run("read_back")
    torch.testing.assert_close(names["found"], names["image"], atol=1e-3, rtol=0)
    assert lines[0] == "the same image: True"
    pairs = [line.split(" | ") for line in lines[1:9]]
    assert all(kept == seen for kept, seen in pairs) and len({kept for kept, _ in pairs}) > 3
    little, much = (
        (names["read_back"](names["sent"], names["noisy"](size)) - names["image"]).abs().mean() for size in (0.01, 0.1)
    )
    assert 3 * little < much


def test_parameters_are_uploaded_as_plain_bytes():
    class Contractor:
        def upload_file(self, fp):
            uploaded.append(fp.read())
            return "http://service/file"

        def apply_sending_data(self, **fields):
            announced.append(fields)
            return "a session"

        def contract_events(self, timeout):
            return iter(())

    uploaded, announced = [], []
    SharedFileDataChannel(Contractor())._do_send_stream("aggregator", ["a", "b"], b"parameters")
    assert uploaded == [b"parameters"] and announced[0]["file_url"] == "http://service/file"
    assert "requests.get(file_url)" in inspect.getsource(SharedFileDataChannel._download_data)


class Program:
    """What a peer may send in the place of parameters."""

    def __reduce__(self):
        return note, ("it ran",)


def note(text: str) -> None:
    CALLED.append(text)


CALLED: list[str] = []


def test_a_peer_s_bytes_run_code_where_torch_load_lets_them():
    loads = [
        node
        for path in Path(alphafed.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert loads and not any(keyword.arg == "weights_only" for call in loads for keyword in call.keywords)
    sent = io.BytesIO()
    torch.save({"weight": Program()}, sent)
    with pytest.raises(pickle.UnpicklingError):  # the default since torch 2.6
        torch.load(io.BytesIO(sent.getvalue()), weights_only=True)
    assert not CALLED
    torch.load(io.BytesIO(sent.getvalue()), weights_only=False)  # the default before
    assert CALLED == ["it ran"]


class Secure(TinyTask, SecureFedAvgScheduler):
    def _init_contractor(self):
        class Contractor:
            def query_nodes(self):
                return ["aggregator", "a", "b", "c", "d"]

        return Contractor()


@pytest.mark.parametrize("is_initiator", [True, False])
def test_secure_aggregation_does_not_start(is_initiator, tmp_path, monkeypatch):
    monkeypatch.setattr("alphafed.fs.get_root_dir", lambda task_id=None: str(tmp_path))
    with pytest.raises(TypeError, match="'<' not supported between instances of 'list' and 'int'"):
        Secure(t=3, max_rounds=1)._setup_context("a", "task", is_initiator)


def test_masks_leave_the_fractions(run):
    names, lines = run("masks")
    assert lines[0] == "masked: True"
    off = names["seen"] - names["true"]
    torch.testing.assert_close(off, off.round(), atol=1e-3, rtol=0)
    small = names["true"].abs() < 0.49
    assert small.sum() == 5 and not off[small].round().any()


def test_shares_come_from_a_generator_that_is_not_secure():
    assert type(SecretShare(2).random) is random.Random


def test_noise_is_drawn_with_the_square_of_sigma(run):
    names, _ = run("noise")
    sigma = names["sigma"]
    assert sigma == pytest.approx(1 / 3)
    assert names["noise"].std().item() == pytest.approx(sigma**2, rel=0.02)


def average(run, q: float, build=lambda: torch.nn.Linear(2, 2), change=1.0):
    """Return the model of a DP aggregator before and after a round in which each owner adds `change` to all entries."""
    names, _ = run("noise")

    class Network(names["Network"]):
        def batch_receive_stream(self, source_list, **_):
            asked.append(source_list)
            sent = io.BytesIO()
            torch.save({name: value + change for name, value in aggregator.state_dict().items()}, sent)
            return dict.fromkeys(source_list, sent.getvalue())

    class Still(names["Still"]):
        def build_model(self):
            return build()

    asked: list = []
    aggregator = Still(w_cap=100, q=q, S=1.0, z=0.0)
    aggregator.contractor = aggregator.data_channel = Network()
    aggregator.id, aggregator.gethered = "aggregator", ["a", "b", "c", "d"]
    aggregator._w_ks = dict.fromkeys(aggregator.gethered, 1.0)
    before = {name: value.clone() for name, value in aggregator.state_dict().items()}
    aggregator._process_aggregation()
    assert asked == [aggregator.gethered]
    return before, aggregator.state_dict()


def test_the_sampling_probability_only_scales(run):
    before, after = average(run, q=0.5)
    assert all(torch.allclose(after[name] - before[name], torch.tensor(2.0)) for name in before)


def test_buffers_stay_as_they_were(run):
    before, after = average(run, q=1.0, build=build_network)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


def test_everybody_is_told_the_number_of_samples(monkeypatch):
    told = []
    monkeypatch.setattr(DPFedAvgContractor, "_new_contract", lambda self, targets, event: told.append((targets, event)))
    DPFedAvgContractor("task").checkin(peer_id="a", n_k=41)
    assert told[0][0] == ["*"] and told[0][1].n_k == 41
