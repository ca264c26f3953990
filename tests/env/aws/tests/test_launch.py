"""E27..E31 and what a launch leaves to be read."""

import pytest
from conftest import tagged


def subnet_in(ec2, zone: str) -> str:
    return next(one["SubnetId"] for one in ec2.describe_subnets()["Subnets"] if one["AvailabilityZone"] == zone)


def test_E27_no_capacity_for_a_launch_is_a_500(ec2, launch, dial, refused):
    dial(insufficientCapacity=["t3.large"])
    message = (
        "We currently do not have sufficient t3.large capacity in the Availability Zone you requested (us-east-1a)."
    )
    with refused("InsufficientInstanceCapacity", message, status=500):
        launch(InstanceType="t3.large")
    launch(InstanceType="t3.micro")
    assert len(ec2.describe_instances()["Reservations"]) == 1


def test_E27_no_capacity_for_a_start_leaves_it_stopped(ec2, launch, dial, refused, state_of, settle):
    instance_id = launch(until="stopped")["InstanceId"]
    dial(insufficientCapacity=["t3.micro"])
    with refused("InsufficientInstanceCapacity", "Insufficient capacity.", status=500):
        ec2.start_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "stopped"
    dial(insufficientCapacity=[])
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert state_of(instance_id) == "running"


def test_E27_a_type_that_the_zone_lacks_is_unsupported(ec2, launch, refused):
    message = (
        "Your requested instance type (t3.micro) is not supported in your requested Availability Zone (us-east-1e)."
    )
    with refused("Unsupported", message):
        launch(SubnetId=subnet_in(ec2, "us-east-1e"))
    with refused("Unsupported", message):
        launch(Placement={"AvailabilityZone": "us-east-1e"})


def test_E28_unknown_things_are_refused_each_with_its_code(launch, refused):
    cases = [
        ({"ImageId": "ami-00000000"}, "InvalidAMIID.NotFound", "The image id '[ami-00000000]' does not exist"),
        ({"ImageId": "ami-foo"}, "InvalidAMIID.Malformed", 'Invalid id: "ami-foo" (expecting "ami-...")'),
        ({"InstanceType": "zz.huge"}, "InvalidParameterValue", "Invalid value 'zz.huge' for InstanceType."),
        ({"KeyName": "k"}, "InvalidKeyPair.NotFound", "The key pair 'k' does not exist"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound", "does not exist"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound", "does not exist"),
        ({"SecurityGroups": ["none"]}, "InvalidGroup.NotFound", "does not exist"),
        ({"InstanceType": "t4g.micro"}, "InvalidParameterValue", "The architecture 'arm64' of the specified instance"),
        ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterValue", "minCount"),
    ]  # fmt: skip
    for parameters, code, message in cases:
        with refused(code, message):
            launch(**parameters)


def test_E28_a_known_key_pair_is_accepted(ec2, launch, instance_of):
    ec2.create_key_pair(KeyName="ops")
    assert instance_of(launch(KeyName="ops")["InstanceId"])["KeyName"] == "ops"


def test_E29_an_unknown_or_empty_profile_is_refused(client, launch, refused, instance_of):
    with refused(
        "InvalidParameterValue",
        "Value (app) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
    ):
        launch(IamInstanceProfile={"Name": "app"})
    iam = client("iam")
    arn = iam.create_instance_profile(InstanceProfileName="app")["InstanceProfile"]["Arn"]
    with refused("InvalidParameterValue", "has no associated IAM Roles"):
        launch(IamInstanceProfile={"Name": "app"})
    iam.create_role(RoleName="app", AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="app")
    assert instance_of(launch(IamInstanceProfile={"Name": "app"})["InstanceId"])["IamInstanceProfile"]["Arn"] == arn
    assert instance_of(launch(IamInstanceProfile={"Arn": arn})["InstanceId"])["IamInstanceProfile"]["Arn"] == arn


@pytest.fixture
def profile(client):
    """Makes an instance profile with a role in it, and gives its ARN."""

    def make(name: str) -> str:
        iam = client("iam")
        arn = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return arn

    return make


