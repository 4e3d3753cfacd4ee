"""Who is let in to a node's page, who is not, and what browsers are told about it."""

import http.client
import re
from typing import Any

import pytest
from pageworld import Visitor
from playgroundworld import Near, World
from starlette.routing import Route

from alphamed_tutorials.playground.agent.operator import LARGEST_CODE
from alphamed_tutorials.playground.page import sessions
from alphamed_tutorials.playground.page.app import application

PLACES = {"task": "nothing", "kind": "verify", "name": "model.pt", "action": "verify"}


@pytest.fixture(scope="module")
def node(lasting_world: World) -> Near:
    return lasting_world.node("hospital-a")


@pytest.fixture(scope="module")
def other(lasting_world: World) -> Near:
    return lasting_world.node("hospital-b")


def paths(node: Near, method: str) -> list[str]:
    """Return the page's addresses of a method, with something for each part that varies."""
    routes = [route for route in application(node.parts.page).app.app.routes if isinstance(route, Route)]
    found = [re.sub(r"{(\w+)}", lambda part: PLACES[part[1]], route.path) for route in routes if "token" not in route.path
             if method in (route.methods or ())]  # fmt: skip
    assert len(found) > 8
    return found


def test_a_link_opens_the_page_once(node):
    link = node.agent.link()
    first, second = Visitor(node, is_let_in=False), Visitor(node, is_let_in=False)
    opened = first.get(link)
    assert opened.status_code == 200 and opened.url == node.parts.services.origin + "/"
    refused = second.get(link)
    assert refused.status_code == 403 and "used already" in refused.text
    assert second.look("/").status_code == 403
    assert first.get(link).url == node.parts.services.origin + "/", "who is in stays in"


def test_a_link_that_nobody_opened_is_worth_nothing_after_a_day(node, monkeypatch):
    monkeypatch.setattr(sessions, "LINK_SECONDS", -1)
    assert Visitor(node, is_let_in=False).get(node.agent.link()).status_code == 403


def test_a_session_ends_after_its_days_and_by_logging_out(node, monkeypatch):
    visitor = Visitor(node)
    assert visitor.look("/").status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "SESSION_SECONDS", -1)
        assert visitor.look("/").status_code == 403
    assert visitor.look("/").status_code == 200
    visitor.submit("/leave")
    assert not visitor.cookies and visitor.look("/").status_code == 403


def test_the_cookie_is_signed_and_out_of_reach_of_scripts(node):
    visitor = Visitor(node, is_let_in=False)
    given = visitor.get(node.agent.link(), allow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in given and "SameSite=lax" in given and "Domain" not in given
    name, value = next(iter(visitor.cookies.items()))
    content, _, signature = value.rpartition(".")
    other = "A" if signature[0] != "A" else "B"  # not at the end, where a letter may hold bits that nobody reads
    for wrong in (f"{content}.{other}{signature[1:]}", value.replace(".", "", 1), "x" + value, ""):
        assert visitor.look("/", cookies={name: wrong}).status_code == 403
    assert visitor.look("/").status_code == 200


def test_nodes_of_one_machine_do_not_share_cookies(node, other):
    """Browsers send the cookies of one port to all others."""
    visitor, stranger = Visitor(node), Visitor(other, is_let_in=False)
    (name, value), (other_name, _) = *visitor.cookies.items(), *Visitor(other).cookies.items()
    assert name != other_name
    assert stranger.look("/", cookies={name: value}).status_code == 403
    assert stranger.look("/", cookies={other_name: value}).status_code == 403, "each node signs for itself"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "10.0.0.1:PORT"])
