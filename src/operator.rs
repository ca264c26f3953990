//! The running operator: feeds the engine with what the watches and the sweep tell, and runs what
//! the engine asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Resource as _;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::{Api, Client, ResourceExt as _};
use nuvem_core::engine::engine::Engine;
use nuvem_core::engine::gate::{Gate, Scope};
use nuvem_core::engine::kind::Kind;
use nuvem_core::engine::queue::{Lane, Ticket};
use nuvem_core::engine::reads::Reads;
use nuvem_core::engine::reconcile::{Context, Occasion, reconcile};
use nuvem_core::engine::references::Target;
use nuvem_core::engine::resource::{Key, Resource};
use nuvem_core::engine::sweep::{self, Listing};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cluster::client::REGION_ANNOTATION;
use crate::cluster::watch::{self, Place, Told};

/// A reconcile that takes longer is cut off. (Its AWS writes are single requests with a timeout of
/// their own; whatever they did is found again.)
const RECONCILE_DEADLINE: Duration = Duration::from_secs(45);

/// How long running reconciles may go on after a SIGTERM. The pod's grace period is longer.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// How often Secrets that resources refer to are looked at where they may not be watched.
const POLL: Duration = Duration::from_mins(1);

/// When each listing of each account and Region was swept last.
pub type SweepTimes = BTreeMap<(Scope, Listing), Timestamp>;

/// Everything that the parts of the running operator share.
pub struct Operator {
    engine: Mutex<Engine>,
    context: Context,
    gate: Arc<Gate>,
    reads: Arc<Reads>,
    controllers: Vec<Arc<dyn Controller>>,
    notify: Notify,
    sweep_every: Duration,
    swept: Mutex<SweepTimes>,
    orphans: Mutex<BTreeMap<Scope, usize>>,
    leading: AtomicBool,
}

/// One kind's objects, and how to reconcile them.
trait Controller: Send + Sync {
    fn kind(&self) -> &'static str;
    fn watch(self: Arc<Self>, operator: Arc<Operator>, client: Client, namespaces: &[String])
    -> BoxFuture<'static, ()>;
    fn reconcile(self: Arc<Self>, operator: Arc<Operator>, ticket: Ticket) -> BoxFuture<'static, ()>;
    fn is_complete(&self) -> bool;
    fn regions(&self) -> BTreeSet<String>;
}

