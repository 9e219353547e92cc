"""Start one real stack for the whole test run; give each test its own topics and job."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from eddy.configuration import load
from eddy.settings import Settings
from eddy.stack.local import Stack
from eddy.stack.ports import free_ports
from tests import given_stack
from tests.given_stack import GivenStack
from tests.integration.schema_registry import RegistryServer
from tests.left_processes import none_left

# No test has a time limit of its own: compilation on a first call would make it fail by chance.
hypothesis.settings.register_profile("eddy", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("eddy")


def pytest_addoption(parser: pytest.Parser) -> None:
    given_stack.add_options(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    given_stack.skip_what_needs_its_own(config, items)


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """End the run with an error if a test left a process running."""
    with none_left():
        yield


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Provide Kafka, Redis and Flink: given by ``--stack``, or started once and ended with this process."""
    options = request.config.option
    if options.stack:
        given = GivenStack(options.stack, options.stack_inside, options.stack_python, tmp_path_factory.mktemp("stack"))
        submit_from_here(given)
        yield given
        return
    kafka, controller, redis, rest, rpc, page, *more = free_ports(30)
    metrics = next(port for port in more if port + 1 in more)  # JobManager's and TaskManager's port
    settings = load(
        [
            f"stack.data_dir={tmp_path_factory.mktemp('stack')}",
            f"stack.kafka_port={kafka}",
            f"stack.kafka_controller_port={controller}",
            f"stack.redis_port={redis}",
            f"stack.flink_rest_port={rest}",
            f"stack.flink_rpc_port={rpc}",
            f"stack.dashboard_port={page}",
            f"stack.metrics_port={metrics}",
            "stack.slots=8",
            "stack.dashboard=false",
            "stack.wait_seconds=180",
            f"kafka.bootstrap_servers=127.0.0.1:{kafka}",
            f"redis.port={redis}",
        ],
        environ={},
    ).settings
    with Stack(settings, owned=True) as running:
        submit_from_here(running)
        yield running


@pytest.fixture(scope="session")
def schema_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """Provide a schema registry, started once; it keeps everything in memory."""
    with RegistryServer(tmp_path_factory.mktemp("registry") / "log") as running:
        yield running


def submit_from_here(stack: Stack) -> None:
    """Set the environment of the JVM that submits jobs from this process."""
    os.environ.update(stack.client_environment())
    os.environ["_python_worker_execution_mode"] = "process"  # noqa: SIM112  PyFlink's name. Real workers, not threads of the tests' own process


@pytest.fixture(scope="session")
def stack_settings(stack: Stack) -> Settings:
    """Return settings that reach the running stack."""
    return stack.settings


@pytest.fixture
def unique_topics(stack: Stack) -> Settings:
    """Return settings with topics, Redis keys and a job name that no other test uses; create the topics."""
    return make_unique(stack)


@pytest.fixture
def unique(stack: Stack) -> Callable[[], Settings]:
    """Return a function that does the same as :func:`unique_topics`, for tests that need several."""
    return lambda: make_unique(stack)


def make_unique(stack: Stack) -> Settings:
    from eddy.stack import topics

    name = f"t{uuid.uuid4().hex[:10]}"
    settings = stack.settings.model_copy(
        update={
            "topics": stack.settings.topics.model_copy(update={"prefix": name}),
            "redis": stack.settings.redis.model_copy(update={"prefix": name}),
            "job": stack.settings.job.model_copy(update={"name": name, "checkpoint_interval_ms": 2000}),
        }
    )
    topics.create_missing(settings, stack.kafka_address, deadline())
    return settings


def deadline(seconds: float = 60) -> float:
    import time

    return time.monotonic() + seconds


@pytest.fixture
def data_folder() -> Path:
    """Return the folder of shared real data, if it exists."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.exists():
        pytest.skip("../shared/data is not there: real data are not part of the repository")
    return folder
