"""What is sealed opens for its receivers only, and only whole."""

import hashlib
import io

import pytest

from alphamed_tutorials.playground import sealing
from alphamed_tutorials.playground.sealing import SealBroken, make_box_key, public_box_key, seal, unseal

MINE, YOURS, STRANGER = (make_box_key() for _ in range(3))
SIZES = [0, 1, sealing.PIECE - 1, sealing.PIECE, sealing.PIECE + 1, 3 * sealing.PIECE]


def sealed_file(data: bytes) -> bytes:
    target = io.BytesIO()
    digest = sealing.seal_file(io.BytesIO(data), target, [public_box_key(MINE), public_box_key(YOURS)], b"task")
    assert digest == hashlib.sha256(target.getvalue()).digest()
    return target.getvalue()


def opened(sealed: bytes, key: bytes = MINE, context: bytes = b"task") -> bytes:
    target = io.BytesIO()
    sealing.unseal_file(io.BytesIO(sealed), target, key, context)
    return target.getvalue()


def test_messages():
    sealed = seal(b"parameters", public_box_key(MINE))
    assert b"parameters" not in sealed
    assert unseal(sealed, MINE) == b"parameters"
    with pytest.raises(SealBroken):
        unseal(sealed, STRANGER)
    for damaged in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b""):
        with pytest.raises(SealBroken):
            unseal(damaged, MINE)


@pytest.mark.parametrize("size", SIZES)
def test_files_open_for_each_receiver(size):
    data = bytes(range(256)) * (size // 256 + 1)
    sealed = sealed_file(data[:size])
    assert opened(sealed) == opened(sealed, YOURS) == data[:size]


def test_files_stay_shut():
    sealed = sealed_file(b"x" * (2 * sealing.PIECE + 5))
    with pytest.raises(SealBroken, match="not sealed for this node"):
        opened(sealed, STRANGER)
    with pytest.raises(SealBroken):
        opened(sealed, context=b"another task")
    start = len(sealed) - 2 * (sealing.PIECE + sealing.OVERHEAD) - 5 - sealing.OVERHEAD
    piece = sealing.PIECE + sealing.OVERHEAD
    damages = {
        "cut in a piece": sealed[:-1],
        "cut after a piece": sealed[: start + piece],
        "cut before the first": sealed[:start],
        "longer": sealed + b"x",
        "pieces exchanged": sealed[:start] + sealed[start + piece : start + 2 * piece] + sealed[start : start + piece],
        "one bit": sealed[:start] + bytes([sealed[start] ^ 1]) + sealed[start + 1 :],
        "header": sealed[: start - 1] + bytes([sealed[start - 1] ^ 1]) + sealed[start:],
        "empty": b"",
        "no magic": b"PK" + sealed,
        "cut in the keys": sealed[:20],
    }
    for damage, data in damages.items():
        with pytest.raises(SealBroken):
            opened(data)
            pytest.fail(damage)


def test_a_connection_may_give_less_at_a_time():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 1000))

    sealed = sealed_file(b"y" * 5000)
    target = io.BytesIO()
    sealing.unseal_file(Slow(sealed), target, MINE, b"task")
    assert target.getvalue() == b"y" * 5000
