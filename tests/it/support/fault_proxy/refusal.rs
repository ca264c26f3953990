//! The answers of an AWS that refuses or fails, in the words and the format of each service.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::call::{Call, Protocol};

/// Why a call is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many requests.
    Throttled,
    /// The service failed.
    Failed,
    /// The service cannot be reached just now.
    Unavailable,
    /// The caller lacks a permission.
    Denied,
}

/// The status, the code and the message of a refusal.
struct Words {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Words {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }
}

/// The answer with which the call's service refuses.
pub fn answer(refusal: Refusal, call: &Call, content_type: Option<&HeaderValue>) -> Response<Full<Bytes>> {
    let words = words(refusal, call);
    let id = request_id();
    let (kind, id_header, body) = match call.protocol {
        Protocol::Ec2 => (
            HeaderValue::from_static("text/xml;charset=UTF-8"),
            "x-amzn-requestid",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code>\
                 <Message>{}</Message></Error></Errors><RequestID>{id}</RequestID></Response>",
                words.code,
                escaped(&words.message)
            ),
        ),
        Protocol::Query => (
            HeaderValue::from_static("text/xml"),
            "x-amzn-requestid",
            format!(
                "<ErrorResponse{}>\n  <Error>\n    <Type>{}</Type>\n    <Code>{}</Code>\n    \
                 <Message>{}</Message>\n  </Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n",
                namespace(&call.service),
                if words.status.is_server_error() {
                    "Receiver"
                } else {
                    "Sender"
                },
                words.code,
                escaped(&words.message)
            ),
        ),
        Protocol::S3 => (
            HeaderValue::from_static("application/xml"),
            "x-amz-request-id",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
                 <RequestId>{id}</RequestId><HostId>{}</HostId></Error>",
                words.code,
                escaped(&words.message),
                request_id()
            ),
        ),
        Protocol::Json => (
            content_type
                .cloned()
                .unwrap_or(HeaderValue::from_static("application/x-amz-json-1.1")),
            "x-amzn-requestid",
            json!({"__type": json_type(&call.service, words.code), "message": words.message}).to_string(),
        ),
        Protocol::Rest => (
            HeaderValue::from_static("application/json"),
            "x-amzn-requestid",
            if refusal == Refusal::Throttled {
                json!({"Reason": "CallerRateLimitExceeded", "Type": "User", "message": words.message}).to_string()
            } else {
                json!({"Type": "User", "message": words.message}).to_string()
            },
        ),
    };

    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = words.status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(id_header, id);
    }
    if call.protocol == Protocol::Rest {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(words.code));
    }
    answer
}

fn words(refusal: Refusal, call: &Call) -> Words {
    match refusal {
        Refusal::Throttled => throttled(call),
        Refusal::Failed => failed(call),
        Refusal::Unavailable => unavailable(call),
        Refusal::Denied => denied(call),
    }
}

fn throttled(call: &Call) -> Words {
    match call.protocol {
        Protocol::Ec2 => Words::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "RequestLimitExceeded",
            "Request limit exceeded.",
        ),
        Protocol::Query => Words::new(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
        Protocol::Json => Words::new(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        Protocol::S3 => Words::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            "Please reduce your request rate.",
        ),
        Protocol::Rest => Words::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate exceeded",
        ),
    }
}

