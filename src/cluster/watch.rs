//! Watches: what the API server tells, as plain calls of a listener. An object that does not parse
//! is told apart and stops nobody else.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures_util::{StreamExt, TryStreamExt};
use kube::api::{Api, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// An object's place: namespace and name.
pub type Place = (String, String);

/// What a watch tells.
#[derive(Debug)]
pub enum Told<T> {
    /// The object is there, like this.
    Applied(T),
    /// The object is gone.
    Deleted(Place),
    /// The object is there and does not parse.
    Unreadable(Place, String),
    /// Everything that was there at the beginning (or after a gap) has been told. What is not in
    /// here is gone.
    Complete(BTreeSet<Place>),
}

/// Where to watch: everywhere, or in these namespaces.
#[must_use]
pub fn apis<K>(client: &Client, namespaces: &[String]) -> Vec<Api<K>>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    if namespaces.is_empty() {
        return vec![Api::all(client.clone())];
    }
    namespaces
        .iter()
        .map(|namespace| Api::namespaced(client.clone(), namespace))
        .collect()
}

/// Watches objects for ever. Gaps and lost connections are healed with a backoff.
pub async fn objects<K, F>(api: Api<DeserializeGuard<K>>, mut listener: F)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    F: FnMut(Told<K>) + Send,
{
    let config = watcher::Config::default().streaming_lists();
    let mut stream = watcher(api, config).default_backoff().boxed();
    let mut listing = BTreeSet::new();
    loop {
        match stream.try_next().await {
            Ok(Some(event)) => tell(event, &mut listing, &mut listener),
            Ok(None) => return,
            Err(error) => tracing::warn!(kind = %K::kind(&()), "the watch failed and begins anew: {error}"),
        }
    }
}

fn tell<K, F>(event: watcher::Event<DeserializeGuard<K>>, listing: &mut BTreeSet<Place>, listener: &mut F)
where
    K: Resource<DynamicType = ()>,
    F: FnMut(Told<K>),
{
    let mut applied = |guard: DeserializeGuard<K>| -> Place {
        match guard.0 {
            Ok(mut object) => {
                object.meta_mut().managed_fields = None;
                let place = place(&object);
                listener(Told::Applied(object));
                place
            }
            Err(invalid) => {
                let meta = invalid.metadata;
                let place = (meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
                listener(Told::Unreadable(place.clone(), invalid.error));
                place
            }
        }
    };
    match event {
        watcher::Event::Init => listing.clear(),
        watcher::Event::InitApply(guard) => {
            listing.insert(applied(guard));
        }
        watcher::Event::InitDone => listener(Told::Complete(std::mem::take(listing))),
        watcher::Event::Apply(guard) => {
            applied(guard);
        }
        watcher::Event::Delete(guard) => {
            let place = match &guard.0 {
                Ok(object) => place(object),
                Err(invalid) => (
                    invalid.metadata.namespace.clone().unwrap_or_default(),
                    invalid.metadata.name.clone().unwrap_or_default(),
                ),
            };
            listener(Told::Deleted(place));
        }
    }
}

/// Where an object is.
pub fn place<K: Resource>(object: &K) -> Place {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Watches only the metadata of objects that resources may refer to: which one was changed, and
/// nothing of what is in it.
pub async fn metadata<K, F>(api: Api<PartialObjectMeta<K>>, mut listener: F)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    F: FnMut(&PartialObjectMeta<K>) + Send,
{
    let mut stream = watcher(api, watcher::Config::default()).default_backoff().boxed();
    // At the start every resource is reconciled anyway; after a gap what is listed may be news.
    let mut begun = false;
    loop {
        match stream.try_next().await {
            Ok(Some(watcher::Event::Init)) => {}
            Ok(Some(watcher::Event::InitDone)) => begun = true,
            Ok(Some(watcher::Event::InitApply(object))) => {
                if begun {
                    listener(&object);
                }
            }
            Ok(Some(watcher::Event::Apply(object) | watcher::Event::Delete(object))) => listener(&object),
            Ok(None) => return,
            Err(error) => tracing::warn!(kind = %K::kind(&()), "the watch failed and begins anew: {error}"),
        }
    }
}
