"""Security groups (E49, E52). Their rules are in security_group_rules.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from . import lookup, moto_ec2, pages, tags
from .errors import AwsError, dependency_violation, invalid_combination, invalid_parameter, missing_parameter
from .filters import Filters
from .state import ACCOUNT, Region, Rule, SecurityGroup, new_id

ALLOWED_TEXT = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
_MEANING_OF_NAME = "Character sets beyond the allowed ones, or a length over 255 characters, are not supported."


def keep_default_groups(region: Region) -> None:
    """Every VPC has a group `default`: all out, and everything in from itself. VPCs come and go in moto."""
    existing = {group.vpc_id for group in region.groups if group.is_default}
    vpcs = moto_ec2.vpc_ids(region.name)
    for vpc_id in vpcs:
        if vpc_id not in existing:
            group = _new_group(region, "default", "default VPC security group", vpc_id, {}, is_default=True)
            _add(region, group, is_egress=False, peer=("group", group.id))
    for group in [group for group in region.groups if group.vpc_id not in vpcs]:
        _discard(region, group)


def _new_group(
    region: Region, name: str, description: str, vpc_id: str, tagged: dict[str, str], is_default: bool = False
) -> SecurityGroup:
    """E49: a new group lets everything out. A default group is as old as its VPC, so nothing hides it (E7)."""
    created = 0.0 if is_default else region.now
    group = SecurityGroup(
        id=new_id("sg"), created=created, tags=dict(tagged), name=name, description=description, vpc_id=vpc_id,
        is_default=is_default,
    )  # fmt: skip
    region.groups.add(group)
    _add(region, group, is_egress=True, peer=("cidr4", "0.0.0.0/0"))
    return group


def _add(region: Region, group: SecurityGroup, is_egress: bool, peer: tuple[str, str]) -> None:
    rule = Rule(
        id=new_id("sgr"), created=group.created, group_id=group.id, is_egress=is_egress, protocol="-1", from_port=None,
        to_port=None, peer=peer,
    )  # fmt: skip
    group.rules[rule.id] = region.rules.add(rule)


def _discard(region: Region, group: SecurityGroup) -> None:
    for rule in group.rules.values():
        region.rules.remove(rule)
    region.groups.remove(group)


def default_group(region: Region, vpc_id: str) -> SecurityGroup:
    return next(group for group in region.groups if group.is_default and group.vpc_id == vpc_id)


def named(region: Region, name: str, vpc_id: str | None) -> SecurityGroup:
    """A group by its name, as the older parameters have it: within the default VPC."""
    for group in region.groups:
        if group.vpc_id == vpc_id and group.name == name and lookup.visible(region, group):
            return group
    raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{vpc_id}'")


def addressed(region: Region, parameters: dict[str, Any]) -> SecurityGroup:
    """The group that a call is about, by GroupId or by GroupName."""
    if parameters.get("GroupId"):
        if parameters.get("GroupName"):
            raise invalid_combination("The parameters groupId and groupName may not be used together")
        return lookup.find_group(region, parameters["GroupId"])
    if parameters.get("GroupName"):
        return named(region, parameters["GroupName"], moto_ec2.default_vpc_id(region.name))
    raise missing_parameter("GroupId")


def create_security_group(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E6, E49: the name is what makes a repeat fail, whether or not the group is visible yet."""
    name, description = parameters["GroupName"], parameters["Description"]
    vpc_id = parameters.get("VpcId") or moto_ec2.default_vpc_id(region.name)
    if vpc_id is None:
        raise AwsError("VPCIdNotSpecified", "No default VPC for this user.")
    _check_names(name, description)
    moto_ec2.check_vpc(region.name, vpc_id)
    tagged = tags.specified(parameters, ("security-group", "security-group-rule")).get("security-group", {})
    if any(group.vpc_id == vpc_id and group.name.lower() == name.lower() for group in region.groups):
        raise AwsError("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'")
    group = _new_group(region, name, description, vpc_id, tagged)
    return {"GroupId": group.id, "Tags": tags.as_list(group), "SecurityGroupArn": _arn(region, group)}


def _check_names(name: str, description: str) -> None:
    if name.lower() == "default":
        raise AwsError("InvalidGroup.Reserved", "The security group 'default' is reserved")
    if name.startswith("sg-"):
        raise invalid_parameter("groupName", name, "Group names may not be in the format sg-*.")
    if not ALLOWED_TEXT.fullmatch(name):
        raise invalid_parameter("groupName", name, _MEANING_OF_NAME)
    if not ALLOWED_TEXT.fullmatch(description):
        raise invalid_parameter("GroupDescription", description, _MEANING_OF_NAME)


