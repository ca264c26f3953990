"""Network interfaces of instances: made by the launch, deleted some time after the end (E12, E20, E52)."""

from __future__ import annotations

import ipaddress
import itertools
import secrets
from collections.abc import Iterable
from typing import Any

from . import lookup, moto_ec2, pages, security_groups, tags
from .errors import AwsError, different_networks, invalid_combination, invalid_value, no_attributes
from .filters import Filters
from .state import ACCOUNT, Instance, Interface, Region, new_id
from .wire import timestamp

_public_addresses = map(ipaddress.IPv4Address, itertools.count(int(ipaddress.IPv4Address("54.64.0.1"))))


def free_address(region: Region, subnet: moto_ec2.Subnet, wanted: str | None) -> str:
    """The one wanted, or the first free one; the caller has made sure that there is room."""
    if wanted is not None:
        _check_wanted(region, subnet, wanted)
        return wanted
    used = region.addresses_in_use[subnet.id]
    return str(ipaddress.IPv4Address(next(number for number in subnet.addresses if number not in used)))


def room(region: Region, subnet: moto_ec2.Subnet) -> int:
    """How many addresses are free."""
    return len(subnet.addresses) - len(region.addresses_in_use[subnet.id])


def _check_wanted(region: Region, subnet: moto_ec2.Subnet, wanted: str) -> None:
    try:
        number = int(ipaddress.IPv4Address(wanted))
    except ValueError:
        raise invalid_value(f"Invalid value '{wanted}' for privateIpAddress. Expected an IPv4 address") from None
    if number not in subnet.addresses:
        raise invalid_value("Address does not fall within the subnet's address range")
    if number in region.addresses_in_use[subnet.id]:
        raise AwsError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")


def launch(region: Region, instance: Instance, index: int, plan: dict[str, Any], tagged: dict[str, str]) -> None:
    """One interface of a new instance; `plan` has subnet, groups and what else the call asked for."""
    subnet = plan["subnet"]
    address = free_address(region, subnet, plan["private_ip"])
    region.addresses_in_use[subnet.id].add(int(ipaddress.IPv4Address(address)))
    interface = Interface(
        id=new_id("eni"), created=region.now, tags=dict(tagged), subnet_id=subnet.id, vpc_id=subnet.vpc_id,
        zone=subnet.zone, private_ip=address, mac="0e:" + ":".join(secrets.token_hex(1) for _ in range(5)),
        group_ids=list(plan["group_ids"]), device_index=index, description=plan["description"],
        wants_public_ip=plan["public_ip"], delete_on_termination=plan["delete_on_termination"], instance_id=instance.id,
        attachment_id=new_id("eni-attach"), attached_at=region.now,
    )  # fmt: skip
    region.interfaces.add(interface)
    instance.interface_ids.append(interface.id)
    if interface.wants_public_ip:
        interface.public_ip = _public_address()


def _public_address() -> str:
    """Each is given once: a random one would soon be given twice."""
    return str(next(_public_addresses))


def of(region: Region, instance: Instance) -> list[Interface]:
    return [region.interfaces[one] for one in instance.interface_ids]


def primary(region: Region, instance: Instance) -> Interface | None:
    """None once the instance is terminated."""
    return next(iter(of(region, instance)), None)


def only(region: Region, instance: Instance) -> Interface:
    """E20: groups and the source check belong to the interface, so with several the call must name one."""
    attached = of(region, instance)
    if len(attached) > 1:
        message = (
            f"There are multiple interfaces attached to instance '{instance.id}'. "
            "Please specify an interface ID for the operation instead."
        )
        raise AwsError("InvalidInstanceID", message)
    if not attached:
        raise AwsError("IncorrectInstanceState", f"The instance '{instance.id}' has no network interface.")
    return attached[0]


def give_public_addresses(region: Region, instance: Instance) -> None:
    """E54: an automatic public address is new at each start."""
    for interface in of(region, instance):
        if interface.wants_public_ip:
            interface.public_ip = _public_address()


def take_public_addresses(region: Region, instance: Instance) -> None:
    for interface in of(region, instance):
        interface.public_ip = None


def leave(region: Region, instance: Instance, moment: float) -> None:
    """E12, E52: a terminated instance has no interface, yet AWS deletes it only some time later."""
    for interface in of(region, instance):
        if interface.delete_on_termination:
            region.after("transition_seconds", lambda _, gone=interface: _delete(region, gone), since=moment)
        else:
            interface.instance_id = None
    instance.interface_ids = []


def _delete(region: Region, interface: Interface) -> None:
    region.addresses_in_use[interface.subnet_id].discard(int(ipaddress.IPv4Address(interface.private_ip)))
    region.interfaces.remove(interface)


def private_dns(region: Region, address: str) -> str:
    domain = "ec2.internal" if region.name == "us-east-1" else f"{region.name}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def public_dns(region: Region, address: str) -> str:
    domain = "compute-1.amazonaws.com" if region.name == "us-east-1" else f"{region.name}.compute.amazonaws.com"
    return f"ec2-{address.replace('.', '-')}.{domain}"


def association(region: Region, interface: Interface) -> dict[str, str] | None:
    if interface.public_ip is None:
        return None
    address = interface.public_ip
    return {"PublicIp": address, "PublicDnsName": public_dns(region, address), "IpOwnerId": "amazon"}


# ---------------------------------------------------------------- DescribeNetworkInterfaces


def _status(interface: Interface) -> str:
    return "in-use" if interface.instance_id else "available"


