"""E60, and how this emulator refuses: as AWS does, never with a page of HTML."""

import re
import urllib.error
import urllib.parse
import urllib.request

import pytest
from conftest import ids, tagged, where

from nuvem_aws import throttle


@pytest.fixture
def raw(endpoint):
    """An unsigned call of EC2's query API, as no SDK would send it: (status, content type, body)."""

    def call(**parameters: str) -> tuple[int, str, str]:
        scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0"
        body = urllib.parse.urlencode({"Version": "2016-11-15", **parameters}).encode()
        request = urllib.request.Request(endpoint + "/", data=body, headers={"Authorization": scope})
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers["Content-Type"], answer.read().decode()

    return call


def code_in(body: str) -> str:
    return re.search("<Code>(.*?)</Code>", body)[1]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Action": "MakeCoffee"}, "InvalidAction"),
        ({}, "InvalidAction"),
        ({"Action": "DescribeInstances", "Colour": "red"}, "UnknownParameter"),
        ({"Action": "DescribeInstances", "Filter.1.Nome": "x"}, "UnknownParameter"),
        ({"Action": "DescribeInstances", "InstanceId": "i-1"}, "UnknownParameter"),
        ({"Action": "DescribeInstances", "InstanceId.x": "i-1"}, "UnknownParameter"),
        ({"Action": "DescribeInstances", "MaxResults": "many"}, "InvalidParameterValue"),
        ({"Action": "DescribeInstances", "DryRun": "perhaps"}, "InvalidParameterValue"),
        ({"Action": "DescribeInstances", "Filter.1.Name": "instance-id"}, "InvalidParameterValue"),
        ({"Action": "DescribeInstances", "Filter.1.Value.1": "x"}, "MissingParameter"),
        ({"Action": "RunInstances", "ImageId": "ami-1"}, "MissingParameter"),
        ({"Action": "StopInstances"}, "MissingParameter"),
        ({"Action": "DescribeVpcs", "Colour": "red"}, "UnknownParameter"),
        ({"Action": "DescribeInstanceAttribute", "InstanceId": "i-1", "Attribute": "colour"}, "InvalidParameterValue"),
    ],
    ids=str,
)
def test_what_aws_does_not_know_is_a_400_with_its_code(raw, parameters, code):
    status, content_type, body = raw(**parameters)
    assert (status, code_in(body)) == (400, code)
    assert content_type.startswith("text/xml")


@pytest.mark.parametrize(
    "action", ["CreateVolume", "CreateImage", "RequestSpotInstances", "DescribeMacHosts", "AssociateAddress"]
)
def test_what_aws_knows_and_the_emulator_lacks_is_a_clean_400(raw, action):
    required = {
        "CreateVolume": {"AvailabilityZone": "us-east-1a"},
        "CreateImage": {"InstanceId": "i-1", "Name": "n"},
    }
    status, _, body = raw(Action=action, **required.get(action, {}))
    assert (status, code_in(body)) == (400, "UnsupportedOperation")


def test_a_fault_of_the_emulator_is_an_internal_error_in_xml(raw, monkeypatch, caplog):
    from nuvem_aws import ec2

    def stumble(region, parameters):
        raise ZeroDivisionError("ours")

    monkeypatch.setitem(ec2.HANDLERS, "DescribeInstances", stumble)
    status, content_type, body = raw(Action="DescribeInstances")
    assert (status, code_in(body)) == (500, "InternalError")
    assert content_type.startswith("text/xml")
    assert "ZeroDivisionError" in caplog.text


def test_E60_request_ids_are_new_at_each_call(raw):
    for action in ("DescribeInstances", "DescribeVpcs", "MakeCoffee"):
        found = [re.search("<requestid>(.*?)</requestid>", raw(Action=action)[2], re.IGNORECASE)[1] for _ in range(2)]
        assert found[0] != found[1]