def delete_security_group(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E52: not while an interface has it or another group's rule names it; those may be invisible yet."""
    group = addressed(region, parameters)
    if group.is_default:
        message = f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user'
        raise AwsError("CannotDelete", message)
    if any(group.id in interface.group_ids for interface in region.interfaces) or _is_referenced(region, group):
        raise dependency_violation(group.id)
    _discard(region, group)
    return {"Return": True, "GroupId": group.id}


def _is_referenced(region: Region, group: SecurityGroup) -> bool:
    return any(rule.peer == ("group", group.id) and rule.group_id != group.id for rule in region.rules)


def check_for_interface(
    region: Region, group_ids: Iterable[str], vpc_id: str, foreign: Callable[[str], AwsError]
) -> list[str]:
    """E52: at most five groups, all of the interface's own VPC; `foreign` refuses the others."""
    groups = lookup.find_all(region, lookup.GROUP, group_ids)
    if len(groups) > 5:
        message = "The maximum number of security groups per interface has been reached."
        raise AwsError("SecurityGroupsPerInterfaceLimitExceeded", message)
    for group in groups:
        if group.vpc_id != vpc_id:
            raise foreign(group.id)
    return [group.id for group in groups]


def identifiers(region: Region, group_ids: Iterable[str]) -> list[dict[str, str]]:
    return [{"GroupId": one, "GroupName": region.groups[one].name} for one in group_ids]


# ---------------------------------------------------------------- DescribeSecurityGroups


def _of_rules(is_egress: bool, look: Any) -> Any:
    return lambda group: [look(rule) for rule in group.rules.values() if rule.is_egress == is_egress]


def _peer(kind: str) -> Any:
    return lambda rule: rule.peer[1] if rule.peer[0] == kind else None


def _looks() -> dict[str, Any]:
    looks = {
        "description": lambda group: group.description,
        "group-id": lambda group: group.id,
        "group-name": lambda group: group.name,
        "owner-id": lambda group: ACCOUNT,
        "vpc-id": lambda group: group.vpc_id,
    }
    of_rule = {
        "cidr": _peer("cidr4"),
        "from-port": lambda rule: rule.from_port,
        "group-id": _peer("group"),
        "ipv6-cidr": _peer("cidr6"),
        "prefix-list-id": _peer("prefix-list"),
        "protocol": lambda rule: rule.protocol,
        "to-port": lambda rule: rule.to_port,
        "user-id": lambda rule: ACCOUNT if rule.peer[0] == "group" else None,
    }
    for name, look in of_rule.items():
        looks[f"ip-permission.{name}"] = _of_rules(False, look)
        looks[f"egress.ip-permission.{name}"] = _of_rules(True, look)
    return looks


LOOKS = _looks()


def describe_security_groups(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeSecurityGroups", parameters, LOOKS)
    chosen = lookup.find_all(region, lookup.GROUP, parameters.get("GroupIds", []))
    default_vpc = moto_ec2.default_vpc_id(region.name)
    chosen += [named(region, name, default_vpc) for name in parameters.get("GroupNames", [])]
    found = [
        group
        for group in chosen or filters.candidates(region.groups, "group-id")
        if lookup.visible(region, group) and filters.match(group)
    ]
    groups, token = pages.page("DescribeSecurityGroups", parameters, found, ids="GroupIds")
    return {"SecurityGroups": [_describe(region, group) for group in groups], "NextToken": token}


def _arn(region: Region, group: SecurityGroup) -> str:
    return region.arn(f"security-group/{group.id}")


def _describe(region: Region, group: SecurityGroup) -> dict[str, Any]:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": ACCOUNT,
        "VpcId": group.vpc_id,
        "SecurityGroupArn": _arn(region, group),
        "IpPermissions": permissions(rule for rule in group.rules.values() if not rule.is_egress),
        "IpPermissionsEgress": permissions(rule for rule in group.rules.values() if rule.is_egress),
        "Tags": tags.as_list(group),
    }


def permissions(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules as IpPermissions: one entry for each protocol and port range, with all its peers."""
    by_ports: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in rules:
        entry = by_ports.setdefault(rule.permission, _empty_permission(rule))
        described = {"Description": rule.description}
        kind, value = rule.peer
        if kind == "cidr4":
            entry["IpRanges"].append({"CidrIp": value} | described)
        elif kind == "cidr6":
            entry["Ipv6Ranges"].append({"CidrIpv6": value} | described)
        elif kind == "group":
            entry["UserIdGroupPairs"].append({"GroupId": value, "UserId": ACCOUNT} | described)
        else:
            entry["PrefixListIds"].append({"PrefixListId": value} | described)
    return list(by_ports.values())


def _empty_permission(rule: Rule) -> dict[str, Any]:
    return {
        "IpProtocol": rule.protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "IpRanges": [],
        "Ipv6Ranges": [],
        "UserIdGroupPairs": [],
        "PrefixListIds": [],
    }
