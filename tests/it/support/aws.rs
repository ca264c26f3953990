//! AWS as a user of the account sees it: straight at the emulator, not counted by the proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::xml;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// A client of EC2's query API.
pub struct Aws {
    runtime: Runtime,
    http: Client<HttpConnector, Full<Bytes>>,
    endpoint: String,
}

/// An instance, as far as tests look at it; the rest is in `all`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the field is AWS's own name")]
pub struct Instance {
    pub id: String,
    pub state: String,
    pub instance_type: String,
    pub image_id: String,
    pub tags: Tags,
    /// The ids of its security groups.
    pub groups: BTreeSet<String>,
    /// The ids of its volumes.
    pub volumes: Vec<String>,
    pub all: Value,
}

impl Instance {
    /// Neither terminated nor on the way there.
    pub fn lives(&self) -> bool {
        !matches!(self.state.as_str(), "terminated" | "shutting-down")
    }

    /// With detailed monitoring, or on the way there.
    pub fn is_monitored(&self) -> bool {
        matches!(self.all["monitoring"]["state"].as_str(), Some("enabled" | "pending"))
    }
}

/// A security group.
#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub tags: Tags,
    /// Its rules as `protocol from-to peer`.
    pub ingress: BTreeSet<String>,
    pub egress: BTreeSet<String>,
}

/// A volume.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the field is AWS's own name")]
pub struct Volume {
    pub id: String,
    pub size: String,
    pub volume_type: String,
    pub encrypted: bool,
    pub tags: Tags,
}

/// AWS's refusal, as `400 InvalidGroup.InUse: …`.
#[derive(Clone, Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Aws {
    pub fn new(endpoint: String) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self {
            runtime,
            http: Client::builder(TokioExecutor::new()).build_http(),
            endpoint,
        }
    }

    /// A call of EC2, or AWS's refusal.
    pub fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, Refused> {
        let mut form = format!("Version=2016-11-15&Action={action}");
        for (name, value) in parameters {
            write!(form, "&{name}={}", percent_encoded(value)).expect("text");
        }
        let request = Request::post(&self.endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=it/20261124/us-east-1/ec2/aws4_request",
            )
            .body(Full::from(form))
            .expect("a request");
        let (status, body) = self.runtime.block_on(async {
            let answer = self
                .http
                .request(request)
                .await
                .unwrap_or_else(|error| panic!("{action}: {error:?}"));
            let status = answer.status().as_u16();
            (status, answer.into_body().collect().await.expect("a body").to_bytes())
        });
        let body = xml::to_json(&String::from_utf8_lossy(&body));
        if status == 200 {
            Ok(body)
        } else {
            Err(refused(status, &body))
        }
    }

    /// A call that must succeed.
    pub fn must(&self, action: &str, parameters: &[(&str, &str)]) -> Value {
        self.call(action, parameters)
            .unwrap_or_else(|refused| panic!("{action} {parameters:?}: {refused}"))
    }

    /// A listing with a filter, its items under `set`.
    fn list(&self, action: &str, set: &str, filter: &str, value: &str) -> Vec<Value> {
        let answer = self.must(action, &[("Filter.1.Name", filter), ("Filter.1.Value.1", value)]);
        items(&answer[set]).to_vec()
    }

    /// The instances that a filter finds, the dead included.
    pub fn instances(&self, filter: &str, value: &str) -> Vec<Instance> {
        self.list("DescribeInstances", "reservationSet", filter, value)
            .iter()
            .flat_map(|reservation| items(&reservation["instancesSet"]))
            .map(instance)
            .collect()
    }

    /// One instance by its id.
    pub fn instance(&self, id: &str) -> Instance {
        self.instances("instance-id", id)
            .pop()
            .unwrap_or_else(|| panic!("AWS does not know {id}"))
    }

    /// The groups that a filter finds.
    pub fn groups(&self, filter: &str, value: &str) -> Vec<Group> {
        self.list("DescribeSecurityGroups", "securityGroupInfo", filter, value)
            .iter()
            .map(group)
            .collect()
    }

    /// The volumes that a filter finds.
    pub fn volumes(&self, filter: &str, value: &str) -> Vec<Volume> {
        self.list("DescribeVolumes", "volumeSet", filter, value)
            .iter()
            .map(volume)
            .collect()
    }

    /// The network interfaces that a filter finds, by id.
    pub fn interfaces(&self, filter: &str, value: &str) -> Vec<String> {
        self.list("DescribeNetworkInterfaces", "networkInterfaceSet", filter, value)
            .iter()
            .map(|one| text(&one["networkInterfaceId"]))
            .collect()
    }

    /// An attribute that only a call of its own shows.
    pub fn attribute(&self, id: &str, attribute: &str) -> String {
        let answer = self.must(
            "DescribeInstanceAttribute",
            &[("InstanceId", id), ("Attribute", attribute)],
        );
        text(&answer[attribute]["value"])
    }

    pub fn stop(&self, id: &str) {
        self.must("StopInstances", &[("InstanceId.1", id)]);
    }

    pub fn terminate(&self, id: &str) {
        self.must("TerminateInstances", &[("InstanceId.1", id)]);
    }

    pub fn tag(&self, id: &str, key: &str, value: &str) {
        self.must(
            "CreateTags",
            &[("ResourceId.1", id), ("Tag.1.Key", key), ("Tag.1.Value", value)],
        );
    }

    pub fn untag(&self, id: &str, key: &str) {
        self.must("DeleteTags", &[("ResourceId.1", id), ("Tag.1.Key", key)]);
    }

    /// Lets everybody in on a port.
    pub fn open_port(&self, group: &str, port: &str) {
        self.must(
            "AuthorizeSecurityGroupIngress",
            &[
                ("GroupId", group),
                ("IpPermissions.1.IpProtocol", "tcp"),
                ("IpPermissions.1.FromPort", port),
                ("IpPermissions.1.ToPort", port),
                ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
            ],
        );
    }

    /// Launches an instance that is nobody's.
    pub fn launch(&self, instance_type: &str) -> Instance {
        let image = self.newest_image();
        let answer = self.must(
            "RunInstances",
            &[
                ("ImageId", &image),
                ("InstanceType", instance_type),
                ("MinCount", "1"),
                ("MaxCount", "1"),
            ],
        );
        instance(items(&answer["instancesSet"]).first().expect("an instance"))
    }

    /// The newest Amazon Linux image.
    pub fn newest_image(&self) -> String {
        let found = self.list("DescribeImages", "imagesSet", "name", "al2023-ami-2023.*-x86_64");
        let newest = found
            .iter()
            .max_by_key(|image| text(&image["creationDate"]))
            .expect("an image");
        text(&newest["imageId"])
    }

    /// The default VPC.
    pub fn default_vpc(&self) -> String {
        let found = self.list("DescribeVpcs", "vpcSet", "is-default", "true");
        text(&found.first().expect("a default VPC")["vpcId"])
    }

    /// The default VPC's subnets.
    pub fn subnets(&self) -> Vec<String> {
        let found = self.list("DescribeSubnets", "subnetSet", "default-for-az", "true");
        found.iter().map(|subnet| text(&subnet["subnetId"])).collect()
    }

    /// A group in the default VPC that is nobody's.
    pub fn create_group(&self, name: &str) -> String {
        let vpc = self.default_vpc();
        let answer = self.must(
            "CreateSecurityGroup",
            &[
                ("GroupName", name),
                ("GroupDescription", "made by hand"),
                ("VpcId", &vpc),
            ],
        );
        text(&answer["groupId"])
    }

    pub fn delete_group(&self, id: &str) {
        self.must("DeleteSecurityGroup", &[("GroupId", id)]);
    }
}

