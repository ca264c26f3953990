//! A spec, validated, as plain data. Held defaults are put in here; for an adopted instance an
//! absent field means "as found".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::{Ipv4Net, Ipv6Net};

use super::spec::{
    DisruptionPolicy, Ec2Instance, HttpTokensSpec, Image, KeyRef, MonitoringSpec, OnChange, PowerState, Protocol,
    RootVolume, RuleSpec, SecurityGroup, UserData,
};
use crate::aws::ec2::{HttpTokens, Monitoring, Peer, Rule, Rules, Tags};
use crate::engine::conditions::Reason;
use crate::engine::kind::{Gathered, Refusal, Settings};
use crate::engine::ownership::{hash, tag};
use crate::engine::permit::Disruption;
use crate::engine::references::Target;
use crate::engine::resource::{DeletionPolicy, Resource, Toggle};
use crate::engine::schedule::Window;
use crate::parts::security_group::{Egress, Wanted};
use crate::secret::Secret;

/// AWS's limit on user data (E18).
const USER_DATA_LIMIT: usize = 16_384;

/// Where the image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// `ami-…`.
    Id(String),
    /// An SSM parameter.
    SsmParameter(String),
    /// The newest of this owner and name.
    Filter {
        /// The owner.
        owner: String,
        /// The name, with wildcards.
        name: String,
    },
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::SsmParameter(name) => write!(f, "ssmParameter {name}"),
            Self::Filter { owner, name } => write!(f, "filter {owner} {name}"),
        }
    }
}

/// User data with what it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDataWanted {
    /// The bytes.
    pub bytes: Secret<Vec<u8>>,
    /// What identifies them without showing them: a hash of inline text, or the Secret's or
    /// `ConfigMap`'s uid and version.
    pub source: String,
    /// What a change does to an instance that exists.
    pub on_change: OnChange,
}

/// What the instance is to be. `None` means: as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// What to launch from.
    pub image: Option<ImageSource>,
    /// The type.
    pub instance_type: Option<String>,
    /// The key pair.
    pub key_name: Option<String>,
    /// The power state.
    pub power: Option<PowerState>,
    /// The subnet.
    pub subnet_id: Option<String>,
    /// Groups that exist.
    pub security_group_ids: BTreeSet<String>,
    /// The group of its own.
    pub group: Option<Wanted>,
    /// The user data.
    pub user_data: Option<UserDataWanted>,
    /// The root volume.
    pub root_volume: RootVolume,
    /// Whether a session token is demanded.
    pub http_tokens: Option<HttpTokens>,
    /// The hop limit of the metadata service.
    pub hop_limit: Option<i32>,
    /// Protection from termination.
    pub termination_protection: Option<bool>,
    /// Protection from being stopped.
    pub stop_protection: Option<bool>,
    /// How often CloudWatch gets metrics.
    pub monitoring: Option<Monitoring>,
    /// The user's tags over the operator's, with a `Name`.
    pub tags: Tags,
}

/// What a deletion needs of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parting {
    /// What was written out, if anything: an adopted instance is deleted only then.
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether the spec still protects from termination.
    pub protected: bool,
    /// Whether the spec still protects from being stopped, which forbids termination too (E23).
    pub stop_protected: bool,
}

/// Validates a spec and puts in what it refers to.
///
/// # Errors
///
/// What is wrong with the spec, or which reference is missing.
pub fn desired(object: &Ec2Instance, gathered: &Gathered, settings: &Settings) -> Result<Desired, Refusal> {
    let spec = &object.spec;
    let adopted = is_adopted(object);
    let held = |value: Option<bool>| if adopted { value } else { Some(value.unwrap_or(false)) };
    let protection = spec.protection.clone().unwrap_or_default();
    let metadata = spec.metadata_options.clone().unwrap_or_default();
    let network = spec.network.clone();
    let power = spec.power.as_ref().and_then(|power| power.state);
    let http_tokens = metadata.http_tokens.map(|tokens| match tokens {
        HttpTokensSpec::Required => HttpTokens::Required,
        HttpTokensSpec::Optional => HttpTokens::Optional,
    });
    let monitoring = spec.monitoring.map(|monitoring| match monitoring {
        MonitoringSpec::Basic => Monitoring::Basic,
        MonitoringSpec::Detailed => Monitoring::Detailed,
    });
    Ok(Desired {
        image: spec.image.as_ref().map(image_source).transpose()?,
        instance_type: spec.instance_type.clone(),
        key_name: spec.key_name.clone(),
        power: if adopted {
            power
        } else {
            Some(power.unwrap_or(PowerState::Running))
        },
        subnet_id: network
            .as_ref()
            .and_then(|network| network.subnet.as_ref().map(|subnet| subnet.id.clone())),
        security_group_ids: network
            .iter()
            .flat_map(|network| network.security_group_ids.iter().flatten())
            .map(|id| id.0.clone())
            .collect(),
        group: network
            .as_ref()
            .and_then(|network| network.security_group.as_ref())
            .map(group)
            .transpose()?,
        user_data: spec
            .user_data
            .as_ref()
            .map(|user_data| user_data_wanted(object, user_data, gathered))
            .transpose()?,
        root_volume: spec.root_volume.clone().unwrap_or_default(),
        http_tokens: if adopted {
            http_tokens
        } else {
            http_tokens.or(Some(HttpTokens::Required))
        },
        hop_limit: metadata.http_put_response_hop_limit,
        termination_protection: held(protection.termination.map(is_enabled)),
        stop_protection: held(protection.stop.map(is_enabled)),
        monitoring: if adopted {
            monitoring
        } else {
            monitoring.or(Some(Monitoring::Basic))
        },
        tags: tags(object, settings, adopted),
    })
}

