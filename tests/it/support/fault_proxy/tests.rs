//! The proxy as its users meet it: over sockets, in front of a small server that counts what
//! arrives.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{sleep, timeout};

use crate::control::{Control, Dials, Fault, Switch};
use crate::forward::{Upstream, upstream};
use crate::{Args, Bound, bind, run, serve};

/// A request's method, target, headers and body.
type Arrived = (Method, String, Vec<(String, String)>, Bytes);

/// What a server behind the proxy has seen.
#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Arrived>>,
}

impl Seen {
    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// Answers with what it was asked, and as slowly as the path says.
async fn start_upstream() -> (SocketAddr, Arc<Seen>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    let handler = move |request: Request<Incoming>| {
        let seen = Arc::clone(&shared);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let headers = parts.headers.iter();
            let headers = headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            let is_slow = parts.uri.path().starts_with("/slow");
            let echo = format!("{} {} {}", parts.method, parts.uri, body.len());
            let target = parts.uri.to_string();
            let entry = (parts.method, target, headers, body);
            seen.requests.lock().unwrap().push(entry);
            if is_slow {
                sleep(Duration::from_millis(200)).await;
            }
            Response::builder()
                .status(StatusCode::ACCEPTED)
                .header("x-amzn-requestid", "one")
                .header("x-twice", "a")
                .header("x-twice", "b")
                .body(Full::new(Bytes::from(echo)))
                .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        }
    };
    tokio::spawn(serve::serve(listener, handler));
    (address, seen)
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fault-proxy-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running proxy and what stands around it.
struct Setup {
    proxy: SocketAddr,
    control_url: String,
    control: Control,
    client: Upstream,
    upstream: SocketAddr,
    seen: Arc<Seen>,
    folder: Folder,
}

impl Setup {
    async fn start() -> Self {
        let (address, seen) = start_upstream().await;
        Self::start_before(address, seen, None).await
    }

    async fn start_before(upstream_at: SocketAddr, seen: Arc<Seen>, dials: Option<&str>) -> Self {
        let folder = Folder::new();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound: Bound = bind(Args {
            listen: free,
            control: free,
            upstream: format!("http://{upstream_at}").parse().unwrap(),
            dials: dials.map(|dials| dials.parse().unwrap()),
            pids: folder.0.join("pids"),
            log: Some(folder.0.join("proxy.log")),
        })
        .await
        .unwrap();
        let proxy = bound.calls.local_addr().unwrap();
        let control_url = format!("http://{}", bound.control.local_addr().unwrap());
        tokio::spawn(run(bound));
        Self {
            proxy,
            control: Control::new(control_url.as_str()),
            control_url,
            client: upstream(),
            upstream: upstream_at,
            seen,
            folder,
        }
    }

    fn run_instances(&self) -> Request<Full<Bytes>> {
        self.ec2("Action=RunInstances&Version=2016-11-15", "/")
    }

    fn ec2(&self, body: &'static str, path: &str) -> Request<Full<Bytes>> {
        Request::post(format!("http://{}{path}", self.proxy))
            .header("authorization", authorization("ec2"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), String> {
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8(body.to_bytes().to_vec()).unwrap()))
    }

    /// Sends `RunInstances`.
    async fn run(&self) -> Result<(StatusCode, String), String> {
        timeout(Duration::from_secs(10), self.send(self.run_instances()))
            .await
            .unwrap()
    }

    async fn with(fault: Fault) -> Self {
        let setup = Self::start().await;
        setup.control.faults(vec![fault]).await.unwrap();
        setup
    }

    /// The status and the fault of the only call.
    async fn only_call(&self) -> (u16, Option<String>) {
        let calls = self.control.calls().await.unwrap();
        assert_eq!(calls.total, 1, "{calls:?}");
        (calls.log[0].status, calls.log[0].fault.clone())
    }

    async fn ask_control(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.control_url))
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        self.send(request).await.unwrap()
    }
}

fn authorization(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=AKIAONE/20261123/us-east-1/{service}/aws4_request, x=y")
}

