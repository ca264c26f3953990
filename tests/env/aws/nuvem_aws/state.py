"""What exists: the resources of EC2 that this layer keeps itself, Region by Region.

Plain data with indexes; what may be done with it is in the module of each subject.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .dials import Dials
from .throttle import Throttle
from .timeline import Timeline
from .wire import Fragment

ACCOUNT = "123456789012"
_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(9)[:17]}"


@dataclass(eq=False, kw_only=True)
class Resource:
    """What every resource has. `number` is the order of creation, which lists and their pages follow."""

    id: str
    created: float
    tags: dict[str, str] = field(default_factory=dict)
    tagged_at: dict[str, float] = field(default_factory=dict)  # E7: a tag is found some time after it was set
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(eq=False, kw_only=True)
class Rule(Resource):
    """One rule of a security group: one protocol, one port range, one peer."""

    group_id: str
    is_egress: bool
    protocol: str
    from_port: int | None
    to_port: int | None
    peer: tuple[str, str]  # ("cidr4" | "cidr6" | "group" | "prefix-list", value)
    description: str | None = None

    @property
    def permission(self) -> tuple[str, int | None, int | None]:
        return (self.protocol, self.from_port, self.to_port)

    @property
    def identity(self) -> tuple[Any, ...]:
        """E50: two rules that differ in the description only are the same rule."""
        return (self.is_egress, *self.permission, *self.peer)


@dataclass(eq=False, kw_only=True)
class SecurityGroup(Resource):
    name: str
    description: str
    vpc_id: str
    is_default: bool = False
    rules: dict[str, Rule] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Interface(Resource):
    """A network interface. Those here were made by a launch and go with their instance (E12)."""

    subnet_id: str
    vpc_id: str
    zone: str
    private_ip: str
    mac: str
    group_ids: list[str]
    device_index: int = 0
    description: str = ""
    source_dest_check: bool = True
    wants_public_ip: bool = False
    public_ip: str | None = None
    delete_on_termination: bool = True
    instance_id: str | None = None
    attachment_id: str = ""
    attached_at: float = 0.0


@dataclass
class Modification:
    """One change of a volume (E37): `before` and `target` map size, type, iops and throughput."""

    started: float
    before: dict[str, Any]
    target: dict[str, Any]
    state: str = "modifying"
    ended: float | None = None


@dataclass(eq=False, kw_only=True)
class Volume(Resource):
    zone: str
    size: int
    type: str
    iops: int | None
    throughput: int | None
    encrypted: bool
    kms_key_id: str | None
    snapshot_id: str | None
    state: str = "in-use"
    instance_id: str | None = None
    device: str | None = None
    attachment_state: str = "attaching"
    attached_at: float = 0.0
    delete_on_termination: bool = True
    modifications: list[Modification] = field(default_factory=list)


@dataclass
class ProfileAssociation:
    """An instance's instance profile; `profile` has Arn and Id."""

    id: str
    profile: dict[str, str]
    since: float
    state: str = "associating"


@dataclass(eq=False, kw_only=True)
class Instance(Resource):
    reservation_id: str
    launch_index: int
    client_token: str
    image: Any  # images.Image
    instance_type: str
    zone: str
    vpc_id: str
    subnet_id: str
    launch_time: float
    key_name: str | None = None
    user_data: str | None = None  # base64, as sent
    association: ProfileAssociation | None = None
    credits: str | None = None  # E25: None until somebody chose
    tenancy: str = "default"
    placement_group: str | None = None
    monitoring: str = "disabled"
    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_state: str = "pending"
    ebs_optimized: bool = False
    ena_support: bool = True
    termination_protection: bool = False
    stop_protection: bool = False
    shutdown_behavior: str = "stop"
    cpu_options: dict[str, int] | None = None
    state: str = "pending"
    has_run: bool = False  # E10: a first `pending` cannot be stopped
    running_since: float = 0.0
    moved: bool = False  # E59: stopped since AWS announced to retire its hardware
    state_reason: tuple[str, str] | None = None
    transition_reason: str = ""
    transition: int = 0  # counts state changes: a planned one that was overtaken does nothing
    interface_ids: list[str] = field(default_factory=list)
    volume_ids: dict[str, str] = field(default_factory=dict)  # device -> volume
    rendered: Fragment | None = None  # the item of DescribeInstances, until something changes


