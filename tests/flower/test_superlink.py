"""What a SuperLink is asked from outside, and what is said where it does not answer or has no fit nodes."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import json
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

from cryptography import x509
from flwr.cli.typing import SuperLinkConnection
from flwr.common.config import parse_config_args

from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.flower import engine
from alphamed_tutorials.flower.control import SuperLink, Unreachable
from alphamed_tutorials.flower.events import Events
from alphamed_tutorials.flower.keys import certify, node_key
from alphamed_tutorials.flower.local import _quoted, free_port


def superlink_with(*nodes: tuple[str, str]) -> SuperLink:
    """Return one where these SuperNodes are registered, by name and status."""
    found = object.__new__(SuperLink)
    listed = [SimpleNamespace(name=name, status=status) for name, status in nodes]
    found.name = "clinics"
    found._client = SimpleNamespace(ListNodes=lambda _: SimpleNamespace(nodes_info=listed), close=lambda: None)
    return found


def test_registered_nodes_come_in_the_order_of_data_owners():
    known = superlink_with(("node10", "online"), ("node2", "offline"), ("node1", "registered"), ("old", "unregistered"))
    assert known.node_names() == ["node1", "node2", "node10"]


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "without a name"), ("../node1", "no name for a node"), ("aggregator", "under --name aggregator")],
)
def test_a_name_that_will_not_do_is_refused(name, why, monkeypatch):
    monkeypatch.setattr(SuperLink, "named", lambda _: superlink_with((name, "online")))
    with pytest.raises(WrongUse, match=why):
        engine.registered("clinics")


def test_a_superlink_without_nodes_is_refused(monkeypatch):
    monkeypatch.setattr(SuperLink, "named", lambda _: superlink_with())
    with pytest.raises(WrongUse, match="no SuperNode is registered at the SuperLink clinics"):
        engine.registered("clinics")


def test_a_superlink_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    with pytest.raises(WrongUse, match="--superlink clinics is not in Flower's configuration"):
        SuperLink.named("clinics")
    away = SuperLink(SuperLinkConnection("clinics", f"127.0.0.1:{free_port()}", insecure=True))
    with pytest.raises(Unreachable, match="the SuperLink clinics cannot be reached"):
        away.node_names()


def test_certificates_are_what_tls_takes(tmp_path):
    certify(tmp_path)
    ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    authority, server = (
        x509.load_pem_x509_certificate((tmp_path / name).read_bytes()) for name in ("ca.pem", "server.pem")
    )
    server.verify_directly_issued_by(authority)
    assert node_key(tmp_path / "node1.key").startswith(b"-----BEGIN PUBLIC KEY")


def test_folders_reach_flower_as_they_are():
    text = " ".join(f"{key}={_quoted(value)}" for key, value in (("name", "北京 1"), ("data", Path("/srv/the data"))))
    assert parse_config_args([text]) == {"name": "北京 1", "data": "/srv/the data"}
    with pytest.raises(TutorialError, match="no folder or name with a quote"):
        _quoted('/srv/"data"')


def test_events_are_handed_on_once_and_whole(tmp_path):
    file, told = tmp_path / "events.jsonl", []
    file.write_text(json.dumps({"event": "before"}) + "\n")
    events = Events(file, told.append)
    with file.open("a") as lines:
        lines.write(json.dumps({"event": "one"}) + "\n" + '{"event": ')
    events.hand_on()
    with file.open("a") as lines:
        lines.write('"two"}\n')
    events.hand_on()
    assert [event["event"] for event in told] == ["one", "two"]


def test_a_superlink_that_stays_away_ends_the_wait(monkeypatch):
    def away(number):
        raise Unreachable("the SuperLink cannot be reached")

    monkeypatch.setattr(engine, "AWAY_SECONDS", 0)
    cluster = SimpleNamespace(ended="", superlink=SimpleNamespace(standing=away))
    events = SimpleNamespace(hand_on=lambda: None)
    with pytest.raises(Unreachable):
        engine._wait(cluster, 1, events)


def test_a_run_that_a_superlink_knows_nothing_of_is_over():
    anew = superlink_with()
    anew._client.ListRuns = lambda _: SimpleNamespace(run_dict={})
    assert anew.standing(7) == (True, False, "the SuperLink was started anew, and knows nothing of it")
