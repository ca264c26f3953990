//! The control interface: what was called, which faults are in force, and AWS's dials.
//!
//! `at` in the log is in seconds since the proxy's start. The log keeps the newest 200,000 calls;
//! `dropped` counts the older ones, which `total` and `by` still count. A status of 0 means that
//! the client got no answer, or has none yet.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::fault::Faults;
use crate::forward::{Upstream, chain};
use crate::record::Record;

/// Answers the control interface.
pub struct ControlApi {
    client: Upstream,
    dials: Option<Uri>,
    record: Arc<Record>,
}

type Answer = Response<Full<Bytes>>;

impl ControlApi {
    /// A control interface of the given memory; `dials` is where AWS's dials are turned.
    pub fn new(client: Upstream, dials: Option<Uri>, record: Arc<Record>) -> Self {
        Self { client, dials, record }
    }

    /// Serves one request.
    ///
    /// # Errors
    ///
    /// Never: what is wrong is said in the answer.
    pub async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(problem) => return Ok(error(StatusCode::BAD_REQUEST, &chain(&problem))),
        };
        let path = parts.uri.path().trim_end_matches('/');
        Ok(match (path, &parts.method) {
            ("/calls", &Method::GET) => written(self.record.calls()),
            ("/calls", &Method::DELETE) => {
                self.record.reset_calls();
                json_answer(StatusCode::OK, "{}")
            }
            ("/faults", &Method::GET) => written(self.record.faults()),
            ("/faults", &Method::PUT) => match Faults::parse(&body) {
                Ok(faults) => {
                    self.record.set_faults(faults);
                    written(self.record.faults())
                }
                Err(problem) => error(StatusCode::BAD_REQUEST, &problem),
            },
            ("/aws", &Method::GET | &Method::PUT) => self.dials(parts.method, body).await,
            ("/calls", _) => wrong_method("GET to read them, DELETE to start counting anew"),
            ("/faults", _) => wrong_method("GET to read them, PUT to replace them, PUT [] to end them"),
            ("/aws", _) => wrong_method("PUT to turn dials, GET to read them"),
            _ => error(
                StatusCode::NOT_FOUND,
                "there are GET /calls, DELETE /calls, GET /faults, PUT /faults and PUT /aws",
            ),
        })
    }

    async fn dials(&self, method: Method, body: Bytes) -> Answer {
        let Some(dials) = &self.dials else {
            return ignored(&method, &body);
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = dials.clone();
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.ask(request).await {
            Ok(answer) => answer,
            Err(problem) => error(StatusCode::BAD_GATEWAY, &format!("{dials} cannot be asked: {problem}")),
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.client.request(request).await.map_err(|error| chain(&error))?;
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        let body = response.into_body().collect().await.map_err(|error| chain(&error))?;
        let mut answer = Response::new(Full::new(body.to_bytes()));
        *answer.status_mut() = status;
        if let Some(content_type) = content_type {
            answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        Ok(answer)
    }
}

/// The answer where AWS is not our own emulator and has no dials: which ones had no effect.
fn ignored(method: &Method, body: &[u8]) -> Answer {
    let dials: Map<String, Value> = if *method == Method::PUT {
        match serde_json::from_slice(body) {
            Ok(dials) => dials,
            Err(problem) => {
                return error(
                    StatusCode::BAD_REQUEST,
                    &format!("the body is no JSON object ({problem}); write for instance {{\"transitionSeconds\": 2}}"),
                );
            }
        }
    } else {
        Map::new()
    };
    let names: BTreeSet<&String> = dials.keys().collect();
    json_answer(StatusCode::OK, json!({ "ignored": names }).to_string())
}

fn wrong_method(methods: &str) -> Answer {
    error(StatusCode::METHOD_NOT_ALLOWED, &format!("write {methods}"))
}

fn written(json: serde_json::Result<Vec<u8>>) -> Answer {
    match json {
        Ok(json) => json_answer(StatusCode::OK, json),
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

fn error(status: StatusCode, problem: &str) -> Answer {
    json_answer(status, json!({ "error": problem }).to_string())
}

fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
