"""Check which requests the dashboard refuses. No source has to be running for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.web.actions import Actions
from eddy.dashboard.web.app import make_app
from eddy.dashboard.web.security import is_loopback
from eddy.errors import DataError
from eddy.settings import Settings
from eddy.stack.ports import free_ports

OURS = {"X-Eddy-Action": "1"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A client of the page with these settings; what it does is noted in ``done``."""
    opened = []

    def make(**changes: object) -> Any:
        kafka, redis, flink = free_ports(3)
        settings = Settings()
        settings = settings.model_copy(
            update={
                "kafka": settings.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{kafka}"}),
                "redis": settings.redis.model_copy(update={"port": redis}),
                "dashboard": settings.dashboard.model_copy(update={"flink": f"127.0.0.1:{flink}", **changes}),
            }
        )
        done: list[str] = []

        def replay(reason: str) -> str:
            if reason == "broken":
                raise DataError("it is broken")
            done.append(reason)
            return "sent"

        app = make_app(Collector(settings), settings.dashboard, Actions(None, None, replay))  # type: ignore[arg-type]
        client = app.server.test_client()
        client.done = done
        opened.append(client)
        return client

    return make


def post(client: Any, **headers: str) -> int:
    return int(client.post("/actions/replay", json={"reason": "late"}, headers=headers).status_code)


def test_dashboard_itself_may_write(client):
    page = client()
    assert post(page, **OURS) == 200
    assert post(page, **OURS, Origin="http://localhost") == 200
    assert page.done == ["late", "late"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Eddy-Action": "1", "Origin": "http://evil.example"},
        {"X-Eddy-Action": "1", "Origin": "null"},
        {"X-Eddy-Action": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Eddy-Action": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Eddy-Action": "1", "Host": "evil.example"},
    ],
)
def test_request_from_another_site_is_refused(client, headers):
    page = client()
    assert post(page, **headers) == 403
    assert page.done == []


def test_unknown_host_header_is_refused(client):
    assert client().get("/live", headers={"Host": "evil.example:8050"}).status_code == 403
    assert client().get("/live", headers={"Host": "127.0.0.1:8050"}).status_code == 200
    assert client().get("/live", headers={"Host": "[::1]:8050"}).status_code == 200


def test_get_request_writes_nothing(client):
    page = client()
    assert b"<!DOCTYPE html>" in page.get("/actions/replay", headers=OURS).data  # an address like any other
    assert page.done == []


def test_writing_beyond_loopback_needs_the_token(client):
    page = client(host="0.0.0.0", token=SecretStr("s3cret"))  # noqa: S104  that is the case
    assert post(page, **OURS) == 401
    assert post(page, **OURS, **{"X-Eddy-Token": "wrong"}) == 401
    assert post(page, **OURS, **{"X-Eddy-Token": "s3cret"}) == 200
    assert page.get("/live", headers={"Host": "eddy.example"}).status_code == 200  # reading is free
    assert page.done == ["late"]


def test_writing_beyond_loopback_without_a_configured_token_is_refused(client):
    page = client(host="0.0.0.0")  # noqa: S104  that is the case
    reply = page.post("/actions/replay", json={"reason": "late"}, headers=OURS)
    assert reply.status_code == 403
    assert "dashboard.token" in reply.json["error"]


def test_error_of_an_action_is_returned(client):
    reply = client().post("/actions/replay", json={"reason": "broken"}, headers=OURS)
    assert (reply.status_code, reply.json) == (400, {"error": "it is broken"})


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("nothing", {}),
        ("feedback", {"id": "unknown", "action": "ack"}),
        ("rollback", {"name": "m", "version": "1"}),
        ("rollback", {"name": "m", "version": True}),
        ("replay", {"reason": "x" * 201}),
        ("replay", {"reason": 3}),
    ],
)
def test_invalid_request_is_refused_with_a_reason(client, name, body):
    reply = client().post(f"/actions/{name}", json=body, headers=OURS)
    assert reply.status_code == 400
    assert reply.json["error"]


def test_content_security_policy_allows_own_scripts_only(client):
    page = client().get("/")
    policy = page.headers["Content-Security-Policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert "http" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    for source in (b"https://", b"//cdn", b"unpkg"):
        assert source not in page.data.replace(b"https://dash.plotly.com", b"")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"])
def test_loopback_hosts_are_recognised(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "localhost.example.org", ""])  # noqa: S104
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback(host)


def test_unchanged_answer_is_not_sent_again(client):
    page = client()
    first = page.get("/live?path=/models")
    again = page.get("/live?path=/models", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
