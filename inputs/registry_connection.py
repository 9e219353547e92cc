"""Ask a schema registry over HTTP: several addresses, credentials, TLS, bounded answers, and patience."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.auth import AuthBase, HTTPBasicAuth

from eddy.connection_settings import SchemaRegistrySettings
from eddy.errors import SettingsError, StackError

MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CHUNK_BYTES = 16 * 1024
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_APICURIO = "/apis/registry/v2"
_NO_SUCH = range(40400, 40500)  # Confluent's codes for what is not there: subject, version, schema
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json, */*"

log = logging.getLogger(__name__)


class Absent(Exception):
    """Say that the registry has no such schema, or none that is read."""


class _Away(Exception):
    """Say why an address gave no answer that counts."""


class RegistryConnection:
    """Send requests to the first address that answers.

    Args:
        settings: of the connection.

    Raises:
        SettingsError: an address is none, a file is not there, or credentials do not fit together.
    """

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        self._settings = settings
        self._urls = [_checked(url.strip().rstrip("/")) for url in settings.urls.split(",") if url.strip()]
        if not self._urls:
            expected = "expected the address of a registry such as http://registry:8081"
            raise SettingsError(f"schema_registry.urls: found none, {expected}: the format of a source needs it")
        self._secrets = _Secrets(settings)
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            path = getattr(settings, name)
            if path and not Path(path).is_file():
                raise SettingsError(f"schema_registry.{name}: found no file {path}")
        if settings.ssl_keyfile and not settings.ssl_certfile:
            raise SettingsError("schema_registry.ssl_keyfile: found no ssl_certfile beside it, expected both")
        self._session = requests.Session()
        local = all(urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"} for url in self._urls)
        self._session.trust_env = not local  # a proxy never leads back to this machine
        # an answer is bounded before it is unpacked: a few bytes could become gigabytes
        self._session.headers.update({"Accept": _ACCEPT, "Accept-Encoding": "identity"})

    def text(self, path: str) -> str:
        """Return the text at a path of Apicurio's own API, which is beside Confluent's.

        Raises:
            Absent, StackError, SettingsError: as :meth:`json` says.
        """
        return str(self._get(path, {}, apicurio=True, read=bytes.decode))

    def json(self, path: str, query: Mapping[str, str] | None = None, *, apicurio: bool = False) -> Any:
        """Return the JSON at a path; wait while no address answers.

        Args:
            path: below the address.
            query: its parameters.
            apicurio: the path is one of Apicurio's own API.

        Raises:
            Absent: there is nothing, or more than :data:`MAX_ANSWER_BYTES`.
            StackError: no address answered for ``patience_seconds``.
            SettingsError: the credentials are refused.
        """
        return self._get(path, query or {}, apicurio, json.loads)

    def _get(self, path: str, query: Mapping[str, str], apicurio: bool, read: Callable[[bytes], Any]) -> Any:
        patience = self._settings.patience_seconds
        deadline, pause, waits = time.monotonic() + patience, _FIRST_PAUSE_SECONDS, False
        while True:
            try:
                answer = self._ask(path, query, apicurio, read)
            except _Away as why:
                if time.monotonic() + pause > deadline:
                    raise StackError(f"no schema registry answered for {patience} s: {why}") from None
                if not waits:
                    log.warning("the schema registry does not answer; records wait for up to %d s: %s", patience, why)
                waits = True
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                continue
            if waits:
                log.warning("the schema registry answers again")
            return answer

    def _ask(self, path: str, query: Mapping[str, str], apicurio: bool, read: Callable[[bytes], Any]) -> Any:
        """Ask each address once, beginning with the one that answered last."""
        away, absent = [], None
        for url in list(self._urls):
            try:
                answer = read(self._ask_one((_beside(url) if apicurio else url) + path, query))
            except (ValueError, RecursionError):
                away.append(f"{url}: the answer is not that of a registry")
                continue
            except _Away as why:
                away.append(f"{url}: {why}")
                continue
            except Absent as problem:
                absent = problem  # another one may have it: they learn of new schemas one after the other
                continue
            self._urls.remove(url)
            self._urls.insert(0, url)
            return answer
        if absent is not None:
            raise absent
        raise _Away("; ".join(away))

    def _ask_one(self, url: str, query: Mapping[str, str]) -> bytes:
        status, content = self._send(url, query)
        if status in {401, 403} and self._secrets.read_again():
            status, content = self._send(url, query)
        if status in {401, 403}:
            kind = self._secrets.kind
            raise SettingsError(f"{url} answered {status}: the schema registry refuses {kind}; see schema_registry")
        if status == 404:
            raise _not_found(content)
        if status != 200:
            message = f"answered {status}"
            raise _Away(message)
        return content

    def _send(self, url: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        settings = self._settings
        seconds = settings.timeout_ms / 1000
        certificate = settings.ssl_certfile
        pair = (certificate, settings.ssl_keyfile) if certificate and settings.ssl_keyfile else certificate
        try:
            with self._session.get(
                url,
                params=dict(query),
                timeout=seconds,
                auth=self._secrets,
                # here, not at the session: an environment's REQUESTS_CA_BUNDLE would replace that
                verify=settings.ssl_cafile or True,
                cert=pair,
                stream=True,
            ) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    message = "answered with compressed content, which was not asked for"
                    raise _Away(message)
                return response.status_code, b"".join(_bounded(response, time.monotonic() + seconds))
        except (requests.RequestException, OSError) as error:
            raise _Away(_cause(error)) from None


def _bounded(response: requests.Response, deadline: float) -> Iterator[bytes]:
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            message = f"the answer has more than {MAX_ANSWER_BYTES} bytes"
            raise Absent(message)
        if time.monotonic() > deadline:
            message = "the answer takes too long"
            raise _Away(message)
        yield chunk


class _Secrets(AuthBase):
    """Add the credentials to each request; files are read again when what was in them is refused."""

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        self._settings = settings
        if settings.username and (settings.token or settings.token_file):
            raise SettingsError("schema_registry: found username and token, expected one of them")
        self._secret = self._read()
        self.kind = "the user and password" if settings.username else "the token" if self._secret else "a request"
        if self.kind == "a request":
            self.kind += " without credentials"

    def _read(self) -> str:
        settings = self._settings
        if settings.username:
            return _secret("password", settings.password, settings.password_file)
        return _secret("token", settings.token, settings.token_file)

    def read_again(self) -> bool:
        """Return whether the files hold something else now."""
        before, self._secret = self._secret, self._read()
        return self._secret != before

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._settings.username:
            # as bytes: of a text, only Latin-1 would be sent
            HTTPBasicAuth(self._settings.username.encode(), self._secret.encode())(request)
        elif self._secret:
            request.headers["Authorization"] = f"Bearer {self._secret}"
        return request


def _secret(name: str, given: SecretStr | None, path: str | None) -> str:
    if not path:
        return given.get_secret_value() if given else ""
    try:
        return Path(path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise SettingsError(f"schema_registry.{name}_file: {path} cannot be read: {reason}") from None


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"schema_registry.urls: found {url!r}, expected an address such as http://registry:8081")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("schema_registry.urls: found a user in an address, expected it in schema_registry.username")
    return url


def _beside(url: str) -> str:
    """Return the address of Apicurio's own API."""
    before, found, _ = url.partition("/apis/")
    if not found:
        expected = "expected one such as http://registry:8080/apis/ccompat/v7: messages have ids of Apicurio's"
        raise SettingsError(f"schema_registry.urls: found {url}, {expected}")
    return before + _APICURIO


def _not_found(content: bytes) -> Exception:
    """Tell a schema that is not there from a path that is not: only the registry itself gives a code."""
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    if answer.get("error_code") in _NO_SUCH or answer.get("name", "").endswith("NotFoundException"):
        return Absent(f"the registry has none: {str(answer.get('message'))[:200]}")
    return _Away("answered 404 without naming a schema; is the path of schema_registry.urls right?")


def _cause(error: BaseException) -> str:
    """Return the innermost reason, which says more than the chain of wrappers."""
    while inner := error.__cause__ or error.__context__ or _argument(error):
        error = inner
    return f"{type(error).__name__}: {error}"[:200]


def _argument(error: BaseException) -> BaseException | None:
    found = error.args[0] if error.args else None
    found = getattr(found, "reason", None) if not isinstance(found, BaseException) else found
    return found if isinstance(found, BaseException) else None
