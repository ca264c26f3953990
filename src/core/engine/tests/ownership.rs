//! Whose it is: adoption, keeping, a lost status, an object made again, names that are taken.

use serde_json::{Value, json};

use super::fate::{Moment, To};
use super::stage::{REGION, Stage, WEB, minutes, web};
use crate::aws::ec2::{CreateSecurityGroup, Tags};
use crate::aws::memory::Memory;
use crate::engine::ownership::{OWNER_TAGS, tag};

/// A spec that says as little as an adoption needs.
fn as_found() -> Value {
    json!({"tags": {"team": "shop"}})
}

/// A running instance that is nobody's.
fn stray() -> (Stage, String) {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.edit(|spec| spec["deletionPolicy"] = json!("Retain"));
    stage.delete();
    stage.rest();
    let outside = stage.outside();
    outside.untag(&id, tag::ADOPTABLE_BY).unwrap();
    let group = stage.group().id;
    let default = stage.memory.facts(REGION).default_group;
    outside
        .modify(&id, crate::aws::ec2::InstanceAttribute::SecurityGroups(vec![default]))
        .unwrap();
    outside
        .perform(crate::aws::ec2::DeleteSecurityGroup { group_id: group })
        .unwrap();
    stage.forget();
    (stage, id)
}

fn adopting(spec: Value) -> (Stage, String) {
    let (stage, id) = stray();
    stage.apply(spec);
    stage.annotate("adopt", Some(&id));
    (stage, id)
}

fn adopted(spec: Value) -> (Stage, String) {
    let (mut stage, id) = adopting(spec);
    stage.outside().tag(&id, tag::ADOPTABLE_BY, "prod/shop").unwrap();
    stage.rest();
    stage.must_be_converged();
    (stage, id)
}

#[test]
fn kept_things_have_no_owner_and_say_where_they_came_from() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage.edit(|spec| spec["deletionPolicy"] = json!("Retain"));
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    let things = [id, stage.group().id, stage.outside().volumes()[0].id.clone()];
    for thing in things {
        let tags = stage.outside().tags(&thing);
        assert!(
            OWNER_TAGS.iter().all(|key| !tags.contains_key(*key)),
            "{thing}: {tags:?}"
        );
        assert_eq!(tags[tag::KEPT_FROM], "Ec2Instance/shop/web", "{thing}");
        assert_eq!(tags[tag::ADOPTABLE_BY], "prod/shop", "{thing}");
        assert!(tags.contains_key(tag::KEPT_AT), "{thing}");
    }
    assert_eq!(stage.calls("ec2.TerminateInstances"), 0);
}

#[test]
fn without_consent_nothing_is_adopted_and_the_command_is_told() {
    let (mut stage, id) = adopting(as_found());
    stage.pass(minutes(10));
    assert_eq!(stage.reason("Stalled"), "NotOwned", "{}", stage.story());
    let command = format!("aws ec2 create-tags --resources {id} --tags Key=nuvem.dev/adoptable-by,Value=prod/shop");
    assert!(stage.condition("Stalled").2.contains(&command), "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.instance().id, id);
}

#[test]
fn with_consent_it_is_adopted_as_it_is() {
    let (mut stage, id) = adopted(as_found());
    assert_eq!(stage.instance().id, id);
    let tags = stage.instance().tags;
    assert_eq!(tags[tag::RESOURCE], "Ec2Instance/shop/web");
    assert_eq!(tags[tag::ADOPTED], "true");
    assert_eq!(tags["team"], "shop");
    assert!(
        stage.writes().iter().all(|action| action.ends_with("Tags")),
        "{}",
        stage.story()
    );
    stage.forget();
    stage.pass(minutes(60 * 24));
    assert_eq!(stage.writes(), Vec::<&str>::new());
}

#[test]
fn what_was_adopted_stays_unless_delete_is_written_out() {
    let (mut stage, id) = adopted(as_found());
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.instance().id, id);

    let mut spec = as_found();
    spec["deletionPolicy"] = json!("Delete");
    let (mut stage, _) = adopted(spec);
    stage.delete();
    stage.rest();
    stage.must_be_gone();
}

