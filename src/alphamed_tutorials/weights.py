"""What a file of `torch.save()` holds, asked before it is read: others may have made it."""

from typing import BinaryIO

import torch


def is_program(file: BinaryIO) -> bool:
    """Return whether a file is a TorchScript program: torch < 2.6 runs it where only tensors are asked for.

    It is CVE-2025-32434. By its constants torch knows a program.

    Args:
        file: An open file, which is read.

    Raises:
        RuntimeError: It is no file of `torch.save()`, or one of an older form.
    """
    return "constants.pkl" in torch._C.PyTorchFileReader(file).get_all_records()
