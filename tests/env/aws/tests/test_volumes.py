"""E36..E38, as far as the volumes of a launch."""

import pytest
from conftest import where

DAY = 24 * 3600


@pytest.fixture
def volume_id(launch, ec2) -> str:
    launch(until="running")
    return ec2.describe_volumes()["Volumes"][0]["VolumeId"]


@pytest.fixture
def volume(ec2):
    return lambda volume_id: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]


@pytest.fixture
def modification(ec2):
    def read(volume_id: str) -> dict:
        return ec2.describe_volumes_modifications(VolumeIds=[volume_id])["VolumesModifications"][0]

    return read


def test_E36_the_root_goes_with_the_instance_unless_the_launch_says_otherwise(ec2, launch, settle):
    kept = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False, "VolumeSize": 20}}]
    both = [launch()["InstanceId"], launch(BlockDeviceMappings=kept)["InstanceId"]]
    listed = ec2.describe_volumes()["Volumes"]
    assert [one["Attachments"][0]["DeleteOnTermination"] for one in listed] == [True, False]
    ec2.terminate_instances(InstanceIds=both)
    settle()
    [left] = ec2.describe_volumes()["Volumes"]
    assert (left["Size"], left["State"]) == (20, "available")


def test_E36_volumes_mapped_at_launch_go_with_the_instance(ec2, launch):
    launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 10}}])
    attachments = [one["Attachments"][0] for one in ec2.describe_volumes()["Volumes"]]
    assert [one["DeleteOnTermination"] for one in attachments] == [True, True]


def test_E37_a_change_is_modifying_optimizing_completed(ec2, volume_id, volume, modification, settle):
    answer = ec2.modify_volume(VolumeId=volume_id, Size=20, Iops=4000, Throughput=250)["VolumeModification"]
    assert (answer["ModificationState"], answer["OriginalSize"], answer["TargetSize"]) == ("modifying", 8, 20)
    assert volume(volume_id)["Size"] == 8
    settle()
    assert modification(volume_id)["ModificationState"] == "optimizing"
    shown = volume(volume_id)
    assert (shown["Size"], shown["Iops"], shown["Throughput"], shown["State"]) == (20, 4000, 250, "in-use")
    settle()
    done = modification(volume_id)
    assert (done["ModificationState"], done["Progress"]) == ("completed", 100)
    assert done["EndTime"] > done["StartTime"]


def test_E37_another_change_must_wait_until_it_is_completed(ec2, volume_id, refused, settle):
    ec2.modify_volume(VolumeId=volume_id, Size=20)
    with refused("IncorrectModificationState", "cannot be modified in modification state MODIFYING"):
        ec2.modify_volume(VolumeId=volume_id, Size=30)
    settle()
    with refused("IncorrectModificationState", "cannot be modified in modification state OPTIMIZING"):
        ec2.modify_volume(VolumeId=volume_id, Size=30)
    settle()
    ec2.modify_volume(VolumeId=volume_id, Size=30)


def test_E37_a_volume_never_shrinks(ec2, volume_id, refused):
    with refused("InvalidParameterValue", "New size cannot be smaller than existing size"):
        ec2.modify_volume(VolumeId=volume_id, Size=7)


def test_E37_the_type_changes_with_its_performance(ec2, volume_id, volume, settle):
    ec2.modify_volume(VolumeId=volume_id, VolumeType="gp2", Size=50)
    settle()
    shown = volume(volume_id)
    assert (shown["VolumeType"], shown["Iops"]) == ("gp2", 150)
    assert "Throughput" not in shown
    settle()
    ec2.modify_volume(VolumeId=volume_id, VolumeType="gp3")
    settle()
    shown = volume(volume_id)
    assert (shown["VolumeType"], shown["Iops"], shown["Throughput"]) == ("gp3", 3000, 125)


def test_E37_what_is_not_asked_for_stays(ec2, volume_id, volume, settle):
    ec2.modify_volume(VolumeId=volume_id, Iops=4000, Throughput=500)
    settle(), settle()
    ec2.modify_volume(VolumeId=volume_id, Size=20)
    settle()
    shown = volume(volume_id)
    assert (shown["Size"], shown["Iops"], shown["Throughput"]) == (20, 4000, 500)


@pytest.mark.parametrize(
    "wanted",
    [{"Iops": 2}, {"Iops": 90000}, {"Throughput": 5}, {"Size": 70000}, {"VolumeType": "st1"}, {"VolumeType": "zz"}],
    ids=str,
)
def test_E37_values_out_of_range_are_refused(ec2, volume_id, refused, wanted):
    with refused("InvalidParameterValue"):
        ec2.modify_volume(VolumeId=volume_id, **wanted)


def test_E37_a_volume_is_modified_while_its_instance_is_stopped_too(ec2, launch, settle, volume):
    launch(until="stopped")
    volume_id = ec2.describe_volumes()["Volumes"][0]["VolumeId"]
    ec2.modify_volume(VolumeId=volume_id, Size=20)
    settle()
    assert volume(volume_id)["Size"] == 20


def test_E38_four_in_a_rolling_day(ec2, volume_id, settle, clock, refused):
    for size in (10, 20, 30, 40):
        ec2.modify_volume(VolumeId=volume_id, Size=size)
        settle(), settle()
    with refused("VolumeModificationRateExceeded", "You've reached the maximum modification rate per volume limit."):
        ec2.modify_volume(VolumeId=volume_id, Size=50)
    clock.advance(DAY)
    ec2.modify_volume(VolumeId=volume_id, Size=50)


def test_E38_only_the_latest_is_described_and_none_is_not_found(ec2, volume_id, modification, settle, refused):
    with refused("InvalidVolumeModification.NotFound"):
        modification(volume_id)
    assert ec2.describe_volumes_modifications()["VolumesModifications"] == []
    for size in (10, 20):
        ec2.modify_volume(VolumeId=volume_id, Size=size)
        settle(), settle()
    [latest] = ec2.describe_volumes_modifications(Filters=where(modification_state="completed"))["VolumesModifications"]
    assert (latest["OriginalSize"], latest["TargetSize"]) == (10, 20)


def test_the_root_as_the_launch_asked_for_it(ec2, launch):
    root = {
        "VolumeSize": 20,
        "VolumeType": "gp3",
        "Iops": 4000,
        "Throughput": 200,
        "Encrypted": True,
        "KmsKeyId": "abc",
    }
    launch(until="running", BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": root}])
    [shown] = ec2.describe_volumes()["Volumes"]
    assert (shown["Size"], shown["Iops"], shown["Throughput"], shown["Encrypted"]) == (20, 4000, 200, True)
    assert shown["KmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/abc"
    assert shown["SnapshotId"].startswith("snap-")


def test_encryption_by_default_counts_for_launches(ec2, launch):
    ec2.enable_ebs_encryption_by_default()
    launch()
    assert ec2.describe_volumes()["Volumes"][0]["Encrypted"] is True


def test_filters_of_volumes(ec2, launch):
    instance_id = launch()["InstanceId"]
    launch()
    filters = where(**{"attachment.instance-id": instance_id, "attachment.device": "/dev/xvda"})
    [found] = ec2.describe_volumes(Filters=filters)["Volumes"]
    assert found["Attachments"][0]["InstanceId"] == instance_id
    assert ec2.describe_volumes(Filters=where(size="9"))["Volumes"] == []
