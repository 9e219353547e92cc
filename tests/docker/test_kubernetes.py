"""Check the Kubernetes manifest against the operator's own schema, which its API jar on Maven contains."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from eddy.configuration import load
from eddy.flink_job.client import submission
from eddy.stack.paths import ROOT, home
from tests.docker.test_compose import unknown_options

OPERATOR = "flink-kubernetes-operator-api-1.10.0.jar"  # the newest that Maven has
SHA256 = "b1f44814e17514fa8395c61b329a3ee9087123a5bda5b21fe1a495d5182c30b6"
SCHEMA = "META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"
AUTOSCALER = "flink-autoscaler-1.10.0.jar"  # likewise
AUTOSCALER_SHA256 = "5185e86960e29dc6b1b94f3ffe02d2a0718a3489b2468e96327513064d6dce60"
#: settings of the operator and its autoscaler, not Flink's
OPERATORS = ("kubernetes.operator.", "job.autoscaler.")
#: names that came after the release on Maven, read in the operator's documentation of those that know Flink 2.2
RENAMED = {f"job.autoscaler.utilization.{name}" for name in ("target", "min", "max")}
#: read there as well: the operator's own jar is not on Maven
SAVEPOINTS = {"kubernetes.operator.savepoint.history.max.count", "kubernetes.operator.periodic.savepoint.interval"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "kubernetes" / "flinkdeployment.yaml").read_text()))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    jar = brought("flink-kubernetes-operator-api", OPERATOR, SHA256)
    with zipfile.ZipFile(jar) as archive:
        definition = yaml.load(archive.read(SCHEMA), Loader=yaml.CSafeLoader)
    (version,) = definition["spec"]["versions"]
    return closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


def brought(artifact: str, name: str, sha256: str) -> Path:
    """A jar of the operator's release, fetched once."""
    jar = home() / "jars" / "operator" / name
    if not jar.exists():
        words = [f"-Dartifact=org.apache.flink:{artifact}:1.10.0", f"-DoutputDirectory={jar.parent}"]
        subprocess.run(["mvn", "-q", "-B", f"{PLUGIN}:copy", *words], check=True)
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == sha256
    return jar


def closed(node: Any) -> Any:
    """The schema with unknown fields as errors: a cluster would drop a misspelt one without a word."""
    if isinstance(node, dict):
        if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
            node.setdefault("additionalProperties", False)
        for value in node.values():
            closed(value)
    elif isinstance(node, list):
        for value in node:
            closed(value)
    return node


def test_pods_are_hardened(manifest: dict[str, Any]) -> None:
    pod = manifest["spec"]["podTemplate"]["spec"]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert writable == {"/tmp", "/opt/flink/log"}  # noqa: S108  the container's
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


NAMESPACE = "kubernetes.io/metadata.name"
FLINK = {"app": "eddy", "component": "jobmanager"}
WORKER = {"app": "eddy", "component": "taskmanager"}
OPERATOR_POD = {"app.kubernetes.io/name": "flink-kubernetes-operator"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}


@pytest.mark.parametrize(
    ("namespace", "pod", "to", "port", "allowed"),
    [
        ("here", WORKER, FLINK, 6123, True),
        ("here", FLINK, WORKER, 6122, True),
        ("flink-operator", OPERATOR_POD, FLINK, 8081, True),
        ("here", {"app": "eddy-dashboard"}, FLINK, 8081, True),
        ("monitoring", PROMETHEUS, FLINK, 9249, True),
        ("monitoring", PROMETHEUS, WORKER, 9249, True),
        ("monitoring", PROMETHEUS, FLINK, 8081, False),
        ("monitoring", {"app": "other"}, FLINK, 9249, False),
        ("flink-operator", OPERATOR_POD, FLINK, 6123, False),
        ("flink-operator", OPERATOR_POD, WORKER, 8081, False),
        ("other", OPERATOR_POD, FLINK, 8081, False),
        ("here", {"app": "eddy-dashboard"}, FLINK, 6123, False),
        ("here", {"app": "other"}, FLINK, 8081, False),
        ("other", WORKER, FLINK, 6123, False),
    ],
)
def test_only_named_pods_reach_flink(
    namespace: str, pod: dict[str, str], to: dict[str, str], port: int, allowed: bool
) -> None:
    assert reaches("ingress", "from", to, namespace, pod, port) is allowed


@pytest.mark.parametrize(
    ("namespace", "pod", "port", "allowed"),
    [
        ("kube-system", {"k8s-app": "kube-dns"}, 53, True),
        ("here", {"app": "kafka"}, 9092, True),
        ("here", {"app": "redis"}, 6379, True),
        ("here", FLINK, 6123, True),
        ("elsewhere", {}, 443, True),  # object store, Kubernetes's API
        ("here", {"app": "kafka"}, 22, False),
        ("here", {"app": "other"}, 9092, False),
        ("elsewhere", {"app": "kafka"}, 9092, False),
        ("elsewhere", {}, 80, False),
    ],
)
def test_flink_reaches_only_what_is_named(namespace: str, pod: dict[str, str], port: int, allowed: bool) -> None:
    assert reaches("egress", "to", WORKER, namespace, pod, port) is allowed


