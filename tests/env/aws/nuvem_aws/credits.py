"""CPU credits of burstable instances (E25)."""

from __future__ import annotations

from typing import Any

from . import lookup, moto_ec2, pages
from .errors import AwsError, invalid_combination, invalid_parameter
from .filters import Filters
from .state import Instance, Region

OPTIONS = ("standard", "unlimited")


def is_burstable(instance_type: str) -> bool:
    return moto_ec2.instance_type(instance_type)["BurstablePerformanceSupported"]


def at_launch(given: dict[str, str] | None, instance_type: str) -> str | None:
    """What a launch asks for; None leaves it to the type."""
    if given is None:
        return None
    if given["CpuCredits"] not in OPTIONS:
        raise invalid_parameter("CpuCredits", given["CpuCredits"])
    if not is_burstable(instance_type):
        raise invalid_combination(f"The instance type {instance_type} does not support the credit specification.")
    return given["CpuCredits"]


def _of(instance: Instance) -> str:
    """T2 starts standard and the later ones unlimited; what has no credits is "standard" by the API reference."""
    if not is_burstable(instance.instance_type):
        return "standard"
    return instance.credits or ("standard" if instance.instance_type.startswith("t2.") else "unlimited")


def modify_instance_credit_specification(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """Always 200: who was refused, and why, is in the answer."""
    successful, unsuccessful = [], []
    for entry in parameters["InstanceCreditSpecifications"]:
        try:
            _set(region, entry)
            successful.append({"InstanceId": entry["InstanceId"]})
        except AwsError as error:
            reason = {"Code": error.code, "Message": error.message}
            unsuccessful.append({"InstanceId": entry["InstanceId"], "Error": reason})
    return {
        "SuccessfulInstanceCreditSpecifications": successful,
        "UnsuccessfulInstanceCreditSpecifications": unsuccessful,
    }


def _set(region: Region, entry: dict[str, str]) -> None:
    instance = lookup.find_instance(region, entry["InstanceId"])
    if entry.get("CpuCredits") not in OPTIONS:
        raise invalid_parameter("CpuCredits", entry.get("CpuCredits"))
    if instance.state in ("shutting-down", "terminated"):
        raise AwsError("IncorrectInstanceState", f"The instance '{instance.id}' is not running or stopped.")
    if not is_burstable(instance.instance_type):
        message = f"The instance '{instance.id}' of type {instance.instance_type} does not support credits."
        raise AwsError("InstanceCreditSpecification.NotSupported", message)
    instance.credits = entry["CpuCredits"]


def describe_instance_credit_specifications(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """Of the instances named; of all, only those that are unlimited."""
    action = "DescribeInstanceCreditSpecifications"
    filters = Filters(region, action, parameters, {"instance-id": lambda instance: instance.id})
    chosen = lookup.find_all(region, lookup.INSTANCE, parameters.get("InstanceIds", []))
    found = [
        instance
        for instance in chosen or region.instances
        if lookup.visible(region, instance) and filters.match(instance) and (chosen or _of(instance) == "unlimited")
    ]
    page, token = pages.page(action, parameters, found, ids="InstanceIds")
    described = [{"InstanceId": instance.id, "CpuCredits": _of(instance)} for instance in page]
    return {"InstanceCreditSpecifications": described, "NextToken": token}
