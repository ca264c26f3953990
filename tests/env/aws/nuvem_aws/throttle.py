"""Request limits: token buckets for each action, per account and Region (E60, and aws.md's table).

Off unless the dial `throttling` is "on".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import throttled


@dataclass(frozen=True)
class Limit:
    burst: float
    per_second: float


READ = Limit(100, 20)
UNFILTERED_READ = Limit(50, 10)
WRITE = Limit(50, 5)
CALLS = {
    "RunInstances": Limit(5, 2),
    "StartInstances": Limit(5, 2),
    "CopyImage": Limit(100, 1),
    "CreateTags": Limit(100, 10),
    "DeleteTags": Limit(100, 10),
    **dict.fromkeys(
        ("TerminateInstances", "CreateSnapshot", "CreateSnapshots", "DeleteSnapshot", "CreateVolume", "DeleteVolume",
         "DeregisterImage", "ModifyImageAttribute", "ModifySnapshotAttribute", "ModifyInstanceMetadataOptions",
         "AssociateIamInstanceProfile"),
        Limit(100, 5),
    ),
}  # fmt: skip
# Besides the calls, these count the instances they are about.
INSTANCES = {
    "RunInstances": Limit(1000, 2),
    "StartInstances": Limit(1000, 2),
    "StopInstances": Limit(1000, 20),
    "TerminateInstances": Limit(1000, 20),
}
COSTLY_WHEN_UNFILTERED = {
    "DescribeInstances", "DescribeInstanceStatus", "DescribeSecurityGroups", "DescribeSnapshots", "DescribeVolumes",
    "DescribeNetworkInterfaces",
}  # fmt: skip
# What narrows a list or pages through it, and so spares a call the bucket of the unfiltered ones.
_NARROWING = {"Filters", "MaxResults", "NextToken"}


class Throttle:
    """The buckets' fill. A bucket starts full, and a call that finds one too empty takes from none."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}

    def admit(self, region: str, action: str, parameters: dict[str, Any], now: float) -> None:
        demands = [((region, bucket), limit, count) for bucket, limit, count in demands_of(action, parameters)]
        levels = [self._level(key, limit, now) for key, limit, _ in demands]
        if any(level < count for level, (_, _, count) in zip(levels, demands, strict=True)):
            raise throttled()
        for level, (key, _, count) in zip(levels, demands, strict=True):
            self._levels[key] = (level - count, now)

    def _level(self, key: tuple[str, str], limit: Limit, now: float) -> float:
        level, since = self._levels.get(key, (limit.burst, now))
        return min(limit.burst, level + (now - since) * limit.per_second)


def demands_of(action: str, parameters: dict[str, Any]) -> list[tuple[str, Limit, int]]:
    """The buckets that a call draws from: (name, limit, tokens)."""
    if action.startswith(("Describe", "Get", "List", "Search")):
        unfiltered = action in COSTLY_WHEN_UNFILTERED and not any(
            name in _NARROWING or name.endswith(("Ids", "Names")) for name in parameters
        )
        return [(f"{action} unfiltered", UNFILTERED_READ, 1)] if unfiltered else [(action, READ, 1)]
    demands = [(action, CALLS.get(action, WRITE), 1)]
    if action in INSTANCES:
        demands.append((f"{action} by instance", INSTANCES[action], _instances(parameters)))
    return demands


def _instances(parameters: dict[str, Any]) -> int:
    return len(parameters["InstanceIds"]) if "InstanceIds" in parameters else parameters["MaxCount"]
