//! What only the model has: dials, faults, the record of calls, the outside. How it answers is
//! held by the contract suite, whose cases are the tests in `contract`.

use std::collections::BTreeSet;

use futures_util::FutureExt;

use super::super::ec2::{
    CreateSecurityGroup, DeleteSecurityGroup, DescribeInstances, Direction, HttpTokens, Instance, InstanceAttribute,
    InstanceState, MetadataOptions, ModifyVolume, Monitoring, Peer, ProtectedAction, RootVolumeLaunch, Rule,
    RunInstances, Select, SelectInstances, StartInstances, StopInstances, Tags, TerminateInstances,
};
use super::super::{Effect, Operation};
use super::*;

const REGION: &str = "us-east-1";

fn ask<O: Operation>(memory: &Memory, operation: O) -> Result<O::Output, AwsError>
where
    dyn Backend: Perform<O>,
{
    memory
        .region(REGION)
        .perform(operation)
        .now_or_never()
        .expect("nothing waits in memory")
}

fn spec(memory: &Memory, token: &str) -> RunInstances {
    RunInstances {
        client_token: token.to_owned(),
        image_id: memory.facts(REGION).newest_image,
        instance_type: "t3.micro".to_owned(),
        key_name: Some("ops".to_owned()),
        subnet_id: None,
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
        tags: Tags::from([("Name".to_owned(), token.to_owned())]),
    }
}

fn launched(memory: &Memory, token: &str) -> String {
    ask(memory, spec(memory, token)).expect("launched").id
}

fn running(memory: &Memory, token: &str) -> String {
    let id = launched(memory, token);
    pass(memory, 10);
    id
}

fn pass(memory: &Memory, seconds: i64) {
    memory.advance(SignedDuration::from_secs(seconds));
}

fn state(memory: &Memory, id: &str) -> Option<InstanceState> {
    memory.outside(REGION).instance(id).map(|instance| instance.state)
}

fn listed(memory: &Memory, select: SelectInstances) -> Vec<Instance> {
    ask(memory, DescribeInstances { select, page: None })
        .expect("listed")
        .items
}

fn by_id(id: &str) -> SelectInstances {
    SelectInstances::By(Select::Ids(vec![id.to_owned()]))
}

fn by_name(name: &str) -> SelectInstances {
    SelectInstances::By(Select::Tags(vec![("Name".to_owned(), name.to_owned())]))
}

fn group(memory: &Memory, name: &str) -> String {
    let wanted = CreateSecurityGroup {
        name: name.to_owned(),
        description: "for a test".to_owned(),
        vpc_id: memory.facts(REGION).default_vpc,
        tags: Tags::new(),
    };
    ask(memory, wanted).expect("created")
}

fn code<T: std::fmt::Debug>(answer: Result<T, AwsError>) -> String {
    match answer.expect_err("refused") {
        AwsError::Refused { code, .. } => code,
        other => panic!("not refused: {other}"),
    }
}

#[test]
fn states_pass_as_the_clock_says_e8_e9_e12() {
    let memory = Memory::new();
    let id = launched(&memory, "web");
    pass(&memory, 9);
    assert_eq!(state(&memory, &id), Some(InstanceState::Pending));
    pass(&memory, 1);
    assert_eq!(state(&memory, &id), Some(InstanceState::Running));
    memory.outside(REGION).stop(&id).expect("stopped");
    pass(&memory, 9);
    assert_eq!(state(&memory, &id), Some(InstanceState::Stopping));
    pass(&memory, 1);
    assert_eq!(state(&memory, &id), Some(InstanceState::Stopped));
    memory.outside(REGION).terminate(&id).expect("terminated");
    assert_eq!(state(&memory, &id), Some(InstanceState::ShuttingDown));
    pass(&memory, 10 + 3599);
    assert_eq!(state(&memory, &id), Some(InstanceState::Terminated));
    pass(&memory, 1);
    assert_eq!(state(&memory, &id), None);
}

#[test]
fn a_leap_of_the_clock_takes_every_step_that_it_passes() {
    let memory = Memory::new();
    let id = launched(&memory, "web");
    pass(&memory, 100);
    memory.outside(REGION).terminate(&id).expect("it had run");
    pass(&memory, 10 + 3600);
    assert_eq!(state(&memory, &id), None);
    assert_eq!(memory.outside(REGION).volumes(), []);
}

#[test]
fn the_clock_never_goes_back() {
    let memory = Memory::new();
    let before = memory.now();
    pass(&memory, -5);
    assert_eq!(memory.now(), before);
    memory.set_now(Timestamp::UNIX_EPOCH);
    assert_eq!(memory.now(), before);
}

