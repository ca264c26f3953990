"""The rules of security groups: permissions in, one rule for each peer out (E50..E52)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from . import lookup, moto_ec2, pages, security_groups, tags
from .errors import AwsError, different_networks, invalid_combination, invalid_value, missing_parameter
from .filters import Filters
from .state import ACCOUNT, Region, Rule, SecurityGroup, new_id

PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "-1": "-1", "all": "-1"}
MOST_RULES = 60
# The older form of a permission, one per call, spread over the call's own parameters.
_SPREAD = ("CidrIp", "FromPort", "IpProtocol", "ToPort", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")


# ---------------------------------------------------------------- reading what a call says


def _protocol(text: str | None) -> str:
    if text is None:
        raise missing_parameter("IpPermissions.1.IpProtocol")
    protocol = PROTOCOLS.get(text.lower(), text.lower())
    if protocol not in PROTOCOLS.values() and not (protocol.isdigit() and int(protocol) <= 255):
        raise invalid_value(f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return protocol


def _ports(protocol: str, first: int | None, last: int | None) -> tuple[int | None, int | None]:
    """Only TCP, UDP and ICMP have ports (of ICMP, type and code); AWS drops them elsewhere."""
    if protocol in ("tcp", "udp"):
        if first is None or last is None:
            raise invalid_value("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
        if not 0 <= first <= last <= 65535:
            raise invalid_value(f"Invalid TCP/UDP port range ({first}:{last})")
        return first, last
    if protocol in ("icmp", "icmpv6"):
        kind, code = (-1 if first is None else first), (-1 if last is None else last)
        if not (-1 <= kind <= 255 and -1 <= code <= 255):
            raise invalid_value(f"Invalid ICMP type/code ({kind}:{code})")
        return kind, code
    return None, None


def _cidr(text: str, version: int) -> str:
    """E50: 10.0.0.5/8 becomes 10.0.0.0/8."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != version or "/" not in text:
        raise invalid_value(f"CIDR block {text} is malformed")
    return str(network)


def _referenced_group(region: Region, pair: dict[str, Any], vpc_id: str) -> str:
    if pair.get("UserId") not in (None, ACCOUNT):
        raise AwsError("InvalidGroup.NotFound", f"The security group '{pair.get('GroupId')}' does not exist")
    if pair.get("GroupId"):
        group = lookup.find_group(region, pair["GroupId"])
        if group.vpc_id != vpc_id:
            raise different_networks()
        return group.id
    if pair.get("GroupName"):
        return security_groups.named(region, pair["GroupName"], vpc_id).id
    raise missing_parameter("IpPermissions.1.Groups.1.GroupId")


def _prefix_list(region: Region, prefix_list_id: str) -> str:
    moto_ec2.check_prefix_list(region.name, prefix_list_id)
    return prefix_list_id


def _peers(region: Region, permission: dict[str, Any], vpc_id: str) -> list[tuple[tuple[str, str], str | None]]:
    """The peers of a permission, each with its description."""
    peers = [(("cidr4", _cidr(one.get("CidrIp", ""), 4)), one) for one in permission.get("IpRanges", [])]
    peers += [(("cidr6", _cidr(one.get("CidrIpv6", ""), 6)), one) for one in permission.get("Ipv6Ranges", [])]
    peers += [
        (("group", _referenced_group(region, one, vpc_id)), one) for one in permission.get("UserIdGroupPairs", [])
    ]
    peers += [
        (("prefix-list", _prefix_list(region, one.get("PrefixListId", ""))), one)
        for one in permission.get("PrefixListIds", [])
    ]
    return [(peer, one.get("Description")) for peer, one in peers]


