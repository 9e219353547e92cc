from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.world import World

#: draws moments and victims; another seed tries other moments
SEED = os.environ.get("FAULTS_SEED", "7")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start a stack for the faults alone."""
    folder: Path = tmp_path_factory.mktemp("faults")
    with World(folder) as world:
        yield world
