"""The dials: what a test may turn while the emulator runs (`PUT /_nuvem/aws`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any


class DialError(ValueError):
    """An unknown dial, or a value of the wrong type; the message says which and what is expected."""


@dataclass(frozen=True)
class Dials:
    """Named as in the JSON of the control interface, apart from the case.

    transition_seconds: how long each state change lasts: pending, stopping, shutting-down, modifying, ...
    visibility_seconds: for how long what was just created is not found by id, nor listed (E7).
    tag_visibility_seconds: for how long a new tag is not found by a tag filter (E7).
    terminated_seconds: how long a terminated instance stays readable by id (E12).
    throttling: "on" applies the token buckets of throttle.py (E60).
    insufficient_capacity: instance types for which launch and start lack capacity (E27).
    die_from_pending: instance types whose launch is answered 200 and then dies (E8).
    impaired: ids of instances whose status checks fail (E59).
    retiring: ids of instances that AWS has announced to retire, until they are stopped (E59).
    """

    transition_seconds: float = 0.5
    visibility_seconds: float = 0.0
    tag_visibility_seconds: float = 0.0
    terminated_seconds: float = 3600.0
    throttling: str = "off"
    insufficient_capacity: list[str] = field(default_factory=list)
    die_from_pending: list[str] = field(default_factory=list)
    impaired: list[str] = field(default_factory=list)
    retiring: list[str] = field(default_factory=list)

    def changed(self, wanted: Any) -> Dials:
        """These dials with those of a JSON object applied; all of them or none."""
        if not isinstance(wanted, dict):
            raise DialError(f'expected a JSON object of dials, for example {{"transitionSeconds": 2}}; got {wanted!r}')
        names = {_camel(name): name for name in asdict(self)}
        changes = {}
        for dial, value in wanted.items():
            if dial not in names:
                raise DialError(f"unknown dial {dial!r}; there are: {', '.join(sorted(names))}")
            changes[names[dial]] = _checked(dial, value, getattr(DEFAULTS, names[dial]))
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return {_camel(name): value for name, value in asdict(self).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _checked(dial: str, value: Any, default: Any) -> Any:
    """The default shows which type a dial has."""
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
            raise DialError(f"{dial} is a number of seconds, 0 or more; got {value!r}")
        return float(value)
    if isinstance(default, str):
        if value not in ("on", "off"):
            raise DialError(f'{dial} is "on" or "off"; got {value!r}')
    elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DialError(f"{dial} is a list of {_LISTED[dial]}; got {value!r}")
    return value


_LISTED = {
    "insufficientCapacity": "instance types",
    "dieFromPending": "instance types",
    "impaired": "instance ids",
    "retiring": "instance ids",
}
DEFAULTS = Dials()
