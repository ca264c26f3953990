"""What this layer reads from moto's EC2: VPCs, subnets, zones, key pairs, instance types.

moto keeps these well, so they stay there; this module is the only one that touches moto's objects.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import Any

from .errors import AwsError
from .state import ACCOUNT


@dataclass(frozen=True)
class Subnet:
    id: str
    vpc_id: str
    zone: str
    zone_id: str
    cidr: str
    is_default: bool
    public_ip_on_launch: bool

    @property
    def addresses(self) -> range:
        """Those that can be given away, as numbers: AWS keeps the first four and the last."""
        network = ipaddress.ip_network(self.cidr)
        return range(int(network[4]), int(network[-1]))


def backend(region: str) -> Any:
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][region]


def is_region(name: str) -> bool:
    from moto.ec2.models import ec2_backends

    return name in ec2_backends[ACCOUNT]


def reset() -> None:
    """Forgets everything in every service of moto."""
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def vpc_ids(region: str) -> list[str]:
    return list(backend(region).vpcs)


def default_vpc_id(region: str) -> str | None:
    return next((vpc.id for vpc in backend(region).vpcs.values() if vpc.is_default), None)


def subnets(region: str) -> list[Subnet]:
    default_vpc = default_vpc_id(region)
    return [
        Subnet(
            id=subnet.id,
            vpc_id=subnet.vpc_id,
            zone=subnet.availability_zone,
            zone_id=subnet.availability_zone_id,
            cidr=str(subnet.cidr_block),
            is_default=subnet.vpc_id == default_vpc and _truth(subnet.default_for_az),
            public_ip_on_launch=_truth(subnet.map_public_ip_on_launch),
        )
        for zone in backend(region).subnets.values()
        for subnet in zone.values()
    ]


def _truth(value: Any) -> bool:
    """moto keeps what ModifySubnetAttribute sent as text."""
    return value is True or str(value).lower() == "true"


def subnet(region: str, subnet_id: str) -> Subnet:
    for one in subnets(region):
        if one.id == subnet_id:
            return one
    raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")


def check_vpc(region: str, vpc_id: str) -> None:
    if vpc_id not in vpc_ids(region):
        raise AwsError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")


def check_key_pair(region: str, name: str) -> None:
    if name not in backend(region).key_pairs:
        raise AwsError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def check_prefix_list(region: str, prefix_list_id: str) -> None:
    if prefix_list_id not in backend(region).managed_prefix_lists:
        message = f"The prefix list ID '{prefix_list_id}' does not exist"
        raise AwsError("InvalidPrefixListID.NotFound", message)


def encrypts_by_default(region: str) -> bool:
    """Whether EnableEbsEncryptionByDefault is in force."""
    return backend(region).ebs_encryption_by_default


def instance_profile(named: dict[str, str]) -> dict[str, str]:
    """E29: the profile that a launch names by name or ARN, with a role in it."""
    from moto.iam.models import iam_backends

    by, value = next(iter(named.items()), ("Name", ""))
    profiles = iam_backends[ACCOUNT]["aws"].instance_profiles.values()
    found = next((one for one in profiles if value == (one.arn if by == "Arn" else one.name)), None)
    parameter = f"Value ({value}) for parameter iamInstanceProfile.{by.lower()} is invalid."
    if found is None:
        raise AwsError(
            "InvalidParameterValue", f"{parameter} Invalid IAM Instance Profile {'ARN' if by == 'Arn' else 'name'}"
        )
    if not found.roles:
        raise AwsError(
            "InvalidParameterValue", f'{parameter} IAM Instance Profile "{found.arn}" has no associated IAM Roles'
        )
    return {"Arn": found.arn, "Id": found.id}


# ---------------------------------------------------------------- instance types


def instance_type(name: str) -> dict[str, Any] | None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return INSTANCE_TYPES.get(name)


def architectures(instance_type_name: str) -> list[str]:
    return instance_type(instance_type_name)["ProcessorInfo"]["SupportedArchitectures"]


@functools.cache
def _offered(region: str) -> frozenset[tuple[str, str]]:
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    offerings = INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, [])
    return frozenset((one["Location"], one["InstanceType"]) for one in offerings)


def is_offered(region: str, zone: str, instance_type_name: str) -> bool:
    """Not every zone has every type; where moto has no list, all do."""
    return not _offered(region) or (zone, instance_type_name) in _offered(region)


# ---------------------------------------------------------------- tags of moto's resources


_COLLECTIONS = (
    "addresses", "dhcp_options_sets", "internet_gateways", "launch_templates", "managed_prefix_lists", "nat_gateways",
    "network_acls", "route_tables", "vpc_end_points", "vpc_pcxs", "vpcs",
)  # fmt: skip


def has_resource(region: str, resource_id: str) -> bool:
    """Whether moto keeps a resource of this id: a VPC, a subnet, a key pair, an address, ..."""
    ec2 = backend(region)
    known: set[str] = {one.id for one in subnets(region)}
    for collection in _COLLECTIONS:
        known |= set(getattr(ec2, collection))
    known |= {key_pair.id for key_pair in ec2.key_pairs.values()}
    return resource_id in known


def create_tags(region: str, ids: list[str], tags: dict[str, str]) -> None:
    backend(region).create_tags(ids, tags)


def delete_tags(region: str, ids: list[str], condemned: Any) -> None:
    kept = backend(region).tags
    for one in ids:
        for key in [key for key, value in kept[one].items() if condemned(key, value)]:
            del kept[one][key]


def tags(region: str) -> list[tuple[str, str, str, str]]:
    """(type, id, key, value) of each."""
    entries = backend(region).describe_tags()
    return [(one["resource_type"], one["resource_id"], one["key"], one["value"]) for one in entries]


def has_action(name: str) -> bool:
    """Whether moto has an EC2 action, by its name in snake case."""
    from moto.ec2.responses import EC2Response

    return hasattr(EC2Response, name)