/// Waits for something that shall come true soon.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn calls_pass_unchanged() {
    let setup = Setup::start().await;
    let request = Request::put(format!("http://{}/data/a%20b%2Fc?x-id=PutObject&q=%7e", setup.proxy))
        .header("authorization", authorization("s3"))
        .header("host", "data.example.com")
        .header("x-amz-meta-a", "one")
        .header("connection", "x-private")
        .header("x-private", "for the proxy only")
        .body(Full::new(Bytes::from(vec![7; 300_000])))
        .unwrap();
    let response = setup.client.request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["x-amzn-requestid"], "one");
    let twice: Vec<_> = response.headers().get_all("x-twice").iter().collect();
    assert_eq!(twice, ["a", "b"]);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "PUT /data/a%20b%2Fc?x-id=PutObject&q=%7e 300000");

    let requests = setup.seen.requests.lock().unwrap();
    let (method, target, headers, body) = &requests[0];
    assert_eq!(
        (method, target.as_str()),
        (&Method::PUT, "/data/a%20b%2Fc?x-id=PutObject&q=%7e")
    );
    assert_eq!(body, &vec![7_u8; 300_000]);
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("host"), Some("data.example.com"));
    assert_eq!(header("x-amz-meta-a"), Some("one"));
    assert_eq!(header("authorization"), Some(authorization("s3").as_str()));
    assert_eq!(header("content-length"), Some("300000"));
    assert_eq!(header("x-private"), None);
}

#[tokio::test]
async fn calls_are_counted_before_their_answer_arrives() {
    let setup = Setup::start().await;
    assert_eq!(setup.run().await.unwrap().0, StatusCode::ACCEPTED);
    let describe = setup.ec2("Action=DescribeInstances", "/");
    assert_eq!(setup.send(describe).await.unwrap().0, StatusCode::ACCEPTED);

    let calls = setup.control.calls().await.unwrap();
    assert_eq!((calls.total, calls.dropped), (2, 0));
    assert_eq!((calls.count("ec2.RunInstances"), calls.count("ec2.Other")), (1, 0));
    assert_eq!(calls.mutating().count(), 1);
    let first = &calls.log[0];
    assert_eq!(
        (first.call.as_str(), first.key.as_str()),
        ("ec2.RunInstances", "AKIAONE")
    );
    assert_eq!((first.status, first.fault.as_deref()), (202, None));
    assert!(calls.log[1].at >= first.at && !calls.log[1].mutating);

    setup.control.reset_calls().await.unwrap();
    assert_eq!(setup.control.calls().await.unwrap().total, 0);
}

#[tokio::test]
async fn refusals_come_from_the_proxy_and_then_the_calls_pass() {
    for (fault, status, code) in [
        (Fault::throttle("ec2.RunInstances"), 503, "RequestLimitExceeded"),
        (Fault::error("ec2.*").mutating(), 500, "InternalError"),
        (Fault::unavailable(".*").times(1), 503, "Unavailable"),
        (Fault::deny("ec2.RunInstances"), 403, "UnauthorizedOperation"),
    ] {
        let setup = Setup::with(fault).await;
        let (seen, body) = setup.run().await.unwrap();
        assert_eq!(seen, status);
        assert!(body.contains(code), "{body}");
        assert_eq!(setup.seen.count(), 0);
        assert_eq!(setup.only_call().await.0, status);
        assert_eq!(setup.run().await.unwrap().0, StatusCode::ACCEPTED);
        assert_eq!(setup.control.hits().await.unwrap(), [1]);
    }
}

#[tokio::test]
async fn a_dropped_call_never_arrives() {
    let setup = Setup::with(Fault::drop("ec2.RunInstances").skip(1)).await;
    // The second call goes over a connection that has already served one.
    assert!(setup.run().await.is_ok());
    assert!(setup.run().await.is_err());
    assert!(setup.run().await.is_ok());
    assert_eq!(setup.seen.count(), 2);
    let calls = setup.control.calls().await.unwrap();
    let statuses: Vec<_> = calls.log.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [202, 0, 202]);
    assert_eq!(calls.log[1].fault.as_deref(), Some("drop"));
}

#[tokio::test]
async fn a_lost_reply_leaves_what_was_done() {
    let setup = Setup::with(Fault::lost_reply("ec2.RunInstances")).await;
    let slow = setup.ec2("Action=RunInstances", "/slow");
    let start = Instant::now();
    assert!(setup.send(slow).await.is_err());
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "AWS must have answered first"
    );
    assert_eq!(setup.seen.count(), 1);
    assert_eq!(setup.only_call().await, (0, Some("lostReply".to_owned())));
}

