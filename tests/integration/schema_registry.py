"""Fetch a schema registry and run it: Apicurio, in memory, with Confluent's API.

``python -m tests.integration.schema_registry`` fetches it (140 MB), as ``./run test`` does before any test.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

import requests

from eddy.stack.java import QUICK
from eddy.stack.paths import home
from eddy.stack.ports import free_ports
from tests.integration.maven import fetched

POM = Path(__file__).with_suffix(".xml")


def folder() -> Path:
    return home() / "jars" / "schema-registry"


def fetch() -> bool:
    """Unpack the registry; return False if it was there already."""
    return fetched(folder(), POM, "dependency:unpack@registry")


class RegistryServer:
    """Run a registry for a block."""

    def __init__(self, log: Path, port: int = 0) -> None:
        self.port = port or free_ports(1)[0]
        self.address = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.address}/apis/ccompat/v7"
        self._log = log

    def __enter__(self) -> RegistryServer:
        fetch()
        (jar,) = folder().glob("*-runner.jar")
        options = [*QUICK, "-Xmx256m", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self.port}"]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                ["java", *options, "-jar", str(jar)], stdout=out, stderr=subprocess.STDOUT, cwd=self._log.parent
            )
        deadline = time.monotonic() + 120
        while not self._ready():
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"no answer: {self._log.read_text()[-2000:]}"
            time.sleep(0.1)
        return self

    def _ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.address}/health/ready", timeout=5).ok
        return False

    def freeze(self) -> None:
        """Stop the process where it is: connections are taken, nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()  # in memory: nothing is lost, and a frozen one ends as well
        self._process.wait()


if __name__ == "__main__":
    if fetch():
        print(f"schema registry for tests unpacked to {folder()}")
