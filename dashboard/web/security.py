"""Guard requests: refuse writes from other sites, and without the token where others can reach the dashboard."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson
from flask import Flask, Response, request

from eddy.settings import DashboardSettings

ACTION_HEADER, TOKEN_HEADER = "X-Eddy-Action", "X-Eddy-Token"
_LOOPBACK_NAMES = {"localhost"}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach that address."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def protect(server: Flask, settings: DashboardSettings, scripts: Sequence[str]) -> None:
    """Add the checks and headers to all requests.

    Args:
        server: the dashboard's server.
        settings: address and token.
        scripts: inline scripts that may run, beside the application's own: their sources or hashes.
    """
    only_here = is_loopback(settings.host)
    policy = _policy(scripts)

    @server.before_request
    def check_host() -> Response | None:
        # A page elsewhere whose name was made to point to 127.0.0.1 sends that name: it gets nothing to read.
        if only_here and not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            return refusal("this dashboard answers to localhost only; set dashboard.host to open it to others", 403)
        return None

    @server.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Frame-Options"] = "DENY"
        return response


def refused(settings: DashboardSettings) -> Response | None:
    """Return the answer that refuses the current request; None if it may write."""
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    # A form of another site cannot set a header; a script of another site must ask first, and is never answered yes.
    if foreign or site not in ("same-origin", "none") or request.headers.get(ACTION_HEADER) != "1":
        return refusal("this did not come from the dashboard itself", 403)
    token = settings.token.get_secret_value() if settings.token else ""
    if not token:  # an empty one, such as an unset variable of a compose file, counts as none
        if is_loopback(settings.host):
            return None
        return refusal("writing is off: the dashboard is open to others and dashboard.token is not set", 403)
    given = request.headers.get(TOKEN_HEADER, "").encode()
    if not hmac.compare_digest(given, token.encode()):
        return refusal("the token is missing or wrong (setting dashboard.token)", 401)
    return None


def refusal(reason: str, status: int) -> Response:
    """Return an answer with a refusal."""
    response = Response(orjson.dumps({"error": reason}), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _policy(scripts: Sequence[str]) -> str:
    hashes = [s if s.startswith("'sha256-") else f"'sha256-{_hash(s)}'" for s in scripts]
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' " + " ".join(hashes),
            "style-src 'self' 'unsafe-inline'",  # plotly and React set styles
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
