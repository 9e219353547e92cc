"""What ``flink run -py flink_job/main.py`` submits; arguments are ``--config FILE`` and ``--set KEY=VALUE``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from eddy.configuration import load
from eddy.errors import EddyError
from eddy.flink_job import job
from eddy.flink_job.client import preflight
from eddy.flink_job.graph import environment
from eddy.models.alerting.maintenance import Maintenance


@contextlib.contextmanager
def _without_beam() -> Iterator[None]:
    """Keep Apache Beam out of the client: PyFlink would load it, which takes as long as all else, to see whether it is
    compiled; that matters to workers only. Without it PyFlink takes its answer to be no.
    """
    absent: dict[str, object] = {} if "apache_beam" in sys.modules else {"apache_beam": None}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def main(arguments: list[str] | None = None) -> int:
    """Build the graph and submit it."""
    parser = argparse.ArgumentParser(prog="eddy-job", description=__doc__)
    parser.add_argument("--config", help="YAML settings file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting")
    parser.add_argument("--jar", action="append", default=[], type=Path, help="jar to ship with the job")
    options = parser.parse_args(arguments)
    try:
        settings = load(options.set, options.config).settings
        Maintenance(settings.alerts.calendars, strict=True)
        preflight.check(settings)
        settings = preflight.with_transaction_timeout(settings)
        env = environment.create(settings.job, options.jar, python="")  # 'flink run -pyexec' says which
        with _without_beam():
            job.build(env, settings)
        env.execute(settings.job.name)
    except EddyError as error:
        print(f"eddy: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
