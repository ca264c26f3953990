"""E16..E21, E24, E25: attributes, metadata options, monitoring."""

import base64

import pytest

STOPPED_ONLY = [
    {"InstanceType": {"Value": "t3.small"}},
    {"UserData": {"Value": b"new"}},
    {"EbsOptimized": {"Value": True}},
    {"EnaSupport": {"Value": True}},
]


def read(ec2, instance_id: str, attribute: str):
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute=attribute)
    [value] = [value for name, value in answer.items() if name not in ("InstanceId", "ResponseMetadata")]
    return value


def test_E16_two_attributes_in_a_call_are_refused_and_none_is_set(ec2, launch, refused):
    instance_id = launch(until="stopped")["InstanceId"]
    with refused("InvalidParameterCombination", "Fields for multiple attribute types specified: "):
        ec2.modify_instance_attribute(
            InstanceId=instance_id, InstanceType={"Value": "t3.small"}, DisableApiTermination={"Value": True}
        )
    assert read(ec2, instance_id, "instanceType") == {"Value": "t3.micro"}
    assert read(ec2, instance_id, "disableApiTermination") == {"Value": False}


def test_E16_no_attribute_at_all_is_refused(ec2, launch, refused):
    instance = launch()
    interface_id = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    for nothing in ({}, {"Groups": []}):  # an empty list is not sent
        with refused("InvalidParameterCombination", "No attributes specified."):
            ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], **nothing)
        with refused("InvalidParameterCombination", "No attributes specified."):
            ec2.modify_network_interface_attribute(NetworkInterfaceId=interface_id, **nothing)


@pytest.mark.parametrize("change", STOPPED_ONLY, ids=lambda change: next(iter(change)))
def test_E17_some_attributes_change_only_while_stopped(ec2, launch, refused, change):
    running = launch(until="running")["InstanceId"]
    with refused("IncorrectInstanceState", f"The instance '{running}' is not in the 'stopped' state."):
        ec2.modify_instance_attribute(InstanceId=running, **change)
    ec2.modify_instance_attribute(InstanceId=launch(until="stopped")["InstanceId"], **change)


def test_E17_a_type_changes_once_stopped_and_is_kept(ec2, launch, instance_of, settle):
    instance_id = launch(until="stopped")["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=instance_id, Attribute="instanceType", Value="t3.large")
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert instance_of(instance_id)["InstanceType"] == "t3.large"


def test_E17_an_unknown_type_is_refused(ec2, launch, refused):
    instance_id = launch(until="stopped")["InstanceId"]
    with refused("InvalidInstanceAttributeValue", "Invalid value 'zz.huge' for InstanceType."):
        ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "zz.huge"})


def test_E17_a_type_of_another_architecture_is_refused(ec2, launch, refused):
    instance_id = launch(until="stopped")["InstanceId"]
    with refused("InvalidParameterValue", "The architecture 'arm64' of the specified instance type does not match"):
        ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "t4g.micro"})


def test_E18_user_data_is_base64_and_read_by_its_own_call_only(ec2, launch, instance_of):
    instance = launch(until="stopped", UserData="echo hello")
    encoded = base64.b64encode(b"echo hello").decode()
    assert read(ec2, instance["InstanceId"], "userData") == {"Value": encoded}
    assert "UserData" not in instance_of(instance["InstanceId"])
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], UserData={"Value": b"\x00\xff raw"})
    assert base64.b64decode(read(ec2, instance["InstanceId"], "userData")["Value"]) == b"\x00\xff raw"
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], UserData={"Value": b""})
    assert read(ec2, instance["InstanceId"], "userData") == {}


def test_E18_no_user_data_has_no_value(ec2, launch):
    assert read(ec2, launch()["InstanceId"], "userData") == {}


def test_E18_user_data_is_at_most_16384_raw_bytes(ec2, launch, refused):
    launch(UserData="x" * 16384)
    with refused("InvalidParameterValue", "User data is limited to 16384 bytes"):
        launch(UserData="x" * 16385)
    instance_id = launch(until="stopped")["InstanceId"]
    with refused("InvalidParameterValue", "User data is limited to 16384 bytes"):
        ec2.modify_instance_attribute(InstanceId=instance_id, UserData={"Value": b"x" * 17000})


def test_E18_user_data_that_is_not_base64_is_refused(ec2, launch, refused):
    instance_id = launch(until="stopped")["InstanceId"]
    with refused("InvalidUserData.Malformed"):
        ec2.modify_instance_attribute(InstanceId=instance_id, Attribute="userData", Value="not base64!")


