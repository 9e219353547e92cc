"""Runs the page: the collector thread and a WSGI server, until the process is told to end."""

from __future__ import annotations

import logging
from collections.abc import Callable

import waitress

from dashboard.actions import Actions
from dashboard.app import make_app
from dashboard.collector import Collector
from eddy.errors import StackError
from eddy.settings import Settings

_CONNECTIONS = 1000
_MOST_BODY_BYTES = 64 * 1024


def serve(settings: Settings, actions: Actions, ready: Callable[[str], None]) -> None:
    """Serve until KeyboardInterrupt.

    Args:
        settings: address under ``dashboard``.
        actions: what the buttons do.
        ready: called with the page's address as soon as it answers.

    Raises:
        StackError: the port is taken.
    """
    page = settings.dashboard
    logging.getLogger("waitress").setLevel(logging.ERROR)  # "task queue depth" is no news to anybody
    collector = Collector(settings)
    app = make_app(collector, page, actions)
    try:
        server = waitress.create_server(
            app.server,
            host=page.host,
            port=page.port,
            threads=page.threads,
            connection_limit=_CONNECTIONS,
            max_request_body_size=_MOST_BODY_BYTES,
            ident="eddy",
        )
    except OSError as error:
        message = f"the page cannot listen on {page.host}:{page.port}: {error.strerror}; choose another --port"
        raise StackError(message) from None
    collector.start()
    try:
        ready(f"http://{page.host if ':' not in page.host else f'[{page.host}]'}:{page.port}")
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        collector.close()
