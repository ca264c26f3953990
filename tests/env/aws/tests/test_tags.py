"""E55."""

import pytest
from conftest import ids, tagged, where


def tags_of(instance: dict) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}


def pairs(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def instance_id(launch) -> str:
    return launch(TagSpecifications=tagged(a="1", b="2"))["InstanceId"]


def test_E55_at_most_fifty_tags(ec2, instance_id, refused, instance_of, launch):
    ec2.create_tags(Resources=[instance_id], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(48)])
    with refused("TagLimitExceeded"):
        ec2.create_tags(Resources=[instance_id], Tags=pairs(one="more"))
    ec2.create_tags(Resources=[instance_id], Tags=pairs(a="changed"))
    assert len(tags_of(instance_of(instance_id))) == 50
    with refused("TagLimitExceeded"):
        launch(TagSpecifications=tagged(**{f"k{n}": "" for n in range(51)}))


@pytest.mark.parametrize(
    ("key", "value"),
    [("k" * 129, ""), ("k", "v" * 257), ("aws:x", ""), ("AWS:x", ""), ("", "v")],
    ids=lambda text: text[:8],
)
def test_E55_lengths_and_reserved_keys(ec2, instance_id, refused, key, value, launch):
    tag = {"Key": key, "Value": value}
    with refused("InvalidParameterValue"):
        ec2.create_tags(Resources=[instance_id], Tags=[tag])
    with refused("InvalidParameterValue"):
        launch(TagSpecifications=[{"ResourceType": "instance", "Tags": [tag]}])


def test_E55_the_longest_are_accepted(ec2, instance_id, instance_of):
    ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "k" * 128, "Value": "v" * 256}])
    assert tags_of(instance_of(instance_id))["k" * 128] == "v" * 256


def test_E55_an_unknown_id_fails_all(ec2, instance_id, refused, instance_of):
    for unknown, code in (
        ("i-00000000000000000", "InvalidInstanceID.NotFound"),
        ("sg-00000000000000000", "InvalidGroup.NotFound"),
        ("vol-00000000000000000", "InvalidVolume.NotFound"),
        ("vpc-00000000000000000", "InvalidID"),
    ):
        with refused(code):
            ec2.create_tags(Resources=[instance_id, unknown], Tags=pairs(new="x"))
        with refused(code):
            ec2.delete_tags(Resources=[instance_id, unknown])
    assert tags_of(instance_of(instance_id)) == {"a": "1", "b": "2"}


def test_E55_delete_keeps_another_value_and_without_tags_deletes_all(ec2, instance_id, instance_of):
    ec2.delete_tags(Resources=[instance_id], Tags=pairs(a="other"))
    assert tags_of(instance_of(instance_id)) == {"a": "1", "b": "2"}
    ec2.delete_tags(Resources=[instance_id], Tags=pairs(a="1"))
    assert tags_of(instance_of(instance_id)) == {"b": "2"}
    ec2.create_tags(Resources=[instance_id], Tags=pairs(a="1", c="3"))
    ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "c"}])
    assert tags_of(instance_of(instance_id)) == {"b": "2", "a": "1"}
    ec2.delete_tags(Resources=[instance_id])
    assert "Tags" not in instance_of(instance_id)


def test_tags_of_everything_that_a_launch_makes_can_be_searched(ec2, launch):
    launch(TagSpecifications=tagged(own="x") + tagged("volume", own="x") + tagged("network-interface", own="x"))
    group = ec2.create_security_group(
        GroupName="g", Description="d", TagSpecifications=tagged("security-group", own="x")
    )
    assert len(ids(ec2.describe_instances(Filters=where(**{"tag:own": "x"})))) == 1
    assert len(ec2.describe_volumes(Filters=where(**{"tag:own": "x"}))["Volumes"]) == 1
    assert len(ec2.describe_network_interfaces(Filters=where(**{"tag:own": "x"}))["NetworkInterfaces"]) == 1
    found = ec2.describe_security_groups(Filters=where(**{"tag:own": "x"}))["SecurityGroups"]
    assert [one["GroupId"] for one in found] == [group["GroupId"]]
    listed = ec2.describe_tags(Filters=where(key="own"))["Tags"]
    assert {tag["ResourceType"] for tag in listed} == {"instance", "volume", "network-interface", "security-group"}
    assert ec2.describe_tags(Filters=where(**{"tag:own": "x", "resource-type": "volume"}))["Tags"][0]["Value"] == "x"


def test_a_changed_value_is_found_and_the_old_one_is_not(ec2, instance_id):
    ec2.create_tags(Resources=[instance_id], Tags=pairs(a="new"))
    assert ids(ec2.describe_instances(Filters=where(**{"tag:a": "new"}))) == [instance_id]
    assert ids(ec2.describe_instances(Filters=where(**{"tag:a": "1"}))) == []


def test_tags_of_what_moto_keeps(ec2, instance_id):
    vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.create_tags(Resources=[vpc_id, subnet, instance_id], Tags=pairs(tier="app", keep="y"))
    [found] = ec2.describe_subnets(Filters=where(**{"tag:tier": "app"}))["Subnets"]
    assert found["SubnetId"] == subnet
    ec2.delete_tags(Resources=[vpc_id, subnet], Tags=pairs(tier="app"))
    assert ec2.describe_subnets(Filters=where(**{"tag:tier": "app"}))["Subnets"] == []
    assert ec2.describe_vpcs()["Vpcs"][0]["Tags"] == pairs(keep="y")
    assert len(ec2.describe_tags(Filters=where(key="keep"))["Tags"]) == 3


def test_tags_with_characters_that_xml_must_escape(ec2, instance_id, instance_of):
    ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "<&>\"'", "Value": "é ☃ <b>&amp;</b>"}])
    assert tags_of(instance_of(instance_id))["<&>\"'"] == "é ☃ <b>&amp;</b>"


def test_a_tag_specification_for_something_else_is_refused(launch, refused):
    with refused("InvalidParameterValue", "is not a valid taggable resource type"):
        launch(TagSpecifications=tagged("vpc", a="b"))
