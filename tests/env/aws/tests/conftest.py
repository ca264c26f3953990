"""One server for all tests, emptied before each, on a clock that only the test moves: no test sleeps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import boto3
import pytest
import waitress
from botocore.config import Config
from botocore.exceptions import ClientError

os.environ.pop("AWS_CA_BUNDLE", None)

from nuvem_aws.server import Application  # noqa: E402  (it sets moto's environment before moto is loaded)
from nuvem_aws.state import World  # noqa: E402

REGION = "us-east-1"


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def world(clock: Clock) -> World:
    return World(clock)


@pytest.fixture(scope="session")
def endpoint(world: World) -> Iterator[str]:
    application = Application(world)
    server = waitress.create_server(application, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable:
    clients: dict[tuple[str, str], object] = {}

    def get(service: str, region: str = REGION) -> object:
        if (service, region) not in clients:
            clients[service, region] = boto3.client(
                service,
                endpoint_url=endpoint,
                region_name=region,
                aws_access_key_id="AKIATEST",
                aws_secret_access_key="secret",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
        return clients[service, region]

    return get


@pytest.fixture(autouse=True)
def fresh(endpoint: str) -> None:
    import urllib.request

    request = urllib.request.Request(f"{endpoint}/_nuvem/reset", method="POST", data=b"")
    urllib.request.urlopen(request).close()


@pytest.fixture
def ec2(client: Callable):
    return client("ec2")


@pytest.fixture
def dial(world: World) -> Callable[..., None]:
    """dial(visibilitySeconds=5)"""

    def turn(**dials: object) -> None:
        world.dials = world.dials.changed(dials)

    return turn


@pytest.fixture
def settle(clock: Clock, world: World) -> Callable[[], None]:
    """Lets one transition pass."""
    return lambda: clock.advance(world.dials.transition_seconds + 0.001)


class Refused:
    """What `refused` caught: error.code, error.message, error.status."""

    code: str = ""
    message: str = ""
    status: int = 0


@pytest.fixture
def refused():
    """with refused("IncorrectState", "Cannot reboot ...") as error: call()"""
    from contextlib import contextmanager

    @contextmanager
    def expect(code: str, contains: str = "", status: int = 400):
        caught = Refused()
        with pytest.raises(ClientError) as raised:
            yield caught
        error = raised.value.response
        caught.code, caught.message = error["Error"]["Code"], error["Error"].get("Message", "")
        caught.status = error["ResponseMetadata"]["HTTPStatusCode"]
        assert (caught.code, caught.status) == (code, status), caught.message
        assert contains in caught.message

    return expect


@pytest.fixture
def ami(client: Callable) -> str:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    return client("ssm").get_parameter(Name=name)["Parameter"]["Value"]


@pytest.fixture
def launch(ec2, ami: str, settle) -> Callable[..., dict]:
    """Runs one instance: launch(InstanceType="t3.small"); `until="running"` lets it get there first."""

    def run(until: str = "pending", **parameters: object) -> dict:
        wanted = {"ImageId": ami, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **parameters}
        instance = ec2.run_instances(**wanted)["Instances"][0]
        if until in ("running", "stopped"):
            settle()
        if until == "stopped":
            ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
            settle()
        return instance

    return run


@pytest.fixture
def instance_of(ec2) -> Callable[[str], dict]:
    """The instance as DescribeInstances shows it."""

    def read(instance_id: str) -> dict:
        [reservation] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        return reservation["Instances"][0]

    return read


@pytest.fixture
def state_of(instance_of) -> Callable[[str], str]:
    return lambda instance_id: instance_of(instance_id)["State"]["Name"]


def tagged(resource: str = "instance", **tags: str) -> list[dict]:
    """TagSpecifications for one type of resource."""
    return [{"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def where(**filters: str | list[str]) -> list[dict]:
    """where(instance_id="i-1") or where(**{"tag:Name": ["a", "b"]})"""
    return [
        {"Name": name.replace("_", "-"), "Values": [values] if isinstance(values, str) else values}
        for name, values in filters.items()
    ]


def ids(listed: dict) -> list[str]:
    """The instance ids of a DescribeInstances answer."""
    return [instance["InstanceId"] for reservation in listed["Reservations"] for instance in reservation["Instances"]]
