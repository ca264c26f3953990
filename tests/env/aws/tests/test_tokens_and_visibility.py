"""E1..E7."""

import pytest
from conftest import ids, tagged, where


def test_E1_a_repeated_token_answers_with_the_instance_as_it_is_now(ec2, launch, settle):
    first = launch(ClientToken="token-1", until="running")
    again = launch(ClientToken="token-1")
    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] == "running"
    assert ids(ec2.describe_instances()) == [first["InstanceId"]]


def test_E1_a_repeat_within_the_invisible_time_answers_with_the_same_instance(ec2, launch, dial):
    dial(visibilitySeconds=30)
    assert launch(ClientToken="t")["InstanceId"] == launch(ClientToken="t")["InstanceId"]
    assert ids(ec2.describe_instances()) == []


def test_E1_a_failed_call_leaves_the_token_unused(ec2, launch, refused):
    with refused("InvalidAMIID.NotFound"):
        launch(ClientToken="t", ImageId="ami-00000000000000000")
    assert launch(ClientToken="t")["State"]["Name"] == "pending"


def test_E2_other_parameters_under_a_used_token_are_refused(ec2, launch, refused):
    launch(ClientToken="t")
    message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
    with refused("IdempotentParameterMismatch", message):
        launch(ClientToken="t", InstanceType="t3.small")
    with refused("IdempotentParameterMismatch"):
        launch(ClientToken="t", TagSpecifications=tagged(Name="a"))


def test_E2_with_a_zone_or_subnet_the_token_belongs_to_the_zone(ec2, launch):
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
    first = launch(ClientToken="t", SubnetId=subnets["us-east-1a"])
    other_zone = launch(ClientToken="t", SubnetId=subnets["us-east-1b"])
    assert first["InstanceId"] != other_zone["InstanceId"]
    assert launch(ClientToken="t", SubnetId=subnets["us-east-1a"])["InstanceId"] == first["InstanceId"]


def test_E2_a_token_is_at_most_64_ascii_characters(ec2, launch, refused):
    launch(ClientToken="t" * 64)
    for token in ("t" * 65, "tökén"):
        with refused("InvalidParameterValue"):
            launch(ClientToken=token)


def test_E3_the_token_of_a_terminated_instance_is_refused_for_good(ec2, launch, settle, clock, refused):
    instance = launch(ClientToken="t", until="running")
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert launch(ClientToken="t")["State"]["Name"] == "shutting-down"
    settle()
    with refused(
        "IdempotentInstanceTerminated", "The client token you have provided is associated with a terminated instance."
    ):
        launch(ClientToken="t")
    clock.advance(4000)  # not readable any more
    with refused("IdempotentInstanceTerminated"):
        launch(ClientToken="t")


def test_E5_the_filter_client_token_finds_what_a_token_made(ec2, launch):
    made = launch(ClientToken="mine")
    launch(ClientToken="other")
    assert ids(ec2.describe_instances(Filters=where(client_token="mine"))) == [made["InstanceId"]]
    assert ids(ec2.describe_instances(Filters=where(client_token="m*"))) == [made["InstanceId"]]
    assert ids(ec2.describe_instances(Filters=where(client_token="none"))) == []


def test_E6_without_a_token_a_repeat_launches_again_or_meets_a_name(ec2, launch, refused):
    # boto3 would fill in a random token: that is what makes its repeats launch again.
    assert launch()["InstanceId"] != launch()["InstanceId"]
    ec2.create_security_group(GroupName="web", Description="d")
    with refused("InvalidGroup.Duplicate"):
        ec2.create_security_group(GroupName="web", Description="d")


def test_E6_terminating_again_is_fine(ec2, launch, settle):
    instance_id = launch(until="running")["InstanceId"]
    for expected in ("running", "shutting-down"):
        [change] = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
        assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == (expected, "shutting-down")
    settle()
    [change] = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("terminated", "terminated")