#[test]
fn what_was_adopted_is_still_adopted_after_its_status_was_lost() {
    let (mut stage, id) = adopted(as_found());
    wipe(&stage);
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().id, id);
    stage.delete();
    stage.rest();
    assert!(!stage.exists());
    assert_eq!(stage.living().len(), 1, "it stays: it was adopted\n{}", stage.story());
}

fn wipe(stage: &Stage) {
    stage
        .cluster
        .change(WEB, |object| object["status"] = json!({"observedGeneration": -1}));
}

#[test]
fn a_status_wiped_at_any_point_of_a_create_leads_to_the_same_instance() {
    for second in 0..30 {
        let mut stage = Stage::new();
        stage.apply(web());
        stage.pass(jiff::SignedDuration::from_millis(second * 500));
        wipe(&stage);
        stage.rest();
        stage.must_be_converged();
        assert_eq!(
            stage.calls("ec2.RunInstances"),
            launches(&stage),
            "{second}\n{}",
            stage.story()
        );
        stage.group();
        stage.forget();
        stage.pass(minutes(60));
        assert_eq!(stage.writes(), Vec::<&str>::new(), "{second}\n{}", stage.story());
    }
}

/// How many launches there were that made something.
fn launches(stage: &Stage) -> usize {
    let calls = stage.memory.calls();
    calls
        .iter()
        .filter(|call| call.action == "ec2.RunInstances")
        .count()
        .max(1)
}

#[test]
fn a_status_wiped_around_every_write_to_aws_leads_to_the_same_instance() {
    for nth in 0..3 {
        let mut stage = Stage::new();
        stage.apply(web());
        stage.dies(Moment::After, To::Aws, nth);
        while stage.deaths == 0 {
            stage.pass(jiff::SignedDuration::from_millis(10));
        }
        wipe(&stage);
        stage.rest();
        stage.must_be_converged();
        assert_eq!(stage.outside().instances().len(), 1, "{nth}\n{}", stage.story());
    }
}

#[test]
fn a_status_wiped_when_all_was_well_is_written_again_without_a_write_to_aws() {
    let mut stage = Stage::converged(web());
    wipe(&stage);
    stage.pass(minutes(2));
    stage.must_be_converged();
    assert_eq!(stage.writes(), Vec::<&str>::new());
    assert_eq!(stage.warnings(), Vec::<String>::new());
}

#[test]
fn a_status_wiped_while_deleting_leaves_nothing_behind() {
    for second in 0..30 {
        let mut stage = Stage::converged(web());
        stage.delete();
        stage.pass(jiff::SignedDuration::from_secs(second));
        if stage.exists() {
            wipe(&stage);
        }
        stage.pass(minutes(30));
        stage.must_be_gone();
    }
}

#[test]
fn an_object_made_again_under_another_uid_finds_what_it_had() {
    let mut stage = Stage::converged(web());
    let (id, group) = (stage.instance().id, stage.group().id);
    stage
        .cluster
        .change(WEB, |object| object["metadata"]["finalizers"] = json!([]));
    stage.delete();
    assert!(!stage.exists(), "forced away");
    stage.apply(web());
    stage.rest();
    stage.must_be_converged();
    assert_eq!(
        (stage.instance().id, stage.group().id),
        (id.clone(), group),
        "{}",
        stage.story()
    );
    assert!(!stage.events("TookOver").is_empty());
    wipe(&stage);
    stage.rest();
    stage.must_be_converged();
    assert_eq!(stage.instance().id, id, "and finds it once more\n{}", stage.story());
    stage.delete();
    stage.rest();
    stage.must_be_gone();
}

#[test]
fn a_finalizer_taken_away_by_hand_is_put_back() {
    let mut stage = Stage::converged(web());
    stage
        .cluster
        .change(WEB, |object| object["metadata"]["finalizers"] = json!([]));
    stage.pass(minutes(1));
    assert_eq!(
        stage.object()["metadata"]["finalizers"],
        json!(["nuvem.dev/aws"]),
        "{}",
        stage.story()
    );
}

