"""What a peer sends is read safely and looked at before it is used; what will not do names the peer."""

import io
import os
import pickle

import pytest
import torch
from torch import nn

from alphamed_tutorials.engines.peers import PeerRefused, read_tensors, refuse_unfit_numbers, refuse_unlike

OWN = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict()


def packed(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


class Malicious:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


def changed(**entries) -> dict:
    return {name: entries.get(name.replace(".", "_"), value.clone()) for name, value in OWN.items()}


def look(content) -> None:
    found = read_tensors("p-1a2b3c4d", packed(content))
    refuse_unlike("p-1a2b3c4d", found, OWN)
    refuse_unfit_numbers("p-1a2b3c4d", found, OWN)


def test_honest_parameters_pass():
    look(OWN)


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_code_in_the_place_of_parameters_does_not_run(tmp_path, form):
    attack, file = {"0.weight": Malicious(tmp_path / "owned")}, io.BytesIO()
    if form == "pickle":
        file.write(pickle.dumps(attack))
    else:
        torch.save(attack, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(PeerRefused, match="^p-1a2b3c4d sent what (cannot be read safely|is no file of torch)"):
        read_tensors("p-1a2b3c4d", file.getvalue())
    assert not (tmp_path / "owned").exists()


def test_a_torchscript_program_is_refused_before_torch_load_sees_it(monkeypatch):
    """CVE-2025-32434: torch < 2.6 loads it as a program, whatever `weights_only` says."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch.load saw it"))
    with pytest.raises(
        PeerRefused, match="^p-1 sent a TorchScript program in the place of parameters: it was not used$"
    ):
        read_tensors("p-1", file.getvalue())


@pytest.mark.parametrize(
    "content, said",
    [
        (changed(**{"0_weight": torch.full((2, 2), torch.nan)}), "NaN in 0.weight"),
        (changed(**{"0_bias": torch.tensor([1, torch.inf])}), "infinity in 0.bias"),
        (changed(**{"0_weight": torch.zeros(3, 2)}), r"0.weight of shape \(3, 2\), and \(2, 2\) is expected"),
        (changed(**{"0_weight": torch.zeros(1, 1)}), r"0.weight of shape \(1, 1\)"),  # which would be broadcast
        (changed(**{"0_weight": torch.zeros(2, 2).double()}), "0.weight of float64, strided, and float32, strided"),
        (changed(**{"0_weight": torch.zeros(2, 2).to_sparse()}), "0.weight of float32, sparse_coo"),
        (changed(**{"0_weight": 1.0}), "a float as 0.weight"),
        ({name: value for name, value in OWN.items() if name != "0.bias"}, "parameters without 0.bias"),
        ({**OWN, "more": torch.zeros(1)}, "parameters with more"),
        ([1, 2], "a list in the place of parameters"),
    ],
)
def test_parameters_that_would_spoil_the_average_are_refused(content, said):
    with pytest.raises(PeerRefused, match=f"^p-1a2b3c4d sent {said}.*: it was not used$") as refused:
        look(content)
    assert refused.value.peer == "p-1a2b3c4d"


def test_a_mask_may_hold_infinity_where_ours_does():
    own = {"mask": torch.tensor([0.0, -torch.inf])}
    refuse_unfit_numbers("p-1", own, own)


def test_what_is_cut_short_is_refused():
    with pytest.raises(PeerRefused, match="cannot be read safely"):
        read_tensors("p-1", packed(OWN)[:-200])
