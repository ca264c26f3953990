//! AWS's refusals, with its codes and sentences. Callers branch on the code; people read the
//! sentence.

use std::fmt::Display;

use super::super::AwsError;

/// An answer of HTTP 400, as nearly all of EC2's refusals are.
pub(super) fn refused(code: &str, message: impl Into<String>) -> AwsError {
    refused_with(400, code, message)
}

/// An answer with another status.
pub(super) fn refused_with(status: u16, code: &str, message: impl Into<String>) -> AwsError {
    AwsError::Refused {
        status,
        code: code.to_owned(),
        message: message.into(),
    }
}

pub(super) fn invalid_value(message: impl Into<String>) -> AwsError {
    refused("InvalidParameterValue", message)
}

pub(super) fn invalid_combination(message: impl Into<String>) -> AwsError {
    refused("InvalidParameterCombination", message)
}

pub(super) fn missing(parameter: &str) -> AwsError {
    refused(
        "MissingParameter",
        format!("The request must contain the parameter {parameter}"),
    )
}

pub(super) fn incorrect_state(message: impl Into<String>) -> AwsError {
    refused("IncorrectInstanceState", message)
}

/// E60.
pub(super) fn throttled() -> AwsError {
    refused_with(503, "RequestLimitExceeded", "Request limit exceeded.")
}

/// The kinds of things that a call names by id, and how an id that is malformed (E14) or unknown
/// (E13) is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Instance,
    Volume,
    Group,
    Subnet,
    Vpc,
    Image,
    PrefixList,
}

impl Named {
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "i-",
            Self::Volume => "vol-",
            Self::Group => "sg-",
            Self::Subnet => "subnet-",
            Self::Vpc => "vpc-",
            Self::Image => "ami-",
            Self::PrefixList => "pl-",
        }
    }

    /// What AWS says of an id that is not there; of one that cannot be an id at all, if this is one.
    pub(super) fn unknown(self, id: &str) -> AwsError {
        if !self.is_well_formed(id) {
            return self.malformed(id);
        }
        match self {
            Self::Instance => not_found("InvalidInstanceID", format!("The instance ID '{id}' does not exist")),
            Self::Volume => not_found("InvalidVolume", format!("The volume '{id}' does not exist.")),
            Self::Group => not_found("InvalidGroup", format!("The security group '{id}' does not exist")),
            Self::Subnet => not_found("InvalidSubnetID", format!("The subnet ID '{id}' does not exist")),
            Self::Vpc => not_found("InvalidVpcID", format!("The vpc ID '{id}' does not exist")),
            Self::Image => not_found("InvalidAMIID", format!("The image id '[{id}]' does not exist")),
            Self::PrefixList => not_found(
                "InvalidPrefixListID",
                format!("The prefix list ID '{id}' does not exist"),
            ),
        }
    }

    fn malformed(self, id: &str) -> AwsError {
        let expecting = format!("Invalid id: \"{id}\" (expecting \"{}...\")", self.prefix());
        match self {
            Self::Instance => refused("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")),
            Self::Volume => invalid_value(format!(
                "Value ({id}) for parameter volumeId is invalid. Expected: 'vol-...'."
            )),
            Self::Group => refused("InvalidGroupId.Malformed", expecting),
            Self::Subnet => refused("InvalidSubnetId.Malformed", expecting),
            Self::Vpc => refused("InvalidVpcId.Malformed", expecting),
            Self::Image => refused("InvalidAMIID.Malformed", expecting),
            Self::PrefixList => refused("InvalidPrefixListId.Malformed", expecting),
        }
    }

    /// Eight hexadecimal digits, as long ago, or seventeen.
    fn is_well_formed(self, id: &str) -> bool {
        id.strip_prefix(self.prefix()).is_some_and(|digits| {
            matches!(digits.len(), 8 | 17) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

fn not_found(what: impl Display, message: String) -> AwsError {
    refused(&format!("{what}.NotFound"), message)
}
