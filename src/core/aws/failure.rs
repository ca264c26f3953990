//! What can go wrong in AWS, made once at the edge and classified once, here.

use std::fmt;

use jiff::Timestamp;

use super::Effect;

/// How one request to AWS failed, as the adapters (and the in-memory AWS) report it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// AWS answered, and refused.
    #[error("{code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// AWS's error code.
        code: String,
        /// AWS's sentence, as it came.
        message: String,
    },
    /// No usable answer came: a timeout, a lost connection, an answer that does not parse.
    /// A write may have happened.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The request was never sent: no credentials, no connection.
    #[error("not sent: {0}")]
    NotSent(String),
}

/// What a failure means for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Too many requests; nothing happened.
    Throttled,
    /// The credentials may not do this.
    Denied,
    /// The request can never succeed as it is.
    Invalid,
    /// Something else must change or end first; it will succeed later by itself.
    Dependency,
    /// The thing is in another state than we thought: look again.
    Conflict,
    /// AWS does not know the id, or not yet (E7).
    NotFound,
    /// The name is taken.
    NameTaken,
    /// What was asked is already so.
    AlreadyDone,
    /// The client token was used with other parameters, or its instance is dead (E2, E3).
    TokenUsed,
    /// AWS lacks the capacity.
    Capacity,
    /// A quota of the account is exhausted.
    Quota,
    /// A protection that the user has switched on forbids it (E22, E23).
    Protected,
    /// A passing trouble; nothing happened.
    Transient,
    /// No answer to a write: it may have happened.
    Unknown,
    /// We are not the leader (any more), or shutting down; nothing was sent.
    Fenced,
    /// Our own mistake, or an answer that makes no sense.
    Bug,
}

impl Class {
    /// Whether only a person or an administrator can heal it, so that it is `Stalled`.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Denied | Self::Invalid | Self::Quota | Self::Protected | Self::Bug => true,
            Self::Throttled
            | Self::Dependency
            | Self::Conflict
            | Self::NotFound
            | Self::NameTaken
            | Self::AlreadyDone
            | Self::TokenUsed
            | Self::Capacity
            | Self::Transient
            | Self::Unknown
            | Self::Fenced => false,
        }
    }

    /// Whether AWS certainly did nothing.
    #[must_use]
    pub const fn is_definite(self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Throttled
            | Self::Denied
            | Self::Invalid
            | Self::Dependency
            | Self::Conflict
            | Self::NotFound
            | Self::NameTaken
            | Self::AlreadyDone
            | Self::TokenUsed
            | Self::Capacity
            | Self::Quota
            | Self::Protected
            | Self::Transient
            | Self::Fenced
            | Self::Bug => true,
        }
    }
}

/// A failed operation, classified, with a text that is fit for people and the same every time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// The operation, for example `ec2.RunInstances`.
    pub action: &'static str,
    /// AWS's error code, or our own word where AWS said nothing.
    pub code: String,
    /// AWS's sentence without what differs at every call.
    pub message: String,
    /// When it may be tried again, where that is known.
    pub retry_at: Option<Timestamp>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iam = iam_action(self.action);
        match self.class {
            Class::Denied => write!(
                f,
                "AWS denied {iam} ({}). Allow it in the operator's IAM policy. {}",
                self.code, self.message
            ),
            Class::Throttled => write!(f, "AWS's request limit for {iam} is reached"),
            Class::Unknown | Class::Transient => {
                write!(f, "{iam} did not answer as it should ({}): {}", self.code, self.message)
            }
            Class::Fenced => write!(f, "{iam} was not sent: {}", self.message),
            Class::Invalid
            | Class::Dependency
            | Class::Conflict
            | Class::NotFound
            | Class::NameTaken
            | Class::AlreadyDone
            | Class::TokenUsed
            | Class::Capacity
            | Class::Quota
            | Class::Protected
            | Class::Bug => write!(f, "{iam}: {}: {}", self.code, self.message),
        }
    }
}

