//! Volumes.

use super::nuvem_core::aws::AwsError;
use super::nuvem_core::aws::ec2::{DescribeVolumesModifications, ModifyVolume, TerminateInstances, VolumeModification};
use super::stage::{FOR_EVER, Stage, assert_refused, refusal};

fn change(volume_id: &str) -> ModifyVolume {
    ModifyVolume {
        volume_id: volume_id.to_owned(),
        size_gib: None,
        volume_type: None,
        iops: None,
        throughput: None,
    }
}

async fn resize(stage: &Stage, id: &str, size_gib: i32) -> Result<(), AwsError> {
    stage
        .ask(ModifyVolume {
            size_gib: Some(size_gib),
            ..change(id)
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
}

pub async fn e37_what_the_volume_type_cannot_have_is_refused(stage: &Stage) {
    let id = new_volume(stage).await;
    let gp2_with_iops = ModifyVolume {
        volume_type: Some("gp2".to_owned()),
        iops: Some(3000),
        ..change(&id)
    };
    let words = "The parameter iops is not supported for gp2 volumes.";
    assert_refused(stage.ask(gp2_with_iops).await, "InvalidParameterCombination", words);
    let beyond = [
        ModifyVolume {
            volume_type: Some("zz".to_owned()),
            ..change(&id)
        },
        ModifyVolume {
            iops: Some(2),
            ..change(&id)
        },
        ModifyVolume {
            size_gib: Some(65_537),
            ..change(&id)
        },
        ModifyVolume {
            throughput: Some(5000),
            ..change(&id)
        },
    ];
    for wanted in beyond {
        let told = format!("{wanted:?}");
        let (status, code, _) = refusal(stage.ask(wanted).await);
        assert_eq!((status, code.as_str()), (400, "InvalidParameterValue"), "{told}");
    }
    assert_eq!(latest(stage, &id).await, None);
}

pub async fn e37_another_type_brings_its_own_performance(stage: &Stage) {
    let id = new_volume(stage).await;
    let shape = async || {
        let volume = stage.volume(&id).await.expect("found");
        (volume.volume_type, volume.iops, volume.throughput)
    };
    let modify = async |wanted: ModifyVolume| {
        stage.ask(wanted).await.expect("modified");
        assert_eq!(latest(stage, &id).await.expect("over").state, "completed");
    };
    assert_eq!(shape().await, ("gp3".to_owned(), Some(3000), Some(125)));
    modify(ModifyVolume {
        iops: Some(4000),
        throughput: Some(250),
        ..change(&id)
    })
    .await;
    assert_eq!(shape().await, ("gp3".to_owned(), Some(4000), Some(250)));
    modify(ModifyVolume {
        size_gib: Some(10),
        ..change(&id)
    })
    .await;
    assert_eq!(
        shape().await,
        ("gp3".to_owned(), Some(4000), Some(250)),
        "what is not asked for stays"
    );
    modify(ModifyVolume {
        volume_type: Some("gp2".to_owned()),
        ..change(&id)
    })
    .await;
    assert_eq!(shape().await, ("gp2".to_owned(), Some(100), None));
    modify(ModifyVolume {
        volume_type: Some("gp3".to_owned()),
        ..change(&id)
    })
    .await;
    assert_eq!(shape().await, ("gp3".to_owned(), Some(3000), Some(125)));
}

pub async fn an_encrypted_volume_shows_the_arn_of_its_key(stage: &Stage) {
    let arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    for (asked, shown) in [(None, "arn:aws:kms:eu-central-1:"), (Some(arn), arn)] {
        let mut spec = stage.spec();
        spec.root_volume.encrypted = Some(true);
        spec.root_volume.kms_key_id = asked.map(str::to_owned);
        let volume = stage.root_volume(&stage.running_as(spec).await).await;
        assert!(volume.encrypted);
        let key = volume.kms_key_id.expect("a key");
        assert!(key.starts_with(shown), "{key}");
    }
    let plain = stage.root_volume(&stage.running().await).await;
    assert_eq!((plain.encrypted, plain.kms_key_id), (false, None));
}