def _permissions_of(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    spread = {name: parameters[name] for name in _SPREAD if name in parameters}
    permissions = parameters.get("IpPermissions", [])
    if not spread:
        return permissions
    if permissions:
        raise invalid_combination("The parameter ipPermissions may not be used with other permission parameters")
    permission = {name: spread[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in spread}
    if "CidrIp" in spread:
        permission["IpRanges"] = [{"CidrIp": spread["CidrIp"]}]
    if "SourceSecurityGroupName" in spread:
        permission["IpProtocol"] = permission.get("IpProtocol", "-1")
        permission["UserIdGroupPairs"] = [{"GroupName": spread["SourceSecurityGroupName"]}]
    return [permission]


def _wanted(region: Region, group: SecurityGroup, parameters: dict[str, Any], is_egress: bool) -> list[Rule]:
    """The rules that a call's permissions stand for, not yet part of the group."""
    rules = []
    for permission in _permissions_of(parameters):
        protocol = _protocol(permission.get("IpProtocol"))
        from_port, to_port = _ports(protocol, permission.get("FromPort"), permission.get("ToPort"))
        peers = _peers(region, permission, group.vpc_id)
        if not peers:
            raise invalid_value("Invalid value '' for ipRanges. A permission needs at least one source or destination.")
        rules += [
            Rule(
                id=new_id("sgr"), created=region.now, group_id=group.id, is_egress=is_egress, protocol=protocol,
                from_port=from_port, to_port=to_port, peer=peer, description=_description(description),
            )
            for peer, description in peers
        ]  # fmt: skip
    if len({rule.identity for rule in rules}) < len(rules):
        raise invalid_value("The same permission must not appear multiple times")
    return rules


def _description(text: str | None) -> str | None:
    if text and not security_groups.ALLOWED_TEXT.fullmatch(text):
        raise invalid_value(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: "
            "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
    return text or None


# ---------------------------------------------------------------- authorize


def authorize(region: Region, parameters: dict[str, Any], is_egress: bool) -> dict[str, Any]:
    """E50, E52: all of a call's rules or none."""
    group = security_groups.addressed(region, parameters)
    rules = _wanted(region, group, parameters, is_egress)
    if not rules:
        raise missing_parameter("IpPermissions")
    tagged = tags.specified(parameters, ("security-group-rule",)).get("security-group-rule", {})
    for rule in rules:
        _check_new(group, rule)
    _check_room(group, rules, is_egress)
    for rule in rules:
        rule.tags = dict(tagged)
        group.rules[rule.id] = region.rules.add(rule)
    return {"Return": True, "SecurityGroupRules": [_describe(region, rule) for rule in rules]}


def authorize_security_group_ingress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return authorize(region, parameters, is_egress=False)


def authorize_security_group_egress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return authorize(region, parameters, is_egress=True)


def _check_new(group: SecurityGroup, rule: Rule) -> None:
    if any(existing.identity == rule.identity for existing in group.rules.values() if existing is not rule):
        message = f'the specified rule "{_in_words(rule)}" already exists'
        raise AwsError("InvalidPermission.Duplicate", message)


def _in_words(rule: Rule) -> str:
    """E50: `peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW`."""
    words = [f"peer: {rule.peer[1]}", "ALL" if rule.protocol == "-1" else rule.protocol.upper()]
    if rule.protocol in ("tcp", "udp"):
        words += [f"from port: {rule.from_port}", f"to port: {rule.to_port}"]
    elif rule.protocol in ("icmp", "icmpv6"):
        words += [f"type: {rule.from_port}", f"code: {rule.to_port}"]
    return ", ".join([*words, "ALLOW"])


def _check_room(group: SecurityGroup, new: list[Rule], is_egress: bool) -> None:
    """The quota counts IPv4 and IPv6 apart; a rule that names a group counts for both."""
    rules = [rule for rule in group.rules.values() if rule.is_egress == is_egress] + new
    for other_family in ("cidr6", "cidr4"):
        if sum(rule.peer[0] != other_family for rule in rules) > MOST_RULES:
            message = "The maximum number of rules per security group has been reached."
            raise AwsError("RulesPerSecurityGroupLimitExceeded", message)


# ---------------------------------------------------------------- revoke


def revoke(region: Region, parameters: dict[str, Any], is_egress: bool) -> dict[str, Any]:
    """E51: by rule id or by permission. What is missing is told in a default VPC, and an error in others."""
    group = security_groups.addressed(region, parameters)
    condemned = _named_rules(region, group, parameters, is_egress)
    unknown = []
    for rule in _wanted(region, group, parameters, is_egress):
        existing = next((one for one in group.rules.values() if one.identity == rule.identity), None)
        (condemned if existing else unknown).append(existing or rule)
    if unknown and group.vpc_id != moto_ec2.default_vpc_id(region.name):
        raise AwsError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
    for rule in condemned:
        del group.rules[rule.id]
        region.rules.remove(rule)
    return {
        "Return": True,
        "UnknownIpPermissions": security_groups.permissions(unknown),
        "RevokedSecurityGroupRules": [_describe_revoked(rule) for rule in condemned],
    }


def revoke_security_group_ingress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return revoke(region, parameters, is_egress=False)


def revoke_security_group_egress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return revoke(region, parameters, is_egress=True)


def _named_rules(region: Region, group: SecurityGroup, parameters: dict[str, Any], is_egress: bool) -> list[Rule]:
    ids = parameters.get("SecurityGroupRuleIds", [])
    if not ids and not _permissions_of(parameters):
        raise missing_parameter("IpPermissions")
    rules = lookup.find_all(region, lookup.RULE, ids)
    for rule in rules:
        _check_belongs(group, rule, is_egress)
    return rules


def _check_belongs(group: SecurityGroup, rule: Rule, is_egress: bool | None) -> None:
    if rule.group_id != group.id or is_egress not in (None, rule.is_egress):
        code, message = lookup.RULE.unknown
        raise AwsError(code, message.format(rule.id))


# ---------------------------------------------------------------- descriptions and changes


def update_descriptions(region: Region, parameters: dict[str, Any], is_egress: bool) -> dict[str, Any]:
    """E51: by rule id or by permission; the description that is left out is deleted."""
    group = security_groups.addressed(region, parameters)
    changes = []
    for entry in parameters.get("SecurityGroupRuleDescriptions", []):
        rule = lookup.find_rule(region, entry.get("SecurityGroupRuleId", ""))
        _check_belongs(group, rule, is_egress)
        changes.append((rule, _description(entry.get("Description"))))
    for wanted in _wanted(region, group, parameters, is_egress):
        rule = next((one for one in group.rules.values() if one.identity == wanted.identity), None)
        if rule is None:
            raise AwsError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        changes.append((rule, wanted.description))
    if not changes:
        raise missing_parameter("IpPermissions")
    for rule, description in changes:
        rule.description = description
    return {"Return": True}


def update_security_group_rule_descriptions_ingress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return update_descriptions(region, parameters, is_egress=False)


def update_security_group_rule_descriptions_egress(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return update_descriptions(region, parameters, is_egress=True)


def modify_security_group_rules(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """Changes rules under their ids, all or none."""
    group = lookup.find_group(region, parameters["GroupId"])
    changes = []
    for entry in parameters["SecurityGroupRules"]:
        rule = lookup.find_rule(region, entry["SecurityGroupRuleId"])
        _check_belongs(group, rule, None)
        changes.append((rule, _requested(region, group, rule, entry.get("SecurityGroupRule", {}))))
    before = [(rule, vars(rule).copy()) for rule, _ in changes]
    for rule, change in changes:
        vars(rule).update(change)
    try:
        for rule, _ in changes:
            _check_new(group, rule)
    except AwsError:
        for rule, attributes in before:
            vars(rule).update(attributes)
        raise
    return {"Return": True}


def _requested(region: Region, group: SecurityGroup, rule: Rule, request: dict[str, Any]) -> dict[str, Any]:
    permission = {
        "IpProtocol": request.get("IpProtocol"),
        "FromPort": request.get("FromPort"),
        "ToPort": request.get("ToPort"),
        "IpRanges": [{"CidrIp": request["CidrIpv4"]}] if "CidrIpv4" in request else [],
        "Ipv6Ranges": [{"CidrIpv6": request["CidrIpv6"]}] if "CidrIpv6" in request else [],
        "UserIdGroupPairs": [{"GroupId": request["ReferencedGroupId"]}] if "ReferencedGroupId" in request else [],
        "PrefixListIds": [{"PrefixListId": request["PrefixListId"]}] if "PrefixListId" in request else [],
    }
    wanted = _wanted(region, group, {"IpPermissions": [permission]}, rule.is_egress)
    if len(wanted) != 1:
        raise invalid_combination("A security group rule has exactly one source or destination")
    changed = ("protocol", "from_port", "to_port", "peer")
    return {name: getattr(wanted[0], name) for name in changed} | {
        "description": _description(request.get("Description"))
    }


# ---------------------------------------------------------------- DescribeSecurityGroupRules


LOOKS = {"group-id": lambda rule: rule.group_id, "security-group-rule-id": lambda rule: rule.id}


def describe_security_group_rules(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeSecurityGroupRules", parameters, LOOKS)
    chosen = lookup.find_all(region, lookup.RULE, parameters.get("SecurityGroupRuleIds", []))
    found = [
        rule for rule in chosen or _candidates(region, filters) if lookup.visible(region, rule) and filters.match(rule)
    ]
    rules, token = pages.page("DescribeSecurityGroupRules", parameters, found, ids="SecurityGroupRuleIds")
    return {"SecurityGroupRules": [_describe(region, rule) for rule in rules], "NextToken": token}


def _candidates(region: Region, filters: Filters) -> Iterable[Rule]:
    groups = filters.exact("group-id")
    if groups is None:
        return filters.candidates(region.rules, "security-group-rule-id")
    return [rule for group in region.groups.with_ids(groups) for rule in group.rules.values()]


def _peer_fields(rule: Rule) -> dict[str, str]:
    kind, value = rule.peer
    return {{"cidr4": "CidrIpv4", "cidr6": "CidrIpv6", "prefix-list": "PrefixListId"}[kind]: value}


def _describe(region: Region, rule: Rule) -> dict[str, Any]:
    if rule.peer[0] == "group":
        peer: dict[str, Any] = {"ReferencedGroupInfo": {"GroupId": rule.peer[1], "UserId": ACCOUNT}}
    else:
        peer = _peer_fields(rule)
    return {
        "SecurityGroupRuleId": rule.id,
        "SecurityGroupRuleArn": region.arn(f"security-group-rule/{rule.id}"),
        "GroupId": rule.group_id,
        "GroupOwnerId": ACCOUNT,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        **peer,
        "Description": rule.description,
        "Tags": tags.as_list(rule),
    }


def _describe_revoked(rule: Rule) -> dict[str, Any]:
    peer = {"ReferencedGroupId": rule.peer[1]} if rule.peer[0] == "group" else _peer_fields(rule)
    return {
        "SecurityGroupRuleId": rule.id,
        "GroupId": rule.group_id,
        "IsEgress": rule.is_egress,
        "IpProtocol": rule.protocol,
        "FromPort": -1 if rule.from_port is None else rule.from_port,
        "ToPort": -1 if rule.to_port is None else rule.to_port,
        **peer,
        "Description": rule.description,
    }
