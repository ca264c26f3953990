"""E49..E52."""

import pytest
from conftest import where

SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


def allow(*cidrs: str, **ports: object) -> dict:
    return {**SSH, **ports, "IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}


@pytest.fixture
def group(ec2) -> str:
    return ec2.create_security_group(GroupName="web", Description="d")["GroupId"]


@pytest.fixture
def own_vpc(ec2) -> str:
    return ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


def described(ec2, group_id: str) -> dict:
    [found] = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return found


def ingress(ec2, group_id: str) -> list[str]:
    return [one["CidrIp"] for permission in described(ec2, group_id)["IpPermissions"] for one in permission["IpRanges"]]


def rules(ec2, group_id: str, egress: bool = False) -> list[dict]:
    found = ec2.describe_security_group_rules(Filters=where(group_id=group_id))["SecurityGroupRules"]
    return [rule for rule in found if rule["IsEgress"] == egress]


def test_E49_a_taken_name_is_refused_whatever_its_case(ec2, group, refused, own_vpc):
    vpc_id = described(ec2, group)["VpcId"]
    for name in ("web", "WEB"):
        with refused("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'"):
            ec2.create_security_group(GroupName=name, Description="d")
    ec2.create_security_group(GroupName="web", Description="d", VpcId=own_vpc)


@pytest.mark.parametrize("name", ["sg-web", "x" * 256, "naïve", "default"])
def test_E49_names_that_aws_refuses(ec2, refused, name):
    with refused("InvalidGroup.Reserved" if name == "default" else "InvalidParameterValue"):
        ec2.create_security_group(GroupName=name, Description="d")


def test_E49_an_unknown_vpc_is_refused(ec2, refused):
    with refused("InvalidVpcID.NotFound"):
        ec2.create_security_group(GroupName="web", Description="d", VpcId="vpc-00000000000000000")


def test_E49_a_new_group_lets_everything_out_and_nothing_in(ec2, group):
    shown = described(ec2, group)
    assert shown["IpPermissions"] == []
    [out] = shown["IpPermissionsEgress"]
    assert (out["IpProtocol"], out["IpRanges"]) == ("-1", [{"CidrIp": "0.0.0.0/0"}])
    assert "FromPort" not in out


def test_E50_the_same_rule_again_is_refused_and_nothing_of_the_call_applied(ec2, group, refused):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    message = 'the specified rule "peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already exists'
    again = {**SSH, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "another"}]}
    with refused("InvalidPermission.Duplicate", message):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("192.168.0.0/16"), again])
    assert ingress(ec2, group) == ["10.0.0.0/8"]


def test_E50_host_bits_are_dropped(ec2, group, refused):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.5/8")])
    assert ingress(ec2, group) == ["10.0.0.0/8"]
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])


