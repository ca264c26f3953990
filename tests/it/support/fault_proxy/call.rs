//! What a request asks of AWS: the service, the operation's name, who asks, and whether it
//! changes anything. Read from the request alone, as AWS's front door does.

use hyper::{HeaderMap, Method, Uri, header};

use crate::{lambda, s3};

/// How a service wants its requests and words its refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own dialect of the Query protocol.
    Ec2,
    /// The Query protocol: RDS, STS, IAM.
    Query,
    /// JSON with the operation in `X-Amz-Target`: SSM, `DynamoDB`, Logs.
    Json,
    /// S3: REST with XML.
    S3,
    /// REST with JSON: Lambda, and whatever has none of the other marks.
    Rest,
}

/// One request, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service as in the signature's scope: `ec2`, `rds`, `ssm`.
    pub service: String,
    /// The operation: `RunInstances`. `METHOD /path` where no name is known.
    pub operation: String,
    /// The caller's access key; empty for unsigned requests.
    pub key: String,
    /// The Region of the signature's scope; empty for unsigned requests.
    pub region: String,
    /// Whether the call can change something.
    pub mutating: bool,
    /// How the service words its refusals.
    pub protocol: Protocol,
}

impl Call {
    /// The whole name, which faults match: `ec2.RunInstances`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.service, self.operation)
    }
}

/// Names a request.
pub fn name(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Call {
    let query = uri.query().unwrap_or_default();
    let form = form_body(headers, body);
    let scope = scope(headers, query);
    let action = || field(query, "Action").or_else(|| field(form, "Action"));
    let target = text(headers, "x-amz-target");

    let (protocol, operation) = match (scope.service.as_str(), target) {
        ("s3", _) => (
            Protocol::S3,
            s3::name(method, uri.path(), query, headers).map(str::to_owned),
        ),
        ("lambda", _) => (
            Protocol::Rest,
            lambda::name(method, uri.path(), query).map(str::to_owned),
        ),
        ("ec2", _) => (Protocol::Ec2, action()),
        (_, Some(target)) => {
            let operation = target.rsplit_once('.').map_or(target, |(_, last)| last);
            (Protocol::Json, Some(operation.to_owned()))
        }
        (_, None) => match action() {
            Some(action) => (Protocol::Query, Some(action)),
            None => (Protocol::Rest, rpc(uri.path()).map(str::to_owned)),
        },
    };

    let service = if scope.service.is_empty() {
        unsigned_service(target, query, form).to_owned()
    } else {
        scope.service
    };
    let protocol = if service == "ec2" { Protocol::Ec2 } else { protocol };
    let mutating = match &operation {
        Some(operation) => !reads(operation) && !is_dry_run(protocol, query, form),
        None => !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS),
    };
    Call {
        service,
        operation: operation.unwrap_or_else(|| format!("{method} {}", uri.path())),
        key: scope.key,
        region: scope.region,
        mutating,
        protocol,
    }
}

/// The words with which AWS's reading operations begin.
const READING: [&str; 15] = [
    "AssumeRole",
    "BatchGet",
    "Decode",
    "Describe",
    "Estimate",
    "Get",
    "Head",
    "List",
    "Lookup",
    "Query",
    "Scan",
    "Search",
    "Select",
    "Simulate",
    "Validate",
];

/// Whether an operation of this name only reads. The word must end where the prefix does, so
/// that a name that merely begins with the same letters is not taken for a reading one.
fn reads(operation: &str) -> bool {
    READING.iter().any(|word| {
        operation
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_lowercase()))
    })
}

