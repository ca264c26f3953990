//! Any sequence of edits and of changes from outside ends where the spec says.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use super::fate::{Moment, To};
use super::stage::{Stage, WEB, minutes, seconds, web};
use crate::aws::ec2::{Direction, InstanceAttribute, InstanceState, MonitorInstances, Peer, ProtectedAction, Rule};
use crate::aws::memory::{Fault, FaultPlan};

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Type(usize),
    Power(bool),
    Rules(Vec<u16>),
    Egress(Option<u16>),
    Tags(Vec<usize>),
    Protection(bool, bool),
    Monitoring(bool),
    Grow(i32),
    UserData(usize, bool),
    Group(bool),
    StopOutside,
    StartOutside,
    TerminateOutside,
    RuleOutside(u16),
    TagOutside,
    UntagOutside,
    MonitorOutside,
    ProtectOutside(bool),
    /// The next write to AWS fails, one way or the other.
    Fault(usize),
    /// The process dies around a write to come.
    Doom(usize, bool, bool),
    Wipe,
    Pause(bool),
    Late(i64),
    Lag(i64),
    Crash,
    Wait(i64),
}

const TYPES: [&str; 3] = ["t3.micro", "t3.small", "t3.medium"];
const TAGS: [&str; 3] = ["team", "env", "owner"];

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0..3_usize).prop_map(Deed::Type),
        any::<bool>().prop_map(Deed::Power),
        prop::collection::vec(1_u16..4, 0..3).prop_map(Deed::Rules),
        prop::option::of(1_u16..4).prop_map(Deed::Egress),
        prop::collection::vec(0..3_usize, 0..3).prop_map(Deed::Tags),
        (any::<bool>(), any::<bool>()).prop_map(|(termination, stop)| Deed::Protection(termination, stop)),
        any::<bool>().prop_map(Deed::Monitoring),
        (0..10_i32).prop_map(Deed::Grow),
        (0..3_usize, any::<bool>()).prop_map(|(text, stop)| Deed::UserData(text, stop)),
        any::<bool>().prop_map(Deed::Group),
        Just(Deed::StopOutside),
        Just(Deed::StartOutside),
        Just(Deed::TerminateOutside),
        (1_u16..9).prop_map(Deed::RuleOutside),
        Just(Deed::TagOutside),
        Just(Deed::UntagOutside),
        Just(Deed::MonitorOutside),
        any::<bool>().prop_map(Deed::ProtectOutside),
        (0..4_usize).prop_map(Deed::Fault),
        (0..4_usize, any::<bool>(), any::<bool>()).prop_map(|(nth, aws, before)| Deed::Doom(nth, aws, before)),
        Just(Deed::Wipe),
        any::<bool>().prop_map(Deed::Pause),
        (0..12_i64).prop_map(Deed::Late),
        (0..4_i64).prop_map(Deed::Lag),
        Just(Deed::Crash),
        (0..90_i64).prop_map(Deed::Wait),
        (0..90_i64).prop_map(Deed::Wait),
    ]
}

fn fault(which: usize) -> Fault {
    let internal = Fault::Refuse {
        status: 500,
        code: "InternalError".to_owned(),
        message: "An internal error has occurred".to_owned(),
    };
    [Fault::LoseReply, Fault::Drop, Fault::Throttle, internal][which].clone()
}

fn toggle(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

fn rule(port: u16) -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(i32::from(port)),
        to_port: Some(i32::from(port)),
        peer: Peer::Ipv4("10.0.0.0/8".to_owned()),
    }
}

fn rules(ports: &[u16]) -> serde_json::Value {
    ports
        .iter()
        .map(|port| json!({"port": port, "cidrs": ["10.0.0.0/8"]}))
        .collect()
}