struct KindController<K: Kind> {
    store: Mutex<BTreeMap<Place, Arc<K::Object>>>,
    /// How many watches there are, and how many have told everything once.
    complete: Mutex<(usize, usize)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one reconcile is that resource's failure: what it left in here is as good as ever.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K> KindController<K>
where
    K: Kind,
    K::Object: kube::Resource<Scope = NamespaceResourceScope>,
{
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: Mutex::new(BTreeMap::new()),
            complete: Mutex::new((usize::MAX, 0)),
        })
    }

    fn told(&self, operator: &Operator, namespace: Option<&str>, told: Told<K::Object>) {
        match told {
            Told::Applied(object) => self.applied(operator, object),
            Told::Deleted(place) => self.deleted(operator, &place),
            Told::Unreadable((namespace, name), error) => {
                tracing::error!(
                    resource = %format!("{}/{namespace}/{name}", K::Object::KIND),
                    "the object does not parse and is left alone: {error}"
                );
            }
            Told::Complete(places) => {
                let within = |place: &Place| namespace.is_none_or(|namespace| place.0 == namespace);
                let gone: Vec<Place> = lock(&self.store)
                    .keys()
                    .filter(|place| within(place) && !places.contains(*place))
                    .cloned()
                    .collect();
                for place in gone {
                    self.deleted(operator, &place);
                }
                lock(&self.complete).1 += 1;
            }
        }
    }

    fn applied(&self, operator: &Operator, object: K::Object) {
        let Some(key) = object.key() else {
            return;
        };
        let place = (key.namespace.clone(), key.name.clone());
        let object = Arc::new(object);
        let before = lock(&self.store).insert(place, Arc::clone(&object));
        let mut engine = lock(&operator.engine);
        // Made again under the same name while the watch was not looking.
        if let Some(other) = before.and_then(|before| before.key()).filter(|other| *other != key) {
            engine.deleted(&other);
        }
        engine.applied(object.as_ref(), K::edges(&object), operator.now());
        drop(engine);
        operator.notify.notify_one();
    }

    fn deleted(&self, operator: &Operator, place: &Place) {
        if let Some(key) = lock(&self.store).remove(place).and_then(|object| object.key()) {
            lock(&operator.engine).deleted(&key);
        }
    }

    fn object(&self, key: &Key) -> Option<Arc<K::Object>> {
        let place = (key.namespace.clone(), key.name.clone());
        let object = lock(&self.store).get(&place).cloned()?;
        (object.key().as_ref() == Some(key)).then_some(object)
    }

    async fn run(self: Arc<Self>, operator: Arc<Operator>, ticket: Ticket) {
        let now = operator.now();
        let Some(object) = self.object(&ticket.key) else {
            lock(&operator.engine).gone(&ticket);
            return;
        };
        let version = object.meta().resource_version.clone().unwrap_or_default();
        let (deep, rounds) = {
            let mut engine = lock(&operator.engine);
            if engine.is_stale(&ticket.key, &version) {
                engine.park(&ticket, now);
                return;
            }
            (engine.looks_deep(&ticket.key, now), engine.rounds(&ticket.key))
        };
        let occasion = Occasion {
            lane: ticket.lane,
            deep,
            rounds,
        };
        let context = operator.context.clone();
        let status = object.common_status().cloned().unwrap_or_default();
        let (account, region) = (status.account.unwrap_or_default(), status.region.unwrap_or_default());
        let mut task = tokio::spawn(async move { reconcile::<K>(&context, &object, occasion).await });
        let outcome = tokio::time::timeout(RECONCILE_DEADLINE, &mut task).await;
        let now = operator.now();
        let mut engine = lock(&operator.engine);
        match outcome {
            Ok(Ok(outcome)) => {
                tracing::debug!(resource = %ticket.key, lane = %ticket.lane, again = ?outcome.again, "reconciled");
                for trouble in &outcome.troubles {
                    tracing::warn!(resource = %ticket.key, account, region, attempt = ticket.failures, "{trouble}");
                }
                engine.finished(&ticket, outcome, deep, now);
            }
            Ok(Err(panic)) => {
                tracing::error!(resource = %ticket.key, "a reconcile panicked, which is a defect of nuvem: {panic}");
                engine.cut_off(&ticket, now);
            }
            Err(_) => {
                task.abort();
                tracing::warn!(resource = %ticket.key, "a reconcile did not end within {RECONCILE_DEADLINE:?} and is cut off");
                engine.cut_off(&ticket, now);
            }
        }
    }
}

impl<K> Controller for KindController<K>
where
    K: Kind,
    K::Object: kube::Resource<Scope = NamespaceResourceScope>,
{
    fn kind(&self) -> &'static str {
        K::Object::KIND
    }

    fn watch(
        self: Arc<Self>,
        operator: Arc<Operator>,
        client: Client,
        namespaces: &[String],
    ) -> BoxFuture<'static, ()> {
        let apis = watch::apis(&client, namespaces);
        lock(&self.complete).0 = apis.len();
        let mut names: Vec<Option<String>> = namespaces.iter().cloned().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        let watches = apis.into_iter().zip(names).map(move |(api, namespace)| {
            let (controller, operator) = (Arc::clone(&self), Arc::clone(&operator));
            watch::objects(api, move |told| controller.told(&operator, namespace.as_deref(), told))
        });
        let watches: Vec<_> = watches.collect();
        Box::pin(async move {
            futures_util::future::join_all(watches).await;
        })
    }

    fn reconcile(self: Arc<Self>, operator: Arc<Operator>, ticket: Ticket) -> BoxFuture<'static, ()> {
        Box::pin(self.run(operator, ticket))
    }

    fn is_complete(&self) -> bool {
        let (watches, complete) = *lock(&self.complete);
        complete >= watches
    }

    fn regions(&self) -> BTreeSet<String> {
        let store = lock(&self.store);
        let region = |object: &Arc<K::Object>| object.common_status().and_then(|status| status.region.clone());
        store.values().filter_map(region).collect()
    }
}

