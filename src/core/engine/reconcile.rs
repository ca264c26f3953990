//! One reconcile of one resource: gather → desire → observe → plan → permit → act → report.
//! Every write to AWS and every status comes from here.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use kube::Resource as _;
use serde_json::Value;

use super::clock::Clock;
use super::cluster::{Cluster, ClusterError, Event};
use super::conditions::{Planned, Reason, Verdict, conditions, holds, line_of, whole_second};
use super::gate::{Aws, Scope};
use super::kind::{Gathered, Goal, Kind, Learned, Settings, Sighting, View};
use super::ledger::{LastFailure, Ledger, PartState};
use super::ownership::{ClusterIdentity, Owner};
use super::permit::{Disruption, Permitted, Policy, permit};
use super::plan::{Change, Class, DRIFT_FOUND, Line, Note, Plan, Readiness};
use super::queue::Lane;
use super::references::Target;
use super::requeue::Reason as Requeue;
use super::resource::{Annotations, CommonStatus, Drift, FINALIZER, History, Key, Management, Resource};
use crate::aws::{Class as FailureClass, Failure};

/// Opens AWS in a Region, with the account that the credentials belong to.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// A handle for this Region, in this lane.
    async fn open(&self, region: &str, lane: Lane) -> Result<Aws, Failure>;
}

/// What all reconciles share.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// AWS.
    pub accounts: Arc<dyn Accounts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who this cluster is.
    pub identity: ClusterIdentity,
    /// What the administrator has set.
    pub settings: Settings,
    /// The Region where neither spec nor namespace names one.
    pub default_region: String,
}

/// Why and how one reconcile runs.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// In which lane it was waiting.
    pub lane: Lane,
    /// Whether to read what lists do not show, whatever the status says.
    pub deep: bool,
    /// How many reconciles in a row have followed at once on the one before.
    pub rounds: u32,
}

/// After so many rounds at once something goes in circles: it goes on at the pace of a check-in.
const MOST_ROUNDS: u32 = 20;

/// When a resource is reconciled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The object is gone.
    Never,
    /// As soon as our copy of it is new enough.
    Now,
    /// Later, for this reason.
    Later(Requeue),
}

/// What came of one reconcile.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When to come back.
    pub again: Again,
    /// The version that our last write made, or that the object was found to have: nothing happens
    /// before the store has reached it.
    pub written: Option<String>,
    /// The status that our last write left.
    pub status: Option<Value>,
    /// What was seen in AWS, for the sweep.
    pub seen: Option<Seen>,
    /// Whether the next look must read what lists do not show.
    pub deep_next: bool,
    /// How it stands, for the metrics.
    pub standing: Standing,
    /// What failed, for the log.
    pub troubles: Vec<String>,
    /// Whether something was changed in AWS: the check-ins that follow begin anew.
    pub progressed: bool,
}

/// What was seen in AWS, for the sweep.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where.
    pub scope: Scope,
    /// When reading began.
    pub at: Timestamp,
    /// What.
    pub sightings: Vec<Sighting>,
}

/// How a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// AWS equals the spec.
    Ready,
    /// Something is being done or waited for.
    Reconciling,
    /// Only a person can heal it.
    Stalled,
    /// A change is held back.
    HeldBack,
    /// Hands off.
    Paused,
}

impl Standing {
    /// The word in the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Reconciling => "reconciling",
            Self::Stalled => "stalled",
            Self::HeldBack => "held_back",
            Self::Paused => "paused",
        }
    }
}

/// Reconciles one resource once.
pub async fn reconcile<K: Kind>(context: &Context, object: &K::Object, occasion: Occasion) -> Outcome {
    let Some(key) = object.key() else {
        return Outcome::ended(Again::Never);
    };
    let mut run = Run::<K>::new(context, object, key, occasion);
    match run.go().await {
        Ok(again) => run.outcome(again),
        Err(error) => run.cluster_failed(&error),
    }
}

impl Outcome {
    fn ended(again: Again) -> Self {
        Self {
            again,
            written: None,
            status: None,
            seen: None,
            deep_next: false,
            standing: Standing::Reconciling,
            troubles: Vec::new(),
            progressed: false,
        }
    }
}

