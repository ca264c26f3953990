"""E57..E59: pages, filters, instance status; and a list of a thousand."""

import base64

import pytest
from conftest import ids, tagged, where


@pytest.fixture
def twelve(ec2, ami) -> list[str]:
    """Twelve instances, in reservations of three."""
    made = []
    for _ in range(4):
        answer = ec2.run_instances(ImageId=ami, InstanceType="t3.micro", MinCount=3, MaxCount=3)
        made += [one["InstanceId"] for one in answer["Instances"]]
    return made


def all_pages(call, size: int, **parameters: object) -> list[dict]:
    pages = [call(MaxResults=size, **parameters)]
    while pages[-1].get("NextToken"):
        pages.append(call(MaxResults=size, NextToken=pages[-1]["NextToken"], **parameters))
    return pages


def test_E57_pages_hold_every_instance_once_in_order(ec2, twelve):
    pages = all_pages(ec2.describe_instances, 5)
    assert [len(ids(page)) for page in pages] == [5, 5, 2]
    assert [one for page in pages for one in ids(page)] == twelve
    assert "NextToken" not in ec2.describe_instances(MaxResults=12)


def test_E57_what_comes_or_goes_between_pages_neither_shifts_nor_repeats_the_rest(ec2, twelve, launch, dial, settle):
    dial(terminatedSeconds=0)
    first = ec2.describe_instances(MaxResults=5)
    ec2.terminate_instances(InstanceIds=twelve[:2])
    new = launch()["InstanceId"]
    settle()
    second = ec2.describe_instances(MaxResults=1000, NextToken=first["NextToken"])
    assert ids(second) == [*twelve[5:], new]


@pytest.mark.parametrize("size", [0, 3, 4, 1001])
def test_E57_sizes_out_of_range_are_refused(ec2, refused, size):
    with refused("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid."):
        ec2.describe_instances(MaxResults=size)


def test_E57_max_results_with_ids_is_refused(ec2, twelve, refused):
    with refused("InvalidParameterCombination"):
        ec2.describe_instances(InstanceIds=twelve[:1], MaxResults=5)


@pytest.mark.parametrize(
    "token", ["bad", base64.b64encode(b"[1]").decode(), base64.b64encode(b'["DescribeVolumes", 1]').decode()]
)
def test_E57_a_bad_token_is_refused(ec2, refused, token):
    with refused("InvalidParameterValue", "Unable to parse pagination token"):
        ec2.describe_instances(MaxResults=5, NextToken=token)


def test_E57_the_other_lists_have_pages_too(ec2, twelve):
    for call, key in (
        (ec2.describe_volumes, "Volumes"),
        (ec2.describe_network_interfaces, "NetworkInterfaces"),
        (ec2.describe_images, "Images"),
    ):
        whole = call()[key]
        assert [one for page in all_pages(call, 5) for one in page[key]] == whole


def test_E58_filters_are_joined_by_and_and_values_by_or(ec2, launch):
    a = launch(TagSpecifications=tagged(app="shop", tier="web"))["InstanceId"]
    b = launch(TagSpecifications=tagged(app="shop", tier="db"))["InstanceId"]
    c = launch(TagSpecifications=tagged(app="mail", tier="web"))["InstanceId"]
    cases = [
        (where(**{"tag:app": "shop"}), [a, b]),
        (where(**{"tag:app": "shop", "tag:tier": "web"}), [a]),
        (where(**{"tag:tier": ["web", "db"]}), [a, b, c]),
        (where(**{"tag:app": "SHOP"}), []),
        (where(**{"tag:app": "s*", "tag:tier": "?b"}), [b]),
        (where(**{"tag:app": "s?"}), []),
        (where(**{"tag:app": ["shop?", "??mail"]}), [a, b, c]),  # zero characters or one
        (where(**{"tag:app": "sho??p"}), [a, b]),
        (where(tag_key="tier"), [a, b, c]),
        (where(instance_state_name=["pending", "running"], **{"tag:app": "mail"}), [c]),
        (where(instance_state_name="stopped"), []),
        (where(instance_state_code="0"), [a, b, c]),
    ]
    for filters, expected in cases:
        assert ids(ec2.describe_instances(Filters=filters)) == expected, filters


def test_E58_a_star_or_question_mark_can_be_meant_literally(ec2, launch):
    starred = launch(TagSpecifications=tagged(app="a*b"))["InstanceId"]
    launch(TagSpecifications=tagged(app="axb"))
    assert ids(ec2.describe_instances(Filters=where(**{"tag:app": "a\\*b"}))) == [starred]


def test_E58_many_properties_can_be_filtered(ec2, launch, instance_of):
    group_id = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    instance = instance_of(launch(until="running", SecurityGroupIds=[group_id])["InstanceId"])
    launch(
        SubnetId=ec2.describe_subnets()["Subnets"][1]["SubnetId"],
        InstanceType="t3.small",
        MetadataOptions={"HttpTokens": "required"},
    )
    interface = instance["NetworkInterfaces"][0]
    for name, value in {
        "availability-zone": "us-east-1a",
        "block-device-mapping.volume-id": instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"],
        "dns-name": instance["PublicDnsName"],
        "instance-state-name": "running",
        "instance-type": "t3.micro",
        "instance.group-id": group_id,
        "instance.group-name": "g",
        "ip-address": instance["PublicIpAddress"],
        "metadata-options.http-tokens": "optional",
        "network-interface.network-interface-id": interface["NetworkInterfaceId"],
        "network-interface.group-id": group_id,
        "private-ip-address": instance["PrivateIpAddress"],
        "reservation-id": ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0][
            "ReservationId"
        ],
        "subnet-id": instance["SubnetId"],
    }.items():
        assert ids(ec2.describe_instances(Filters=where(**{name: value}))) == [instance["InstanceId"]], name
    assert len(ids(ec2.describe_instances(Filters=where(vpc_id=instance["VpcId"], image_id=instance["ImageId"])))) == 2
    # Known to AWS, but no instance here has it.
    assert ids(ec2.describe_instances(Filters=where(host_id="h-1"))) == []