def test_E7_a_fresh_instance_is_not_found_for_reads_and_writes(ec2, launch, dial, clock, refused, state_of):
    dial(visibilitySeconds=10)
    instance_id = launch(ClientToken="t", TagSpecifications=tagged(Name="web"))["InstanceId"]
    calls = [
        lambda: ec2.describe_instances(InstanceIds=[instance_id]),
        lambda: ec2.terminate_instances(InstanceIds=[instance_id]),
        lambda: ec2.stop_instances(InstanceIds=[instance_id]),
        lambda: ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "a", "Value": "b"}]),
        lambda: ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData"),
        lambda: ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True}),
    ]
    for call in calls:
        with refused("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist"):
            call()
    for filters in (where(**{"tag:Name": "web"}), where(client_token="t"), where(instance_id=instance_id), []):
        assert ids(ec2.describe_instances(Filters=filters)) == []
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    clock.advance(10)
    assert state_of(instance_id) == "running"  # it lived on unseen


def test_E7_tag_filters_lag_further_behind_than_ids_and_tokens(ec2, launch, dial, clock):
    dial(tagVisibilitySeconds=20)
    instance_id = launch(ClientToken="t", TagSpecifications=tagged(Name="web"))["InstanceId"]
    by_tag = (where(**{"tag:Name": "web"}), where(tag_key="Name"), where(**{"tag:Name": "w*"}))
    for filters in by_tag:
        assert ids(ec2.describe_instances(Filters=filters)) == []
    assert ec2.describe_tags(Filters=where(key="Name"))["Tags"] == []
    assert ids(ec2.describe_instances(Filters=where(client_token="t"))) == [instance_id]
    clock.advance(20)
    for filters in by_tag:
        assert ids(ec2.describe_instances(Filters=filters)) == [instance_id]
    ec2.create_tags(Resources=[instance_id], Tags=[{"Key": "late", "Value": "x"}, {"Key": "Name", "Value": "web"}])
    assert ids(ec2.describe_instances(Filters=where(tag_key="late"))) == []
    assert ids(ec2.describe_instances(Filters=where(tag_key="Name"))) == [instance_id]  # unchanged, so not new


def test_E7_a_fresh_security_group_is_not_found(ec2, launch, dial, clock, refused):
    dial(visibilitySeconds=10)
    group_id = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    permission = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    calls = [
        lambda: ec2.describe_security_groups(GroupIds=[group_id]),
        lambda: ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permission),
        lambda: ec2.delete_security_group(GroupId=group_id),
        lambda: ec2.create_tags(Resources=[group_id], Tags=[{"Key": "a", "Value": "b"}]),
        lambda: launch(SecurityGroupIds=[group_id]),
    ]
    for call in calls:
        with refused("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist"):
            call()
    names = [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]]
    assert names == ["default"]
    with refused("InvalidGroup.Duplicate"):  # the name is taken all the same
        ec2.create_security_group(GroupName="web", Description="d")
    clock.advance(10)
    ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permission)


@pytest.mark.parametrize("deed", ["terminate_instances", "start_instances"])
def test_E7_not_found_of_a_write_did_nothing(ec2, launch, dial, clock, refused, state_of, deed):
    dial(visibilitySeconds=10)
    instance_id = launch()["InstanceId"]
    with refused("InvalidInstanceID.NotFound"):
        getattr(ec2, deed)(InstanceIds=[instance_id])
    clock.advance(10)
    assert state_of(instance_id) == "running"


def test_E1_of_many_calls_at_once_with_one_token_one_launches(ec2, ami):
    from concurrent.futures import ThreadPoolExecutor

    request = {"ImageId": ami, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "ClientToken": "t"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ec2.run_instances(**request), range(40)))
    assert len({answer["Instances"][0]["InstanceId"] for answer in answers}) == 1
    assert len(ids(ec2.describe_instances())) == 1
