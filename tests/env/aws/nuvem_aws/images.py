"""AMIs: the public ones of a Region, as a catalogue. Those that users make are a later subject.

moto ships lists of real AMIs, to which its SSM parameters point; they lack creation dates, and each has a root
of 15 GiB. Here each has the date that its name tells, and a root as Amazon's have it. Some older and some
popular ones are added, so that "the newest match" is a question (api.md: image.filter, image.alias).
"""

from __future__ import annotations

import functools
import hashlib
import re
from calendar import timegm
from dataclasses import dataclass
from typing import Any

from . import pages
from .errors import AwsError
from .filters import Filters
from .lookup import well_formed
from .state import Region, Resource
from .wire import timestamp

AMAZON, CANONICAL, DEBIAN, WINDOWS = "137112412989", "099720109477", "136693071363", "801119661308"
ALIASES = {AMAZON: "amazon", WINDOWS: "amazon"}


@dataclass(eq=False, kw_only=True)
class Image(Resource):
    name: str
    description: str
    owner_id: str
    architecture: str
    root_device_name: str
    root_size: int
    platform: str | None
    virtualization_type: str
    ssm_parameter: str | None = None

    @property
    def owner_alias(self) -> str | None:
        return ALIASES.get(self.owner_id)

    @property
    def snapshot_id(self) -> str:
        return _id("snap", self.id)

    @property
    def mappings(self) -> list[dict[str, Any]]:
        root = {
            "SnapshotId": self.snapshot_id,
            "VolumeSize": self.root_size,
            "VolumeType": "gp3" if "al2023" in self.name else "gp2",
            "DeleteOnTermination": True,
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": root}]


def _id(prefix: str, *seed: str) -> str:
    return f"{prefix}-0{hashlib.sha256('/'.join(seed).encode()).hexdigest()[:16]}"


# Name, owner, root device, GiB, SSM parameter. The dates are in the names.
_ADDED = [
    ("al2023-ami-2023.11.20260817.0-kernel-6.1-x86_64", AMAZON, "/dev/xvda", 8, None),
    ("al2023-ami-2023.11.20260817.0-kernel-6.1-arm64", AMAZON, "/dev/xvda", 8, None),
    ("al2023-ami-2023.12.20260914.0-kernel-6.18-x86_64", AMAZON, "/dev/xvda", 8, None),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260911", CANONICAL, "/dev/sda1", 8, None),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261015", CANONICAL, "/dev/sda1", 8,
     "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"),
    ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20261015", CANONICAL, "/dev/sda1", 8,
     "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"),
    ("debian-12-amd64-20261012-2258", DEBIAN, "/dev/xvda", 8, "/aws/service/debian/release/12/latest/amd64"),
    ("debian-12-arm64-20261012-2258", DEBIAN, "/dev/xvda", 8, "/aws/service/debian/release/12/latest/arm64"),
    ("Windows_Server-2025-English-Full-Base-2026.10.14", WINDOWS, "/dev/sda1", 30,
     "/aws/service/ami-windows-latest/Windows_Server-2025-English-Full-Base"),
]  # fmt: skip


def _created(name: str) -> float:
    """From the date in the name; of several builds of a day, the one with the newer kernel is the newer."""
    date = re.search(r"(20\d\d)([01]\d)([0-3]\d)", name) or re.search(r"(20\d\d)\.([01]\d)\.([0-3]\d)", name)
    year, month, day_of_month = (int(part) for part in date.groups()) if date else (2024, 1, 1)
    day = timegm((year, month, day_of_month, 0, 0, 0))
    kernel = re.search(r"kernel-(\d+)\.(\d+)", name)
    return day + 3600 + (int(kernel[1]) * 100 + int(kernel[2]) if kernel else 0)


def _from_moto(region: str) -> list[dict[str, Any]]:
    from moto.utilities.utils import load_resource

    found: list[dict[str, Any]] = load_resource("ec2/resources/amis.json")
    for path in ("latest_amis", "ecs/optimized_amis"):
        try:
            found = found + load_resource(f"ec2/resources/{path}/{region}.json")
        except FileNotFoundError:
            continue  # a Region that moto has no list for
    return [ami for ami in found if well_formed("ami", ami["ami_id"])]


