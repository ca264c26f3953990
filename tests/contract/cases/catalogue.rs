//! What a Region has from the beginning.

use std::collections::BTreeSet;

use super::nuvem_core::aws::ec2::{DescribeImages, DescribeSubnets, Image, SelectImages};
use super::nuvem_core::aws::identity::GetCallerIdentity;
use super::nuvem_core::aws::ssm::GetParameter;
use super::stage::{Stage, refusal};

async fn named(stage: &Stage, owner: &str, name: &str) -> Vec<Image> {
    let select = SelectImages::Named {
        owner: owner.to_owned(),
        name: name.to_owned(),
    };
    stage.ask(DescribeImages { select }).await.expect("listed")
}

pub async fn images_are_found_by_owner_and_pattern_and_the_newest_is_known(stage: &Stage) {
    let images = named(stage, "amazon", "al2023-ami-2023.*-x86_64").await;
    assert!(images.len() >= 2, "{images:?}");
    let dates: BTreeSet<&str> = images.iter().map(|image| image.creation_date.as_str()).collect();
    assert!(dates.len() >= 2, "the newest is a question");
    for image in &images {
        assert!(
            image
                .name
                .as_ref()
                .is_some_and(|name| name.starts_with("al2023-ami-2023.")),
            "{image:?}"
        );
        assert!(
            image.creation_date.len() == 24 && image.creation_date.ends_with('Z'),
            "{image:?}"
        );
        assert_eq!(
            (image.state.as_str(), image.architecture.as_str()),
            ("available", "x86_64")
        );
        assert_eq!(
            (image.root_device_name.as_deref(), image.root_volume_gib),
            (Some("/dev/xvda"), Some(8))
        );
    }
    assert_eq!(named(stage, "self", "al2023-ami-2023.*-x86_64").await, []);
    assert_eq!(named(stage, "amazon", "AL2023*").await, []);
}

pub async fn an_unknown_image_or_subnet_is_absent(stage: &Stage) {
    let select = SelectImages::Id("ami-0ffffffffffffffff".to_owned());
    assert_eq!(stage.ask(DescribeImages { select }).await.expect("listed"), []);
    let select = SelectImages::Id(stage.grounds.image.clone());
    let found = stage.ask(DescribeImages { select }).await.expect("listed");
    assert_eq!(found.len(), 1);
    assert_eq!(found.first().map(|image| &image.id), Some(&stage.grounds.image));
    let id = "subnet-0ffffffffffffffff".to_owned();
    assert_eq!(stage.ask(DescribeSubnets::Id(id)).await.expect("listed"), []);
}

pub async fn the_default_subnets_are_one_a_zone(stage: &Stage) {
    let subnets = stage.ask(DescribeSubnets::DefaultForAz).await.expect("listed");
    let zones: BTreeSet<&str> = subnets.iter().map(|subnet| subnet.availability_zone.as_str()).collect();
    assert!(zones.len() >= 2 && zones.len() == subnets.len(), "{subnets:?}");
    assert!(
        subnets
            .iter()
            .all(|subnet| subnet.default_for_az && subnet.vpc_id == stage.grounds.default_vpc)
    );
    let other = stage
        .ask(DescribeSubnets::Id(stage.grounds.other_subnet.clone()))
        .await
        .expect("listed");
    let other = other.first().expect("found");
    assert_eq!((&other.vpc_id, other.default_for_az), (&stage.grounds.other_vpc, false));
}

pub async fn a_public_parameter_names_an_image(stage: &Stage) {
    let name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64".to_owned();
    let id = stage.ask(GetParameter { name }).await.expect("read");
    let found = stage
        .ask(DescribeImages {
            select: SelectImages::Id(id.clone()),
        })
        .await
        .expect("listed");
    assert_eq!(found.first().map(|image| &image.id), Some(&id));
    let unknown = stage
        .ask(GetParameter {
            name: "/nobody/knows".to_owned(),
        })
        .await;
    assert_eq!(refusal(unknown).1, "ParameterNotFound");
}

pub async fn the_account_is_known(stage: &Stage) {
    let account = stage.ask(GetCallerIdentity).await.expect("read");
    assert_eq!(account, "123456789012");
}

pub async fn e58_a_question_mark_is_one_character_or_none_and_a_backslash_takes_its_meaning(stage: &Stage) {
    let all = named(stage, "amazon", "al2023-ami-2023.*-x86_64").await.len();
    for (pattern, found) in [
        ("al2023?ami-2023.*-x86_64", all),
        ("al2023?-ami-2023.*-x86_64", all),
        ("al2023\\-ami-2023.*-x86_64", all),
        ("al2023-ami-2023.\\*-x86_64", 0),
    ] {
        assert_eq!(named(stage, "amazon", pattern).await.len(), found, "{pattern}");
    }
}
