"""Publish candidates beside the model that they may replace, advance them, promote them."""

from __future__ import annotations

from dataclasses import replace

from eddy.errors import ModelError
from eddy.models.artifacts.fetch import fetch_artifact
from eddy.models.artifacts.manifest import Manifest
from eddy.models.artifacts.rollout import CANARY, SHADOW, SUFFIX, rollout_of
from eddy.training.registry.registry import Registry


def publish_candidate(
    registry: Registry, manifest: Manifest, content: bytes, of: str, stage: str, share: float
) -> Manifest:
    """Publish a version as the candidate of a model; it takes the place of an earlier candidate.

    Args:
        registry: the registry to publish in.
        manifest, content: the version.
        of: the model that it may replace, which has to be in use.
        stage: ``shadow`` or ``canary``.
        share: share of the series for which a canary notifies people.

    Raises:
        ModelError: there is no such model, or stage or share is out of range.
    """
    registry.read().find(of)
    staged = replace(manifest, name=of + SUFFIX, rollout={"of": of, "stage": stage, "share": share})
    rollout_of(staged)
    return registry.publish(staged, content)


def advance(registry: Registry, of: str, share: float) -> Manifest:
    """Advance a model's candidate by a stage: a shadow becomes a canary, a canary the next version of the model.

    Raises:
        ModelError: the model has no candidate.
    """
    candidate = _candidate(registry, of)
    found = rollout_of(candidate)
    if found is not None and found.stage == SHADOW:
        content = fetch_artifact(candidate, registry.settings.registry)
        return publish_candidate(registry, candidate, content, of, CANARY, share)
    return promote(registry, of)


def promote(registry: Registry, of: str) -> Manifest:
    """Make a model's candidate its next version, whatever its stage.

    Raises:
        ModelError: the model has no candidate.
    """
    candidate = _candidate(registry, of)
    content = fetch_artifact(candidate, registry.settings.registry)
    published = registry.publish(replace(candidate, rollout={}), content, of)
    registry.withdraw(candidate.name)
    return published


def _candidate(registry: Registry, of: str) -> Manifest:
    found = registry.read().current.get(of + SUFFIX)
    if found is None:
        raise ModelError(f"model {of!r} has no candidate; 'eddy models publish --stage shadow' makes one")
    return found
