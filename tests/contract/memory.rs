//! The cases on the in-memory AWS, each as a test of its own.

use std::sync::atomic::AtomicU32;

use async_trait::async_trait;

use super::cases;
use super::nuvem_core::aws::ec2::RunInstances;
use super::nuvem_core::aws::memory::{Dials, Memory};
use super::stage::{Grounds, Stage, World};

const REGION: &str = "eu-central-1";

#[async_trait]
impl World for Memory {
    async fn turn(&self, dials: &Dials) {
        Memory::turn(self, |present| present.clone_from(dials));
    }

    async fn crowd(&self, spec: &RunInstances, number: usize) {
        let aws = self.region(REGION);
        for n in 0..number {
            let mut spec = spec.clone();
            spec.client_token = format!("{}-{n}", spec.client_token);
            aws.perform(spec).await.expect("launched");
        }
    }
}

fn stage() -> Stage {
    let memory = Memory::new();
    let facts = memory.facts(REGION);
    Stage {
        aws: memory.region(REGION),
        elsewhere: memory.region("eu-north-1"),
        grounds: Grounds {
            default_vpc: facts.default_vpc,
            default_subnets: facts.default_subnets,
            other_vpc: facts.other_vpc,
            other_subnet: facts.other_subnet,
            image: facts.newest_image,
            arm_image: facts.arm_image,
            key_pair: "ops".to_owned(),
        },
        world: Box::new(memory),
        run: "memory".to_owned(),
        names: AtomicU32::new(0),
    }
}

macro_rules! tests_of_all_cases {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            use futures_util::FutureExt;
            use super::{cases, stage};
            $(#[test]
            fn $case() {
                let stage = stage();
                async {
                    stage.calm().await;
                    cases::$module::$case(&stage).await;
                }
                .now_or_never()
                .expect("nothing waits in memory");
            })+
        })+
    };
}
cases::with_all_cases!(tests_of_all_cases);
