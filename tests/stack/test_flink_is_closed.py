"""Try the local Flink from outside: what has no certificate of the stack gets no byte of an answer."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from eddy.configuration import load
from eddy.errors import StackError
from eddy.flink_rest import CERTIFICATE, IDENTITY, KEY, FlinkError, FlinkRest, RestAddress, rest_address
from eddy.settings import Settings
from eddy.stack import flink, flink_identity
from eddy.stack.local import Stack, isolated
from tests.integration.certificates import Authority

own_stack = pytest.mark.own_stack("a given stack is as closed as whoever started it made it")
#: a serialized java.lang.Integer: harmless, but only a deserialiser says what it is
OBJECT = base64.b64decode(
    "rO0ABXNyABFqYXZhLmxhbmcuSW50ZWdlchLioKT3gYc4AgABSQAFdmFsdWV4cgAQamF2YS5sYW5nLk51bWJlcoaslR0LlOCLAgAAeHAAAAAq"
)
FOREIGN = {"Origin": "http://elsewhere.example"}
Attempt = tuple[str, str, dict[str, Any]]
ATTEMPTS: dict[str, Attempt] = {
    "job-with-java-object": (
        "POST",
        "/v1/jobs",
        {
            "files": {
                "request": (None, json.dumps({"jobGraphFileName": "graph", "jobJarFileNames": []}), "application/json"),
                "file_0": ("graph", OBJECT, "application/octet-stream"),
            }
        },
    ),
    "cancel-by-get": ("GET", "/jobs/0123456789abcdef0123456789abcdef/yarn-cancel", {}),
    "savepoint-as-text": (
        "POST",
        "/jobs/0123456789abcdef0123456789abcdef/savepoints",
        {"data": '{"cancel-job": true}', "headers": {"Content-Type": "text/plain"}},
    ),
    "read": ("GET", "/jobmanager/config", {}),
}


def ask(url: str, attempt: Attempt, **more: Any) -> requests.Response:
    method, path, options = attempt
    headers = {**options.get("headers", {}), **FOREIGN}
    session = requests.Session()
    session.trust_env = False
    return session.request(method, f"{url}{path}", **{**options, "headers": headers}, timeout=20, **more)


@pytest.fixture
def known(stack: Stack) -> Path:
    found = stack.flink_address.identity
    assert found is not None, "the stack speaks no TLS"
    return found


@pytest.mark.stack
@own_stack
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("name", ATTEMPTS)
def test_what_has_no_certificate_gets_no_answer(stack: Stack, known: Path, tmp_path: Path, name: str) -> None:
    url, attempt = f"https://{stack.flink_address}", ATTEMPTS[name]
    own = {"verify": str(known / CERTIFICATE), "cert": (str(known / CERTIFICATE), str(known / KEY))}
    answer = ask(url, attempt, **own)  # the same request is read and answered, with the certificate
    assert answer.status_code in {200, 202, 400, 404, 500}
    if name == "job-with-java-object":
        assert "java.lang.Integer" in answer.text, answer.text  # its object was read

    with pytest.raises(requests.ConnectionError):
        ask(f"http://{stack.flink_address}", attempt)
    with pytest.raises(requests.ConnectionError):
        ask(url, attempt, verify=False)
    certificate, key = Authority(tmp_path).issue("stranger")
    with pytest.raises(requests.ConnectionError):
        ask(url, attempt, verify=False, cert=(str(certificate), str(key)))


@pytest.mark.stack
@own_stack
def test_every_port_of_flink_asks_for_the_certificate(stack: Stack, known: Path) -> None:
    """RPC, blob server and data exchange read Java objects too; metrics are plain text, and only text."""
    settings = stack.settings.stack
    metrics = {settings.metrics_port + n for n in range(settings.taskmanagers + 1)} if settings.metrics_port else set()
    ports: dict[str, set[int]] = {}
    for state in stack.status():
        if state.name.startswith((flink.JOBMANAGER, flink.TASKMANAGER)):
            assert state.pid
            ports[state.name] = set(listening(state.pid)) - metrics
    assert len(ports[flink.JOBMANAGER]) >= 3, ports  # REST, RPC, blob server
    assert len(ports["taskmanager-1"]) >= 2, ports  # RPC, data
    own = ssl.create_default_context(cafile=str(known / CERTIFICATE))
    own.load_cert_chain(known / CERTIFICATE, known / KEY)
    stranger = ssl.create_default_context(cafile=str(known / CERTIFICATE))
    for name, several in ports.items():
        for port in several:
            assert shaken(port, own), f"{name}: no TLS at port {port}"
            assert not shaken(port, stranger), f"{name}: port {port} takes a client without certificate"


def listening(pid: int) -> Iterator[int]:
    for connection in psutil.Process(pid).net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            yield connection.laddr.port


def shaken(port: int, context: ssl.SSLContext) -> bool:
    """Whether the handshake succeeds: with TLS 1.3 a refusal comes with the first read."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.settimeout(2)
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                secured.sendall(b"\0")
                with contextlib.suppress(TimeoutError):
                    secured.recv(1)
        except ssl.SSLError:
            return False
        except ConnectionError:  # taken, then not understood
            return True
    return True


