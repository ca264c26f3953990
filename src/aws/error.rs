//! The SDK's errors in our own words. The texts are for people and the same at every call, since
//! they go into conditions: no request ids, no dumps, no durations that vary.

use std::error::Error;
use std::iter;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use nuvem_core::aws::AwsError;

use super::unsent::Unsent;

const LATE: &str = "no answer in time";
const LOST: &str = "connection lost";

/// What a failed request means for us.
pub(super) fn failure<E>(error: SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let why = cause(&error);
    match error {
        SdkError::ServiceError(answer) => refusal(answer.raw(), answer.err().meta()),
        SdkError::ResponseError(answer) => unreadable(answer.raw()),
        SdkError::TimeoutError(_) => AwsError::NoAnswer(LATE.to_owned()),
        SdkError::DispatchFailure(undelivered) => undelivered
            .as_connector_error()
            .map_or_else(|| AwsError::NoAnswer(LOST.to_owned()), undeliverable),
        SdkError::ConstructionFailure(_) => AwsError::NotSent(format!("the request cannot be made: {why}")),
        // The SDK may learn new ways to fail, and then the request may have been sent.
        _ => AwsError::NoAnswer(why),
    }
}

/// An answer of AWS that lacks what it always has, or has what we do not know.
///
/// It counts as no answer: a write has happened, but what it made must be found out by looking.
pub(super) fn strange(what: impl Into<String>) -> AwsError {
    AwsError::NoAnswer(what.into())
}

fn refusal(raw: &HttpResponse, meta: &ErrorMetadata) -> AwsError {
    // The SDK makes a refusal without a code of whatever it cannot read, be it a success.
    let Some(code) = meta.code() else {
        return unreadable(raw);
    };
    AwsError::Refused {
        status: raw.status().as_u16(),
        code: code.to_owned(),
        message: meta.message().unwrap_or_default().to_owned(),
    }
}

/// An answer that is not AWS's: a load balancer's or a proxy's page, or half an answer.
fn unreadable(raw: &HttpResponse) -> AwsError {
    let status = raw.status().as_u16();
    if status < 400 {
        return strange("the answer cannot be read");
    }
    AwsError::Refused {
        status,
        code: "InvalidResponse".to_owned(),
        message: format!("HTTP status {status} without an error code"),
    }
}

fn undeliverable(error: &ConnectorError) -> AwsError {
    if chain(error).any(<dyn Error>::is::<Unsent>) {
        return AwsError::NotSent(format!("not ready to ask AWS: {}", cause(error)));
    }
    if never_connected(error) {
        return AwsError::NotSent(format!("cannot connect to AWS: {}", cause(error)));
    }
    AwsError::NoAnswer(if error.is_timeout() { LATE } else { LOST }.to_owned())
}

/// Whether no connection came about, for want of an address, a listener, a route, time or trust.
///
/// The error's type is private to the SDK's HTTP client, so its text has to do. Should that change,
/// a request counts as sent that was not, which costs a look and harms nothing.
fn never_connected(error: &ConnectorError) -> bool {
    chain(error).any(|link| link.to_string() == "client error (Connect)")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&link| link.source())
}

/// The first cause. What lies between is about the SDK's insides, and some of it dumps the request,
/// user data included.
fn cause(error: &(dyn Error + 'static)) -> String {
    let first = chain(error).last().unwrap_or(error);
    // STS's refusal to give credentials, whose own text has a request id.
    match first.downcast_ref::<ErrorMetadata>() {
        Some(meta) => [meta.code(), meta.message()].map(Option::unwrap_or_default).join(": "),
        None => first.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_no_request_id() {
        let refusal = ErrorMetadata::builder().code("AccessDenied").message("Not authorized");
        let refusal = refusal.custom("aws_request_id", "different at every call").build();
        let wrapped = ConnectorError::other(refusal.into(), None);
        assert_eq!(cause(&wrapped), "AccessDenied: Not authorized");
    }

    #[test]
    fn a_timeout_once_connected_may_have_been_sent() {
        let slow = SdkError::<ErrorMetadata, _>::dispatch_failure(ConnectorError::timeout("slow".into()));
        assert_eq!(failure(slow), AwsError::NoAnswer(LATE.to_owned()));
        let late = SdkError::<ErrorMetadata, _>::timeout_error("after 10 s");
        assert_eq!(failure(late), AwsError::NoAnswer(LATE.to_owned()));
    }

    #[test]
    fn a_request_that_cannot_be_made_was_not_sent() {
        let unmade = SdkError::<ErrorMetadata, _>::construction_failure("no such Region");
        assert_eq!(
            failure(unmade),
            AwsError::NotSent("the request cannot be made: no such Region".to_owned())
        );
    }
}
