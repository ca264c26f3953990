"""The checks of a launch (E27..E31): everything is found good before anything is made."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from dataclasses import dataclass
from typing import Any

from . import credits, images, interfaces, metadata, moto_ec2, security_groups, tags, volumes
from .errors import (
    AwsError,
    invalid_combination,
    invalid_parameter,
    invalid_value,
    missing_parameter,
    unsupported_in_zone,
    wrong_architecture,
)
from .moto_ec2 import Subnet
from .state import Region

LONGEST_USER_DATA = 16384


@dataclass
class Plan:
    """A launch whose every parameter was found good."""

    image: images.Image
    instance_type: str
    subnet: Subnet
    interfaces: list[dict[str, Any]]
    volumes: dict[str, dict[str, Any]]
    tags: dict[str, dict[str, str]]
    attributes: dict[str, Any]
    profile: dict[str, str] | None
    count: int


def made(region: Region, parameters: dict[str, Any]) -> Plan:
    """E27, E28, E30, E31."""
    _check_counts(parameters)
    if "ImageId" not in parameters:
        raise missing_parameter("ImageId")
    image = images.find(region, parameters["ImageId"])
    instance_type = parameters.get("InstanceType", "m1.small")
    _check_type(instance_type, image)
    subnet = _subnet(region, parameters, instance_type)
    security_groups.keep_default_groups(region)
    planned = _interfaces(region, parameters, subnet)
    profile = parameters.get("IamInstanceProfile")
    if profile:
        moto_ec2.instance_profile(profile)
    return Plan(
        image=image,
        instance_type=instance_type,
        subnet=subnet,
        interfaces=planned,
        volumes=volumes.planned(region, image, parameters.get("BlockDeviceMappings", [])),
        tags=tags.specified(parameters, ("instance", "volume", "network-interface")),
        attributes=_attributes(region, parameters, instance_type),
        profile=profile,
        count=_count(region, parameters, planned),
    )


def _count(region: Region, parameters: dict[str, Any], planned: list[dict[str, Any]]) -> int:
    """As many as the subnets have room for, and at least MinCount or none."""
    needs = Counter(plan["subnet"] for plan in planned)
    room = min(interfaces.room(region, subnet) // count for subnet, count in needs.items())
    if room < parameters["MinCount"]:
        message = "There are not enough free addresses in the subnet to satisfy the requested number of instances."
        raise AwsError("InsufficientFreeAddressesInSubnet", message)
    return min(room, parameters["MaxCount"])


def subnet_named(parameters: dict[str, Any]) -> str | None:
    named = [one["SubnetId"] for one in parameters.get("NetworkInterfaces", []) if "SubnetId" in one]
    return parameters.get("SubnetId") or next(iter(named), None)


def _check_counts(parameters: dict[str, Any]) -> None:
    least, most = parameters["MinCount"], parameters["MaxCount"]
    if least < 1 or most < least:
        raise invalid_value(f"Invalid value '{least}' for minCount. Expected 1 or more, and at most maxCount ({most})")
    if most > 1 and (
        "PrivateIpAddress" in parameters
        or any("PrivateIpAddress" in one for one in parameters.get("NetworkInterfaces", []))
    ):
        raise invalid_combination("A private address may not be specified when launching more than one instance")


def _check_type(instance_type: str, image: images.Image) -> None:
    if moto_ec2.instance_type(instance_type) is None:
        raise invalid_value(f"Invalid value '{instance_type}' for InstanceType.")
    supported = moto_ec2.architectures(instance_type)
    if image.architecture not in supported:
        raise wrong_architecture(supported, image.architecture)


def _subnet(region: Region, parameters: dict[str, Any], instance_type: str) -> Subnet:
    """The subnet named, or a default one: in the zone named, or in the first that has the type and room."""
    zone = parameters.get("Placement", {}).get("AvailabilityZone")
    named = subnet_named(parameters)
    if named:
        subnet = moto_ec2.subnet(region.name, named)
        if zone not in (None, subnet.zone):
            raise invalid_parameter("availabilityZone", zone, f"The subnet is in {subnet.zone}.")
    else:
        subnet = _default_subnet(region, zone, instance_type)
    if not moto_ec2.is_offered(region.name, subnet.zone, instance_type):
        raise unsupported_in_zone(instance_type, subnet.zone)
    if instance_type in region.dials.insufficient_capacity:
        raise AwsError("InsufficientInstanceCapacity", _no_capacity(instance_type, subnet.zone), status=500)
    return subnet


def _no_capacity(instance_type: str, zone: str) -> str:
    return (
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone})."
        " Our system will be working on provisioning additional capacity."
    )


def _default_subnet(region: Region, zone: str | None, instance_type: str) -> Subnet:
    defaults = [subnet for subnet in moto_ec2.subnets(region.name) if subnet.is_default]
    if zone is not None and zone not in {subnet.zone for subnet in moto_ec2.subnets(region.name)}:
        raise invalid_parameter("availabilityZone", zone, "Subnets can currently only be created in other zones.")
    candidates = [subnet for subnet in defaults if zone in (None, subnet.zone)]
    if not candidates:
        raise AwsError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    offering = [subnet for subnet in candidates if moto_ec2.is_offered(region.name, subnet.zone, instance_type)]
    roomy = [subnet for subnet in offering if interfaces.room(region, subnet)]
    return (roomy or offering or candidates)[0]


def _interfaces(region: Region, parameters: dict[str, Any], subnet: Subnet) -> list[dict[str, Any]]:
    """E28, E30: the interfaces to make, in order of their device index."""
    specified = parameters.get("NetworkInterfaces")
    level = [name for name in ("SecurityGroupIds", "SecurityGroups") if name in parameters]
    if not specified:
        given = {"Groups": _groups(region, parameters), "PrivateIpAddress": parameters.get("PrivateIpAddress")}
        return [_interface(region, given, subnet, alone=True)]
    if level:
        raise invalid_combination(
            "Network interfaces and an instance-level security groups may not be specified on the same request"
        )
    if "SubnetId" in parameters or "PrivateIpAddress" in parameters:
        raise invalid_combination(
            "Network interfaces and an instance-level subnet ID or private IP address may not be specified "
            "on the same request"
        )
    specified = sorted(specified, key=lambda one: one.get("DeviceIndex", 0))
    if [one.get("DeviceIndex", 0) for one in specified] != list(range(len(specified))):
        raise invalid_value("Each network interface requires a device index of its own, from 0 on.")
    plans = []
    for one in specified:
        own = moto_ec2.subnet(region.name, one["SubnetId"]) if "SubnetId" in one else subnet
        plans.append(_interface(region, one, own, alone=len(specified) == 1))
    return plans


def _groups(region: Region, parameters: dict[str, Any]) -> list[str]:
    default_vpc = moto_ec2.default_vpc_id(region.name)
    by_name = [security_groups.named(region, name, default_vpc).id for name in parameters.get("SecurityGroups", [])]
    return parameters.get("SecurityGroupIds", []) + by_name


def _interface(region: Region, given: dict[str, Any], subnet: Subnet, alone: bool) -> dict[str, Any]:
    groups = given.get("Groups") or [security_groups.default_group(region, subnet.vpc_id).id]
    if given.get("PrivateIpAddress"):
        interfaces.free_address(region, subnet, given["PrivateIpAddress"])
    if given.get("AssociatePublicIpAddress") and not alone:
        raise invalid_combination(
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network "
            "interfaces."
        )

    def foreign(group_id: str) -> AwsError:
        message = f"Security group {group_id} and subnet {subnet.id} belong to different networks."
        return AwsError("InvalidParameter", message)

    return {
        "subnet": subnet,
        "group_ids": security_groups.check_for_interface(region, groups, subnet.vpc_id, foreign),
        "private_ip": given.get("PrivateIpAddress"),
        "public_ip": given.get("AssociatePublicIpAddress", subnet.public_ip_on_launch and alone),
        "description": given.get("Description", ""),
        "delete_on_termination": given.get("DeleteOnTermination", True),
    }


def _attributes(region: Region, parameters: dict[str, Any], instance_type: str) -> dict[str, Any]:
    if "KeyName" in parameters:
        moto_ec2.check_key_pair(region.name, parameters["KeyName"])
    placement = parameters.get("Placement", {})
    return {
        "key_name": parameters.get("KeyName"),
        "user_data": checked_user_data(parameters.get("UserData")),
        "credits": credits.at_launch(parameters.get("CreditSpecification"), instance_type),
        "tenancy": placement.get("Tenancy", "default"),
        "placement_group": placement.get("GroupName"),
        "monitoring": "pending" if parameters.get("Monitoring", {}).get("Enabled") else "disabled",
        "metadata": metadata.checked(metadata.DEFAULTS, parameters.get("MetadataOptions", {})),
        "ebs_optimized": parameters.get("EbsOptimized", False),
        "termination_protection": parameters.get("DisableApiTermination", False),
        "stop_protection": parameters.get("DisableApiStop", False),
        "shutdown_behavior": parameters.get("InstanceInitiatedShutdownBehavior", "stop"),
        "cpu_options": _cpu_options(parameters.get("CpuOptions"), instance_type),
    }


def _cpu_options(given: dict[str, Any] | None, instance_type: str) -> dict[str, int]:
    cpu = moto_ec2.instance_type(instance_type)["VCpuInfo"]
    default = {"CoreCount": cpu.get("DefaultCores", 1), "ThreadsPerCore": cpu.get("DefaultThreadsPerCore", 1)}
    return default | (given or {})


def checked_user_data(text: str | None) -> str | None:
    """E18: base64 on the wire; the limit is on the raw bytes."""
    if not text:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(raw) > LONGEST_USER_DATA:
        raise invalid_value(f"User data is limited to {LONGEST_USER_DATA} bytes")
    return text
