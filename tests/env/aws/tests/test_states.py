"""E8..E15, E22, E23."""

import base64

import pytest
from conftest import ids, tagged, where


def states(answer: dict, key: str) -> list[tuple[str, str]]:
    return [(one["PreviousState"]["Name"], one["CurrentState"]["Name"]) for one in answer[key]]


def test_E8_a_launch_is_pending_and_then_running(launch, state_of, settle):
    instance = launch()
    assert instance["State"] == {"Code": 0, "Name": "pending"}
    assert state_of(instance["InstanceId"]) == "pending"
    settle()
    assert state_of(instance["InstanceId"]) == "running"


def test_E8_the_dial_sets_how_long_a_transition_lasts(launch, state_of, dial, clock):
    dial(transitionSeconds=60)
    instance_id = launch()["InstanceId"]
    clock.advance(59.9)
    assert state_of(instance_id) == "pending"
    clock.advance(0.2)
    assert state_of(instance_id) == "running"


def test_E8_a_launch_may_die_from_pending_after_its_200(launch, instance_of, dial, settle):
    dial(dieFromPending=["t3.micro"])
    instance_id = launch()["InstanceId"]
    settle()
    dead = instance_of(instance_id)
    assert dead["State"]["Name"] == "terminated"
    assert dead["StateReason"]["Code"] == "Server.InternalError"


def test_E8_a_start_does_not_die_from_pending(ec2, launch, state_of, dial, settle):
    instance_id = launch(until="stopped")["InstanceId"]
    dial(dieFromPending=["t3.micro"])
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert state_of(instance_id) == "running"


def test_E9_stop_is_stopping_and_then_stopped(ec2, launch, instance_of, settle):
    instance_id = launch(until="running")["InstanceId"]
    assert states(ec2.stop_instances(InstanceIds=[instance_id]), "StoppingInstances") == [("running", "stopping")]
    assert instance_of(instance_id)["State"] == {"Code": 64, "Name": "stopping"}
    settle()
    stopped = instance_of(instance_id)
    assert stopped["State"] == {"Code": 80, "Name": "stopped"}
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["StateTransitionReason"].startswith("User initiated (20")


def test_E9_what_is_there_already_answers_200_unchanged(ec2, launch, settle):
    instance_id = launch(until="running")["InstanceId"]
    assert states(ec2.start_instances(InstanceIds=[instance_id]), "StartingInstances") == [("running", "running")]
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    assert states(ec2.stop_instances(InstanceIds=[instance_id]), "StoppingInstances") == [("stopped", "stopped")]


def test_E9_a_start_gives_a_new_launch_time_and_clears_the_reason(ec2, launch, instance_of, settle):
    instance = launch(until="stopped")
    ec2.start_instances(InstanceIds=[instance["InstanceId"]])
    settle()
    running = instance_of(instance["InstanceId"])
    assert running["LaunchTime"] > instance["LaunchTime"]
    assert running["State"]["Name"] == "running"
    assert "StateReason" not in running and running["StateTransitionReason"] == ""


def test_E10_stop_of_a_first_pending_instance_is_refused(ec2, launch, refused):
    instance_id = launch()["InstanceId"]
    message = f"Instance '{instance_id}' cannot be stopped as it has never reached the 'running' state."
    with refused("IncorrectInstanceState", message):
        ec2.stop_instances(InstanceIds=[instance_id])


def test_E10_stop_of_a_later_pending_instance_works(ec2, launch, state_of, settle):
    instance_id = launch(until="stopped")["InstanceId"]
    ec2.start_instances(InstanceIds=[instance_id])
    ec2.stop_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "stopping"
    settle()
    assert state_of(instance_id) == "stopped"  # the overtaken start does nothing
    settle()
    assert state_of(instance_id) == "stopped"


def test_E10_stop_and_start_of_a_terminated_instance_are_refused(ec2, launch, refused, settle, state_of):
    instance_id = launch(until="running")["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    with refused(
        "IncorrectInstanceState", f"This instance '{instance_id}' is not in a state from which it can be stopped."
    ):
        ec2.stop_instances(InstanceIds=[instance_id])
    with refused(
        "IncorrectInstanceState", f"The instance '{instance_id}' is not in a state from which it can be started."
    ):
        ec2.start_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "terminated"


def test_E10_start_of_a_stopping_instance_is_refused(ec2, launch, refused):
    instance_id = launch(until="running")["InstanceId"]
    ec2.stop_instances(InstanceIds=[instance_id])
    with refused("IncorrectInstanceState", "is not in a state from which it can be started."):
        ec2.start_instances(InstanceIds=[instance_id])


