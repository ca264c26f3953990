"""RunInstances (E1..E3, E8, E27..E31)."""

from __future__ import annotations

from typing import Any

from . import instances, interfaces, launch_plan, moto_ec2, profiles, transitions, volumes
from .errors import AwsError, invalid_value, not_offered
from .state import ACCOUNT, Instance, Launch, Region, new_id

OFFERED = {
    "BlockDeviceMappings", "CapacityReservationSpecification", "ClientToken", "CpuOptions", "CreditSpecification",
    "DisableApiStop", "DisableApiTermination", "DryRun", "EbsOptimized", "EnclaveOptions", "HibernationOptions",
    "IamInstanceProfile", "ImageId", "InstanceInitiatedShutdownBehavior", "InstanceType", "KeyName", "MaxCount",
    "MetadataOptions", "MinCount", "Monitoring", "NetworkInterfaces", "Placement", "PrivateIpAddress",
    "SecurityGroupIds", "SecurityGroups", "SubnetId", "TagSpecifications", "UserData",
}  # fmt: skip
# Accepted only with the value that means "nothing special".
PLAIN = {
    "HibernationOptions": {"Configured": False},
    "EnclaveOptions": {"Enabled": False},
    "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
}
INTERFACE_OFFERED = {
    "AssociatePublicIpAddress", "DeleteOnTermination", "Description", "DeviceIndex", "Groups", "NetworkCardIndex",
    "PrivateIpAddress", "SubnetId", "InterfaceType",
}  # fmt: skip
CPU_OFFERED = {"CoreCount", "ThreadsPerCore"}
PLACEMENT_OFFERED = {"AvailabilityZone", "GroupName", "Tenancy"}
LONGEST_TOKEN = 64


def run_instances(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    _check_offered(parameters)
    token = parameters.get("ClientToken")
    if token is None:
        return _reservation(region, _launch(region, parameters))
    key = (_zone_of_token(region, parameters), _checked_token(token))
    if key not in region.launches:
        region.launches[key] = Launch(_significant(parameters), _launch(region, parameters))
        return _reservation(region, region.launches[key].instances)
    return _repeated(region, region.launches[key], parameters)


def _check_offered(parameters: dict[str, Any]) -> None:
    """Better refused than ignored: what a launch asks for must be there to be read afterwards."""
    for name, value in parameters.items():
        if name not in OFFERED or PLAIN.get(name, value) != value:
            raise not_offered(f"RunInstances with {name}")
    for group, offered in (("Placement", PLACEMENT_OFFERED), ("CpuOptions", CPU_OFFERED)):
        for name in parameters.get(group, {}):
            if name not in offered:
                raise not_offered(f"RunInstances with {group}.{name}")
    for interface in parameters.get("NetworkInterfaces", []):
        for name in interface:
            if name not in INTERFACE_OFFERED:
                raise not_offered(f"RunInstances with NetworkInterface.{name}")


# ---------------------------------------------------------------- client tokens


def _checked_token(token: str) -> str:
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise invalid_value(
            f"Invalid value '{token}' for idempotency token. It is at most {LONGEST_TOKEN} ASCII characters"
        )
    return token


def _zone_of_token(region: Region, parameters: dict[str, Any]) -> str:
    """E2: a token belongs to the zone, where the call names one or a subnet."""
    return _zone_named(region, parameters) or ""


def _zone_named(region: Region, parameters: dict[str, Any]) -> str | None:
    subnet_id = launch_plan.subnet_named(parameters)
    if subnet_id:
        return moto_ec2.subnet(region.name, subnet_id).zone
    return parameters.get("Placement", {}).get("AvailabilityZone")


def _significant(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in ("ClientToken", "DryRun")}


def _repeated(region: Region, launch: Launch, parameters: dict[str, Any]) -> dict[str, Any]:
    """E1..E3: the same instances as they are now, whether they are visible yet or not."""
    if launch.parameters != _significant(parameters):
        message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        raise AwsError("IdempotentParameterMismatch", message)
    if all(instance.state == "terminated" for instance in launch.instances):
        message = (
            "The client token you have provided is associated with a terminated instance. "
            "Please use a different client token."
        )
        raise AwsError("IdempotentInstanceTerminated", message)
    return _reservation(region, launch.instances)


# ---------------------------------------------------------------- the deed


def _launch(region: Region, parameters: dict[str, Any]) -> list[Instance]:
    plan = launch_plan.made(region, parameters)
    reservation_id, token = new_id("r"), parameters.get("ClientToken", "")
    return [_one(region, plan, reservation_id, token, index) for index in range(plan.count)]


def _one(region: Region, plan: launch_plan.Plan, reservation_id: str, token: str, index: int) -> Instance:
    instance = Instance(
        id=new_id("i"), created=region.now, tags=dict(plan.tags.get("instance", {})), reservation_id=reservation_id,
        launch_index=index, client_token=token, image=plan.image, instance_type=plan.instance_type,
        zone=plan.subnet.zone, vpc_id=plan.subnet.vpc_id, subnet_id=plan.subnet.id, launch_time=region.now,
        **plan.attributes,
    )  # fmt: skip
    for device_index, interface in enumerate(plan.interfaces):
        interfaces.launch(region, instance, device_index, interface, plan.tags.get("network-interface", {}))
    volumes.launch(region, instance, plan.volumes, plan.tags.get("volume", {}))
    region.instances.add(instance)
    if token:
        region.by_token.setdefault(token, {})[instance.id] = instance
    if plan.profile:
        profiles.associate(region, instance, plan.profile)
    if instance.monitoring == "pending":
        instances.settle_monitoring(region, instance, "enabled")
    transitions.begin(region, instance)
    return instance


def _reservation(region: Region, launched: list[Instance]) -> dict[str, Any]:
    """AWS has not mapped the volumes yet when it answers, so a reader must ask again."""
    described = [instances.describe(region, instance) for instance in launched]
    for instance in described:
        if instance["State"]["Name"] == "pending":
            instance["BlockDeviceMappings"] = []
    return {
        "ReservationId": launched[0].reservation_id,
        "OwnerId": ACCOUNT,
        "Groups": [],
        "Instances": described,
    }