def test_E50_twice_in_a_call_is_refused(ec2, group, refused):
    with refused("InvalidParameterValue", "The same permission must not appear multiple times"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.1/8", "10.0.0.2/8")])


@pytest.mark.parametrize(
    "permission",
    [
        allow("10.0.0.0/8", FromPort=90, ToPort=80),
        allow("10.0.0.0/8", FromPort=0, ToPort=70000),
        allow("10.0.0.0/40"),
        allow("10.0.0.1"),
        allow("fd00::/8"),
        {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {**SSH, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "naïve"}]},
        {**SSH, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "x" * 256}]},
        {"IpProtocol": "nonsense", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        SSH,
    ],
    ids=str,
)
def test_E50_wrong_permissions_are_refused(ec2, group, refused, permission):
    with refused("InvalidParameterValue"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    assert described(ec2, group)["IpPermissions"] == []


def test_E50_a_rule_names_only_groups_of_its_own_vpc(ec2, group, own_vpc, refused):
    foreign = ec2.create_security_group(GroupName="web", Description="d", VpcId=own_vpc)["GroupId"]
    permissions = [allow("10.0.0.0/8"), {**SSH, "UserIdGroupPairs": [{"GroupId": foreign}]}]
    with refused("InvalidGroup.NotFound", "You have specified two resources that belong to different networks."):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    assert described(ec2, group)["IpPermissions"] == []


def test_E51_the_reply_has_each_rule_s_id_good_for_revoke_and_descriptions(ec2, group):
    permissions = [allow("10.0.0.0/8", "192.168.0.0/16"), allow("0.0.0.0/0", FromPort=80, ToPort=80)]
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)["SecurityGroupRules"]
    assert [(one["CidrIpv4"], one["FromPort"]) for one in made] == [
        ("10.0.0.0/8", 22),
        ("192.168.0.0/16", 22),
        ("0.0.0.0/0", 80),
    ]
    assert [one["SecurityGroupRuleId"] for one in rules(ec2, group)] == [one["SecurityGroupRuleId"] for one in made]
    web = made[2]["SecurityGroupRuleId"]
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group, SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId": web, "Description": "HTTP"}]
    )
    assert [one.get("Description") for one in rules(ec2, group)] == [None, None, "HTTP"]
    revoked = ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[web])
    assert [one["SecurityGroupRuleId"] for one in revoked["RevokedSecurityGroupRules"]] == [web]
    assert ingress(ec2, group) == ["10.0.0.0/8", "192.168.0.0/16"]


def test_E51_descriptions_by_permission(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    described_as = {**SSH, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "office"}]}
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[described_as])
    [rule] = rules(ec2, group)
    assert rule["Description"] == "office"


def test_E51_revoke_of_a_missing_rule_is_told_in_the_default_vpc(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    answer = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8", "172.16.0.0/12")])
    [unknown] = answer["UnknownIpPermissions"]
    assert unknown["IpRanges"] == [{"CidrIp": "172.16.0.0/12"}]
    assert ingress(ec2, group) == []


def test_E51_revoke_of_a_missing_rule_is_an_error_in_another_vpc(ec2, own_vpc, refused):
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=own_vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8", "172.16.0.0/12")])
    assert ingress(ec2, group) == ["10.0.0.0/8"]


def test_E51_revoke_of_an_unknown_rule_id_is_refused(ec2, group, refused):
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=["sgr-00000000000000000"])
    with refused("InvalidSecurityGroupRuleId.NotFound"):  # an egress rule is none of ingress
        ec2.revoke_security_group_ingress(
            GroupId=group, SecurityGroupRuleIds=[rules(ec2, group, True)[0]["SecurityGroupRuleId"]]
        )


def test_E51_egress_is_revoked_and_authorized_likewise(ec2, group):
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
    assert described(ec2, group)["IpPermissionsEgress"] == []
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    [rule] = rules(ec2, group, egress=True)
    assert (rule["CidrIpv4"], rule["FromPort"]) == ("10.0.0.0/8", 22)


def test_E52_a_group_of_an_interface_cannot_be_deleted(ec2, group, launch, refused):
    launch(SecurityGroupIds=[group])
    with refused("DependencyViolation", f"resource {group} has a dependent object"):
        ec2.delete_security_group(GroupId=group)


def test_E52_a_group_of_an_invisible_interface_cannot_be_deleted(ec2, group, launch, dial, clock, refused):
    clock.advance(60)
    dial(visibilitySeconds=30)
    launch(SecurityGroupIds=[group])
    assert ec2.describe_network_interfaces(Filters=where(group_id=group))["NetworkInterfaces"] == []
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)


def test_E52_a_group_that_another_s_rule_names_cannot_be_deleted(ec2, group, refused):
    other = ec2.create_security_group(GroupName="other", Description="d")["GroupId"]
    pair = {**SSH, "UserIdGroupPairs": [{"GroupId": group}]}
    for holder in (other, group):  # its own rule does not count
        ec2.authorize_security_group_ingress(GroupId=holder, IpPermissions=[pair])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[pair])
    ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        described(ec2, group)


def test_E52_the_default_group_cannot_be_deleted(ec2, refused):
    [default] = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupId=default["GroupId"])


