//! The names of S3's operations. S3 says what they are by method, path and query.

use hyper::{HeaderMap, Method};

/// A subresource's key in the query, and what it is called when it is read, written and removed;
/// empty where that cannot be done.
type Subresource = [&'static str; 4];

/// The subresources of a bucket.
#[rustfmt::skip]
const BUCKET: [Subresource; 19] = [
    ["accelerate", "GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration", ""],
    ["acl", "GetBucketAcl", "PutBucketAcl", ""],
    ["cors", "GetBucketCors", "PutBucketCors", "DeleteBucketCors"],
    ["encryption", "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"],
    ["lifecycle", "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"],
    ["location", "GetBucketLocation", "", ""],
    ["logging", "GetBucketLogging", "PutBucketLogging", ""],
    ["notification", "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", ""],
    ["object-lock", "GetObjectLockConfiguration", "PutObjectLockConfiguration", ""],
    ["ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"],
    ["policy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"],
    ["policyStatus", "GetBucketPolicyStatus", "", ""],
    ["publicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"],
    ["replication", "GetBucketReplication", "PutBucketReplication", "DeleteBucketReplication"],
    ["requestPayment", "GetBucketRequestPayment", "PutBucketRequestPayment", ""],
    ["tagging", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"],
    ["uploads", "ListMultipartUploads", "", ""],
    ["versioning", "GetBucketVersioning", "PutBucketVersioning", ""],
    ["versions", "ListObjectVersions", "", ""],
];

/// The subresources of an object.
#[rustfmt::skip]
const OBJECT: [Subresource; 5] = [
    ["acl", "GetObjectAcl", "PutObjectAcl", ""],
    ["attributes", "GetObjectAttributes", "", ""],
    ["legal-hold", "GetObjectLegalHold", "PutObjectLegalHold", ""],
    ["retention", "GetObjectRetention", "PutObjectRetention", ""],
    ["tagging", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"],
];

/// The name of an operation; none where the tables do not know the request.
pub fn name(method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Option<&'static str> {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    let path = path.strip_prefix('/').unwrap_or(path);
    let (has_bucket, key) = if host.is_some_and(names_a_bucket) {
        (true, path)
    } else {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (!bucket.is_empty(), key)
    };
    let query = Query(query);
    let name = match (has_bucket, key) {
        (false, _) if *method == Method::GET => "ListBuckets",
        (false, _) => "",
        (true, "") => of_bucket(method, query),
        (true, _) => of_object(method, query, headers.contains_key("x-amz-copy-source")),
    };
    (!name.is_empty()).then_some(name)
}

/// Whether the bucket is in the host's name (`data.s3.us-east-1.amazonaws.com`,
/// `data.localhost`) and not in the path.
fn names_a_bucket(host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.split_once('.').is_some_and(|(_, rest)| {
        let is_s3 = rest.starts_with("s3.") || rest.starts_with("s3-");
        rest == "localhost" || (is_s3 && rest.ends_with("amazonaws.com"))
    })
}

/// A query string, asked for its keys.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn keys(self) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key))
    }

    fn has(self, key: &str) -> bool {
        self.keys().any(|each| each == key)
    }

    /// Whether nothing in it chooses another operation than the method and the path do. A
    /// subresource that the tables do not know must not pass for making or removing a bucket.
    fn is_plain(self) -> bool {
        self.keys().all(|key| {
            let head = key.get(..6).unwrap_or_default();
            key == "x-id" || head.eq_ignore_ascii_case("x-amz-")
        })
    }

    fn subresource(self, table: &[Subresource], method: &Method) -> Option<&'static str> {
        let [_, get, put, delete] = table.iter().find(|[key, ..]| self.has(key))?;
        Some(match *method {
            Method::GET => get,
            Method::PUT => put,
            Method::DELETE => delete,
            _ => "",
        })
    }
}

