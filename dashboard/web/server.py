"""Run the dashboard: the collector thread and a WSGI server, until :meth:`~DashboardServer.close`."""

from __future__ import annotations

import logging
from typing import Any

import waitress

from eddy.dashboard.stores.collector import Collector
from eddy.dashboard.web.actions import Actions
from eddy.dashboard.web.app import make_app
from eddy.errors import StackError
from eddy.settings import Settings

_CONNECTIONS = 1000
_MAX_BODY_BYTES = 64 * 1024


class DashboardServer:
    """Serve the dashboard. It listens from the start; :meth:`run` answers.

    Args:
        settings: address under ``dashboard``, and where the sources are.
        actions: functions behind the buttons.

    Raises:
        StackError: the address cannot be listened on.
    """

    def __init__(self, settings: Settings, actions: Actions) -> None:
        address = settings.dashboard
        logging.getLogger("waitress").setLevel(logging.ERROR)  # "task queue depth" helps nobody here
        self.url = f"http://{f'[{address.host}]' if ':' in address.host else address.host}:{address.port}"
        self.collector = Collector(settings)
        app = make_app(self.collector, address, actions)
        try:
            self._server: Any = waitress.create_server(
                app.server,
                host=address.host,
                port=address.port,
                threads=address.threads,
                connection_limit=_CONNECTIONS,
                max_request_body_size=_MAX_BODY_BYTES,
                ident="eddy",
            )
        except OSError as error:
            message = f"cannot listen on {address.host}:{address.port}: {error.strerror}; choose another --port"
            raise StackError(message) from None

    def run(self) -> None:
        """Serve until :meth:`close`, or KeyboardInterrupt."""
        self.collector.start()
        self._server.run()

    def close(self) -> None:
        """End the server and the collector."""
        self._server.close()
        self.collector.close()
