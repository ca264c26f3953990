//! Volumes.

use super::nuvem_core::aws::AwsError;
use super::nuvem_core::aws::ec2::{DescribeVolumesModifications, ModifyVolume, TerminateInstances, VolumeModification};
use super::stage::{FOR_EVER, Stage, assert_refused, refusal};

async fn resize(stage: &Stage, id: &str, size_gib: i32) -> Result<(), AwsError> {
    let nothing = ModifyVolume {
        volume_id: id.to_owned(),
        size_gib: None,
        volume_type: None,
        iops: None,
        throughput: None,
    };
    stage
        .ask(ModifyVolume {
            size_gib: Some(size_gib),
            ..nothing
        })
        .await
}

async fn latest(stage: &Stage, id: &str) -> Option<VolumeModification> {
    stage
        .ask(DescribeVolumesModifications {
            volume_id: id.to_owned(),
        })
        .await
        .expect("read")
}

async fn size(stage: &Stage, id: &str) -> i32 {
    stage.volume(id).await.expect("found").size_gib
}

async fn new_volume(stage: &Stage) -> String {
    stage.root_volume(&stage.running().await).await.id
}

pub async fn e36_the_root_volume_goes_with_its_instance(stage: &Stage) {
    let instance = stage.running().await;
    let root = instance.root_volume().expect("a root volume").clone();
    assert!(root.delete_on_termination, "by default");
    stage
        .ask(TerminateInstances {
            instance_id: instance.id,
        })
        .await
        .expect("terminated");
    assert_eq!(stage.volume(&root.volume_id).await, None);
}

pub async fn e37_a_volume_is_modified_in_steps_and_one_at_a_time(stage: &Stage) {
    let id = new_volume(stage).await;
    stage.turn(|dials| dials.transition = FOR_EVER).await;
    resize(stage, &id, 9).await.expect("modified");
    let modification = latest(stage, &id).await.expect("under way");
    assert_eq!(
        (modification.volume_id.as_str(), modification.state.as_str()),
        (id.as_str(), "modifying")
    );
    assert_eq!(size(stage, &id).await, 8, "the old size counts");
    assert_refused(
        resize(stage, &id, 10).await,
        "IncorrectModificationState",
        "cannot be modified in modification state MODIFYING",
    );
    stage.calm().await;
    assert_eq!(latest(stage, &id).await.expect("over").state, "completed");
    assert_eq!(size(stage, &id).await, 9);
    resize(stage, &id, 10).await.expect("the next one");
}

pub async fn e37_a_volume_never_shrinks(stage: &Stage) {
    let id = new_volume(stage).await;
    assert_refused(
        resize(stage, &id, 7).await,
        "InvalidParameterValue",
        "New size cannot be smaller than existing size",
    );
    assert_eq!(latest(stage, &id).await, None);
}

pub async fn e38_four_modifications_a_day_and_then_no_more(stage: &Stage) {
    let id = new_volume(stage).await;
    for size_gib in 9..=12 {
        resize(stage, &id, size_gib).await.expect("modified");
        assert_eq!(latest(stage, &id).await.expect("over").state, "completed");
    }
    let words = "You've reached the maximum modification rate per volume limit.";
    assert_refused(resize(stage, &id, 13).await, "VolumeModificationRateExceeded", words);
    assert_eq!(size(stage, &id).await, 12);
}

pub async fn e38_a_volume_that_was_never_modified_has_no_modification(stage: &Stage) {
    let id = new_volume(stage).await;
    assert_eq!(latest(stage, &id).await, None);
    let volume_id = "vol-0ffffffffffffffff".to_owned();
    let (_, code, _) = refusal(stage.ask(DescribeVolumesModifications { volume_id }).await);
    assert_eq!(code, "InvalidVolume.NotFound");
}