/// EC2 answers a dry run with what it would have said, and does nothing.
fn is_dry_run(protocol: Protocol, query: &str, form: &str) -> bool {
    protocol == Protocol::Ec2
        && field(form, "DryRun")
            .or_else(|| field(query, "DryRun"))
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Who signed, for which Region and service.
#[derive(Default)]
struct Scope {
    key: String,
    region: String,
    service: String,
}

fn scope(headers: &HeaderMap, query: &str) -> Scope {
    let authorization = text(headers, header::AUTHORIZATION.as_str()).unwrap_or_default();
    if let Some((_, rest)) = authorization.split_once("Credential=") {
        let end = rest.find([',', ' ']).unwrap_or(rest.len());
        return rest.get(..end).map(credential).unwrap_or_default();
    }
    // Signature version 2 has no scope; only S3 still takes it.
    if let Some(rest) = authorization.strip_prefix("AWS ") {
        return Scope {
            key: rest.split(':').next().unwrap_or_default().to_owned(),
            region: String::new(),
            service: "s3".to_owned(),
        };
    }
    field(query, "X-Amz-Credential")
        .map(|value| credential(&value))
        .unwrap_or_default()
}

/// Reads `AKID/date/region/service/aws4_request`. Signature version 4A has no Region in it.
fn credential(value: &str) -> Scope {
    let parts: Vec<&str> = value.split('/').collect();
    let (key, region, service) = match parts.as_slice() {
        [key, _, region, service, _] => (*key, *region, *service),
        [key, _, service, _] => (*key, "", *service),
        _ => (value, "", ""),
    };
    Scope {
        key: key.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    }
}

/// Some calls are not signed (`AssumeRoleWithWebIdentity` is how credentials are had in the
/// first place), so the service must be told from the API's version or the target's prefix.
fn unsigned_service(target: Option<&str>, query: &str, form: &str) -> &'static str {
    let version = field(form, "Version").or_else(|| field(query, "Version"));
    match version.as_deref() {
        Some("2011-06-15") => return "sts",
        Some("2010-05-08") => return "iam",
        Some("2016-11-15") => return "ec2",
        Some("2014-10-31") => return "rds",
        _ => {}
    }
    match target.and_then(|target| target.split(['_', '.']).next()) {
        Some("DynamoDB") => "dynamodb",
        Some("AmazonSSM") => "ssm",
        Some("Logs") => "logs",
        _ => "unknown",
    }
}

/// Smithy's RPC v2 protocol has the operation in the path: `/service/X/operation/Y`.
fn rpc(path: &str) -> Option<&str> {
    let (service, operation) = path.strip_prefix("/service/")?.split_once("/operation/")?;
    (!service.contains('/') && !operation.is_empty()).then_some(operation)
}

/// The body as a form, or nothing if it is said to be something else.
fn form_body<'a>(headers: &HeaderMap, body: &'a [u8]) -> &'a str {
    let kind = text(headers, header::CONTENT_TYPE.as_str());
    if kind.is_none_or(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        std::str::from_utf8(body).unwrap_or_default()
    } else {
        ""
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The value of one field of a query string or a form, decoded.
pub fn field(pairs: &str, name: &str) -> Option<String> {
    pairs.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| decode(value))
    })
}

