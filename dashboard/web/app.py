"""Build the dashboard's application: Dash for fixed content, ``/live`` for updates, ``/actions`` for buttons."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import parse_qsl

import orjson
from dash import Dash, Input, Output, State, dcc, html
from flask import Flask, Response, request

from eddy.dashboard.pages.catalog import pages, read_address
from eddy.dashboard.parts.theme import THEMES
from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.web.actions import Actions, perform
from eddy.dashboard.web.live import Live
from eddy.dashboard.web.security import protect, refused
from eddy.errors import EddyError
from eddy.settings import DashboardSettings

log = logging.getLogger(__name__)

_LARGEST_BODY = 16 * 1024
# Before anything is drawn: the theme that was chosen, else the system's.
_THEME_SCRIPT = (
    "var t=null;try{t=localStorage.getItem('eddy-theme')}catch(e){}"
    "if(t!=='dark'&&t!=='light')t=matchMedia('(prefers-color-scheme: light)').matches?'light':'dark';"
    "document.documentElement.dataset.theme=t"
)
_INDEX = """<!DOCTYPE html>
<html lang="en" data-refresh="REFRESH">
<head>
{%metas%}
<title>{%title%}</title>
{%favicon%}
<script>SCRIPT</script>
{%css%}
</head>
<body>
{%app_entry%}
{%config%}
{%scripts%}
{%renderer%}
</body>
</html>"""


def make_app(collector: Collector, settings: DashboardSettings, actions: Actions) -> Dash:
    """Return the application; ``app.server`` is the object that a WSGI server runs."""
    app = Dash(
        __name__,
        title="Eddy",
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,  # a page's components exist only while it is shown
        compress=False,
        enable_mcp=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.index_string = _INDEX.replace("REFRESH", str(settings.refresh_ms)).replace("SCRIPT", _THEME_SCRIPT)
    app.layout = _shell()
    _routing(app)
    _serve(app.server, collector, settings, actions)
    protect(app.server, settings, [_THEME_SCRIPT, *app.csp_hashes()])
    return app


def _shell() -> html.Div:
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            html.A("To the content", href="#page", className="skip"),
            html.Header(
                [
                    dcc.Link([html.Span(className="logo"), "Eddy"], href="/", className="brand"),
                    html.Nav(id="nav", **{"aria-label": "Pages"}),
                    html.Div(id="sources"),
                    html.Button(
                        "◐", id="theme", type="button", title="Dark or light", **{"aria-label": "Dark or light"}
                    ),
                ],
                className="top",
            ),
            html.Div(id="offline", role="status", className="away", hidden=True),
            html.Div(id="away", role="status"),
            html.Main(id="page", tabIndex=-1),
        ],
        id="shell",
    )


def _routing(app: Dash) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"), State("url", "search"))  # type: ignore[untyped-decorator]
    def show(path: str | None, search: str | None) -> html.Div:
        query = read_address(path or "/", dict(parse_qsl((search or "").lstrip("?"))))
        page = pages().get(query.page)
        content = page.skeleton(query) if page else _unknown()
        return html.Div(content, className=f"content {query.page}", **{"data-path": path or "/"})


def _unknown() -> html.Div:
    return html.Div([html.H1("There is no such page"), html.P(dcc.Link("To the overview", href="/"))])


def _serve(server: Flask, collector: Collector, settings: DashboardSettings, actions: Actions) -> None:
    server.config["MAX_CONTENT_LENGTH"] = None
    live = Live(collector)

    @server.get("/live")
    def answer() -> Response:
        began, worked = time.perf_counter(), time.thread_time()
        values = dict(request.args.items())
        theme = values.pop("theme", THEMES[0])
        query = read_address(values.pop("path", "/"), values)
        body = live.answer(query, theme if theme in THEMES else THEMES[0])
        if request.if_none_match.contains(body.tag):
            response = Response(status=304)
        elif body.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
            response = Response(body.packed, mimetype="application/json", headers={"Content-Encoding": "gzip"})
        else:
            response = Response(body.plain, mimetype="application/json")
        response.set_etag(body.tag)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        spent = 1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - worked)
        response.headers["Server-Timing"] = f"answer;dur={spent[0]:.1f}, cpu;dur={spent[1]:.1f}"
        return response

    @server.post("/actions/<name>")
    def act(name: str) -> Response:
        if (no := refused(settings)) is not None:
            return no
        try:
            done = perform(actions, collector, name, _body())
        except EddyError as error:
            return _json({"error": str(error)}, 400)
        log.info("%s: %s", name, done)
        return _json({"done": done}, 200)


def _body() -> dict[str, Any]:
    raw = request.get_data(cache=False) if (request.content_length or 0) <= _LARGEST_BODY else b""
    try:
        body = orjson.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _json(answer: dict[str, str], status: int) -> Response:
    return Response(orjson.dumps(answer), status, mimetype="application/json", headers={"Cache-Control": "no-store"})