def test_E29_a_profile_is_associated_replaced_and_taken_away(ec2, launch, profile, instance_of, settle, refused):
    first, second = profile("first"), profile("second")
    instance_id = launch(until="running", IamInstanceProfile={"Name": "first"})["InstanceId"]
    [association] = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    assert (association["State"], association["IamInstanceProfile"]["Arn"]) == ("associated", first)
    with refused("IncorrectState", f"There is an existing association for instance {instance_id}"):
        ec2.associate_iam_instance_profile(InstanceId=instance_id, IamInstanceProfile={"Name": "second"})
    replaced = ec2.replace_iam_instance_profile_association(
        AssociationId=association["AssociationId"], IamInstanceProfile={"Name": "second"}
    )["IamInstanceProfileAssociation"]
    assert replaced["State"] == "associating" and replaced["AssociationId"] != association["AssociationId"]
    assert instance_of(instance_id)["IamInstanceProfile"]["Arn"] == second
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    with refused("IncorrectState", "is not the active association"):
        ec2.replace_iam_instance_profile_association(
            AssociationId=replaced["AssociationId"], IamInstanceProfile={"Name": "first"}
        )
    ec2.disassociate_iam_instance_profile(AssociationId=replaced["AssociationId"])
    assert "IamInstanceProfile" not in instance_of(instance_id)
    with refused("InvalidAssociationID.NotFound"):
        ec2.disassociate_iam_instance_profile(AssociationId=replaced["AssociationId"])
    ec2.associate_iam_instance_profile(InstanceId=instance_id, IamInstanceProfile={"Arn": first})
    assert instance_of(instance_id)["IamInstanceProfile"]["Arn"] == first


def test_a_subnet_without_room_launches_as_many_as_fit_or_none(ec2, ami, refused):
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    sixteen = {"VpcId": vpc_id, "CidrBlock": "10.0.1.0/28", "AvailabilityZone": "us-east-1a"}  # of which AWS keeps five
    subnet = ec2.create_subnet(**sixteen)["Subnet"]["SubnetId"]
    request = {"ImageId": ami, "InstanceType": "t3.micro", "SubnetId": subnet}
    with refused("InsufficientFreeAddressesInSubnet"):
        ec2.run_instances(MinCount=12, MaxCount=12, **request)
    assert ec2.describe_instances()["Reservations"] == []
    assert len(ec2.run_instances(MinCount=1, MaxCount=20, **request)["Instances"]) == 11


def test_E30_groups_beside_interfaces_are_refused(ec2, launch, refused):
    group_id = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    message = "Network interfaces and an instance-level security groups may not be specified"
    with refused("InvalidParameterCombination", message):
        launch(SecurityGroupIds=[group_id], NetworkInterfaces=[{"DeviceIndex": 0}])


def test_E30_groups_and_address_of_the_interface(ec2, launch):
    group_id = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    subnet = subnet_in(ec2, "us-east-1b")
    interface = {
        "DeviceIndex": 0, "SubnetId": subnet, "Groups": [group_id], "AssociatePublicIpAddress": False,
        "PrivateIpAddress": "172.31.16.77",
    }  # fmt: skip
    instance = launch(NetworkInterfaces=[interface])
    assert instance["SubnetId"] == subnet
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [group_id]
    assert instance["PrivateIpAddress"] == "172.31.16.77"
    assert "PublicIpAddress" not in instance


def test_E31_a_volume_below_its_snapshot_is_refused(launch, refused):
    small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]
    with refused("InvalidBlockDeviceMapping", "Volume of size 1GB is smaller than snapshot 'snap-") as error:
        launch(BlockDeviceMappings=small)
    assert error.message.endswith("expect size >= 8GB")


def test_E31_mappings_add_to_those_of_the_image(ec2, launch):
    data = [
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 100, "VolumeType": "gp3", "Iops": 4000, "Throughput": 250}}
    ]
    launch(until="running", BlockDeviceMappings=data)
    volumes = {one["Attachments"][0]["Device"]: one for one in ec2.describe_volumes()["Volumes"]}
    assert set(volumes) == {"/dev/xvda", "/dev/sdf"}
    assert (volumes["/dev/sdf"]["Size"], volumes["/dev/sdf"]["Iops"], volumes["/dev/sdf"]["Throughput"]) == (
        100,
        4000,
        250,
    )