def test_E60_another_region_knows_nothing_of_it(ec2, client, launch, refused):
    instance_id = launch(ClientToken="t", TagSpecifications=tagged(a="b"))["InstanceId"]
    elsewhere = client("ec2", "eu-west-1")
    assert ids(elsewhere.describe_instances(Filters=where(**{"tag:a": "b"}))) == []
    with refused("InvalidInstanceID.NotFound"):
        elsewhere.terminate_instances(InstanceIds=[instance_id])


def test_E60_all_keys_of_the_account_see_the_same(endpoint, launch):
    import boto3

    other = boto3.client(
        "ec2", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="B", aws_secret_access_key="B"
    )
    assert ids(other.describe_instances()) == []
    instance_id = launch()["InstanceId"]
    assert ids(other.describe_instances()) == [instance_id]


def test_E60_throttled_calls_are_a_503_until_the_bucket_refills(ec2, dial, refused, clock, ami):
    dial(throttling="on")
    request = {"ImageId": ami, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    for _ in range(5):
        ec2.run_instances(**request)
    with refused("RequestLimitExceeded", "Request limit exceeded.", status=503):
        ec2.run_instances(**request)
    ec2.describe_instances()  # each action has a bucket of its own
    clock.advance(0.5)  # 2 a second
    ec2.run_instances(**request)
    with refused("RequestLimitExceeded", status=503):
        ec2.run_instances(**request)
    dial(throttling="off")
    ec2.run_instances(**request)


def test_E60_regions_are_throttled_apart(ec2, client, dial, refused):
    dial(throttling="on")
    for _ in range(50):
        ec2.describe_instances()
    with refused("RequestLimitExceeded", status=503):
        ec2.describe_instances()
    client("ec2", "eu-west-1").describe_instances()


def test_E60_unfiltered_lists_have_a_smaller_bucket(ec2, dial, refused):
    dial(throttling="on")
    for _ in range(50):
        ec2.describe_instances()
    with refused("RequestLimitExceeded", status=503):
        ec2.describe_instances()
    for _ in range(100):
        ec2.describe_instances(MaxResults=5)
    with refused("RequestLimitExceeded", status=503):
        ec2.describe_instances(Filters=where(instance_id="i-1"))


def test_E60_launches_are_counted_by_instance_too(ec2, dial, refused, ami):
    dial(throttling="on")
    request = {"ImageId": ami, "InstanceType": "t3.micro"}
    ec2.run_instances(MinCount=999, MaxCount=999, **request)
    with refused("RequestLimitExceeded", status=503):
        ec2.run_instances(MinCount=2, MaxCount=2, **request)
    ec2.run_instances(MinCount=1, MaxCount=1, **request)  # the refused call took nothing


@pytest.mark.parametrize(
    ("action", "parameters", "limits"),
    [
        ("DescribeVpcs", {}, [(100, 20)]),
        ("DescribeVolumes", {}, [(50, 10)]),
        ("DescribeVolumes", {"VolumeIds": ["vol-1"]}, [(100, 20)]),
        ("StopInstances", {"InstanceIds": ["i-1"]}, [(50, 5), (1000, 20)]),
        ("TerminateInstances", {"InstanceIds": ["i-1"]}, [(100, 5), (1000, 20)]),
        ("StartInstances", {"InstanceIds": ["i-1"]}, [(5, 2), (1000, 2)]),
        ("ModifyInstanceAttribute", {}, [(50, 5)]),
        ("ModifyInstanceMetadataOptions", {}, [(100, 5)]),
        ("CreateTags", {}, [(100, 10)]),
        ("CopyImage", {}, [(100, 1)]),
        ("CreateSecurityGroup", {}, [(50, 5)]),
    ],
    ids=str,
)
def test_E60_the_buckets_are_those_of_the_design(action, parameters, limits):
    demands = throttle.demands_of(action, parameters)
    assert [(limit.burst, limit.per_second) for _, limit, _ in demands] == limits
