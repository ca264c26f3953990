"""DescribeInstanceStatus (E59): the status checks, and what AWS has scheduled for an instance."""

from __future__ import annotations

from typing import Any

from . import instances, pages
from .errors import invalid_parameter
from .filters import Filters
from .state import Instance, Region

MOST_IDS = 100
NOTICE = 14 * 24 * 3600
_REACHABILITY = {"ok": "passed", "initializing": "initializing", "impaired": "failed"}


def _checks(region: Region, instance: Instance) -> str:
    """They take a while after the start, and say nothing unless the instance runs."""
    if instance.state != "running":
        return "not-applicable"
    if instance.id in region.dials.impaired:
        return "impaired"
    young = region.now - instance.running_since < 2 * region.dials.transition_seconds
    return "initializing" if young else "ok"


def _events(region: Region, instance: Instance) -> list[dict[str, Any]]:
    """A retirement is cured by a stop, which moves the instance to other hardware; the notice stays, as completed."""
    if instance.id not in region.dials.retiring or instance.state == "terminated":
        return []
    completed = "[Completed] " if instance.moved else ""
    event = {
        "InstanceEventId": f"instance-event-{instance.id.removeprefix('i-')}",
        "Code": "instance-retirement",
        "Description": f"{completed}The instance is running on degraded hardware",
        "NotBefore": instance.created + NOTICE,
    }
    return [event]


def _looks(region: Region) -> dict[str, Any]:
    own = ("availability-zone", "instance-state-code", "instance-state-name")
    looks = {name: instances.OWN_LOOKS[name] for name in own}
    for check in ("instance-status", "system-status"):
        looks[f"{check}.status"] = lambda instance: _checks(region, instance)
        looks[f"{check}.reachability"] = lambda instance: _REACHABILITY.get(_checks(region, instance))
    for name, key in (("code", "Code"), ("description", "Description"), ("instance-event-id", "InstanceEventId")):
        looks[f"event.{name}"] = lambda instance, key=key: [event[key] for event in _events(region, instance)]
    return looks


def describe_instance_status(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeInstanceStatus", parameters, _looks(region))
    if len(parameters.get("InstanceIds", [])) > MOST_IDS:
        raise invalid_parameter("instanceIds", len(parameters["InstanceIds"]), "At most 100 instance IDs are allowed.")
    everything = parameters.get("IncludeAllInstances", False)
    found = [one for one in instances.chosen(region, parameters, filters) if everything or one.state == "running"]
    page, token = pages.page("DescribeInstanceStatus", parameters, found, ids="InstanceIds")
    return {"InstanceStatuses": [_describe(region, instance) for instance in page], "NextToken": token}


def _describe(region: Region, instance: Instance) -> dict[str, Any]:
    checks = _checks(region, instance)
    details = [{"Name": "reachability", "Status": _REACHABILITY[checks]}] if checks in _REACHABILITY else []
    return {
        "InstanceId": instance.id,
        "AvailabilityZone": instance.zone,
        "InstanceState": instances.state(instance),
        "InstanceStatus": {"Status": checks, "Details": details},
        "SystemStatus": {"Status": checks, "Details": details},
        "Events": _events(region, instance),
    }