/// Reads what a deletion needs.
#[must_use]
pub fn parting(object: &Ec2Instance) -> Parting {
    let protection = object.spec.protection.clone().unwrap_or_default();
    Parting {
        deletion_policy: object.spec.common.deletion_policy,
        protected: protection.termination.is_some_and(is_enabled),
        stop_protected: protection.stop.is_some_and(is_enabled),
    }
}

/// Reads the disruption policy.
///
/// # Errors
///
/// What is wrong with its window.
pub fn disruption(object: &Ec2Instance) -> Result<Disruption, Refusal> {
    let Some(spec) = &object.spec.disruption else {
        return Ok(Disruption::Immediate);
    };
    match (spec.policy.unwrap_or(DisruptionPolicy::Immediate), &spec.window) {
        (DisruptionPolicy::Immediate, _) => Ok(Disruption::Immediate),
        (DisruptionPolicy::Never, _) => Ok(Disruption::Never),
        (DisruptionPolicy::Window, None) => Err(invalid("spec.disruption.policy Window needs spec.disruption.window")),
        (DisruptionPolicy::Window, Some(window)) => {
            Window::parse(&window.time_zone, &window.start, i64::from(window.duration_minutes))
                .map(Disruption::Window)
                .map_err(|error| invalid(format!("spec.disruption.window: {error}")))
        }
    }
}

/// The Secrets and `ConfigMap`s that the spec refers to.
#[must_use]
pub fn edges(object: &Ec2Instance) -> Vec<Target> {
    object
        .spec
        .user_data
        .iter()
        .filter_map(|user_data| target(object, user_data).map(|(target, _)| target))
        .collect()
}

fn target<'a>(object: &Ec2Instance, user_data: &'a UserData) -> Option<(Target, &'a KeyRef)> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    if let Some(key) = &user_data.secret_ref {
        return Some((
            Target::Secret {
                namespace,
                name: key.name.clone(),
            },
            key,
        ));
    }
    let key = user_data.config_map_ref.as_ref()?;
    Some((
        Target::ConfigMap {
            namespace,
            name: key.name.clone(),
        },
        key,
    ))
}

fn user_data_wanted(
    object: &Ec2Instance,
    user_data: &UserData,
    gathered: &Gathered,
) -> Result<UserDataWanted, Refusal> {
    let on_change = user_data.on_change.unwrap_or(OnChange::Ignore);
    let (bytes, source) = if let Some(text) = &user_data.inline {
        let source = format!("inline/{}", hash(&[text]).chars().take(16).collect::<String>());
        (text.clone().into_bytes(), source)
    } else {
        let (target, key) = target(object, user_data)
            .ok_or_else(|| invalid("spec.userData needs one of inline, secretRef, configMapRef"))?;
        let fetched = gathered.get(&target).ok_or_else(|| {
            missing(format!(
                "{target} does not exist (spec.userData). Create it, or refer to another"
            ))
        })?;
        let value = fetched.data.get(&key.key).ok_or_else(|| {
            missing(format!(
                "{target} has no key {:?} (spec.userData). Add it, or refer to another",
                key.key
            ))
        })?;
        let source = format!("{}/{}", fetched.uid, fetched.resource_version);
        (value.reveal().clone(), source)
    };
    if bytes.len() > USER_DATA_LIMIT {
        return Err(invalid(format!(
            "spec.userData has {} bytes; AWS takes at most {USER_DATA_LIMIT}. Let a short script fetch the rest",
            bytes.len()
        )));
    }
    Ok(UserDataWanted {
        bytes: Secret::new(bytes),
        source,
        on_change,
    })
}

/// Whether the instance was, or is to be, taken over rather than made.
fn is_adopted(object: &Ec2Instance) -> bool {
    let remembered = object
        .common_status()
        .is_some_and(|status| status.parts.iter().any(|part| part.adopted));
    remembered || object.annotations_of_ours().adopt.is_some()
}

