//! `Ec2Instance` owns an instance, the volume that it boots from (through the instance), and,
//! where the spec asks for one, a security group. It refers to Secrets and `ConfigMap`s for its
//! user data.

pub mod act;
pub mod desired;
pub mod observe;
pub mod plan;
pub mod report;
pub mod spec;

use async_trait::async_trait;
use jiff::Timestamp;

use self::act::Step;
use self::desired::{Desired, Parting};
use self::observe::Observed;
use self::spec::{Ec2Instance, Ec2InstanceStatus, InstancePins};
use crate::aws::Failure;
use crate::engine::gate::Aws;
use crate::engine::kind::{Gathered, Kind, Learned, Refusal, Settings, Sighting, View};
use crate::engine::permit::Disruption;
use crate::engine::plan::Plan;
use crate::engine::references::Target;
use crate::engine::resource::CommonStatus;

/// The ledger's name for the instance.
pub const INSTANCE: &str = "instance";

/// The kind.
#[derive(Clone, Copy, Debug)]
pub struct Ec2;

#[async_trait]
impl Kind for Ec2 {
    type Object = Ec2Instance;
    type Pins = InstancePins;
    type Desired = Desired;
    type Parting = Parting;
    type Observed = Observed;
    type Step = Step;

    fn edges(object: &Ec2Instance) -> Vec<Target> {
        desired::edges(object)
    }

    fn disruption(object: &Ec2Instance) -> Result<Disruption, Refusal> {
        desired::disruption(object)
    }

    fn desired(object: &Ec2Instance, gathered: &Gathered, settings: &Settings) -> Result<Desired, Refusal> {
        desired::desired(object, gathered, settings)
    }

    fn parting(object: &Ec2Instance) -> Parting {
        desired::parting(object)
    }

    async fn observe(aws: &Aws, view: &View<Self>) -> Result<Observed, Failure> {
        observe::observe(aws, view).await
    }

    fn plan(view: &View<Self>, observed: &Observed, now: Timestamp) -> Plan<Step> {
        plan::plan(view, observed, now)
    }

    async fn act(aws: &Aws, step: &Step) -> Result<Learned, Failure> {
        act::act(aws, step).await
    }

    fn report(view: &View<Self>, observed: &Observed) -> InstancePins {
        report::report(view, observed)
    }

    fn sightings(observed: &Observed) -> Vec<Sighting> {
        observe::sightings(observed)
    }

    fn status(common: CommonStatus, pins: InstancePins) -> serde_json::Value {
        serde_json::to_value(Ec2InstanceStatus { common, pins }).unwrap_or_default()
    }

    fn pins(object: &Ec2Instance) -> InstancePins {
        object
            .status
            .as_ref()
            .map(|status| status.pins.clone())
            .unwrap_or_default()
    }
}
