"""Tags (E55)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import lookup, moto_ec2, pages
from .errors import AwsError, invalid_value
from .filters import Filters
from .state import Instance, Region, Resource, Shelf

MOST = 50
LONGEST_KEY, LONGEST_VALUE = 128, 256


def as_list(resource: Resource) -> list[dict[str, str]] | None:
    """As responses carry them: no element at all where there are none."""
    return [{"Key": key, "Value": value} for key, value in resource.tags.items()] or None


def checked(given: list[dict[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for entry in given:
        key, value = entry.get("Key", ""), entry.get("Value", "")
        _check_key(key)
        if len(value) > LONGEST_VALUE:
            raise invalid_value(f"Tag value exceeds the maximum length of {LONGEST_VALUE} characters")
        if key in tags:
            raise invalid_value(f"Duplicate tag key '{key}' specified.")
        tags[key] = value
    if len(tags) > MOST:
        raise too_many()
    return tags


def _check_key(key: str) -> None:
    if not key:
        raise invalid_value("Tag key cannot be empty")
    if len(key) > LONGEST_KEY:
        raise invalid_value(f"Tag key exceeds the maximum length of {LONGEST_KEY} characters")
    if key.lower().startswith("aws:"):
        raise invalid_value(f"Tag keys starting with 'aws:' are reserved for internal use: '{key}'")


def too_many() -> AwsError:
    return AwsError("TagLimitExceeded", f"More than {MOST} tags specified")


def specified(parameters: dict[str, Any], allowed: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """TagSpecifications: the tags for each type of resource that the call makes."""
    by_type: dict[str, dict[str, str]] = {}
    for specification in parameters.get("TagSpecifications", []):
        kind = specification.get("ResourceType")
        if kind not in allowed:
            raise invalid_value(f"'{kind}' is not a valid taggable resource type for this operation.")
        if kind in by_type:
            raise invalid_value(f"Tag specification for resource type '{kind}' is given more than once")
        by_type[kind] = checked(specification.get("Tags", []))
    return by_type


def create_tags(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """E55: an unknown id, or one that would have too many, fails all."""
    wanted = checked(parameters["Tags"])
    ours, others = _targets(region, parameters["Resources"])
    for _, resource in ours:
        if len(resource.tags | wanted) > MOST:
            raise too_many()
    if others:
        moto_ec2.create_tags(region.name, others, wanted)
    for shelf, resource in ours:
        for key, value in wanted.items():
            shelf.tag(resource, key, value, region.now)
        _changed(resource)
    return {}


def delete_tags(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    """A tag with another value stays; without Tags all go; a key without a value goes whatever its value."""
    ours, others = _targets(region, parameters["Resources"])
    entries = parameters.get("Tags", [])
    for entry in entries:
        _check_key(entry.get("Key", ""))
    if others:
        moto_ec2.delete_tags(region.name, others, _condemned(entries))
    condemned = _condemned(entries)
    for shelf, resource in ours:
        for key, value in list(resource.tags.items()):
            if condemned(key, value):
                shelf.untag(resource, key)
        _changed(resource)
    return {}


def _condemned(entries: list[dict[str, str]]) -> Callable[[str, str], bool]:
    if not entries:
        return lambda key, value: True
    wanted = {entry["Key"]: entry.get("Value") for entry in entries}
    return lambda key, value: key in wanted and wanted[key] in (None, value)


def _changed(resource: Resource) -> None:
    if isinstance(resource, Instance):
        resource.rendered = None


def _targets(region: Region, ids: list[str]) -> tuple[list[tuple[Shelf, Any]], list[str]]:
    """The resources of this layer, with their shelves, and the ids of moto's."""
    ours, others = [], []
    for one in dict.fromkeys(ids):
        kind = lookup.KINDS.get(one.rpartition("-")[0])
        if kind:
            [resource] = lookup.find_all(region, kind, [one])
            ours.append((getattr(region, kind.shelf), resource))
        elif moto_ec2.has_resource(region.name, one):
            others.append(one)
        else:
            raise AwsError("InvalidID", f"The ID '{one}' is not valid")
    return ours, others


# ---------------------------------------------------------------- DescribeTags


class Entry(Resource):
    """One tag of one resource, as DescribeTags lists it."""

    def __init__(self, number: int, kind: str, resource_id: str, key: str, value: str):
        super().__init__(id=resource_id, created=0.0, number=number)
        self.kind, self.key, self.value = kind, key, value


LOOKS = {
    "key": lambda entry: entry.key,
    "resource-id": lambda entry: entry.id,
    "resource-type": lambda entry: entry.kind,
    "value": lambda entry: entry.value,
}


def describe_tags(region: Region, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = Filters(region, "DescribeTags", _without_tag_filters(parameters), LOOKS)
    found = [entry for entry in _entries(region, filters) if filters.match(entry)]
    entries, token = pages.page("DescribeTags", parameters, found)
    described = [
        {"ResourceId": entry.id, "ResourceType": entry.kind, "Key": entry.key, "Value": entry.value}
        for entry in entries
    ]
    return {"Tags": described, "NextToken": token}


def _without_tag_filters(parameters: dict[str, Any]) -> dict[str, Any]:
    """`tag:<key>` is, in this one list, short for a key with its values."""
    rewritten = []
    for entry in parameters.get("Filters", []):
        name = entry.get("Name", "")
        if name.startswith("tag:"):
            rewritten.append({"Name": "key", "Values": [name.removeprefix("tag:")]})
            rewritten.append({"Name": "value", "Values": entry.get("Values", [])})
        else:
            rewritten.append(entry)
    return parameters | {"Filters": rewritten}


def _entries(region: Region, filters: Filters) -> list[Entry]:
    """E7: DescribeTags is as late as any search by tag."""
    listed = []
    for kind in lookup.KINDS.values():
        for resource in filters.candidates(getattr(region, kind.shelf), "resource-id"):
            for key, value in resource.tags.items():
                if lookup.visible(region, resource) and lookup.tag_visible(region, resource, key):
                    listed.append((kind.type, resource.id, key, value))
    listed += moto_ec2.tags(region.name)
    return [Entry(number, *one) for number, one in enumerate(listed, start=1)]
