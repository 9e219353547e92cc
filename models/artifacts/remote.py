"""Read artifacts over HTTPS and from S3, from servers that may be slow, broken or hostile.

Redirects are not followed: an allowed address must not lead elsewhere. A body is read up to a limit whatever its header
says, and every read ends by a deadline. What may be different at the next try is :class:`ModelUnavailable`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from email.message import Message
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from eddy.errors import ModelError, ModelUnavailable
from eddy.settings import RegistrySettings

_CHUNK = 1 << 20
_CONNECT_SECONDS = 10.0
_PASSING = frozenset({408, 425, 429})  # and all from 500 on: the server's own trouble
_OK = 200
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = 500
_HTTPS, _HTTP = 443, 80


def read_https(host: str, port: int, target: str, most: int, settings: RegistrySettings) -> bytes:
    """Read a body over HTTPS.

    Args:
        host, port: of the server, whose certificate has to be valid for this name.
        target: path and query.
        most: bytes.
        settings: time for the whole of it, and the authorities that are trusted.

    Raises:
        ModelUnavailable: no answer, not in time, cut short, or the server is in trouble.
        ModelError: the server says no, sends elsewhere, or sends more than ``most`` bytes.
    """
    connection = _Tls(host, port, settings)
    return _read(connection, f"https://{host}", target or "/", most, settings)


def read_s3(bucket: str, key: str, most: int, settings: RegistrySettings) -> bytes:
    """Read an object of S3, or of a server that speaks its protocol (``AWS_ENDPOINT_URL``).

    Credentials and region come from the usual places of the AWS tools: environment, profile, or the machine's role.
    They sign the address; the object is then read as any other, so that the same limits hold.

    Raises:
        as :func:`read_https`.
    """
    where = f"s3://{bucket}"
    signed = urlsplit(_signed_address(bucket, key, settings))
    target = f"{signed.path}?{signed.query}"
    host = signed.hostname or ""
    if signed.scheme == "https":
        return _read(_Tls(host, signed.port or _HTTPS, settings), where, target, most, settings)
    plain = _Plain(host, signed.port or _HTTP, timeout=_CONNECT_SECONDS)  # an endpoint that the operator chose
    return _read(plain, where, target, most, settings)


def _signed_address(bucket: str, key: str, settings: RegistrySettings) -> str:
    try:
        import botocore.session  # noqa: PLC0415  a large package, which few jobs need
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError:
        raise ModelError("an s3:// address needs botocore: pip install 'eddy-anomaly[job]'") from None
    seconds = settings.fetch_timeout_ms / 1000
    limits = Config(signature_version="s3v4", connect_timeout=_CONNECT_SECONDS, read_timeout=_CONNECT_SECONDS)
    try:
        client = botocore.session.get_session().create_client("s3", config=limits)
        wanted = {"Bucket": bucket, "Key": key}
        return str(client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=int(seconds) + 60))
    except BotoCoreError as error:  # credentials that a machine's role gives may come later
        raise ModelUnavailable(f"s3://{bucket}: cannot be signed: {error}") from None


class _Plain(http.client.HTTPConnection):
    """A connection that a deadline can end, whatever it is waiting for."""

    def end(self) -> None:
        if (sock := self.sock) is not None:
            with contextlib.suppress(OSError):  # it has ended already
                sock.shutdown(socket.SHUT_RDWR)


class _Tls(_Plain):
    """The same with TLS, through the proxy of the environment where there is one."""

    def __init__(self, host: str, port: int, settings: RegistrySettings) -> None:
        self._context = _trusting(settings.ssl_cafile)
        self._name = host
        proxy = None if proxy_bypass(host) else getproxies().get("https")
        if proxy:
            through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            super().__init__(through.hostname or "", through.port or _HTTP, timeout=_CONNECT_SECONDS)
            self.set_tunnel(host, port)
        else:
            super().__init__(host, port, timeout=_CONNECT_SECONDS)

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name, do_handshake_on_connect=False)
        self.sock.do_handshake()  # by now the deadline knows the socket


def _trusting(authorities: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities or None)
    except OSError as error:
        raise ModelError(f"registry.ssl_cafile: {authorities}: {error.strerror or error}") from None


def _read(connection: _Plain, where: str, target: str, most: int, settings: RegistrySettings) -> bytes:
    seconds = settings.fetch_timeout_ms / 1000
    ends = time.monotonic() + seconds
    timer = threading.Timer(seconds, connection.end)
    timer.daemon = True
    timer.start()
    try:
        connection.putrequest("GET", target, skip_accept_encoding=True)
        connection.putheader("Accept-Encoding", "identity")
        connection.putheader("User-Agent", "eddy")
        connection.endheaders()
        answer = connection.getresponse()
        _check_answer(answer.status, answer.headers, where, most)
        return _body(answer, where, most)
    except ModelError as error:
        if time.monotonic() >= ends and isinstance(error, ModelUnavailable):
            raise _late(where, seconds) from None
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:  # a certificate may be renewed
        if time.monotonic() >= ends:
            raise _late(where, seconds) from None
        raise ModelUnavailable(f"{where} cannot be read: {type(error).__name__}: {error}") from None
    finally:
        timer.cancel()
        connection.close()


def _late(where: str, seconds: float) -> ModelUnavailable:
    return ModelUnavailable(f"{where} did not send the artifact within {seconds:g} s (registry.fetch_timeout_ms)")


def _check_answer(status: int, headers: Message, where: str, most: int) -> None:
    if status in _REDIRECTS:
        raise ModelError(f"{where} sends elsewhere (status {status}); redirects are not followed: publish that address")
    if status in _PASSING or status >= _SERVER_ERRORS:
        raise ModelUnavailable(f"{where} answers with status {status}")
    if status != _OK:
        raise ModelError(f"{where} answers with status {status}")
    encoding = str(headers.get("Content-Encoding", "identity"))
    if encoding.lower() != "identity":
        raise ModelError(f"{where}: Content-Encoding is {encoding[:20]!r}; expected the artifact as it is")
    announced = str(headers.get("Content-Length", "0"))
    if announced.isdecimal() and int(announced) > most:
        raise ModelError(f"{where}: {int(announced)} bytes; at most {most} are accepted")


def _body(answer: http.client.HTTPResponse, where: str, most: int) -> bytes:
    announced = answer.length  # None where it comes in chunks
    parts, size = [], 0
    while part := answer.read1(_CHUNK):
        size += len(part)
        if size > most:
            raise ModelError(f"{where}: more than {most} bytes; at most {most} are accepted")
        parts.append(part)
    if announced is not None and size < announced:
        raise ModelUnavailable(f"{where}: the body ends after {size} of {announced} bytes")
    return b"".join(parts)