def reaches(way: str, peers: str, own: dict[str, str], namespace: str, pod: dict[str, str], port: int) -> bool:
    """Whether the policies allow a connection, by Kubernetes's rules: what any of them allows is allowed."""
    applying = [
        policy["spec"]
        for policy in yaml.safe_load_all((ROOT / "kubernetes" / "networkpolicies.yaml").read_text())
        if policy["spec"]["podSelector"]["matchLabels"].items() <= own.items()
    ]
    assert any(way.capitalize() in spec["policyTypes"] and way not in spec for spec in applying), "no default deny"
    return any(
        (peers not in rule or any(fits(peer, namespace, pod) for peer in rule[peers]))
        and ("ports" not in rule or any(entry["port"] == port for entry in rule["ports"]))
        for spec in applying
        for rule in spec.get(way, ())
    )


def fits(peer: dict[str, Any], namespace: str, pod: dict[str, str]) -> bool:
    places = peer.get("namespaceSelector", {}).get("matchLabels", {NAMESPACE: "here"})
    return bool(places == {NAMESPACE: namespace} and peer["podSelector"]["matchLabels"].items() <= pod.items())


def test_policies_select_the_pods_of_the_deployment(manifest: dict[str, Any]) -> None:
    """The operator labels them with the deployment's name."""
    policies = list(yaml.safe_load_all((ROOT / "kubernetes" / "networkpolicies.yaml").read_text()))
    assert {policy["kind"] for policy in policies} == {"NetworkPolicy"}
    assert {policy["spec"]["podSelector"]["matchLabels"]["app"] for policy in policies} == {
        manifest["metadata"]["name"]
    }
    metrics = manifest["spec"]["flinkConfiguration"]["metrics.reporter.prom.port"]
    assert any(str(entry["port"]) == metrics for policy in policies for rule in policy["spec"].get("ingress", ())
               for entry in rule.get("ports", ()))  # fmt: skip


def test_manifest_follows_the_operator_schema(manifest: dict[str, Any], schema: dict[str, Any]) -> None:
    spec = dict(manifest["spec"])
    assert (manifest["apiVersion"], manifest["kind"]) == ("flink.apache.org/v1beta1", "FlinkDeployment")
    # That release came before Flink 2: its list of versions is the one thing that cannot be checked with it.
    assert spec.pop("flinkVersion") == "v2_2"
    jsonschema.validate(spec, schema)


def test_misspelt_field_is_refused_by_the_schema(manifest: dict[str, Any], schema: dict[str, Any]) -> None:
    spec = {key: value for key, value in manifest["spec"].items() if key != "flinkVersion"}
    with pytest.raises(jsonschema.ValidationError, match="upgradeMod"):
        jsonschema.validate({**spec, "job": {**spec["job"], "upgradeMod": "stateless"}}, schema)


def test_flink_settings_exist_in_flink(manifest: dict[str, Any]) -> None:
    found = {k: v for k, v in manifest["spec"]["flinkConfiguration"].items() if not k.startswith(OPERATORS)}
    assert unknown_options(found) == []


def test_autoscaler_settings_exist_in_the_autoscaler(manifest: dict[str, Any]) -> None:
    with zipfile.ZipFile(brought("flink-autoscaler", AUTOSCALER, AUTOSCALER_SHA256)) as archive:
        options = archive.read("org/apache/flink/autoscaler/config/AutoScalerOptions.class")
    named = {key for key in manifest["spec"]["flinkConfiguration"] if key.startswith(OPERATORS)}
    known = {key for key in named if constant(key.removeprefix("job.autoscaler.")) in options}
    assert len(known) >= 5
    assert named - known == RENAMED | SAVEPOINTS


def constant(text: str) -> bytes:
    """A text as a class file holds it: tag, length, bytes."""
    return b"\x01" + len(text).to_bytes(2, "big") + text.encode()


def test_job_arguments_fit_eddy_and_the_image(manifest: dict[str, Any]) -> None:
    job, flink = manifest["spec"]["job"], manifest["spec"]["flinkConfiguration"]
    words = job["args"]
    assert words[:4] == ["-pyclientexec", submission.IMAGE_PYTHON, "-py", submission.IMAGE_SCRIPT]
    assert flink["python.executable"] == submission.IMAGE_PYTHON
    settings = load(words[5::2], environ={}).settings
    assert words[4::2] == ["--set"] * len(words[5::2])
    assert settings.job.parallelism == job["parallelism"]
    assert str(settings.job.max_parallelism) == flink["pipeline.max-parallelism"]
    assert str(settings.job.shards) == flink["job.autoscaler.vertex.max-parallelism"]
    assert job["jarURI"].removeprefix("local://") in (ROOT / "docker" / "job.Dockerfile").read_text()
