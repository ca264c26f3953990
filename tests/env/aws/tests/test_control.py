"""The dials, health and reset."""

import json
import urllib.error
import urllib.request

import pytest
from conftest import ids


@pytest.fixture
def control(endpoint):
    def call(method: str, path: str, body: object = None) -> tuple[int, dict]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{endpoint}/_nuvem/{path}", method=method, data=data)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, json.loads(answer.read())

    return call


DEFAULTS = {
    "transitionSeconds": 0.5,
    "visibilitySeconds": 0.0,
    "tagVisibilitySeconds": 0.0,
    "terminatedSeconds": 3600.0,
    "throttling": "off",
    "insufficientCapacity": [],
    "dieFromPending": [],
    "impaired": [],
    "retiring": [],
}


def test_health(control):
    assert control("GET", "health") == (200, {"status": "ready"})


def test_the_dials_as_they_come(control):
    assert control("GET", "aws") == (200, DEFAULTS)


def test_those_not_named_keep_their_value(control):
    assert control("PUT", "aws", {"transitionSeconds": 2})[0] == 200
    changed = DEFAULTS | {"transitionSeconds": 2.0, "throttling": "on", "insufficientCapacity": ["t3.large"]}
    assert control("PUT", "aws", {"throttling": "on", "insufficientCapacity": ["t3.large"]}) == (200, changed)
    assert control("GET", "aws") == (200, changed)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"colour": "red"}, "unknown dial 'colour'"),
        ({"transitionSeconds": "2"}, "transitionSeconds is a number of seconds"),
        ({"transitionSeconds": -1}, "transitionSeconds is a number of seconds"),
        ({"visibilitySeconds": True}, "visibilitySeconds is a number of seconds"),
        ({"throttling": True}, 'throttling is "on" or "off"'),
        ({"insufficientCapacity": "t3.large"}, "insufficientCapacity is a list of instance types"),
        ({"transitionSeconds": 9, "colour": "red"}, "unknown dial 'colour'"),
        ([], "expected a JSON object"),
        (b"{", "the body is not JSON"),
    ],
    ids=str,
)
def test_a_wrong_dial_is_refused_and_turns_nothing(control, wanted, told):
    status, answer = control("PUT", "aws", wanted)
    assert status == 400
    assert told in answer["error"]
    assert control("GET", "aws") == (200, DEFAULTS)


def test_an_unknown_path_is_a_404(control):
    assert control("GET", "nonsense")[0] == 404


def test_reset_wipes_everything(control, ec2, client, launch):
    launch()
    ec2.create_security_group(GroupName="g", Description="d")
    ec2.create_key_pair(KeyName="ops")
    client("ssm").put_parameter(Name="/mine", Value="x", Type="String")
    control("PUT", "aws", {"transitionSeconds": 9})
    assert control("POST", "reset") == (200, DEFAULTS)
    assert ids(ec2.describe_instances()) == []
    assert [one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]] == ["default"]
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert client("ssm").get_parameters(Names=["/mine"])["InvalidParameters"] == ["/mine"]


def test_a_dial_that_is_turned_applies_to_what_is_under_way(control, ec2, launch, clock, state_of):
    control("PUT", "aws", {"transitionSeconds": 600})
    instance_id = launch()["InstanceId"]
    clock.advance(1)
    assert state_of(instance_id) == "pending"
    control("PUT", "aws", {"transitionSeconds": 1})
    assert state_of(instance_id) == "running"
