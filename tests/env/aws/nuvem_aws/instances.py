"""What can be read of instances, and detailed monitoring (E5, E12, E57, E58)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from . import interfaces, lookup, metadata, pages, security_groups, tags, wire
from .filters import Filters
from .state import ACCOUNT, Instance, Interface, Region, Volume
from .transitions import CODES
from .wire import timestamp


def state(instance: Instance) -> dict[str, Any]:
    return {"Code": CODES[instance.state], "Name": instance.state}


# ---------------------------------------------------------------- filters


def _looks(region: Region) -> dict[str, Any]:
    """What each filter of DescribeInstances looks at."""
    return OWN_LOOKS | {
        name: (lambda instance, look=look: [look(region, one) for one in interfaces.of(region, instance)])
        for name, look in _INTERFACE_LOOKS.items()
    } | {
        f"block-device-mapping.{name}": (
            lambda instance, look=look: [look(region.volumes[one]) for one in instance.volume_ids.values()]
        )
        for name, look in _VOLUME_LOOKS.items()
    }  # fmt: skip


OWN_LOOKS = {
    "architecture": lambda instance: instance.image.architecture,
    "availability-zone": lambda instance: instance.zone,
    "client-token": lambda instance: instance.client_token or None,
    "ebs-optimized": lambda instance: instance.ebs_optimized,
    "ena-support": lambda instance: instance.ena_support,
    "enclave-options.enabled": lambda instance: False,
    "hibernation-options.configured": lambda instance: False,
    "hypervisor": lambda instance: "xen",
    "iam-instance-profile.arn": lambda instance: instance.association and instance.association.profile["Arn"],
    "iam-instance-profile.id": lambda instance: instance.association and instance.association.profile["Id"],
    "image-id": lambda instance: instance.image.id,
    "instance-id": lambda instance: instance.id,
    "instance-state-code": lambda instance: CODES[instance.state],
    "instance-state-name": lambda instance: instance.state,
    "instance-type": lambda instance: instance.instance_type,
    "key-name": lambda instance: instance.key_name,
    "launch-index": lambda instance: instance.launch_index,
    "launch-time": lambda instance: timestamp(instance.launch_time),
    "metadata-options.http-endpoint": lambda instance: instance.metadata["HttpEndpoint"],
    "metadata-options.http-protocol-ipv6": lambda instance: instance.metadata["HttpProtocolIpv6"],
    "metadata-options.http-put-response-hop-limit": lambda instance: instance.metadata["HttpPutResponseHopLimit"],
    "metadata-options.http-tokens": lambda instance: instance.metadata["HttpTokens"],
    "metadata-options.instance-metadata-tags": lambda instance: instance.metadata["InstanceMetadataTags"],
    "metadata-options.state": lambda instance: instance.metadata_state,
    "monitoring-state": lambda instance: instance.monitoring,
    "owner-id": lambda instance: ACCOUNT,
    "placement-group-name": lambda instance: instance.placement_group,
    "platform": lambda instance: instance.image.platform,
    "reason": lambda instance: instance.transition_reason,
    "reservation-id": lambda instance: instance.reservation_id,
    "root-device-name": lambda instance: instance.image.root_device_name,
    "root-device-type": lambda instance: "ebs",
    "state-reason-code": lambda instance: instance.state_reason and instance.state_reason[0],
    "state-reason-message": lambda instance: instance.state_reason and instance.state_reason[1],
    "subnet-id": lambda instance: instance.subnet_id if instance.interface_ids else None,
    "tenancy": lambda instance: instance.tenancy,
    "virtualization-type": lambda instance: instance.image.virtualization_type,
    "vpc-id": lambda instance: instance.vpc_id if instance.interface_ids else None,
}
_INTERFACE_LOOKS = {
    "dns-name": lambda region, one: one.public_ip and interfaces.public_dns(region, one.public_ip),
    "instance.group-id": lambda region, one: one.group_ids,
    "instance.group-name": lambda region, one: [region.groups[group].name for group in one.group_ids],
    "ip-address": lambda region, one: one.public_ip,
    "network-interface.addresses.private-ip-address": lambda region, one: one.private_ip,
    "network-interface.attachment.attachment-id": lambda region, one: one.attachment_id,
    "network-interface.attachment.delete-on-termination": lambda region, one: one.delete_on_termination,
    "network-interface.attachment.device-index": lambda region, one: one.device_index,
    "network-interface.association.public-ip": lambda region, one: one.public_ip,
    "network-interface.availability-zone": lambda region, one: one.zone,
    "network-interface.description": lambda region, one: one.description,
    "network-interface.group-id": lambda region, one: one.group_ids,
    "network-interface.group-name": lambda region, one: [region.groups[group].name for group in one.group_ids],
    "network-interface.mac-address": lambda region, one: one.mac,
    "network-interface.network-interface-id": lambda region, one: one.id,
    "network-interface.owner-id": lambda region, one: ACCOUNT,
    "network-interface.private-ip-address": lambda region, one: one.private_ip,
    "network-interface.source-dest-check": lambda region, one: one.source_dest_check,
    "network-interface.status": lambda region, one: "in-use",
    "network-interface.subnet-id": lambda region, one: one.subnet_id,
    "network-interface.vpc-id": lambda region, one: one.vpc_id,
    "private-dns-name": lambda region, one: interfaces.private_dns(region, one.private_ip),
    "private-ip-address": lambda region, one: one.private_ip,
    "source-dest-check": lambda region, one: one.source_dest_check,
}
_VOLUME_LOOKS = {
    "attach-time": lambda volume: timestamp(volume.attached_at),
    "delete-on-termination": lambda volume: volume.delete_on_termination,
    "device-name": lambda volume: volume.device,
    "status": lambda volume: volume.attachment_state,
    "volume-id": lambda volume: volume.id,
}


def chosen(region: Region, parameters: dict[str, Any], filters: Filters) -> list[Instance]:
    """The instances that a call names or filters, in order of creation."""
    named = lookup.find_all(region, lookup.INSTANCE, parameters.get("InstanceIds", []))
    candidates = named or _candidates(region, filters)
    return [one for one in candidates if lookup.visible(region, one) and filters.match(one)]


def _candidates(region: Region, filters: Filters) -> Iterable[Instance]:
    tokens = filters.exact("client-token")
    if tokens is None:
        return filters.candidates(region.instances, "instance-id")
    return [one for token in dict.fromkeys(tokens) for one in region.by_token.get(token, {}).values()]


# ---------------------------------------------------------------- DescribeInstances


def describe_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeInstances", parameters, _looks(region))
    found = chosen(region, parameters, filters)
    page, token = pages.page("DescribeInstances", parameters, found, ids="InstanceIds")
    reservations = [
        {
            "ReservationId": reservation_id,
            "OwnerId": ACCOUNT,
            "Groups": [],
            "Instances": [_rendered(region, instance) for instance in launched],
        }
        for reservation_id, launched in itertools.groupby(page, key=lambda instance: instance.reservation_id)
    ]
    return {"Reservations": reservations, "NextToken": token}


def _rendered(region: Region, instance: Instance) -> wire.Fragment:
    """Most instances do not change between two lists, and rendering is what a long list costs."""
    if instance.rendered is None:
        instance.rendered = wire.fragment("Instance", describe(region, instance))
    return instance.rendered


def describe(region: Region, instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "ImageId": instance.image.id,
        "State": state(instance),
        "StateTransitionReason": instance.transition_reason,
        "StateReason": _state_reason(instance),
        "KeyName": instance.key_name,
        "AmiLaunchIndex": instance.launch_index,
        "ProductCodes": [],
        "InstanceType": instance.instance_type,
        "LaunchTime": instance.launch_time,
        "Placement": {
            "AvailabilityZone": instance.zone,
            "GroupName": instance.placement_group or "",
            "Tenancy": instance.tenancy,
        },
        "Platform": instance.image.platform,
        "PlatformDetails": "Windows" if instance.image.platform == "windows" else "Linux/UNIX",
        "UsageOperation": "RunInstances:0002" if instance.image.platform == "windows" else "RunInstances",
        "UsageOperationUpdateTime": instance.created,
        "Monitoring": {"State": instance.monitoring},
        "Architecture": instance.image.architecture,
        "RootDeviceType": "ebs",
        "RootDeviceName": instance.image.root_device_name,
        "BlockDeviceMappings": block_device_mappings(region, instance),
        "VirtualizationType": instance.image.virtualization_type,
        "Hypervisor": "xen",
        "ClientToken": instance.client_token,
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": instance.ena_support,
        "IamInstanceProfile": instance.association and instance.association.profile,
        "CpuOptions": instance.cpu_options,
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "HibernationOptions": {"Configured": False},
        "EnclaveOptions": {"Enabled": False},
        "MetadataOptions": metadata.described(instance),
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "Tags": tags.as_list(instance),
        **_network(region, instance),
    }


def _state_reason(instance: Instance) -> dict[str, str] | None:
    if instance.state_reason is None:
        return None
    code, message = instance.state_reason
    return {"Code": code, "Message": message}


def _network(region: Region, instance: Instance) -> dict[str, Any]:
    """E12: a terminated instance has no network any more."""
    attached = interfaces.of(region, instance)
    if not attached:
        return {"PrivateDnsName": "", "PublicDnsName": "", "SecurityGroups": [], "NetworkInterfaces": []}
    primary = attached[0]
    public = interfaces.association(region, primary) or {}
    return {
        "SubnetId": primary.subnet_id,
        "VpcId": primary.vpc_id,
        "PrivateIpAddress": primary.private_ip,
        "PrivateDnsName": interfaces.private_dns(region, primary.private_ip),
        "PublicIpAddress": public.get("PublicIp"),
        "PublicDnsName": public.get("PublicDnsName", ""),
        "SourceDestCheck": primary.source_dest_check,
        "SecurityGroups": security_groups.identifiers(region, primary.group_ids),
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "NetworkInterfaces": [_describe_interface(region, interface) for interface in attached],
    }


def _describe_interface(region: Region, interface: Interface) -> dict[str, Any]:
    dns = interfaces.private_dns(region, interface.private_ip)
    association = interfaces.association(region, interface)
    address = {
        "Primary": True,
        "PrivateIpAddress": interface.private_ip,
        "PrivateDnsName": dns,
        "Association": association,
    }
    return {
        "NetworkInterfaceId": interface.id,
        "InterfaceType": "interface",
        "Status": "in-use",
        "Description": interface.description,
        "OwnerId": ACCOUNT,
        "SubnetId": interface.subnet_id,
        "VpcId": interface.vpc_id,
        "MacAddress": interface.mac,
        "PrivateIpAddress": interface.private_ip,
        "PrivateDnsName": dns,
        "PrivateIpAddresses": [address],
        "Ipv6Addresses": [],
        "SourceDestCheck": interface.source_dest_check,
        "Groups": security_groups.identifiers(region, interface.group_ids),
        "Association": association,
        "Attachment": {
            "AttachmentId": interface.attachment_id,
            "AttachTime": interface.attached_at,
            "DeleteOnTermination": interface.delete_on_termination,
            "DeviceIndex": interface.device_index,
            "NetworkCardIndex": 0,
            "Status": "attached",
        },
    }


def block_device_mappings(region: Region, instance: Instance) -> list[dict[str, Any]]:
    return [
        {"DeviceName": device, "Ebs": _describe_mapping(region.volumes[volume_id])}
        for device, volume_id in instance.volume_ids.items()
    ]


def _describe_mapping(volume: Volume) -> dict[str, Any]:
    return {
        "VolumeId": volume.id,
        "Status": volume.attachment_state,
        "AttachTime": volume.attached_at,
        "DeleteOnTermination": volume.delete_on_termination,
    }


# ---------------------------------------------------------------- monitoring


def settle_monitoring(region: Region, instance: Instance, settled: str) -> None:
    under_way = instance.monitoring

    def settle(_: float) -> None:
        if instance.monitoring == under_way:
            instance.monitoring = settled
            instance.rendered = None

    region.after("transition_seconds", settle)


def _monitor(region: Region, parameters: dict[str, Any], under_way: str, settled: str) -> dict[str, Any]:
    named = lookup.find_all(region, lookup.INSTANCE, parameters["InstanceIds"])
    for instance in named:
        if instance.monitoring not in (under_way, settled):
            instance.monitoring = under_way
            instance.rendered = None
            settle_monitoring(region, instance, settled)
    described = [{"InstanceId": one.id, "Monitoring": {"State": one.monitoring}} for one in named]
    return {"InstanceMonitorings": described}


def monitor_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return _monitor(region, parameters, "pending", "enabled")


def unmonitor_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    return _monitor(region, parameters, "disabling", "disabled")
