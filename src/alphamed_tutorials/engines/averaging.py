"""What the SDK's average would make of each entry of the state dict, found before it is taken.

The aggregator sums in place: it sets its own entries to zero, adds those of each owner, and divides by their number,
once for each name. What lies in one memory under two names is summed and divided twice, without an error.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from alphafed.fed_avg import FedAvgScheduler

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)  # which the SDK divides with truncation
WIDER = {torch.float16: torch.float32, **dict.fromkeys(INTEGERS[:-1], torch.int64)}
FAITHFUL = 0.1  # an average of equal numbers may differ by so much from them: rounding is no overflow

LEFT_OUT = (
    "leave it out, by register_buffer(..., persistent=False) or by the scheduler's state_dict() and load_state_dict()"
)
UNTIED = (
    "leave one of them out of the scheduler's state_dict(), and load the rest in its load_state_dict() with "
    "self.model.load_state_dict(state_dict, strict=False); or untie them, so that each has memory of its own: clone()"
)


class Fault(NamedTuple):
    """Why an entry cannot be averaged, and what to do about it."""

    reason: str
    advice: str


def is_the_sdks(kind: type) -> bool:
    """Return whether a scheduler's average is the SDK's own, be it reached by `super()`."""
    own = [vars(each).get("_process_aggregation") for each in kind.__mro__[: kind.__mro__.index(FedAvgScheduler)]]
    return all("_process_aggregation" in inspect.unwrap(method).__code__.co_names for method in own if method)


def faults(scheduler: FedAvgScheduler, num_owners: int) -> list[Fault]:
    """Return what in the state dict would come out wrong, or stop the average.

    Args:
        scheduler: The aggregator's.
        num_owners: Data owners that send their state dict.
    """
    if not is_the_sdks(type(scheduler)):
        return []
    state, again = scheduler.state_dict(), scheduler.state_dict()
    plain = {name: value for name, value in state.items() if isinstance(value, torch.Tensor) and not _is_special(value)}
    found = [
        Fault(f"{one} and {other} in the state dict lie in the same memory, which is summed and divided twice", UNTIED)
        for one, other in _sharing(plain)
    ]
    for name, value in state.items():
        fault = _fault(value, num_owners + scheduler.involve_aggregator)
        if not fault and not scheduler.involve_aggregator and _is_copied(value, again.get(name)):
            fault = Fault(
                "is a copy: the aggregator sets entries to zero and sums into them, which a copy does not keep",
                "return the tensors themselves, as self.model.state_dict() does",
            )
        if fault:
            found.append(Fault(f"{name} in the state dict {fault.reason}", fault.advice))
    return found


def narrow(scheduler: FedAvgScheduler, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a copy of what in a state dict has a type that may be too small for the sum of all nodes' numbers."""
    if not is_the_sdks(type(scheduler)):
        return {}
    return {name: value.detach().clone() for name, value in state.items() if value.dtype in WIDER}


class Sums:
    """Follow the sums of a round: numbers grow while they are trained, and a type may then be too small for them."""

    def __init__(self):
        self.totals: dict[str, torch.Tensor] = {}

    def add(self, state: Mapping[str, torch.Tensor]) -> Iterator[Fault]:
        """Add a node's state dict; yield what the sum of an entry can no longer be held in."""
        for name, value in state.items():
            if value.dtype in WIDER:
                wide = value.detach().to(WIDER[value.dtype])
                total = self.totals[name] = self.totals[name] + wide if name in self.totals else wide
                largest = torch.nan_to_num(total.double(), 0, 0, 0).abs().max().item() if value.numel() else 0
                if largest > _limits(value.dtype).max:
                    fault = _too_small(value.dtype, f"the nodes' numbers add up to {largest:g}")
                    yield Fault(f"{name} in the state dict {fault.reason}", fault.advice)