impl Operator {
    /// An operator that does nothing yet.
    #[must_use]
    pub fn new(context: Context, gate: Arc<Gate>, reads: Arc<Reads>, sweep_every: Duration) -> Arc<Self> {
        let operator = Arc::new(Self {
            engine: Mutex::new(Engine::default()),
            context,
            gate,
            reads,
            controllers: vec![KindController::<nuvem_core::kinds::ec2_instance::Ec2>::new()],
            notify: Notify::new(),
            sweep_every,
            swept: Mutex::new(SweepTimes::new()),
            orphans: Mutex::new(BTreeMap::new()),
            leading: AtomicBool::new(false),
        });
        let waker = Arc::downgrade(&operator);
        operator.reads.set_notify(Box::new(move || {
            if let Some(operator) = waker.upgrade() {
                operator.notify.notify_one();
            }
        }));
        operator
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// The engine, for the metrics.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    /// The gate, for the metrics.
    #[must_use]
    pub const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// When each listing was swept last.
    #[must_use]
    pub fn swept(&self) -> SweepTimes {
        lock(&self.swept).clone()
    }

    /// How many things in AWS carry our cluster's tags and belong to no object.
    #[must_use]
    pub fn orphans(&self) -> BTreeMap<Scope, usize> {
        lock(&self.orphans).clone()
    }

    /// Whether this replica is the one that acts.
    #[must_use]
    pub fn is_leading(&self) -> bool {
        self.leading.load(Ordering::Relaxed)
    }

    /// Whether every watch has told everything once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.controllers.iter().all(|controller| controller.is_complete())
    }

