//! The stage: the operator's loop without tokio. Everything that is due is done, then the clock is
//! put on to what is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::task::noop_waker;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cluster::{FakeCluster, News};
use super::fate::{Fate, Moment, Mortal, To};
use crate::aws::ec2::{Instance, SecurityGroup};
use crate::aws::memory::{ACCOUNT, Call, Ended, Memory, Outside};
use crate::aws::{Backend, Failure};
use crate::engine::clock::Clock;
use crate::engine::engine::Engine;
use crate::engine::gate::{Aws, Gate, Scope};
use crate::engine::governor::Governor;
use crate::engine::kind::{Kind, Settings};
use crate::engine::ownership::{ClusterIdentity, tag};
use crate::engine::queue::{Lane, Ticket};
use crate::engine::reads::Reads;
use crate::engine::reconcile::{Accounts, Context, Occasion, Outcome, reconcile};
use crate::engine::resource::Resource;
use crate::engine::sweep::{self, Leaf, Listing};
use crate::kinds::ec2_instance::Ec2;
use crate::kinds::ec2_instance::spec::Ec2Instance;

pub(super) const REGION: &str = "us-east-1";
/// The object that most tests are about.
pub(super) const WEB: &str = "web";

/// The edge's own times: see `src/operator.rs`.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(30);
const RECONCILE_DEADLINE: SignedDuration = SignedDuration::from_secs(45);
/// So many rounds without time passing are a livelock.
const MOST_ROUNDS: usize = 500;

pub(super) fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

