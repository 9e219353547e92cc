"""Refuse to build a wheel that lacks the compiled jar; all else is in pyproject.toml."""

from __future__ import annotations

import os
import runpy

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithJars(build_py):
    """Build the packages if the jars are there, or for an editable install, or for an image, which brings its own."""

    def run(self) -> None:
        """Check, then build."""
        if not self.editable_mode and not os.environ.get("EDDY_BUILD_WITHOUT_JARS"):
            found = runpy.run_path("eddy/stack/shipped_jars.py")
            if not found["shipped"]():
                raise SystemExit(
                    "eddy: this source tree has no compiled jar: './run wheel' in a checkout compiles it, builds "
                    "the wheels ('pip install -e .' needs no jar)"
                )
        super().run()


setup(cmdclass={"build_py": BuildWithJars})
