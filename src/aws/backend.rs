//! The SDK's clients for one scope, with nuvem's timeouts and retries.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::config::retry::RetryPartition;

use super::Scope;
use super::unsent::Witness;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A leader that lost its lease has 15 s before another one writes, and fencing counts on it that
/// a write takes no more than 12 of them.
const WRITE_TIMEOUT: Duration = Duration::from_secs(12);

/// AWS in one scope.
pub(super) struct SdkBackend {
    /// EC2 for what changes nothing.
    pub(super) read: aws_sdk_ec2::Client,
    /// EC2 for what may change something.
    pub(super) write: aws_sdk_ec2::Client,
    pub(super) ssm: aws_sdk_ssm::Client,
    pub(super) sts: aws_sdk_sts::Client,
}

impl SdkBackend {
    pub(super) fn new(config: &SdkConfig, scope: &Scope) -> Self {
        let reads = tuned(config, scope, read_retries(), READ_TIMEOUT);
        let writes = tuned(config, scope, RetryConfig::disabled(), WRITE_TIMEOUT);
        Self {
            read: aws_sdk_ec2::Client::from_conf(
                aws_sdk_ec2::config::Builder::from(&reads)
                    .retry_partition(own_budget("ec2", scope))
                    .interceptor(Witness)
                    .build(),
            ),
            write: aws_sdk_ec2::Client::from_conf(
                aws_sdk_ec2::config::Builder::from(&writes).interceptor(Witness).build(),
            ),
            ssm: aws_sdk_ssm::Client::from_conf(
                aws_sdk_ssm::config::Builder::from(&reads)
                    .retry_partition(own_budget("ssm", scope))
                    .interceptor(Witness)
                    .build(),
            ),
            sts: aws_sdk_sts::Client::from_conf(
                aws_sdk_sts::config::Builder::from(&reads)
                    .retry_partition(own_budget("sts", scope))
                    .interceptor(Witness)
                    .build(),
            ),
        }
    }
}

/// The process's configuration for one scope and one way of retrying.
fn tuned(config: &SdkConfig, scope: &Scope, retries: RetryConfig, timeout: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(timeout)
        .build();
    config
        .clone()
        .into_builder()
        .region(Region::new(scope.region.clone()))
        .retry_config(retries)
        .timeout_config(timeouts)
        .build()
}

/// Bridges a lost connection, no more: who asks has a queue with a backoff of its own, and must
/// learn soon that AWS throttles.
fn read_retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(1))
}

/// The SDK's retry budget, by default one a Region for all the accounts of a process.
fn own_budget(service: &str, scope: &Scope) -> RetryPartition {
    let Scope { credentials, region } = scope;
    RetryPartition::custom(format!("{service}/{credentials:?}/{region}")).build()
}
