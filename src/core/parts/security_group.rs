//! A security group that a resource owns and keeps exactly as its spec says.

use std::fmt;

use crate::aws::Failure;
use crate::aws::ec2::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, CreateSecurityGroup, DeleteSecurityGroup, Direction,
    GroupRules, Peer, RevokeSecurityGroupEgress, RevokeSecurityGroupIngress, Rule, Rules, SecurityGroup,
    UpdateSecurityGroupRuleDescriptionsEgress, UpdateSecurityGroupRuleDescriptionsIngress,
};
use crate::engine::gate::Aws;
use crate::engine::kind::Learned;

/// The ledger's name for it.
pub const PART: &str = "securityGroup";

/// The rules that a group is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What may come in.
    pub ingress: Rules,
    /// What may go out.
    pub egress: Egress,
}

/// What may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Egress {
    /// Everything: the rule that AWS puts into a new group, and the same for IPv6, which AWS adds
    /// by itself where the VPC has it.
    Everything,
    /// Exactly this.
    Exactly(Rules),
}

/// What is done to rules of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Let through.
    Authorize,
    /// Let through no longer.
    Revoke,
    /// Say what they are for.
    Describe,
}

/// One write to a security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates it.
    Create(CreateSecurityGroup),
    /// Deletes it.
    Delete {
        /// `sg-…`.
        group_id: String,
    },
    /// Changes rules.
    Rules {
        /// What to do.
        verb: Verb,
        /// In which direction.
        direction: Direction,
        /// With which rules.
        rules: GroupRules,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(create) => write!(f, "create security group {} in {}", create.name, create.vpc_id),
            Self::Delete { group_id } => write!(f, "delete security group {group_id}"),
            Self::Rules { verb, direction, rules } => {
                let verb = match verb {
                    Verb::Authorize => "authorize",
                    Verb::Revoke => "revoke",
                    Verb::Describe => "describe",
                };
                write!(f, "{verb} {} {}", way(*direction), shown(&rules.rules))
            }
        }
    }
}

const fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// Rules as people write them: `tcp 22 from 203.0.113.0/24`.
#[must_use]
pub fn shown(rules: &Rules) -> String {
    if rules.is_empty() {
        return "none".to_owned();
    }
    rules.keys().map(rule_text).collect::<Vec<_>>().join(", ")
}

fn rule_text(rule: &Rule) -> String {
    let protocol = if rule.protocol == "-1" { "all" } else { &rule.protocol };
    let ports = match (rule.from_port, rule.to_port) {
        (Some(from), Some(to)) if from == to && from >= 0 => format!(" {from}"),
        (Some(from), Some(to)) if from >= 0 => format!(" {from}-{to}"),
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    let peer = match &rule.peer {
        Peer::Ipv4(peer) | Peer::Ipv6(peer) | Peer::Group(peer) | Peer::PrefixList(peer) => peer,
    };
    format!("{protocol}{ports} {peer}")
}

/// Everything to one network.
#[must_use]
pub fn everything_to(peer: Peer) -> Rule {
    Rule {
        protocol: "-1".to_owned(),
        from_port: None,
        to_port: None,
        peer,
    }
}

/// One difference between a group's rules and the wanted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which direction.
    pub direction: Direction,
    /// What AWS has.
    pub from: String,
    /// What is wanted.
    pub to: String,
    /// The writes that mend it; what is missing is let through before anything is taken away.
    pub steps: Vec<Step>,
}

