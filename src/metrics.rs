//! Metrics in `OpenMetrics`' text: read from the engine's own state at each scrape, so that nothing
//! is counted twice.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::operator::Operator;

/// The metrics of this moment.
///
/// # Errors
///
/// When a value cannot be written as text.
pub fn render(operator: &Arc<Operator>) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(Arc::clone(operator))));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

struct Snapshot(Arc<Operator>);

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    account: String,
    region: String,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "they are the names of the labels")]
struct Bucket {
    account: String,
    region: String,
    bucket: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    account: String,
    region: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sweep {
    account: String,
    region: String,
    listing: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resources {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InLane {
    lane: &'static str,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        self.requests(&mut encoder)?;
        self.buckets(&mut encoder)?;
        self.sweeps(&mut encoder)?;
        self.resources(&mut encoder)?;
        let leader = u64::from(self.0.is_leading());
        let gauge = encoder.encode_descriptor("nuvem_leader", "1 on the replica that acts", None, MetricType::Gauge)?;
        ConstGauge::new(leader).encode(gauge)
    }
}

impl Snapshot {
    fn requests(&self, encoder: &mut DescriptorEncoder) -> Result<(), Error> {
        let help = "Requests to AWS by what came of them; paced ones were held back and not sent";
        let mut family = encoder.encode_descriptor("nuvem_aws_requests", help, None, MetricType::Counter)?;
        for ((scope, action, outcome), count) in self.0.gate().counts() {
            let labels = Request {
                account: scope.account,
                region: scope.region,
                action,
                outcome: outcome.name(),
            };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn buckets(&self, encoder: &mut DescriptorEncoder) -> Result<(), Error> {
        let levels = self.0.gate().levels();
        let help = "Requests to AWS that may be made at once";
        let mut family = encoder.encode_descriptor("nuvem_aws_tokens", help, None, MetricType::Gauge)?;
        for level in &levels {
            ConstGauge::new(level.tokens).encode(family.encode_family(&bucket(level))?)?;
        }
        let help = "Per cent of the usual pace that AWS's throttling has left";
        let mut family = encoder.encode_descriptor("nuvem_aws_pace_percent", help, None, MetricType::Gauge)?;
        for level in &levels {
            // The governor counts in thousandths.
            ConstGauge::new(level.pace / 10).encode(family.encode_family(&bucket(level))?)?;
        }
        Ok(())
    }

    fn sweeps(&self, encoder: &mut DescriptorEncoder) -> Result<(), Error> {
        let now = self.0.time();
        let help = "Seconds since the last complete sweep began";
        let mut family = encoder.encode_descriptor("nuvem_sweep_age_seconds", help, None, MetricType::Gauge)?;
        for ((scope, listing), at) in self.0.swept() {
            let labels = Sweep {
                account: scope.account,
                region: scope.region,
                listing: listing.name(),
            };
            let age = now.duration_since(at).as_secs();
            ConstGauge::new(age).encode(family.encode_family(&labels)?)?;
        }
        let help = "Things in AWS that carry this cluster's tags and belong to no object";
        let mut family = encoder.encode_descriptor("nuvem_orphans", help, None, MetricType::Gauge)?;
        for (scope, count) in self.0.orphans() {
            let labels = Place {
                account: scope.account,
                region: scope.region,
            };
            ConstGauge::new(wide(count)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn resources(&self, encoder: &mut DescriptorEncoder) -> Result<(), Error> {
        let now = self.0.time();
        let (standings, depth, running) = {
            let engine = self.0.engine();
            (engine.standings(), engine.depth(now), engine.running())
        };
        let help = "Objects by how they stand";
        let mut family = encoder.encode_descriptor("nuvem_resources", help, None, MetricType::Gauge)?;
        for ((kind, standing), count) in standings {
            let labels = Resources {
                kind,
                state: standing.name(),
            };
            ConstGauge::new(wide(count)).encode(family.encode_family(&labels)?)?;
        }
        let help = "Objects that are due and have not begun";
        let mut family = encoder.encode_descriptor("nuvem_queue_depth", help, None, MetricType::Gauge)?;
        for (lane, count) in depth {
            ConstGauge::new(wide(count)).encode(family.encode_family(&InLane { lane: lane.name() })?)?;
        }
        let help = "Reconciles under way";
        let gauge = encoder.encode_descriptor("nuvem_reconciles_running", help, None, MetricType::Gauge)?;
        ConstGauge::new(wide(running)).encode(gauge)
    }
}

fn bucket(level: &nuvem_core::engine::governor::Level) -> Bucket {
    Bucket {
        account: level.scope.account.clone(),
        region: level.scope.region.clone(),
        bucket: level.bucket,
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