/// Undoes percent-encoding; a plus is a space, as forms write it.
pub fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let pair = digit(high).zip(digit(low));
                if let Some(byte) = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
                    bytes.push(byte);
                    rest = after;
                } else {
                    bytes.push(b'%');
                }
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn named(request: &Request<&str>) -> Call {
        name(
            request.method(),
            request.uri(),
            request.headers(),
            request.body().as_bytes(),
        )
    }

    fn signed(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAONE/20261123/eu-west-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=abc"
        )
    }

    fn post(service: &str, body: &'static str) -> Call {
        let request = Request::post("/")
            .header("authorization", signed(service))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(body)
            .unwrap();
        named(&request)
    }

    fn target(service: &str, target: &str) -> Call {
        let request = Request::post("/")
            .header("authorization", signed(service))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body("{\"Action\":\"x\"}")
            .unwrap();
        named(&request)
    }

    #[test]
    fn query_calls_are_named_by_their_action() {
        let call = post("ec2", "Action=RunInstances&Version=2016-11-15&MinCount=1");
        assert_eq!(call.name(), "ec2.RunInstances");
        assert_eq!(call.key, "AKIAONE");
        assert_eq!(call.region, "eu-west-1");
        assert_eq!(call.protocol, Protocol::Ec2);
        assert!(call.mutating);

        let call = post("rds", "Version=2014-10-31&Action=CreateDBInstance");
        assert_eq!(
            (call.name().as_str(), call.protocol),
            ("rds.CreateDBInstance", Protocol::Query)
        );

        let request = Request::get("/?Version=2011-06-15&Action=GetCallerIdentity")
            .header("authorization", signed("sts"))
            .body("")
            .unwrap();
        assert_eq!(named(&request).name(), "sts.GetCallerIdentity");
    }

    #[test]
    fn an_action_in_a_value_is_not_the_action() {
        let call = post("ec2", "UserData=Action%3DStopInstances%26Action&Action=CreateTags");
        assert_eq!(call.name(), "ec2.CreateTags");
    }

    #[test]
    fn json_calls_are_named_by_their_target() {
        for (service, header, expected) in [
            ("ssm", "AmazonSSM.GetParameter", "ssm.GetParameter"),
            ("dynamodb", "DynamoDB_20120810.PutItem", "dynamodb.PutItem"),
            ("logs", "Logs_20140328.CreateLogGroup", "logs.CreateLogGroup"),
            ("pricing", "AWSPriceListService.GetProducts", "pricing.GetProducts"),
        ] {
            let call = target(service, header);
            assert_eq!(call.name(), expected);
            assert_eq!(call.protocol, Protocol::Json);
        }
    }

    #[test]
    fn unsigned_calls_have_no_key_and_still_a_name() {
        let body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=a";
        let request = Request::post("/").body(body).unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "sts.AssumeRoleWithWebIdentity");
        assert_eq!((call.key.as_str(), call.region.as_str()), ("", ""));
        assert!(!call.mutating);

        let body = "Action=RunInstances&Version=2016-11-15";
        let call = named(&Request::post("/").body(body).unwrap());
        assert_eq!(
            (call.name().as_str(), call.protocol),
            ("ec2.RunInstances", Protocol::Ec2)
        );

        let request = Request::get("/some/where?x=1").body("").unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "unknown.GET /some/where");
        assert!(!call.mutating);
    }

    #[test]
    fn presigned_and_older_signatures_are_read() {
        let uri = "/bucket/key?X-Amz-Credential=AKIATWO%2F20261123%2Fus-east-1%2Fs3%2Faws4_request";
        let call = named(&Request::get(uri).body("").unwrap());
        assert_eq!((call.name().as_str(), call.key.as_str()), ("s3.GetObject", "AKIATWO"));
        assert_eq!(call.region, "us-east-1");

        let request = Request::put("/bucket/key")
            .header("authorization", "AWS AKIATHREE:c2ln")
            .body("")
            .unwrap();
        let call = named(&request);
        assert_eq!((call.name().as_str(), call.key.as_str()), ("s3.PutObject", "AKIATHREE"));

        let four_a = "AWS4-ECDSA-P256-SHA256 Credential=AKIAFOUR/20261123/s3/aws4_request, x";
        let request = Request::head("/bucket")
            .header("authorization", four_a)
            .body("")
            .unwrap();
        let call = named(&request);
        assert_eq!((call.name().as_str(), call.key.as_str()), ("s3.HeadBucket", "AKIAFOUR"));
    }

    #[test]
    fn rest_calls_go_through_their_tables() {
        let request = Request::put("/nuvem-data?notification")
            .header("authorization", signed("s3"))
            .body("<NotificationConfiguration/>")
            .unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "s3.PutBucketNotificationConfiguration");
        assert_eq!(call.protocol, Protocol::S3);
        assert!(call.mutating);

        let request = Request::post("/2015-03-31/functions/resize/invocations")
            .header("authorization", signed("lambda"))
            .body("{}")
            .unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "lambda.Invoke");
        assert_eq!(call.protocol, Protocol::Rest);
        assert!(call.mutating);
    }

    #[test]
    fn other_calls_are_named_by_method_and_path() {
        let request = Request::post("/clusters")
            .header("authorization", signed("eks"))
            .header("content-type", "application/json")
            .body("{}")
            .unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "eks.POST /clusters");
        assert!(call.mutating);

        let request = Request::post("/service/GraniteServiceVersion20100801/operation/ListMetrics")
            .header("authorization", signed("monitoring"))
            .header("content-type", "application/cbor")
            .body("")
            .unwrap();
        let call = named(&request);
        assert_eq!(call.name(), "monitoring.ListMetrics");
        assert!(!call.mutating);
    }

    #[test]
    fn reading_operations_are_told_from_changing_ones() {
        for operation in [
            "DescribeInstances",
            "GetProducts",
            "ListTagsForResource",
            "HeadBucket",
            "SearchTransitGatewayRoutes",
            "LookupEvents",
            "BatchGetItem",
            "Query",
            "Scan",
            "SelectObjectContent",
            "SimulatePrincipalPolicy",
            "DecodeAuthorizationMessage",
            "ValidateTemplate",
            "EstimateTemplateCost",
            "AssumeRole",
            "AssumeRoleWithWebIdentity",
        ] {
            assert!(reads(operation), "{operation}");
        }
        for operation in [
            "RunInstances",
            "CreateTags",
            "DeleteDBInstance",
            "Invoke",
            "PutItem",
            "BatchWriteItem",
            "ListenSomewhere",
            "Selection",
        ] {
            assert!(!reads(operation), "{operation}");
        }
    }

    #[test]
    fn a_dry_run_changes_nothing() {
        assert!(!post("ec2", "Action=RunInstances&DryRun=true").mutating);
        assert!(post("ec2", "Action=RunInstances&DryRun=false").mutating);
        // Only EC2 knows the parameter.
        assert!(post("rds", "Action=CreateDBInstance&DryRun=true").mutating);
    }

    #[test]
    fn decoding_keeps_what_is_not_encoded() {
        for (encoded, plain) in [
            ("a%2Fb+c", "a/b c"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%C3%A9", "é"),
        ] {
            assert_eq!(decode(encoded), plain);
        }
    }
}