def test_another_sites_name_that_points_here_gets_nothing(node, host):
    visitor = Visitor(node)
    port = visitor.origin.rpartition(":")[2]
    for path in ("/", "/help", "/static/page.css", "/enter/something"):
        refused = visitor.look(path, headers={"Host": host.replace("PORT", port)})
        assert refused.status_code == 421 and "playground" not in refused.text.lower()
        assert_guarded(refused)
    for own in ("localhost", "127.0.0.1"):
        assert visitor.look("/help", headers={"Host": f"{own}:{port}"}).status_code != 421


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_another_site_sends_is_refused(node, site):
    visitor = Visitor(node)
    assert visitor.submit("/leave", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert visitor.look("/").status_code == 200
    assert visitor.submit("/leave", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 403, "it led to the door"
    assert visitor.look("/").status_code == 403


def test_every_change_needs_the_sessions_word(node):
    visitor, another = Visitor(node), Visitor(node)
    for path in paths(node, "POST"):
        for fields in ({}, {"word": ""}, {"word": another.word()}, {"word": "x" + visitor.word()}):
            refused = visitor.post(visitor.origin + path, data=fields, allow_redirects=False)
            assert refused.status_code == 403 and "not sent from a page of this session" in refused.text, path
        as_file = visitor.post(visitor.origin + path, files={"word": ("word", visitor.word())}, allow_redirects=False)
        assert as_file.status_code == 403, path
        outside = Visitor(node, is_let_in=False).post(visitor.origin + path, data={"word": visitor.word()})
        assert outside.status_code == 403 and "playground page --node" in outside.text, path
    assert visitor.look("/").status_code == 200, "nobody was logged out"


def test_nothing_is_seen_without_a_session(node):
    stranger = Visitor(node, is_let_in=False)
    for path in paths(node, "GET"):
        door = stranger.get(stranger.origin + path)
        assert door.status_code == 403 and "playground page --node" in door.text, path


def test_an_actions_address_that_is_opened_leads_to_its_task(node):
    visitor = Visitor(node)
    actions = [path for path in paths(node, "POST") if path.startswith("/tasks/")]
    assert len(actions) > 8
    for path in actions:
        answer = visitor.look(path)
        assert answer.is_redirect and answer.headers["location"] == "/tasks/nothing", path


def assert_guarded(answer: Any) -> None:
    """See that a browser is told what it may do with an answer."""
    told = {name: answer.headers.get(name) for name in sessions.HEADERS}
    assert told == sessions.HEADERS, f"{answer.status_code} {answer.url}"


def test_every_answer_tells_the_browser_what_it_may_do(node, monkeypatch):
    visitor = Visitor(node)
    policy = sessions.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for path in ("/", "/new", "/help", "/static/page.css", "/static/vendor/htmx.min.js"):
        assert_guarded(seen := visitor.look(path))
        assert seen.status_code == 200, path
    for path in ("/nothing", "/static/nothing", "/static/../app.py", "/tasks/nothing", "/tasks/no such"):
        assert_guarded(refused := visitor.look(path))
        assert refused.status_code in (403, 404, 409), path
    assert_guarded(visitor.post(visitor.origin + "/help"))
    assert_guarded(visitor.look("/tasks/nothing/start"))
    assert_guarded(Visitor(node, is_let_in=False).look("/"))


def test_a_fault_of_ours_is_answered_with_a_page_that_tells_nothing_of_it(node, monkeypatch):
    def fails(search: str) -> None:
        raise RuntimeError("a secret of the agent")

    visitor = Visitor(node)
    monkeypatch.setattr(node.parts.tasks, "find", fails)
    broken = visitor.look("/")
    assert broken.status_code == 500 and "agent.log" in broken.text and "secret" not in broken.text
    assert_guarded(broken)


def raw(node: Near, path: str, content: bytes, **headers: str) -> http.client.HTTPResponse:
    """Send a form of a session whose content and headers need not fit."""
    visitor = Visitor(node)
    connection = http.client.HTTPConnection(visitor.origin.removeprefix("http://"), timeout=20)
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    connection.request(
        "POST", path, content, {"Cookie": cookie, **{name.replace("_", "-"): text for name, text in headers.items()}}
    )
    return connection.getresponse()


def test_a_form_that_is_too_large_is_refused_before_it_is_read(node):
    largest = str(LARGEST_CODE * 2)
    refused = raw(node, "/new", b"", Content_Length=largest, Content_Type="multipart/form-data; boundary=x")
    assert refused.status == 413 and str(LARGEST_CODE) in refused.read().decode()
    unknown = raw(
        node, "/new", b"0\r\n\r\n", Transfer_Encoding="chunked", Content_Type="multipart/form-data; boundary=x"
    )
    assert unknown.status == 413


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--y\r\nnothing of the sort"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=word\r\n\r\n"),
        ("application/json", b'{"word": "x"}'),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(2000))),
        ("text/plain", b"\xff\xfe"),
    ],
)
def test_what_is_no_form_is_refused_with_a_page(node, kind, content):
    refused = raw(node, "/new", content, Content_Type=kind)
    assert refused.status in (400, 403) and "<h1>" in refused.read().decode()