pub(super) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// An instance with a group of its own, as most tests want it.
pub(super) fn web() -> Value {
    json!({
        "image": {"ssmParameter": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"},
        "instanceType": "t3.micro",
        "network": {"securityGroup": {"ingress": [{"port": 22, "cidrs": ["203.0.113.0/24"]}]}},
    })
}

/// The clock of the AWS in memory, for all.
struct Hands {
    memory: Memory,
    beginning: Timestamp,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn boottime(&self) -> Duration {
        self.now().duration_since(self.beginning).unsigned_abs()
    }
}

/// The credentials: they lead to one account, in which each Region has one backend.
struct Credentials {
    account: Arc<Mutex<String>>,
    memory: Memory,
    fate: Arc<Fate>,
    reads: Arc<Reads>,
    regions: Mutex<BTreeMap<String, Arc<dyn Backend>>>,
}

#[async_trait]
impl Accounts for Credentials {
    async fn open(&self, region: &str, lane: Lane) -> Result<Aws, Failure> {
        let mut regions = self.regions.lock().unwrap();
        let backend = regions.entry(region.to_owned()).or_insert_with(|| {
            let (aws, fate) = (self.memory.region(region), Arc::clone(&self.fate));
            Arc::new(Mortal { aws, fate })
        });
        let scope = Scope {
            account: self.account.lock().unwrap().clone(),
            region: region.to_owned(),
        };
        Ok(Aws::new(scope, Arc::clone(backend), Arc::clone(&self.reads)).lane(lane))
    }
}

struct Running {
    ticket: Ticket,
    deep: bool,
    deadline: Timestamp,
    future: BoxFuture<'static, Outcome>,
}

/// What is lost when the process dies.
struct Process {
    engine: Engine,
    store: BTreeMap<String, Arc<Ec2Instance>>,
    context: Context,
    gate: Arc<Gate>,
    reads: Arc<Reads>,
    running: Vec<Running>,
    flights: Vec<BoxFuture<'static, ()>>,
    /// How far in the cluster's log its watch is.
    told: usize,
    sweep_at: Timestamp,
}

/// AWS, a cluster, and a process that is started anew when it dies.
pub(super) struct Stage {
    pub(super) memory: Memory,
    pub(super) cluster: Arc<FakeCluster>,
    pub(super) fate: Arc<Fate>,
    /// The account that the credentials belong to.
    pub(super) account: Arc<Mutex<String>>,
    /// How late the watch tells what happened.
    pub(super) lag: SignedDuration,
    /// Before when the watch tells nothing at all.
    deaf_until: Timestamp,
    pub(super) deaths: usize,
    pub(super) reconciles: usize,
    process: Process,
}

impl Process {
    fn new(memory: &Memory, cluster: &Arc<FakeCluster>, fate: &Arc<Fate>, account: &Arc<Mutex<String>>) -> Self {
        let clock = Arc::new(Hands {
            memory: memory.clone(),
            beginning: memory.now(),
        });
        let gate = Arc::new(Gate::new(
            Arc::clone(&clock) as Arc<dyn Clock>,
            Governor::new(Governor::SHARE),
        ));
        let reads = Arc::new(Reads::new(Arc::clone(&gate)));
        let accounts = Credentials {
            account: Arc::clone(account),
            memory: memory.clone(),
            fate: Arc::clone(fate),
            reads: Arc::clone(&reads),
            regions: Mutex::default(),
        };
        let context = Context {
            cluster: Arc::clone(cluster) as _,
            accounts: Arc::new(accounts),
            clock,
            identity: ClusterIdentity {
                id: "prod".to_owned(),
                home: "home-1".to_owned(),
                take_over_from: Vec::new(),
            },
            settings: Settings {
                adoption_requires_tag: true,
                ..Settings::default()
            },
            default_region: REGION.to_owned(),
        };
        let mut process = Self {
            engine: Engine::default(),
            store: BTreeMap::new(),
            context,
            gate,
            reads,
            running: Vec::new(),
            flights: Vec::new(),
            told: cluster.log_len(),
            sweep_at: memory.now(),
        };
        for object in cluster.all() {
            process.told(News::Applied(object), memory.now());
        }
        process
    }

    fn told(&mut self, news: News, now: Timestamp) {
        match news {
            News::Applied(object) => {
                let object: Ec2Instance = serde_json::from_value(object).expect("the object parses");
                let key = object.key().expect("the object is stored");
                let object = Arc::new(object);
                let before = self.store.insert(key.name.clone(), Arc::clone(&object));
                if let Some(other) = before.and_then(|before| before.key()).filter(|other| *other != key) {
                    self.engine.deleted(&other);
                }
                self.engine.applied(object.as_ref(), Ec2::edges(&object), now);
            }
            News::Deleted(object) => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                if let Some(key) = self.store.remove(name).and_then(|object| object.key()) {
                    self.engine.deleted(&key);
                }
            }
            News::Target(target) => self.engine.target_changed(&target, now),
        }
    }

    /// Starts what is due; says whether anything was.
    fn start(&mut self, now: Timestamp) -> usize {
        let mut started = 0;
        while let Some(ticket) = self.engine.next(now) {
            started += 1;
            self.begin(ticket, now);
        }
        let flights = self.reads.due(now);
        started += flights.len();
        self.flights.extend(flights);
        started
    }

    fn begin(&mut self, ticket: Ticket, now: Timestamp) {
        let object = self
            .store
            .get(&ticket.key.name)
            .filter(|object| object.key().as_ref() == Some(&ticket.key));
        let Some(object) = object.map(Arc::clone) else {
            return self.engine.gone(&ticket);
        };
        if self.engine.is_stale(
            &ticket.key,
            &object.metadata.resource_version.clone().unwrap_or_default(),
        ) {
            return self.engine.park(&ticket, now);
        }
        let deep = self.engine.looks_deep(&ticket.key, now);
        let occasion = Occasion {
            lane: ticket.lane,
            deep,
            rounds: self.engine.rounds(&ticket.key),
        };
        let context = self.context.clone();
        self.running.push(Running {
            ticket,
            deep,
            deadline: now + RECONCILE_DEADLINE,
            future: Box::pin(async move { reconcile::<Ec2>(&context, &object, occasion).await }),
        });
    }

    /// Polls everything once; says how much came to its end.
    fn poll(&mut self, now: Timestamp, fate: &Fate) -> usize {
        let waker = noop_waker();
        let mut waking = Waking::from_waker(&waker);
        let mut ended = 0;
        let mut flights = std::mem::take(&mut self.flights);
        flights.retain_mut(|flight| flight.poll_unpin(&mut waking).is_pending());
        self.flights = flights;
        for mut running in std::mem::take(&mut self.running) {
            if fate.is_dead() {
                return ended + 1;
            }
            match running.future.poll_unpin(&mut waking) {
                Poll::Ready(outcome) => self.engine.finished(&running.ticket, outcome, running.deep, now),
                Poll::Pending if now >= running.deadline => self.engine.cut_off(&running.ticket, now),
                Poll::Pending => {
                    self.running.push(running);
                    continue;
                }
            }
            ended += 1;
        }
        ended
    }

    fn sweep(&mut self, now: Timestamp) {
        self.sweep_at = now + SWEEP_EVERY;
        let aws = self
            .context
            .accounts
            .open(REGION, Lane::Drift)
            .now_or_never()
            .unwrap()
            .unwrap();
        let cluster = self.context.identity.id.clone();
        for listing in Listing::ALL {
            let engine = &mut self.engine;
            let page = |leaf: Leaf| {
                engine.swept_page(aws.scope(), listing, &leaf, now);
            };
            if let Ok(whole) = sweep::sweep(&aws, listing, &cluster, page).now_or_never().unwrap() {
                self.engine.swept_whole(aws.scope(), listing, &whole, now);
            }
        }
    }

    fn next_at(&self) -> Option<Timestamp> {
        let deadlines = self.running.iter().map(|running| running.deadline);
        let times = [self.engine.next_at(), self.reads.next_due(), Some(self.sweep_at)];
        times.into_iter().flatten().chain(deadlines).min()
    }
}

