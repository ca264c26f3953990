//! Launches, and what they are refused for.

use super::nuvem_core::aws::ec2::{
    HttpTokens, InstanceState, MetadataOptions, Monitoring, RunInstances, SelectInstances,
};
use super::stage::{Stage, assert_refused, refusal, tags};

pub async fn e27_a_launch_without_capacity_is_refused_with_500_and_succeeds_later(stage: &Stage) {
    stage
        .turn(|dials| {
            dials.insufficient_capacity.insert("t3.micro".to_owned());
        })
        .await;
    let spec = stage.spec();
    let (status, code, message) = refusal(stage.ask(spec.clone()).await);
    assert_eq!((status, code.as_str()), (500, "InsufficientInstanceCapacity"));
    assert!(
        message.contains("We currently do not have sufficient t3.micro capacity in the Availability Zone"),
        "{message}"
    );
    assert_eq!(
        stage
            .instances(SelectInstances::ClientToken(spec.client_token.clone()))
            .await,
        []
    );
    stage.calm().await;
    stage.ask(spec).await.expect("launched with the same token");
}

pub async fn e28_a_launch_with_something_unknown_is_refused_and_makes_nothing(stage: &Stage) {
    type Change = fn(&mut RunInstances);
    let changes: [(Change, &str, &str); 5] = [
        (
            |spec| "ami-0ffffffffffffffff".clone_into(&mut spec.image_id),
            "InvalidAMIID.NotFound",
            "The image id '[ami-0ffffffffffffffff]' does not exist",
        ),
        (
            |spec| "zz.huge".clone_into(&mut spec.instance_type),
            "InvalidParameterValue",
            "Invalid value 'zz.huge' for InstanceType.",
        ),
        (
            |spec| spec.key_name = Some("nobody".to_owned()),
            "InvalidKeyPair.NotFound",
            "The key pair 'nobody' does not exist",
        ),
        (
            |spec| spec.subnet_id = Some("subnet-0ffffffffffffffff".to_owned()),
            "InvalidSubnetID.NotFound",
            "The subnet ID 'subnet-0ffffffffffffffff' does not exist",
        ),
        (
            |spec| spec.security_group_ids = vec!["sg-0ffffffffffffffff".to_owned()],
            "InvalidGroup.NotFound",
            "The security group 'sg-0ffffffffffffffff' does not exist",
        ),
    ];
    for (change, code, words) in changes {
        let mut spec = stage.spec();
        change(&mut spec);
        let token = spec.client_token.clone();
        assert_refused(stage.ask(spec).await, code, words);
        assert_eq!(stage.instances(SelectInstances::ClientToken(token)).await, []);
    }
}

pub async fn e28_type_and_image_must_have_the_same_architecture(stage: &Stage) {
    let mut spec = stage.spec();
    spec.image_id.clone_from(&stage.grounds.arm_image);
    let words = "of the specified instance type does not match the architecture 'arm64'";
    assert_refused(stage.ask(spec.clone()).await, "InvalidParameterValue", words);
    spec.client_token = stage.name();
    "t4g.micro".clone_into(&mut spec.instance_type);
    stage.running_as(spec).await;
}

pub async fn e31_a_root_volume_below_its_snapshot_is_refused(stage: &Stage) {
    let mut spec = stage.spec();
    spec.root_volume.size_gib = Some(1);
    let (status, code, message) = refusal(stage.ask(spec).await);
    assert_eq!((status, code.as_str()), (400, "InvalidBlockDeviceMapping"));
    assert!(
        message.starts_with("Volume of size 1GB is smaller than snapshot 'snap-"),
        "{message}"
    );
    assert!(message.ends_with("', expect size >= 8GB"), "{message}");
}

