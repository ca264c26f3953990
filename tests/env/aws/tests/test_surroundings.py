"""What an instance stands in: VPCs, images, key pairs, types, SSM, STS. Mostly moto's, seen through the layer."""

import pytest
from conftest import where

REGIONS = ["us-east-1", "eu-west-1", "sa-east-1", "ap-southeast-1"]
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"


@pytest.mark.parametrize("region", REGIONS)
def test_the_ami_of_the_parameter_exists_in_every_region(client, region):
    ec2, ssm = client("ec2", region), client("ssm", region)
    for architecture in ("x86_64", "arm64"):
        ami = ssm.get_parameter(Name=AL2023.format(architecture))["Parameter"]["Value"]
        [image] = ec2.describe_images(ImageIds=[ami])["Images"]
        assert (image["Architecture"], image["State"], image["RootDeviceName"]) == (
            architecture,
            "available",
            "/dev/xvda",
        )
        assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 8
        type_ = "t3.micro" if architecture == "x86_64" else "t4g.micro"
        ec2.run_instances(ImageId=ami, InstanceType=type_, MinCount=1, MaxCount=1)


@pytest.mark.parametrize("region", REGIONS)
def test_the_newest_amazon_linux_is_that_of_the_parameter(client, region):
    found = client("ec2", region).describe_images(
        Owners=["amazon"], Filters=where(name="al2023-ami-2023.*-x86_64", architecture="x86_64")
    )["Images"]
    assert len({image["CreationDate"] for image in found}) == len(found) > 3
    newest = max(found, key=lambda image: image["CreationDate"])
    assert newest["ImageId"] == client("ssm", region).get_parameter(Name=AL2023.format("x86_64"))["Parameter"]["Value"]


@pytest.mark.parametrize(
    ("name", "owner", "root"),
    [
        (
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
            "099720109477",
            "/dev/sda1",
        ),
        ("/aws/service/debian/release/12/latest/arm64", "136693071363", "/dev/xvda"),
        ("/aws/service/ami-windows-latest/Windows_Server-2025-English-Full-Base", "801119661308", "/dev/sda1"),
    ],
)
def test_the_parameters_of_other_vendors(client, ec2, name, owner, root):
    ami = client("ssm").get_parameters(Names=[name])["Parameters"][0]["Value"]
    [image] = ec2.describe_images(ImageIds=[ami], Owners=[owner])["Images"]
    assert image["RootDeviceName"] == root


def test_I6_absent_parameters(client, refused):
    with refused("ParameterNotFound"):
        client("ssm").get_parameter(Name="/none")
    assert client("ssm").get_parameters(Names=["/none"])["InvalidParameters"] == ["/none"]


def test_images_by_owner_and_unknown_ids(ec2, refused):
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    with refused("InvalidAMIID.NotFound", "The image id '[ami-00000000000000000]' does not exist"):
        ec2.describe_images(ImageIds=["ami-00000000000000000"])
    assert ec2.describe_images(Filters=where(image_id="ami-00000000000000000"))["Images"] == []


def test_a_default_vpc_with_a_subnet_for_each_zone(ec2):
    [vpc] = ec2.describe_vpcs(Filters=where(is_default="true"))["Vpcs"]
    subnets = ec2.describe_subnets(Filters=where(vpc_id=vpc["VpcId"], default_for_az="true"))["Subnets"]
    zones = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    assert {subnet["AvailabilityZone"] for subnet in subnets} == zones
    assert all(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_key_pairs(ec2, refused):
    ec2.create_key_pair(KeyName="ops")
    assert [one["KeyName"] for one in ec2.describe_key_pairs(KeyNames=["ops"])["KeyPairs"]] == ["ops"]
    with refused("InvalidKeyPair.NotFound", "The key pair 'none' does not exist"):
        ec2.describe_key_pairs(KeyNames=["none"])
    with refused("InvalidKeyPair.Duplicate"):
        ec2.create_key_pair(KeyName="ops")


def test_instance_types_and_where_they_are_offered(ec2):
    [found] = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    assert found["VCpuInfo"]["DefaultVCpus"] == 2
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=where(instance_type="t3.micro")
    )["InstanceTypeOfferings"]
    assert "us-east-1a" in {one["Location"] for one in offered}


def test_sts(client):
    sts = client("sts")
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assumed = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/nuvem", RoleSessionName="session")
    assert assumed["Credentials"]["AccessKeyId"]


def test_an_unallocated_address_is_moto_s(ec2):
    address = ec2.allocate_address(Domain="vpc")
    assert [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]] == [address["AllocationId"]]
    ec2.release_address(AllocationId=address["AllocationId"])


def test_a_dry_run_of_what_moto_keeps_does_nothing(ec2, refused):
    with refused("DryRunOperation", status=412):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_other_services_answer_too(client):
    client("s3").create_bucket(Bucket="uploads")
    assert [one["Name"] for one in client("s3").list_buckets()["Buckets"]] == ["uploads"]
    assert client("dynamodb").list_tables()["TableNames"] == []


def test_what_moto_lacks_in_another_service_is_a_400_and_no_page(client):
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as raised:
        client("ssm").get_calendar_state(CalendarNames=["x"])
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("service", "call"),
    [("rds", "describe_db_instances"), ("lambda", "list_functions"), ("iam", "list_roles"), ("kms", "list_keys"),
     ("logs", "describe_log_groups"), ("resourcegroupstaggingapi", "get_resources")],
)  # fmt: skip
def test_services_of_later_issues_load_with_the_pinned_packages(client, service, call):
    getattr(client(service), call)()
