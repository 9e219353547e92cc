"""Run the local stack's Redis: a real ``redis-server`` on loopback, with its append-only file in the data folder."""

from __future__ import annotations

import string
from pathlib import Path

import redis

from eddy.connections import redis_client
from eddy.settings import RedisSettings, Settings
from eddy.stack import whole_files
from eddy.stack.process import Launch

NAME = "redis"


def launches(settings: Settings, folder: Path) -> list[Launch]:
    """Write the configuration; return how to start the server."""
    stack = settings.stack
    data, log = folder / NAME, folder / "logs" / "redis.log"
    data.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"bind {stack.host}",
        "protected-mode yes",
        f"port {stack.redis_port}",
        f"dir {quoted(str(data))}",
        f"logfile {quoted(str(log))}",
        "daemonize no",
        "set-proc-title no",  # it would overwrite the environment, in which we find our mark
        "appendonly yes",
        "appendfsync everysec",
        'save ""',  # the append-only file is enough; snapshots would fork under load
        f"maxmemory {stack.redis_memory_mb}mb",
        "maxmemory-policy noeviction",  # an alert must be refused loudly rather than evict another silently
    ]
    if settings.redis.password:
        lines.append(f"requirepass {quoted(settings.redis.password.get_secret_value())}")
    config = data / "redis.conf"
    whole_files.write(config, "\n".join(lines) + "\n", private=True)
    return [Launch(NAME, ["redis-server", str(config)], {"stack.redis_port": stack.redis_port}, log=log)]


def quoted(text: str) -> str:
    """Return a text as one word of ``redis.conf``, whatever its characters: most bytes as hex."""
    plain = frozenset(f"{string.ascii_letters}{string.digits}/._-".encode())
    encoded = "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in text.encode())
    return f'"{encoded}"'


def local_settings(settings: Settings) -> RedisSettings:
    """Return settings that reach this Redis, whatever Redis the clients are set to use."""
    here = {"host": settings.stack.host, "port": settings.stack.redis_port}
    return settings.redis.model_copy(update={**here, "username": None, "tls": False})


def problem(settings: Settings) -> str | None:
    """Return None once Redis answers, else the reason."""
    client = redis_client(local_settings(settings))
    try:
        client.ping()
    except redis.RedisError as error:
        return f"Redis at {settings.stack.host}:{settings.stack.redis_port} does not answer: {error}"
    finally:
        client.close()
    return None
