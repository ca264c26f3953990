//! Events in `kubectl describe`: published in order, in the background, and only on transitions,
//! which the engine sees to.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as KubeEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use nuvem_core::engine::cluster::Event;
use tokio::sync::mpsc;

/// The API server refuses longer notes.
const NOTE_LIMIT: usize = 1000;

/// How many events may wait for an API server that is slow.
const BACKLOG: usize = 4096;

/// Where events go in.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<(Timestamp, Event)>,
}

impl Events {
    /// Starts publishing as this instance of the operator.
    #[must_use]
    pub fn start(client: Client, instance: String) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Timestamp, Event)>(BACKLOG);
        tokio::spawn(async move {
            while let Some((at, event)) = waiting.recv().await {
                publish(&client, &instance, at, event).await;
            }
        });
        Self { queue }
    }

    /// Publishes an event soon. One that does not fit into the backlog is logged instead.
    pub fn publish(&self, event: Event) {
        tracing::info!(
            resource = %event.key, account = %event.account, region = %event.region,
            reason = %event.reason, warning = event.warning, "{}", event.note
        );
        if let Err(error) = self.queue.try_send((Timestamp::now(), event)) {
            tracing::warn!("an event is lost: {error}");
        }
    }
}

async fn publish(client: &Client, instance: &str, at: Timestamp, event: Event) {
    let api: Api<KubeEvent> = Api::namespaced(client.clone(), &event.key.namespace);
    let key = event.key.clone();
    if let Err(error) = api.create(&PostParams::default(), &rendered(instance, at, event)).await {
        // In a namespace that is being deleted the API server takes no events any more.
        let terminating = matches!(&error, kube::Error::Api(status) if status.code == 404 || status.message.contains("being terminated"));
        if terminating {
            tracing::debug!(resource = %key, "an event was not taken: {error}");
        } else {
            tracing::warn!(resource = %key, "an event was not taken: {error}");
        }
    }
}

fn rendered(instance: &str, at: Timestamp, event: Event) -> KubeEvent {
    let Event {
        key,
        account: _,
        region: _,
        reason,
        note,
        warning,
    } = event;
    let note: String = note.chars().take(NOTE_LIMIT).collect();
    KubeEvent {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", key.name)),
            namespace: Some(key.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(reason.clone()),
        reason: Some(reason),
        note: Some(note),
        type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
        event_time: Some(MicroTime(at)),
        reporting_controller: Some("nuvem.dev/nuvem".to_owned()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        regarding: Some(ObjectReference {
            api_version: Some("nuvem.dev/v1alpha1".to_owned()),
            kind: Some(key.kind.to_owned()),
            name: Some(key.name),
            namespace: Some(key.namespace),
            uid: Some(key.uid),
            ..ObjectReference::default()
        }),
        ..KubeEvent::default()
    }
}