def test_E52_sixty_rules_in_each_direction(ec2, group, refused):
    sixty = [allow(*(f"10.{n}.0.0/16" for n in range(60)))]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=sixty)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[allow(*(f"10.{n}.0.0/16" for n in range(59)))])
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.99.0.0/16")])
    assert len(ingress(ec2, group)) == 60


def test_E52_five_groups_for_an_interface(ec2, launch, refused):
    groups = [ec2.create_security_group(GroupName=f"g{n}", Description="d")["GroupId"] for n in range(6)]
    launch(SecurityGroupIds=groups[:5])
    with refused("SecurityGroupsPerInterfaceLimitExceeded"):
        launch(SecurityGroupIds=groups)


def test_all_kinds_of_peers_and_protocols_come_back(ec2, group):
    prefix_list = ec2.create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4")["PrefixList"][
        "PrefixListId"
    ]
    permissions = [
        {
            "IpProtocol": "6",
            "FromPort": 443,
            "ToPort": 443,
            "Ipv6Ranges": [{"CidrIpv6": "2001:DB8::1/32", "Description": "six"}],
        },
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group, "Description": "self"}]},
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "PrefixListIds": [{"PrefixListId": prefix_list}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    shown = {one["IpProtocol"]: one for one in described(ec2, group)["IpPermissions"]}
    assert shown["tcp"]["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::/32", "Description": "six"}]
    assert (shown["icmp"]["FromPort"], shown["icmp"]["ToPort"]) == (8, -1)
    assert shown["-1"]["UserIdGroupPairs"] == [{"GroupId": group, "UserId": "123456789012", "Description": "self"}]
    assert shown["udp"]["PrefixListIds"] == [{"PrefixListId": prefix_list}]
    by_protocol = {rule["IpProtocol"]: rule for rule in rules(ec2, group)}
    assert by_protocol["-1"]["ReferencedGroupInfo"] == {"GroupId": group, "UserId": "123456789012"}
    assert (by_protocol["-1"]["FromPort"], by_protocol["-1"]["ToPort"]) == (-1, -1)


def test_the_older_parameters_of_a_rule(ec2, group):
    ec2.authorize_security_group_ingress(GroupName="web", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8")
    assert ingress(ec2, group) == ["10.0.0.0/8"]
    ec2.revoke_security_group_ingress(GroupName="web", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8")
    assert ingress(ec2, group) == []


def test_a_rule_is_changed_under_its_id(ec2, group, refused):
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8", "172.16.0.0/12")])
    first, second = (one["SecurityGroupRuleId"] for one in made["SecurityGroupRules"])
    request = {**SSH, "CidrIpv4": "192.168.0.0/16", "Description": "new"}
    ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": first, "SecurityGroupRule": request}]
    )
    assert ingress(ec2, group) == ["192.168.0.0/16", "172.16.0.0/12"]
    with refused("InvalidPermission.Duplicate"):
        ec2.modify_security_group_rules(
            GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": second, "SecurityGroupRule": request}]
        )
    assert ingress(ec2, group) == ["192.168.0.0/16", "172.16.0.0/12"]


def test_filters_of_groups_look_at_their_rules(ec2, group):
    ec2.create_security_group(GroupName="other", Description="d")
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[allow("10.0.0.0/8")])
    for filters in (
        where(**{"ip-permission.cidr": "10.*", "group-name": "w?b"}),
        where(**{"ip-permission.from-port": "22"}),
    ):
        found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
        assert [one["GroupId"] for one in found] == [group]


def test_a_vpc_brings_and_takes_its_default_group_and_cannot_go_before_the_others(ec2, own_vpc, refused):
    [default] = ec2.describe_security_groups(Filters=where(vpc_id=own_vpc))["SecurityGroups"]
    assert default["GroupName"] == "default"
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=own_vpc)["GroupId"]
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=own_vpc)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=own_vpc)
    assert ec2.describe_security_groups(Filters=where(vpc_id=own_vpc))["SecurityGroups"] == []
