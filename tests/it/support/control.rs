//! The control interface of the fault proxy, for tests: what the operator called, which calls
//! shall fail, and AWS's dials.

#![allow(
    dead_code,
    reason = "each test binary that includes this file uses the part it needs"
)]

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the operator called since the last reset.
#[derive(Clone, Debug, Deserialize)]
pub struct Calls {
    /// How many calls there were.
    pub total: u64,
    /// How many of each name.
    pub by: BTreeMap<String, u64>,
    /// How many of the oldest calls are missing in the log.
    pub dropped: u64,
    /// The calls, oldest first.
    pub log: Vec<LoggedCall>,
}

impl Calls {
    /// How often a call of this name was made: `ec2.RunInstances`.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.by.get(name).copied().unwrap_or_default()
    }

    /// The logged calls that could change something.
    pub fn mutating(&self) -> impl Iterator<Item = &LoggedCall> {
        self.log.iter().filter(|call| call.mutating)
    }
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub struct LoggedCall {
    /// When it arrived, in seconds since the proxy's start.
    pub at: f64,
    /// Its name: `ec2.RunInstances`.
    pub call: String,
    /// The status that the caller got; 0 where it got no answer, or has none yet.
    pub status: u16,
    /// Whether it could change something.
    pub mutating: bool,
    /// The caller's access key.
    pub key: String,
    /// The mode of the fault that hit it.
    pub fault: Option<String>,
}

/// A fault, built as `Fault::lost_reply("ec2.RunInstances").skip(1)`. It hits once, unless
/// [`Fault::times`], [`Fault::every`] or [`Fault::always`] say otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    #[serde(rename = "match")]
    pattern: String,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutating: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl Fault {
    fn new(mode: &'static str, pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
            mode,
            mutating: None,
            skip: None,
            times: None,
            every: None,
            seconds: None,
        }
    }

    /// The service refuses for too many requests. Like all patterns, `pattern` is a regular
    /// expression for the whole name of a call.
    #[must_use]
    pub fn throttle(pattern: &str) -> Self {
        Self::new("throttle", pattern)
    }

    /// The service answers with an internal error.
    #[must_use]
    pub fn error(pattern: &str) -> Self {
        Self::new("error", pattern)
    }

    /// The service answers that it is unavailable.
    #[must_use]
    pub fn unavailable(pattern: &str) -> Self {
        Self::new("unavailable", pattern)
    }

    /// The call never arrives and is never answered.
    #[must_use]
    pub fn timeout(pattern: &str) -> Self {
        Self::new("timeout", pattern)
    }

    /// The call arrives late.
    #[must_use]
    pub fn delay(pattern: &str, seconds: f64) -> Self {
        Self {
            seconds: Some(seconds),
            ..Self::new("delay", pattern)
        }
    }

    /// The connection is cut before AWS sees the call.
    #[must_use]
    pub fn drop(pattern: &str) -> Self {
        Self::new("drop", pattern)
    }

    /// AWS acts, and the connection is cut before it answers.
    #[must_use]
    pub fn lost_reply(pattern: &str) -> Self {
        Self::new("lostReply", pattern)
    }

    /// The service refuses for a missing permission.
    #[must_use]
    pub fn deny(pattern: &str) -> Self {
        Self::new("deny", pattern)
    }

    /// AWS acts, and the operator is killed before it hears of it.
    #[must_use]
    pub fn kill(pattern: &str) -> Self {
        Self::new("kill", pattern)
    }

    /// The operator is killed before AWS sees the call.
    #[must_use]
    pub fn kill_before(pattern: &str) -> Self {
        Self::new("killBefore", pattern)
    }

    /// Only calls that can change something.
    #[must_use]
    pub fn mutating(mut self) -> Self {
        self.mutating = Some(true);
        self
    }

    /// Only calls that read.
    #[must_use]
    pub fn reading(mut self) -> Self {
        self.mutating = Some(false);
        self
    }

    /// Lets the first calls pass.
    #[must_use]
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = Some(calls);
        self
    }

    /// Hits that many calls.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = Some(calls);
        self
    }

    /// Hits every n-th call: without end, unless [`Fault::times`] ends it.
    #[must_use]
    pub fn every(mut self, calls: u64) -> Self {
        self.every = Some(calls);
        self
    }

    /// Hits without end.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(0)
    }
}

/// AWS's dials. Those that are not set keep their value.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dials {
    /// How long a change of state takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition_seconds: Option<f64>,
    /// How long what was created is not found by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility_seconds: Option<f64>,
    /// How long what was created is not found by its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_visibility_seconds: Option<f64>,
    /// How long a terminated instance can be read by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_seconds: Option<f64>,
    /// Whether AWS throttles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttling: Option<Switch>,
    /// The instance types that AWS has no capacity for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insufficient_capacity: Option<Vec<String>>,
    /// Dials that have no field here, by name.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// A client of the control interface.
#[derive(Clone, Debug)]
pub struct Control {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Control {
    /// A client of the proxy whose control interface is at `url` (`NUVEM_CONTROL_URL`).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into().trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// What the operator called since the last reset.
    ///
    /// # Errors
    ///
    /// Where the proxy cannot be asked.
    pub async fn calls(&self) -> Result<Calls> {
        self.ask(Method::GET, "/calls", None).await
    }

    /// Starts counting anew.
    ///
    /// # Errors
    ///
    /// Where the proxy cannot be asked.
    pub async fn reset_calls(&self) -> Result<()> {
        self.ask::<Value>(Method::DELETE, "/calls", None).await?;
        Ok(())
    }

    /// Replaces the faults; an empty list ends them.
    ///
    /// # Errors
    ///
    /// Where the proxy cannot be asked or does not accept a fault.
    pub async fn faults(&self, faults: Vec<Fault>) -> Result<()> {
        let body = serde_json::to_vec(&faults)?;
        self.ask::<Value>(Method::PUT, "/faults", Some(body)).await?;
        Ok(())
    }

    /// How many calls the faults in force have hit so far, in the list's order.
    ///
    /// # Errors
    ///
    /// Where the proxy cannot be asked.
    pub async fn hits(&self) -> Result<Vec<u64>> {
        #[derive(Deserialize)]
        struct Counted {
            hit: u64,
        }
        let faults: Vec<Counted> = self.ask(Method::GET, "/faults", None).await?;
        Ok(faults.into_iter().map(|fault| fault.hit).collect())
    }

    /// Turns AWS's dials, and returns its answer.
    ///
    /// # Errors
    ///
    /// Where the proxy or AWS cannot be asked, or AWS does not accept a dial.
    pub async fn aws(&self, dials: Dials) -> Result<Value> {
        let body = serde_json::to_vec(&dials)?;
        self.ask(Method::PUT, "/aws", Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<T> {
        let what = format!("{method} {}{path}", self.url);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .with_context(|| what.clone())?;
        let response = self.client.request(request).await.with_context(|| what.clone())?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(|| what.clone())?;
        let body = body.to_bytes();
        if !status.is_success() {
            bail!("{what}: {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| what)
    }
}
