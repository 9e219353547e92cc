"""Get the tokens that Kafka's clients show to brokers: from an OpenID Connect token endpoint, or signed for Amazon MSK.

kafka-python and librdkafka ask the same :class:`Tokens`; Java has ``jvm/…/Tokens.java``, with the same lines.
A token, a secret or an answer of the endpoint is never logged; what a token says of itself is.
"""

from __future__ import annotations

import base64
import email.utils
import json
import logging
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from eddy.connection_settings import KafkaSettings
from eddy.errors import SettingsError, StackError

log = logging.getLogger(__name__)

MSK_SECONDS = 900  # as long as Amazon accepts a signed request
_MAX_BYTES = 1024 * 1024
_MAX_WORD = 200  # characters of a claim or an error that are shown
_SECONDS = 10.0
_SKEW_SECONDS = 30.0  # a clock that is further off is told; brokers allow as much
_KEPT = 0.8  # part of a token's life after which a new one is fetched, as Kafka's own clients do
_RETRY_SECONDS = 5.0
_MAX_SECONDS = 1e11  # a larger number is no time
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HINTS = {
    "invalid_client": "check kafka.oauth_client_id and kafka.oauth_client_secret",
    "unauthorized_client": "the client may not use the grant client_credentials",
    "invalid_scope": "check kafka.oauth_scope",
    "invalid_target": "check kafka.oauth_scope, and the audience of the client",
}


@dataclass(frozen=True)
class Token:
    """Hold a token.

    Attributes:
        value: as the broker gets it.
        ends: seconds since 1970.
        principal: whom it is for.
        facts: what it says of itself, for messages.
    """

    value: str
    ends: float
    principal: str
    facts: str


class Tokens:
    """Keep a token and replace it in time; threads may share it.

    Args:
        fetch: gets a new token.
        now: the clock.
    """

    def __init__(self, fetch: Callable[[], Token], now: Callable[[], float] = time.time) -> None:
        self._fetch, self._now = fetch, now
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._next = 0.0
        self.trouble = ""  # why there is no new token; empty when there is one

    def get(self) -> Token:
        """Return a token that is valid, a kept one if there is time left.

        Raises:
            StackError: there is none to be had; one line says why.
        """
        with self._lock:
            now = self._now()
            if self._token is None or now >= self._next:
                try:
                    self._token = self._fetch()
                    self._next, self.trouble = now + _KEPT * (self._token.ends - now), ""
                except StackError as error:
                    self.trouble = str(error)
                    left = (self._token.ends if self._token else 0.0) - now
                    if left <= 0:
                        raise
                    log.warning("the token for Kafka cannot be renewed, and ends in %.0f s: %s", left, error)
                    self._next = now + min(_RETRY_SECONDS, left)
            assert self._token is not None  # noqa: S101  for mypy: it was fetched, or is kept
            return self._token

    def refused(self, reason: str) -> str:
        """Return one line for a token that a broker refused: what the token says is what to compare."""
        token = self._token
        what = token.facts if token else "none"
        return (
            f"the broker refused the token ({_short(reason)}): {what}; compare it with the audience, scope and issuer "
            "that the broker expects, and the broker's clock with the times"
        )


def tokens(settings: KafkaSettings) -> Tokens:
    """Return the tokens of a connection with OAUTHBEARER or AWS_MSK_IAM."""
    if settings.sasl_mechanism == "AWS_MSK_IAM":
        return Tokens(lambda: msk_token(settings.aws_region))
    return Tokens(lambda: oidc_token(settings))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the client's secret would go along."""


def oidc_token(settings: KafkaSettings) -> Token:
    """Fetch a token with the grant ``client_credentials``.

    Raises:
        StackError: the endpoint is away, refuses, or answers something else.
    """
    url = settings.oauth_token_url or ""
    where = f"no token for Kafka from {url}"
    if settings.oauth_client_secret is None:
        raise SettingsError("kafka.oauth_client_secret is not set; kafka.oauth_client_secret_file names a file with it")
    names = (settings.oauth_client_id or "", settings.oauth_client_secret.get_secret_value())
    login = ":".join(urllib.parse.quote(text, safe="~") for text in names)  # RFC 6749, 2.3.1
    form = {"grant_type": "client_credentials"}
    if settings.oauth_scope:
        form["scope"] = settings.oauth_scope
    headers = {
        "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode(), headers, method="POST")  # noqa: S310
    try:
        context = ssl.create_default_context(cafile=settings.oauth_cafile)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect())
        with opener.open(request, timeout=_SECONDS) as answer:
            content, date = answer.read(_MAX_BYTES), answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        with error:
            raise StackError(f"{where}: {_refusal(error.code, error.read(_MAX_BYTES))}") from None
    except (OSError, ValueError) as error:
        raise StackError(f"{where}: {_away(error, settings)}") from None
    try:
        found = json.loads(content)
        value, life = found["access_token"], found.get("expires_in")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StackError(f"{where}: the answer holds no access_token; is it a token endpoint?") from None
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise StackError(f"{where}: the answer's access_token is no bearer token")
    return _checked(value, life, where, settings.oauth_client_id or "", _ahead(date))