def _fault(value: Any, number: int) -> Fault | None:
    if not isinstance(value, torch.Tensor):
        return Fault("is no tensor, which the SDK cannot average", LEFT_OUT)
    if _is_special(value):
        return Fault(f"is stored as {value.layout}, which cannot be summed in place", LEFT_OUT)
    if value.requires_grad:
        return Fault("requires gradients, and cannot be summed in place", "return it with detach()")
    if _overlaps(value):
        return Fault(
            "has many numbers in one place in memory, as expand() leaves it, which cannot be summed in place",
            "make it with clone(), or " + LEFT_OUT,
        )
    return _too_narrow(value, number) if value.numel() else None


def _too_narrow(value: torch.Tensor, number: int) -> Fault | None:
    """Let so many owners send the largest numbers of an entry, and look whether their average is what they sent."""
    try:
        flat = (torch.view_as_real(value.detach()) if value.is_complex() else value.detach()).flatten()
        finite = torch.nan_to_num(flat.double(), 0, 0, 0)
        sent = flat[torch.stack([finite.argmax(), finite.argmin()])]
        mean = torch.zeros_like(sent)
        for _ in range(number):
            mean.add_(sent)
        mean.div_(number, rounding_mode="trunc" if value.dtype in INTEGERS else None)
    except (RuntimeError, TypeError) as error:
        why = str(error).splitlines()[0]
        return Fault(f"is of {_named(value.dtype)}, which the SDK cannot average ({why})", LEFT_OUT)
    expected = torch.stack([finite.max(), finite.min()])
    if (mean.double() - expected).abs().le(FAITHFUL * expected.abs()).all() or not sent.isfinite().all():
        return None
    worst = (mean.double() - expected).abs().argmax()
    return _too_small(value.dtype, f"{expected[worst]:g} from each of {number} nodes comes out as {mean[worst]:g}")


def _too_small(dtype: torch.dtype, why: str) -> Fault:
    wider = {torch.bfloat16: torch.float32, **WIDER}.get(dtype)
    way = f"make it {_named(wider)}" if wider else "keep smaller numbers in it"
    return Fault(f"is of {_named(dtype)}, which is too small to sum it in: {why}", f"{way}, or {LEFT_OUT}")


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _limits(dtype: torch.dtype) -> torch.finfo | torch.iinfo:
    return torch.iinfo(dtype) if dtype in INTEGERS else torch.finfo(dtype)


def _is_special(value: torch.Tensor) -> bool:
    return value.layout != torch.strided


def _is_copied(value: torch.Tensor, again: Any) -> bool:
    return isinstance(again, torch.Tensor) and value.numel() > 0 and value.data_ptr() != again.data_ptr()


def _overlaps(value: torch.Tensor) -> bool:
    """Return whether numbers of a tensor share places in memory."""
    length = 1
    for stride, size in sorted(zip(value.stride(), value.shape)):
        if size > 1 and stride < length:
            return True
        length += (size - 1) * stride
    return False


def _sharing(state: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, str]]:
    """Yield each two entries that lie, in part, in the same memory."""
    before: list[tuple[int, str]] = []
    for start, name in sorted((value.data_ptr(), name) for name, value in state.items() if value.numel()):
        for _, other in before:
            if start < state[other].data_ptr() + _length(state[other]) and _meet(state[other], state[name]):
                yield other, name
                break
        before.append((start, name))


def _length(value: torch.Tensor) -> int:
    """Return the number of bytes from a tensor's first to its last; it is not empty."""
    span = 1 + sum((size - 1) * step for size, step in zip(value.shape, value.stride()))
    return span * value.element_size()


def _meet(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors have a byte in common; real and imaginary parts, or columns, only interlace."""
    if all(_length(each) == each.numel() * each.element_size() for each in (one, other)):
        return True
    return bool(torch.isin(_places(other), _places(one)).any())


def _places(value: torch.Tensor) -> torch.Tensor:
    """Return the addresses of all bytes of a tensor."""
    places = torch.tensor([value.data_ptr()])
    for size, stride in zip((*value.shape, value.element_size()), (*value.stride(), None)):
        step = 1 if stride is None else stride * value.element_size()
        places = (places.unsqueeze(-1) + step * torch.arange(size)).flatten()
    return places
