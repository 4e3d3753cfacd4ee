"""What the SDK does where a data owner is late, shown with its own classes: our engine waits, AlphaMed does not."""

import io
import runpy

import pytest
import torch
from alphafed.contractor import ApplySharedFileSendingDataEvent
from alphafed.data_channel import SendingError, SharedFileDataChannel
from alphafed.fed_avg.contractor import ReadyForAggregationEvent, ResetRoundEvent, StartRoundEvent, SyncStateEvent
from alphafed.fed_avg.fed_avg import ResetRound

from pages import ROOT

TASK = ROOT / "snippets" / "alphamed" / "timeout.py"


@pytest.fixture
def shown(capsys) -> tuple[dict, str]:
    """Return what the page's program defines, and what it prints."""
    names = runpy.run_path(str(TASK))
    return names, capsys.readouterr().out


def test_a_round_that_is_repeated_starts_from_what_the_aggregator_then_holds(shown):
    parts = [[line.strip() for line in part.splitlines()] for part in shown[1].split(" of 3 owners in time\n")]
    late = ["repeated: Too few results gathered: {} copies."]
    assert parts[1][:2] == ["sent out: 1.0", "sent out: 3.0"]
    assert parts[2][:3] == ["sent out: 1.0", late[0].format(2), "sent out: 6.0"]
    assert parts[3][:3] == ["sent out: 1.0", late[0].format(0), "sent out: 0.0"]


def test_a_round_that_is_repeated_before_the_sum_starts_as_before(shown):
    class Deaf(shown[0]["Network"]):
        def batch_send_stream(self, target, data_stream, **_):
            sent.append(torch.load(io.BytesIO(data_stream))["weight"].item())
            return target[1:]

    sent, aggregator = [], shown[0]["aggregator"]
    aggregator.contractor = aggregator.data_channel = Deaf(3)
    torch.nn.init.ones_(aggregator.model.weight)
    for _ in range(2):
        with pytest.raises(ResetRound, match="Too few calculators getting ready"):
            aggregator._run_a_round()
    assert sent == [1.0, 1.0]


class Messages:
    """Stand in for the contractor of a data owner: the messages that lie there for it when its training ends."""

    def __init__(self, *events):
        self.events = list(events)

    def contract_events(self, timeout=0):
        while self.events:
            yield self.events.pop(0)
        assert timeout, "it would wait for ever"

    def upload_file(self, fp):
        return "http://nowhere"

    def apply_sending_data(self, **_):
        return "a session"

    def accept_sending_data(self, **_): ...


def test_an_owner_that_trains_too_long_finds_nobody_to_take_its_parameters(shown):
    """The aggregator has reset the round; the owner drops that message with the next, and ends."""

    class Channel(SharedFileDataChannel):
        def receive_stream(self, source, **_):
            parameters = io.BytesIO()
            torch.save(owner.state_dict(), parameters)
            return source, parameters.getvalue()

    owner = shown[0]["OneNumber"](max_rounds=1)
    owner.id, owner.is_aggregator, owner._save_model = "a", False, lambda: None
    start = StartRoundEvent(round=1, calculators=["a"], aggregator="aggregator")
    missed = ResetRoundEvent(), SyncStateEvent(round=1, aggregator="aggregator")
    owner.contractor = Messages(start, ReadyForAggregationEvent(round=1), *missed)
    owner.data_channel = Channel(owner.contractor)
    with pytest.raises(SendingError):
        owner._run_a_round()
    assert not owner.contractor.events


def test_a_download_that_fails_counts_as_late(monkeypatch):
    def fail(address):
        raise OSError(address)

    monkeypatch.setattr("requests.get", fail)
    offer = ApplySharedFileSendingDataEvent(
        session_id="1", source="a", target=["aggregator"], file_url="http://nowhere"
    )
    channel = SharedFileDataChannel(Messages(offer))
    assert channel.batch_receive_stream(receiver="aggregator", source_list=["a"], timeout=1) == {}
