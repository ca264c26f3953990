//! Rules of security groups.

use super::nuvem_core::aws::ec2::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, GroupRules, Peer, RevokeSecurityGroupEgress,
    RevokeSecurityGroupIngress, Rule, Rules, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsIngress,
};
use super::stage::{Stage, assert_refused, network, refusal, rules, tcp};

async fn ingress(stage: &Stage, id: &str) -> Rules {
    stage.seen_group(id).await.expect("found").ingress
}

pub async fn e50_a_rule_that_is_there_already_fails_the_whole_call(stage: &Stage) {
    let id = stage.group().await;
    let present = rules(&id, [tcp(22, network("10.0.0.0/8"))]);
    stage
        .ask(AuthorizeSecurityGroupIngress(present.clone()))
        .await
        .expect("allowed");
    let mut both = rules(&id, [tcp(22, network("10.0.0.0/8")), tcp(80, network("0.0.0.0/0"))]);
    for description in both.rules.values_mut() {
        // AWS compares rules without their descriptions.
        *description = Some("another".to_owned());
    }
    assert_refused(
        stage.ask(AuthorizeSecurityGroupIngress(both)).await,
        "InvalidPermission.Duplicate",
        "the specified rule \"peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW\" already exists",
    );
    assert_eq!(ingress(stage, &id).await, present.rules);
}

pub async fn e50_a_network_is_kept_in_canonical_form(stage: &Stage) {
    let id = stage.group().await;
    let wanted = rules(
        &id,
        [
            tcp(22, network("10.0.0.5/8")),
            tcp(22, Peer::Ipv6("2001:DB8:0::1/32".to_owned())),
        ],
    );
    stage.ask(AuthorizeSecurityGroupIngress(wanted)).await.expect("allowed");
    let canonical = rules(
        &id,
        [
            tcp(22, network("10.0.0.0/8")),
            tcp(22, Peer::Ipv6("2001:db8::/32".to_owned())),
        ],
    );
    assert_eq!(ingress(stage, &id).await, canonical.rules);
    for malformed in ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", "300.0.0.0/8"] {
        let wanted = rules(&id, [tcp(22, network(malformed))]);
        let (_, code, _) = refusal(stage.ask(AuthorizeSecurityGroupIngress(wanted)).await);
        assert_eq!(code, "InvalidParameterValue", "{malformed}");
    }
}

pub async fn e50_a_rule_given_twice_in_a_call_is_refused(stage: &Stage) {
    let id = stage.group().await;
    let twice = rules(&id, [tcp(22, network("10.0.0.5/8")), tcp(22, network("10.0.0.6/8"))]);
    assert_refused(
        stage.ask(AuthorizeSecurityGroupIngress(twice)).await,
        "InvalidParameterValue",
        "The same permission must not appear multiple times",
    );
    assert_eq!(ingress(stage, &id).await, Rules::new());
}

/// A group with one rule, and a call that would revoke that one and one that is missing.
async fn one_of_two(stage: &Stage, vpc_id: &str) -> (String, GroupRules, GroupRules) {
    let id = stage.group_in(vpc_id).await;
    let present = rules(&id, [tcp(22, network("10.0.0.0/8"))]);
    stage
        .ask(AuthorizeSecurityGroupIngress(present.clone()))
        .await
        .expect("allowed");
    let both = rules(&id, [tcp(22, network("10.0.0.0/8")), tcp(80, network("0.0.0.0/0"))]);
    (id, present, both)
}

pub async fn e51_revoking_a_missing_rule_in_the_default_vpc_is_passed_over(stage: &Stage) {
    let (id, _, both) = one_of_two(stage, &stage.grounds.default_vpc).await;
    stage.ask(RevokeSecurityGroupIngress(both)).await.expect("200");
    assert_eq!(ingress(stage, &id).await, Rules::new());
}

pub async fn e51_revoking_a_missing_rule_in_another_vpc_fails_the_whole_call(stage: &Stage) {
    let (id, present, both) = one_of_two(stage, &stage.grounds.other_vpc).await;
    let (_, code, _) = refusal(stage.ask(RevokeSecurityGroupIngress(both)).await);
    assert_eq!(code, "InvalidPermission.NotFound");
    assert_eq!(ingress(stage, &id).await, present.rules);
    stage.ask(RevokeSecurityGroupIngress(present)).await.expect("revoked");
    assert_eq!(ingress(stage, &id).await, Rules::new());
}

pub async fn e52_a_direction_has_at_most_60_rules(stage: &Stage) {
    let id = stage.group().await;
    let many = |from: i32, number: i32| GroupRules {
        group_id: id.clone(),
        rules: (from..from + number)
            .map(|port| (tcp(port, network("10.0.0.0/8")), None))
            .collect(),
    };
    let (_, code, _) = refusal(stage.ask(AuthorizeSecurityGroupIngress(many(1, 61))).await);
    assert_eq!(code, "RulesPerSecurityGroupLimitExceeded");
    assert_eq!(ingress(stage, &id).await, Rules::new());
    stage
        .ask(AuthorizeSecurityGroupIngress(many(1, 60)))
        .await
        .expect("60 are fine");
    let (_, code, _) = refusal(stage.ask(AuthorizeSecurityGroupIngress(many(61, 1))).await);
    assert_eq!(code, "RulesPerSecurityGroupLimitExceeded");
    assert_eq!(ingress(stage, &id).await.len(), 60);
}

