//! Start, stop, terminate (E9, E10, E12, E22, E23, E27).

use super::super::AwsError;
use super::super::ec2::{
    InstanceState, ProtectedAction, StartInstances, StateReason, StopInstances, TerminateInstances,
};
use super::instances::{Instance, reason};
use super::launch::NO_CAPACITY;
use super::refusals::{incorrect_state, refused, refused_with};
use super::world::{Act, Site};

fn by_user() -> StateReason {
    reason("Client.UserInitiatedShutdown", "User initiated shutdown")
}

/// E22, E23.
fn protected(instance: &Instance, deed: &str, attribute: &str) -> AwsError {
    refused(
        "OperationNotPermitted",
        format!(
            "The instance '{}' may not be {deed}. Modify its '{attribute}' instance attribute and try again.",
            instance.id
        ),
    )
}

impl Act for StartInstances {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let instance = site.instance(&self.instance_id)?;
        match instance.state {
            InstanceState::Pending | InstanceState::Running => return Ok(()),
            InstanceState::Stopped => {}
            InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {
                return Err(incorrect_state(format!(
                    "The instance '{}' is not in a state from which it can be started.",
                    instance.id
                )));
            }
        }
        if site.dials.insufficient_capacity.contains(&instance.instance_type) {
            return Err(refused_with(500, NO_CAPACITY, "Insufficient capacity."));
        }
        let now = site.now;
        let instance = site.instance_mut(&self.instance_id)?;
        instance.enter(InstanceState::Pending, now);
        instance.state_reason = None;
        instance.launch_time = now;
        site.region.give_public_address(&self.instance_id);
        Ok(())
    }
}

impl Act for StopInstances {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let now = site.now;
        let instance = site.instance_mut(&self.instance_id)?;
        match instance.state {
            InstanceState::ShuttingDown | InstanceState::Terminated => {
                return Err(incorrect_state(format!(
                    "This instance '{}' is not in a state from which it can be stopped.",
                    instance.id
                )));
            }
            InstanceState::Pending if !instance.has_run => {
                return Err(incorrect_state(format!(
                    "Instance '{}' cannot be stopped as it has never reached the 'running' state.",
                    instance.id
                )));
            }
            InstanceState::Pending | InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped => {}
        }
        if instance.protections.contains(&ProtectedAction::Stop) {
            return Err(protected(instance, "stopped", "disableApiStop"));
        }
        if matches!(instance.state, InstanceState::Pending | InstanceState::Running) {
            instance.enter(InstanceState::Stopping, now);
            instance.state_reason = Some(by_user());
        }
        Ok(())
    }
}

impl Act for TerminateInstances {
    fn subject(&self) -> String {
        self.instance_id.clone()
    }

    fn act(self, site: &mut Site<'_>) -> Result<(), AwsError> {
        let now = site.now;
        let instance = site.instance_mut(&self.instance_id)?;
        if !instance.state.is_living() {
            return Ok(());
        }
        if instance.protections.contains(&ProtectedAction::Termination) {
            return Err(protected(instance, "terminated", "disableApiTermination"));
        }
        if instance.protections.contains(&ProtectedAction::Stop) {
            return Err(protected(instance, "terminated", "disableApiStop"));
        }
        instance.enter(InstanceState::ShuttingDown, now);
        instance.state_reason = Some(by_user());
        Ok(())
    }
}
