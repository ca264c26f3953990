//! The adapters against a server on this machine that answers what a test tells it: what travels,
//! how often, and what becomes of answers that the real AWS gives on bad days only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ec2::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use nuvem_core::aws::ec2::{
    DeleteTags, DescribeInstances, DescribeUserData, HttpTokens, InstanceAttribute, MetadataOptions,
    ModifyInstanceAttribute, Monitoring, RootVolumeLaunch, RunInstances, Select, SelectInstances, StopInstances, Tags,
};
use nuvem_core::aws::{AwsError, Backend};
use nuvem_core::secret::Secret;

use super::Clients;

/// A server that gives every request the same answer and remembers the requests.
struct Server {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with a status and a body.
    fn answering(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::sending(format!(
            "HTTP/1.1 {status} Words\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    /// Answers with these bytes and hangs up.
    fn sending(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let body = request_body(&mut stream);
                seen.lock().expect("the lock").push(body);
                stream.write_all(answer.as_bytes()).expect("answered");
            }
        });
        Self { url, bodies }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        backend(&self.url, keys())
    }

    fn requests(&self) -> Vec<String> {
        self.bodies.lock().expect("the lock").clone()
    }
}

/// The body of a request, as long as its head says.
fn request_body(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let line = line.trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    String::from_utf8(body).expect("text")
}

fn backend(url: &str, credentials: impl ProvideCredentials + 'static) -> Arc<dyn Backend> {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Clients::new(config).backend("eu-west-1")
}

fn keys() -> Credentials {
    Credentials::new("AKID", "secret", None, None, "test")
}

fn stop() -> StopInstances {
    StopInstances {
        instance_id: "i-1".to_owned(),
    }
}

fn list() -> DescribeInstances {
    DescribeInstances {
        select: SelectInstances::By(Select::Ids(vec!["i-1".to_owned()])),
        page: None,
    }
}

