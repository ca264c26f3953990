"""EBS volumes, as far as the volumes that a launch makes need them (E31, E36..E38)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import lookup, moto_ec2, pages, tags
from .errors import AwsError, invalid_combination, invalid_value, missing_parameter
from .filters import Filters
from .state import ACCOUNT, Instance, Modification, Region, Volume, new_id
from .wire import timestamp

DAY = 24 * 3600
MODIFICATIONS_A_DAY = 4


@dataclass(frozen=True)
class VolumeType:
    """GiB, IOPS (and IOPS for each GiB), MiB/s; None where a caller has no say."""

    sizes: tuple[int, int]
    iops: tuple[int, int] | None = None
    iops_per_gib: int = 0
    throughput: tuple[int, int] | None = None


TYPES = {
    "gp2": VolumeType((1, 16384)),
    "gp3": VolumeType((1, 65536), (3000, 80000), 500, (125, 2000)),
    "io1": VolumeType((4, 16384), (100, 64000), 50),
    "io2": VolumeType((4, 65536), (100, 256000), 1000),
    "st1": VolumeType((125, 16384)),
    "sc1": VolumeType((125, 16384)),
    "standard": VolumeType((1, 1024)),
}


def check(size: int, kind: str, iops: int | None, throughput: int | None) -> None:
    """What a caller asks for, against what the type has; None is for what was not asked."""
    if kind not in TYPES:
        raise invalid_value(f"Invalid value '{kind}' for VolumeType.")
    limits = TYPES[kind]
    _check_range("Volume", "GiB", size, limits.sizes, kind)
    if iops is not None:
        if limits.iops is None:
            raise invalid_combination(f"The parameter iops is not supported for {kind} volumes.")
        _check_range("Volume iops", "IOPS", iops, limits.iops, kind)
        if iops > max(size * limits.iops_per_gib, limits.iops[0]):
            raise invalid_combination(
                f"Iops to volume size ratio of {iops / size:.6f} is too high; "
                f"maximum is {limits.iops_per_gib} for {kind}."
            )
    elif kind in ("io1", "io2"):
        raise missing_parameter("iops")
    if throughput is not None:
        if limits.throughput is None:
            raise invalid_combination(f"The parameter throughput is not supported for {kind} volumes.")
        _check_range("Volume throughput", "MiB/s", throughput, limits.throughput, kind)
        if throughput > (iops or limits.iops[0]) / 4:
            raise invalid_combination(
                "Throughput (MiB/s) to iops ratio is too high; maximum is 0.250000 MiB/s per iops."
            )


def _check_range(what: str, unit: str, value: int, limits: tuple[int, int], kind: str) -> None:
    low, high = limits
    if not low <= value <= high:
        side = f"must be at least {low}" if value < low else f"must be at most {high}"
        raise invalid_value(f"{what} of {value} {unit} is invalid for volume type {kind}; {side} {unit}.")


def performance(size: int, kind: str, iops: int | None, throughput: int | None) -> dict[str, int | None]:
    """What a volume of a type really has: asked for, or the type's own."""
    if kind == "gp2":
        return {"iops": min(max(100, 3 * size), 16000), "throughput": None}
    if kind == "gp3":
        return {"iops": iops or 3000, "throughput": throughput or 125}
    return {"iops": iops, "throughput": None}


# ---------------------------------------------------------------- with their instances