/// A group of the name that ours would have.
fn squatter(memory: &Memory, name: &str, tags: Tags) -> String {
    let outside = memory.outside(REGION);
    let create = CreateSecurityGroup {
        name: name.to_owned(),
        description: "theirs".to_owned(),
        vpc_id: memory.facts(REGION).default_vpc,
        tags,
    };
    outside.perform(create).unwrap()
}

#[test]
fn somebody_elses_group_of_our_name_is_left_alone_and_told() {
    let name = Stage::converged(web()).group().name;
    let mut stage = Stage::new();
    let theirs = squatter(&stage.memory, &name, Tags::new());
    let before = stage.outside().group(&theirs);
    stage.apply(web());
    stage.pass(minutes(30));
    assert_eq!(stage.reason("Stalled"), "NotOwned", "{}", stage.story());
    assert!(stage.condition("Stalled").2.contains(&theirs), "{}", stage.story());
    assert_eq!(stage.outside().group(&theirs), before);
    assert!(stage.living().is_empty());
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.outside().group(&theirs), before, "untouched to the end");
}

#[test]
fn a_name_that_becomes_free_is_taken() {
    let name = Stage::converged(web()).group().name;
    let mut stage = Stage::new();
    let theirs = squatter(&stage.memory, &name, Tags::new());
    stage.apply(web());
    stage.pass(minutes(30));
    stage
        .outside()
        .perform(crate::aws::ec2::DeleteSecurityGroup { group_id: theirs })
        .unwrap();
    stage.pass(minutes(60));
    stage.must_be_converged();
}

#[test]
fn an_instance_with_copied_tags_is_not_taken_over() {
    let (mut stage, id) = stray();
    let other = Stage::converged(web());
    for (key, value) in other.instance().tags {
        stage.outside().tag(&id, &key, &value).unwrap();
    }
    stage.outside().tag(&id, tag::PART, "instance.0").unwrap();
    stage.outside().tag(&id, tag::UID, "uid-of-another-life").unwrap();
    stage.forget();
    stage.apply(web());
    stage.pass(minutes(30));
    assert_eq!(stage.reason("Stalled"), "NotOwned", "{}", stage.story());
    assert!(!stage.writes().contains(&"ec2.TerminateInstances"));
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    assert!(
        stage.living().iter().any(|instance| instance.id == id),
        "untouched to the end"
    );
}

#[test]
fn an_instance_that_is_tagged_as_somebody_elses_is_left_alone() {
    let mut stage = Stage::converged(web());
    let id = stage.instance().id;
    stage
        .outside()
        .tag(&id, tag::RESOURCE, "Ec2Instance/other/thing")
        .unwrap();
    stage.edit(|spec| spec["instanceType"] = json!("t3.small"));
    stage.pass(minutes(10));
    assert_eq!(stage.reason("Stalled"), "NotOwned", "{}", stage.story());
    assert_eq!(stage.writes(), Vec::<&str>::new());
    stage.delete();
    stage.pass(minutes(40));
    assert_eq!(stage.calls("ec2.TerminateInstances"), 0);
    assert!(
        stage.is("Reconciling"),
        "our group is still used by it\n{}",
        stage.story()
    );
    stage.outside().terminate(&id).unwrap();
    stage.pass(minutes(10));
    stage.must_be_gone();
}

#[test]
fn keeping_what_is_ours_does_not_touch_somebody_elses_group_of_our_name() {
    let name = Stage::converged(web()).group().name;
    let mut spec = web();
    spec.as_object_mut().unwrap().remove("network");
    let mut stage = Stage::converged(spec);
    let theirs = squatter(&stage.memory, &name, Tags::new());
    let before = stage.outside().group(&theirs);
    stage.edit(|spec| {
        spec["network"] = web()["network"].clone();
        spec["deletionPolicy"] = json!("Retain");
    });
    stage.pass(minutes(5));
    assert_eq!(stage.reason("Stalled"), "NotOwned", "{}", stage.story());
    stage.delete();
    stage.rest();
    assert!(!stage.exists(), "{}", stage.story());
    assert_eq!(stage.outside().group(&theirs), before);
}