pub async fn descriptions_are_changed_and_taken_away(stage: &Stage) {
    let id = stage.group().await;
    let with = |description: Option<&str>| GroupRules {
        group_id: id.clone(),
        rules: Rules::from([(tcp(22, network("10.0.0.0/8")), description.map(str::to_owned))]),
    };
    stage
        .ask(AuthorizeSecurityGroupIngress(with(Some("one"))))
        .await
        .expect("allowed");
    stage
        .ask(AuthorizeSecurityGroupEgress(with(None)))
        .await
        .expect("allowed");
    for description in [Some("two"), None] {
        stage
            .ask(UpdateSecurityGroupRuleDescriptionsIngress(with(description)))
            .await
            .expect("changed");
        assert_eq!(ingress(stage, &id).await, with(description).rules);
    }
    stage
        .ask(UpdateSecurityGroupRuleDescriptionsEgress(with(Some("out"))))
        .await
        .expect("changed");
    let egress = stage.seen_group(&id).await.expect("found").egress;
    assert_eq!(
        egress.get(&tcp(22, network("10.0.0.0/8"))),
        Some(&Some("out".to_owned()))
    );
    let missing = rules(&id, [tcp(23, network("10.0.0.0/8"))]);
    let (_, code, _) = refusal(stage.ask(UpdateSecurityGroupRuleDescriptionsIngress(missing)).await);
    assert_eq!(code, "InvalidPermission.NotFound");
}

pub async fn rules_of_every_sort_are_read_back_as_given(stage: &Stage) {
    let (id, peer) = (stage.group().await, stage.group().await);
    let rule = |protocol: &str, from_port, to_port, peer| Rule {
        protocol: protocol.to_owned(),
        from_port,
        to_port,
        peer,
    };
    let wanted = GroupRules {
        group_id: id.clone(),
        rules: Rules::from([
            (tcp(22, network("10.0.0.0/8")), Some("ssh".to_owned())),
            (tcp(22, network("192.168.0.0/16")), None),
            (tcp(22, Peer::Group(id.clone())), Some("self".to_owned())),
            (tcp(22, Peer::Group(peer)), None),
            (rule("udp", Some(0), Some(65_535), network("0.0.0.0/0")), None),
            (rule("icmp", Some(8), Some(-1), network("0.0.0.0/0")), None),
            (rule("icmpv6", Some(-1), Some(-1), Peer::Ipv6("::/0".to_owned())), None),
            (
                rule("-1", None, None, Peer::Ipv6("2001:db8::/32".to_owned())),
                Some("all".to_owned()),
            ),
            (rule("50", None, None, network("10.0.0.0/8")), None),
        ]),
    };
    stage
        .ask(AuthorizeSecurityGroupIngress(wanted.clone()))
        .await
        .expect("allowed");
    assert_eq!(ingress(stage, &id).await, wanted.rules);
    stage
        .ask(AuthorizeSecurityGroupEgress(wanted.clone()))
        .await
        .expect("allowed");
    let group = stage.seen_group(&id).await.expect("found");
    assert_eq!(group.egress.len(), wanted.rules.len() + 1, "and AWS's own");
    stage
        .ask(RevokeSecurityGroupIngress(wanted.clone()))
        .await
        .expect("revoked");
    assert_eq!(ingress(stage, &id).await, Rules::new());
    stage
        .ask(RevokeSecurityGroupEgress(GroupRules {
            group_id: id.clone(),
            rules: group.egress,
        }))
        .await
        .expect("revoked");
    assert_eq!(stage.seen_group(&id).await.expect("found").egress, Rules::new());
}

pub async fn e50_protocols_and_ports_are_kept_in_aws_own_words(stage: &Stage) {
    let id = stage.group().await;
    let rule = |protocol: &str, from_port, to_port| Rule {
        protocol: protocol.to_owned(),
        from_port,
        to_port,
        peer: network("10.0.0.0/8"),
    };
    let wanted = rules(
        &id,
        [
            rule("6", Some(22), Some(22)),
            rule("17", Some(53), Some(53)),
            rule("-1", Some(1), Some(2)),
        ],
    );
    stage.ask(AuthorizeSecurityGroupIngress(wanted)).await.expect("allowed");
    let kept = rules(
        &id,
        [
            rule("tcp", Some(22), Some(22)),
            rule("udp", Some(53), Some(53)),
            rule("-1", None, None),
        ],
    );
    assert_eq!(ingress(stage, &id).await, kept.rules);
}

pub async fn e50_ports_that_make_no_sense_are_refused(stage: &Stage) {
    let id = stage.group().await;
    for (from_port, to_port) in [
        (Some(90), Some(80)),
        (Some(-1), Some(80)),
        (Some(80), Some(65_536)),
        (None, None),
    ] {
        let rule = Rule {
            from_port,
            to_port,
            ..tcp(0, network("10.0.0.0/8"))
        };
        let (status, code, _) = refusal(stage.ask(AuthorizeSecurityGroupIngress(rules(&id, [rule]))).await);
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidParameterValue"),
            "{from_port:?} {to_port:?}"
        );
    }
    assert_eq!(ingress(stage, &id).await, Rules::new());
}

pub async fn a_rule_names_only_groups_of_its_network(stage: &Stage) {
    let (id, other) = (stage.group().await, stage.group_in(&stage.grounds.other_vpc).await);
    let across = rules(&id, [tcp(22, Peer::Group(other))]);
    assert_refused(
        stage.ask(AuthorizeSecurityGroupIngress(across)).await,
        "InvalidGroup.NotFound",
        "You have specified two resources that belong to different networks.",
    );
    let unknown = rules(&id, [tcp(22, Peer::Group("sg-0ffffffffffffffff".to_owned()))]);
    let words = "The security group 'sg-0ffffffffffffffff' does not exist";
    assert_refused(
        stage.ask(AuthorizeSecurityGroupIngress(unknown)).await,
        "InvalidGroup.NotFound",
        words,
    );
}
