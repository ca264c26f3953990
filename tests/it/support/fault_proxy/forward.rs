//! The data plane: every call goes to AWS's stand-in once and unchanged, unless a fault hits it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::call;
use crate::fault::{Hit, Mode};
use crate::pids;
use crate::record::Record;
use crate::refusal::{self, Refusal};

/// The client with which both planes speak to AWS's stand-in.
pub type Upstream = Client<HttpConnector, Full<Bytes>>;

/// Makes that client.
pub fn upstream() -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        // Servers close idle connections after some seconds. A request sent into one that is just
        // being closed would fail in a way that no test has asked for.
        .pool_idle_timeout(Duration::from_secs(1))
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// How long a connection is kept after its client was killed: until it is dead, but not forever.
const DYING: Duration = Duration::from_secs(1);

/// Stands between the operator and AWS.
pub struct Proxy {
    client: Upstream,
    authority: Authority,
    record: Arc<Record>,
    pids: PathBuf,
}

/// The client gets no answer; its connection ends.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl Error for Cut {}

type Answer = Response<Full<Bytes>>;
/// Answers the client, and knows when it has gone.
type Reply = oneshot::Sender<Result<Answer, Cut>>;

/// What came of a call: the answer, if there is one, and what the log file should know.
type Outcome = (Result<Answer, Cut>, Option<String>);

impl Proxy {
    /// A proxy in front of the server at `authority`, which kills the processes of `pids`.
    pub fn new(client: Upstream, authority: Authority, record: Arc<Record>, pids: PathBuf) -> Self {
        Self {
            client,
            authority,
            record,
            pids,
        }
    }

    /// Serves one call.
    ///
    /// # Errors
    ///
    /// [`Cut`] where the client shall get no answer.
    pub async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        // A task of its own, because AWS acts on a call whether its caller waits for it or not.
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move { self.handle(parts, body, reply).await });
        answer.await.unwrap_or(Err(Cut))
    }

    async fn handle(&self, parts: Parts, body: Bytes, mut reply: Reply) {
        let call = call::name(&parts.method, &parts.uri, &parts.headers, &body);
        let (ticket, hit) = self.record.begin(&call);
        let content_type = parts.headers.get(header::CONTENT_TYPE).cloned();
        let refuse = |refusal| (Ok(refusal::answer(refusal, &call, content_type.as_ref())), None);

        let (answer, note) = match hit {
            None => self.forward(parts, body).await,
            Some(Hit { mode, wait }) => match mode {
                Mode::Throttle => refuse(Refusal::Throttled),
                Mode::Error => refuse(Refusal::Failed),
                Mode::Unavailable => refuse(Refusal::Unavailable),
                Mode::Deny => refuse(Refusal::Denied),
                Mode::Drop => (Err(Cut), None),
                Mode::Timeout => {
                    until_gone(&mut reply, wait).await;
                    (Err(Cut), None)
                }
                Mode::Delay => {
                    sleep(wait).await;
                    self.forward(parts, body).await
                }
                Mode::LostReply => {
                    let (answer, note) = self.forward(parts, body).await;
                    (Err(Cut), Some(lost(answer, note)))
                }
                Mode::Kill => {
                    let (answer, note) = self.forward(parts, body).await;
                    let killed = self.kill(&mut reply).await;
                    (Err(Cut), Some(format!("{}; {killed}", lost(answer, note))))
                }
                Mode::KillBefore => (Err(Cut), Some(self.kill(&mut reply).await)),
            },
        };

        // Entered before the answer leaves: who has the answer finds the call in the log.
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        let heard = if reply.is_closed() { 0 } else { status };
        self.record.end(ticket, heard, note.as_deref());
        let _ = reply.send(answer);
    }

    /// Kills the operator, and keeps its connection until it is dead: a cut that it lives to see
    /// would be another fault.
    async fn kill(&self, reply: &mut Reply) -> String {
        let killed = pids::kill_all(&self.pids);
        until_gone(reply, DYING).await;
        killed
    }

    async fn forward(&self, parts: Parts, body: Bytes) -> Outcome {
        match self.exchange(parts, body).await {
            Ok(answer) => (Ok(answer), None),
            Err(problem) => {
                let problem = format!("http://{} cannot be asked: {problem}", self.authority);
                eprintln!("fault-proxy: {problem}");
                (Ok(bad_gateway(&problem)), Some(problem))
            }
        }
    }

    async fn exchange(&self, parts: Parts, body: Bytes) -> Result<Answer, String> {
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|error| error.to_string())?;
        *request.headers_mut() = end_to_end(parts.headers);
        // Asked for and granted between the client and the proxy, when the body was read.
        request.headers_mut().remove(header::EXPECT);

        let response = self.client.request(request).await.map_err(|error| chain(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = end_to_end(parts.headers);
        if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // These have no body, whatever length they speak of.
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        Ok(answer)
    }
}

/// Waits until the client has gone, but not longer than the limit.
async fn until_gone(reply: &mut Reply, limit: Duration) {
    tokio::select! {
        () = reply.closed() => {}
        () = sleep(limit) => {}
    }
}

/// What the log file says of an answer that its client never got.
fn lost(answer: Result<Answer, Cut>, note: Option<String>) -> String {
    match (note, answer) {
        (Some(note), _) => note,
        (None, Ok(answer)) => format!("AWS answered {}", answer.status().as_u16()),
        (None, Err(cut)) => cut.to_string(),
    }
}

/// The headers without those that are meant for one connection only.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        headers.remove(name);
    }
    headers
}

/// The answer for an upstream that cannot be asked.
pub fn bad_gateway(problem: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{problem}\n"))));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

/// An error with its causes: the outermost one alone only says that something failed.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