def test_E11_reboot_stays_running_and_a_stopped_one_is_refused(ec2, launch, refused, state_of):
    instance_id = launch(until="running")["InstanceId"]
    ec2.reboot_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "running"
    stopped = launch(until="stopped")["InstanceId"]
    with refused("IncorrectState", f"Cannot reboot instance {stopped} that is currently in stopped state."):
        ec2.reboot_instances(InstanceIds=[stopped])


def test_E11_reboot_of_a_terminated_instance_is_ignored(ec2, launch, settle, state_of):
    instance_id = launch(until="running")["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    ec2.reboot_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "terminated"


def test_E12_terminate_goes_through_shutting_down_and_everything_goes_after(
    ec2, launch, settle, clock, instance_of, refused
):
    group_id = ec2.create_security_group(GroupName="web", Description="d")["GroupId"]
    instance = launch(until="running", SecurityGroupIds=[group_id], TagSpecifications=tagged(Name="web"))
    instance_id, interface_id = instance["InstanceId"], instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert instance_of(instance_id)["State"] == {"Code": 32, "Name": "shutting-down"}
    assert instance_of(instance_id)["SecurityGroups"]

    settle()
    dead = instance_of(instance_id)
    assert dead["State"] == {"Code": 48, "Name": "terminated"}
    assert dead["Tags"] == [{"Key": "Name", "Value": "web"}]  # they go later
    assert dead["NetworkInterfaces"] == dead["SecurityGroups"] == dead["BlockDeviceMappings"] == []
    assert "SubnetId" not in dead and "PrivateIpAddress" not in dead
    assert ec2.describe_volumes()["Volumes"] == []
    [lingering] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert lingering["NetworkInterfaceId"] == interface_id
    with refused("DependencyViolation", f"resource {group_id} has a dependent object"):
        ec2.delete_security_group(GroupId=group_id)

    settle()
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    ec2.delete_security_group(GroupId=group_id)

    settle()
    assert "Tags" not in instance_of(instance_id)
    assert ids(ec2.describe_instances(Filters=where(**{"tag:Name": "web"}))) == []

    clock.advance(3600)
    with refused("InvalidInstanceID.NotFound"):
        instance_of(instance_id)


def test_E12_how_long_the_dead_are_readable_has_a_dial_of_its_own(ec2, launch, settle, clock, dial, state_of, refused):
    dial(terminatedSeconds=5)
    instance_id = launch(until="running")["InstanceId"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    settle()
    assert state_of(instance_id) == "terminated"
    clock.advance(5)
    with refused("InvalidInstanceID.NotFound"):
        state_of(instance_id)


def test_E12_a_pending_or_stopping_instance_can_be_terminated(ec2, launch, settle, state_of):
    pending, stopping = launch(), launch(until="running")
    ec2.stop_instances(InstanceIds=[stopping["InstanceId"]])
    fresh = launch()
    chosen = [stopping["InstanceId"], fresh["InstanceId"]]
    ec2.terminate_instances(InstanceIds=chosen)
    settle()
    assert [state_of(one) for one in chosen] == ["terminated", "terminated"]
    assert state_of(pending["InstanceId"]) == "running"


def test_E13_one_unknown_id_fails_the_whole_call_and_nothing_is_done(ec2, launch, refused, state_of):
    instance_id, unknown = launch(until="running")["InstanceId"], "i-00000000000000000"
    message = f"The instance ID '{unknown}' does not exist"
    for call in (ec2.describe_instances, ec2.stop_instances, ec2.terminate_instances, ec2.start_instances):
        with refused("InvalidInstanceID.NotFound", message):
            call(InstanceIds=[instance_id, unknown])
    assert state_of(instance_id) == "running"
    with refused(
        "InvalidInstanceID.NotFound", "The instance IDs 'i-00000000000000000, i-11111111111111111' do not exist"
    ):
        ec2.describe_instances(InstanceIds=[unknown, "i-11111111111111111"])
    listed = ec2.describe_instances(Filters=where(instance_id=[instance_id, unknown]))
    assert ids(listed) == [instance_id]


def test_E14_malformed_ids(ec2, refused):
    with refused("InvalidInstanceID.Malformed", 'Invalid id: "foo"'):
        ec2.describe_instances(InstanceIds=["foo"])
    with refused("InvalidAMIID.Malformed", 'Invalid id: "foo" (expecting "ami-...")'):
        ec2.describe_images(ImageIds=["foo"])
    with refused("InvalidGroupId.Malformed", 'Invalid id: "foo" (expecting "sg-...")'):
        ec2.describe_security_groups(GroupIds=["foo"])
    with refused("InvalidParameterValue", "Value (foo) for parameter volumeId is invalid. Expected: 'vol-...'."):
        ec2.describe_volumes(VolumeIds=["foo"])


def test_E15_dry_run_of_an_allowed_call_is_412_and_does_nothing(ec2, launch, refused, ami, instance_of, state_of):
    instance = launch(until="running")
    one = {"InstanceIds": [instance["InstanceId"]], "DryRun": True}
    for call in (ec2.terminate_instances, ec2.stop_instances, ec2.reboot_instances):
        with refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412):
            call(**one)
    with refused("DryRunOperation", status=412):
        ec2.run_instances(ImageId=ami, InstanceType="t3.micro", MinCount=1, MaxCount=1, DryRun=True)
    with refused("DryRunOperation", status=412):
        ec2.modify_instance_metadata_options(InstanceId=instance["InstanceId"], HttpTokens="required", DryRun=True)
    assert state_of(instance["InstanceId"]) == "running"
    assert instance_of(instance["InstanceId"])["MetadataOptions"]["HttpTokens"] == "optional"
    assert len(ids(ec2.describe_instances())) == 1


def protect(ec2, instance_id: str, **attribute: dict) -> None:
    ec2.modify_instance_attribute(InstanceId=instance_id, **attribute)


def test_E22_termination_protection_refuses_and_spares_its_whole_zone(ec2, launch, refused, state_of):
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]}
    neighbour = launch(SubnetId=subnets["us-east-1a"])["InstanceId"]
    protected = launch(SubnetId=subnets["us-east-1a"], DisableApiTermination=True)["InstanceId"]
    elsewhere = launch(SubnetId=subnets["us-east-1b"])["InstanceId"]
    message = (
        f"The instance '{protected}' may not be terminated. "
        "Modify its 'disableApiTermination' instance attribute and try again."
    )
    with refused("OperationNotPermitted", message):
        ec2.terminate_instances(InstanceIds=[neighbour, protected, elsewhere])
    assert [state_of(one) for one in (neighbour, protected, elsewhere)] == ["pending", "pending", "shutting-down"]
    protect(ec2, protected, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[protected])


