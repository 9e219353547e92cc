"""Check models from outside: nothing is unpickled, only allowed places are read, signatures are verified."""

from __future__ import annotations

import ast
import io
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eddy.errors import ModelError, SettingsError
from eddy.models.artifacts import artifact, signing
from eddy.models.artifacts import uri as artifact_uri
from eddy.models.artifacts.uri import check_uri, read_artifact
from eddy.models.core.detector import WindowSpec
from eddy.models.detectors.zscore import RollingZScore
from eddy.models.serving.loaded_model import load_model
from eddy.settings import RegistrySettings
from tests.models.small_models import manifest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "eddy",
    "models",
    "flink_job",
    "training",
    "producers",
    "csv_files",
    "inputs",
    "dashboard",
    "stack",
    "cli",
    "ops",
    "benchmarks",
)
#: modules that run what they read
UNSAFE_MODULES = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve", "_pickle"}
#: calls that do, unless they are told not to
UNSAFE_CALLS = {"torch.load", "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "eval", "exec"}
ANY = RegistrySettings()
KEY = "a key of at least sixteen"


@pytest.mark.parametrize("package", PACKAGES)
def test_code_never_unpickles(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [str(node.module).split(".")[0]]
            assert not UNSAFE_MODULES & set(names), f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in UNSAFE_CALLS, f"{path}:{node.lineno}"
                allowed = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
                assert not allowed, f"{path}:{node.lineno}"


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickled_artifact_is_refused_without_running_it(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(Trap(sprung))
    pickle.loads(trap)  # noqa: S301  the trap works
    sprung.rmdir()
    archive = io.BytesIO()
    np.savez(archive, weights=np.array([Trap(sprung)], dtype=object))
    torch_like = io.BytesIO()
    with zipfile.ZipFile(torch_like, "w") as file:
        file.writestr("archive/data.pkl", trap)
    good = manifest()
    for content in (
        trap,
        archive.getvalue(),
        torch_like.getvalue(),
        artifact.dump(RollingZScore(WindowSpec(4))) + trap,
    ):
        with pytest.raises(ModelError):
            load_model(replace(good, sha256=artifact.sha256(content)), content)
    assert not sprung.exists()


def test_artifact_uri_must_use_an_allowed_scheme(tmp_path: Path) -> None:
    place = tmp_path / "m.safetensors"
    place.write_bytes(b"content")
    assert read_artifact(str(place), ANY) == read_artifact(place.as_uri(), ANY) == b"content"
    for uri in ("", "http://host/m", "ftp://host/m", "memory://m", f"zip::{place.as_uri()}", f"file::{place.as_uri()}"):
        with pytest.raises(ModelError, match=r"file, s3, https \(registry\.uri_schemes\)"):
            read_artifact(uri, ANY)
    with pytest.raises(ModelError, match="expected one of s3"):
        read_artifact(place.as_uri(), RegistrySettings(uri_schemes="s3"))
    with pytest.raises(ModelError, match="credentials") as refused:
        check_uri("https://me:hush@host/m", ANY)
    assert "hush" not in str(refused.value)
    with pytest.raises(ModelError, match="found the host 'elsewhere'"):
        check_uri("file://elsewhere/m", ANY)
    assert check_uri("s3://models/m.safetensors", ANY) == "s3://models/m.safetensors"


@pytest.mark.parametrize("way", ["{0}/in/../out/m", "file://{0}/in/../out/m", "file://{0}/in/%2e%2e/out/m"])
def test_artifact_uri_cannot_leave_the_allowed_folder(tmp_path: Path, way: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "m").write_bytes(b"secret")
    only = RegistrySettings(uri_prefixes=f"file://{inside}/, s3://models/")
    with pytest.raises(ModelError, match=r"without '\.\.'"):
        read_artifact(way.format(tmp_path), only)
    (inside / "link").symlink_to(outside / "m")
    for path in (outside / "m", inside / "link"):
        with pytest.raises(ModelError, match=r"registry\.uri_prefixes"):
            read_artifact(str(path), only)
    (inside / "m").write_bytes(b"model")
    assert read_artifact(str(inside / "m"), only) == b"model"
    with pytest.raises(ModelError, match=r"registry\.uri_prefixes"):
        check_uri("s3://models.evil/m", only)


def test_artifact_must_be_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero", str(tmp_path)):
        with pytest.raises(ModelError, match="expected a regular file"):
            read_artifact(path, ANY)


def test_oversized_artifact_is_refused_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(500 * 1024 * 1024)  # takes no room
    with pytest.raises(ModelError, match=f"{500 * 1024 * 1024} bytes; at most"):
        read_artifact(str(large), ANY)
    monkeypatch.setattr(artifact_uri, "MAX_ARTIFACT_BYTES", 3)
    (tmp_path / "small").write_bytes(b"1234")
    with pytest.raises(ModelError, match="4 bytes; at most 3"):
        read_artifact(str(tmp_path / "small"), ANY)


def test_signature_covers_the_whole_manifest() -> None:
    signed = signing.sign(manifest(), KEY)
    signing.check(signed, KEY)
    signing.check(type(signed).from_json(signed.to_json()), KEY)
    for changed in (
        replace(signed, version=signed.version + 1),
        replace(signed, sha256="0" * 64),
        replace(signed, series=("other",)),
        replace(signed, threshold={"policy": "fixed", "default": 99.0}),
        replace(signed, uri="file:///elsewhere", artifact=""),
        replace(signed, signature=signed.signature[:-1] + ("0" if signed.signature[-1] != "0" else "1")),
        replace(signed, signature="ü"),
    ):
        with pytest.raises(ModelError, match="signature does not fit"):
            signing.check(changed, KEY)
    with pytest.raises(ModelError, match="signature does not fit"):
        signing.check(signed, KEY + "x")
    with pytest.raises(ModelError, match="not signed"):
        signing.check(manifest(), KEY)
    with pytest.raises(SettingsError, match="at least 16"):
        signing.sign(manifest(), "short")