def _checked(value: str, life: Any, where: str, principal: str, ahead: float) -> Token:
    """Return the token unless it has ended by this machine's clock."""
    now, claims = time.time(), _claims(value)
    if _is_time(claims.get("exp")):
        ends = float(claims["exp"])
    elif _is_number(life) and 0 < life < _MAX_SECONDS:
        ends = now + life
    else:
        raise StackError(f"{where}: neither the token nor the answer says until when it is valid (exp, expires_in)")
    begins = claims.get("nbf", claims.get("iat"))
    if not _is_time(begins):
        begins = None
    clock = ""
    if abs(ahead) > _SKEW_SECONDS:
        clock = f"; this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the endpoint's"
    facts = _facts(claims, begins, ends) + clock
    if ends <= now:
        raise StackError(f"{where}: the token ended {now - ends:.0f} s ago ({facts}); set the clock")
    if clock or (begins is not None and begins - now > _SKEW_SECONDS):
        log.warning("the token for Kafka may be refused: %s; set the clock", facts)
    subject = claims.get("sub")
    return Token(value, ends, subject if isinstance(subject, str) else principal, facts)


def _claims(token: str) -> dict[str, Any]:
    """Return what a JWT says, unchecked: the broker checks it."""
    parts = token.split(".")
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _facts(claims: Mapping[str, Any], begins: Any, ends: float) -> str:
    names = {"aud": "audience", "scope": "scope", "scp": "scope", "iss": "issuer", "sub": "subject"}
    said = [f"{title} {_short(claims[name])}" for name, title in names.items() if name in claims]
    since = f"from {_at(begins)} " if begins is not None else ""
    return ", ".join([*said, f"valid {since}until {_at(ends)}"])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 < value < _MAX_SECONDS


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= _MAX_WORD else text[:_MAX_WORD] + "…"


def _refusal(status: int, content: bytes) -> str:
    code = why = ""
    try:
        found = json.loads(content)
        code, why = str(found.get("error", "")), str(found.get("error_description", ""))
    except (ValueError, AttributeError, RecursionError):
        pass
    said = " ".join(_short(text) for text in (code, f"({why})" if why else "") if text)
    fallback = "check kafka.oauth_token_url" if status in {301, 302, 303, 307, 308, 404, 405} else ""
    hint = _HINTS.get(code) or fallback or (_HINTS["invalid_client"] if status in {401, 403} else "")
    return f"it refused with {status} {said}".rstrip() + (f"; {hint}" if hint else "")


def _away(error: Exception, settings: KafkaSettings) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLError):
        return f"its certificate is not trusted ({_short(str(reason))}); kafka.oauth_cafile names its authority"
    if isinstance(reason, FileNotFoundError):
        return f"kafka.oauth_cafile: {settings.oauth_cafile} does not exist"
    what = f"the token endpoint does not answer ({_short(str(reason))})"
    return f"{what}; check kafka.oauth_token_url, and whether this machine reaches it"


def _ahead(date: str | None) -> float:
    """Return by how many seconds this machine's clock is ahead of the answer's; 0 without a date."""
    try:
        return time.time() - email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0


def msk_token(region: str | None) -> Token:
    """Sign a token for Amazon MSK with the credentials that AWS's tools find.

    Raises:
        SettingsError: no region, or the package that signs is missing.
        StackError: no credentials.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "kafka.sasl_mechanism AWS_MSK_IAM needs the package botocore: pip install botocore"
        ) from None
    session = Session()
    region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise SettingsError("kafka.aws_region is not set, nor AWS_REGION; it names the region of the MSK cluster")
    try:
        credentials = session.get_credentials()
        frozen = credentials and credentials.get_frozen_credentials()
    except BotoCoreError as error:
        raise StackError(f"no credentials for Amazon MSK: {_short(str(error))}") from None
    if not frozen or not frozen.access_key or not frozen.secret_key:
        raise StackError("no credentials for Amazon MSK: AWS's environment, files and metadata services have none")
    return signed(region, frozen)


def signed(region: str, credentials: Any) -> Token:
    """Return the token: a signed URL of the action that opens a connection, in base64."""
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    request = AWSRequest("GET", f"https://kafka.{region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"})
    SigV4QueryAuth(credentials, "kafka-cluster", region, expires=MSK_SECONDS).add_auth(request)
    url = f"{request.url}&User-Agent=eddy"  # after signing, as in Amazon's own signers
    found = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    began = datetime.strptime(found["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    ends = began.timestamp() + MSK_SECONDS
    value = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    facts = (
        f"access key {credentials.access_key}, region {region}, valid from {_at(began.timestamp())} until {_at(ends)}"
    )
    return Token(value, ends, "eddy", facts)