fn refused(status: u16, body: &Value) -> Refused {
    let error = &body["Errors"]["Error"];
    Refused(format!(
        "{status} {}: {}",
        text(&error["Code"]),
        text(&error["Message"])
    ))
}

fn instance(item: &Value) -> Instance {
    let mappings = items(&item["blockDeviceMapping"]);
    Instance {
        id: text(&item["instanceId"]),
        state: text(&item["instanceState"]["name"]),
        instance_type: text(&item["instanceType"]),
        image_id: text(&item["imageId"]),
        tags: tags(item),
        groups: items(&item["groupSet"])
            .iter()
            .map(|one| text(&one["groupId"]))
            .collect(),
        volumes: mappings.iter().map(|one| text(&one["ebs"]["volumeId"])).collect(),
        all: item.clone(),
    }
}

fn group(item: &Value) -> Group {
    Group {
        id: text(&item["groupId"]),
        name: text(&item["groupName"]),
        tags: tags(item),
        ingress: rules(&item["ipPermissions"]),
        egress: rules(&item["ipPermissionsEgress"]),
    }
}

fn volume(item: &Value) -> Volume {
    Volume {
        id: text(&item["volumeId"]),
        size: text(&item["size"]),
        volume_type: text(&item["volumeType"]),
        encrypted: text(&item["encrypted"]) == "true",
        tags: tags(item),
    }
}

fn rules(permissions: &Value) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    for permission in items(permissions) {
        let ports = match (text(&permission["fromPort"]), text(&permission["toPort"])) {
            (from, to) if from.is_empty() && to.is_empty() => "all".to_owned(),
            (from, to) => format!("{from}-{to}"),
        };
        let peers = [
            ("ipRanges", "cidrIp"),
            ("ipv6Ranges", "cidrIpv6"),
            ("groups", "groupId"),
            ("prefixListIds", "prefixListId"),
        ];
        for (set, key) in peers {
            for peer in items(&permission[set]) {
                rules.insert(format!(
                    "{} {ports} {}",
                    text(&permission["ipProtocol"]),
                    text(&peer[key])
                ));
            }
        }
    }
    rules
}

fn tags(item: &Value) -> Tags {
    items(&item["tagSet"])
        .iter()
        .map(|tag| (text(&tag["key"]), text(&tag["value"])))
        .collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn percent_encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => write!(encoded, "%{byte:02X}").expect("text"),
        }
    }
    encoded
}