/// What differs between a group and the wanted rules, at most one entry for each direction.
#[must_use]
pub fn differences(group: &SecurityGroup, wanted: &Wanted) -> Vec<Difference> {
    let egress = match &wanted.egress {
        Egress::Everything => everything_with(&group.egress),
        Egress::Exactly(rules) => rules.clone(),
    };
    [
        difference(&group.id, Direction::Ingress, &group.ingress, &wanted.ingress),
        difference(&group.id, Direction::Egress, &group.egress, &egress),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// AWS's own egress, with the IPv6 rule if it is there already, and whatever descriptions.
fn everything_with(present: &Rules) -> Rules {
    let ipv4 = everything_to(Peer::Ipv4("0.0.0.0/0".to_owned()));
    let ipv6 = everything_to(Peer::Ipv6("::/0".to_owned()));
    let mut wanted = Rules::new();
    wanted.insert(ipv4.clone(), present.get(&ipv4).cloned().flatten());
    if let Some(description) = present.get(&ipv6) {
        wanted.insert(ipv6, description.clone());
    }
    wanted
}

fn difference(group_id: &str, direction: Direction, present: &Rules, wanted: &Rules) -> Option<Difference> {
    let pick = |from: &Rules, test: &dyn Fn(&Rule, &Option<String>) -> bool| -> Rules {
        from.iter()
            .filter(|(rule, description)| test(rule, description))
            .map(|(rule, description)| (rule.clone(), description.clone()))
            .collect()
    };
    let missing = pick(wanted, &|rule, _| !present.contains_key(rule));
    let surplus = pick(present, &|rule, _| !wanted.contains_key(rule));
    let renamed = pick(wanted, &|rule, description| {
        present.get(rule).is_some_and(|other| other != description)
    });
    if missing.is_empty() && surplus.is_empty() && renamed.is_empty() {
        return None;
    }
    let (from, to) = if missing.is_empty() && surplus.is_empty() {
        ("other descriptions".to_owned(), shown(&renamed))
    } else {
        (shown(present), shown(wanted))
    };
    let step = |verb, rules: Rules| {
        let rules = GroupRules {
            group_id: group_id.to_owned(),
            rules,
        };
        Step::Rules { verb, direction, rules }
    };
    let steps = [
        (Verb::Authorize, missing),
        (Verb::Revoke, surplus),
        (Verb::Describe, renamed),
    ]
    .into_iter()
    .filter(|(_, rules)| !rules.is_empty())
    .map(|(verb, rules)| step(verb, rules))
    .collect();
    Some(Difference {
        direction,
        from,
        to,
        steps,
    })
}

/// Performs one write to a security group.
///
/// # Errors
///
/// Whatever AWS refuses.
pub async fn act(aws: &Aws, step: &Step) -> Result<Learned, Failure> {
    match step.clone() {
        Step::Create(create) => {
            let id = aws.call(create).await?;
            return Ok(Learned::Created { part: PART, id });
        }
        Step::Delete { group_id } => {
            aws.call(DeleteSecurityGroup { group_id }).await?;
            return Ok(Learned::Leaving { part: PART });
        }
        Step::Rules { verb, direction, rules } => match (verb, direction) {
            (Verb::Authorize, Direction::Ingress) => aws.call(AuthorizeSecurityGroupIngress(rules)).await?,
            (Verb::Authorize, Direction::Egress) => aws.call(AuthorizeSecurityGroupEgress(rules)).await?,
            (Verb::Revoke, Direction::Ingress) => aws.call(RevokeSecurityGroupIngress(rules)).await?,
            (Verb::Revoke, Direction::Egress) => aws.call(RevokeSecurityGroupEgress(rules)).await?,
            (Verb::Describe, Direction::Ingress) => {
                aws.call(UpdateSecurityGroupRuleDescriptionsIngress(rules)).await?;
            }
            (Verb::Describe, Direction::Egress) => {
                aws.call(UpdateSecurityGroupRuleDescriptionsEgress(rules)).await?;
            }
        },
    }
    Ok(Learned::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ec2::Tags;
    use expect_test::{Expect, expect};

    fn rule(port: i32, cidr: &str) -> Rule {
        Rule {
            protocol: "tcp".to_owned(),
            from_port: Some(port),
            to_port: Some(port),
            peer: Peer::Ipv4(cidr.to_owned()),
        }
    }

    fn rules(all: &[Rule]) -> Rules {
        all.iter().map(|rule| (rule.clone(), None)).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write `expect!` without more")]
    fn check(ingress: Rules, egress: Rules, wanted: &Wanted, expected: Expect) {
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            name: "n".to_owned(),
            vpc_id: "vpc-1".to_owned(),
            ingress,
            egress,
            tags: Tags::new(),
        };
        let text: String = differences(&group, wanted)
            .iter()
            .flat_map(|difference| &difference.steps)
            .map(|step| format!("{step}\n"))
            .collect();
        expected.assert_eq(&text);
    }

    fn all_out() -> Rules {
        rules(&[everything_to(Peer::Ipv4("0.0.0.0/0".to_owned()))])
    }

    #[test]
    fn a_new_group_with_egress_absent_needs_its_ingress_only() {
        let wanted = Wanted {
            ingress: rules(&[rule(22, "10.0.0.0/8")]),
            egress: Egress::Everything,
        };
        check(
            Rules::new(),
            all_out(),
            &wanted,
            expect![[r"
                authorize ingress tcp 22 10.0.0.0/8
            "]],
        );
    }

    #[test]
    fn a_rule_added_by_hand_is_taken_away_and_a_missing_one_comes_first() {
        let wanted = Wanted {
            ingress: rules(&[rule(22, "10.0.0.0/8")]),
            egress: Egress::Everything,
        };
        check(
            rules(&[rule(3389, "0.0.0.0/0")]),
            all_out(),
            &wanted,
            expect![[r"
                authorize ingress tcp 22 10.0.0.0/8
                revoke ingress tcp 3389 0.0.0.0/0
            "]],
        );
    }

    #[test]
    fn empty_egress_lets_nothing_out() {
        let wanted = Wanted {
            ingress: Rules::new(),
            egress: Egress::Exactly(Rules::new()),
        };
        check(
            Rules::new(),
            all_out(),
            &wanted,
            expect![[r"
                revoke egress all 0.0.0.0/0
            "]],
        );
    }

    #[test]
    fn awss_own_ipv6_rule_is_no_drift() {
        let mut present = all_out();
        present.insert(everything_to(Peer::Ipv6("::/0".to_owned())), None);
        let wanted = Wanted {
            ingress: Rules::new(),
            egress: Egress::Everything,
        };
        check(Rules::new(), present, &wanted, expect![""]);
    }

    #[test]
    fn a_description_changes_in_place() {
        let mut ingress = Rules::new();
        ingress.insert(rule(22, "10.0.0.0/8"), Some("SSH".to_owned()));
        let wanted = Wanted {
            ingress,
            egress: Egress::Everything,
        };
        check(
            rules(&[rule(22, "10.0.0.0/8")]),
            all_out(),
            &wanted,
            expect![[r"
                describe ingress tcp 22 10.0.0.0/8
            "]],
        );
    }
}