def planned(region: Region, image: Any, mappings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """E31: the volumes of a launch by device: those of the AMI, changed and added to by the call's mappings."""
    devices = {one["DeviceName"]: dict(one["Ebs"]) for one in image.mappings}
    snapshots = {one["SnapshotId"]: one["VolumeSize"] for one in devices.values()}
    for mapping in mappings:
        device = mapping.get("DeviceName")
        if not device:
            raise missing_parameter("BlockDeviceMapping.1.DeviceName")
        if "NoDevice" in mapping:
            devices.pop(device, None)
        elif "Ebs" in mapping:
            devices[device] = devices.get(device, {}) | mapping["Ebs"]
        elif "VirtualName" not in mapping:
            raise AwsError("InvalidBlockDeviceMapping", f"Device {device} has neither a volume nor a virtual name")
    by_default = moto_ec2.encrypts_by_default(region.name)
    return {device: _plan(device, ebs, snapshots, by_default) for device, ebs in devices.items()}


def _plan(device: str, ebs: dict[str, Any], snapshots: dict[str, int], encrypted: bool) -> dict[str, Any]:
    snapshot = ebs.get("SnapshotId")
    if snapshot is not None and snapshot not in snapshots:
        raise AwsError("InvalidSnapshot.NotFound", f"The snapshot '{snapshot}' does not exist.")
    smallest = snapshots.get(snapshot, 0)
    size, kind = ebs.get("VolumeSize", smallest), ebs.get("VolumeType", "gp2")
    if not size:
        raise missing_parameter("BlockDeviceMapping.1.Ebs.VolumeSize")
    if size < smallest:
        message = f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {smallest}GB"
        raise AwsError("InvalidBlockDeviceMapping", message)
    check(size, kind, ebs.get("Iops"), ebs.get("Throughput"))
    return {
        "device": device,
        "size": size,
        "type": kind,
        **performance(size, kind, ebs.get("Iops"), ebs.get("Throughput")),
        "encrypted": encrypted or ebs.get("Encrypted", False) or "KmsKeyId" in ebs,
        "kms_key_id": ebs.get("KmsKeyId"),
        "snapshot_id": snapshot,
        # E36: true for what is mapped at launch, unless the call says otherwise.
        "delete_on_termination": ebs.get("DeleteOnTermination", True),
    }


def launch(region: Region, instance: Instance, plan: dict[str, dict[str, Any]], tagged: dict[str, str]) -> None:
    for device, attributes in plan.items():
        attributes = attributes | {"kms_key_id": _key_arn(region, attributes)}
        volume = Volume(
            id=new_id("vol"), created=region.now, tags=dict(tagged), zone=instance.zone, instance_id=instance.id,
            attached_at=region.now, **attributes,
        )  # fmt: skip
        instance.volume_ids[device] = region.volumes.add(volume).id


def _key_arn(region: Region, attributes: dict[str, Any]) -> str | None:
    if not attributes["encrypted"]:
        return None
    key = attributes["kms_key_id"] or "alias/aws/ebs"
    return (
        key if key.startswith("arn:") else f"arn:aws:kms:{region.name}:{ACCOUNT}:{key if '/' in key else 'key/' + key}"
    )


def attached(region: Region, instance: Instance) -> None:
    """The instance has begun to run, with its volumes."""
    for volume_id in instance.volume_ids.values():
        region.volumes[volume_id].attachment_state = "attached"


def leave(region: Region, instance: Instance) -> None:
    """E36: the instance is terminated; its volumes go with it or are free."""
    for volume_id in instance.volume_ids.values():
        volume = region.volumes[volume_id]
        if volume.delete_on_termination:
            region.volumes.remove(volume)
        else:
            volume.state, volume.instance_id, volume.device = "available", None, None
    instance.volume_ids = {}


# ---------------------------------------------------------------- DescribeVolumes

_attached = {
    "attach-time": lambda volume: timestamp(volume.attached_at),
    "delete-on-termination": lambda volume: volume.delete_on_termination,
    "device": lambda volume: volume.device,
    "instance-id": lambda volume: volume.instance_id,
    "status": lambda volume: volume.attachment_state,
}
LOOKS = {
    "availability-zone": lambda volume: volume.zone,
    "create-time": lambda volume: timestamp(volume.created),
    "encrypted": lambda volume: volume.encrypted,
    "fast-restored": lambda volume: False,
    "multi-attach-enabled": lambda volume: False,
    "size": lambda volume: volume.size,
    "snapshot-id": lambda volume: volume.snapshot_id,
    "status": lambda volume: volume.state,
    "volume-id": lambda volume: volume.id,
    "volume-type": lambda volume: volume.type,
    **{
        f"attachment.{name}": (lambda volume, look=look: look(volume) if volume.instance_id else None)
        for name, look in _attached.items()
    },
}


def describe_volumes(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeVolumes", parameters, LOOKS)
    chosen = lookup.find_all(region, lookup.VOLUME, parameters.get("VolumeIds", []))
    found = [
        volume
        for volume in chosen or _candidates(region, filters)
        if lookup.visible(region, volume) and filters.match(volume)
    ]
    volumes, token = pages.page("DescribeVolumes", parameters, found, ids="VolumeIds")
    return {"Volumes": [_describe(region, volume) for volume in volumes], "NextToken": token}


def _candidates(region: Region, filters: Filters) -> Any:
    instances = filters.exact("attachment.instance-id")
    if instances is None:
        return filters.candidates(region.volumes, "volume-id")
    ids = [volume_id for one in region.instances.with_ids(instances) for volume_id in one.volume_ids.values()]
    return region.volumes.with_ids(ids)


def _describe(region: Region, volume: Volume) -> dict[str, Any]:
    attachment = {
        "VolumeId": volume.id,
        "InstanceId": volume.instance_id,
        "Device": volume.device,
        "State": volume.attachment_state,
        "AttachTime": volume.attached_at,
        "DeleteOnTermination": volume.delete_on_termination,
    }
    return {
        "VolumeId": volume.id,
        "VolumeArn": region.arn(f"volume/{volume.id}"),
        "OwnerId": ACCOUNT,
        "Size": volume.size,
        "VolumeType": volume.type,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key_id,
        "SnapshotId": volume.snapshot_id or "",
        "AvailabilityZone": volume.zone,
        "State": volume.state,
        "CreateTime": volume.created,
        "MultiAttachEnabled": False,
        "Attachments": [attachment] if volume.instance_id else [],
        "Tags": tags.as_list(volume),
    }


# ---------------------------------------------------------------- ModifyVolume


def modify_volume(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E37, E38: one at a time, four a day, and never smaller."""
    volume = lookup.find_volume(region, parameters["VolumeId"])
    if parameters.get("MultiAttachEnabled"):
        raise AwsError("UnsupportedOperation", "The local AWS does not offer Multi-Attach.")
    before = {"size": volume.size, "type": volume.type, "iops": volume.iops, "throughput": volume.throughput}
    target = _target(volume, parameters)
    _check_may_be_modified(region, volume)
    modification = Modification(started=region.now, before=before, target=target)
    volume.modifications.append(modification)
    region.after("transition_seconds", lambda moment: _optimize(region, volume, modification, moment))
    return {"VolumeModification": _describe_modification(volume)}


def _target(volume: Volume, parameters: dict[str, Any]) -> dict[str, Any]:
    size = parameters.get("Size", volume.size)
    kind = parameters.get("VolumeType", volume.type)
    if size < volume.size:
        raise invalid_value("New size cannot be smaller than existing size")
    iops, throughput = parameters.get("Iops"), parameters.get("Throughput")
    if iops is None and kind in ("io1", "io2", "gp3") and volume.type != "gp2":
        iops = volume.iops  # what is not asked for stays
    check(size, kind, iops, throughput)
    if throughput is None and kind == volume.type:
        throughput = volume.throughput
    return {"size": size, "type": kind, **performance(size, kind, iops, throughput)}


def _check_may_be_modified(region: Region, volume: Volume) -> None:
    if volume.modifications and volume.modifications[-1].state in ("modifying", "optimizing"):
        state = volume.modifications[-1].state.upper()
        message = f"The volume '{volume.id}' cannot be modified in modification state {state}"
        raise AwsError("IncorrectModificationState", message)
    if sum(region.now - one.started < DAY for one in volume.modifications) >= MODIFICATIONS_A_DAY:
        message = (
            "You've reached the maximum modification rate per volume limit. "
            "Wait at least 6 hours between modifications per EBS volume."
        )
        raise AwsError("VolumeModificationRateExceeded", message)


def _optimize(region: Region, volume: Volume, modification: Modification, moment: float) -> None:
    """The new values count from here on, although AWS still works on the volume."""
    modification.state = "optimizing"
    for name, value in modification.target.items():
        setattr(volume, name, value)
    region.after("transition_seconds", lambda end: _complete(modification, end), since=moment)


def _complete(modification: Modification, moment: float) -> None:
    modification.state, modification.ended = "completed", moment


MODIFICATION_LOOKS = {
    "modification-state": lambda volume: volume.modifications[-1].state,
    "original-iops": lambda volume: volume.modifications[-1].before["iops"],
    "original-size": lambda volume: volume.modifications[-1].before["size"],
    "original-volume-type": lambda volume: volume.modifications[-1].before["type"],
    "start-time": lambda volume: timestamp(volume.modifications[-1].started),
    "target-iops": lambda volume: volume.modifications[-1].target["iops"],
    "target-size": lambda volume: volume.modifications[-1].target["size"],
    "target-volume-type": lambda volume: volume.modifications[-1].target["type"],
    "volume-id": lambda volume: volume.id,
}


def describe_volumes_modifications(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E38: the latest of each volume; a volume that never had one is not found."""
    filters = Filters(region, "DescribeVolumesModifications", parameters, MODIFICATION_LOOKS)
    chosen = lookup.find_all(region, lookup.VOLUME, parameters.get("VolumeIds", []))
    for volume in chosen:
        if not volume.modifications:
            message = f"Modification for volume '{volume.id}' does not exist."
            raise AwsError("InvalidVolumeModification.NotFound", message)
    found = [
        volume
        for volume in chosen or filters.candidates(region.volumes, "volume-id")
        if volume.modifications and filters.match(volume)
    ]
    volumes, token = pages.page("DescribeVolumesModifications", parameters, found, ids="VolumeIds")
    return {"VolumesModifications": [_describe_modification(volume) for volume in volumes], "NextToken": token}


def _describe_modification(volume: Volume) -> dict[str, Any]:
    modification = volume.modifications[-1]
    before, target = modification.before, modification.target
    return {
        "VolumeId": volume.id,
        "ModificationState": modification.state,
        "TargetSize": target["size"],
        "TargetVolumeType": target["type"],
        "TargetIops": target["iops"],
        "TargetThroughput": target["throughput"],
        "TargetMultiAttachEnabled": False,
        "OriginalSize": before["size"],
        "OriginalVolumeType": before["type"],
        "OriginalIops": before["iops"],
        "OriginalThroughput": before["throughput"],
        "OriginalMultiAttachEnabled": False,
        "Progress": {"modifying": 0, "optimizing": 50, "completed": 100}[modification.state],
        "StartTime": modification.started,
        "EndTime": modification.ended,
    }
