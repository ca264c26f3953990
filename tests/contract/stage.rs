//! What a case stands on: an AWS of either sort, with its dials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::nuvem_core::aws::ec2::{
    CreateSecurityGroup, DescribeInstances, DescribeSecurityGroups, DescribeVolumes, GroupRules, HttpTokens, Instance,
    InstanceState, MetadataOptions, Monitoring, Peer, RootVolumeLaunch, Rule, Rules, RunInstances, SecurityGroup,
    Select, SelectGroups, SelectInstances, StopInstances, Tags, Volume,
};
use super::nuvem_core::aws::memory::Dials;
use super::nuvem_core::aws::{AwsError, Backend, Operation, Perform};

/// So long that nothing passes by itself.
pub const FOR_EVER: jiff::SignedDuration = jiff::SignedDuration::from_hours(100);
/// So short that it has passed at the next call.
pub const AT_ONCE: jiff::SignedDuration = jiff::SignedDuration::ZERO;

/// What a case needs of an AWS beside its operations.
#[async_trait]
pub trait World: Send + Sync {
    /// Turns all the dials. What is under way takes the new durations, so that a case decides when
    /// something passes, and no case waits.
    async fn turn(&self, dials: &Dials);

    /// Launches many instances with a tag.
    async fn crowd(&self, spec: &RunInstances, number: usize);
}

/// What was there before the cases.
#[derive(Clone, Debug)]
pub struct Grounds {
    pub default_vpc: String,
    /// The default subnets of at least two zones.
    pub default_subnets: Vec<String>,
    pub other_vpc: String,
    pub other_subnet: String,
    /// Amazon Linux 2023 for `x86_64`, with a root of 8 GiB at `/dev/xvda`.
    pub image: String,
    /// The same for `arm64`.
    pub arm_image: String,
    /// A key pair.
    pub key_pair: String,
}

/// An AWS, in one Region and in another.
pub struct Stage {
    pub aws: Arc<dyn Backend>,
    pub elsewhere: Arc<dyn Backend>,
    pub grounds: Grounds,
    pub world: Box<dyn World>,
    /// Makes names that no other run has used.
    pub run: String,
    pub names: AtomicU32,
}

