//! Rules of security groups: one peer each as we keep them, and as AWS counts them; many peers in
//! one permission as they travel.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::builders::IpPermissionBuilder;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use nuvem_core::aws::AwsError;
use nuvem_core::aws::ec2::{Peer, Rule, Rules};

use super::convert::{required, text};

const ALL_PROTOCOLS: &str = "-1";

/// The rules in AWS's permissions.
pub(super) fn from_sdk(permissions: Option<Vec<IpPermission>>) -> Result<Rules, AwsError> {
    let mut rules = Rules::new();
    for permission in permissions.unwrap_or_default() {
        add_rules(permission, &mut rules)?;
    }
    Ok(rules)
}

fn add_rules(permission: IpPermission, rules: &mut Rules) -> Result<(), AwsError> {
    let protocol = required(permission.ip_protocol, "ipProtocol")?.to_lowercase();
    // AWS sends -1 or nothing for the ports of all protocols.
    let ports = |port: Option<i32>| port.filter(|_| protocol != ALL_PROTOCOLS);
    let (from_port, to_port) = (ports(permission.from_port), ports(permission.to_port));
    let mut add = |peer: Peer, description: Option<String>| {
        let protocol = protocol.clone();
        rules.insert(
            Rule {
                protocol,
                from_port,
                to_port,
                peer,
            },
            text(description),
        );
    };
    for range in permission.ip_ranges.unwrap_or_default() {
        add(Peer::Ipv4(required(range.cidr_ip, "cidrIp")?), range.description);
    }
    for range in permission.ipv6_ranges.unwrap_or_default() {
        add(Peer::Ipv6(required(range.cidr_ipv6, "cidrIpv6")?), range.description);
    }
    for pair in permission.user_id_group_pairs.unwrap_or_default() {
        add(Peer::Group(required(pair.group_id, "groupId")?), pair.description);
    }
    for list in permission.prefix_list_ids.unwrap_or_default() {
        add(
            Peer::PrefixList(required(list.prefix_list_id, "prefixListId")?),
            list.description,
        );
    }
    Ok(())
}

/// The rules as AWS takes them, one permission for all the peers of the same protocol and ports.
pub(super) fn to_sdk(rules: Rules) -> Vec<IpPermission> {
    let mut traffic: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (rule, description) in rules {
        let peers = traffic
            .entry((rule.protocol, rule.from_port, rule.to_port))
            .or_default();
        peers.push((rule.peer, description));
    }
    let permission = |((protocol, from_port, to_port), peers): ((String, _, _), Vec<_>)| {
        let permission = IpPermission::builder()
            .ip_protocol(protocol)
            .set_from_port(from_port)
            .set_to_port(to_port);
        peers.into_iter().fold(permission, with_peer).build()
    };
    traffic.into_iter().map(permission).collect()
}

fn with_peer(permission: IpPermissionBuilder, (peer, description): (Peer, Option<String>)) -> IpPermissionBuilder {
    match peer {
        Peer::Ipv4(network) => {
            let range = IpRange::builder().cidr_ip(network);
            permission.ip_ranges(range.set_description(description).build())
        }
        Peer::Ipv6(network) => {
            let range = Ipv6Range::builder().cidr_ipv6(network);
            permission.ipv6_ranges(range.set_description(description).build())
        }
        Peer::Group(id) => {
            let pair = UserIdGroupPair::builder().group_id(id);
            permission.user_id_group_pairs(pair.set_description(description).build())
        }
        Peer::PrefixList(id) => {
            let list = PrefixListId::builder().prefix_list_id(id);
            permission.prefix_list_ids(list.set_description(description).build())
        }
    }
}

/// The rules as they are told apart, for a revocation: AWS finds them without their descriptions,
/// and one that has changed meanwhile must not keep a rule alive.
pub(super) fn undescribed(rules: Rules) -> Rules {
    rules.into_keys().map(|rule| (rule, None)).collect()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test that meets what it does not expect ends there")]
mod tests {
    use super::*;

    fn rule(protocol: &str, port: Option<i32>, peer: Peer) -> Rule {
        Rule {
            protocol: protocol.to_owned(),
            from_port: port,
            to_port: port,
            peer,
        }
    }

    fn network(cidr: &str) -> Peer {
        Peer::Ipv4(cidr.to_owned())
    }

    #[test]
    fn rules_are_the_same_after_there_and_back() {
        let rules = Rules::from([
            (rule("tcp", Some(22), network("10.0.0.0/8")), Some("ssh".to_owned())),
            (rule("tcp", Some(22), network("192.168.0.0/16")), None),
            (rule("tcp", Some(22), Peer::Ipv6("fd00::/8".to_owned())), None),
            (rule("tcp", Some(443), Peer::PrefixList("pl-1".to_owned())), None),
            (
                rule("-1", None, Peer::Group("sg-1".to_owned())),
                Some("friends".to_owned()),
            ),
        ]);
        let permissions = to_sdk(rules.clone());
        assert_eq!(permissions.len(), 3, "{permissions:?}");
        assert_eq!(from_sdk(Some(permissions)), Ok(rules));
    }

    #[test]
    fn all_protocols_have_no_ports_and_an_empty_description_is_none() {
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").description("").build();
        let everything = IpPermission::builder()
            .ip_protocol("-1")
            .from_port(-1)
            .to_port(-1)
            .ip_ranges(range);
        let expected = Rules::from([(rule("-1", None, network("0.0.0.0/0")), None)]);
        assert_eq!(from_sdk(Some(vec![everything.build()])), Ok(expected));
    }

    #[test]
    fn the_types_and_codes_of_icmp_are_kept() {
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let ping = IpPermission::builder()
            .ip_protocol("ICMP")
            .from_port(8)
            .to_port(-1)
            .ip_ranges(range);
        let rules = from_sdk(Some(vec![ping.build()])).expect("converted");
        let ports: Vec<_> = rules
            .keys()
            .map(|rule| (rule.protocol.as_str(), rule.from_port, rule.to_port))
            .collect();
        assert_eq!(ports, [("icmp", Some(8), Some(-1))]);
    }

    #[test]
    fn a_revocation_names_no_descriptions() {
        let described = Rules::from([(rule("tcp", Some(22), network("10.0.0.0/8")), Some("ssh".to_owned()))]);
        assert_eq!(undescribed(described).into_values().collect::<Vec<_>>(), [None]);
    }
}