#[test]
fn what_is_new_is_seen_by_id_after_a_while_and_by_tag_after_a_longer_one_e7() {
    let memory = Memory::new();
    memory.turn(|dials| {
        dials.visibility = SignedDuration::from_secs(3);
        dials.tag_visibility = SignedDuration::from_secs(8);
    });
    let id = launched(&memory, "web");
    pass(&memory, 2);
    assert_eq!(listed(&memory, by_id(&id)).len(), 0);
    pass(&memory, 1);
    assert_eq!(
        (listed(&memory, by_id(&id)).len(), listed(&memory, by_name("web")).len()),
        (1, 0)
    );
    pass(&memory, 5);
    assert_eq!(listed(&memory, by_name("web")).len(), 1);
}

#[test]
fn outside_sees_what_is_too_young_for_others() {
    let memory = Memory::new();
    memory.turn(|dials| dials.visibility = SignedDuration::from_secs(60));
    let id = launched(&memory, "web");
    let outside = memory.outside(REGION);
    assert_eq!(outside.living().len(), 1);
    assert_eq!(outside.tags(&id).get("Name").map(String::as_str), Some("web"));
    assert!(!outside.is_protected(&id, ProtectedAction::Stop));
    outside.terminate(&id).expect("terminated");
    assert_eq!(outside.living(), []);
}

#[test]
fn a_group_is_held_until_the_interface_of_the_terminated_instance_is_gone_e52() {
    let memory = Memory::new();
    let group_id = group(&memory, "web");
    let mut wanted = spec(&memory, "web");
    wanted.security_group_ids = vec![group_id.clone()];
    let instance_id = ask(&memory, wanted).expect("launched").id;
    pass(&memory, 10);
    ask(
        &memory,
        TerminateInstances {
            instance_id: instance_id.clone(),
        },
    )
    .expect("terminated");
    let delete = |after: i64| {
        pass(&memory, after);
        ask(
            &memory,
            DeleteSecurityGroup {
                group_id: group_id.clone(),
            },
        )
    };
    assert_eq!(code(delete(0)), "DependencyViolation");
    assert_eq!(code(delete(19)), "DependencyViolation");
    assert_eq!(state(&memory, &instance_id), Some(InstanceState::Terminated));
    delete(1).expect("deleted");
}

#[test]
fn the_tags_of_a_terminated_instance_outlive_it_for_a_while_only_e12() {
    let memory = Memory::new();
    let id = running(&memory, "web");
    memory.outside(REGION).terminate(&id).expect("terminated");
    pass(&memory, 29);
    assert_eq!(listed(&memory, by_name("web")).len(), 1);
    pass(&memory, 1);
    assert_eq!(listed(&memory, by_name("web")).len(), 0);
    assert_eq!(listed(&memory, by_id(&id)).len(), 1);
}

#[test]
fn the_four_modifications_of_a_volume_are_counted_over_24_hours_e38() {
    let memory = Memory::new();
    running(&memory, "web");
    let volume_id = memory.outside(REGION).volumes().remove(0).id;
    let modify = |size_gib| {
        let volume_id = volume_id.clone();
        let nothing = ModifyVolume {
            volume_id,
            size_gib: None,
            volume_type: None,
            iops: None,
            throughput: None,
        };
        ask(
            &memory,
            ModifyVolume {
                size_gib: Some(size_gib),
                ..nothing
            },
        )
    };
    for size_gib in 9..=12 {
        modify(size_gib).expect("modified");
        pass(&memory, 3600);
    }
    assert_eq!(code(modify(13)), "VolumeModificationRateExceeded");
    pass(&memory, 20 * 3600);
    modify(13).expect("the first is 24 hours ago");
    pass(&memory, 60);
    assert_eq!(code(modify(14)), "VolumeModificationRateExceeded", "the second is not");
}

#[test]
fn the_answer_to_a_launch_shows_neither_volumes_nor_the_public_address() {
    let memory = Memory::new();
    let answer = ask(&memory, spec(&memory, "web")).expect("launched");
    assert_eq!((answer.volumes.len(), answer.public_ip), (0, None));
    let shown = listed(&memory, by_id(&answer.id));
    assert!(
        shown
            .iter()
            .all(|one| one.volumes.len() == 1 && one.public_ip.is_some()),
        "{shown:?}"
    );
}

#[test]
fn a_mapping_of_another_device_adds_a_volume_to_the_root_e31() {
    let memory = Memory::new();
    let mut wanted = spec(&memory, "web");
    "/dev/sdf".clone_into(&mut wanted.root_volume.device);
    wanted.root_volume.volume_type = Some("gp3".to_owned());
    assert_eq!(code(ask(&memory, wanted.clone())), "MissingParameter");
    wanted.root_volume.size_gib = Some(1);
    ask(&memory, wanted).expect("launched");
    let sizes: BTreeSet<i32> = memory
        .outside(REGION)
        .volumes()
        .iter()
        .map(|volume| volume.size_gib)
        .collect();
    assert_eq!(sizes, [1, 8].into());
}