def test_identity_is_made_once_for_this_user_alone_and_again_for_another_host(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "identity"
    flink_identity.present(folder, "127.0.0.1")
    files = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert set(files.values()) == {0o600}
    assert set(files) == {"certificate.pem", "key.pem", "keystore.p12", "password", "hosts"}
    assert folder.stat().st_mode & 0o777 == 0o700
    key = (folder / KEY).read_bytes()
    flink_identity.present(folder, "127.0.0.1")
    assert (folder / KEY).read_bytes() == key
    flink_identity.present(folder, "eddy.example")
    assert (folder / KEY).read_bytes() != key
    shown = subprocess.run(
        ["openssl", "x509", "-in", folder / CERTIFICATE, "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert "DNS:eddy.example, IP Address:127.0.0.1" in shown
    assert {path.name for path in folder.parent.iterdir()} == {"identity"}


def test_missing_openssl_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(StackError, match=r"openssl is not installed; .*apt-get install openssl"):
        flink_identity.present(tmp_path / "identity", "127.0.0.1")


def test_identity_belongs_to_the_local_stack_or_to_the_setting(tmp_path: Path) -> None:
    settings = isolated(Settings(), tmp_path)
    own = rest_address(settings.stack)
    assert own.identity is None, "a stack that was never started has none"
    assert own.url == f"http://{own}"
    flink_identity.present(tmp_path / IDENTITY, "127.0.0.1")
    assert own.identity == tmp_path / IDENTITY  # found as soon as it is there: clients may start before the stack
    assert own.url == f"https://{own}"
    assert rest_address(settings.stack, str(own)).identity == own.identity
    assert rest_address(settings.stack, "elsewhere:8081").identity is None
    named = load([f"stack.flink_identity={tmp_path / 'mine'}"], environ={}).settings.stack
    assert rest_address(named, "elsewhere:8081").identity == tmp_path / "mine"


def test_client_refuses_a_server_with_another_certificate(tmp_path: Path) -> None:
    """A program that took Flink's port while the stack was down learns nothing."""
    own = flink_identity.present(tmp_path / "own", "127.0.0.1")
    other = flink_identity.present(tmp_path / "other", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other / CERTIFICATE, other / KEY)
    with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as secured:
        address = RestAddress(f"127.0.0.1:{secured.getsockname()[1]}", own)
        secured.settimeout(20)
        taken: list[bytes] = []

        def serve() -> None:
            with contextlib.suppress(ssl.SSLError):
                taken.append(secured.accept()[0].recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(FlinkError, match=r"does not answer at 127\.0\.0\.1:\d+ \(TLS fails: .*certificate"):
            FlinkRest(address, connect_seconds=10, answer_seconds=10).overview()
        thread.join()
    assert taken == []
