//! The adapters against a server on this machine that answers what a test tells it: what travels,
//! how often, and what becomes of answers that the real AWS gives on bad days only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_ec2::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use nuvem_core::aws::ec2::{
    DeleteTags, DescribeInstances, DescribeUserData, HttpTokens, InstanceAttribute, MetadataOptions,
    ModifyInstanceAttribute, Monitoring, RootVolumeLaunch, RunInstances, Select, SelectInstances, StopInstances, Tags,
};
use nuvem_core::aws::{AwsError, Backend, Perform};
use nuvem_core::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Clients;

/// A server that gives every request the same answer and remembers the requests.
struct Server {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with a status and a body.
    async fn answering(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::sending(format!(
            "HTTP/1.1 {status} Words\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
        .await
    }

    /// Answers with these bytes and hangs up.
    async fn sending(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = request_body(&mut stream).await;
                seen.lock().expect("the lock").push(body);
                // Whether the client is still there is the client's business.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, bodies }
    }

    fn backend(&self) -> Arc<dyn Backend> {
        backend(&self.url, Credentials::new("AKID", "secret", None, None, "test"))
    }

    fn requests(&self) -> Vec<String> {
        self.bodies.lock().expect("the lock").clone()
    }
}

async fn request_body(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return body.to_owned();
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

fn backend(url: &str, credentials: impl ProvideCredentials + 'static) -> Arc<dyn Backend> {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Clients::new(config).backend("eu-west-1")
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

fn error_of(status: u16, code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>{status}-different-at-every-call</RequestID></Response>"
    )
}

#[tokio::test]
async fn scratch() {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await;
    let clients = Clients::new(config);
    let aws = clients.backend("eu-west-1");
    for _ in 0..2 {
        println!("{:?}", aws.perform(stop()).await);
    }
    println!("{:?}", clients.backend("../x y").perform(stop()).await);
    let creds = Credentials::new("AKID", "secret", None, None, "test");
    println!(
        "{:?}",
        backend("http://127.0.0.1:1", creds.clone()).perform(stop()).await
    );
    println!(
        "{:?}",
        backend("http://nowhere.invalid", creds.clone()).perform(stop()).await
    );
    println!(
        "{:?}",
        backend("http://10.255.255.1", creds.clone()).perform(stop()).await
    );
    println!("{:?}", backend("../x", creds.clone()).perform(stop()).await);
    let nobody = ProfileFileCredentialsProvider::builder().profile_name("nobody").build();
    println!("{:?}", backend("http://127.0.0.1:1", nobody).perform(stop()).await);
}