R = TypeVar("R", bound=Resource)


class Shelf(Generic[R]):
    """All resources of one type in a Region, in order of creation, with the indexes that lists need."""

    def __init__(self) -> None:
        self._by_id: dict[str, R] = {}
        self._by_tag: dict[tuple[str, str], dict[str, R]] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(self._by_id.values())

    def __contains__(self, resource_id: str) -> bool:
        return resource_id in self._by_id

    def __getitem__(self, resource_id: str) -> R:
        return self._by_id[resource_id]

    def get(self, resource_id: str) -> R | None:
        return self._by_id.get(resource_id)

    def add(self, resource: R) -> R:
        self._by_id[resource.id] = resource
        tags, resource.tags = resource.tags, {}
        for key, value in tags.items():
            self.tag(resource, key, value, resource.created)
        return resource

    def remove(self, resource: R) -> None:
        for key in list(resource.tags):
            self.untag(resource, key)
        del self._by_id[resource.id]

    def tag(self, resource: R, key: str, value: str, now: float) -> None:
        if resource.tags.get(key) == value:
            return
        self.untag(resource, key)
        resource.tags[key] = value
        resource.tagged_at[key] = now
        self._by_tag.setdefault((key, value), {})[resource.id] = resource

    def untag(self, resource: R, key: str) -> None:
        if key not in resource.tags:
            return
        entry = (key, resource.tags.pop(key))
        del resource.tagged_at[key]
        del self._by_tag[entry][resource.id]
        if not self._by_tag[entry]:
            del self._by_tag[entry]

    def with_ids(self, ids: Iterable[str]) -> list[R]:
        return [self._by_id[one] for one in dict.fromkeys(ids) if one in self._by_id]

    def with_tag(self, key: str, values: Iterable[str]) -> list[R]:
        found: dict[str, R] = {}
        for value in values:
            found.update(self._by_tag.get((key, value), {}))
        return list(found.values())


@dataclass
class Launch:
    """What a client token made (E1..E3)."""

    parameters: dict[str, Any]
    instances: list[Instance]


class Region:
    """One account's EC2 in one Region."""

    def __init__(self, name: str, world: World):
        self.name = name
        self.world = world
        self.instances: Shelf[Instance] = Shelf()
        self.volumes: Shelf[Volume] = Shelf()
        self.interfaces: Shelf[Interface] = Shelf()
        self.groups: Shelf[SecurityGroup] = Shelf()
        self.rules: Shelf[Rule] = Shelf()
        self.launches: dict[tuple[str, str], Launch] = {}  # (zone or "", client token)
        self.by_token: dict[str, dict[str, Instance]] = {}  # client token -> its instances
        self.addresses_in_use: defaultdict[str, set[int]] = defaultdict(set)  # subnet -> private addresses
        self.timeline = Timeline()

    @property
    def now(self) -> float:
        return self.world.now

    @property
    def dials(self) -> Dials:
        return self.world.dials

    def after(self, dial: str, action: Callable[[float], None], since: float | None = None, factor: int = 1) -> None:
        self.timeline.after(dial, self.now if since is None else since, action, factor)

    def catch_up(self) -> None:
        self.timeline.catch_up(self.now, self.dials)

    def arn(self, resource: str) -> str:
        return f"arn:aws:ec2:{self.name}:{ACCOUNT}:{resource}"


class World:
    """Everything that this layer keeps, under one lock, on one clock."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self.lock = threading.RLock()
        self.now = clock()
        self.reset()

    def reset(self) -> None:
        self.dials = Dials()
        self.throttle = Throttle()
        self._regions: dict[str, Region] = {}

    def region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = Region(name, self)
        return self._regions[name]

    def tick(self) -> None:
        """Reads the clock: within one call time stands still. It never goes back, whatever the machine's does."""
        self.now = max(self.now, self._clock())
