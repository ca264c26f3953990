"""Instance profiles of instances: at launch (E29) and afterwards, by associations.

An instance has one association at most (IncorrectState "There is an existing association", cloud-custodian#2601);
replacing works while the instance runs only, and gives a new id (aws-cli#5251).
"""

from __future__ import annotations

from typing import Any

from . import lookup, moto_ec2, pages
from .errors import AwsError, incorrect_state
from .filters import Filters
from .state import Instance, ProfileAssociation, Region, new_id


def associate(region: Region, instance: Instance, named: dict[str, str]) -> ProfileAssociation:
    """`associating` for a moment; instances show the profile at once."""
    association = ProfileAssociation(id=new_id("iip-assoc"), profile=moto_ec2.instance_profile(named), since=region.now)
    instance.association = association
    instance.rendered = None

    def settle(_: float) -> None:
        association.state = "associated"

    region.after("transition_seconds", settle)
    return association


def _require_alive(instance: Instance) -> None:
    if instance.state in ("shutting-down", "terminated"):
        raise incorrect_state(f"The instance '{instance.id}' is not in the 'running' or 'stopped' states.")


def _holder(region: Region, association_id: str) -> Instance:
    for instance in region.instances:
        if instance.association and instance.association.id == association_id and lookup.visible(region, instance):
            return instance
    message = f"An invalid association-id of '{association_id}' was given"
    raise AwsError("InvalidAssociationID.NotFound", message)


def associate_iam_instance_profile(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    instance = lookup.find_instance(region, parameters["InstanceId"])
    _require_alive(instance)
    if instance.association:
        raise AwsError("IncorrectState", f"There is an existing association for instance {instance.id}")
    associate(region, instance, parameters["IamInstanceProfile"])
    return {"IamInstanceProfileAssociation": _describe(instance)}


def replace_iam_instance_profile_association(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    instance = _holder(region, parameters["AssociationId"])
    if instance.state != "running":
        message = f"The association {parameters['AssociationId']} is not the active association"
        raise AwsError("IncorrectState", message)
    associate(region, instance, parameters["IamInstanceProfile"])
    return {"IamInstanceProfileAssociation": _describe(instance)}


def disassociate_iam_instance_profile(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    instance = _holder(region, parameters["AssociationId"])
    described = _describe(instance) | {"State": "disassociating"}
    instance.association = None
    instance.rendered = None
    return {"IamInstanceProfileAssociation": described}


LOOKS = {
    "instance-id": lambda instance: instance.id,
    "state": lambda instance: instance.association.state,
}


def describe_iam_instance_profile_associations(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeIamInstanceProfileAssociations", parameters, LOOKS)
    chosen = [_holder(region, one) for one in parameters.get("AssociationIds", [])]
    found = [
        instance
        for instance in chosen or filters.candidates(region.instances, "instance-id")
        if instance.association and lookup.visible(region, instance) and filters.match(instance)
    ]
    page, token = pages.page("DescribeIamInstanceProfileAssociations", parameters, found, ids="AssociationIds")
    return {"IamInstanceProfileAssociations": [_describe(instance) for instance in page], "NextToken": token}


def _describe(instance: Instance) -> dict[str, Any]:
    association = instance.association
    return {
        "AssociationId": association.id,
        "InstanceId": instance.id,
        "IamInstanceProfile": association.profile,
        "State": association.state,
        "Timestamp": association.since,
    }