/// How the stage is run.
impl Stage {
    pub(super) fn new() -> Self {
        let memory = Memory::new();
        let fate = Arc::new(Fate::default());
        let cluster = Arc::new(FakeCluster::new(memory.clone(), Arc::clone(&fate)));
        let account = Arc::new(Mutex::new(ACCOUNT.to_owned()));
        let process = Process::new(&memory, &cluster, &fate, &account);
        Self {
            memory,
            cluster,
            fate,
            account,
            lag: SignedDuration::ZERO,
            deaf_until: Timestamp::MIN,
            deaths: 0,
            reconciles: 0,
            process,
        }
    }

    /// A stage on which the instance runs already, and nothing is recorded of how that came.
    pub(super) fn converged(spec: Value) -> Self {
        let mut stage = Self::new();
        stage.cluster.create(WEB, spec);
        stage.rest();
        stage.must_be_converged();
        stage.forget();
        stage
    }

    /// The process dies and is started anew.
    pub(super) fn restart(&mut self) {
        self.fate.lives_on();
        self.process = Process::new(&self.memory, &self.cluster, &self.fate, &self.account);
    }

    /// The process is started anew with a cache that is behind by so many events, and stays so for
    /// twenty seconds.
    pub(super) fn restart_behind(&mut self, events: usize) {
        self.restart();
        self.deaf_until = self.now() + seconds(20);
        let told = self.cluster.log_len().saturating_sub(events);
        self.process.engine = Engine::default();
        self.process.store.clear();
        let mut latest: BTreeMap<String, News> = BTreeMap::new();
        for (_, news) in self.cluster.log(0).into_iter().take(told) {
            if let News::Applied(object) | News::Deleted(object) = &news {
                latest.insert(object["metadata"]["name"].to_string(), news);
            }
        }
        for news in latest.into_values() {
            self.process.told(news, self.memory.now());
        }
        self.process.told = told;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.memory.now()
    }

    /// When the watch tells what happened then.
    fn heard_at(&self, at: Timestamp) -> Timestamp {
        (at + self.lag).max(self.deaf_until)
    }

    fn deliver(&mut self) -> usize {
        let now = self.now();
        let due = |at: Timestamp| self.heard_at(at) <= now;
        let news: Vec<News> = self
            .cluster
            .log(self.process.told)
            .into_iter()
            .take_while(|(at, _)| due(*at))
            .map(|(_, news)| news)
            .collect();
        let count = news.len();
        self.process.told += count;
        for news in news {
            self.process.told(news, now);
        }
        count
    }