def _attached(look: Any) -> Any:
    return lambda interface: look(interface) if interface.instance_id else None


LOOKS = {
    "addresses.association.public-ip": lambda interface: interface.public_ip,
    "addresses.primary": lambda interface: True,
    "addresses.private-ip-address": lambda interface: interface.private_ip,
    "association.ip-owner-id": lambda interface: "amazon" if interface.public_ip else None,
    "association.public-ip": lambda interface: interface.public_ip,
    "attachment.attach-time": _attached(lambda interface: timestamp(interface.attached_at)),
    "attachment.attachment-id": _attached(lambda interface: interface.attachment_id),
    "attachment.delete-on-termination": _attached(lambda interface: interface.delete_on_termination),
    "attachment.device-index": _attached(lambda interface: interface.device_index),
    "attachment.instance-id": _attached(lambda interface: interface.instance_id),
    "attachment.instance-owner-id": _attached(lambda interface: ACCOUNT),
    "attachment.status": _attached(lambda interface: "attached"),
    "availability-zone": lambda interface: interface.zone,
    "description": lambda interface: interface.description,
    "group-id": lambda interface: interface.group_ids,
    "interface-type": lambda interface: "interface",
    "mac-address": lambda interface: interface.mac,
    "network-interface-id": lambda interface: interface.id,
    "owner-id": lambda interface: ACCOUNT,
    "private-ip-address": lambda interface: interface.private_ip,
    "requester-managed": lambda interface: False,
    "source-dest-check": lambda interface: interface.source_dest_check,
    "status": _status,
    "subnet-id": lambda interface: interface.subnet_id,
    "vpc-id": lambda interface: interface.vpc_id,
}


def describe_network_interfaces(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    looks = LOOKS | {"private-dns-name": lambda interface: private_dns(region, interface.private_ip)}
    filters = Filters(region, "DescribeNetworkInterfaces", parameters, looks)
    chosen = lookup.find_all(region, lookup.INTERFACE, parameters.get("NetworkInterfaceIds", []))
    found = [
        interface
        for interface in chosen or _candidates(region, filters)
        if lookup.visible(region, interface) and filters.match(interface)
    ]
    interfaces, token = pages.page("DescribeNetworkInterfaces", parameters, found, ids="NetworkInterfaceIds")
    return {"NetworkInterfaces": [_describe(region, one) for one in interfaces], "NextToken": token}


def _candidates(region: Region, filters: Filters) -> Iterable[Interface]:
    instances = filters.exact("attachment.instance-id")
    if instances is None:
        return filters.candidates(region.interfaces, "network-interface-id")
    return [interface for one in region.instances.with_ids(instances) for interface in of(region, one)]


def _describe(region: Region, interface: Interface) -> dict[str, Any]:
    dns = private_dns(region, interface.private_ip)
    attachment = {
        "AttachmentId": interface.attachment_id,
        "AttachTime": interface.attached_at,
        "DeleteOnTermination": interface.delete_on_termination,
        "DeviceIndex": interface.device_index,
        "NetworkCardIndex": 0,
        "InstanceId": interface.instance_id,
        "InstanceOwnerId": ACCOUNT,
        "Status": "attached",
    }
    address = {"Primary": True, "PrivateIpAddress": interface.private_ip, "PrivateDnsName": dns}
    return {
        "NetworkInterfaceId": interface.id,
        "InterfaceType": "interface",
        "Status": _status(interface),
        "Description": interface.description,
        "OwnerId": ACCOUNT,
        "RequesterManaged": False,
        "AvailabilityZone": interface.zone,
        "SubnetId": interface.subnet_id,
        "VpcId": interface.vpc_id,
        "MacAddress": interface.mac,
        "PrivateIpAddress": interface.private_ip,
        "PrivateDnsName": dns,
        "PrivateIpAddresses": [address | {"Association": association(region, interface)}],
        "Ipv6Addresses": [],
        "SourceDestCheck": interface.source_dest_check,
        "Groups": security_groups.identifiers(region, interface.group_ids),
        "Association": association(region, interface),
        "Attachment": attachment if interface.instance_id else None,
        "TagSet": tags.as_list(interface),
    }


def modify_network_interface_attribute(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E16, E20: the way to change groups and source check where an instance has several interfaces."""
    interface = lookup.find_interface(region, parameters["NetworkInterfaceId"])
    given = [name for name in parameters if name not in ("NetworkInterfaceId", "DryRun")]
    if not given:
        raise no_attributes()
    if len(given) > 1:
        raise invalid_combination("Fields for multiple attribute types specified: " + ", ".join(given))
    if given == ["Groups"]:
        set_groups(region, interface, parameters["Groups"])
    elif given == ["SourceDestCheck"]:
        interface.source_dest_check = parameters["SourceDestCheck"]["Value"]
    elif given == ["Description"]:
        interface.description = parameters["Description"].get("Value", "")
    else:
        raise AwsError("UnsupportedOperation", f"The local AWS does not offer {given[0]} of interfaces.")
    instance = region.instances.get(interface.instance_id or "")
    if instance:
        instance.rendered = None
    return {}


def set_groups(region: Region, interface: Interface, group_ids: list[str]) -> None:
    """E19: replaces all, and at least one must remain."""
    if not group_ids:
        raise no_attributes()
    interface.group_ids = security_groups.check_for_interface(
        region, group_ids, interface.vpc_id, lambda _: different_networks()
    )
