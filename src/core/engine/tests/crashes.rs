//! Crashes, lost answers, throttling and errors, at every call of a create, a resize and a delete.

use serde_json::json;

use super::fate::{Moment, To};
use super::stage::{Stage, web};
use crate::aws::memory::{Fault, FaultPlan};

/// What somebody asks for, from a stage on which it can be asked.
#[derive(Clone, Copy, Debug)]
enum Story {
    Create,
    Resize,
    Delete,
}

const STORIES: [Story; 3] = [Story::Create, Story::Resize, Story::Delete];

impl Story {
    /// The story from its beginning to its end, with a disturbance at its beginning.
    fn told(self, disturb: impl FnOnce(&Stage)) -> Stage {
        let mut stage = match self {
            Self::Create => Stage::new(),
            Self::Resize | Self::Delete => Stage::converged(web()),
        };
        match self {
            Self::Create => stage.apply(web()),
            Self::Resize => stage.edit(|spec| spec["instanceType"] = json!("t3.small")),
            Self::Delete => stage.delete(),
        }
        disturb(&stage);
        stage.rest();
        self.must_have_ended_well(&stage);
        stage
    }

    #[track_caller]
    fn must_have_ended_well(self, stage: &Stage) {
        match self {
            Self::Create => assert_eq!(stage.instance().instance_type, "t3.micro", "{}", stage.story()),
            Self::Resize => assert_eq!(stage.instance().instance_type, "t3.small", "{}", stage.story()),
            Self::Delete => return stage.must_be_gone(),
        }
        stage.must_be_converged();
        let (instance, group) = (stage.instance(), stage.group());
        assert_eq!(instance.security_groups, [group.id].into(), "{}", stage.story());
        assert_eq!(stage.outside().volumes().len(), 1, "{}", stage.story());
    }
}

#[test]
fn undisturbed_each_story_takes_few_writes() {
    let writes = |story: Story| story.told(|_| {}).writes();
    assert_eq!(
        writes(Story::Create),
        [
            "ec2.CreateSecurityGroup",
            "ec2.AuthorizeSecurityGroupIngress",
            "ec2.RunInstances"
        ]
    );
    assert_eq!(
        writes(Story::Resize),
        ["ec2.StopInstances", "ec2.ModifyInstanceAttribute", "ec2.StartInstances"]
    );
    let delete = writes(Story::Delete);
    assert_eq!(delete[0], "ec2.TerminateInstances");
    assert!(
        delete[1..].iter().all(|action| *action == "ec2.DeleteSecurityGroup"),
        "{delete:?}"
    );
}

#[test]
fn the_process_may_die_around_every_write_to_aws() {
    for story in STORIES {
        let whole = story.told(|_| {});
        let undisturbed = whole.effective_writes();
        for nth in 0..whole.writes().len() {
            for moment in [Moment::Before, Moment::After] {
                let stage = story.told(|stage| stage.dies(moment, To::Aws, nth));
                assert_eq!(stage.deaths, 1, "{story:?} {moment:?} {nth}");
                let writes = stage.effective_writes();
                assert!(
                    writes <= undisturbed + 1,
                    "{story:?} {moment:?} {nth}\n{}",
                    stage.story()
                );
            }
        }
    }
}

#[test]
fn the_process_may_die_around_every_write_to_the_cluster() {
    for story in STORIES {
        let undisturbed = story.told(|_| {});
        for nth in 0..undisturbed.cluster.writes() {
            for moment in [Moment::Before, Moment::After] {
                let stage = story.told(|stage| stage.dies(moment, To::Cluster, nth));
                assert_eq!(stage.deaths, 1, "{story:?} {moment:?} {nth}");
                let writes = stage.effective_writes();
                assert!(
                    writes <= undisturbed.effective_writes() + 2,
                    "{story:?} {moment:?} {nth}\n{}",
                    stage.story()
                );
            }
        }
    }
}

#[test]
fn the_answer_of_every_write_may_get_lost_or_the_write_itself() {
    for story in STORIES {
        let whole = story.told(|_| {});
        let undisturbed = whole.effective_writes();
        for nth in 0..whole.writes().len() {
            for fault in [Fault::LoseReply, Fault::Drop, internal_error()] {
                let plan = FaultPlan::on_any_write(fault.clone()).after(u32::try_from(nth).unwrap());
                let stage = story.told(|stage| stage.memory.fail(plan));
                let writes = stage.effective_writes();
                assert!(
                    writes <= undisturbed + 2,
                    "{story:?} {fault:?} {nth}\n{}",
                    stage.story()
                );
            }
        }
    }
}

#[test]
fn every_call_may_be_throttled_or_fail() {
    for story in STORIES {
        let undisturbed = story.told(|_| {});
        let calls = undisturbed.memory.calls().len().min(40);
        for nth in 0..calls {
            for fault in [Fault::Throttle, internal_error()] {
                let plan = FaultPlan::on_any(fault.clone()).after(u32::try_from(nth).unwrap());
                let stage = story.told(|stage| stage.memory.fail(plan));
                let writes = stage.effective_writes();
                assert!(
                    writes <= undisturbed.effective_writes() + 2,
                    "{story:?} {fault:?} {nth}\n{}",
                    stage.story()
                );
                assert_eq!(
                    stage.warnings(),
                    Vec::<String>::new(),
                    "{story:?} {fault:?} {nth}\n{}",
                    stage.story()
                );
            }
        }
    }
}

#[test]
fn calls_may_be_throttled_again_and_again() {
    // A look is several reads, and whole or not at all: every third call throttled would be every
    // look in vain. (At the edge the SDK repeats reads.)
    let plans = [
        FaultPlan::on_any_write(Fault::Throttle).every(3),
        FaultPlan::on_any(Fault::Throttle).every(7),
    ];
    for story in STORIES {
        for plan in &plans {
            story.told(|stage| stage.memory.fail(plan.clone().forever()));
        }
    }
}

fn internal_error() -> Fault {
    Fault::Refuse {
        status: 500,
        code: "InternalError".to_owned(),
        message: "An internal error has occurred".to_owned(),
    }
}
