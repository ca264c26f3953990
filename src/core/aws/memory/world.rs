//! Everything that exists, and how a call comes to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::{AwsError, Operation};
use super::catalogue::Catalogue;
use super::dials::{Dials, later};
use super::faults::{Call, Ended, Fault, FaultPlan};
use super::groups::Group;
use super::instances::Instance;
use super::launch::Launch;
use super::refusals::Named;
use super::volumes::Volume;

/// The moment at which every world begins: noon of 2026-11-23 UTC.
const BEGINNING: i64 = 1_795_435_200;

/// What an operation does; the whole of the model is implementations of this.
pub(super) trait Act: Operation {
    /// What it is about, for the record of calls.
    fn subject(&self) -> String {
        String::new()
    }

    /// Does it.
    fn act(self, site: &mut Site<'_>) -> Result<Self::Output, AwsError>;
}

/// The account.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) dials: Dials,
    pub(super) faults: Vec<FaultPlan>,
    pub(super) calls: Vec<Call>,
    regions: BTreeMap<Arc<str>, Region>,
    numbers: Numbers,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: Timestamp::constant(BEGINNING, 0),
            dials: Dials::default(),
            faults: Vec::new(),
            calls: Vec::new(),
            regions: BTreeMap::new(),
            numbers: Numbers(0),
        }
    }
}

/// Counts what is made, so that ids are new and their order is the order of creation. One count
/// for all Regions: an id of one is unknown in the others (E60).
#[derive(Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    /// A new id of AWS's form, with 17 hexadecimal digits.
    pub(super) fn id(&mut self, named: Named) -> String {
        format!("{}{:017x}", named.prefix(), self.next())
    }
}

/// One Region of the account.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) catalogue: Catalogue,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) volumes: BTreeMap<String, Volume>,
    pub(super) groups: BTreeMap<String, Group>,
    /// What client tokens made, by zone, where the call named one, and token (E2).
    pub(super) launches: BTreeMap<(Option<String>, String), Launch>,
}

/// Where and when an operation acts.
pub(super) struct Site<'a> {
    pub(super) now: Timestamp,
    pub(super) dials: &'a Dials,
    pub(super) numbers: &'a mut Numbers,
    pub(super) region: &'a mut Region,
    /// Whether it sees what is too young for others (E7), as a test that looks from outside does.
    pub(super) sees_all: bool,
}

impl World {
    /// A Region, made with what every Region has when it is first asked for.
    pub(super) fn region(&mut self, name: &str) -> &mut Region {
        self.regions.entry(Arc::from(name)).or_insert_with(|| Region::new(name))
    }

    /// A call as nuvem makes it: it may fail by plan, and it is recorded.
    pub(super) fn call<O: Act>(&mut self, region: &Arc<str>, operation: O) -> Result<O::Output, AwsError> {
        let fault = self
            .faults
            .iter_mut()
            .find_map(|plan| plan.strike(O::ACTION, O::EFFECT));
        self.faults.retain(|plan| !plan.is_over());
        let subject = operation.subject();
        let (ended, answer) = match fault {
            None => {
                let answer = self.act(region, false, operation);
                (ended(&answer), answer)
            }
            Some(Fault::LoseReply) => {
                // The caller cannot know what AWS answered: neither can this.
                let _ = self.act(region, false, operation);
                (Ended::ReplyLost, Err(Fault::LoseReply.error()))
            }
            Some(Fault::Drop) => (Ended::Dropped, Err(Fault::Drop.error())),
            Some(fault @ (Fault::Refuse { .. } | Fault::Throttle)) => {
                let answer = Err(fault.error());
                (ended(&answer), answer)
            }
        };
        self.calls.push(Call {
            at: self.now,
            region: Arc::clone(region),
            action: O::ACTION,
            effect: O::EFFECT,
            subject,
            ended,
        });
        answer
    }

    /// An operation without faults and without a record.
    pub(super) fn act<O: Act>(&mut self, region: &str, sees_all: bool, operation: O) -> Result<O::Output, AwsError> {
        self.at(region, sees_all, |site| operation.act(site))
    }

    /// Looks at a Region as it is now.
    pub(super) fn at<T>(&mut self, region: &str, sees_all: bool, look: impl FnOnce(&mut Site<'_>) -> T) -> T {
        let Self {
            now,
            dials,
            regions,
            numbers,
            ..
        } = self;
        let region = regions.entry(Arc::from(region)).or_insert_with(|| Region::new(region));
        region.settle(*now, dials);
        look(&mut Site {
            now: *now,
            dials,
            numbers,
            region,
            sees_all,
        })
    }
}

fn ended<T>(answer: &Result<T, AwsError>) -> Ended {
    match answer {
        Ok(_) => Ended::Done,
        Err(AwsError::Refused { code, .. }) => Ended::Refused(code.clone()),
        Err(AwsError::NoAnswer(_)) => Ended::ReplyLost,
        Err(AwsError::NotSent(_)) => Ended::Dropped,
    }
}

impl Region {
    fn new(name: &str) -> Self {
        let catalogue = Catalogue::of(name);
        let groups = catalogue.default_groups();
        Self {
            catalogue,
            instances: BTreeMap::new(),
            volumes: BTreeMap::new(),
            groups,
            launches: BTreeMap::new(),
        }
    }

    /// Carries out what was due since somebody last looked.
    fn settle(&mut self, now: Timestamp, dials: &Dials) {
        for volume in self.volumes.values_mut() {
            volume.settle(now, dials);
        }
        let mut ended = Vec::new();
        self.instances.retain(|_, instance| {
            ended.append(&mut instance.settle(now, dials));
            !instance.has_vanished(now, dials)
        });
        for volume in ended {
            self.let_go(&volume);
        }
    }
}

impl Site<'_> {
    /// Whether what was created then is seen by now (E7).
    pub(super) fn sees(&self, created: Timestamp) -> bool {
        self.sees_all || later(created, self.dials.visibility) <= self.now
    }

    /// Whether a tag that was set then is found by now (E7).
    pub(super) fn finds_tag(&self, since: Timestamp) -> bool {
        self.sees_all || later(since, self.dials.tag_visibility) <= self.now
    }
}