@functools.cache
def catalogue(region: str) -> dict[str, Image]:
    """The public AMIs of a Region, by id, oldest first."""
    images = [
        Image(
            id=ami["ami_id"], created=_created(ami["name"]), name=ami["name"], description=ami["description"],
            owner_id=ami["owner_id"], architecture=ami["architecture"], root_device_name=ami["root_device_name"],
            root_size=30 if ami.get("platform") == "windows" or "-ecs-" in ami["name"] else 8,
            platform=ami.get("platform"), virtualization_type=ami["virtualization_type"],
        )
        for ami in _from_moto(region)
    ]  # fmt: skip
    images += [
        Image(
            id=_id("ami", region, name), created=_created(name), name=name, description=name, owner_id=owner,
            architecture="arm64" if "arm64" in name else "x86_64", root_device_name=root, root_size=size,
            platform="windows" if owner == WINDOWS else None, virtualization_type="hvm", ssm_parameter=parameter,
        )
        for name, owner, root, size, parameter in _ADDED
    ]  # fmt: skip
    return {image.id: image for image in sorted(images, key=lambda image: image.created)}


def ssm_parameters(region: str) -> dict[str, str]:
    """The public parameters that moto lacks: name -> AMI."""
    return {image.ssm_parameter: image.id for image in catalogue(region).values() if image.ssm_parameter}


def find(region: Region, image_id: str) -> Image:
    """E14, E28."""
    if not well_formed("ami", image_id):
        raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    if image_id not in catalogue(region.name):
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return catalogue(region.name)[image_id]


LOOKS = {
    "architecture": lambda image: image.architecture,
    "block-device-mapping.delete-on-termination": lambda image: [
        m["Ebs"]["DeleteOnTermination"] for m in image.mappings
    ],
    "block-device-mapping.device-name": lambda image: image.root_device_name,
    "block-device-mapping.encrypted": lambda image: [m["Ebs"]["Encrypted"] for m in image.mappings],
    "block-device-mapping.snapshot-id": lambda image: image.snapshot_id,
    "block-device-mapping.volume-size": lambda image: image.root_size,
    "block-device-mapping.volume-type": lambda image: [m["Ebs"]["VolumeType"] for m in image.mappings],
    "creation-date": lambda image: timestamp(image.created),
    "description": lambda image: image.description,
    "ena-support": lambda image: True,
    "hypervisor": lambda image: "xen",
    "image-id": lambda image: image.id,
    "image-type": lambda image: "machine",
    "is-public": lambda image: True,
    "manifest-location": lambda image: f"{image.owner_alias or image.owner_id}/{image.name}",
    "name": lambda image: image.name,
    "owner-alias": lambda image: image.owner_alias,
    "owner-id": lambda image: image.owner_id,
    "platform": lambda image: image.platform,
    "root-device-name": lambda image: image.root_device_name,
    "root-device-type": lambda image: "ebs",
    "state": lambda image: "available",
    "virtualization-type": lambda image: image.virtualization_type,
}


def describe_images(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeImages", parameters, LOOKS)
    named = [find(region, one) for one in parameters.get("ImageIds", [])]
    owners, runners = set(parameters.get("Owners", [])), set(parameters.get("ExecutableUsers", []))
    found = [
        image
        for image in named or catalogue(region.name).values()
        if (not owners or owners & {image.owner_id, image.owner_alias})
        and (not runners or "all" in runners)
        and filters.match(image)
    ]
    images, token = pages.page("DescribeImages", parameters, found, ids="ImageIds")
    return {"Images": [_describe(image) for image in images], "NextToken": token}


def _describe(image: Image) -> dict[str, Any]:
    windows = image.platform == "windows"
    return {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description,
        "ImageLocation": f"{image.owner_alias or image.owner_id}/{image.name}",
        "ImageType": "machine",
        "State": "available",
        "OwnerId": image.owner_id,
        "ImageOwnerAlias": image.owner_alias,
        "Public": True,
        "CreationDate": timestamp(image.created),
        "Architecture": image.architecture,
        "Platform": image.platform,
        "PlatformDetails": "Windows" if windows else "Linux/UNIX",
        "UsageOperation": "RunInstances:0002" if windows else "RunInstances",
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": image.mappings,
        "VirtualizationType": image.virtualization_type,
        "Hypervisor": "xen",
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "BootMode": "uefi" if image.architecture == "arm64" else "uefi-preferred",
        "ImdsSupport": "v2.0" if "al2023" in image.name else None,
        "Tags": [],
    }