pub async fn e52_an_interface_has_at_most_five_groups(stage: &Stage) {
    let mut spec = stage.spec();
    for _ in 0..6 {
        spec.security_group_ids.push(stage.group().await);
    }
    let (_, code, _) = refusal(stage.ask(spec.clone()).await);
    assert_eq!(code, "SecurityGroupsPerInterfaceLimitExceeded");
    spec.client_token = stage.name();
    spec.security_group_ids.pop();
    assert_eq!(stage.running_as(spec).await.security_groups.len(), 5);
}

pub async fn a_launch_has_what_was_asked_for(stage: &Stage) {
    let group = stage.group_in(&stage.grounds.other_vpc).await;
    let mut spec = stage.spec();
    spec.key_name = Some(stage.grounds.key_pair.clone());
    spec.subnet_id = Some(stage.grounds.other_subnet.clone());
    spec.security_group_ids = vec![group.clone()];
    spec.metadata_options = MetadataOptions {
        http_tokens: HttpTokens::Optional,
        hop_limit: 2,
    };
    spec.monitoring = Monitoring::Detailed;
    spec.tags = tags([("Name", "web"), ("empty", ""), ("ünïcode", "<&\"'> ✓")]);
    spec.root_volume.size_gib = Some(20);
    spec.root_volume.volume_type = Some("gp3".to_owned());
    spec.root_volume.iops = Some(4000);
    spec.root_volume.throughput = Some(200);
    spec.root_volume.encrypted = Some(true);
    let instance = stage.running_as(spec.clone()).await;
    assert_eq!(instance.state, InstanceState::Running);
    assert_eq!(instance.image_id, spec.image_id);
    assert_eq!(instance.instance_type, spec.instance_type);
    assert_eq!(instance.key_name, spec.key_name);
    assert_eq!(instance.subnet_id, spec.subnet_id);
    assert_eq!(instance.vpc_id.as_ref(), Some(&stage.grounds.other_vpc));
    assert_eq!(instance.security_groups, [group].into());
    assert_eq!(instance.metadata_options, Some(spec.metadata_options));
    assert_eq!(instance.monitoring, Monitoring::Detailed);
    assert_eq!(instance.tags, spec.tags);
    assert_eq!(instance.root_device_name.as_deref(), Some("/dev/xvda"));
    assert_eq!(instance.volumes.len(), 1);
    let volume = stage.root_volume(&instance).await;
    assert_eq!(volume.state, "in-use");
    assert_eq!((volume.size_gib, volume.volume_type.as_str()), (20, "gp3"));
    assert_eq!(
        (volume.iops, volume.throughput, volume.encrypted),
        (Some(4000), Some(200), true)
    );
    assert_eq!(volume.tags, spec.tags, "the tags travel to the volume");
}

pub async fn a_launch_without_subnet_and_groups_is_in_the_default_vpc_with_its_default_group(stage: &Stage) {
    let mut spec = stage.spec();
    spec.subnet_id = None;
    let instance = stage.running_as(spec).await;
    assert_eq!(instance.vpc_id.as_ref(), Some(&stage.grounds.default_vpc));
    let groups: Vec<&String> = instance.security_groups.iter().collect();
    assert_eq!(groups.len(), 1);
    for group in groups {
        assert_eq!(stage.seen_group(group).await.expect("found").name, "default");
    }
    let volume = stage.root_volume(&instance).await;
    assert_eq!(
        (volume.size_gib, volume.volume_type.as_str(), volume.encrypted),
        (8, "gp3", false)
    );
    assert_eq!((volume.iops, volume.throughput), (Some(3000), Some(125)));
}

pub async fn e28_group_and_subnet_must_be_of_the_same_network(stage: &Stage) {
    let group = stage.group_in(&stage.grounds.other_vpc).await;
    let mut spec = stage.spec();
    spec.security_group_ids = vec![group.clone()];
    let subnet = spec.subnet_id.clone().expect("a subnet");
    let words = format!("Security group {group} and subnet {subnet} belong to different networks.");
    assert_refused(stage.ask(spec).await, "InvalidParameter", &words);
}