fn of_bucket(method: &Method, query: Query<'_>) -> &'static str {
    if let Some(name) = query.subresource(&BUCKET, method) {
        return name;
    }
    match *method {
        Method::GET if query.has("list-type") => "ListObjectsV2",
        Method::GET => "ListObjects",
        Method::HEAD => "HeadBucket",
        Method::PUT if query.is_plain() => "CreateBucket",
        Method::DELETE if query.is_plain() => "DeleteBucket",
        Method::POST if query.has("delete") => "DeleteObjects",
        _ => "",
    }
}

fn of_object(method: &Method, query: Query<'_>, is_copy: bool) -> &'static str {
    if let Some(name) = query.subresource(&OBJECT, method) {
        return name;
    }
    let is_part = query.has("uploadId");
    match *method {
        Method::GET if is_part => "ListParts",
        Method::GET => "GetObject",
        Method::HEAD => "HeadObject",
        Method::PUT if is_part && is_copy => "UploadPartCopy",
        Method::PUT if is_part => "UploadPart",
        Method::PUT if is_copy => "CopyObject",
        Method::PUT => "PutObject",
        Method::DELETE if is_part => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::POST if query.has("uploads") => "CreateMultipartUpload",
        Method::POST if is_part => "CompleteMultipartUpload",
        Method::POST if query.has("restore") => "RestoreObject",
        Method::POST if query.has("select") => "SelectObjectContent",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A method, a path with its query, and the name; `-` where there is none.
    const REQUESTS: &str = "
        GET / ListBuckets
        GET /?x-id=ListBuckets&max-buckets=10 ListBuckets
        PUT / -
        PUT /data CreateBucket
        PUT /data/ CreateBucket
        PUT /data?x-id=CreateBucket CreateBucket
        PUT /data?X-Amz-Credential=a CreateBucket
        DELETE /data DeleteBucket
        HEAD /data HeadBucket
        GET /data?list-type=2&prefix=in%2F ListObjectsV2
        GET /data?prefix=in%2F ListObjects
        GET /data?versions ListObjectVersions
        GET /data?versions&prefix=a ListObjectVersions
        GET /data?uploads ListMultipartUploads
        POST /data?delete DeleteObjects
        POST /data -
        GET /data?notification GetBucketNotificationConfiguration
        PUT /data?notification= PutBucketNotificationConfiguration
        GET /data?tagging GetBucketTagging
        PUT /data?tagging PutBucketTagging
        DELETE /data?tagging DeleteBucketTagging
        GET /data?versioning GetBucketVersioning
        PUT /data?versioning PutBucketVersioning
        DELETE /data?versioning -
        GET /data?encryption GetBucketEncryption
        PUT /data?encryption PutBucketEncryption
        DELETE /data?encryption DeleteBucketEncryption
        GET /data?lifecycle GetBucketLifecycleConfiguration
        PUT /data?lifecycle PutBucketLifecycleConfiguration
        DELETE /data?lifecycle DeleteBucketLifecycle
        GET /data?publicAccessBlock GetPublicAccessBlock
        PUT /data?publicAccessBlock PutPublicAccessBlock
        DELETE /data?publicAccessBlock DeletePublicAccessBlock
        GET /data?policy GetBucketPolicy
        PUT /data?policy PutBucketPolicy
        DELETE /data?policy DeleteBucketPolicy
        GET /data?policyStatus GetBucketPolicyStatus
        GET /data?location GetBucketLocation
        GET /data?ownershipControls GetBucketOwnershipControls
        PUT /data?ownershipControls PutBucketOwnershipControls
        DELETE /data?ownershipControls DeleteBucketOwnershipControls
        PUT /data?accelerate PutBucketAccelerateConfiguration
        GET /data?object-lock GetObjectLockConfiguration
        PUT /data?inventory&id=1 -
        DELETE /data?analytics&id=1 -
        PUT /data/in/a.png?x-id=PutObject PutObject
        GET /data/in/a.png?versionId=3 GetObject
        HEAD /data/a HeadObject
        DELETE /data/a?versionId=3 DeleteObject
        GET /data/a?tagging GetObjectTagging
        PUT /data/a?tagging PutObjectTagging
        DELETE /data/a?tagging DeleteObjectTagging
        GET /data/a?attributes GetObjectAttributes
        POST /data/a?uploads CreateMultipartUpload
        PUT /data/a?partNumber=1&uploadId=u UploadPart
        GET /data/a?uploadId=u ListParts
        POST /data/a?uploadId=u CompleteMultipartUpload
        DELETE /data/a?uploadId=u AbortMultipartUpload
        POST /data/a?select&select-type=2 SelectObjectContent
        PATCH /data/a -
    ";

    #[test]
    fn requests_have_the_names_of_the_reference() {
        for line in REQUESTS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let [method, target, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let name = name(&method.parse().unwrap(), path, query, &HeaderMap::new());
            assert_eq!(name.unwrap_or("-"), expected, "{line}");
        }
    }

    #[test]
    fn copies_are_told_by_their_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-copy-source", "data/b".parse().unwrap());
        let name = |query| name(&Method::PUT, "/data/a", query, &headers);
        assert_eq!(name(""), Some("CopyObject"));
        assert_eq!(name("partNumber=1&uploadId=u"), Some("UploadPartCopy"));
    }

    #[test]
    fn buckets_may_stand_in_the_host() {
        for (host, path, expected) in [
            ("data.s3.us-east-1.amazonaws.com", "/", "CreateBucket"),
            ("data.localhost:4566", "/a", "PutObject"),
            ("s3.us-east-1.amazonaws.com", "/data", "CreateBucket"),
            ("127.0.0.1:5000", "/data", "CreateBucket"),
            ("localhost:5000", "/data/a", "PutObject"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().unwrap());
            let name = name(&Method::PUT, path, "", &headers);
            assert_eq!(name, Some(expected), "{host}{path}");
        }
    }
}
