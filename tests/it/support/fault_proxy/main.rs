//! The fault proxy: stands between the operator and AWS's stand-in, counts the calls, and does to
//! them what networks, services and machines do. Its control interface says which of them suffer.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test that meets what it does not expect shall fail there"
    )
)]

mod call;
mod control_api;
mod fault;
mod forward;
mod journal;
mod lambda;
mod pids;
mod record;
mod refusal;
mod s3;
mod serve;

#[cfg(test)]
#[path = "../control.rs"]
mod control;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::control_api::ControlApi;
use crate::forward::Proxy;
use crate::journal::{Journal, Writer};
use crate::record::Record;

/// Stands between the operator and AWS, counts the calls and makes some of them fail.
#[derive(Debug, Parser)]
#[command(name = "fault-proxy")]
struct Args {
    /// Where the operator's calls come in; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where the control interface listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: SocketAddr,
    /// Where the calls go.
    #[arg(long, value_name = "http://HOST:PORT")]
    upstream: Uri,
    /// Where AWS's dials are turned; without it `PUT /aws` has no effect and says so.
    #[arg(long, value_name = "http://HOST:PORT/PATH")]
    dials: Option<Uri>,
    /// The file with the operator's process ids, one a line, which the kill faults end.
    #[arg(long, value_name = "FILE")]
    pids: PathBuf,
    /// The file to which every call is written as a line of JSON.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// The proxy before it starts: its ports are taken, so their numbers are known.
struct Bound {
    calls: TcpListener,
    control: TcpListener,
    proxy: Arc<Proxy>,
    api: Arc<ControlApi>,
    writer: Option<Writer>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // A second thread keeps the calls flowing while a long log is read.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let writer = runtime.block_on(async {
        let mut bound = bind(args).await?;
        let writer = bound.writer.take();
        run_until_told(bound).await?;
        anyhow::Ok(writer)
    })?;
    // Calls under way are not waited for: what is behind the proxy is about to end as well.
    runtime.shutdown_timeout(Duration::from_millis(500));
    if let Some(writer) = writer {
        writer.finish();
    }
    Ok(())
}

async fn bind(args: Args) -> Result<Bound> {
    let authority = authority(&args.upstream).with_context(|| format!("--upstream {}", args.upstream))?;
    if let Some(dials) = &args.dials {
        ensure!(
            dials.scheme() == Some(&Scheme::HTTP) && dials.authority().is_some(),
            "--dials {dials}: write it as http://host:port/path"
        );
    }
    let (journal, writer) = match &args.log {
        Some(path) => {
            let (journal, writer) =
                Journal::open(path).with_context(|| format!("--log {}: cannot be written", path.display()))?;
            (Some(journal), Some(writer))
        }
        None => (None, None),
    };
    let listener = async |name: &str, address: SocketAddr| {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("{name} {address}: cannot be listened on"))
    };
    let record = Arc::new(Record::new(journal));
    let client = forward::upstream();
    Ok(Bound {
        calls: listener("--listen", args.listen).await?,
        control: listener("--control", args.control).await?,
        proxy: Arc::new(Proxy::new(client.clone(), authority, Arc::clone(&record), args.pids)),
        api: Arc::new(ControlApi::new(client, args.dials, record)),
        writer,
    })
}

/// The host and port of the upstream. A path would be lost on the way, so it is refused.
fn authority(upstream: &Uri) -> Result<Authority> {
    let is_plain =
        upstream.scheme() == Some(&Scheme::HTTP) && matches!(upstream.path(), "" | "/") && upstream.query().is_none();
    ensure!(is_plain, "write it as http://host:port, without a path");
    upstream.authority().cloned().context("write it as http://host:port")
}

async fn run_until_told(bound: Bound) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let addresses = serde_json::json!({
        "listen": bound.calls.local_addr().context("the address of --listen")?,
        "control": bound.control.local_addr().context("the address of --control")?,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{addresses}")
        .and_then(|()| out.flush())
        .context("the addresses cannot be printed")?;
    drop(out);
    tokio::select! {
        () = run(bound) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Serves both planes, without end.
async fn run(bound: Bound) {
    let Bound { proxy, api, .. } = bound;
    let calls = serve::serve(bound.calls, move |request| Arc::clone(&proxy).serve(request));
    let control = serve::serve(bound.control, move |request| Arc::clone(&api).serve(request));
    tokio::join!(calls, control);
}
