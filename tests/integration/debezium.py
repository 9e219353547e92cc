"""Run PostgreSQL, and Debezium's engine on it: the change events of a real database.

``python -m tests.integration.debezium`` fetches the engine (40 MB), as ``./run test`` does before any test.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eddy.inputs.record import Record
from eddy.stack.java import QUICK
from eddy.stack.paths import home
from eddy.stack.ports import answers, free_ports
from tests.integration.maven import fetched

POM = Path(__file__).with_suffix(".xml")
PROGRAM = Path(__file__).with_name("ChangeEvents.java")
USER = "postgres"  # Debian's; the server refuses to run as root


def folder() -> Path:
    return home() / "jars" / "debezium"


def fetch() -> bool:
    """Copy the engine's jars; return False if they were there already."""
    return fetched(folder(), POM, "dependency:copy-dependencies@debezium")


class Database:
    """Run statements on a server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def run(self, *statements: str) -> None:
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-v", "ON_ERROR_STOP=1", "-q"]
        commands = [part for one in statements for part in ("-c", one)]
        done = subprocess.run(["psql", *connection, *commands], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def postgres(place: Path) -> Iterator[Database]:
    """Run a server whose changes can be followed, with its data in a new folder of ``place``."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    (port,) = free_ports(1)
    data = place / "data"
    data.mkdir()
    root = os.geteuid() == 0
    if root:
        shutil.chown(data, USER)
        for path in (place, *place.parents[:2]):  # of pytest, which nobody else may enter
            path.chmod(path.stat().st_mode | 0o011)
    user = USER if root else None
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "--no-sync"]
    done = subprocess.run(initdb, capture_output=True, text=True, check=False, user=user, cwd="/")
    assert done.returncode == 0, done.stderr
    options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "wal_level": "logical"}
    options |= {"fsync": "off", "timezone": "UTC"}
    given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (place / "postgres.log").open("wb") as log:
        command = [str(programs / "postgres"), "-D", str(data), *given]
        server = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd="/")
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert server.poll() is None, (place / "postgres.log").read_text()
            assert time.monotonic() < deadline, (place / "postgres.log").read_text()
            time.sleep(0.05)
        yield Database(port)
    finally:
        server.terminate()  # waits for its clients
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.send_signal(3)  # SIGQUIT: at once
            server.wait()


class Changes:
    """Read what an engine prints."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def next(self, count: int) -> list[Record]:
        """Return the next events; wait for them."""
        assert self._process.stdout is not None
        found: list[Record] = []
        for line in self._process.stdout:
            topic, value, *headers = line.decode().rstrip("\n").split("\t")
            pairs = [(name, base64.b64decode(text)) for name, _, text in (one.partition("=") for one in headers)]
            content = None if value == "-" else base64.b64decode(value)
            found.append(Record(topic, offset=len(found), value=content, headers=pairs))
            if len(found) == count:
                return found
        raise AssertionError(f"the engine ended after {len(found)} events: {self._log.read_text()[-3000:]}")


@contextmanager
def changes(
    database: Database, place: Path, table: str, form: str = "json", options: Mapping[str, str] | None = None
) -> Iterator[Changes]:
    """Follow a table: first a snapshot of it, then each change.

    Args:
        database: that has it.
        place: folder for logs.
        table: its name.
        form: ``json`` or ``avro``.
        options: further properties of the engine.
    """
    fetch()
    name = f"{form}_{uuid.uuid4().hex[:10]}"
    properties = {
        "name": name,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
        "offset.flush.interval.ms": 1000,
        "database.hostname": "127.0.0.1",
        "database.port": database.port,
        "database.user": USER,
        "database.dbname": USER,
        "topic.prefix": "plant",
        "plugin.name": "pgoutput",
        "slot.name": name,
        "publication.name": name,
        "publication.autocreate.mode": "filtered",
        "table.include.list": f"public.{table}",
        **(options or {}),
    }
    file, log = place / f"{name}.properties", place / f"{name}.log"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    command = ["java", *QUICK, "-Xmx256m", "-cp", f"{folder()}/*", str(PROGRAM), str(file), form]
    with log.open("wb") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err)
    try:
        yield Changes(process, log)
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    if fetch():
        print(f"Debezium's engine for tests copied to {folder()}")