    /// Does everything that is due now.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < MOST_ROUNDS, "a livelock\n{}", self.story());
            let now = self.now();
            self.process.gate.open(self.process.context.clock.boottime());
            let mut moved = self.deliver();
            if self.process.sweep_at <= now {
                self.process.sweep(now);
                moved += 1;
            }
            moved += self.process.start(now);
            let ended = self.process.poll(now, &self.fate);
            self.reconciles += ended;
            if self.fate.is_dead() {
                self.deaths += 1;
                self.restart();
                continue;
            }
            if moved + ended == 0 {
                break;
            }
        }
        self.must_own_one_of_each();
    }

    fn next_at(&self) -> Timestamp {
        let delivery = self
            .cluster
            .log(self.process.told)
            .first()
            .map(|(at, _)| self.heard_at(*at));
        let next = self
            .process
            .next_at()
            .into_iter()
            .chain(delivery)
            .min()
            .unwrap_or(Timestamp::MAX);
        next.max(self.now() + SignedDuration::from_millis(1))
    }

    /// Lets so much time pass.
    pub(super) fn pass(&mut self, time: SignedDuration) {
        let end = self.now() + time;
        loop {
            self.settle();
            let next = self.next_at();
            if next > end {
                self.memory.set_now(end);
                return;
            }
            self.memory.set_now(next);
        }
    }

    /// Lets time pass until something is so, at most so long.
    pub(super) fn until(&mut self, most: SignedDuration, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = self.now() + most;
        loop {
            self.settle();
            if is_so(self) {
                return;
            }
            let next = self.next_at();
            assert!(next <= end, "within {most:#}: {what}\n{}", self.story());
            self.memory.set_now(next);
        }
    }

    /// Lets more time pass than anything needs that AWS may take its time for.
    pub(super) fn rest(&mut self) {
        self.pass(minutes(15));
    }
}

/// What a test looks at and does.
impl Stage {
    pub(super) fn outside(&self) -> Outside {
        self.memory.outside(REGION)
    }

    pub(super) fn apply(&self, spec: Value) {
        self.cluster.create(WEB, spec);
    }

    pub(super) fn edit(&self, change: impl FnOnce(&mut Value)) {
        self.cluster.change(WEB, |object| change(&mut object["spec"]));
    }

    pub(super) fn annotate(&self, key: &str, value: Option<&str>) {
        self.cluster.change(WEB, |object| {
            object["metadata"]["annotations"][format!("nuvem.dev/{key}")] = json!(value);
            if value.is_none() {
                object["metadata"].as_object_mut().unwrap().remove("annotations");
            }
        });
    }

    pub(super) fn delete(&self) {
        self.cluster.delete(WEB);
    }

    pub(super) fn exists(&self) -> bool {
        self.cluster.get(WEB).is_some()
    }

    pub(super) fn object(&self) -> Value {
        self.cluster
            .get(WEB)
            .unwrap_or_else(|| panic!("the object is gone\n{}", self.story()))
    }

    pub(super) fn status(&self) -> Value {
        self.object()["status"].clone()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object()["metadata"]["generation"].as_i64().unwrap()
    }

