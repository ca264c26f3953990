"""Attributes of instances, one at a time (E16..E23)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import instances, interfaces, launch_plan, lookup, moto_ec2, security_groups
from .errors import (
    AwsError,
    incorrect_state,
    invalid_combination,
    missing_parameter,
    no_attributes,
    not_offered,
    wrong_architecture,
)
from .state import Instance, Region

# ---------------------------------------------------------------- reading


def _value(value: Any) -> dict[str, Any]:
    """E18: an attribute that is not set is an empty element."""
    return {} if value is None else {"Value": value}


_READ: dict[str, tuple[str, Callable[[Region, Instance], Any]]] = {
    "blockDeviceMapping": ("BlockDeviceMappings", instances.block_device_mappings),
    "disableApiStop": ("DisableApiStop", lambda region, one: _value(one.stop_protection)),
    "disableApiTermination": ("DisableApiTermination", lambda region, one: _value(one.termination_protection)),
    "ebsOptimized": ("EbsOptimized", lambda region, one: _value(one.ebs_optimized)),
    "enaSupport": ("EnaSupport", lambda region, one: _value(one.ena_support)),
    "enclaveOptions": ("EnclaveOptions", lambda region, one: {"Enabled": False}),
    "groupSet": ("Groups", lambda region, one: _groups(region, one)),
    "instanceInitiatedShutdownBehavior": (
        "InstanceInitiatedShutdownBehavior",
        lambda region, one: _value(one.shutdown_behavior),
    ),
    "instanceType": ("InstanceType", lambda region, one: _value(one.instance_type)),
    "kernel": ("KernelId", lambda region, one: {}),
    "productCodes": ("ProductCodes", lambda region, one: []),
    "ramdisk": ("RamdiskId", lambda region, one: {}),
    "rootDeviceName": ("RootDeviceName", lambda region, one: _value(one.image.root_device_name)),
    "sourceDestCheck": ("SourceDestCheck", lambda region, one: _value(interfaces.only(region, one).source_dest_check)),
    "sriovNetSupport": ("SriovNetSupport", lambda region, one: {}),
    "userData": ("UserData", lambda region, one: _value(one.user_data)),
}


def _groups(region: Region, instance: Instance) -> list[dict[str, str]]:
    primary = interfaces.primary(region, instance)
    return security_groups.identifiers(region, primary.group_ids) if primary else []


def describe_instance_attribute(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    instance = lookup.find_instance(region, parameters["InstanceId"])
    if parameters["Attribute"] not in _READ:
        raise not_offered(f"the instance attribute {parameters['Attribute']}")
    name, read = _READ[parameters["Attribute"]]
    return {"InstanceId": instance.id, name: read(region, instance)}


# ---------------------------------------------------------------- writing


def _require_stopped(instance: Instance) -> None:
    """E17."""
    if instance.state != "stopped":
        raise incorrect_state(f"The instance '{instance.id}' is not in the 'stopped' state.")


def _set_type(region: Region, instance: Instance, wanted: str) -> None:
    _require_stopped(instance)
    if moto_ec2.instance_type(wanted) is None:
        raise AwsError("InvalidInstanceAttributeValue", f"Invalid value '{wanted}' for InstanceType.")
    if instance.image.architecture not in moto_ec2.architectures(wanted):
        raise wrong_architecture(moto_ec2.architectures(wanted), instance.image.architecture)
    instance.instance_type = wanted
    cpu = moto_ec2.instance_type(wanted)["VCpuInfo"]
    instance.cpu_options = {
        "CoreCount": cpu.get("DefaultCores", 1),
        "ThreadsPerCore": cpu.get("DefaultThreadsPerCore", 1),
    }


def _set_user_data(region: Region, instance: Instance, wanted: str) -> None:
    _require_stopped(instance)
    instance.user_data = launch_plan.checked_user_data(wanted)


def _set_ebs_optimized(region: Region, instance: Instance, wanted: bool) -> None:
    _require_stopped(instance)
    instance.ebs_optimized = wanted


def _set_ena_support(region: Region, instance: Instance, wanted: bool) -> None:
    _require_stopped(instance)
    instance.ena_support = wanted


def _set_source_dest_check(region: Region, instance: Instance, wanted: bool) -> None:
    interfaces.only(region, instance).source_dest_check = wanted


def _set_groups(region: Region, instance: Instance, wanted: list[str]) -> None:
    interfaces.set_groups(region, interfaces.only(region, instance), wanted)


def _set_termination_protection(region: Region, instance: Instance, wanted: bool) -> None:
    instance.termination_protection = wanted


def _set_stop_protection(region: Region, instance: Instance, wanted: bool) -> None:
    instance.stop_protection = wanted


def _set_shutdown_behavior(region: Region, instance: Instance, wanted: str) -> None:
    if wanted not in ("stop", "terminate"):
        raise AwsError(
            "InvalidInstanceAttributeValue", f"Invalid value '{wanted}' for instanceInitiatedShutdownBehavior."
        )
    instance.shutdown_behavior = wanted


def _set_mappings(region: Region, instance: Instance, wanted: list[dict[str, Any]]) -> None:
    """E21: of an attached device, whether its volume goes with the instance."""
    for mapping in wanted:
        device = mapping.get("DeviceName")
        if device not in instance.volume_ids:
            raise AwsError("InvalidInstanceAttributeValue", f"No device is currently mapped at {device}")
    for mapping in wanted:
        ebs = mapping.get("Ebs", {})
        if "DeleteOnTermination" in ebs:
            volume = region.volumes[instance.volume_ids[mapping["DeviceName"]]]
            volume.delete_on_termination = ebs["DeleteOnTermination"]


# Name of the parameter -> (name of the attribute, what sets it).
_WRITE: dict[str, tuple[str, Callable[[Region, Instance, Any], None]]] = {
    "BlockDeviceMappings": ("blockDeviceMapping", _set_mappings),
    "DisableApiStop": ("disableApiStop", _set_stop_protection),
    "DisableApiTermination": ("disableApiTermination", _set_termination_protection),
    "EbsOptimized": ("ebsOptimized", _set_ebs_optimized),
    "EnaSupport": ("enaSupport", _set_ena_support),
    "Groups": ("groupSet", _set_groups),
    "InstanceInitiatedShutdownBehavior": ("instanceInitiatedShutdownBehavior", _set_shutdown_behavior),
    "InstanceType": ("instanceType", _set_type),
    "SourceDestCheck": ("sourceDestCheck", _set_source_dest_check),
    "UserData": ("userData", _set_user_data),
}
_BOOLEANS = ("disableApiStop", "disableApiTermination", "ebsOptimized", "enaSupport", "sourceDestCheck")
_LISTS = ("blockDeviceMapping", "groupSet")


def modify_instance_attribute(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E16: exactly one attribute in a call, named by a parameter of its own or by Attribute and Value."""
    instance = lookup.find_instance(region, parameters["InstanceId"])
    given = [name for name in parameters if name not in ("InstanceId", "DryRun", "Attribute", "Value")]
    if "Attribute" in parameters and parameters["Attribute"] not in [_WRITE.get(name, ("",))[0] for name in given]:
        given.append("Attribute")
    if len(given) > 1:
        raise invalid_combination("Fields for multiple attribute types specified: " + ", ".join(given))
    if not given:
        raise no_attributes()
    if instance.state in ("shutting-down", "terminated"):
        raise incorrect_state(f"The instance '{instance.id}' is not in a state that allows this operation.")
    write, value = _by_attribute(parameters) if given == ["Attribute"] else _by_name(parameters, given[0])
    write(region, instance, value)
    instance.rendered = None
    return {}


def _by_name(parameters: dict[str, Any], name: str) -> tuple[Callable[..., None], Any]:
    if name not in _WRITE:
        raise not_offered(f"a change of the instance attribute {name}")
    attribute, write = _WRITE[name]
    if attribute in _LISTS:
        return write, parameters[name]
    if attribute != "userData" and "Value" not in parameters[name]:
        raise missing_parameter(f"{name}.Value")
    return write, parameters[name].get("Value")


def _by_attribute(parameters: dict[str, Any]) -> tuple[Callable[..., None], Any]:
    attribute, value = parameters["Attribute"], parameters.get("Value")
    write = next((write for name, write in _WRITE.values() if name == attribute), None)
    if write is None or attribute in _LISTS:
        raise not_offered(f"a change of the instance attribute {attribute} by Attribute and Value")
    if value is None and attribute != "userData":
        raise missing_parameter("Value")
    if attribute in _BOOLEANS:
        if value.lower() not in ("true", "false"):
            raise AwsError("InvalidInstanceAttributeValue", f"Invalid value '{value}' for {attribute}.")
        return write, value.lower() == "true"
    return write, value