@pytest.mark.parametrize("until", ["running", "stopped"])
def test_E19_others_change_running_or_stopped(ec2, launch, instance_of, until):
    groups = [ec2.create_security_group(GroupName=f"g{n}", Description="d")["GroupId"] for n in range(2)]
    instance_id = launch(until=until)["InstanceId"]
    for change in (
        {"SourceDestCheck": {"Value": False}},
        {"Groups": groups},
        {"DisableApiTermination": {"Value": True}},
        {"DisableApiStop": {"Value": True}},
        {"InstanceInitiatedShutdownBehavior": {"Value": "terminate"}},
    ):
        ec2.modify_instance_attribute(InstanceId=instance_id, **change)
    assert read(ec2, instance_id, "sourceDestCheck") == {"Value": False}
    assert [group["GroupId"] for group in read(ec2, instance_id, "groupSet")] == groups
    assert read(ec2, instance_id, "disableApiTermination") == {"Value": True}
    assert read(ec2, instance_id, "disableApiStop") == {"Value": True}
    assert read(ec2, instance_id, "instanceInitiatedShutdownBehavior") == {"Value": "terminate"}
    shown = instance_of(instance_id)
    assert [group["GroupId"] for group in shown["SecurityGroups"]] == groups  # replaced, not joined
    assert shown["SourceDestCheck"] is False


def test_E19_protection_and_shutdown_behaviour_of_the_launch_are_kept(ec2, launch):
    instance_id = launch(
        DisableApiTermination=True, DisableApiStop=True, InstanceInitiatedShutdownBehavior="terminate"
    )["InstanceId"]
    assert read(ec2, instance_id, "disableApiTermination") == {"Value": True}
    assert read(ec2, instance_id, "disableApiStop") == {"Value": True}
    assert read(ec2, instance_id, "instanceInitiatedShutdownBehavior") == {"Value": "terminate"}


def test_E19_an_unknown_group_or_one_of_another_vpc_changes_nothing(ec2, launch, refused, instance_of):
    instance = launch()
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    foreign = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc_id)["GroupId"]
    for group_id, message in (
        ("sg-00000000000000000", "The security group 'sg-00000000000000000' does not exist"),
        (foreign, "You have specified two resources that belong to different networks."),
    ):
        with refused("InvalidGroup.NotFound", message):
            ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[group_id])
    assert instance_of(instance["InstanceId"])["SecurityGroups"] == instance["SecurityGroups"]


def test_E20_groups_and_source_check_are_the_interface_s(ec2, launch):
    group_id = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    instance_id = launch()["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=instance_id, SourceDestCheck={"Value": False})
    ec2.modify_instance_attribute(InstanceId=instance_id, Groups=[group_id])
    [interface] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert interface["SourceDestCheck"] is False
    assert [group["GroupId"] for group in interface["Groups"]] == [group_id]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=interface["NetworkInterfaceId"], SourceDestCheck={"Value": True}
    )
    assert read(ec2, instance_id, "sourceDestCheck") == {"Value": True}


def test_E20_with_several_interfaces_the_call_must_name_one(ec2, launch, refused):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    two = [{"DeviceIndex": index, "SubnetId": subnet} for index in range(2)]
    instance = launch(NetworkInterfaces=two)
    assert len(instance["NetworkInterfaces"]) == 2
    for change in ({"SourceDestCheck": {"Value": False}}, {"Groups": [instance["SecurityGroups"][0]["GroupId"]]}):
        with refused("InvalidInstanceID", "There are multiple interfaces attached to instance"):
            ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], **change)


def test_E21_delete_on_termination_of_an_attached_device(ec2, launch, instance_of, refused, settle):
    instance_id = launch(until="running")["InstanceId"]
    keep = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    ec2.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=keep)
    assert instance_of(instance_id)["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is False
    with refused("InvalidInstanceAttributeValue"):
        ec2.modify_instance_attribute(
            InstanceId=instance_id, BlockDeviceMappings=[{"DeviceName": "/dev/sdz", "Ebs": {}}]
        )
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    [kept] = ec2.describe_volumes()["Volumes"]
    assert (kept["State"], kept["Attachments"]) == ("available", [])


def test_E24_metadata_options_of_a_running_instance_are_pending_and_then_applied(ec2, launch, instance_of, settle):
    instance_id = launch(until="running")["InstanceId"]
    assert instance_of(instance_id)["MetadataOptions"]["State"] == "applied"
    answer = ec2.modify_instance_metadata_options(
        InstanceId=instance_id, HttpTokens="required", HttpPutResponseHopLimit=3
    )
    assert answer["InstanceMetadataOptions"]["State"] == "pending"
    settle()
    ec2.modify_instance_metadata_options(InstanceId=instance_id, InstanceMetadataTags="enabled")
    settle()
    options = instance_of(instance_id)["MetadataOptions"]
    assert options["State"] == "applied"
    # What the second call left out stays as the first one set it.
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 3)
    assert options["InstanceMetadataTags"] == "enabled"