impl Stage {
    /// A name that nothing else has.
    pub fn name(&self) -> String {
        format!("contract-{}-{}", self.run, self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Turns dials; those that are not touched are `calm`.
    pub async fn turn(&self, change: impl FnOnce(&mut Dials)) {
        let mut dials = calm();
        change(&mut dials);
        self.world.turn(&dials).await;
    }

    /// Nothing is slow, late or unwilling.
    pub async fn calm(&self) {
        self.world.turn(&calm()).await;
    }

    /// Performs an operation.
    pub async fn ask<O: Operation>(&self, operation: O) -> Result<O::Output, AwsError>
    where
        dyn Backend: Perform<O>,
    {
        self.aws.perform(operation).await
    }

    /// A launch that AWS accepts, with a token of its own.
    pub fn spec(&self) -> RunInstances {
        let name = self.name();
        RunInstances {
            client_token: name.clone(),
            image_id: self.grounds.image.clone(),
            instance_type: "t3.micro".to_owned(),
            key_name: None,
            subnet_id: self.grounds.default_subnets.first().cloned(),
            security_group_ids: Vec::new(),
            user_data: None,
            root_volume: RootVolumeLaunch {
                device: "/dev/xvda".to_owned(),
                size_gib: None,
                volume_type: None,
                iops: None,
                throughput: None,
                encrypted: None,
                kms_key_id: None,
            },
            metadata_options: MetadataOptions {
                http_tokens: HttpTokens::Required,
                hop_limit: 1,
            },
            monitoring: Monitoring::Basic,
            disable_api_termination: false,
            disable_api_stop: false,
            tags: tags([("nuvem.dev/test", &name)]),
        }
    }

    /// A new instance, running.
    pub async fn running(&self) -> Instance {
        self.running_as(self.spec()).await
    }

    /// What a launch makes, running.
    pub async fn running_as(&self, spec: RunInstances) -> Instance {
        let id = self.ask(spec).await.expect("launched").id;
        let instance = self.instance(&id).await.expect("found");
        assert_eq!(instance.state, InstanceState::Running);
        instance
    }

    /// A new instance, stopped.
    pub async fn stopped(&self) -> Instance {
        let id = self.running().await.id;
        self.ask(StopInstances {
            instance_id: id.clone(),
        })
        .await
        .expect("stopped");
        let instance = self.instance(&id).await.expect("found");
        assert_eq!(instance.state, InstanceState::Stopped);
        instance
    }

    /// An instance by its id, if a list shows it.
    pub async fn instance(&self, id: &str) -> Option<Instance> {
        let found = self
            .instances(SelectInstances::By(Select::Ids(vec![id.to_owned()])))
            .await;
        assert!(found.len() <= 1, "{found:?}");
        found.into_iter().next()
    }

    /// The first page of a list of instances.
    pub async fn instances(&self, select: SelectInstances) -> Vec<Instance> {
        self.ask(DescribeInstances { select, page: None })
            .await
            .expect("listed")
            .items
    }

    /// The ids of the instances that have a tag.
    pub async fn ids_with_tag(&self, key: &str, value: &str) -> Vec<String> {
        let select = Select::Tags(vec![(key.to_owned(), value.to_owned())]);
        self.instances(SelectInstances::By(select))
            .await
            .into_iter()
            .map(|one| one.id)
            .collect()
    }

    /// The root volume of an instance.
    pub async fn root_volume(&self, instance: &Instance) -> Volume {
        let id = instance.root_volume().expect("a root volume").volume_id.clone();
        self.volume(&id).await.expect("the root volume")
    }

    /// A volume by its id, if a list shows it.
    pub async fn volume(&self, id: &str) -> Option<Volume> {
        let select = Select::Ids(vec![id.to_owned()]);
        let found = self
            .ask(DescribeVolumes { select, page: None })
            .await
            .expect("listed")
            .items;
        found.into_iter().next()
    }

    /// A new group in a VPC.
    pub async fn group_in(&self, vpc_id: &str) -> String {
        self.ask(self.group_spec(vpc_id)).await.expect("created")
    }

    /// A new group in the default VPC.
    pub async fn group(&self) -> String {
        self.group_in(&self.grounds.default_vpc).await
    }

    /// A group that AWS accepts, with a name of its own.
    pub fn group_spec(&self, vpc_id: &str) -> CreateSecurityGroup {
        CreateSecurityGroup {
            name: self.name(),
            description: "made by the contract suite".to_owned(),
            vpc_id: vpc_id.to_owned(),
            tags: Tags::new(),
        }
    }

    /// A group by its id, if a list shows it.
    pub async fn seen_group(&self, id: &str) -> Option<SecurityGroup> {
        let select = SelectGroups::By(Select::Ids(vec![id.to_owned()]));
        let found = self
            .ask(DescribeSecurityGroups { select, page: None })
            .await
            .expect("listed")
            .items;
        found.into_iter().next()
    }
}

fn calm() -> Dials {
    Dials {
        transition: AT_ONCE,
        ..Dials::default()
    }
}

/// Tags from pairs.
pub fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// TCP from one port to the same.
pub fn tcp(port: i32, peer: Peer) -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(port),
        to_port: Some(port),
        peer,
    }
}

/// An IPv4 network.
pub fn network(cidr: &str) -> Peer {
    Peer::Ipv4(cidr.to_owned())
}

/// Rules without descriptions.
pub fn rules<const N: usize>(group_id: &str, rules: [Rule; N]) -> GroupRules {
    GroupRules {
        group_id: group_id.to_owned(),
        rules: rules.into_iter().map(|rule| (rule, None)).collect::<BTreeMap<_, _>>() as Rules,
    }
}

/// Status, code and sentence of a refusal.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, AwsError>) -> (u16, String, String) {
    match answer {
        Err(AwsError::Refused { status, code, message }) => (status, code, message),
        other => panic!("AWS did not refuse: {other:?}"),
    }
}

/// Asserts that AWS refuses with HTTP 400, a code, and a sentence that has these words in it.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(answer: Result<T, AwsError>, code: &str, words: &str) {
    let (status, found, message) = refusal(answer);
    assert_eq!((status, found.as_str()), (400, code), "{message}");
    assert!(message.contains(words), "{message:?} lacks {words:?}");
}
