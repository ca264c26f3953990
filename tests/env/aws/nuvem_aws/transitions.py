"""An instance's way through its states, each step some time after the one before (E8, E9, E12)."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import interfaces, volumes
from .state import Instance, Region

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
BY_AWS = ("Server.InternalError", "Server.InternalError: Internal error on launch")


def _enter(instance: Instance, state: str) -> None:
    instance.state = state
    instance.transition += 1
    instance.rendered = None


def _then(region: Region, instance: Instance, since: float, step: Callable[[Region, Instance, float], None]) -> None:
    """Plans the next step, which is left out when another change comes first."""
    number = instance.transition

    def take(moment: float) -> None:
        if instance.transition == number:
            step(region, instance, moment)

    region.after("transition_seconds", take, since=since)


def _user_initiated(moment: float) -> str:
    return f"User initiated ({time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(moment))} GMT)"


def begin(region: Region, instance: Instance) -> None:
    """A launch or a start."""
    _enter(instance, "pending")
    instance.state_reason, instance.transition_reason = None, ""
    dies = not instance.has_run and instance.instance_type in region.dials.die_from_pending
    _then(region, instance, region.now, _die if dies else _run)


def _run(region: Region, instance: Instance, moment: float) -> None:
    _enter(instance, "running")
    instance.has_run, instance.running_since = True, moment
    instance.metadata_state = "applied"
    volumes.attached(region, instance)


def _die(region: Region, instance: Instance, moment: float) -> None:
    """E8: the launch was answered 200, and came to nothing."""
    instance.state_reason = BY_AWS
    instance.transition_reason = "Server.InternalError"
    _terminated(region, instance, moment)


def stop(region: Region, instance: Instance) -> None:
    _enter(instance, "stopping")
    instance.state_reason, instance.transition_reason = BY_USER, _user_initiated(region.now)
    _then(region, instance, region.now, _stopped)


def _stopped(region: Region, instance: Instance, moment: float) -> None:
    _enter(instance, "stopped")
    instance.moved = instance.id in region.dials.retiring
    interfaces.take_public_addresses(region, instance)


def terminate(region: Region, instance: Instance) -> None:
    _enter(instance, "shutting-down")
    instance.state_reason, instance.transition_reason = BY_USER, _user_initiated(region.now)
    _then(region, instance, region.now, _terminated)


def _terminated(region: Region, instance: Instance, moment: float) -> None:
    """E12: volumes go, the interface goes a little later, then the tags, and at last the instance itself."""
    _enter(instance, "terminated")
    volumes.leave(region, instance)
    interfaces.leave(region, instance, moment)
    instance.association = None
    region.after("transition_seconds", lambda _: _lose_tags(region, instance), since=moment, factor=2)
    region.after("terminated_seconds", lambda _: _vanish(region, instance), since=moment)


def _lose_tags(region: Region, instance: Instance) -> None:
    if instance.id in region.instances:
        for key in list(instance.tags):
            region.instances.untag(instance, key)
        instance.rendered = None


def _vanish(region: Region, instance: Instance) -> None:
    """Nothing finds it any more, yet its client token stays used (E3)."""
    region.instances.remove(instance)
    if instance.client_token:
        region.by_token[instance.client_token].pop(instance.id)