/// `ec2.RunInstances` as IAM spells it: `ec2:RunInstances`.
#[must_use]
pub fn iam_action(action: &str) -> String {
    action.replacen('.', ":", 1)
}

impl Failure {
    /// Classifies what an adapter reported.
    #[must_use]
    pub fn of(action: &'static str, effect: Effect, error: AwsError) -> Self {
        match error {
            AwsError::Refused { status, code, message } => Self {
                class: classify(action, effect, status, &code, &message),
                action,
                message: clean(&message),
                code,
                retry_at: None,
            },
            AwsError::NoAnswer(what) => Self {
                class: match effect {
                    Effect::Read => Class::Transient,
                    Effect::Write => Class::Unknown,
                },
                action,
                code: "NoAnswer".to_owned(),
                message: clean(&what),
                retry_at: None,
            },
            AwsError::NotSent(what) => Self {
                class: Class::Transient,
                action,
                code: "NotSent".to_owned(),
                message: clean(&what),
                retry_at: None,
            },
        }
    }

    /// No token is left in the governor's bucket until then.
    #[must_use]
    pub fn throttled(action: &'static str, until: Timestamp) -> Self {
        Self {
            class: Class::Throttled,
            action,
            code: "Paced".to_owned(),
            message: "held back to stay within AWS's request limits".to_owned(),
            retry_at: Some(until),
        }
    }

    /// The gate is closed to writes.
    #[must_use]
    pub fn fenced(action: &'static str, why: &str) -> Self {
        Self {
            class: Class::Fenced,
            action,
            code: "Fenced".to_owned(),
            message: why.to_owned(),
            retry_at: None,
        }
    }

    /// An answer that AWS's documentation does not allow.
    #[must_use]
    pub fn bug(action: &'static str, message: impl Into<String>) -> Self {
        Self {
            class: Class::Bug,
            action,
            code: "UnexpectedAnswer".to_owned(),
            message: message.into(),
            retry_at: None,
        }
    }
}

/// The one table from AWS's codes to what they mean. EC2 models no error types, so codes are
/// text for every service. Source: the EC2 API's list of error codes, and E1–E60.
fn classify(action: &'static str, effect: Effect, status: u16, code: &str, message: &str) -> Class {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "EC2ThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded" => Class::Throttled,

        "UnauthorizedOperation"
        | "AuthFailure"
        | "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "OptInRequired"
        | "Blocked"
        | "PendingVerification" => Class::Denied,

        "IdempotentParameterMismatch" | "IdempotentInstanceTerminated" => Class::TokenUsed,

        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientCapacity"
        | "InsufficientAddressCapacity"
        | "InsufficientVolumeCapacity"
        | "InsufficientFreeAddressesInSubnet" => Class::Capacity,

        "OperationNotPermitted" => Class::Protected,

        "DependencyViolation"
        | "VolumeInUse"
        | "ResourceInUseException"
        | "IncorrectModificationState"
        | "VolumeModificationRateExceeded"
        | "ConcurrentTagAccess"
        | "SnapshotCreationPerVolumeRateExceeded"
        | "ConcurrentSnapshotLimitExceeded" => Class::Dependency,

        "IncorrectInstanceState" | "IncorrectState" | "InvalidInstanceID" | "ResourceConflictException" => {
            Class::Conflict
        }

        "InvalidGroup.Duplicate" | "InvalidAMIName.Duplicate" => Class::NameTaken,
        "InvalidPermission.Duplicate" => Class::AlreadyDone,

        "VcpuLimitExceeded"
        | "InstanceLimitExceeded"
        | "SecurityGroupLimitExceeded"
        | "SecurityGroupsPerInterfaceLimitExceeded"
        | "RulesPerSecurityGroupLimitExceeded"
        | "VolumeLimitExceeded"
        | "TagLimitExceeded"
        | "NetworkInterfaceLimitExceeded"
        | "AddressLimitExceeded"
        | "MaxSpotInstanceCountExceeded"
        | "LimitExceededException"
        | "ServiceQuotaExceededException" => Class::Quota,

        _ if code.ends_with(".NotFound") || code.ends_with("NotFoundException") => Class::NotFound,
        "ParameterNotFound" | "ParameterVersionNotFound" | "InvalidAMIID.Unavailable" => Class::NotFound,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 => match effect {
            Effect::Read => Class::Transient,
            Effect::Write => Class::Unknown,
        },
        _ if status == 403 || status == 401 => Class::Denied,
        // A profile or role that is seconds old is unknown to EC2 for a while (E29).
        "InvalidParameterValue" if action == "ec2.RunInstances" && message.contains("iamInstanceProfile") => {
            Class::Dependency
        }
        _ => Class::Invalid,
    }
}

