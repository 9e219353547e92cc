"""Compose the command lines of the stock ``flink`` command that start the job on the kinds of cluster there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eddy.errors import SettingsError
from eddy.flink_rest import RestAddress

MODULE = "eddy.flink_job.main"
UNPACKED = "eddy_env"  # folder of the environment's archive on a worker
PYTHON_IN_ARCHIVE = f"{UNPACKED}/bin/python"
#: where the image of docker/job.Dockerfile has its Python and what 'flink run' starts
IMAGE_PYTHON = "/opt/eddy/venv/bin/python"
IMAGE_SCRIPT = "/opt/eddy/main.py"


@dataclass(frozen=True)
class Submission:
    """Hold what is submitted, whatever the target.

    Attributes:
        flink: the ``flink`` command, or what stands for it: its first words.
        arguments: of the job: ``--set key=value`` …
        script: ``flink_job/main.py`` here, for targets whose client runs here.
        client_python: interpreter that builds the graph here.
        worker_python: interpreter on the workers; with an archive the one inside it is meant.
        archive: path or URI of what ``eddy job pack`` wrote; empty = the workers have the packages.
        requirements: requirements file that the workers install with pip; empty = none.
        jars: shipped with the job; none if they are in the cluster's ``lib/``.
        options: Flink's own settings (``-D``).
        savepoint: path to start from; empty = start anew.
    """

    flink: Sequence[str]
    arguments: Sequence[str]
    script: Path
    client_python: str
    worker_python: str = "python3.11"
    archive: str = ""
    requirements: str = ""
    jars: Sequence[Path] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    savepoint: str = ""

    def remote(self, address: str) -> list[str]:
        """Compose the command for a running standalone or session cluster, by its REST address ``host:port``."""
        python = PYTHON_IN_ARCHIVE if self.archive else self.worker_python
        # By the address alone 'flink run' decides whether it speaks TLS, whatever its configuration says.
        place = address.url if isinstance(address, RestAddress) and address.identity else address
        command = [*self._run("-m", place), "-pyclientexec", self.client_python, "-pyexec", python]
        if self.archive:
            command += ["-pyarch", f"{self.archive}#{UNPACKED}"]
        if self.requirements:
            command += ["-pyreq", self.requirements]
        shipped = [part for jar in self.jars for part in ("--jar", str(jar))]
        return [*command, "-py", str(self.script), *self.arguments, *shipped]

    def yarn(self, folder: Path) -> list[str]:
        """Compose the command for YARN's application mode: the cluster builds the graph, from a folder that is shipped.

        Args:
            folder: holds the archive and the jars; its name is its path in YARN's containers.

        Raises:
            SettingsError: there is no archive: nothing on YARN's nodes has the packages.
        """
        if not self.archive:
            raise SettingsError(
                "target yarn needs the environment's archive: 'eddy job pack --out FILE', then --archive"
            )
        archive = f"{folder.name}/{Path(self.archive).name}#{UNPACKED}"
        command = [*self._run("-t", "yarn-application", {"yarn.ship-files": str(folder)}), "-pyarch", archive]
        command += ["-pyclientexec", PYTHON_IN_ARCHIVE, "-pyexec", PYTHON_IN_ARCHIVE]
        return [*command, "-pyfs", folder.name, "-pym", MODULE, *self.arguments]

    def kubernetes(self, cluster_id: str, image: str) -> list[str]:
        """Compose the command for Kubernetes' application mode with Flink's own client: all is in the image."""
        options = {"kubernetes.cluster-id": cluster_id, "kubernetes.container.image.ref": image}
        command = self._run("-t", "kubernetes-application", options)
        command += ["-pyclientexec", IMAGE_PYTHON, "-pyexec", IMAGE_PYTHON]
        return [*command, "-pyfs", IMAGE_SCRIPT, "-pym", "main", *self.arguments]

    def _run(self, kind: str, target: str, options: Mapping[str, str] | None = None) -> list[str]:
        command = [*self.flink, "run", "--detached", kind, target]
        command += [f"-D{key}={value}" for key, value in {**(options or {}), **self.options}.items()]
        if self.savepoint:
            command += ["--fromSavepoint", self.savepoint]
        return command
