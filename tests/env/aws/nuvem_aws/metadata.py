"""Options of the instance metadata service (E24)."""

from __future__ import annotations

from typing import Any

from . import lookup
from .errors import incorrect_state, invalid_parameter
from .state import Instance, Region

DEFAULTS = {
    "HttpTokens": "optional",
    "HttpPutResponseHopLimit": 1,
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}


def checked(present: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What is not asked for stays."""
    options = present | {name: value for name, value in wanted.items() if name in DEFAULTS}
    if not 1 <= options["HttpPutResponseHopLimit"] <= 64:
        raise invalid_parameter("httpPutResponseHopLimit", options["HttpPutResponseHopLimit"], "Expecting 1 to 64.")
    return options


def described(instance: Instance) -> dict[str, Any]:
    return {"State": instance.metadata_state, **instance.metadata}


def modify_instance_metadata_options(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """Pending for a moment while the instance runs; of a stopped one until it starts."""
    instance = lookup.find_instance(region, parameters["InstanceId"])
    if instance.state in ("shutting-down", "terminated"):
        raise incorrect_state(f"The instance '{instance.id}' is not in a state that allows this operation.")
    instance.metadata = checked(instance.metadata, parameters)
    instance.metadata_state = "pending"
    instance.rendered = None
    changed = instance.metadata
    region.after("transition_seconds", lambda _: _apply(instance, changed))
    return {"InstanceId": instance.id, "InstanceMetadataOptions": described(instance)}


def _apply(instance: Instance, changed: dict[str, Any]) -> None:
    if instance.state == "running" and instance.metadata is changed:
        instance.metadata_state = "applied"
        instance.rendered = None
