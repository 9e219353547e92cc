"""Check tokens without a broker: kept and renewed, odd answers of an endpoint, Amazon's signature."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aws_msk_iam_sasl_signer.MSKAuthTokenProvider as amazon
import pytest
from botocore import auth
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from eddy import connection_tokens
from eddy.configuration import load
from eddy.connection_tokens import Token, Tokens, msk_token, oidc_token, signed
from eddy.errors import EddyError, SettingsError, StackError

KEY = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/+=session")
JUNIT = Path(__file__).parents[1] / "flink_job/jvm/src/eddy/flink/MskTokenTest.java"


def jwt(**claims: Any) -> str:
    return "h." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".s"


class Endpoint:
    """Answer each request with what a test has put there."""

    def __init__(self) -> None:
        self.status, self.content = 200, b""
        self.headers: dict[str, str] = {}
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response_only(endpoint.status)
                for name, value in {"Content-Length": str(len(endpoint.content)), **endpoint.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(endpoint.content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_port}/t"
        given_settings = ["kafka.security_protocol=SASL_SSL", "kafka.sasl_mechanism=OAUTHBEARER"]
        given_settings += [
            f"kafka.oauth_token_url={url}",
            "kafka.oauth_client_id=a",
            "kafka.oauth_client_secret=geheim",
        ]
        self.settings = load(given_settings, environ={}).settings.kafka

    def answers(self, found: Any, status: int = 200, **headers: str) -> None:
        self.content = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.status, self.headers = status, headers


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_token_is_kept_renewed_in_time_and_given_while_it_lasts() -> None:
    clock, made = [0.0], [0]

    def fetch() -> Token:
        if made[0] == 2:
            raise StackError("away")
        made[0] += 1
        return Token(f"t{made[0]}", clock[0] + 100, "a", "facts")

    tokens = Tokens(fetch, lambda: clock[0])
    assert [tokens.get().value for clock[0] in (0.0, 79.0, 80.0, 159.0)] == ["t1", "t1", "t2", "t2"]
    for clock[0] in (160.0, 179.9):
        assert tokens.get().value == "t2"
        assert tokens.trouble == "away"
    clock[0] = 180.0
    with pytest.raises(StackError, match="away"):
        tokens.get()
    made[0] = 1
    assert (tokens.get().value, tokens.trouble) == ("t2", "")


def test_opaque_tokens_end_as_the_answer_says(endpoint: Endpoint) -> None:
    endpoint.answers({"access_token": "opaque", "expires_in": 60})
    token = oidc_token(endpoint.settings)
    assert token.value == "opaque"
    assert 55 < token.ends - time.time() <= 60


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<html>", "the answer holds no access_token"),
        (b"[" * 100_000, "the answer holds no access_token"),
        ([], "the answer holds no access_token"),
        ({"access_token": 3}, "no bearer token"),
        ({"access_token": "a\x01auth=b"}, "no bearer token"),
        ({"access_token": "abc"}, "until when it is valid"),
        ({"access_token": "abc", "expires_in": True}, "until when it is valid"),
        ({"access_token": jwt(exp=10)}, "the token ended"),
        ({"access_token": jwt(exp=1e300)}, "until when it is valid"),
    ],
)
def test_odd_answers_are_one_line(endpoint: Endpoint, content: Any, expected: str) -> None:
    endpoint.answers(content)
    with pytest.raises(StackError, match=expected) as caught:
        oidc_token(endpoint.settings)
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@given(content=st.one_of(st.binary(max_size=200), st.recursive(st.none() | st.text() | st.floats(), st.lists).map(
    lambda found: json.dumps({"access_token": jwt(exp=found, aud=found, sub=found), "expires_in": 5}).encode())),
    status=st.sampled_from([200, 400, 401, 500]))  # fmt: skip
def test_no_answer_breaks_the_reader(content: bytes, status: int) -> None:
    endpoint = _FUZZED
    endpoint.answers(content, status)
    try:
        assert oidc_token(endpoint.settings).ends > time.time()
    except EddyError as error:
        one_line(error)


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


_FUZZED = Endpoint()


def test_a_redirect_is_not_followed(endpoint: Endpoint) -> None:
    endpoint.answers(b"", 302, Location="http://127.0.0.1:1/")
    with pytest.raises(StackError, match=r"it refused with 302; check kafka\.oauth_token_url"):
        oidc_token(endpoint.settings)


def test_a_missing_secret_is_named(endpoint: Endpoint) -> None:
    with pytest.raises(SettingsError, match=r"kafka\.oauth_client_secret is not set"):
        oidc_token(endpoint.settings.model_copy(update={"oauth_client_secret": None}))


@pytest.mark.parametrize("credentials", [KEY, SESSION])
def test_tokens_are_those_of_amazons_own_signer(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs differs in the name that it gives itself after signing."""
    monkeypatch.setattr(amazon, "__get_user_agent__", lambda: "eddy")
    theirs: Any = amazon.__dict__["__construct_auth_token"]
    for _ in range(3):  # both in one second
        ours = signed("eu-central-1", credentials)
        value, ends = theirs("eu-central-1", credentials)
        if ends == ours.ends * 1000:
            break
    assert ours.value == value
    assert ends == ours.ends * 1000
    assert connection_tokens.MSK_SECONDS == 900


def test_java_signs_the_same_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens in MskTokenTest.java are those of botocore."""
    text = JUNIT.read_text()
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_: _at(), raising=False)
    for credentials in (KEY, SESSION):
        assert signed("eu-central-1", credentials).value in re.sub(r'"\s*\+\s*"', "", text)


def _at() -> Any:
    from datetime import datetime

    return datetime(2026, 11, 30, 12, 0, 0)  # noqa: DTZ001  as botocore's own


def test_missing_region_and_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingsError, match=r"kafka\.aws_region is not set, nor AWS_REGION"):
        msk_token(None)
    with pytest.raises(StackError, match="no credentials for Amazon MSK"):
        msk_token("eu-central-1")