def test_E24_metadata_options_of_a_stopped_instance_apply_at_the_start(ec2, launch, instance_of, settle):
    instance_id = launch(until="stopped")["InstanceId"]
    ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpTokens="required")
    settle()
    settle()
    assert instance_of(instance_id)["MetadataOptions"]["State"] == "pending"
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert instance_of(instance_id)["MetadataOptions"]["State"] == "applied"


def test_E24_metadata_options_of_the_launch_can_be_read_back(launch, instance_of):
    instance_id = launch(MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2})["InstanceId"]
    options = instance_of(instance_id)["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["HttpEndpoint"]) == (
        "required",
        2,
        "enabled",
    )


@pytest.mark.parametrize("limit", [0, 65])
def test_E24_the_hop_limit_is_1_to_64(ec2, launch, refused, limit):
    instance_id = launch()["InstanceId"]
    with refused("InvalidParameterValue"):
        ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpPutResponseHopLimit=limit)
    with refused("InvalidParameterValue"):
        launch(MetadataOptions={"HttpPutResponseHopLimit": limit})


def credits_of(ec2, *instance_ids: str) -> list[str]:
    answer = ec2.describe_instance_credit_specifications(InstanceIds=list(instance_ids))
    return [one["CpuCredits"] for one in answer["InstanceCreditSpecifications"]]


def test_E25_t3_starts_unlimited_and_t2_standard(ec2, launch):
    t3, t2, m5 = (launch(InstanceType=one)["InstanceId"] for one in ("t3.micro", "t2.micro", "m5.large"))
    asked = launch(CreditSpecification={"CpuCredits": "standard"})["InstanceId"]
    assert credits_of(ec2, t3, t2, m5, asked) == ["unlimited", "standard", "standard", "standard"]
    [unlimited] = ec2.describe_instance_credit_specifications()["InstanceCreditSpecifications"]
    assert unlimited["InstanceId"] == t3


def test_E25_modify_answers_200_with_who_succeeded_and_who_did_not(ec2, launch):
    t3, m5 = launch()["InstanceId"], launch(InstanceType="m5.large")["InstanceId"]
    wanted = [{"InstanceId": one, "CpuCredits": "standard"} for one in (t3, m5, "i-00000000000000000")]
    answer = ec2.modify_instance_credit_specification(InstanceCreditSpecifications=wanted)
    assert answer["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": t3}]
    codes = [one["Error"]["Code"] for one in answer["UnsuccessfulInstanceCreditSpecifications"]]
    assert codes == ["InstanceCreditSpecification.NotSupported", "InvalidInstanceID.NotFound"]
    assert credits_of(ec2, t3) == ["standard"]


def test_detailed_monitoring_is_pending_and_then_enabled(ec2, launch, instance_of, settle):
    instance_id = launch(until="running")["InstanceId"]
    answer = ec2.monitor_instances(InstanceIds=[instance_id])
    assert answer["InstanceMonitorings"] == [{"InstanceId": instance_id, "Monitoring": {"State": "pending"}}]
    settle()
    assert instance_of(instance_id)["Monitoring"] == {"State": "enabled"}
    ec2.unmonitor_instances(InstanceIds=[instance_id])
    assert instance_of(instance_id)["Monitoring"] == {"State": "disabling"}
    settle()
    assert instance_of(instance_id)["Monitoring"] == {"State": "disabled"}


def test_detailed_monitoring_of_the_launch(launch, instance_of):
    instance_id = launch(until="running", Monitoring={"Enabled": True})["InstanceId"]
    assert instance_of(instance_id)["Monitoring"] == {"State": "enabled"}


def test_attributes_of_a_dead_instance_cannot_be_changed(ec2, launch, refused, settle):
    instance_id = launch(until="running")["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpTokens="required")