fn image_source(image: &Image) -> Result<ImageSource, Refusal> {
    match (&image.id, &image.ssm_parameter, &image.filter) {
        (Some(id), None, None) => Ok(ImageSource::Id(id.clone())),
        (None, Some(name), None) => Ok(ImageSource::SsmParameter(name.clone())),
        (None, None, Some(filter)) => Ok(ImageSource::Filter {
            owner: filter.owner.clone(),
            name: filter.name.clone(),
        }),
        (_, _, _) => Err(invalid("spec.image needs exactly one of id, ssmParameter, filter")),
    }
}

fn is_enabled(toggle: Toggle) -> bool {
    match toggle {
        Toggle::Enabled => true,
        Toggle::Disabled => false,
    }
}

fn tags(object: &Ec2Instance, settings: &Settings, adopted: bool) -> Tags {
    let mut tags = settings.default_tags.clone();
    if !adopted {
        let meta = &object.metadata;
        let name = format!(
            "{}/{}",
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default()
        );
        tags.insert(tag::NAME.to_owned(), name);
    }
    let own = object.spec.common.tags.iter().flatten();
    tags.extend(own.map(|(key, value)| (key.clone(), value.0.clone())));
    tags
}

fn group(spec: &SecurityGroup) -> Result<Wanted, Refusal> {
    let egress = match &spec.egress {
        None => Egress::Everything,
        Some(rules) => Egress::Exactly(rules_of("egress", rules)?),
    };
    let ingress = rules_of("ingress", spec.ingress.as_deref().unwrap_or_default())?;
    Ok(Wanted { ingress, egress })
}

fn rules_of(direction: &str, specs: &[RuleSpec]) -> Result<Rules, Refusal> {
    let mut rules: Rules = BTreeMap::new();
    for (index, spec) in specs.iter().enumerate() {
        let path = format!("spec.network.securityGroup.{direction}[{index}]");
        for peer in peers(&path, spec)? {
            rules.insert(
                rule(&path, spec, peer)?,
                spec.description.clone().filter(|text| !text.is_empty()),
            );
        }
    }
    Ok(rules)
}

fn peers(path: &str, spec: &RuleSpec) -> Result<Vec<Peer>, Refusal> {
    let mut peers = Vec::new();
    for text in spec.cidrs.iter().flatten() {
        let network: Ipv4Net = text.parse().map_err(|_| {
            invalid(format!(
                "{path}.cidrs: {text:?} is no IPv4 network; write for example 203.0.113.0/24"
            ))
        })?;
        peers.push(Peer::Ipv4(network.trunc().to_string()));
    }
    for text in spec.ipv6_cidrs.iter().flatten() {
        let network: Ipv6Net = text.parse().map_err(|_| {
            invalid(format!(
                "{path}.ipv6Cidrs: {text:?} is no IPv6 network; write for example 2001:db8::/32"
            ))
        })?;
        peers.push(Peer::Ipv6(network.trunc().to_string()));
    }
    peers.extend(
        spec.security_group_ids
            .iter()
            .flatten()
            .map(|id| Peer::Group(id.0.clone())),
    );
    peers.extend(
        spec.prefix_list_ids
            .iter()
            .flatten()
            .map(|id| Peer::PrefixList(id.0.clone())),
    );
    if peers.is_empty() {
        return Err(invalid(format!(
            "{path} needs at least one of cidrs, ipv6Cidrs, securityGroupIds, prefixListIds"
        )));
    }
    Ok(peers)
}

fn rule(path: &str, spec: &RuleSpec, peer: Peer) -> Result<Rule, Refusal> {
    let protocol = match (spec.protocol.unwrap_or(Protocol::Tcp), &peer) {
        (Protocol::Tcp, _) => "tcp",
        (Protocol::Udp, _) => "udp",
        // AWS has two protocols for the two families' ICMP.
        (Protocol::Icmp, Peer::Ipv6(_)) => "icmpv6",
        (Protocol::Icmp, Peer::Ipv4(_) | Peer::Group(_) | Peer::PrefixList(_)) => "icmp",
        (Protocol::All, _) => "-1",
    };
    let (from_port, to_port) = match (protocol, spec.port, spec.from_port, spec.to_port) {
        ("-1", None, None, None) => (None, None),
        // -1 stands for every type and code.
        ("icmp" | "icmpv6", None, None, None) => (Some(-1), Some(-1)),
        ("tcp" | "udp", Some(port), None, None) => (Some(port), Some(port)),
        ("tcp" | "udp", None, Some(from), Some(to)) if from <= to => (Some(from), Some(to)),
        _ => {
            return Err(invalid(format!(
                "{path}: tcp and udp need port, or fromPort ≤ toPort; icmp and all have none"
            )));
        }
    };
    Ok(Rule {
        protocol: protocol.to_owned(),
        from_port,
        to_port,
        peer,
    })
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal {
        reason: Reason::InvalidSpec,
        message: message.into(),
    }
}

fn missing(message: impl Into<String>) -> Refusal {
    Refusal {
        reason: Reason::WaitingForReference,
        message: message.into(),
    }
}
