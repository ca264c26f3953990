//! `nuvem run`: the operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgAction, Args, ValueEnum};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use nuvem_core::aws::ec2::Tags;
use nuvem_core::engine::clock::Clock;
use nuvem_core::engine::gate::Gate;
use nuvem_core::engine::governor::Governor;
use nuvem_core::engine::kind::Settings;
use nuvem_core::engine::ownership::ClusterIdentity;
use nuvem_core::engine::reads::Reads;
use nuvem_core::engine::reconcile::Context;
use tracing_subscriber::EnvFilter;

use crate::accounts::OwnAccount;
use crate::aws::Clients;
use crate::clock::SystemClock;
use crate::cluster::client::KubeCluster;
use crate::cluster::events::Events;
use crate::cluster::lease::{Candidate, Lost};
use crate::http;
use crate::operator::Operator;

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// Runs the operator. The chart renders all of these.
#[derive(Debug, Args)]
pub struct Run {
    /// The AWS Region of resources for which neither spec.region nor their namespace names one.
    #[arg(long, env = "NUVEM_REGION")]
    region: String,
    /// The cluster's id in AWS tags. Default: the uid of the namespace kube-system.
    #[arg(long)]
    cluster_id: Option<String>,
    /// Where health and metrics are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    http_address: SocketAddr,
    /// How often AWS is swept for changes from outside.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3600))]
    sweep_interval_seconds: u64,
    /// error, warn, info, debug or trace; or a filter such as info,nuvem=debug.
    #[arg(long, default_value = "info")]
    log_level: String,
    /// json or text.
    #[arg(long, value_enum, default_value = "json")]
    log_format: LogFormat,
    /// The name of the Lease by which replicas agree on a leader.
    #[arg(long, default_value = "nuvem")]
    lease_name: String,
    /// The namespace of the Lease.
    #[arg(long, default_value = "nuvem-system")]
    lease_namespace: String,
    /// Who this replica is; its pod's name.
    #[arg(long, env = "POD_NAME")]
    identity: String,
    /// Only these namespaces, separated by commas. Default: all.
    #[arg(long, value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// A tag for everything that is created, as key=value; may be given several times.
    #[arg(long = "default-tag", value_parser = parse_tag, action = ArgAction::Append)]
    default_tags: Vec<(String, String)>,
    /// Whether an adoption needs the tag nuvem.dev/adoptable-by on the AWS object.
    #[arg(long, default_value_t = true, action = ArgAction::Set)]
    adoption_require_tag: bool,
    /// The uid of kube-system of a cluster that this one replaces; may be given several times.
    #[arg(long, action = ArgAction::Append)]
    take_over_from: Vec<String>,
    /// Whether Secrets may be watched; otherwise those that resources refer to are polled.
    #[arg(long, default_value_t = false, action = ArgAction::Set)]
    watch_secrets: bool,
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("{text:?} is no tag; write key=value")),
    }
}

impl Run {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        self.start_log()?;
        // Deciding is cheap and AWS is far away: more threads would only hold more memory.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let result = runtime.block_on(self.run());
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    fn start_log(&self) -> anyhow::Result<()> {
        // At debug and below the SDK and its HTTP client log whole requests, user data included.
        const LOUD: [&str; 6] = [
            "aws_smithy_runtime",
            "aws_smithy_http",
            "aws_runtime",
            "aws_config",
            "hyper",
            "hyper_util",
        ];
        let mut filter = EnvFilter::try_new(&self.log_level).with_context(|| {
            format!(
                "--log-level {:?}: write error, warn, info, debug or trace",
                self.log_level
            )
        })?;
        for target in LOUD {
            filter = filter.add_directive(format!("{target}=warn").parse()?);
        }
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        match self.log_format {
            LogFormat::Json => log.json().flatten_event(true).init(),
            LogFormat::Text => log.init(),
        }
        Ok(())
    }

    async fn run(self) -> anyhow::Result<()> {
        let client = connect().await?;
        let home = home(&client).await?;
        let identity = ClusterIdentity {
            id: self.cluster_id.clone().unwrap_or_else(|| home.clone()),
            home,
            take_over_from: self.take_over_from.clone(),
        };
        tracing::info!(version = env!("CARGO_PKG_VERSION"), cluster = %identity.id, home = %identity.home, region = %self.region, "starting");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let gate = Arc::new(Gate::new(Arc::clone(&clock), Governor::new(Governor::SHARE)));
        let reads = Arc::new(Reads::new(Arc::clone(&gate)));
        let events = Events::start(client.clone(), self.identity.clone());
        let context = Context {
            cluster: Arc::new(KubeCluster::new(client.clone(), events)),
            accounts: Arc::new(OwnAccount::new(Clients::from_env().await, Arc::clone(&reads))),
            clock,
            identity,
            settings: Settings {
                default_tags: self.default_tags.iter().cloned().collect::<Tags>(),
                adoption_requires_tag: self.adoption_require_tag,
            },
            default_region: self.region.clone(),
        };
        let sweep_every = Duration::from_secs(self.sweep_interval_seconds);
        let operator = Operator::new(context, Arc::clone(&gate), reads, sweep_every);
        let bound = http::serve(self.http_address, Arc::clone(&operator)).await?;
        tracing::info!(address = %bound, "serving health and metrics");
        operator.watch(&client, &self.watch_namespaces, self.watch_secrets);
        let candidate = Candidate::new(client, &self.lease_namespace, &self.lease_name, &self.identity, gate);
        self.stand_and_lead(candidate, operator).await
    }

    /// Stands for election, leads, and gives the lease back; or ends the process when it is lost.
    async fn stand_and_lead(&self, candidate: Candidate, operator: Arc<Operator>) -> anyhow::Result<()> {
        let stop = tokio_util::sync::CancellationToken::new();
        tokio::spawn({
            let stop = stop.clone();
            async move {
                terminated().await;
                tracing::info!("asked to stop");
                stop.cancel();
            }
        });
        tracing::info!("standing for election");
        let mut lease = tokio::select! {
            lease = candidate.acquire() => lease,
            () = stop.cancelled() => return Ok(()),
        };
        tracing::info!("leading");
        let leading = tokio::spawn(operator.lead(stop.clone().cancelled_owned()));
        tokio::select! {
            // The pod is restarted, and begins with nothing that may be stale.
            Lost(why) = lease.keep() => anyhow::bail!("the lease is lost: {why}"),
            ended = leading => ended.context("the operator's main loop panicked")?,
        }
        lease.release().await;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn connect() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("no way to the Kubernetes API: neither a kubeconfig nor a pod's ServiceAccount")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(Duration::from_secs(10));
    Client::try_from(config).context("the Kubernetes configuration cannot be used")
}

/// The uid of `kube-system`: it tells clusters apart whatever their names.
async fn home(client: &Client) -> anyhow::Result<String> {
    let api: Api<Namespace> = Api::all(client.clone());
    let namespace = api
        .get("kube-system")
        .await
        .context("the namespace kube-system cannot be read")?;
    namespace.metadata.uid.context("the namespace kube-system has no uid")
}

async fn terminated() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::error!("SIGTERM cannot be heard: {error}");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
