"""Whatever an admitted node sends, the hub never stumbles: cases made from its OpenAPI, signed as they must be."""

import contextlib

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from playgroundhub import Task, running
from schemathesis import GenerationMode

from alphamed_tutorials.playground.hub.app import make_app
from alphamed_tutorials.playground.hub.state import Limits

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running(tmp_path_factory.mktemp("hub"), Limits(file=1 << 20, train=1 << 20)) as hub:
        yield hub


@pytest.fixture(scope="module")
def task(hub):
    return Task(hub).start()


def check(hub, task, examples: int) -> int:
    """Send this many cases of each kind to each route; return how many were accepted."""
    accepted = 0
    for found in schemathesis.openapi.from_dict(make_app(hub.hub).openapi()).get_all_operations():
        operation = found.ok()
        for mode in MODES:

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(
                case=operation.as_strategy(mode),
                is_member=st.booleans(),
                node=st.sampled_from([task.initiator, task.first]),
            )
            def send(case, is_member, node):
                nonlocal accepted
                if is_member and "task" in case.path_parameters:
                    case.path_parameters["task"] = task.id
                if case.query and "wait" in case.query:
                    case.query["wait"] = 0  # it would wait
                response = case.call(base_url=hub.url, auth=node.key.sign, timeout=30)
                assert response.status_code < 500, (case.method, case.formatted_path, case.body, response.text)
                if response.status_code >= 400:
                    assert response.json()["error"]
                accepted += response.status_code < 300

            with contextlib.suppress(Unsatisfiable):  # a route that takes nothing knows no wrong input
                send()
    return accepted


@pytest.mark.slow
def test_no_input_breaks_the_hub(hub, task):
    assert check(hub, task, examples=8) > 50


@pytest.mark.soak
def test_much_input_does_not_break_the_hub(hub, task):
    assert check(hub, task, examples=300) > 500