def test_E23_stop_protection_refuses_stop_and_terminate(ec2, launch, refused, state_of):
    instance_id = launch(until="running", DisableApiStop=True)["InstanceId"]
    with refused(
        "OperationNotPermitted", f"The instance '{instance_id}' may not be stopped. Modify its 'disableApiStop'"
    ):
        ec2.stop_instances(InstanceIds=[instance_id])
    with refused(
        "OperationNotPermitted", f"The instance '{instance_id}' may not be terminated. Modify its 'disableApiStop'"
    ):
        ec2.terminate_instances(InstanceIds=[instance_id])
    assert state_of(instance_id) == "running"
    protect(ec2, instance_id, DisableApiStop={"Value": False})
    ec2.stop_instances(InstanceIds=[instance_id])


def test_E26_hibernation_is_refused_cleanly(ec2, launch, refused):
    instance_id = launch(until="running")["InstanceId"]
    with refused("UnsupportedHibernationConfiguration"):
        ec2.stop_instances(InstanceIds=[instance_id], Hibernate=True)
    with refused("UnsupportedOperation"):
        launch(HibernationOptions={"Configured": True})


def test_E54_an_automatic_public_address_goes_at_stop_and_is_new_at_start(ec2, launch, instance_of, settle):
    instance_id = launch(until="running")["InstanceId"]
    before = instance_of(instance_id)
    assert before["PublicDnsName"].startswith("ec2-")
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    stopped = instance_of(instance_id)
    assert "PublicIpAddress" not in stopped and stopped["PublicDnsName"] == ""
    assert stopped["PrivateIpAddress"] == before["PrivateIpAddress"]
    ec2.start_instances(InstanceIds=[instance_id])
    assert instance_of(instance_id)["PublicIpAddress"] != before["PublicIpAddress"]


@pytest.mark.parametrize("encoded", [base64.b64encode(b"#!/bin/bash\n").decode()])
def test_truth_user_data_survives_stop_and_start(ec2, launch, settle, encoded):
    instance_id = launch(until="stopped", UserData="#!/bin/bash\n")["InstanceId"]
    ec2.start_instances(InstanceIds=[instance_id])
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    assert answer["UserData"] == {"Value": encoded}
