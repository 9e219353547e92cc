"""Check the local Redis's configuration on a real server: any password, any path, permissions, a memory limit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from eddy.connections import redis_client
from eddy.settings import Settings
from eddy.stack import redis_server
from eddy.stack.local import isolated

HOSTILE = ['say "hi"', "back\\slash", "two  words ", "#$'`;\t!", "pässwörd ☃", "\\x41\\n", '"', "plain"]


def with_password(settings: Settings, password: str) -> Settings:
    return settings.model_copy(
        update={"redis": settings.redis.model_copy(update={"password": SecretStr(password), "timeout_ms": 5000})}
    )


@pytest.mark.parametrize("password", HOSTILE)
def test_any_password_is_the_one_that_redis_asks_for(password: str, tmp_path: Path, eventually) -> None:
    folder = tmp_path / 'a "folder"\\ here'
    settings = with_password(isolated(Settings(), folder), password)
    (launch,) = redis_server.launches(settings, folder)
    with subprocess.Popen(launch.argv, stdout=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: server.poll() is None and redis_server.problem(settings) is None, 10)
            client = redis_client(redis_server.local_settings(settings))
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("maxmemory") == {"maxmemory": str(settings.stack.redis_memory_mb * 2**20)}
            assert client.config_get("dir") == {"dir": str(folder / "redis")}
            client.close()
            with pytest.raises(redis.AuthenticationError):
                redis_client(redis_server.local_settings(with_password(settings, password + "x"))).ping()
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=settings.stack.redis_port).ping()
        finally:
            server.kill()


def test_file_with_the_password_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    sync = os.fsync

    def spy(descriptor: int) -> None:
        """Note each file's mode when its content is there, and it does not yet have its name."""
        seen.extend(file.stat().st_mode & 0o077 for file in (tmp_path / "redis").iterdir())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    before = os.umask(0)
    try:
        redis_server.launches(with_password(isolated(Settings(), tmp_path), "secret"), tmp_path)
    finally:
        os.umask(before)
    assert seen
    assert set(seen) == {0}
    assert (tmp_path / "redis" / "redis.conf").stat().st_mode & 0o777 == 0o600
