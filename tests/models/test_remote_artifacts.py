"""Fetch artifacts from real servers: HTTPS with certificates of our own, and one that speaks S3's protocol."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eddy.errors import ModelError, ModelUnavailable
from eddy.models.artifacts import uri
from eddy.models.artifacts.uri import check_uri, read_artifact
from eddy.settings import RegistrySettings
from tests.integration.certificates import Authority
from tests.models.artifact_server import ArtifactServer, body, status

CONTENT = b"an artifact" * 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArtifactServer]:
    found = ArtifactServer(tmp_path_factory.mktemp("https"))
    yield found
    found.close()


def test_artifact_is_read_over_https(server: ArtifactServer) -> None:
    server.answers["/m"] = body(CONTENT, len(CONTENT))
    server.answers["/unannounced"] = body(CONTENT)
    for path in ("/m", "/unannounced"):
        assert read_artifact(server.at(path), server.settings()) == CONTENT
    only = server.settings(uri_prefixes=f"https://127.0.0.1:{server.port}/")
    assert read_artifact(server.at("/m"), only) == CONTENT


def test_server_with_another_certificate_is_not_read(server: ArtifactServer, tmp_path: Path) -> None:
    server.answers["/m"] = body(CONTENT, len(CONTENT))
    other = RegistrySettings(ssl_cafile=str(Authority(tmp_path).ca))
    for settings in (other, RegistrySettings()):
        with pytest.raises(ModelUnavailable, match="certificate verify failed"):
            read_artifact(server.at("/m"), settings)
    with pytest.raises(ModelError, match=r"registry\.ssl_cafile"):
        read_artifact(server.at("/m"), RegistrySettings(ssl_cafile="/nowhere.pem"))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(server: ArtifactServer, code: int) -> None:
    server.answers["/away"] = status(code, Location="/m")
    server.answers["/m"] = body(CONTENT, len(CONTENT))
    server.asked.clear()
    with pytest.raises(ModelError, match=rf"sends elsewhere \(status {code}\)") as refused:
        read_artifact(server.at("/away"), server.settings())
    assert not isinstance(refused.value, ModelUnavailable)
    assert server.asked == ["/away"]


@pytest.mark.parametrize(
    ("code", "passing"), [(404, False), (403, False), (410, False), (500, True), (503, True), (429, True)]
)
def test_what_may_pass_is_told_from_what_will_not(server: ArtifactServer, code: int, passing: bool) -> None:
    server.answers["/m"] = status(code)
    with pytest.raises(ModelError, match=f"status {code}") as found:
        read_artifact(server.at("/m"), server.settings())
    assert isinstance(found.value, ModelUnavailable) == passing


def test_server_that_is_not_there_may_come_back(server: ArtifactServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"https://127.0.0.1:{free.getsockname()[1]}/m"
    with pytest.raises(ModelUnavailable, match="refused"):
        read_artifact(nowhere, server.settings())
    with pytest.raises(ModelUnavailable):
        read_artifact("https://nowhere.invalid/m", server.settings(fetch_timeout_ms=3000))


def test_body_is_bounded_whatever_it_announces(server: ArtifactServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uri, "MAX_ARTIFACT_BYTES", 5000)
    server.answers["/said"] = body(CONTENT, len(CONTENT))
    server.answers["/silent"] = body(CONTENT)
    server.answers["/lie"] = body(CONTENT, 10)
    server.answers["/packed"] = status(200, Content_Encoding="gzip")
    with pytest.raises(ModelError, match="11000 bytes; at most 5000"):
        read_artifact(server.at("/said"), server.settings())
    with pytest.raises(ModelError, match="more than 5000 bytes"):
        read_artifact(server.at("/silent"), server.settings())
    assert read_artifact(server.at("/lie"), server.settings()) == CONTENT[:10]
    with pytest.raises(ModelError, match="Content-Encoding is 'gzip'"):
        read_artifact(server.at("/packed"), server.settings())


def test_body_that_is_cut_short_is_fetched_again(server: ArtifactServer) -> None:
    server.answers["/cut"] = body(CONTENT, len(CONTENT) + 1)
    with pytest.raises(ModelUnavailable, match="ends after 11000 of 11001 bytes"):
        read_artifact(server.at("/cut"), server.settings())


def test_server_that_drips_or_stalls_is_left_in_time(server: ArtifactServer) -> None:
    server.answers["/drip"] = body(CONTENT, len(CONTENT), pause=0.05, piece=1)
    server.answers["/stall"] = lambda handler: time.sleep(5)
    for path in ("/drip", "/stall"):
        with pytest.raises(ModelUnavailable, match=r"within 0\.5 s \(registry\.fetch_timeout_ms\)"):
            read_artifact(server.at(path), server.settings(fetch_timeout_ms=500))


@pytest.mark.parametrize(
    "address",
    [
        "https://models.example.com.evil.net/a/m",
        "https://models.example.com@evil.net/a/m",
        "https://models.example.com:444/a/m",
        "https://models.example.com/ab/m",
        "https://models.example.com/a/../b",
        "https://models.example.com/a/%2e%2e/b",
        "https://models.example.com/a/%252e%252e/b",
        "https://models.example.com/a/..%2fb",
        "https://models.example.com/a%2fm",
        "https://models.example.com\\@evil.net/a/m",
        "https://models.example.com/a/m#x",
        "https://models.example.com\t.evil.net/a/m",
        "https://models.example.com/a/m\n",
        "https://models.example.com%2eevil.net/a/m",
        "https://evil.net/https://models.example.com/a/m",
        "https:///a/m",
        "https:models.example.com/a/m",
        "https://models.example.com:x/a/m",
        "//models.example.com/a/m",
        "s3://modelsX/a/m",
        "s3://models/ab",
        "s3://models@evil/a/m",
        "s3://models/a/m?versionId=1",
        "s3:/models/a/m",
        "file:///srv/models-of-others/m",
    ],
)
def test_address_outside_the_allowed_places_is_refused(address: str) -> None:
    only = RegistrySettings(uri_prefixes="https://models.example.com/a, s3://models/a, file:///srv/models")
    with pytest.raises(ModelError):
        check_uri(address, only)


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("https://models.example.com/a/m", "https://models.example.com/a/m"),
        ("HTTPS://Models.Example.COM:443/a/m", "https://models.example.com/a/m"),
        ("https://models.example.com./a/m?token=1", "https://models.example.com/a/m?token=1"),
        ("https://models.example.com/a", "https://models.example.com/a"),
        ("s3://models/a/b/m.safetensors", "s3://models/a/b/m.safetensors"),
    ],
)
def test_address_inside_the_allowed_places_is_opened(address: str, opened: str) -> None:
    only = RegistrySettings(uri_prefixes="https://models.example.com/a, s3://models/a")
    assert check_uri(address, only) == opened


def test_refusal_tells_nothing_of_a_files_content(tmp_path: Path) -> None:
    from dataclasses import replace

    from eddy.models.artifacts import artifact
    from eddy.models.serving.loaded_model import load_model
    from tests.models.small_models import manifest

    secret = tmp_path / "secret"
    secret.write_bytes(b"hush")
    content = read_artifact(str(secret), RegistrySettings())
    with pytest.raises(ModelError, match="its sha256 is not the one") as refused:
        load_model(replace(manifest(), artifact="", uri=str(secret)), content)
    assert artifact.sha256(content)[:6] not in str(refused.value)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start moto's S3 server, a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_artifact_is_read_from_s3(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    environment = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in {**environment, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = botocore.session.get_session().create_client("s3")
    client.create_bucket(Bucket="models")
    client.put_object(Bucket="models", Key="team a/m.safetensors", Body=CONTENT)
    only = RegistrySettings(uri_prefixes="s3://models/team%20a")
    assert read_artifact("s3://models/team%20a/m.safetensors", only) == CONTENT
    with pytest.raises(ModelError, match="s3://models answers with status 404") as missing:
        read_artifact("s3://models/team%20a/other", only)
    assert not isinstance(missing.value, ModelUnavailable)
    assert "Signature" not in str(missing.value)
    monkeypatch.setattr(uri, "MAX_ARTIFACT_BYTES", 5000)
    with pytest.raises(ModelError, match="at most 5000"):
        read_artifact("s3://models/team%20a/m.safetensors", only)


def test_s3_without_credentials_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="cannot be signed"):
        read_artifact("s3://models/m", RegistrySettings())
