"""Read tensors out of files that others may have made."""

from typing import Any, BinaryIO

import torch


class NoTensors(ValueError):
    """A file holds something else in their place."""


def read_tensors(file: BinaryIO) -> Any:
    """Return what `torch.save()` wrote, on the CPU, as far as it consists of tensors and plain values.

    Args:
        file: An open file, at its beginning.

    Raises:
        NoTensors: It is no such file, or a program.
        Exception: It holds anything else, or is damaged; the text is torch's.
    """
    if file.read(2) != b"PK":  # older forms are read by older code, which was not always safe
        raise NoTensors("what is no file of torch.save()")
    file.seek(0)
    # By this torch < 2.6 knows a program, and runs it, also where only tensors are asked for (CVE-2025-32434).
    if "constants.pkl" in torch._C.PyTorchFileReader(file).get_all_records():
        raise NoTensors("a TorchScript program in the place of parameters")
    file.seek(0)
    return torch.load(file, weights_only=True, map_location="cpu")
