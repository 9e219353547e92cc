"""Check artifact addresses from manifests against the settings, and read what lies there.

An address is taken apart before it is compared: scheme, host and port have to be equal to those of an allowed prefix,
and its path has to be that of the prefix or lie below it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from eddy.errors import ModelError, ModelUnavailable
from eddy.models.artifacts.artifact import MAX_ARTIFACT_BYTES
from eddy.models.artifacts.remote import read_https, read_s3
from eddy.settings import RegistrySettings

_PORTS = {"https": 443}
_REMOTE = frozenset({"https", "s3"})
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]")
_DECODINGS = 3  # times that a server behind a proxy might decode a path
_PASSING = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.ENFILE, errno.EMFILE})


@dataclass(frozen=True)
class Place:
    """An address, taken apart.

    Attributes:
        scheme: file, https or s3.
        host: lower case; of s3 the bucket.
        port: 0 where there is none.
        path: as it stands in the address; of a file decoded, links resolved.
        query: with its question mark, or empty.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    def __str__(self) -> str:
        port = f":{self.port}" if self.port and self.port != _PORTS.get(self.scheme) else ""
        return f"{self.scheme}://{self.host}{port}{self.path}{self.query}"

    def below(self, folder: Place) -> bool:
        """Return whether this address is another one, or lies in the folder that the other one names."""
        if (self.scheme, self.host, self.port) != (folder.scheme, folder.host, folder.port):
            return False
        return self.path == folder.path or self.path.startswith(folder.path.rstrip("/") + "/")


def check_uri(uri: str, settings: RegistrySettings) -> str:
    """Check an address against the settings, and return it in the form to open.

    Refuses other schemes, credentials and control characters inside, ``..`` however it is encoded, and paths that are
    not regular files: a pipe would block the job for ever.

    Raises:
        ModelError: the address is refused; says what was found and what was expected.
    """
    return str(_checked(uri, settings))


def read_artifact(uri: str, settings: RegistrySettings) -> bytes:
    """Read what lies at an address: at most 256 MiB, within ``registry.fetch_timeout_ms``, and without redirects.

    Raises:
        ModelUnavailable: it cannot be read now, but may be later.
        ModelError: an address that is not allowed, too large a file, or one that is not there.
    """
    place = _checked(uri, settings)
    if place.scheme == "https":
        return read_https(place.host, place.port, place.path + place.query, MAX_ARTIFACT_BYTES, settings)
    if place.scheme == "s3":
        return read_s3(place.host, unquote(place.path).lstrip("/"), MAX_ARTIFACT_BYTES, settings)
    return _read_file(place.path, uri)


def _checked(uri: str, settings: RegistrySettings) -> Place:
    schemes = _items(settings.uri_schemes)
    place = _place(uri, schemes)
    if place.scheme == "file":
        place = Place("file", "", 0, _regular_file(place.path, uri))
    prefixes = _items(settings.uri_prefixes)
    if prefixes and not any(place.below(_prefix(prefix)) for prefix in prefixes):
        raise ModelError(f"uri {uri!r}: expected one in {', '.join(prefixes)} (registry.uri_prefixes)")
    return place


def _prefix(text: str) -> Place:
    try:
        place = _place(text, [*_REMOTE, "file"])
    except ModelError as error:
        raise ModelError(f"registry.uri_prefixes: {error}") from None
    return Place("file", "", 0, os.path.realpath(place.path)) if place.scheme == "file" else place


def _place(uri: str, schemes: list[str]) -> Place:
    """Take an address apart.

    Raises:
        ModelError: it is not one that is read here, or could be understood in more than one way.
    """
    if any(c < " " or c == "\x7f" for c in uri):  # some of which parsers drop without a word
        raise ModelError(f"uri {uri!r}: expected no control characters")
    try:
        parts = urlsplit(uri)
        port = parts.port or 0
    except ValueError as error:
        raise ModelError(f"uri {uri!r}: {error}") from None
    scheme = parts.scheme or "file"
    if not uri or scheme not in schemes or scheme not in (*_REMOTE, "file") or "::" in uri:
        raise ModelError(f"uri {uri!r}: expected one of {', '.join(schemes)} (registry.uri_schemes)")
    if "@" in parts.netloc:
        raise ModelError("uri with credentials inside: expected none; they belong in the job's environment")
    if ".." in _decoded(parts.path).replace("\\", "/").split("/"):
        raise ModelError(f"uri {uri!r}: expected a path without '..'")
    if scheme == "file":
        return _file(parts, uri)
    host = (parts.hostname or "").removesuffix(".")
    encoded, unclear = parts.path.lower(), " " in uri or "\\" in uri or not uri.isascii()
    if unclear or not host or set(host) - _HOST or parts.fragment or "%2f" in encoded or "%5c" in encoded:
        raise ModelError(
            f"uri {uri!r}: expected {scheme}://host/path in ASCII, without spaces, backslashes, encoded slashes and a "
            "fragment"
        )
    if scheme == "s3" and (port or parts.query):
        raise ModelError(f"uri {uri!r}: expected s3://bucket/key")
    query = f"?{parts.query}" if parts.query else ""
    return Place(scheme, host, port or _PORTS.get(scheme, 0), parts.path, query)


def _file(parts: SplitResult, uri: str) -> Place:
    if parts.netloc not in ("", "localhost"):
        raise ModelError(f"uri {uri!r}: expected file:///path, found the host {parts.netloc!r}")
    if parts.query or parts.fragment:
        raise ModelError(f"uri {uri!r}: expected file:///path or a path")
    return Place("file", "", 0, unquote(parts.path))


def _decoded(path: str) -> str:
    for _ in range(_DECODINGS):
        path = unquote(path)
    return path


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _regular_file(path: str, uri: str) -> str:
    """Resolve links to the file itself: a link must not lead out of the allowed folders."""
    real = os.path.realpath(path)
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise _failed(uri, error) from None
    if not stat.S_ISREG(mode):
        raise ModelError(f"uri {uri!r}: expected a regular file")
    return real


def _read_file(path: str, uri: str) -> bytes:
    """Read a file whose links were resolved: one that has become a link or a pipe since is refused."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ModelError(f"uri {uri!r}: expected a regular file")
            size = found.st_size
            if size <= MAX_ARTIFACT_BYTES:
                content = file.read(MAX_ARTIFACT_BYTES + 1)
                size = len(content)
    except OSError as error:
        raise _failed(uri, error) from None
    if size > MAX_ARTIFACT_BYTES:
        raise ModelError(f"uri {uri!r}: {size} bytes; at most {MAX_ARTIFACT_BYTES} are accepted")
    return content


def _failed(uri: str, error: OSError) -> ModelError:
    kind = ModelUnavailable if error.errno in _PASSING else ModelError
    return kind(f"uri {uri!r} cannot be read: {error.strerror}")