fn failed(call: &Call) -> Words {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    match call.protocol {
        Protocol::Ec2 => Words::new(status, "InternalError", "An internal error has occurred"),
        Protocol::Query => Words::new(
            status,
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        ),
        Protocol::Json => {
            let code = match call.service.as_str() {
                "ssm" | "dynamodb" => "InternalServerError",
                _ => "InternalFailure",
            };
            Words::new(status, code, "Internal server error")
        }
        Protocol::S3 => Words::new(
            status,
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
        Protocol::Rest => Words::new(
            status,
            "ServiceException",
            "An error occurred and the request cannot be processed.",
        ),
    }
}

fn unavailable(call: &Call) -> Words {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match call.protocol {
        Protocol::Ec2 => Words::new(
            status,
            "Unavailable",
            "The server is overloaded and can't handle the request.",
        ),
        Protocol::Query | Protocol::Json => Words::new(
            status,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
        Protocol::S3 => Words::new(status, "ServiceUnavailable", "Service is unable to handle request."),
        Protocol::Rest => Words::new(
            status,
            "ServiceUnavailableException",
            "Service unavailable. Please try again later.",
        ),
    }
}

fn denied(call: &Call) -> Words {
    let Call { service, operation, .. } = call;
    let permission = permission(service, operation);
    let mut message = format!(
        "User: arn:aws:iam::123456789012:user/nuvem is not authorized to perform: {permission} on \
         resource: * because no identity-based policy allows the {permission} action"
    );
    match call.protocol {
        Protocol::Ec2 => Words {
            status: StatusCode::FORBIDDEN,
            code: "UnauthorizedOperation",
            // AWS encodes the details anew for every refusal, so that no two messages are equal.
            message: format!(
                "You are not authorized to perform this operation. {message}. Encoded \
                 authorization failure message: {}",
                encoded_details()
            ),
        },
        Protocol::Query | Protocol::S3 => Words {
            status: StatusCode::FORBIDDEN,
            code: "AccessDenied",
            message,
        },
        Protocol::Json => Words {
            status: StatusCode::BAD_REQUEST,
            code: "AccessDeniedException",
            message,
        },
        Protocol::Rest => {
            if operation.contains(' ') {
                // No name is known for the call, so no permission can be named either.
                "User is not authorized to perform this operation.".clone_into(&mut message);
            }
            Words {
                status: StatusCode::FORBIDDEN,
                code: "AccessDeniedException",
                message,
            }
        }
    }
}

/// The permission that an operation needs, where it is not called like the operation.
fn permission(service: &str, operation: &str) -> String {
    let action = match (service, operation) {
        ("s3", "ListBuckets") => "ListAllMyBuckets",
        ("s3", "HeadBucket" | "ListObjects" | "ListObjectsV2") => "ListBucket",
        ("s3", "ListObjectVersions") => "ListBucketVersions",
        ("s3", "HeadObject") => "GetObject",
        (
            "s3",
            "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload",
        ) => "PutObject",
        ("s3", "DeleteObjects") => "DeleteObject",
        ("s3", "GetBucketNotificationConfiguration") => "GetBucketNotification",
        ("s3", "PutBucketNotificationConfiguration") => "PutBucketNotification",
        ("s3", "GetBucketEncryption") => "GetEncryptionConfiguration",
        ("s3", "PutBucketEncryption" | "DeleteBucketEncryption") => "PutEncryptionConfiguration",
        ("s3", "GetBucketLifecycleConfiguration") => "GetLifecycleConfiguration",
        ("s3", "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle") => "PutLifecycleConfiguration",
        ("s3", "GetPublicAccessBlock") => "GetBucketPublicAccessBlock",
        ("s3", "PutPublicAccessBlock" | "DeletePublicAccessBlock") => "PutBucketPublicAccessBlock",
        ("s3", "DeleteBucketTagging") => "PutBucketTagging",
        ("s3", "DeleteBucketOwnershipControls") => "PutBucketOwnershipControls",
        ("lambda", "Invoke") => "InvokeFunction",
        _ => operation,
    };
    format!("{service}:{action}")
}

/// `DynamoDB` writes the namespace of its model in front of a code; the others do not.
fn json_type(service: &str, code: &str) -> String {
    match (service, code) {
        ("dynamodb", "ThrottlingException" | "AccessDeniedException" | "ServiceUnavailable") => {
            format!("com.amazon.coral.service#{code}")
        }
        ("dynamodb", _) => format!("com.amazonaws.dynamodb.v20120810#{code}"),
        _ => code.to_owned(),
    }
}

fn namespace(service: &str) -> &'static str {
    match service {
        "sts" => " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"",
        "iam" => " xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"",
        "rds" => " xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"",
        _ => "",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A request id in AWS's shape, another one each time.
fn request_id() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0x0fff | 0x4000,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

fn encoded_details() -> String {
    (0..24).fold(String::new(), |mut text, _| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{:016x}", random());
        text
    })
}

/// A number that nobody can guess and that need not be secret: the hash of nothing under the
/// keys that the standard library draws anew for every map.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn call(name: &str, protocol: Protocol) -> Call {
        let (service, operation) = name.split_once('.').unwrap();
        Call {
            service: service.to_owned(),
            operation: operation.to_owned(),
            key: String::new(),
            region: String::new(),
            mutating: true,
            protocol,
        }
    }

    struct Seen {
        status: u16,
        kind: String,
        error_type: Option<String>,
        body: String,
    }

    fn seen(refusal: Refusal, name: &str, protocol: Protocol) -> Seen {
        let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
        let response = answer(refusal, &call(name, protocol), Some(&content_type));
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (status, kind) = (response.status().as_u16(), header("content-type").unwrap());
        let error_type = header("x-amzn-errortype");
        let body = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(response.into_body().collect())
            .unwrap()
            .to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Seen {
            status,
            kind,
            error_type,
            body,
        }
    }

    #[test]
    fn each_service_refuses_in_its_own_words() {
        use Protocol::{Ec2, Json, Query, Rest, S3};
        use Refusal::{Denied, Failed, Throttled, Unavailable};
        for (refusal, name, protocol, status, code) in [
            (Throttled, "ec2.RunInstances", Ec2, 503, "RequestLimitExceeded"),
            (Throttled, "rds.CreateDBInstance", Query, 400, "Throttling"),
            (Throttled, "ssm.GetParameter", Json, 400, "ThrottlingException"),
            (Throttled, "dynamodb.CreateTable", Json, 400, "ThrottlingException"),
            (Throttled, "s3.PutObject", S3, 503, "SlowDown"),
            (Failed, "ec2.RunInstances", Ec2, 500, "InternalError"),
            (Failed, "sts.GetCallerIdentity", Query, 500, "InternalFailure"),
            (Failed, "ssm.GetParameter", Json, 500, "InternalServerError"),
            (Failed, "logs.CreateLogGroup", Json, 500, "InternalFailure"),
            (Failed, "s3.PutObject", S3, 500, "InternalError"),
            (Unavailable, "ec2.RunInstances", Ec2, 503, "Unavailable"),
            (Unavailable, "rds.CreateDBInstance", Query, 503, "ServiceUnavailable"),
            (Unavailable, "ssm.GetParameter", Json, 503, "ServiceUnavailable"),
            (Unavailable, "s3.PutObject", S3, 503, "ServiceUnavailable"),
            (Denied, "ec2.RunInstances", Ec2, 403, "UnauthorizedOperation"),
            (Denied, "rds.CreateDBInstance", Query, 403, "AccessDenied"),
            (Denied, "ssm.GetParameter", Json, 400, "AccessDeniedException"),
            (Denied, "s3.PutObject", S3, 403, "AccessDenied"),
        ] {
            let seen = seen(refusal, name, protocol);
            assert_eq!(seen.status, status, "{refusal:?} {name}");
            if protocol == Json {
                let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
                let kind = body["__type"].as_str().unwrap();
                assert_eq!(kind.rsplit('#').next(), Some(code), "{refusal:?} {name}");
                assert_eq!(seen.kind, "application/x-amz-json-1.0");
            } else {
                assert!(seen.body.contains(&format!("<Code>{code}</Code>")), "{}", seen.body);
                assert!(seen.kind.contains("xml"));
            }
        }
        for (refusal, status, code) in [
            (Throttled, 429, "TooManyRequestsException"),
            (Failed, 500, "ServiceException"),
            (Unavailable, 503, "ServiceUnavailableException"),
            (Denied, 403, "AccessDeniedException"),
        ] {
            let seen = seen(refusal, "lambda.CreateFunction", Rest);
            assert_eq!((seen.status, seen.error_type.as_deref()), (status, Some(code)));
            assert_eq!(seen.kind, "application/json");
        }
    }

    #[test]
    fn ec2_and_query_services_have_their_own_envelopes() {
        let ec2 = seen(Refusal::Throttled, "ec2.RunInstances", Protocol::Ec2).body;
        assert!(ec2.contains(
            "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit \
             exceeded.</Message></Error></Errors><RequestID>"
        ));
        let rds = seen(Refusal::Failed, "rds.CreateDBInstance", Protocol::Query).body;
        assert!(rds.starts_with("<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">"));
        assert!(rds.contains("<Type>Receiver</Type>"));
        let s3 = seen(Refusal::Throttled, "s3.PutObject", Protocol::S3).body;
        assert!(s3.contains("<Error><Code>SlowDown</Code>"));
    }

    #[test]
    fn a_denial_names_the_permission_and_is_new_each_time() {
        let one = seen(Refusal::Denied, "ec2.RunInstances", Protocol::Ec2).body;
        let two = seen(Refusal::Denied, "ec2.RunInstances", Protocol::Ec2).body;
        let text = "You are not authorized to perform this operation. User: \
                    arn:aws:iam::123456789012:user/nuvem is not authorized to perform: \
                    ec2:RunInstances on resource: * because no identity-based policy allows the \
                    ec2:RunInstances action. Encoded authorization failure message: ";
        let details = |body: &str| {
            let (_, rest) = body.split_once(text).unwrap();
            rest.split('<').next().unwrap().to_owned()
        };
        assert_ne!(details(&one), details(&two));
        assert!(details(&one).len() > 200);

        for (name, protocol, permission) in [
            (
                "s3.PutBucketNotificationConfiguration",
                Protocol::S3,
                "s3:PutBucketNotification on",
            ),
            ("s3.HeadBucket", Protocol::S3, "s3:ListBucket on"),
            ("lambda.Invoke", Protocol::Rest, "lambda:InvokeFunction on"),
            ("ssm.GetParameter", Protocol::Json, "ssm:GetParameter on"),
        ] {
            assert!(
                seen(Refusal::Denied, name, protocol).body.contains(permission),
                "{name}"
            );
        }
        let unnamed = seen(Refusal::Denied, "eks.POST /clusters", Protocol::Rest).body;
        assert!(!unnamed.contains("POST"));
    }

    #[test]
    fn request_ids_differ_and_have_their_shape() {
        let (one, two) = (request_id(), request_id());
        assert_ne!(one, two);
        let lengths: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }
}