    /// What time it is, for the metrics.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.now()
    }

    /// Watches everything, leader or not, so that a follower is ready to take over.
    pub fn watch(self: &Arc<Self>, client: &Client, namespaces: &[String], secrets: bool) {
        for controller in &self.controllers {
            tokio::spawn(Arc::clone(controller).watch(Arc::clone(self), client.clone(), namespaces));
        }
        self.watch_namespaces(client);
        for api in watch::apis::<PartialObjectMeta<ConfigMap>>(client, namespaces) {
            let operator = Arc::clone(self);
            tokio::spawn(watch::metadata(api, move |map| {
                let (namespace, name) = watch::place(map);
                operator.target_changed(&Target::ConfigMap { namespace, name });
            }));
        }
        if !secrets {
            return;
        }
        for api in watch::apis::<PartialObjectMeta<Secret>>(client, namespaces) {
            let operator = Arc::clone(self);
            tokio::spawn(watch::metadata(api, move |secret| {
                let (namespace, name) = watch::place(secret);
                operator.target_changed(&Target::Secret { namespace, name });
            }));
        }
    }

    /// A namespace may name the Region of its resources: when that changes, they must be told that
    /// they cannot move.
    fn watch_namespaces(self: &Arc<Self>, client: &Client) {
        let operator = Arc::clone(self);
        let mut regions: BTreeMap<String, Option<String>> = BTreeMap::new();
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        tokio::spawn(watch::metadata(api, move |namespace| {
            let region = namespace.annotations().get(REGION_ANNOTATION).cloned();
            let before = regions.insert(namespace.name_any(), region.clone());
            if before != Some(region) {
                lock(&operator.engine).namespace_changed(&namespace.name_any(), operator.now());
                operator.notify.notify_one();
            }
        }));
    }

    fn target_changed(&self, target: &Target) {
        lock(&self.engine).target_changed(target, self.now());
        self.notify.notify_one();
    }

    /// Acts, as the leader, until `stop` resolves; then lets what runs come to its end.
    pub async fn lead(self: Arc<Self>, stop: impl Future<Output = ()>) {
        self.leading.store(true, Ordering::Relaxed);
        let sweeping = tokio::spawn(Arc::clone(&self).sweep_forever());
        let polling = tokio::spawn(Arc::clone(&self).poll_secrets());
        let mut running = JoinSet::new();
        tokio::pin!(stop);
        loop {
            self.start_what_is_due(&mut running);
            tokio::select! {
                () = &mut stop => break,
                () = self.notify.notified() => {}
                () = tokio::time::sleep(self.until_next()) => {}
                Some(_) = running.join_next() => {}
            }
        }
        sweeping.abort();
        polling.abort();
        let rest = async {
            loop {
                self.start_reads(&mut running);
                tokio::select! {
                    ended = running.join_next() => if ended.is_none() { return },
                    () = self.notify.notified() => {}
                    () = tokio::time::sleep(self.until_next()) => {}
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, rest).await.is_err() {
            tracing::warn!("reconciles did not end within {SHUTDOWN_GRACE:?}; what they did is found again");
        }
    }

    fn start_what_is_due(self: &Arc<Self>, running: &mut JoinSet<()>) {
        while let Some(ticket) = {
            let now = self.now();
            lock(&self.engine).next(now)
        } {
            let Some(controller) = self
                .controllers
                .iter()
                .find(|controller| controller.kind() == ticket.key.kind)
            else {
                lock(&self.engine).gone(&ticket);
                continue;
            };
            running.spawn(Arc::clone(controller).reconcile(Arc::clone(self), ticket));
        }
        self.start_reads(running);
        while running.try_join_next().is_some() {}
    }

    fn start_reads(&self, running: &mut JoinSet<()>) {
        for batch in self.reads.due(self.now()) {
            running.spawn(batch);
        }
    }

    fn until_next(&self) -> Duration {
        let now = self.now();
        let next = [lock(&self.engine).next_at(), self.reads.next_due()]
            .into_iter()
            .flatten()
            .min();
        let wait = next.map_or(SignedDuration::from_secs(60), |next| next.duration_since(now));
        // A little more than nothing: a time that has just passed must not spin.
        Duration::try_from(wait)
            .unwrap_or_default()
            .max(Duration::from_millis(1))
    }

    /// Sweeps every account and Region that resources live in.
    async fn sweep_forever(self: Arc<Self>) {
        // A Region that objects have left is swept all the same: what they left behind shows there.
        let mut regions = BTreeSet::from([self.context.default_region.clone()]);
        // At the start every resource is observed anyway; a sweep in the midst of that would only wake them twice.
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + self.sweep_every, self.sweep_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            regions.extend(self.controllers.iter().flat_map(|controller| controller.regions()));
            for region in &regions {
                self.sweep_region(region).await;
            }
        }
    }

    async fn sweep_region(&self, region: &str) {
        let aws = match self.context.accounts.open(region, Lane::Drift).await {
            Ok(aws) => aws,
            Err(failure) => {
                tracing::warn!(region, "the sweep cannot begin: {failure}");
                return;
            }
        };
        let mut orphans = 0;
        for listing in Listing::ALL {
            let scope = aws.scope();
            let began = self.now();
            let page = |leaf: sweep::Leaf| {
                let strays = lock(&self.engine).swept_page(scope, listing, &leaf, self.now());
                orphans += strays.len();
                for (resource, id) in strays {
                    tracing::debug!(resource, id, "carries our tags, and there is no such object");
                }
                self.notify.notify_one();
            };
            match sweep::sweep(&aws, listing, &self.context.identity.id, page).await {
                Ok(whole) => {
                    lock(&self.engine).swept_whole(scope, listing, &whole, self.now());
                    lock(&self.swept).insert((scope.clone(), listing), began);
                    self.notify.notify_one();
                }
                Err(failure) => {
                    tracing::warn!(region, account = %scope.account, listing = listing.name(), "the sweep is incomplete: {failure}");
                }
            }
        }
        lock(&self.orphans).insert(aws.scope().clone(), orphans);
    }

    /// Looks at the Secrets that resources refer to, by version, where they may not be watched.
    async fn poll_secrets(self: Arc<Self>) {
        let mut versions: BTreeMap<Target, Option<String>> = BTreeMap::new();
        let mut ticks = tokio::time::interval(POLL);
        loop {
            ticks.tick().await;
            let targets: BTreeSet<Target> = lock(&self.engine)
                .references()
                .secrets()
                .into_iter()
                .map(|(namespace, name)| Target::Secret { namespace, name })
                .collect();
            versions.retain(|target, _| targets.contains(target));
            for target in targets {
                let Ok(fetched) = self.context.cluster.fetch(&target).await else {
                    continue;
                };
                let version = fetched.map(|fetched| fetched.resource_version);
                let before = versions.insert(target.clone(), version.clone());
                if before.is_some_and(|before| before != version) {
                    self.target_changed(&target);
                }
            }
        }
    }
}