#[tokio::test]
async fn a_cut_connection_says_nothing() {
    let setup = Setup::with(Fault::drop(".*")).await;
    let address = setup.proxy;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /data HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    assert_eq!(timeout(Duration::from_secs(5), answer).await.unwrap().unwrap(), b"");
}

#[tokio::test]
async fn a_timeout_holds_the_call_until_its_client_gives_up() {
    let setup = Setup::with(Fault::timeout("ec2.RunInstances")).await;
    let waiting = timeout(Duration::from_millis(300), setup.send(setup.run_instances()));
    assert!(waiting.await.is_err());
    assert_eq!(setup.only_call().await, (0, Some("timeout".to_owned())));
    assert_eq!(setup.seen.count(), 0);
    // The proxy notices that the client has gone, and ends the call.
    let log = setup.folder.0.join("proxy.log");
    eventually("the call ends", || read(&log).contains("\"timeout\",\"took\"")).await;
}

#[tokio::test]
async fn a_timeout_ends_by_itself() {
    let setup = Setup::start().await;
    let faults = r#"{"match": "ec2.RunInstances", "mode": "timeout", "seconds": 0.2}"#;
    let (status, _) = setup.ask_control(Method::PUT, "/faults", faults).await;
    assert_eq!(status, StatusCode::OK);
    let start = Instant::now();
    assert!(setup.run().await.is_err());
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(setup.seen.count(), 0);
}

#[tokio::test]
async fn a_delayed_call_arrives_late() {
    let setup = Setup::with(Fault::delay("ec2.RunInstances", 0.3)).await;
    let start = Instant::now();
    assert_eq!(setup.run().await.unwrap().0, StatusCode::ACCEPTED);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(setup.only_call().await, (202, Some("delay".to_owned())));
    assert_eq!(setup.seen.count(), 1);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A process that does nothing, for a minute.
fn victim() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn is_killed(child: &mut Child) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    child.wait().unwrap().signal() == Some(9)
}

#[tokio::test]
async fn a_kill_ends_every_replica_after_aws_has_acted() {
    let setup = Setup::with(Fault::kill("ec2.RunInstances").times(2)).await;
    let (mut one, mut two) = (victim(), victim());
    let pids = setup.folder.0.join("pids");
    std::fs::write(&pids, format!("{}\n{}\n", one.id(), two.id())).unwrap();
    assert!(setup.run().await.is_err());
    assert!(is_killed(&mut one) && is_killed(&mut two));
    assert_eq!(setup.seen.count(), 1);
    assert_eq!(setup.only_call().await, (0, Some("kill".to_owned())));

    // The supervisor has started another one: the file is read anew.
    let mut three = victim();
    std::fs::write(&pids, three.id().to_string()).unwrap();
    assert!(setup.run().await.is_err());
    assert!(is_killed(&mut three));
    let log = setup.folder.0.join("proxy.log");
    let note = format!("AWS answered 202; killed {}", three.id());
    eventually("the log names it", || read(&log).contains(&note)).await;
}

#[tokio::test]
async fn a_kill_before_keeps_the_call_from_aws() {
    let setup = Setup::with(Fault::kill_before("ec2.RunInstances")).await;
    let mut child = victim();
    std::fs::write(setup.folder.0.join("pids"), child.id().to_string()).unwrap();
    assert!(setup.run().await.is_err());
    assert!(is_killed(&mut child));
    assert_eq!(setup.seen.count(), 0);
    assert_eq!(setup.only_call().await, (0, Some("killBefore".to_owned())));
}

#[tokio::test]
async fn a_client_that_leaves_does_not_undo_its_call() {
    let setup = Setup::start().await;
    let slow = setup.ec2("Action=RunInstances", "/slow");
    assert!(timeout(Duration::from_millis(80), setup.send(slow)).await.is_err());
    let log = setup.folder.0.join("proxy.log");
    eventually("the call ends", || read(&log).contains("ec2.RunInstances")).await;
    assert_eq!(setup.seen.count(), 1);
    assert_eq!(setup.only_call().await, (0, None));
}

#[tokio::test]
async fn an_unreachable_upstream_is_a_bad_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let setup = Setup::start_before(address, Arc::default(), None).await;
    let (status, body) = setup.run().await.unwrap();
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(
        body.contains(&setup.upstream.to_string()) && body.contains("refused"),
        "{body}"
    );
    assert_eq!(setup.only_call().await, (502, None));
}

