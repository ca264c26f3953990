"""What is kept for speed must not differ from what is true."""

import random

from botocore.exceptions import ClientError
from conftest import ids, tagged, where

from nuvem_aws import instances, wire


def test_rendered_instances_and_indexes_stay_true_through_random_calls(ec2, launch, world, clock, client):
    chance = random.Random(20261123)
    groups = [ec2.create_security_group(GroupName=f"g{n}", Description="d")["GroupId"] for n in range(3)]
    iam = client("iam")
    iam.create_instance_profile(InstanceProfileName="p")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    made = [launch(ClientToken=str(n), TagSpecifications=tagged(own="x", n=str(n)))["InstanceId"] for n in range(6)]
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    types = ["t3.small", "m5.large"]
    pairs = [{"Key": key, "Value": value} for key in "abc" for value in "xyz"]
    deeds = [
        lambda one: ec2.stop_instances(InstanceIds=[one]),
        lambda one: ec2.start_instances(InstanceIds=[one]),
        lambda one: ec2.terminate_instances(InstanceIds=[one]) if chance.random() < 0.1 else None,
        lambda one: ec2.create_tags(Resources=[one], Tags=[chance.choice(pairs)]),
        lambda one: ec2.delete_tags(Resources=[one], Tags=[{"Key": chance.choice("abc")}]),
        lambda one: ec2.modify_instance_attribute(InstanceId=one, Groups=[chance.choice(groups)]),
        lambda one: ec2.modify_instance_attribute(InstanceId=one, SourceDestCheck={"Value": chance.random() < 0.5}),
        lambda one: ec2.modify_instance_attribute(InstanceId=one, BlockDeviceMappings=mapping),
        lambda one: ec2.modify_instance_attribute(InstanceId=one, InstanceType={"Value": chance.choice(types)}),
        lambda one: ec2.modify_instance_metadata_options(InstanceId=one, HttpPutResponseHopLimit=chance.randint(1, 64)),
        lambda one: ec2.monitor_instances(InstanceIds=[one]),
        lambda one: ec2.unmonitor_instances(InstanceIds=[one]),
        lambda one: ec2.associate_iam_instance_profile(InstanceId=one, IamInstanceProfile={"Name": "p"}),
        lambda one: [
            ec2.disassociate_iam_instance_profile(AssociationId=found["AssociationId"])
            for found in ec2.describe_iam_instance_profile_associations(Filters=where(instance_id=one))[
                "IamInstanceProfileAssociations"
            ]
        ],
    ]  # fmt: skip
    for _ in range(400):
        try:
            chance.choice(deeds)(chance.choice(made))
        except ClientError as refused:
            assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        clock.advance(chance.choice([0, 0.1, 0.3, 0.6]))
        ec2.describe_instances()
        region = world.region("us-east-1")
        for instance in region.instances:
            assert instance.rendered == wire.fragment("Instance", instances.describe(region, instance))
    for key in "abc":
        for value in "xyz":
            scanned = [one.id for one in region.instances if one.tags.get(key) == value]
            assert ids(ec2.describe_instances(Filters=where(**{f"tag:{key}": value}))) == scanned
