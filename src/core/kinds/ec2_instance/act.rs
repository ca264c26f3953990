//! One AWS write a step. Nothing is decided here.

use std::fmt;

use super::INSTANCE;
use crate::aws::Failure;
use crate::aws::ec2::{
    InstanceAttribute, MetadataOptions, ModifyInstanceAttribute, ModifyInstanceMetadataOptions, ModifyVolume,
    MonitorInstances, Monitoring, ProtectedAction, RunInstances, StartInstances, StopInstances, TerminateInstances,
    UnmonitorInstances,
};
use crate::engine::gate::Aws;
use crate::engine::kind::Learned;
use crate::parts::{security_group, tags};

/// One AWS write.
#[derive(Clone, Debug)]
pub enum Step {
    /// Launches the instance.
    Launch(Box<RunInstances>),
    /// Starts it.
    Start(String),
    /// Stops it.
    Stop(String),
    /// Terminates it.
    Terminate(String),
    /// Changes one attribute; `source` says what new user data was made from.
    Modify {
        /// Which attribute of which instance.
        change: ModifyInstanceAttribute,
        /// For user data: what it was made from.
        source: Option<String>,
    },
    /// Changes the metadata options.
    Metadata(ModifyInstanceMetadataOptions),
    /// Turns detailed monitoring on or off.
    Monitor(String, Monitoring),
    /// Grows or retypes the root volume.
    Volume(ModifyVolume),
    /// Something about the group.
    Group(security_group::Step),
    /// Something about tags.
    Tags(tags::Step),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch(run) => write!(f, "launch {} from {}", run.instance_type, run.image_id),
            Self::Start(id) => write!(f, "start {id}"),
            Self::Stop(id) => write!(f, "stop {id}"),
            Self::Terminate(id) => write!(f, "terminate {id}"),
            Self::Modify { change, .. } => write!(f, "set {} of {}", attribute(&change.attribute), change.instance_id),
            Self::Metadata(change) => write!(
                f,
                "set metadata options of {}: {}",
                change.instance_id,
                options(change.options)
            ),
            Self::Monitor(id, Monitoring::Basic) => write!(f, "turn detailed monitoring of {id} off"),
            Self::Monitor(id, Monitoring::Detailed) => write!(f, "turn detailed monitoring of {id} on"),
            Self::Volume(change) => write!(f, "modify volume {}", change.volume_id),
            Self::Group(step) => step.fmt(f),
            Self::Tags(step) => step.fmt(f),
        }
    }
}

fn attribute(attribute: &InstanceAttribute) -> String {
    match attribute {
        InstanceAttribute::InstanceType(to) => format!("instance type {to}"),
        InstanceAttribute::UserData(_) => "user data".to_owned(),
        InstanceAttribute::SecurityGroups(ids) => format!("security groups {}", ids.join(" ")),
        InstanceAttribute::Protection { action, enabled } => {
            let action = match action {
                ProtectedAction::Termination => "termination",
                ProtectedAction::Stop => "stop",
            };
            format!("{action} protection {}", if *enabled { "on" } else { "off" })
        }
    }
}

/// Metadata options as people read them.
#[must_use]
pub fn options(options: MetadataOptions) -> String {
    let tokens = match options.http_tokens {
        crate::aws::ec2::HttpTokens::Required => "required",
        crate::aws::ec2::HttpTokens::Optional => "optional",
    };
    format!("httpTokens {tokens}, httpPutResponseHopLimit {}", options.hop_limit)
}

/// Performs one step.
///
/// # Errors
///
/// Whatever AWS refuses.
pub async fn act(aws: &Aws, step: &Step) -> Result<Learned, Failure> {
    match step.clone() {
        Step::Launch(run) => {
            let instance = aws.call(*run).await?;
            return Ok(Learned::Created {
                part: INSTANCE,
                id: instance.id,
            });
        }
        Step::Start(instance_id) => aws.call(StartInstances { instance_id }).await?,
        Step::Stop(instance_id) => aws.call(StopInstances { instance_id }).await?,
        Step::Terminate(instance_id) => {
            aws.call(TerminateInstances { instance_id }).await?;
            return Ok(Learned::Leaving { part: INSTANCE });
        }
        Step::Modify { change, source } => {
            aws.call(change).await?;
            if let Some(source) = source {
                return Ok(Learned::Source { part: INSTANCE, source });
            }
        }
        Step::Metadata(change) => aws.call(change).await?,
        Step::Monitor(instance_id, Monitoring::Basic) => aws.call(UnmonitorInstances { instance_id }).await?,
        Step::Monitor(instance_id, Monitoring::Detailed) => aws.call(MonitorInstances { instance_id }).await?,
        Step::Volume(change) => aws.call(change).await?,
        Step::Group(step) => return security_group::act(aws, &step).await,
        Step::Tags(step) => tags::act(aws, &step).await?,
    }
    Ok(Learned::Nothing)
}