#[tokio::test]
async fn every_third_call_fails_also_when_they_come_at_once() {
    let setup = Setup::with(Fault::throttle("ec2.*").every(3)).await;
    let calls = (0..60).map(|_| Box::pin(setup.run()));
    let mut calls: Vec<_> = calls.collect();
    let mut throttled = 0;
    poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            Poll::Ready(answer) => {
                throttled += u32::from(answer.unwrap().0 == StatusCode::SERVICE_UNAVAILABLE);
                false
            }
            Poll::Pending => true,
        });
        if calls.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    assert_eq!(throttled, 20);
    assert_eq!(setup.seen.count(), 40);
}

#[tokio::test]
async fn wrong_faults_are_refused_and_the_old_ones_stay() {
    let setup = Setup::with(Fault::deny("ec2.RunInstances").always()).await;
    let (status, body) = setup
        .ask_control(Method::PUT, "/faults", r#"[{"match": "a", "mode": "lost"}]"#)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert!(body["error"].as_str().unwrap().contains("the modes are throttle"));
    assert_eq!(setup.run().await.unwrap().0, StatusCode::FORBIDDEN);

    let (status, body) = setup.ask_control(Method::GET, "/faults", "").await;
    assert_eq!(status, StatusCode::OK);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body[0]["mode"], &body[0]["hit"]), (&"deny".into(), &1.into()));

    setup.control.faults(Vec::new()).await.unwrap();
    assert_eq!(setup.run().await.unwrap().0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn unknown_requests_to_the_control_interface_are_told_what_there_is() {
    let setup = Setup::start().await;
    for (method, path, status, text) in [
        (Method::GET, "/", 404, "GET /calls"),
        (Method::POST, "/calls", 405, "DELETE to start counting anew"),
        (Method::DELETE, "/faults", 405, "PUT [] to end them"),
        (Method::POST, "/aws", 405, "PUT to turn dials"),
        (Method::PUT, "/aws", 400, "no JSON object"),
    ] {
        let (seen, body) = setup.ask_control(method, path, "").await;
        assert_eq!(seen, status, "{path}");
        assert!(body.contains(text), "{body}");
    }
}

#[tokio::test]
async fn dials_are_passed_on_or_named_as_ignored() {
    let dials = || Dials {
        transition_seconds: Some(2.0),
        throttling: Some(Switch::On),
        ..Dials::default()
    };
    let setup = Setup::start().await;
    let answer = setup.control.aws(dials()).await.unwrap();
    assert_eq!(
        answer,
        serde_json::json!({"ignored": ["throttling", "transitionSeconds"]})
    );
    assert_eq!(setup.seen.count(), 0);

    let (address, seen) = start_upstream().await;
    let url = format!("http://{address}/_nuvem/aws");
    let setup = Setup::start_before(address, seen, Some(&url)).await;
    let body = r#"{"visibilitySeconds": 1}"#;
    let (status, answer) = setup.ask_control(Method::PUT, "/aws", body).await;
    assert_eq!((status, answer.as_str()), (StatusCode::ACCEPTED, "PUT /_nuvem/aws 24"));
    assert_eq!(setup.control.calls().await.unwrap().total, 0);
    let body = setup.seen.requests.lock().unwrap()[0].3.clone();
    assert_eq!(body, r#"{"visibilitySeconds": 1}"#);
}

#[tokio::test]
async fn the_log_file_has_a_line_for_each_call_and_each_list_of_faults() {
    let setup = Setup::with(Fault::deny("ec2.RunInstances").reading().skip(2)).await;
    setup.run().await.unwrap();
    let log = setup.folder.0.join("proxy.log");
    eventually("two lines", || read(&log).lines().count() == 2).await;
    let lines: Vec<serde_json::Value> = read(&log)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["faults"][0]["mutating"], false);
    assert_eq!(lines[1]["call"], "ec2.RunInstances");
    assert!(lines[1]["took"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_meant_is_refused() {
    for url in ["https://127.0.0.1:1", "http://127.0.0.1:1/path", "127.0.0.1:1"] {
        assert!(crate::authority(&url.parse().unwrap()).is_err(), "{url}");
    }
    assert!(crate::authority(&"http://127.0.0.1:1/".parse().unwrap()).is_ok());
}
