"""EC2's front: which action goes where, and what holds for all of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from . import (
    attributes,
    credits,
    filters,
    images,
    instances,
    interfaces,
    launch,
    metadata,
    model,
    moto_ec2,
    power,
    profiles,
    security_group_rules,
    security_groups,
    status,
    tags,
    volumes,
    wire,
)
from .errors import AwsError, dependency_violation, dry_run, not_offered
from .moto_behind import Answer, MotoBehind
from .state import Region, World

log = logging.getLogger(__name__)
Handler = Callable[[Region, dict[str, Any]], dict[str, Any]]

_MODULES = (
    attributes, credits, images, instances, interfaces, launch, metadata, power, profiles, security_group_rules,
    security_groups, status, tags, volumes,
)  # fmt: skip
ACTIONS = (
    "AssociateIamInstanceProfile", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress",
    "CreateSecurityGroup", "CreateTags", "DeleteSecurityGroup", "DeleteTags", "DescribeIamInstanceProfileAssociations",
    "DescribeImages", "DescribeInstanceAttribute", "DescribeInstanceCreditSpecifications", "DescribeInstanceStatus",
    "DescribeInstances", "DescribeNetworkInterfaces", "DescribeSecurityGroupRules", "DescribeSecurityGroups",
    "DescribeTags", "DescribeVolumes", "DescribeVolumesModifications", "DisassociateIamInstanceProfile",
    "ModifyInstanceAttribute", "ModifyInstanceCreditSpecification", "ModifyInstanceMetadataOptions",
    "ModifyNetworkInterfaceAttribute", "ModifySecurityGroupRules", "ModifyVolume", "MonitorInstances",
    "RebootInstances", "ReplaceIamInstanceProfileAssociation", "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress", "RunInstances", "StartInstances", "StopInstances", "TerminateInstances",
    "UnmonitorInstances", "UpdateSecurityGroupRuleDescriptionsEgress", "UpdateSecurityGroupRuleDescriptionsIngress",
)  # fmt: skip
# Subjects whose resources are kept here: moto must not act on ones of its own that nobody would see.
_OURS = re.compile(
    r"Instance|Volume|Snapshot|Image|NetworkInterface|SecurityGroup|Spot|Fleet|AssociateAddress|Fpga|ConsoleOutput"
)
# ... except where moto has the truth, if only that there is none yet.
_NOT_OURS = re.compile(
    r"InstanceType|InstanceConnectEndpoint|EbsEncryption|Describe(Snapshots|SpotInstanceRequests|SpotPriceHistory)$"
)


def _snake(action: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()


def _handlers() -> dict[str, Handler]:
    return {
        action: next(vars(module)[_snake(action)] for module in _MODULES if hasattr(module, _snake(action)))
        for action in ACTIONS
    }


HANDLERS = _handlers()


class Ec2:
    """Answers one call of EC2's query API."""

    def __init__(self, world: World, moto: MotoBehind):
        self._world = world
        self._moto = moto

    def answer(self, region_name: str, flat: dict[str, str], environ: dict[str, Any]) -> Answer:
        with self._world.lock:
            try:
                return self._answer(region_name, flat, environ)
            except AwsError as error:
                return _failed(error)
            except Exception:
                log.exception("EC2 %s in %s failed", flat.get("Action"), region_name)
                return _failed(AwsError("InternalError", "An internal error has occurred", status=500))

    def _answer(self, region_name: str, flat: dict[str, str], environ: dict[str, Any]) -> Answer:
        action = flat.get("Action", "")
        if not model.has_action(action):
            raise AwsError("InvalidAction", f"The action {action} is not valid for this web service.")
        if not moto_ec2.is_region(region_name):
            raise AwsError("AuthFailure", f"There is no Region '{region_name}'", status=401)
        self._world.tick()
        region = self._world.region(region_name)
        region.catch_up()
        parameters = wire.parse(action, flat)
        if region.dials.throttling == "on":
            self._world.throttle.admit(region_name, action, parameters, self._world.now)
        if parameters.get("DryRun"):
            raise dry_run()
        if action in HANDLERS:
            if "SecurityGroup" in action:
                security_groups.keep_default_groups(region)
            return _succeeded(wire.render(action, HANDLERS[action](region, parameters)))
        _check_left_to_moto(region, action, parameters)
        return self._moto.ec2(environ)


def _check_left_to_moto(region: Region, action: str, parameters: dict[str, Any]) -> None:
    if _OURS.search(action) and not _NOT_OURS.search(action):
        raise not_offered(f"{action} yet")
    if not moto_ec2.has_action(_snake(action)):
        raise not_offered(action)
    filters.check(parameters, model.documented_filters(action) if "Filters" in parameters else set())
    for name in parameters.get("KeyNames", []):
        moto_ec2.check_key_pair(region.name, name)
    if action in ("DeleteVpc", "DeleteSubnet"):
        _check_empty(region, parameters)


def _check_empty(region: Region, parameters: dict[str, Any]) -> None:
    """moto knows neither the groups nor the interfaces that are kept here."""
    [place] = [parameters[name] for name in ("VpcId", "SubnetId") if name in parameters]
    groups = [group for group in region.groups if group.vpc_id == place and not group.is_default]
    if groups or any(place in (one.vpc_id, one.subnet_id) for one in region.interfaces):
        raise dependency_violation(place)


def _succeeded(body: bytes) -> Answer:
    return "200 OK", [("Content-Type", "text/xml;charset=UTF-8")], body


_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    412: "Precondition Failed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _failed(error: AwsError) -> Answer:
    status = f"{error.status} {_REASONS[error.status]}"
    return status, [("Content-Type", "text/xml;charset=UTF-8")], wire.render_error(error)
