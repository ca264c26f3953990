"""Start, stop, reboot, terminate (E9..E13, E22, E23, E26, E27)."""

from __future__ import annotations

from typing import Any

from . import instances, interfaces, lookup, moto_ec2, transitions
from .errors import AwsError, incorrect_state, invalid_value, unsupported_in_zone
from .state import Instance, Region

MOST_IDS = 1000


def _named(region: Region, parameters: dict[str, Any]) -> list[Instance]:
    if len(parameters["InstanceIds"]) > MOST_IDS:
        raise invalid_value(f"At most {MOST_IDS} instance IDs are allowed.")
    return lookup.find_all(region, lookup.INSTANCE, parameters["InstanceIds"])


def _changes(chosen: list[Instance], before: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"InstanceId": one.id, "PreviousState": before[one.id], "CurrentState": instances.state(one)} for one in chosen
    ]


def _states(chosen: list[Instance]) -> dict[str, dict[str, Any]]:
    return {one.id: instances.state(one) for one in chosen}


def start_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E9, E10: what runs already stays; anything else but stopped fails the whole call. E27: or no capacity."""
    chosen = _named(region, parameters)
    for instance in chosen:
        if instance.state not in ("pending", "running", "stopped"):
            raise incorrect_state(f"The instance '{instance.id}' is not in a state from which it can be started.")
    stopped = [instance for instance in chosen if instance.state == "stopped"]
    for instance in stopped:
        _check_can_start(region, instance)
    before = _states(chosen)
    for instance in stopped:
        instance.launch_time = region.now
        interfaces.give_public_addresses(region, instance)
        transitions.begin(region, instance)
    return {"StartingInstances": _changes(chosen, before)}


def _check_can_start(region: Region, instance: Instance) -> None:
    if instance.instance_type in region.dials.insufficient_capacity:
        raise AwsError("InsufficientInstanceCapacity", "Insufficient capacity.", status=500)
    if not moto_ec2.is_offered(region.name, instance.zone, instance.instance_type):
        raise unsupported_in_zone(instance.instance_type, instance.zone)


def stop_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    chosen = _named(region, parameters)
    if parameters.get("Hibernate"):
        message = f"The instance '{chosen[0].id}' is not configured for hibernation."
        raise AwsError("UnsupportedHibernationConfiguration", message)
    for instance in chosen:
        _check_can_stop(instance)
    before = _states(chosen)
    for instance in chosen:
        if instance.state in ("pending", "running"):
            transitions.stop(region, instance)
    return {"StoppingInstances": _changes(chosen, before)}


def _check_can_stop(instance: Instance) -> None:
    """E10: a first `pending` has nothing to stop yet. E23: nor may a protected instance be stopped."""
    if instance.state in ("shutting-down", "terminated"):
        raise incorrect_state(f"This instance '{instance.id}' is not in a state from which it can be stopped.")
    if instance.state == "pending" and not instance.has_run:
        message = f"Instance '{instance.id}' cannot be stopped as it has never reached the 'running' state."
        raise incorrect_state(message)
    if instance.stop_protection:
        raise _protected(instance, "stopped", "disableApiStop")


def _protected(instance: Instance, deed: str, attribute: str) -> AwsError:
    message = (
        f"The instance '{instance.id}' may not be {deed}. Modify its '{attribute}' instance attribute and try again."
    )
    return AwsError("OperationNotPermitted", message)


def reboot_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E11: what runs stays running; the dead are ignored."""
    for instance in _named(region, parameters):
        if instance.state in ("stopping", "stopped"):
            message = f"Cannot reboot instance {instance.id} that is currently in {instance.state} state."
            raise AwsError("IncorrectState", message)
    return {}


def terminate_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E12, E22: a protected instance saves all of the call's instances in its zone; those of other zones die."""
    chosen = _named(region, parameters)
    refusals = {instance.zone: refusal for instance in reversed(chosen) if (refusal := _refusal(instance))}
    before = _states(chosen)
    for instance in chosen:
        if instance.zone not in refusals and instance.state not in ("shutting-down", "terminated"):
            transitions.terminate(region, instance)
    if refusals:
        raise next(iter(refusals.values()))
    return {"TerminatingInstances": _changes(chosen, before)}


def _refusal(instance: Instance) -> AwsError | None:
    if instance.state in ("shutting-down", "terminated"):
        return None
    if instance.termination_protection:
        return _protected(instance, "terminated", "disableApiTermination")
    if instance.stop_protection:
        return _protected(instance, "terminated", "disableApiStop")
    return None