@pytest.mark.parametrize(
    "call",
    [
        "describe_instances", "describe_instance_status", "describe_volumes", "describe_volumes_modifications",
        "describe_security_groups", "describe_security_group_rules", "describe_network_interfaces", "describe_images",
        "describe_tags", "describe_vpcs", "describe_subnets", "describe_key_pairs", "describe_instance_types",
        "describe_addresses", "describe_availability_zones",
    ],
)  # fmt: skip
def test_E58_an_unknown_filter_is_refused(ec2, refused, call):
    with refused("InvalidParameterValue", "The filter 'nonsense' is invalid"):
        getattr(ec2, call)(Filters=where(nonsense="x"))


def test_E58_at_most_200_values(ec2, refused):
    ec2.describe_instances(Filters=where(instance_id=["i-00000000000000000"] * 200))
    with refused("FilterLimitExceeded"):
        ec2.describe_instances(Filters=where(instance_id=["i-00000000000000000"] * 201))


def status_of(ec2, instance_id: str, **parameters: object) -> list[tuple[str, str, str]]:
    listed = ec2.describe_instance_status(InstanceIds=[instance_id], **parameters)["InstanceStatuses"]
    return [
        (one["InstanceState"]["Name"], one["InstanceStatus"]["Status"], one["SystemStatus"]["Status"]) for one in listed
    ]


def test_E59_status_of_running_instances_only_unless_all_are_asked_for(ec2, launch, settle):
    instance_id = launch()["InstanceId"]
    assert status_of(ec2, instance_id) == []
    assert status_of(ec2, instance_id, IncludeAllInstances=True) == [("pending", "not-applicable", "not-applicable")]
    settle()
    assert status_of(ec2, instance_id) == [("running", "initializing", "initializing")]
    settle(), settle()
    assert status_of(ec2, instance_id) == [("running", "ok", "ok")]
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    assert status_of(ec2, instance_id) == []
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert status_of(ec2, instance_id) == [("running", "initializing", "initializing")]


def test_E59_filters_of_the_status(ec2, launch, settle):
    launch(until="running")
    settle(), settle()
    ok = launch(until="running")["InstanceId"]
    found = ec2.describe_instance_status(Filters=where(**{"instance-status.status": "initializing"}))[
        "InstanceStatuses"
    ]
    assert [one["InstanceId"] for one in found] == [ok]


def test_E59_failed_checks(ec2, launch, dial, settle):
    instance_id = launch(until="running")["InstanceId"]
    dial(impaired=[instance_id])
    assert status_of(ec2, instance_id) == [("running", "impaired", "impaired")]
    found = ec2.describe_instance_status(Filters=where(**{"instance-status.reachability": "failed"}))[
        "InstanceStatuses"
    ]
    assert [one["InstanceId"] for one in found] == [instance_id]


def test_E59_a_retirement_is_announced_and_a_stop_completes_it(ec2, launch, dial, settle):
    instance_id = launch(until="running")["InstanceId"]
    dial(retiring=[instance_id])

    def event() -> dict:
        [shown] = ec2.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)["InstanceStatuses"]
        return shown["Events"][0]

    assert event()["Code"] == "instance-retirement"
    assert not event()["Description"].startswith("[Completed]")
    assert event()["NotBefore"]
    found = ec2.describe_instance_status(Filters=where(**{"event.code": "instance-retirement"}))["InstanceStatuses"]
    assert [one["InstanceId"] for one in found] == [instance_id]
    ec2.stop_instances(InstanceIds=[instance_id])
    settle()
    ec2.start_instances(InstanceIds=[instance_id])
    settle()
    assert event()["Description"].startswith("[Completed]")


def test_E59_at_most_100_ids(ec2, refused):
    with refused("InvalidParameterValue"):
        ec2.describe_instance_status(InstanceIds=[f"i-{n:017x}" for n in range(101)])


def test_a_thousand_and_more_instances(ec2, ami, settle):
    for batch in range(12):
        ec2.run_instances(
            ImageId=ami, InstanceType="t3.micro", MinCount=100, MaxCount=100, ClientToken=f"batch-{batch}",
            TagSpecifications=tagged(fleet="big", batch=str(batch)),
        )  # fmt: skip
    settle()
    whole = ids(ec2.describe_instances())
    assert len(whole) == len(set(whole)) == 1200
    pages = all_pages(ec2.describe_instances, 1000, Filters=where(**{"tag:fleet": "big"}))
    assert [len(ids(page)) for page in pages] == [1000, 200]
    assert [one for page in pages for one in ids(page)] == whole
    assert len(ids(ec2.describe_instances(Filters=where(**{"tag:batch": "7"})))) == 100
    assert len(ids(ec2.describe_instances(Filters=where(client_token="batch-7")))) == 100
    assert all(
        one["State"]["Name"] == "running"
        for one in ec2.describe_instances(MaxResults=5)["Reservations"][0]["Instances"]
    )
    ec2.terminate_instances(InstanceIds=whole[:1000])
    settle()
    assert len(ids(ec2.describe_instances(Filters=where(instance_state_name="running")))) == 200
