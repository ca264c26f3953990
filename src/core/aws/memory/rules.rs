//! The rules of security groups: one protocol, one port range, one peer each (E50, E51).

use ipnet::{Ipv4Net, Ipv6Net};

use super::super::AwsError;
use super::super::ec2::{
    AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress, Direction, GroupRules, Peer,
    RevokeSecurityGroupEgress, RevokeSecurityGroupIngress, Rule, Rules, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsIngress,
};
use super::groups::{Group, different_networks};
use super::refusals::{Named, invalid_value, missing, refused};
use super::world::{Act, Site};

/// How many rules of one direction a group may have, IPv4 and IPv6 counted apart (E52).
const MOST: usize = 60;
const LONGEST_DESCRIPTION: usize = 255;

impl Group {
    fn rules_mut(&mut self, direction: Direction) -> &mut Rules {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

impl Site<'_> {
    /// The rules of a call as AWS understands them.
    fn understood(&self, vpc_id: &str, rules: Rules) -> Result<Rules, AwsError> {
        if rules.is_empty() {
            return Err(missing("IpPermissions"));
        }
        let number = rules.len();
        let mut understood = Rules::new();
        for (rule, description) in rules {
            if description
                .as_ref()
                .is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION)
            {
                return Err(invalid_value("Descriptions are at most 255 characters long."));
            }
            understood.insert(
                self.canonical(vpc_id, rule)?,
                description.filter(|text| !text.is_empty()),
            );
        }
        // Rules that were written differently and mean the same have become one (E50).
        if understood.len() < number {
            return Err(invalid_value("The same permission must not appear multiple times"));
        }
        Ok(understood)
    }

    fn canonical(&self, vpc_id: &str, rule: Rule) -> Result<Rule, AwsError> {
        let protocol = protocol(&rule.protocol)?;
        let (from_port, to_port) = ports(&protocol, rule.from_port, rule.to_port)?;
        Ok(Rule {
            protocol,
            from_port,
            to_port,
            peer: self.peer(vpc_id, rule.peer)?,
        })
    }

    /// E50: 10.0.0.5/8 becomes 10.0.0.0/8.
    fn peer(&self, vpc_id: &str, peer: Peer) -> Result<Peer, AwsError> {
        let malformed = |text: &str| invalid_value(format!("CIDR block {text} is malformed"));
        Ok(match peer {
            Peer::Ipv4(text) => {
                let network: Ipv4Net = text.parse().map_err(|_| malformed(&text))?;
                Peer::Ipv4(network.trunc().to_string())
            }
            Peer::Ipv6(text) => {
                let network: Ipv6Net = text.parse().map_err(|_| malformed(&text))?;
                Peer::Ipv6(network.trunc().to_string())
            }
            Peer::Group(id) => {
                if self.group(&id)?.vpc_id != vpc_id {
                    return Err(different_networks());
                }
                Peer::Group(id)
            }
            Peer::PrefixList(id) => {
                if self.region.catalogue.network.prefix_list() != id {
                    return Err(Named::PrefixList.unknown(&id));
                }
                Peer::PrefixList(id)
            }
        })
    }

    /// E50, E52: all of a call's rules or none.
    fn authorize(&mut self, wanted: GroupRules, direction: Direction) -> Result<(), AwsError> {
        let rules = self.understood(&self.group(&wanted.group_id)?.vpc_id, wanted.rules)?;
        let present = self.group_mut(&wanted.group_id)?.rules_mut(direction);
        if let Some(rule) = rules.keys().find(|rule| present.contains_key(rule)) {
            return Err(refused(
                "InvalidPermission.Duplicate",
                format!("the specified rule \"{}\" already exists", in_words(rule)),
            ));
        }
        let counts = |is_other: fn(&Peer) -> bool| {
            present
                .keys()
                .chain(rules.keys())
                .filter(|rule| !is_other(&rule.peer))
                .count()
        };
        if counts(|peer| matches!(peer, Peer::Ipv6(_))) > MOST || counts(|peer| matches!(peer, Peer::Ipv4(_))) > MOST {
            return Err(refused(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            ));
        }
        present.extend(rules);
        Ok(())
    }