#[test]
fn a_launch_that_lacked_capacity_may_burn_its_token() {
    let memory = Memory::new();
    memory.turn(|dials| {
        dials.insufficient_capacity.insert("t3.micro".to_owned());
        dials.burned_tokens = true;
    });
    assert_eq!(code(ask(&memory, spec(&memory, "web"))), "InsufficientInstanceCapacity");
    memory.turn(|dials| dials.insufficient_capacity.clear());
    let mut other = spec(&memory, "web");
    "t3.small".clone_into(&mut other.instance_type);
    assert_eq!(code(ask(&memory, other)), "IdempotentParameterMismatch");
    assert_eq!(listed(&memory, SelectInstances::ClientToken("web".to_owned())), []);
    launched(&memory, "web");
}

#[test]
fn pages_are_as_long_as_the_dial_says_and_what_goes_meanwhile_shifts_nothing_e57() {
    let memory = Memory::new();
    memory.turn(|dials| {
        dials.page_size = 2;
        dials.transition = SignedDuration::ZERO;
        dials.terminated = SignedDuration::ZERO;
    });
    let ids: Vec<String> = ["a", "b", "c", "d"]
        .iter()
        .map(|token| launched(&memory, token))
        .collect();
    let page = |page| {
        let select = SelectInstances::By(Select::Ids(ids.clone()));
        let page = ask(&memory, DescribeInstances { select, page }).expect("listed");
        (page.items.into_iter().map(|one| one.id).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = page(None);
    assert_eq!(first, ids[..2]);
    memory.outside(REGION).terminate(&ids[1]).expect("terminated");
    let (second, next) = page(Some(next.expect("more")));
    assert_eq!((second, next), (ids[2..].to_vec(), None));
}

#[test]
fn a_lost_reply_acts_and_a_drop_does_not() {
    let memory = Memory::new();
    memory.fail_next("ec2.RunInstances", Fault::LoseReply);
    assert!(matches!(ask(&memory, spec(&memory, "a")), Err(AwsError::NoAnswer(_))));
    assert_eq!(memory.outside(REGION).living().len(), 1);
    memory.fail_next("ec2.RunInstances", Fault::Drop);
    assert!(matches!(ask(&memory, spec(&memory, "b")), Err(AwsError::NoAnswer(_))));
    assert_eq!(memory.outside(REGION).living().len(), 1);
    launched(&memory, "b");
}

#[test]
fn a_refusal_and_a_throttle_do_nothing_e60() {
    let memory = Memory::new();
    memory.fail_next("ec2.RunInstances", Fault::Throttle);
    assert_eq!(
        ask(&memory, spec(&memory, "a")),
        Err(AwsError::Refused {
            status: 503,
            code: "RequestLimitExceeded".to_owned(),
            message: "Request limit exceeded.".to_owned()
        })
    );
    memory.fail_next("ec2.RunInstances", Fault::deny());
    assert_eq!(code(ask(&memory, spec(&memory, "a"))), "UnauthorizedOperation");
    memory.fail_next("ec2.RunInstances", Fault::refuse("VcpuLimitExceeded", "Too many."));
    assert_eq!(code(ask(&memory, spec(&memory, "a"))), "VcpuLimitExceeded");
    assert_eq!(memory.outside(REGION).instances(), []);
}

#[test]
fn a_plan_of_faults_skips_repeats_and_ends() {
    let fails = |plan: FaultPlan, calls: usize| {
        let memory = Memory::new();
        memory.fail(plan);
        let answers = (0..calls).map(|_| {
            ask(
                &memory,
                StopInstances {
                    instance_id: "i-1".to_owned(),
                },
            )
        });
        answers
            .map(|answer| code(answer) == "RequestLimitExceeded")
            .collect::<Vec<bool>>()
    };
    let plan = || FaultPlan::on("ec2.StopInstances", Fault::Throttle);
    assert_eq!(fails(plan(), 2), [true, false]);
    assert_eq!(fails(plan().after(1).times(2), 4), [false, true, true, false]);
    assert_eq!(fails(plan().every(2).forever(), 5), [false, true, false, true, false]);
    assert_eq!(fails(FaultPlan::on("ec2.StartInstances", Fault::Throttle), 1), [false]);
    assert_eq!(fails(FaultPlan::on_any_write(Fault::Throttle), 2), [true, false]);
    assert_eq!(fails(FaultPlan::on_any(Fault::Throttle).times(0), 1), [false]);
}

#[test]
fn a_fault_on_any_write_spares_reads() {
    let memory = Memory::new();
    memory.fail(FaultPlan::on_any_write(Fault::Drop).forever());
    assert_eq!(listed(&memory, by_name("web")), []);
    assert!(ask(&memory, spec(&memory, "a")).is_err());
    memory.clear_faults();
    launched(&memory, "a");
}

#[test]
fn every_call_is_recorded_with_how_it_ended_and_nothing_from_outside() {
    let memory = Memory::new();
    let id = launched(&memory, "web");
    memory.outside(REGION).tag(&id, "a", "b").expect("tagged");
    assert_eq!(
        code(ask(
            &memory,
            StopInstances {
                instance_id: id.clone()
            }
        )),
        "IncorrectInstanceState"
    );
    memory.fail_next("ec2.StartInstances", Fault::LoseReply);
    ask(
        &memory,
        StartInstances {
            instance_id: id.clone(),
        },
    )
    .expect_err("lost");
    memory.fail_next("ec2.StartInstances", Fault::Drop);
    ask(
        &memory,
        StartInstances {
            instance_id: id.clone(),
        },
    )
    .expect_err("dropped");
    listed(&memory, by_id(&id));
    let recorded: Vec<_> = memory
        .calls()
        .into_iter()
        .map(|call| (call.action, call.effect, call.subject, call.ended))
        .collect();
    let write = |action, subject: &str, ended| (action, Effect::Write, subject.to_owned(), ended);
    assert_eq!(
        recorded,
        [
            write("ec2.RunInstances", "web", Ended::Done),
            write(
                "ec2.StopInstances",
                &id,
                Ended::Refused("IncorrectInstanceState".to_owned())
            ),
            write("ec2.StartInstances", &id, Ended::ReplyLost),
            write("ec2.StartInstances", &id, Ended::Dropped),
            ("ec2.DescribeInstances", Effect::Read, String::new(), Ended::Done),
        ]
    );
    assert_eq!(memory.writes().len(), 4);
    memory.clear_calls();
    assert_eq!(memory.calls(), []);
}

#[test]
fn a_future_that_is_dropped_before_it_was_polled_has_done_nothing() {
    let memory = Memory::new();
    let aws = memory.region(REGION);
    drop(aws.perform(spec(&memory, "web")));
    assert_eq!(memory.calls(), []);
    assert_eq!(memory.outside(REGION).instances(), []);
}

#[test]
fn a_person_at_the_console_changes_what_lies_there() {
    let memory = Memory::new();
    let outside = memory.outside(REGION);
    let id = running(&memory, "web");
    let group_id = group(&memory, "web");
    let rule = Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(22),
        to_port: Some(22),
        peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
    };
    outside
        .allow(&group_id, Direction::Ingress, rule.clone())
        .expect("allowed");
    assert_eq!(
        outside
            .groups()
            .iter()
            .map(|group| group.ingress.len())
            .collect::<Vec<_>>(),
        [1]
    );
    outside.forbid(&group_id, Direction::Ingress, rule).expect("forbidden");
    assert!(outside.group(&group_id).is_some_and(|group| group.ingress.is_empty()));
    outside.tag(&id, "owner", "ana").expect("tagged");
    outside.untag(&id, "Name").expect("untagged");
    assert_eq!(outside.tags(&id), Tags::from([("owner".to_owned(), "ana".to_owned())]));
    outside.stop(&id).expect("stopped");
    pass(&memory, 10);
    outside
        .modify(&id, InstanceAttribute::InstanceType("t3.large".to_owned()))
        .expect("retyped");
    outside.start(&id).expect("started");
    assert_eq!(
        outside.instance(&id).map(|one| one.instance_type),
        Some("t3.large".to_owned())
    );
    assert_eq!(outside.user_data(&id), None);
}

#[test]
fn two_worlds_that_are_treated_alike_are_alike() {
    let story = || {
        let memory = Memory::new();
        let ids = [launched(&memory, "a"), running(&memory, "b"), group(&memory, "c")];
        (
            ids,
            memory.facts(REGION),
            memory.outside(REGION).instances(),
            memory.outside(REGION).volumes(),
            memory.calls(),
        )
    };
    assert_eq!(story(), story());
}

#[test]
fn clones_share_a_world_and_regions_do_not() {
    let memory = Memory::new();
    launched(&memory.clone(), "web");
    assert_eq!(memory.outside(REGION).living().len(), 1);
    assert_eq!(memory.outside("eu-west-1").living().len(), 0);
    assert_ne!(memory.facts(REGION), memory.facts("eu-west-1"));
}

/// The cases of `tests/contract`, on this model alone: without the AWS SDK, in milliseconds.
#[path = "../../../../tests/contract"]
mod contract {
    use crate as nuvem_core;

    mod cases;
    mod memory;
    mod stage;
}
