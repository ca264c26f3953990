"""Filters of the Describe actions (E58): AND between filters, OR between values, `*` and `?`, case-sensitive."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Set
from typing import Any

from . import lookup, model
from .errors import AwsError, invalid_value, missing_parameter
from .state import Region, Resource, Shelf

# What a filter looks at: a value, several, or None where the resource has no such property.
Look = Callable[[Any], Any]
MAX_VALUES = 200
MAX_FILTERS = 50


@functools.lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Callable[[str], bool]:
    if not re.search(r"[*?\\]", pattern):
        return pattern.__eq__
    parts = re.findall(r"\\.|\*|\?|[^\\*?]+|\\", pattern, re.DOTALL)
    # AWS: a question mark is zero or one character.
    expression = "".join({"*": ".*", "?": ".?"}.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    compiled = re.compile(expression, re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None


def _plain(values: Iterable[str]) -> bool:
    return not any(re.search(r"[*?\\]", value) for value in values)


def _texts(found: Any) -> list[str]:
    if found is None:
        return []
    if isinstance(found, list | tuple | set):
        return [text for one in found for text in _texts(one)]
    if isinstance(found, bool):
        return ["true" if found else "false"]
    return [str(found)]


def check(parameters: dict[str, Any], known: Set[str]) -> None:
    """Form and names of a call's filters. Where no names are known, any will do."""
    given = parameters.get("Filters", [])
    if len(given) > MAX_FILTERS:
        raise AwsError("FilterLimitExceeded", f"The maximum number of filters is {MAX_FILTERS}")
    for entry in given:
        name, values = entry.get("Name"), entry.get("Values", [])
        if name is None:
            raise missing_parameter("Filter.1.Name")
        if known and name not in known and not name.startswith("tag:"):
            raise invalid_value(f"The filter '{name}' is invalid")
        if not values:
            raise invalid_value(f"The filter '{name}' must have at least one value")
        if len(values) > MAX_VALUES:
            raise AwsError("FilterLimitExceeded", f"The maximum number of filter values is {MAX_VALUES}")


class Filters:
    """The filters of one call, checked."""

    def __init__(self, region: Region, action: str, parameters: dict[str, Any], looks: dict[str, Look]):
        self._region = region
        self._looks = looks
        check(parameters, model.documented_filters(action) | looks.keys())
        self._wanted: list[tuple[str, list[str]]] = [
            (entry["Name"], entry["Values"]) for entry in parameters.get("Filters", [])
        ]

    def exact(self, name: str) -> list[str] | None:
        """The values of a filter where they have no wildcards, and so can be looked up in an index."""
        return next((values for wanted, values in self._wanted if wanted == name and _plain(values)), None)

    def candidates(self, shelf: Shelf, id_filter: str) -> Iterable[Any]:
        """A superset of what matches, from an index where one fits."""
        ids = self.exact(id_filter)
        if ids is not None:
            return shelf.with_ids(ids)
        for name, _ in self._wanted:
            if name.startswith("tag:") and (values := self.exact(name)) is not None:
                return shelf.with_tag(name.removeprefix("tag:"), values)
        return shelf

    def match(self, resource: Resource) -> bool:
        return all(self._matches(resource, name, values) for name, values in self._wanted)

    def _matches(self, resource: Resource, name: str, values: list[str]) -> bool:
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            found = [resource.tags[key]] if key in resource.tags and self._sees(resource, key) else []
        elif name == "tag-key":
            found = [key for key in resource.tags if self._sees(resource, key)]
        elif name in self._looks:
            found = _texts(self._looks[name](resource))
        else:
            return False  # known to AWS, but no resource here has such a property
        return any(_matcher(value)(text) for value in values for text in found)

    def _sees(self, resource: Resource, key: str) -> bool:
        return lookup.tag_visible(self._region, resource, key)