    /// E51: a missing rule is passed over in the default VPC; in others it fails all.
    fn revoke(&mut self, wanted: GroupRules, direction: Direction) -> Result<(), AwsError> {
        let vpc_id = &self.group(&wanted.group_id)?.vpc_id;
        let is_lenient = vpc_id == self.region.catalogue.network.default_vpc();
        let rules = self.understood(vpc_id, wanted.rules)?;
        let present = self.group_mut(&wanted.group_id)?.rules_mut(direction);
        if !is_lenient && rules.keys().any(|rule| !present.contains_key(rule)) {
            return Err(no_such_rule());
        }
        present.retain(|rule, _| !rules.contains_key(rule));
        Ok(())
    }

    /// An absent description takes the present one away.
    fn describe_rules(&mut self, wanted: GroupRules, direction: Direction) -> Result<(), AwsError> {
        let rules = self.understood(&self.group(&wanted.group_id)?.vpc_id, wanted.rules)?;
        let present = self.group_mut(&wanted.group_id)?.rules_mut(direction);
        if rules.keys().any(|rule| !present.contains_key(rule)) {
            return Err(no_such_rule());
        }
        present.extend(rules);
        Ok(())
    }
}

fn no_such_rule() -> AwsError {
    refused(
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
}

fn protocol(text: &str) -> Result<String, AwsError> {
    let lower = text.to_lowercase();
    let name = match lower.as_str() {
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        "-1" | "all" => "-1",
        other if other.parse::<u8>().is_ok() => other,
        _ => {
            return Err(invalid_value(format!(
                "Invalid value '{text}' for IP protocol. Unknown protocol."
            )));
        }
    };
    Ok(name.to_owned())
}

type Ports = (Option<i32>, Option<i32>);

/// Only TCP, UDP and ICMP have ports (of ICMP, type and code); AWS drops them elsewhere.
fn ports(protocol: &str, first: Option<i32>, last: Option<i32>) -> Result<Ports, AwsError> {
    match protocol {
        "tcp" | "udp" => {
            let (Some(first), Some(last)) = (first, last) else {
                return Err(invalid_value(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
                ));
            };
            if first < 0 || first > last || last > 65535 {
                return Err(invalid_value(format!("Invalid TCP/UDP port range ({first}:{last})")));
            }
            Ok((Some(first), Some(last)))
        }
        "icmp" | "icmpv6" => {
            let (kind, code) = (first.unwrap_or(-1), last.unwrap_or(-1));
            if !(-1..=255).contains(&kind) || !(-1..=255).contains(&code) {
                return Err(invalid_value(format!("Invalid ICMP type/code ({kind}:{code})")));
            }
            Ok((Some(kind), Some(code)))
        }
        _ => Ok((None, None)),
    }
}

/// E50: `peer: 10.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW`.
fn in_words(rule: &Rule) -> String {
    let peer = match &rule.peer {
        Peer::Ipv4(peer) | Peer::Ipv6(peer) | Peer::Group(peer) | Peer::PrefixList(peer) => peer,
    };
    let protocol = match rule.protocol.as_str() {
        "-1" => "ALL".to_owned(),
        other => other.to_uppercase(),
    };
    let ports = match (rule.protocol.as_str(), rule.from_port, rule.to_port) {
        ("tcp" | "udp", Some(from), Some(to)) => format!("from port: {from}, to port: {to}, "),
        ("icmp" | "icmpv6", Some(kind), Some(code)) => format!("type: {kind}, code: {code}, "),
        _ => String::new(),
    };
    format!("peer: {peer}, {protocol}, {ports}ALLOW")
}

/// Six operations differ in what they do with the rules and in the direction.
macro_rules! rule_operation {
    ($operation:ty, $does:ident, $direction:ident) => {
        impl Act for $operation {
            fn subject(&self) -> String {
                self.0.group_id.clone()
            }

            fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
                site.$does(self.0, Direction::$direction)
            }
        }
    };
}

rule_operation!(AuthorizeSecurityGroupIngress, authorize, Ingress);
rule_operation!(AuthorizeSecurityGroupEgress, authorize, Egress);
rule_operation!(RevokeSecurityGroupIngress, revoke, Ingress);
rule_operation!(RevokeSecurityGroupEgress, revoke, Egress);
rule_operation!(UpdateSecurityGroupRuleDescriptionsIngress, describe_rules, Ingress);
rule_operation!(UpdateSecurityGroupRuleDescriptionsEgress, describe_rules, Egress);
