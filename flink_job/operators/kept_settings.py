"""Check restored state against the settings that it depends on, where the state itself does not name them."""

from __future__ import annotations

from collections.abc import Iterable

from eddy.errors import SettingsError
from eddy.flink_job.wire.parsing import shard_of


def check_shards(names: Iterable[str | None], number: int, shards: int) -> None:
    """Refuse restored series that belong to another shard.

    The number of shards stands in state since ``jvm/…/KeptSettings.java``; a savepoint of an earlier version shows only
    by its series that it was written with another one.

    Raises:
        SettingsError: a series does not belong here: state was written with another value of ``job.shards``.
    """
    for name in names:
        if name is not None and (own := shard_of(name, shards)) != number:
            message = (
                f"job.shards: found {shards}, but the state of shard {number} holds series {name!r} of shard {own}"
            )
            raise SettingsError(f"{message}; submit the job with the job.shards that the savepoint was written with")