impl Deed {
    fn is_done_to(&self, stage: &mut Stage) {
        match self {
            Self::Wait(time) => stage.pass(seconds(*time)),
            Self::Crash => stage.restart(),
            Self::Fault(which) => stage.memory.fail(FaultPlan::on_any_write(fault(*which))),
            Self::Doom(nth, aws, before) => {
                let moment = if *before { Moment::Before } else { Moment::After };
                stage.dies(moment, if *aws { To::Aws } else { To::Cluster }, *nth);
            }
            Self::Wipe => stage
                .cluster
                .change(WEB, |object| object["status"] = json!({"observedGeneration": -1})),
            Self::Pause(paused) => stage.annotate("paused", paused.then_some("true")),
            Self::Late(time) => stage.memory.turn(|dials| {
                dials.visibility = seconds(*time);
                dials.tag_visibility = seconds(*time);
            }),
            Self::Lag(time) => stage.lag = seconds(*time),
            Self::Type(_)
            | Self::Power(_)
            | Self::Rules(_)
            | Self::Egress(_)
            | Self::Tags(_)
            | Self::Protection(_, _)
            | Self::Monitoring(_)
            | Self::Grow(_)
            | Self::UserData(_, _)
            | Self::Group(_) => stage.edit(|spec| self.edits(spec)),
            Self::StopOutside
            | Self::StartOutside
            | Self::TerminateOutside
            | Self::RuleOutside(_)
            | Self::TagOutside
            | Self::UntagOutside
            | Self::MonitorOutside
            | Self::ProtectOutside(_) => self.happens_outside(stage),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most deeds edit nothing")]
    fn edits(&self, spec: &mut serde_json::Value) {
        match self {
            Self::Type(index) => spec["instanceType"] = json!(TYPES[*index]),
            Self::Power(on) => spec["power"] = json!({"state": if *on { "Running" } else { "Stopped" }}),
            Self::Rules(ports) if !spec["network"].is_null() => {
                spec["network"]["securityGroup"]["ingress"] = rules(ports);
            }
            Self::Egress(port) if !spec["network"].is_null() => {
                let ports: Vec<u16> = port.iter().copied().collect();
                spec["network"]["securityGroup"]["egress"] = rules(&ports);
            }
            Self::Tags(keys) => spec["tags"] = keys.iter().map(|key| (TAGS[*key], "ours")).collect(),
            Self::Protection(termination, stop) => {
                spec["protection"] = json!({"termination": toggle(*termination), "stop": toggle(*stop)});
            }
            Self::Monitoring(on) => spec["monitoring"] = json!(if *on { "Detailed" } else { "Basic" }),
            Self::Grow(by) => {
                let now = spec["rootVolume"]["sizeGiB"].as_i64().unwrap_or(8);
                spec["rootVolume"]["sizeGiB"] = json!(now + i64::from(*by));
            }
            Self::UserData(text, stop) => {
                let on_change = if *stop { "StopStart" } else { "Ignore" };
                spec["userData"] = json!({"inline": format!("#!/bin/sh\necho {text}\n"), "onChange": on_change});
            }
            Self::Group(true) if spec["network"].is_null() => spec["network"] = web()["network"].clone(),
            Self::Group(false) => spec["network"] = json!(null),
            _ => {}
        }
        if spec["network"].is_null() {
            spec.as_object_mut().unwrap().remove("network");
        }
    }

    /// What AWS refuses to a person just does not happen.
    fn happens_outside(&self, stage: &Stage) {
        let outside = stage.outside();
        let Some(id) = stage.living().into_iter().next().map(|instance| instance.id) else {
            return;
        };
        let group = outside.groups().into_iter().next().map(|group| group.id);
        let _ = match (self, group) {
            (Self::StopOutside, _) => outside.stop(&id),
            (Self::StartOutside, _) => outside.start(&id),
            (Self::TerminateOutside, _) => outside.terminate(&id),
            (Self::RuleOutside(port), Some(group)) => outside.allow(&group, Direction::Ingress, rule(*port)),
            (Self::TagOutside, _) => outside.tag(&id, "env", "theirs"),
            (Self::UntagOutside, _) => outside.untag(&id, "team"),
            (Self::MonitorOutside, _) => outside.perform(MonitorInstances { instance_id: id }),
            (Self::ProtectOutside(enabled), _) => {
                let action = ProtectedAction::Termination;
                outside.modify(
                    &id,
                    InstanceAttribute::Protection {
                        action,
                        enabled: *enabled,
                    },
                )
            }
            _ => Ok(()),
        };
    }
}

/// In the end all is as the spec says, and looking again finds nothing to do.
fn must_end_well(stage: &mut Stage) {
    // A stop that the spec itself forbids would be right to stall.
    stage.edit(|spec| spec["protection"] = json!({"termination": "Disabled", "stop": "Disabled"}));
    stage.annotate("paused", None);
    stage.annotate("reconcile-at", Some("the end"));
    // A volume may wait for its turn for hours.
    stage.pass(minutes(60 * 14));
    stage.must_be_converged();
    let (spec, instance) = (stage.object()["spec"].clone(), stage.instance());
    assert_eq!(json!(instance.instance_type), spec["instanceType"], "{}", stage.story());
    let wanted = if spec["power"]["state"] == "Stopped" {
        InstanceState::Stopped
    } else {
        InstanceState::Running
    };
    assert_eq!(instance.state, wanted, "{}", stage.story());
    for (key, value) in spec["tags"].as_object().into_iter().flatten() {
        assert_eq!(json!(instance.tags[key]), *value, "{key}\n{}", stage.story());
    }
    assert_eq!(
        stage.outside().groups().len(),
        usize::from(!spec["network"].is_null()),
        "{}",
        stage.story()
    );
    if let Some(size) = spec["rootVolume"]["sizeGiB"].as_i64() {
        let root = stage.outside().volume(&instance.volumes[0].volume_id).unwrap();
        assert_eq!(i64::from(root.size_gib), size, "{}", stage.story());
    }
    stage.forget();
    stage.annotate("reconcile-at", Some("once more"));
    stage.pass(minutes(60));
    assert_eq!(
        stage.writes(),
        Vec::<&str>::new(),
        "planning again is empty\n{}",
        stage.story()
    );
    stage.must_be_converged();
}

#[test]
fn any_edits_and_any_changes_from_outside_end_where_the_spec_says() {
    let config = Config {
        cases: 100,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let deeds = prop::collection::vec(deed(), 1..14);
    let result = runner.run(&deeds, |deeds| {
        let mut stage = Stage::new();
        stage.apply(web());
        for deed in &deeds {
            deed.is_done_to(&mut stage);
        }
        must_end_well(&mut stage);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
