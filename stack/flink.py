"""Run the local stack's Flink: a standalone cluster from the ``apache-flink`` package.

The cluster's class path is a folder of links: the distribution's ``lib/``, ``flink-python``, the Kafka connector and
our own jar. So a job ships no jars at all, and every class is loaded once, with thread mode's native library.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import yaml

from eddy.configuration import secrets_as_environment
from eddy.flink_rest import IDENTITY, FlinkError, FlinkRest, RestAddress
from eddy.flink_rest import rest_address as address_of
from eddy.settings import Settings, StackSettings
from eddy.stack import class_archive, flink_identity, flink_memory, whole_files
from eddy.stack.jars import flink_home, flink_jars, flink_python_jar
from eddy.stack.java import LATE_OPTIMISER, QUICK
from eddy.stack.paths import ROOT
from eddy.stack.process import Launch

JOBMANAGER = "jobmanager"
TASKMANAGER = "taskmanager"
JOBMANAGER_CLASS = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASKMANAGER_CLASS = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
CLIENT_CLASS = "org.apache.flink.client.cli.CliFrontend"
REST_TIMEOUT_SECONDS = 5
CHECKPOINTS_KEPT = 3

LOGGING = """\
rootLogger.level = ${env:ROOT_LOG_LEVEL:-INFO}
rootLogger.appenderRef.file.ref = file
appender.file.name = file
appender.file.type = RollingFile
appender.file.append = true
appender.file.fileName = ${sys:log.file}
appender.file.filePattern = ${sys:log.file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
"""


def launches(settings: Settings, folder: Path) -> list[Launch]:
    """Write the configuration; return how to start one JobManager and the TaskManagers.

    Java is started directly, with the options that ``bin/jobmanager.sh`` and ``bin/taskmanager.sh`` would give it (see
    :mod:`eddy.stack.flink_memory` for why).
    """
    stack, data = settings.stack, folder / "flink"
    for part in (data / "conf", data / "lib", data / "tmp", folder / "logs"):
        part.mkdir(parents=True, exist_ok=True)
    config = _config(settings, data)
    config |= flink_identity.options(flink_identity.present(folder / IDENTITY, stack.host))
    whole_files.write(data / "conf" / "config.yaml", yaml.safe_dump(config, width=10_000), private=True)
    for name in ("log4j-console.properties", "log4j.properties", "log4j-cli.properties"):
        whole_files.write(data / "conf" / name, LOGGING)
    link_jars(data / "lib")
    _put_stand_in(data / "opt")
    java = ["java", "-XX:+IgnoreUnrecognizedVMOptions", *str(config["env.java.opts.all"]).split()]
    env = {
        **client_environment(folder),
        **secrets_as_environment(settings),
    }  # not as arguments, not as Flink's settings
    held = {"stack.flink_rest_port": stack.flink_rest_port, "stack.flink_rpc_port": stack.flink_rpc_port}
    jvm, options = flink_memory.jobmanager(stack.jobmanager_memory_mb)
    jvm += [*QUICK, *class_archive.options(JOBMANAGER, JOBMANAGER, _class_path(data), folder)]
    log = folder / "logs" / f"{JOBMANAGER}.log"
    found = [Launch(JOBMANAGER, [*java, *jvm, *_main(JOBMANAGER_CLASS, data, log, options)], held, env, log)]
    jvm, options = flink_memory.taskmanager(stack.taskmanager_memory_mb, stack.slots)
    for name in taskmanager_names(stack):
        log = folder / "logs" / f"{name}.log"
        archive = class_archive.options(name, TASKMANAGER, _class_path(data), folder)
        argv = [*java, "-XX:+UseG1GC", *LATE_OPTIMISER, *archive, *jvm, *_main(TASKMANAGER_CLASS, data, log, options)]
        found.append(Launch(name, argv, {}, env, log))
    return found


def client_command(folder: Path) -> list[str]:
    """Return the command that ``bin/flink`` runs in the end; the script starts two more JVMs to read the configuration.

    Args:
        folder: the stack's data folder, resolved; the cluster has been started there.
    """
    data = folder / "flink"
    options = yaml.safe_load((data / "conf" / "config.yaml").read_text())["env.java.opts.all"].split()
    settings = [
        f"-Dlog.file={folder / 'logs' / 'client.log'}",
        f"-Dlog4j.configurationFile=file:{data / 'conf' / 'log4j-cli.properties'}",
    ]
    java = ["java", "-XX:+IgnoreUnrecognizedVMOptions", "-XX:+UseSerialGC", *QUICK]
    return [*java, *options, *settings, "-cp", _class_path(data), CLIENT_CLASS]


def client_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that submits jobs to this cluster or is part of it.

    With it a client (``flink run``, PyFlink's gateway) finds the cluster's address and the same jars, so jobs need no
    ``pipeline.jars``.

    Args:
        folder: the stack's data folder, resolved.
    """
    data = folder / "flink"
    packages = [str(ROOT), sysconfig.get_paths()["purelib"]]  # thread mode's interpreter starts without our venv
    return {
        "FLINK_HOME": str(flink_home()),
        "FLINK_CONF_DIR": str(data / "conf"),
        "FLINK_LIB_DIR": str(data / "lib"),
        "FLINK_LOG_DIR": str(folder / "logs"),
        "FLINK_PLUGINS_DIR": str(flink_home() / "plugins"),
        "FLINK_OPT_DIR": str(data / "opt"),
        "FLINK_BIN_DIR": str(flink_home() / "bin"),
        "PYTHONPATH": os.pathsep.join([*packages, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def taskmanager_names(stack: StackSettings) -> list[str]:
    """Return the TaskManagers' process names."""
    return [f"{TASKMANAGER}-{number}" for number in range(1, stack.taskmanagers + 1)]


def rest_address(stack: StackSettings) -> RestAddress:
    """Return ``host:port`` of the REST API and Flink's web page, and how it is reached."""
    return address_of(stack)


def rest(stack: StackSettings) -> FlinkRest:
    """Return a client of this cluster's REST API."""
    return FlinkRest(rest_address(stack), answer_seconds=REST_TIMEOUT_SECONDS, direct=True)


def ran_a_job(folder: Path) -> bool:
    """Return whether any job ever ran on this cluster: the JobManager makes a folder for the checkpoints of each."""
    return any((folder / "flink" / "checkpoints").glob("*"))


def problem(settings: Settings) -> str | None:
    """Return None once every TaskManager has registered its slots, else the reason."""
    stack = settings.stack
    try:
        overview = rest(stack).overview()
        managers, slots = int(overview["taskmanagers"]), int(overview["slots-total"])
    except FlinkError as error:
        return f"Flink's REST API at {rest_address(stack)} does not answer: {error.reason}"
    except (ValueError, KeyError, TypeError) as error:
        return f"what answers at {rest_address(stack)} is not Flink's REST API: {error!r}"
    if managers < stack.taskmanagers:
        return f"Flink at {rest_address(stack)} has {managers} of {stack.taskmanagers} TaskManagers ({slots} slots)"
    return None


def _main(entry: str, data: Path, log: Path, options: dict[str, str]) -> list[str]:
    """Return the arguments from the log file on: class path, main class, and the options computed for this process."""
    logging = data / "conf" / "log4j-console.properties"
    dynamic = [part for key, value in options.items() for part in ("-D", f"{key}={value}")]
    settings = [f"-Dlog.file={log}", f"-Dlog4j.configurationFile=file:{logging}"]
    return [*settings, "-cp", _class_path(data), entry, "--configDir", str(data / "conf"), *dynamic]


def _class_path(data: Path) -> str:
    """Return all jars, flink-dist last, as Flink's scripts order them.

    The paths are those of the jars, not of the links, which differ between stacks: class archives know jars by path.
    """
    jars = sorted((data / "lib").glob("*.jar"), key=lambda jar: (jar.name.startswith("flink-dist"), jar.name))
    return ":".join(str(jar.resolve()) for jar in jars)


def link_jars(lib: Path) -> None:
    """Fill a folder with links to the jars that the cluster and its clients have on their class path."""
    jars = {jar.name: jar for jar in (flink_home() / "lib").glob("*.jar")}
    jars |= {jar.name: jar for jar in (flink_python_jar(), *flink_jars())}
    for link in lib.iterdir():
        link.unlink()
    for name, jar in jars.items():
        (lib / name).symlink_to(jar.resolve())


def _put_stand_in(opt: Path) -> None:
    """Write an empty jar in place of ``flink-python``'s, which the cluster has on its class path.

    ``flink run`` sends the one that it finds in this folder along with every Python job: 42 MB to the JobManager, and
    from there to each TaskManager. Through TLS that takes 8 s in JVMs that start quickly (no C2, no AES instructions).
    """
    opt.mkdir(exist_ok=True)
    with zipfile.ZipFile(opt / flink_python_jar().name, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")


def _config(settings: Settings, data: Path) -> dict[str, Any]:
    stack = settings.stack
    shipped = yaml.safe_load((flink_home() / "conf" / "config.yaml").read_text())
    return {
        **_reporter(stack),
        "env.java.opts.all": shipped["env"]["java"]["opts"]["all"],  # opens the JDK's modules as this version needs
        "jobmanager.rpc.address": stack.host,
        "jobmanager.rpc.port": stack.flink_rpc_port,
        "jobmanager.bind-host": stack.host,
        "jobmanager.memory.process.size": f"{stack.jobmanager_memory_mb}m",
        "jobmanager.execution.failover-strategy": "region",
        "taskmanager.host": stack.host,
        "taskmanager.bind-host": stack.host,
        "taskmanager.memory.process.size": f"{stack.taskmanager_memory_mb}m",
        "taskmanager.numberOfTaskSlots": stack.slots,
        # Metrics are read (by the demo, tests, the dashboard) for the last second, not for the last ten.
        "metrics.fetcher.update-interval": 1000,
        # A TaskManager that was killed is missed after two unanswered heartbeats: 6 s in place of 20. One that only
        # stands still (its machine swaps) has half a minute.
        "heartbeat.interval": 3000,
        "heartbeat.timeout": 30_000,
        "cluster.registration.initial-timeout": "200 ms",
        "cluster.registration.error-delay": "500 ms",  # default 10 s: what a TaskManager that is up first would wait
        "rest.address": stack.host,
        "rest.bind-address": stack.host,
        "rest.port": stack.flink_rest_port,
        "rest.bind-port": str(stack.flink_rest_port),  # a single port, not a range: the one of the setting
        "web.submit.enable": False,  # no jar upload from Flink's web page
        "web.cancel.enable": False,
        "web.tmpdir": str(data / "tmp"),
        "web.refresh-interval": "200 ms",  # age of what the REST API says: with 3 s, every start and stop waits for it
        "io.tmp.dirs": str(data / "tmp"),
        "classloader.resolve-order": "parent-first",  # a job that does bring jars still gets the cluster's classes
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": (data / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (data / "savepoints").as_uri(),
        "execution.checkpointing.num-retained": CHECKPOINTS_KEPT,
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": settings.job.restart_attempts,
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "1 min",
    }


def _reporter(stack: StackSettings) -> dict[str, Any]:
    """Configure Flink's own Prometheus reporter; each process takes the first free port of the range."""
    if not stack.metrics_port:
        return {}
    return {
        "metrics.reporters": "prometheus",
        "metrics.reporter.prometheus.factory.class": "org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
        "metrics.reporter.prometheus.port": f"{stack.metrics_port}-{stack.metrics_port + stack.taskmanagers}",
    }