def test_the_reply_of_a_launch_and_the_list_agree(ec2, launch, instance_of, ami):
    tags = tagged(Name="web") + tagged("volume", of="web") + tagged("network-interface", nic="web")
    instance = launch(TagSpecifications=tags, ClientToken="t", EbsOptimized=True)
    seen = instance_of(instance["InstanceId"])
    assert instance.pop("BlockDeviceMappings") == []  # not mapped yet when AWS answers a launch
    assert seen.pop("BlockDeviceMappings")[0]["Ebs"]["Status"] == "attaching"
    assert seen == instance
    assert seen["ImageId"] == ami and seen["ClientToken"] == "t" and seen["Architecture"] == "x86_64"
    assert seen["EbsOptimized"] is True and seen["Hypervisor"] == "xen" and seen["VirtualizationType"] == "hvm"
    assert seen["RootDeviceName"] == "/dev/xvda" and seen["Placement"]["Tenancy"] == "default"
    assert seen["Tags"] == [{"Key": "Name", "Value": "web"}]
    [volume], [interface] = ec2.describe_volumes()["Volumes"], ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert volume["Tags"] == [{"Key": "of", "Value": "web"}]
    assert interface["TagSet"] == [{"Key": "nic", "Value": "web"}]
    assert interface["Attachment"]["InstanceId"] == instance["InstanceId"]


def test_several_instances_of_a_launch_share_a_reservation(ec2, ami):
    answer = ec2.run_instances(ImageId=ami, InstanceType="t3.micro", MinCount=3, MaxCount=3, ClientToken="t")
    assert [one["AmiLaunchIndex"] for one in answer["Instances"]] == [0, 1, 2]
    [reservation] = ec2.describe_instances()["Reservations"]
    assert reservation["ReservationId"] == answer["ReservationId"]
    assert len({one["PrivateIpAddress"] for one in reservation["Instances"]}) == 3


@pytest.mark.parametrize(
    ("address", "code"),
    [("172.31.0.10", "InvalidIPAddress.InUse"), ("10.9.9.9", "InvalidParameterValue"), ("x", "InvalidParameterValue")],
)
def test_a_private_address_must_be_free_and_within_the_subnet(ec2, launch, refused, address, code):
    subnet = subnet_in(ec2, "us-east-1a")
    launch(SubnetId=subnet, PrivateIpAddress="172.31.0.10")
    with refused(code):
        launch(SubnetId=subnet, PrivateIpAddress=address)


def test_a_private_address_is_free_again_once_the_interface_is_deleted(ec2, launch, settle):
    wanted = {"SubnetId": subnet_in(ec2, "us-east-1a"), "PrivateIpAddress": "172.31.0.10"}
    ec2.terminate_instances(InstanceIds=[launch(**wanted)["InstanceId"]])
    settle()
    settle()
    launch(**wanted)


def test_a_subnet_of_another_vpc_brings_that_vpc_s_default_group(ec2, launch, refused):
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")["Subnet"][
        "SubnetId"
    ]
    instance = launch(SubnetId=subnet)
    assert (instance["VpcId"], instance["PrivateIpAddress"]) == (vpc_id, "10.0.1.4")
    assert [group["GroupName"] for group in instance["SecurityGroups"]] == ["default"]
    assert "PublicIpAddress" not in instance
    foreign = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    with refused("InvalidParameter", f"Security group {foreign} and subnet {subnet} belong to different networks."):
        launch(SubnetId=subnet, SecurityGroupIds=[foreign])


@pytest.mark.parametrize(
    "parameters",
    [
        {"LaunchTemplate": {"LaunchTemplateName": "x"}},
        {"InstanceMarketOptions": {"MarketType": "spot"}},
        {"Ipv6AddressCount": 1},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_what_a_launch_cannot_do_here_is_refused_and_not_ignored(launch, refused, parameters):
    with refused("UnsupportedOperation"):
        launch(**parameters)