/// Takes away what differs at every call, since a condition whose text changes is a loop: the
/// encoded authorisation message, request ids, line breaks.
#[must_use]
pub fn clean(message: &str) -> String {
    const ENCODED: &str = "Encoded authorization failure message";
    const REQUEST_ID: &[&str] = &["(Request ID", "(RequestId", "Request ID:", "RequestId:", "request id:"];
    let mut text = message;
    if let Some((before, _)) = text.split_once(ENCODED) {
        text = before;
    }
    for marker in REQUEST_ID {
        if let Some((before, _)) = text.split_once(marker) {
            text = before;
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut short: String = words.join(" ");
    if let Some((cut, _)) = short.char_indices().nth(600) {
        short.truncate(cut);
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(action: &'static str, effect: Effect, status: u16, code: &str) -> Class {
        let error = AwsError::Refused {
            status,
            code: code.to_owned(),
            message: "words".to_owned(),
        };
        Failure::of(action, effect, error).class
    }

    #[test]
    fn codes_are_classified_by_what_to_do_next() {
        let table = [
            ("RequestLimitExceeded", 503, Class::Throttled),
            ("UnauthorizedOperation", 403, Class::Denied),
            ("InvalidInstanceID.NotFound", 400, Class::NotFound),
            ("InsufficientInstanceCapacity", 500, Class::Capacity),
            ("IdempotentParameterMismatch", 400, Class::TokenUsed),
            ("DependencyViolation", 400, Class::Dependency),
            ("OperationNotPermitted", 400, Class::Protected),
            ("InternalError", 500, Class::Unknown),
            ("SomethingNew", 400, Class::Invalid),
        ];
        for (code, status, expected) in table {
            assert_eq!(
                class_of("ec2.RunInstances", Effect::Write, status, code),
                expected,
                "{code}"
            );
        }
    }

    #[test]
    fn a_failed_read_never_may_have_happened() {
        assert_eq!(
            class_of("ec2.DescribeInstances", Effect::Read, 500, "InternalError"),
            Class::Transient
        );
        let lost = AwsError::NoAnswer("connection reset".to_owned());
        assert_eq!(
            Failure::of("ec2.DescribeInstances", Effect::Read, lost).class,
            Class::Transient
        );
    }

    #[test]
    fn what_differs_at_every_call_never_reaches_a_condition() {
        let first = clean("You may not. Encoded authorization failure message: abc");
        let second = clean("You may not.  Encoded authorization failure message: def (Request ID: 7)");
        assert_eq!(first, "You may not.");
        assert_eq!(first, second);
    }

    #[test]
    fn a_denial_names_the_action_as_iam_spells_it() {
        let denied = AwsError::Refused {
            status: 403,
            code: "UnauthorizedOperation".to_owned(),
            message: "You are not authorized.".to_owned(),
        };
        let text = Failure::of("ec2.RunInstances", Effect::Write, denied).to_string();
        assert!(text.contains("ec2:RunInstances"), "{text}");
    }
}
