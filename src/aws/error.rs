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
    match &error {
        SdkError::ServiceError(answer) => refusal(answer.raw(), answer.err().meta()),
        SdkError::ResponseError(answer) => unreadable(answer.raw()),
        SdkError::TimeoutError(_) => AwsError::NoAnswer(LATE.to_owned()),
        SdkError::DispatchFailure(undelivered) => undelivered
            .as_connector_error()
            .map_or_else(|| AwsError::NoAnswer(LOST.to_owned()), undeliverable),
        SdkError::ConstructionFailure(_) => AwsError::NotSent(format!("the request cannot be made: {}", root(&error))),
        // The SDK may learn new ways to fail, and then the request may have been sent.
        _ => AwsError::NoAnswer(root(&error)),
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
    if chain(error).any(|link| link.is::<Unsent>()) {
        return AwsError::NotSent(format!("not ready to ask AWS: {}", story(error)));
    }
    if never_connected(error) {
        return AwsError::NotSent(format!("cannot connect to AWS: {}", root(error)));
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
    iter::successors(Some(error), |link| link.source())
}

/// The first cause.
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

fn story(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .map(|link| format!("{link}"))
        .collect::<Vec<_>>()
        .join(" | ")
}