    /// Status, reason and message of a condition; empty when it is not there.
    pub(super) fn condition(&self, kind: &str) -> (String, String, String) {
        let status = self.status();
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|condition| condition["type"] == kind);
        let text = |field: &str| found.and_then(|one| one[field].as_str()).unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.exists() && self.condition(kind).0 == "True"
    }

    pub(super) fn reason(&self, kind: &str) -> String {
        self.condition(kind).1
    }

    pub(super) fn living(&self) -> Vec<Instance> {
        self.outside().living()
    }

    /// The only living instance.
    pub(super) fn instance(&self) -> Instance {
        let mut living = self.living();
        assert_eq!(living.len(), 1, "one living instance\n{}", self.story());
        living.remove(0)
    }

    /// The only group that somebody made.
    pub(super) fn group(&self) -> SecurityGroup {
        let mut groups = self.outside().groups();
        assert_eq!(groups.len(), 1, "one group\n{}", self.story());
        groups.remove(0)
    }

    /// What events of one reason say.
    pub(super) fn events(&self, reason: &str) -> Vec<String> {
        let events = self.cluster.events();
        events
            .into_iter()
            .filter(|event| event.reason == reason)
            .map(|event| event.note)
            .collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let events = self.cluster.events();
        let warnings = events.into_iter().filter(|event| event.warning);
        warnings
            .map(|event| format!("{}: {}", event.reason, event.note))
            .collect()
    }

    pub(super) fn writes(&self) -> Vec<&'static str> {
        self.memory.writes()
    }

    /// Those of them that AWS has not refused.
    pub(super) fn effective_writes(&self) -> usize {
        let calls = self.memory.calls();
        let refused = |call: &&Call| matches!(call.ended, Ended::Refused(_));
        calls.iter().filter(|call| call.is_write() && !refused(call)).count()
    }

    /// How often an action was called.
    pub(super) fn calls(&self, action: &str) -> usize {
        self.memory.calls().iter().filter(|call| call.action == action).count()
    }

    /// Starts all records anew.
    pub(super) fn forget(&mut self) {
        self.memory.clear_calls();
        self.cluster.forget();
        self.reconciles = 0;
    }

    pub(super) fn dies(&self, moment: Moment, to: To, nth: usize) {
        self.fate.dies(moment, to, nth);
    }

    pub(super) fn is_converged(&self) -> bool {
        let settled = !self.is("Reconciling") && !self.is("Stalled");
        self.is("Ready") && self.is("Synced") && settled && self.status()["observedGeneration"] == self.generation()
    }

    #[track_caller]
    pub(super) fn must_be_converged(&self) {
        assert!(self.is_converged(), "converged\n{}", self.story());
    }

    /// The object is gone, and with it everything in AWS that was made for it.
    #[track_caller]
    pub(super) fn must_be_gone(&self) {
        assert!(!self.exists(), "the object is gone\n{}", self.story());
        assert!(self.living().is_empty(), "no instance is left\n{}", self.story());
        assert!(self.outside().groups().is_empty(), "no group is left\n{}", self.story());
        assert!(
            self.outside().volumes().is_empty(),
            "no volume is left\n{}",
            self.story()
        );
    }

    /// At no time is there a second of what there must be one of.
    #[track_caller]
    fn must_own_one_of_each(&self) {
        let mut seen = BTreeSet::new();
        let instances = self.living().into_iter().map(|instance| instance.tags);
        let groups = self.outside().groups().into_iter().map(|group| group.tags);
        for tags in instances.chain(groups) {
            let part = tags
                .get(tag::PART)
                .and_then(|part| part.split('.').next().map(str::to_owned));
            if let (Some(resource), Some(part)) = (tags.get(tag::RESOURCE), part) {
                assert!(
                    seen.insert((resource.clone(), part)),
                    "a duplicate of {resource}\n{}",
                    self.story()
                );
            }
        }
    }

    /// Everything that helps to understand a failure.
    pub(super) fn story(&self) -> String {
        let mut story = format!("now {}, {} deaths\n", self.now(), self.deaths);
        let is_told = |call: &&Call| call.is_write() || !call.subject.is_empty() || call.ended != Ended::Done;
        for call in self.memory.calls().iter().filter(is_told) {
            let _ = writeln!(story, "  {} {} {} {:?}", call.at, call.action, call.subject, call.ended);
        }
        for event in self.cluster.events() {
            let _ = writeln!(
                story,
                "  {} {}: {}",
                if event.warning { "W" } else { "N" },
                event.reason,
                event.note
            );
        }
        for object in self.cluster.all().iter().take(2) {
            let _ = writeln!(story, "{object:#}");
        }
        story
    }
}
