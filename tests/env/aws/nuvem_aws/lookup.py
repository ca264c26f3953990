"""Finding what a call names, or refusing as AWS does: malformed ids, unknown ids, things too young to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import AwsError
from .state import Instance, Interface, Region, Resource, Rule, SecurityGroup, Shelf, Volume


@dataclass(frozen=True)
class Kind:
    """How one type of resource is named, and refused (E13, E14)."""

    prefix: str
    type: str
    shelf: str
    malformed: tuple[str, str]
    unknown: tuple[str, str]
    several_unknown: str | None = None


INSTANCE = Kind(
    "i", "instance", "instances",
    ("InvalidInstanceID.Malformed", 'Invalid id: "{}"'),
    ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "The instance IDs '{}' do not exist",
)  # fmt: skip
GROUP = Kind(
    "sg", "security-group", "groups",
    ("InvalidGroupId.Malformed", 'Invalid id: "{}" (expecting "sg-...")'),
    ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "The security groups '{}' do not exist",
)  # fmt: skip
RULE = Kind(
    "sgr", "security-group-rule", "rules",
    ("InvalidSecurityGroupRuleId.Malformed", 'Invalid id: "{}" (expecting "sgr-...")'),
    ("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '{}' does not exist"),
)  # fmt: skip
VOLUME = Kind(
    "vol", "volume", "volumes",
    ("InvalidParameterValue", "Value ({}) for parameter volumeId is invalid. Expected: 'vol-...'."),
    ("InvalidVolume.NotFound", "The volume '{}' does not exist."),
)  # fmt: skip
INTERFACE = Kind(
    "eni", "network-interface", "interfaces",
    ("InvalidNetworkInterfaceId.Malformed", 'Invalid id: "{}" (expecting "eni-...")'),
    ("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist"),
)  # fmt: skip
KINDS = {kind.prefix: kind for kind in (INSTANCE, GROUP, RULE, VOLUME, INTERFACE)}


def well_formed(prefix: str, resource_id: str) -> bool:
    return re.fullmatch(rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})", resource_id) is not None


def check_form(kind: Kind, ids: Iterable[str]) -> None:
    for one in ids:
        if not well_formed(kind.prefix, one):
            code, message = kind.malformed
            raise AwsError(code, message.format(one))


def visible(region: Region, resource: Resource) -> bool:
    """E7: nobody sees what was just created, whether to read or to write."""
    return region.now - resource.created >= region.dials.visibility_seconds


def tag_visible(region: Region, resource: Resource, key: str) -> bool:
    """E7: tag filters may lag further behind than ids."""
    return region.now - resource.tagged_at[key] >= region.dials.tag_visibility_seconds


def _shelf(region: Region, kind: Kind) -> Shelf:
    return getattr(region, kind.shelf)


def find_all(region: Region, kind: Kind, ids: Iterable[str]) -> list:
    """The resources of all these ids, each once. E13: one that is unknown fails the whole call."""
    ids = list(dict.fromkeys(ids))
    check_form(kind, ids)
    shelf = _shelf(region, kind)
    unknown = [one for one in ids if one not in shelf or not visible(region, shelf[one])]
    if unknown:
        code, message = kind.unknown
        if len(unknown) > 1 and kind.several_unknown:
            message = kind.several_unknown
        raise AwsError(code, message.format(", ".join(unknown)))
    return [shelf[one] for one in ids]


def find_instance(region: Region, instance_id: str) -> Instance:
    return find_all(region, INSTANCE, [instance_id])[0]


def find_group(region: Region, group_id: str) -> SecurityGroup:
    return find_all(region, GROUP, [group_id])[0]


def find_rule(region: Region, rule_id: str) -> Rule:
    return find_all(region, RULE, [rule_id])[0]


def find_volume(region: Region, volume_id: str) -> Volume:
    return find_all(region, VOLUME, [volume_id])[0]


def find_interface(region: Region, interface_id: str) -> Interface:
    return find_all(region, INTERFACE, [interface_id])[0]