/// One reconcile under way.
struct Run<'a, K: Kind> {
    context: &'a Context,
    object: &'a K::Object,
    key: Key,
    occasion: Occasion,
    annotations: Annotations,
    observing: bool,
    status: CommonStatus,
    pins: K::Pins,
    resource_version: String,
    written: Option<String>,
    written_status: Option<Value>,
    seen: Option<Seen>,
    deep_next: bool,
    standing: Standing,
    troubles: Vec<String>,
    progressed: bool,
}

/// What acting came to.
#[derive(Default)]
struct Acted {
    done: Vec<Line>,
    failures: Vec<Failure>,
    fenced: bool,
    soon: bool,
    downtime: Option<String>,
}

type Step<T> = Result<T, ClusterError>;

impl<'a, K: Kind> Run<'a, K> {
    fn new(context: &'a Context, object: &'a K::Object, key: Key, occasion: Occasion) -> Self {
        let status = object.common_status().cloned().unwrap_or_default();
        Self {
            context,
            key,
            occasion,
            annotations: object.annotations_of_ours(),
            observing: object.common().management == Some(Management::Observe),
            pins: K::pins(object),
            resource_version: object.meta().resource_version.clone().unwrap_or_default(),
            standing: standing_of(&status),
            status,
            object,
            written: None,
            written_status: None,
            seen: None,
            deep_next: false,
            troubles: Vec::new(),
            progressed: false,
        }
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    fn deleting(&self) -> bool {
        self.object.is_deleting()
    }

    /// The path from top to bottom. Each early return is a situation.
    async fn go(&mut self) -> Step<Again> {
        if self.deleting() {
            if !self.object.has_finalizer() {
                return Ok(Again::Never);
            }
            if self.annotations.abandon {
                self.tell(
                    "Abandoned",
                    "nuvem.dev/abandon is set: whatever this object owns in AWS is left there.",
                    true,
                )
                .await;
                return self.let_go().await;
            }
            if self.observing {
                return self.let_go().await;
            }
        }
        if self.annotations.paused {
            let line = Line::new(
                Reason::Paused,
                "The annotation nuvem.dev/paused is set: nothing is touched in AWS.",
            );
            self.conclude(&Verdict::Paused(line)).await?;
            return Ok(Again::Later(Requeue::Converged));
        }
        let region = self.region().await?;
        if let Some(line) = moved("Region", self.status.region.as_deref(), &region) {
            return self.stalled(line).await;
        }
        let aws = match self.context.accounts.open(&region, self.occasion.lane).await {
            Ok(aws) => aws,
            Err(failure) => return self.unread(&failure).await,
        };
        let account = aws.scope().account.clone();
        if let Some(line) = moved("account", self.status.account.as_deref(), &account) {
            return self.stalled(line).await;
        }
        if self.is_first_sight() {
            return self.first_sight(account, region).await;
        }
        if self.deleting()
            && self.object.common().deletion_policy.is_none()
            && self.context.cluster.crd_is_deleting(K::Object::CRD).await?
        {
            let text = format!(
                "The CRD {} is being deleted, and with it every object of this kind. What is in AWS stays until \
                 spec.deletionPolicy is written out (Delete or Retain).",
                K::Object::CRD
            );
            return self.stalled(Line::new(Reason::DeletionBlocked, text)).await;
        }
        let view = match self.view(region).await? {
            Ok(view) => view,
            Err(line) => return self.refused(line).await,
        };
        let observed = match K::observe(&aws, &view).await {
            Ok(observed) => observed,
            Err(failure) => return self.unread(&failure).await,
        };
        let sightings = K::sightings(&observed);
        let began = self.now();
        let plan = K::plan(&view, &observed, began);
        self.seen = Some(Seen {
            scope: aws.scope().clone(),
            at: began,
            sightings,
        });
        self.carry_out(&aws, view, &observed, plan).await
    }

    /// The Region that applies now: the spec's, the recorded one, the namespace's, the operator's.
    async fn region(&self) -> Step<String> {
        if let Some(region) = &self.object.common().region {
            return Ok(region.clone());
        }
        let (cluster, namespace) = (&self.context.cluster, &self.key.namespace);
        // What is about to be recorded for ever is read afresh.
        let of_namespace = if self.status.region.is_none() {
            cluster.namespace_region(namespace).await?
        } else {
            cluster.namespace_region_lately(namespace).await?
        };
        Ok(of_namespace.unwrap_or_else(|| self.context.default_region.clone()))
    }

    fn is_first_sight(&self) -> bool {
        let unmarked = !self.deleting() && !self.observing && !self.object.has_finalizer();
        unmarked || self.status.account.is_none() || self.status.conditions.is_empty()
    }

    /// The finalizer is there, and account and Region are recorded, before anything else.
    async fn first_sight(&mut self, account: String, region: String) -> Step<Again> {
        if !self.deleting() && !self.observing && !self.object.has_finalizer() {
            let mut finalizers = self.object.meta().finalizers.clone().unwrap_or_default();
            finalizers.push(FINALIZER.to_owned());
            let version = self
                .context
                .cluster
                .write_finalizers(&self.key, &self.resource_version, finalizers)
                .await?;
            self.resource_version.clone_from(&version);
            self.written = Some(version);
        }
        self.status.account = Some(account);
        self.status.region = Some(region);
        if self.status.conditions.is_empty() {
            self.status.conditions = conditions(&[], &Verdict::FirstSight, self.object.generation(), self.now());
        }
        self.write_status().await?;
        Ok(Again::Now)
    }

    /// Everything that observing and planning need, or the line that says what is wrong or missing.
    async fn view(&mut self, region: String) -> Step<Result<View<K>, Line>> {
        let now = self.now();
        let disruption = if self.deleting() {
            Ok(Disruption::Immediate)
        } else {
            K::disruption(self.object)
        };
        let window = match disruption {
            Ok(Disruption::Window(window)) => window.open_at(now).map(|occurrence| occurrence.starts),
            Ok(Disruption::Immediate | Disruption::Never) => None,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let goal = if self.deleting() {
            Goal::Absent(K::parting(self.object))
        } else {
            let gathered = self.gather().await?;
            match K::desired(self.object, &gathered, &self.context.settings) {
                Ok(desired) => Goal::Present(desired),
                Err(refusal) => return Ok(Err(refusal.into())),
            }
        };
        Ok(Ok(View {
            owner: Owner {
                cluster: self.context.identity.clone(),
                key: self.key.clone(),
            },
            region,
            goal,
            ledger: Ledger::new(self.status.parts.clone()),
            pins: self.pins.clone(),
            annotations: self.annotations.clone(),
            generation: self.object.generation(),
            observing: self.observing,
            deep: self.looks_deep(),
            adoption_requires_tag: self.context.settings.adoption_requires_tag,
            window,
        }))
    }

    /// What lists do not show is read until AWS equals the spec, when asked to, and now and then.
    /// (An edit may come while AWS is busy with the instance, and nothing can be compared.)
    fn looks_deep(&self) -> bool {
        let owns = !self.status.parts.is_empty();
        let asked = self.annotations.reconcile_at.is_some()
            && self.annotations.reconcile_at != self.status.last_handled_reconcile_at;
        self.occasion.deep || self.deleting() || asked || (owns && !self.was_in_sync())
    }

    async fn gather(&self) -> Step<Gathered> {
        let mut gathered = Gathered::new();
        for target in K::edges(self.object) {
            match &target {
                Target::Secret { .. } | Target::ConfigMap { .. } => {
                    if let Some(fetched) = self.context.cluster.fetch(&target).await? {
                        gathered.insert(target, fetched);
                    }
                }
                Target::Resource { .. } => {}
            }
        }
        Ok(gathered)
    }

    async fn carry_out(
        &mut self,
        aws: &Aws,
        view: View<K>,
        observed: &K::Observed,
        mut plan: Plan<K::Step>,
    ) -> Step<Again> {
        self.pins = K::report(&view, observed);
        if let Some(why) = plan.hold.take().filter(|_| !self.observing) {
            let text =
                format!("The AWS tag nuvem.dev/hold says: {why}. Nothing is touched in AWS until it is removed.");
            self.conclude(&Verdict::Paused(Line::new(Reason::HeldInAws, text)))
                .await?;
            // The sweep sees when the tag goes.
            return Ok(Again::Later(Requeue::Converged));
        }
        let policy = match self.policy() {
            Ok(policy) => policy,
            Err(line) => return self.refused(line).await,
        };
        let changes = std::mem::take(&mut plan.changes);
        let permitted = permit(changes, &policy, self.now());
        if must_be_live(&permitted) && !self.is_live().await? {
            return Ok(self.once_up_to_date());
        }
        if plan.gone {
            return self.let_go().await;
        }
        let was_in_sync = self.was_in_sync();
        if !self.observing {
            self.record(&plan);
        }
        let acted = self.act(aws, &permitted.allowed, was_in_sync).await;
        if acted.fenced {
            return Ok(Again::Later(Requeue::CheckIn));
        }
        for note in plan
            .notes
            .iter()
            .filter(|note| was_in_sync || note.reason != DRIFT_FOUND)
        {
            self.tell(note.reason, &note.text, note.warning).await;
        }
        self.finish(plan, permitted, acted).await
    }

    fn policy(&self) -> Result<Policy, Line> {
        let disruption = if self.deleting() {
            Disruption::Immediate
        } else {
            K::disruption(self.object)?
        };
        Ok(Policy {
            observe: self.observing,
            disruption,
            apply_now: self.annotations.apply_now == Some(self.object.generation()),
        })
    }

    /// Whether our copy is the object as it is now. If not, the next look waits for that version.
    async fn is_live(&mut self) -> Step<bool> {
        let live = self.context.cluster.live(&self.key).await?;
        let version = live
            .as_ref()
            .and_then(|live| live.pointer("/metadata/resourceVersion"))
            .and_then(Value::as_str);
        let is_live = version == Some(self.resource_version.as_str());
        if !is_live {
            self.written = version.map(str::to_owned);
        }
        Ok(is_live)
    }

    /// When our copy was behind: as soon as it is not, or the watch tells that the object is gone.
    fn once_up_to_date(&self) -> Again {
        match self.written {
            Some(_) => Again::Now,
            None => Again::Later(Requeue::CheckIn),
        }
    }

    fn was_in_sync(&self) -> bool {
        holds(&self.status.conditions, "Synced") && self.status.observed_generation == Some(self.object.generation())
    }

    fn record(&mut self, plan: &Plan<K::Step>) {
        let mut ledger = Ledger::new(std::mem::take(&mut self.status.parts));
        for part in &plan.records {
            let since = whole_second(part.since);
            ledger.put(super::ledger::Part { since, ..part.clone() });
        }
        self.status.parts = ledger.parts().to_vec();
    }

    /// Performs the permitted changes. A failed step ends its own change only.
    async fn act(&mut self, aws: &Aws, changes: &[Change<K::Step>], was_in_sync: bool) -> Acted {
        let mut acted = Acted::default();
        if was_in_sync && !changes.is_empty() {
            self.tell_of_drift(changes).await;
        }
        for change in changes.iter().filter(|change| !change.steps.is_empty()) {
            match self.act_on(aws, change).await {
                Ok(told) => {
                    self.tell(change.reason, &told, false).await;
                    self.remember_in_history(change, &told);
                    self.progressed = true;
                    acted.soon |= !is_slow(change);
                    self.deep_next |= change.class != Class::Create;
                    if change.class == Class::StopStart {
                        acted.downtime = Some(format!("{told}."));
                    }
                    let reason = if change.class == Class::Create {
                        Reason::Creating
                    } else {
                        Reason::Changing
                    };
                    acted.done.push(Line::new(reason, format!("{told}.")));
                }
                Err(failure) if failure.class == FailureClass::Fenced => {
                    acted.fenced = true;
                    return acted;
                }
                Err(failure) => {
                    self.troubled(&failure);
                    acted.soon |= self.remember_refusal(change, &failure);
                    acted.soon |= matches!(failure.class, FailureClass::NameTaken | FailureClass::TokenUsed);
                    self.deep_next |= change.class != Class::Create;
                    acted.failures.push(failure);
                }
            }
        }
        acted
    }

    /// Performs a change; answers with the sentence about it, which names what was created.
    async fn act_on(&mut self, aws: &Aws, change: &Change<K::Step>) -> Result<String, Failure> {
        let mut told = change.summary.clone();
        for step in &change.steps {
            match K::act(aws, step).await {
                Ok(learned) => {
                    if let Learned::Created { id, .. } = &learned {
                        told = format!("{told}: {id}");
                    }
                    self.learn(learned);
                }
                // What was asked for is already so.
                Err(failure) if failure.class == FailureClass::AlreadyDone => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(told)
    }

    fn learn(&mut self, learned: Learned) {
        let now = whole_second(self.now());
        let mut ledger = Ledger::new(std::mem::take(&mut self.status.parts));
        match learned {
            Learned::Nothing => {}
            Learned::Created { part, id } => ledger.update(part, |entry| {
                entry.id = Some(id);
                entry.since = now;
                entry.last_failure = None;
            }),
            Learned::Leaving { part } => ledger.update(part, |entry| {
                entry.state = PartState::Leaving;
                entry.since = now;
            }),
            Learned::Source { part, source } => ledger.update(part, |entry| entry.source = Some(source)),
        }
        self.status.parts = ledger.parts().to_vec();
    }

    /// What AWS refused for good is written down with what was asked for, so that planners need
    /// not try it again.
    ///
    /// Says whether that is news for the planner, so that it may decide anew at once: an instance
    /// that was stopped for a change that AWS refuses must not stay down for it.
    fn remember_refusal(&mut self, change: &Change<K::Step>, failure: &Failure) -> bool {
        let lasting = match failure.class {
            FailureClass::Invalid
            | FailureClass::Capacity
            | FailureClass::Quota
            | FailureClass::NameTaken
            | FailureClass::TokenUsed => true,
            // A launch that names something unknown is refused as a whole.
            FailureClass::NotFound => change.class == Class::Create,
            // A stopped instance runs again with what it had, rather than waiting for a permission.
            FailureClass::Denied => change.class == Class::InPlace,
            FailureClass::Throttled
            | FailureClass::Dependency
            | FailureClass::Conflict
            | FailureClass::AlreadyDone
            | FailureClass::Protected
            | FailureClass::Transient
            | FailureClass::Unknown
            | FailureClass::Fenced
            | FailureClass::Bug => false,
        };
        let Some(params_hash) = change.params_hash.clone().filter(|_| lasting) else {
            return false;
        };
        // A denial is no use without the action that is denied.
        let message = if failure.class == FailureClass::Denied {
            failure.to_string()
        } else {
            failure.message.clone()
        };
        let refusal = Some(LastFailure {
            code: failure.code.clone(),
            message,
            params_hash,
        });
        let mut is_news = false;
        let mut ledger = Ledger::new(std::mem::take(&mut self.status.parts));
        ledger.update(change.part, |entry| {
            is_news = entry.last_failure != refusal;
            entry.last_failure = refusal;
        });
        self.status.parts = ledger.parts().to_vec();
        is_news && change.class == Class::InPlace
    }

    fn remember_in_history(&mut self, change: &Change<K::Step>, told: &str) {
        let at = whole_second(self.now());
        if change.ends_downtime {
            let down = self
                .status
                .history
                .iter_mut()
                .find(|entry| entry.class == Class::StopStart.name());
            if let Some(entry) = down.filter(|entry| entry.downtime_seconds.is_none()) {
                entry.downtime_seconds = Some(at.as_second().saturating_sub(entry.at.as_second()));
            }
        }
        let entry = History {
            at,
            change: told.to_owned(),
            class: change.class.name().to_owned(),
            downtime_seconds: None,
        };
        self.status.history.insert(0, entry);
        self.status.history.truncate(10);
    }

    /// One event for everything that was found changed from outside.
    async fn tell_of_drift(&self, changes: &[Change<K::Step>]) {
        let found = changes
            .iter()
            .map(|change| {
                format!(
                    "{} is {}, wanted {}",
                    change.field,
                    or_nothing(&change.from),
                    or_nothing(&change.to)
                )
            })
            .collect::<Vec<_>>()
            .join("; ");
        self.tell(
            DRIFT_FOUND,
            &format!("Changed outside of Kubernetes: {found}. Putting it back."),
            true,
        )
        .await;
    }

    async fn finish(&mut self, plan: Plan<K::Step>, permitted: Permitted<K::Step>, acted: Acted) -> Step<Again> {
        let again = self.again(&plan, &permitted, &acted);
        let mut planned = Planned {
            readiness: plan.readiness,
            deleting: self.deleting(),
            progress: plan.waiting,
            blocked: plan.blocked,
            held: permitted.held.iter().map(|drift| self.held_line(drift)).collect(),
            observing: self.observing,
        };
        planned.progress.extend(acted.done);
        planned.blocked.extend(
            permitted
                .forbidden
                .iter()
                .map(|drift| Line::new(Reason::ForbiddenChange, drift.reason.clone() + ".")),
        );
        for failure in &acted.failures {
            let line = line_of(failure);
            if failure.class.is_refusal() {
                planned.blocked.push(line);
            } else {
                planned.progress.push(line);
            }
        }
        if self.deleting() {
            for line in &mut planned.blocked {
                line.reason = Reason::DeletionBlocked;
            }
            if !planned.blocked.is_empty() {
                planned.progress.retain(|line| line.reason != Reason::Deleting);
            }
        }
        if let Some(downtime) = acted.downtime {
            let line = Line::new(Reason::NotReady, downtime);
            planned.readiness = Some(Readiness { usable: false, line });
        }
        let mut drift: Vec<Drift> = permitted.held;
        drift.extend(permitted.forbidden);
        drift.extend(plan.ignored);
        drift.truncate(100);
        self.status.drift = drift;
        self.conclude(&Verdict::Planned(planned)).await?;
        Ok(again)
    }

    fn held_line(&self, drift: &Drift) -> Line {
        let reason = if self.observing {
            Reason::Observing
        } else {
            Reason::HeldBack
        };
        Line::new(
            reason,
            format!(
                "{} is {}, wanted {}: {}.",
                drift.field,
                or_nothing(&drift.observed),
                or_nothing(&drift.desired),
                drift.reason
            ),
        )
    }

    fn again(&self, plan: &Plan<K::Step>, permitted: &Permitted<K::Step>, acted: &Acted) -> Again {
        let throttled = acted.failures.iter().filter_map(|failure| failure.retry_at).min();
        if let Some(until) = throttled {
            return Again::Later(Requeue::Throttled { until });
        }
        // A record that nothing waits for is bookkeeping: it needs no second look.
        let wrote = !self.observing && !plan.records.is_empty() && !plan.waiting.is_empty();
        if (acted.soon || wrote) && self.occasion.rounds < MOST_ROUNDS {
            return Again::Now;
        }
        if acted.failures.iter().any(|failure| !failure.class.is_refusal()) {
            return Again::Later(Requeue::Backoff);
        }
        // A deletion that is refused is not on its way.
        let refused = !plan.blocked.is_empty() || !acted.failures.is_empty();
        let waits = plan
            .waiting
            .iter()
            .any(|line| !refused || line.reason != Reason::Deleting);
        if !acted.done.is_empty() || waits {
            return Again::Later(Requeue::CheckIn);
        }
        if refused || !permitted.forbidden.is_empty() {
            return Again::Later(Requeue::Slowly);
        }
        let wake = [plan.wake_at, permitted.opens_at].into_iter().flatten().min();
        Again::Later(wake.map_or(Requeue::Converged, Requeue::At))
    }

    /// The spec is wrong, or what it refers to is missing.
    async fn refused(&mut self, line: Line) -> Step<Again> {
        if line.reason == Reason::WaitingForReference {
            let planned = Planned {
                progress: vec![line],
                deleting: self.deleting(),
                ..Planned::default()
            };
            self.conclude(&Verdict::Planned(planned)).await?;
            return Ok(Again::Later(Requeue::Reference));
        }
        self.stalled(line).await
    }

    async fn stalled(&mut self, line: Line) -> Step<Again> {
        let planned = Planned {
            blocked: vec![line],
            deleting: self.deleting(),
            ..Planned::default()
        };
        self.conclude(&Verdict::Planned(planned)).await?;
        Ok(Again::Later(Requeue::Slowly))
    }

    /// AWS could not be read. A denial stalls; what passes leaves everything as it was.
    async fn unread(&mut self, failure: &Failure) -> Step<Again> {
        self.troubled(failure);
        if failure.class.is_refusal() {
            let mut line = line_of(failure);
            if self.deleting() {
                line.reason = Reason::DeletionBlocked;
            }
            return self.stalled(line).await;
        }
        if failure.class == FailureClass::Fenced {
            return Ok(Again::Later(Requeue::CheckIn));
        }
        let was_in_sync = self.was_in_sync() && !self.deleting();
        let line = line_of(failure);
        self.status.conditions = conditions(
            &self.status.conditions,
            &Verdict::Unread { line, was_in_sync },
            self.object.generation(),
            self.now(),
        );
        self.write_status().await?;
        Ok(Again::Later(
            failure
                .retry_at
                .map_or(Requeue::Backoff, |until| Requeue::Throttled { until }),
        ))
    }

    /// Writes the status that follows from what happened, and tells of what turned.
    async fn conclude(&mut self, verdict: &Verdict) -> Step<()> {
        let generation = self.object.generation();
        if !matches!(verdict, Verdict::Paused(_)) {
            self.status.observed_generation = Some(generation);
            self.status
                .last_handled_reconcile_at
                .clone_from(&self.annotations.reconcile_at);
        }
        let before = std::mem::take(&mut self.status.conditions);
        self.status.conditions = conditions(&before, verdict, generation, self.now());
        self.write_status().await?;
        for note in turned(&before, &self.status.conditions) {
            self.tell(note.reason, &note.text, note.warning).await;
        }
        Ok(())
    }

    async fn write_status(&mut self) -> Step<()> {
        self.standing = standing_of(&self.status);
        let before = self.object.status_json();
        let status = K::status(self.status.clone(), self.pins.clone());
        if status == before && self.written.is_none() {
            return Ok(());
        }
        let cluster = &self.context.cluster;
        let version = match cluster
            .write_status(&self.key, &self.resource_version, status.clone())
            .await
        {
            Err(ClusterError::Conflict) => self.write_over_an_edit(&before, status.clone()).await?,
            other => other?,
        };
        self.resource_version.clone_from(&version);
        self.written = Some(version);
        self.written_status = Some(status);
        Ok(())
    }

    /// An edit of the spec came in between. What AWS has done is written all the same, as long as
    /// nobody but us has written the status.
    async fn write_over_an_edit(&self, before: &Value, status: Value) -> Step<String> {
        let live = self.context.cluster.live(&self.key).await?.ok_or(ClusterError::Gone)?;
        if live.get("status").unwrap_or(&Value::Null) != before {
            return Err(ClusterError::Conflict);
        }
        let version = live
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.context.cluster.write_status(&self.key, version, status).await
    }

    /// Nothing of ours is left (or it is not ours to look after): the object may go.
    async fn let_go(&mut self) -> Step<Again> {
        if !self.is_live().await? {
            return Ok(self.once_up_to_date());
        }
        let mut finalizers = self.object.meta().finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        match self
            .context
            .cluster
            .write_finalizers(&self.key, &self.resource_version, finalizers)
            .await
        {
            Ok(_) | Err(ClusterError::Gone) => Ok(Again::Never),
            Err(error) => Err(error),
        }
    }

    /// Remembers what failed, for the log. Being paced is how it should be.
    fn troubled(&mut self, failure: &Failure) {
        if failure.class != FailureClass::Throttled && failure.class != FailureClass::Fenced {
            self.troubles.push(failure.to_string());
        }
    }

    async fn tell(&self, reason: &str, note: &str, warning: bool) {
        let event = Event {
            key: self.key.clone(),
            account: self.status.account.clone().unwrap_or_default(),
            region: self.status.region.clone().unwrap_or_default(),
            reason: reason.to_owned(),
            note: note.to_owned(),
            warning,
        };
        self.context.cluster.publish(event).await;
    }

    fn outcome(self, again: Again) -> Outcome {
        Outcome {
            again,
            written: self.written,
            status: self.written_status,
            seen: self.seen,
            deep_next: self.deep_next,
            standing: self.standing,
            troubles: self.troubles,
            progressed: self.progressed,
        }
    }

    /// The API server did not take what we wrote, or did not answer. What AWS has done is found
    /// again by the ledger's records.
    fn cluster_failed(mut self, error: &ClusterError) -> Outcome {
        self.troubles.push(error.to_string());
        let again = match error {
            ClusterError::Gone => Again::Never,
            ClusterError::Conflict | ClusterError::Unavailable(_) => Again::Later(Requeue::Backoff),
            ClusterError::Forbidden(_) | ClusterError::Refused(_) => Again::Later(Requeue::Slowly),
        };
        let mut outcome = self.outcome(again);
        outcome.deep_next = true;
        outcome
    }
}

fn moved(what: &str, recorded: Option<&str>, now: &str) -> Option<Line> {
    let recorded = recorded.filter(|recorded| *recorded != now)?;
    Some(Line::new(
        Reason::AccountOrRegionChanged,
        format!(
            "This object lives in {what} {recorded}, but {now} applies now. Nothing is done until {recorded} \
             applies again (spec.region, the namespace's annotation nuvem.dev/region, the operator's --region and \
             credentials)."
        ),
    ))
}

/// A launch or a deletion acts on nothing but the object as it is now.
fn must_be_live<S>(permitted: &Permitted<S>) -> bool {
    permitted.allowed.iter().any(|change| match change.class {
        Class::Create | Class::Delete => true,
        Class::InPlace | Class::StopStart | Class::Replacement | Class::Forbidden => false,
    })
}

/// Changes after which AWS needs time: looking again at once would only cost a read.
fn is_slow<S>(change: &Change<S>) -> bool {
    match change.class {
        Class::StopStart | Class::Replacement | Class::Forbidden | Class::Delete => true,
        Class::Create => change.field == "instance",
        Class::InPlace => change.field == "power.state" || change.field == "rootVolume",
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// Events for what turned: becoming ready, stalling, being held back or paused.
fn turned(
    before: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    after: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
) -> Vec<Note> {
    let find = |all: &[_], kind: &str| -> Option<(String, String, String)> {
        all.iter()
            .find(|c: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| c.type_ == kind)
            .map(|c| (c.status.clone(), c.reason.clone(), c.message.clone()))
    };
    let mut notes = Vec::new();
    for (kind, reason, warning) in [("Stalled", "Stalled", true), ("Paused", "Paused", false)] {
        if let Some((_, why, message)) = find(after, kind)
            && find(before, kind).is_none_or(|(_, earlier, text)| (earlier, text) != (why.clone(), message.clone()))
        {
            notes.push(Note {
                reason,
                text: format!("{why}: {message}"),
                warning,
            });
        }
    }
    let held = |all: &[_]| find(all, "Synced").filter(|(_, reason, _)| reason == Reason::HeldBack.name());
    if let Some((_, _, message)) = held(after).filter(|now| held(before).as_ref() != Some(now)) {
        notes.push(Note {
            reason: "HeldBack",
            text: message,
            warning: false,
        });
    }
    let is_ready = |all: &[_]| find(all, "Ready").is_some_and(|(status, _, _)| status == "True");
    if let (true, false, Some((_, _, message))) = (is_ready(after), is_ready(before), find(after, "Ready")) {
        notes.push(Note {
            reason: "Ready",
            text: message,
            warning: false,
        });
    }
    notes
}

pub(super) fn standing_of(status: &CommonStatus) -> Standing {
    let conditions = &status.conditions;
    if holds(conditions, "Paused") {
        Standing::Paused
    } else if holds(conditions, "Stalled") {
        Standing::Stalled
    } else if holds(conditions, "Reconciling") || conditions.is_empty() {
        Standing::Reconciling
    } else if holds(conditions, "Synced") {
        Standing::Ready
    } else {
        Standing::HeldBack
    }
}