fn refused(status: u16, code: &str, message: &str) -> AwsError {
    AwsError::Refused {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn user_data(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

fn launch() -> RunInstances {
    RunInstances {
        client_token: "token-1".to_owned(),
        image_id: "ami-1".to_owned(),
        instance_type: "t3.micro".to_owned(),
        key_name: None,
        subnet_id: Some("subnet-1".to_owned()),
        security_group_ids: vec!["sg-1".to_owned(), "sg-2".to_owned()],
        user_data: Some(user_data("hello")),
        root_volume: RootVolumeLaunch {
            device: "/dev/xvda".to_owned(),
            size_gib: Some(20),
            volume_type: Some("gp3".to_owned()),
            iops: None,
            throughput: None,
            encrypted: None,
            kms_key_id: None,
        },
        metadata_options: MetadataOptions {
            http_tokens: HttpTokens::Required,
            hop_limit: 2,
        },
        monitoring: Monitoring::Detailed,
        disable_api_termination: true,
        disable_api_stop: false,
        tags: Tags::from([("Name".to_owned(), "web".to_owned())]),
    }
}

/// The fields of the one request that travelled, in their order.
fn fields(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    request.split('&').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_refusal_keeps_status_code_and_sentence() {
    let body = "<Response><Errors><Error><Code>IncorrectInstanceState</Code><Message>Not now.</Message></Error>\
                </Errors><RequestID>different-at-every-call</RequestID></Response>";
    let server = Server::answering(400, body);
    let error = server.backend().perform(stop()).await;
    assert_eq!(error, Err(refused(400, "IncorrectInstanceState", "Not now.")));
}

#[tokio::test]
async fn a_failing_write_is_sent_once() {
    let server = Server::answering(500, "<html>Oops</html>");
    let error = server.backend().perform(stop()).await;
    let expected = refused(500, "InvalidResponse", "HTTP status 500 without an error code");
    assert_eq!(error, Err(expected));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_happened_and_is_sent_once() {
    let server = Server::sending(String::new());
    let error = server.backend().perform(stop()).await;
    assert_eq!(error, Err(AwsError::NoAnswer("connection lost".to_owned())));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let server = Server::sending("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n<Stop".to_owned());
    let error = server.backend().perform(stop()).await;
    assert_eq!(error, Err(AwsError::NoAnswer("the answer cannot be read".to_owned())));
}

#[tokio::test]
async fn a_page_that_is_not_aws_is_no_answer() {
    let server = Server::answering(200, "<html>Log in to the hotel's network</html>");
    let error = server.backend().perform(stop()).await;
    assert_eq!(error, Err(AwsError::NoAnswer("the answer cannot be read".to_owned())));
}

#[tokio::test]
async fn a_read_is_tried_three_times() {
    let server = Server::answering(500, "<html>Oops</html>");
    let error = server.backend().perform(list()).await;
    assert!(matches!(error, Err(AwsError::Refused { status: 500, .. })), "{error:?}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn without_a_listener_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = backend(&url, keys()).perform(stop()).await;
    let text = "cannot connect to AWS: Connection refused (os error 111)";
    assert_eq!(error, Err(AwsError::NotSent(text.to_owned())));
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::answering(200, "");
    let nobody = ProfileFileCredentialsProvider::builder().profile_name("nobody").build();
    let error = backend(&server.url, nobody).perform(stop()).await;
    let Err(AwsError::NotSent(text)) = error else {
        panic!("{error:?}");
    };
    assert!(text.starts_with("not ready to ask AWS: "), "{text}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_shows_nothing_of_the_request() {
    let error = backend("not a url", keys()).perform(launch()).await;
    let expected = "not ready to ask AWS: invalid uri character";
    assert_eq!(error.expect_err("not sent"), AwsError::NotSent(expected.to_owned()));
}

#[tokio::test]
async fn a_launch_travels_whole() {
    let server = Server::answering(200, "<RunInstancesResponse></RunInstancesResponse>");
    let error = server.backend().perform(launch()).await.expect_err("nothing launched");
    assert_eq!(error, AwsError::NoAnswer("the answer lacks the instance".to_owned()));
    let expected = [
        "Action=RunInstances",
        "Version=2016-11-15",
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination=true",
        "BlockDeviceMapping.1.Ebs.VolumeSize=20",
        "BlockDeviceMapping.1.Ebs.VolumeType=gp3",
        "BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda",
        "ImageId=ami-1",
        "InstanceType=t3.micro",
        "MaxCount=1",
        "MinCount=1",
        "Monitoring.Enabled=true",
        "SecurityGroupId.1=sg-1",
        "SecurityGroupId.2=sg-2",
        "SubnetId=subnet-1",
        "UserData=aGVsbG8%3D",
        "TagSpecification.1.ResourceType=instance",
        "TagSpecification.1.Tag.1.Key=Name",
        "TagSpecification.1.Tag.1.Value=web",
        "TagSpecification.2.ResourceType=volume",
        "TagSpecification.2.Tag.1.Key=Name",
        "TagSpecification.2.Tag.1.Value=web",
        "TagSpecification.3.ResourceType=network-interface",
        "TagSpecification.3.Tag.1.Key=Name",
        "TagSpecification.3.Tag.1.Value=web",
        "MetadataOptions.HttpTokens=required",
        "MetadataOptions.HttpPutResponseHopLimit=2",
        "MetadataOptions.HttpEndpoint=enabled",
        "DisableApiStop=false",
        "DisableApiTermination=true",
        "ClientToken=token-1",
    ];
    assert_eq!(fields(&server), expected);
}

#[tokio::test]
async fn changed_user_data_is_encoded_once() {
    let server = Server::answering(
        200,
        "<ModifyInstanceAttributeResponse></ModifyInstanceAttributeResponse>",
    );
    let change = ModifyInstanceAttribute {
        instance_id: "i-1".to_owned(),
        attribute: InstanceAttribute::UserData(user_data("hello")),
    };
    server.backend().perform(change).await.expect("changed");
    let fields = fields(&server);
    assert!(fields.contains(&"UserData.Value=aGVsbG8%3D".to_owned()), "{fields:?}");
}

#[tokio::test]
async fn removed_user_data_travels_as_an_empty_value() {
    let server = Server::answering(
        200,
        "<ModifyInstanceAttributeResponse></ModifyInstanceAttributeResponse>",
    );
    let change = ModifyInstanceAttribute {
        instance_id: "i-1".to_owned(),
        attribute: InstanceAttribute::UserData(user_data("")),
    };
    server.backend().perform(change).await.expect("changed");
    let fields = fields(&server);
    assert!(fields.contains(&"UserData.Value=".to_owned()), "{fields:?}");
}

#[tokio::test]
async fn absent_user_data_is_none() {
    let body = "<DescribeInstanceAttributeResponse><instanceId>i-1</instanceId><userData/>\
                </DescribeInstanceAttributeResponse>";
    let server = Server::answering(200, body);
    let question = DescribeUserData {
        instance_id: "i-1".to_owned(),
    };
    assert_eq!(server.backend().perform(question).await, Ok(None));
}

#[tokio::test]
async fn ids_are_asked_for_by_a_filter_so_that_an_unknown_one_fails_no_other() {
    let server = Server::answering(200, "<DescribeInstancesResponse></DescribeInstancesResponse>");
    let page = server.backend().perform(list()).await.expect("listed");
    assert!(page.items.is_empty() && page.next.is_none());
    let expected = [
        "Action=DescribeInstances",
        "Version=2016-11-15",
        "Filter.1.Name=instance-id",
        "Filter.1.Value.1=i-1",
        "MaxResults=1000",
    ];
    assert_eq!(fields(&server), expected);
}

#[tokio::test]
async fn a_tag_is_taken_away_whatever_its_value() {
    let server = Server::answering(200, "<DeleteTagsResponse></DeleteTagsResponse>");
    let removal = |keys: &[&str]| DeleteTags {
        ids: vec!["i-1".to_owned()],
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
    };
    let aws = server.backend();
    aws.perform(removal(&[])).await.expect("nothing to do");
    aws.perform(removal(&["team"])).await.expect("removed");
    let expected = [
        "Action=DeleteTags",
        "Version=2016-11-15",
        "ResourceId.1=i-1",
        "Tag.1.Key=team",
    ];
    assert_eq!(fields(&server), expected);
}

#[tokio::test]
async fn the_clients_of_a_region_are_made_once() {
    let clients = Clients::new(
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .build(),
    );
    let (one, again, other) = (
        clients.backend("eu-west-1"),
        clients.backend("eu-west-1"),
        clients.backend("us-east-1"),
    );
    assert!(Arc::ptr_eq(&one, &again));
    assert!(!Arc::ptr_eq(&one, &other));
}
