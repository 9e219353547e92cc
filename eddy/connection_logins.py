"""Log the Python clients of Kafka in by tokens and by Kerberos; imported only where one of these is configured."""

from __future__ import annotations

import importlib
import logging
import os
import time
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider, SaslMechanismOAuth

from eddy.connection_settings import KafkaSettings
from eddy.connection_tokens import Tokens, tokens
from eddy.errors import SettingsError, StackError

log = logging.getLogger(__name__)

_REPEAT_SECONDS = 60.0  # between two lines about the same trouble


class _Provider(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """Give kafka-python its tokens."""

    def __init__(self, found: Tokens, extensions: dict[str, str]) -> None:
        super().__init__()
        self._tokens, self._extensions = found, extensions
        self._reported = -_REPEAT_SECONDS
        self.trouble = ""  # why the last login failed; kafka-python itself says that it had no time left

    def token(self) -> str:
        self.trouble = ""
        try:
            return self._tokens.get().value
        except StackError as error:  # in mid-run: kafka-python knows its own errors only
            raise self._failed(str(error)) from None

    def refused(self, reason: str) -> SaslAuthenticationFailedError:
        return self._failed(self._tokens.refused(reason))

    def _failed(self, trouble: str) -> SaslAuthenticationFailedError:
        self.trouble, now = trouble, time.monotonic()
        if now - self._reported >= _REPEAT_SECONDS:
            self._reported = now
            log.error("%s", trouble)
        return SaslAuthenticationFailedError(trouble)

    def extensions(self) -> dict[str, str]:
        return self._extensions


class _Mechanism(SaslMechanismOAuth):  # type: ignore[misc]
    """Say why a token was refused: a broker tells no more than ``invalid_token``."""

    def receive(self, auth_bytes: bytes) -> None:
        if auth_bytes and isinstance(self.token_provider, _Provider):
            raise self.token_provider.refused(auth_bytes[:1000].decode("utf-8", "replace"))
        super().receive(auth_bytes)


register_sasl_mechanism("OAUTHBEARER", _Mechanism, overwrite=True)


def token_provider(settings: KafkaSettings) -> AbstractTokenProvider:
    """Return what gives kafka-python its tokens; the first is there already.

    Raises:
        StackError: there is no token.
    """
    found = tokens(settings)
    found.get()
    return _Provider(found, settings.oauth_extensions)


def token_callbacks(settings: KafkaSettings) -> dict[str, Any]:
    """Return librdkafka's callbacks: one gives it tokens, one says why they are refused.

    Raises:
        StackError: there is no token.
    """
    from confluent_kafka import KafkaError  # noqa: PLC0415

    found, told = tokens(settings), [-_REPEAT_SECONDS]
    found.get()

    def give(_: str) -> tuple[str, float, str, dict[str, str]]:
        token = found.get()
        return token.value, token.ends, token.principal, settings.oauth_extensions

    def tell(error: Any) -> None:
        now = time.monotonic()
        if error.code() == KafkaError._AUTHENTICATION and now - told[0] >= _REPEAT_SECONDS:
            told[0] = now
            reason = found.refused("invalid_token") if "invalid_token" in error.str() else error.str()
            log.error("%s", found.trouble or reason)

    return {"oauth_cb": give, "error_cb": tell}


def kerberos_login(settings: KafkaSettings) -> None:
    """Have this process log in to Kerberos with the keytab, in memory, and see that it can.

    The Kerberos library reads where its files are from the environment, so a process has one principal.

    Raises:
        SettingsError: the package gssapi is missing.
        StackError: no ticket; one line says why.
    """
    if settings.kerberos_config:
        os.environ["KRB5_CONFIG"] = settings.kerberos_config
    os.environ["KRB5_CLIENT_KTNAME"] = settings.kerberos_keytab or ""
    os.environ["KRB5CCNAME"] = "MEMORY:eddy"
    try:
        gssapi: Any = importlib.import_module("gssapi")  # in no lock: it is compiled where it is wanted
    except (ImportError, OSError):
        raise SettingsError(
            "kafka.sasl_mechanism GSSAPI needs the package gssapi: apt-get install libkrb5-dev gcc; pip install gssapi"
        ) from None
    who, keytab = settings.kerberos_principal or "", settings.kerberos_keytab or ""
    if not os.access(keytab, os.R_OK):
        raise StackError(f"kafka.kerberos_keytab: {keytab} cannot be read")
    try:
        name = gssapi.Name(who, gssapi.NameType.kerberos_principal)
        gssapi.Credentials(name=name, usage="initiate", store={"client_keytab": keytab, "ccache": "MEMORY:eddy"})
    except gssapi.exceptions.GSSError as error:
        raise StackError(f"no Kerberos ticket for {who} with {keytab}: {_reason(error)}") from None


def _reason(error: Any) -> str:
    """Return the Kerberos library's own text, in one line."""
    return " ".join(str(error).split())
