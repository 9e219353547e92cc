"""Use a stack that somebody else started (``eddy up``, compose): tests reach it by its addresses and never stop it.

``pytest tests/integration --stack redis.port=16379 --stack stack.flink_rest_port=18081``; for the stack of ``eddy up``
also ``--stack stack.flink_identity=<data folder>/flink/identity``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from eddy.configuration import load
from eddy.settings import Settings
from eddy.stack import flink, flink_identity
from eddy.stack.jars import flink_home
from eddy.stack.local import Stack


def add_options(parser: pytest.Parser) -> None:
    """Add options that name a running stack, as settings like those of ``eddy --set``."""
    group = parser.getgroup("stack", "a running stack in place of the tests' own")
    group.addoption("--stack", action="append", default=[], metavar="KEY=VALUE", help="how the tests reach it")
    group.addoption(
        "--stack-inside", action="append", default=[], metavar="KEY=VALUE", help="what differs where the job runs"
    )
    group.addoption("--stack-python", default=sys.executable, metavar="PATH", help="the workers' Python")


def skip_what_needs_its_own(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip tests marked ``own_stack``, with the reason of their mark."""
    for item in items if config.getoption("--stack") else ():
        if mark := item.get_closest_marker("own_stack"):
            item.add_marker(pytest.mark.skip(reason=f"not on a given stack: {mark.args[0]}"))


class GivenStack(Stack):
    """Hold the addresses of a running stack; it is never started or ended from here.

    Args:
        outside: settings by which this process reaches broker, Redis and Flink.
        inside: different settings for the job, which may run in containers with other addresses.
        python: interpreter of the workers.
        folder: new folder for the files of a Flink client.
    """

    def __init__(self, outside: Sequence[str], inside: Sequence[str], python: str, folder: Path) -> None:
        super().__init__(load([f"stack.data_dir={folder}", *outside], environ={}).settings)
        self.python = python
        self._inside = load([*outside, *inside], environ={}).settings
        conf, lib = folder / "flink" / "conf", folder / "flink" / "lib"
        conf.mkdir(parents=True)
        lib.mkdir()
        # No settings of the cluster itself: a client's settings travel with the job and would replace them.
        shipped = yaml.safe_load((flink_home() / "conf" / "config.yaml").read_text())
        settings = {"env.java.opts.all": shipped["env"]["java"]["opts"]["all"]}
        if identity := self.flink_address.identity:
            settings |= flink_identity.options(identity, internal=False)
        (conf / "config.yaml").write_text(yaml.safe_dump(settings, width=10_000))
        flink.link_jars(lib)

    @property
    def kafka_address(self) -> str:
        return self.settings.kafka.bootstrap_servers

    def as_the_job_sees(self, settings: Settings) -> Settings:
        """Return settings with the addresses that are valid where the job runs."""
        kafka, redis = self._inside.kafka, self._inside.redis
        moved = {
            "kafka": settings.kafka.model_copy(update={"bootstrap_servers": kafka.bootstrap_servers}),
            "redis": settings.redis.model_copy(update={"host": redis.host, "port": redis.port}),
        }
        return settings.model_copy(update=moved)
