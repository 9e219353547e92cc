"""What ``flink run -py flink_job/main.py`` submits; arguments are ``--config FILE`` and ``--set KEY=VALUE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eddy.configuration import load
from eddy.errors import EddyError
from flink_job import environment, job, preflight
from models.maintenance import Maintenance


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
        env = environment.create(settings.job, options.jar, python="")  # 'flink run -pyexec' says which
        job.build(env, settings)
        env.execute(settings.job.name)
    except EddyError as error:
        print(f"eddy: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
