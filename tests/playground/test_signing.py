"""Signed requests: what passes, and what does not."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import requests

from alphamed_tutorials.playground import signing
from alphamed_tutorials.playground.signing import Checker, Fields, Received, SignatureRefused, SigningKey

URL = "http://127.0.0.1:8000/v1/tasks/a%20b/messages?wait=5"
KEY = SigningKey.make()
checker = Checker({KEY.key_id: KEY.public}.get)


def signed(key: SigningKey = KEY, url: str = URL, **kwargs) -> requests.PreparedRequest:
    return key.sign(requests.Request("POST", url, **({"json": {"a": "中文"}} | kwargs)).prepare())


def received(request: requests.PreparedRequest, **changes) -> Received:
    pairs = [
        (name.encode(), value.encode()) for name, value in ({**request.headers, **changes.pop("headers", {})}).items()
    ]
    return Received(**({"method": request.method, "url": request.url, "headers": Fields(pairs)} | changes))


def test_a_signed_request_passes():
    request = signed()
    found = checker.check(received(request))
    assert found.key_id == KEY.key_id
    assert found.digest == signing.digest_header(hashlib.sha256(request.body).digest())
    assert abs(found.created - datetime.now(UTC).timestamp()) < 5


def test_an_empty_body_is_signed_too():
    request = KEY.sign(requests.Request("GET", URL).prepare())
    assert checker.check(received(request)).digest == signing.digest_header(hashlib.sha256(b"").digest())


def test_a_stream_is_signed_by_its_digest():
    digest = hashlib.sha256(b"much").digest()
    request = requests.Request("PUT", URL, data=iter([b"mu", b"ch"])).prepare()
    assert checker.check(received(KEY.sign(request, sha256=digest))).digest == signing.digest_header(digest)
    with pytest.raises(TypeError):
        KEY.sign(request)


def test_a_request_that_is_sent_again_gets_another_nonce():
    request = signed()
    first = checker.check(received(request))
    assert checker.check(received(KEY.sign(request))).nonce != first.nonce


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"url": URL + "0"},
        {"url": URL.replace("http:", "https:")},
        {"headers": {"Content-Digest": signing.digest_header(hashlib.sha256(b"other").digest())}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"Signature": "node=:AAAA:"}},
        {"headers": {"Signature": "中文"}},
        {"headers": {"Signature": ""}},
        {"headers": {"Signature-Input": "node=((("}},
        {"headers": {"Signature-Input": 'node=("@method");created=1;keyid="x"'}},
    ],
)
def test_what_was_changed_is_refused(changes):
    with pytest.raises(SignatureRefused, match="signature"):
        checker.check(received(signed(), **changes))


def test_other_keys_are_refused():
    with pytest.raises(SignatureRefused):
        checker.check(received(signed(SigningKey.make())))  # unknown
    forger = SigningKey.make()
    forger.key_id = KEY.key_id
    with pytest.raises(SignatureRefused, match="not of this key"):
        checker.check(received(signed(forger)))


def test_a_signature_must_cover_the_body(monkeypatch):
    monkeypatch.setattr(signing, "COVERED", ("@method", "@target-uri"))
    request = signed()
    monkeypatch.undo()
    with pytest.raises(SignatureRefused, match="content-digest"):
        checker.check(received(request))


@pytest.mark.parametrize("seconds, passes", [(-290, True), (290, True), (-310, False), (310, False)])
def test_old_and_future_signatures_are_refused(monkeypatch, seconds, passes):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=seconds)

    monkeypatch.setattr(signing, "datetime", Clock)
    request = signed()
    if passes:
        checker.check(received(request))
    else:
        with pytest.raises(SignatureRefused):
            checker.check(received(request))


def test_bytes():
    signature = KEY.sign_bytes(b"head")
    assert signing.is_signed_by(KEY.public, signature, b"head")
    assert not signing.is_signed_by(KEY.public, signature, b"other")
    assert not signing.is_signed_by(SigningKey.make().public, signature, b"head")
    assert SigningKey(KEY.private).key_id == KEY.key_id
