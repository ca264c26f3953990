//! What the proxy remembers: every call since the last reset, how often each was made, and the
//! faults in force. A call is entered and its fault decided under one lock, so that the order of
//! the log is the order of the decisions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::call::Call;
use crate::fault::{Faults, Hit, Mode};
use crate::journal::Journal;

/// How many calls the log keeps; of older ones only the counts remain.
const KEPT: usize = 200_000;

/// The proxy's memory.
pub struct Record {
    started: Instant,
    journal: Option<Journal>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    total: u64,
    by: BTreeMap<Arc<str>, u64>,
    keys: BTreeSet<Arc<str>>,
    log: VecDeque<Entry>,
    /// The number of the oldest call in the log.
    first: u64,
    dropped: u64,
}

/// One call. Its status is 0 until it is answered, and stays 0 where it never is.
#[derive(Clone)]
struct Entry {
    at: f64,
    call: Arc<str>,
    status: u16,
    mutating: bool,
    key: Arc<str>,
    fault: Option<Mode>,
}

/// The log's receipt for a call that has begun.
pub struct Ticket {
    number: u64,
    entry: Entry,
}

#[derive(Serialize)]
struct ShownEntry<'a> {
    at: f64,
    call: &'a str,
    status: u16,
    mutating: bool,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Mode>,
}

#[derive(Serialize)]
struct ShownCalls<'a> {
    total: u64,
    by: BTreeMap<&'a str, u64>,
    dropped: u64,
    log: Vec<ShownEntry<'a>>,
}

#[derive(Serialize)]
struct JournalLine<'a> {
    #[serde(flatten)]
    call: ShownEntry<'a>,
    took: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

impl Entry {
    fn show(&self) -> ShownEntry<'_> {
        ShownEntry {
            at: self.at,
            call: &self.call,
            status: self.status,
            mutating: self.mutating,
            key: &self.key,
            fault: self.fault,
        }
    }
}

impl Record {
    /// An empty memory; its clock starts now.
    pub fn new(journal: Option<Journal>) -> Self {
        Self {
            started: Instant::now(),
            journal,
            state: Mutex::default(),
        }
    }

    /// Enters a call that has just arrived, and says which fault it meets.
    pub fn begin(&self, call: &Call) -> (Ticket, Option<Hit>) {
        let at = self.seconds();
        let name = call.name();
        let mut state = self.state();
        let hit = state.faults.decide(call, &name);
        let entry = Entry {
            at,
            call: state.count(&name),
            status: 0,
            mutating: call.mutating,
            key: state.intern(&call.key),
            fault: hit.map(|hit| hit.mode),
        };
        let number = state.push(entry.clone());
        (Ticket { number, entry }, hit)
    }

    /// Enters how a call ended: the status that its client gets, or 0 where it gets none.
    pub fn end(&self, mut ticket: Ticket, status: u16, note: Option<&str>) {
        ticket.entry.status = status;
        self.state().answer(ticket.number, status);
        if let Some(journal) = &self.journal {
            journal.write(&JournalLine {
                took: to_microseconds(self.seconds() - ticket.entry.at),
                call: ticket.entry.show(),
                note,
            });
        }
    }

    /// The calls since the last reset, as JSON.
    ///
    /// # Errors
    ///
    /// Where JSON cannot be written, which does not happen with these types.
    pub fn calls(&self) -> serde_json::Result<Vec<u8>> {
        // Copied first, so that calls do not wait while a long log is being written out.
        let (total, dropped, by, log) = {
            let state = self.state();
            (state.total, state.dropped, state.by.clone(), state.log.clone())
        };
        serde_json::to_vec(&ShownCalls {
            total,
            by: by.iter().map(|(name, count)| (&**name, *count)).collect(),
            dropped,
            log: log.iter().map(Entry::show).collect(),
        })
    }

    /// Forgets the calls. Those still under way are not counted afterwards.
    pub fn reset_calls(&self) {
        let mut state = self.state();
        state.first += u64::try_from(state.log.len()).unwrap_or(u64::MAX);
        state.log.clear();
        state.by.clear();
        state.keys.clear();
        state.total = 0;
        state.dropped = 0;
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.faults = faults;
        if let Some(journal) = &self.journal {
            journal.write(&serde_json::json!({
                "at": self.seconds(),
                "faults": state.faults.list(),
            }));
        }
    }

    /// The faults with their counters, as JSON.
    ///
    /// # Errors
    ///
    /// Where JSON cannot be written, which does not happen with these types.
    pub fn faults(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self.state().faults.list())
    }

    fn seconds(&self) -> f64 {
        to_microseconds(self.started.elapsed().as_secs_f64())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete in itself, so one that a panic has left is usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rounds seconds, so that people can read them.
fn to_microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

impl State {
    fn count(&mut self, name: &str) -> Arc<str> {
        self.total += 1;
        let known = self.by.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(name));
        *self.by.entry(Arc::clone(&name)).or_default() += 1;
        name
    }

    fn intern(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.keys.get(key) {
            return Arc::clone(known);
        }
        let key: Arc<str> = Arc::from(key);
        self.keys.insert(Arc::clone(&key));
        key
    }

    fn push(&mut self, entry: Entry) -> u64 {
        if self.log.len() == KEPT {
            self.log.pop_front();
            self.first += 1;
            self.dropped += 1;
        }
        self.log.push_back(entry);
        self.first + u64::try_from(self.log.len()).unwrap_or(u64::MAX) - 1
    }

    fn answer(&mut self, number: u64, status: u16) {
        let index = number
            .checked_sub(self.first)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.log.get_mut(index)) {
            entry.status = status;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::Protocol;

    fn call(operation: &str) -> Call {
        Call {
            service: "ec2".to_owned(),
            operation: operation.to_owned(),
            key: "AKIAONE".to_owned(),
            region: "us-east-1".to_owned(),
            mutating: operation.starts_with("Run"),
            protocol: Protocol::Ec2,
        }
    }

    fn calls(record: &Record) -> Value {
        serde_json::from_slice(&record.calls().unwrap()).unwrap()
    }

    #[test]
    fn calls_are_counted_and_logged_in_order() {
        let record = Record::new(None);
        let (first, hit) = record.begin(&call("RunInstances"));
        assert_eq!(hit, None);
        let (second, _) = record.begin(&call("DescribeInstances"));
        record.end(second, 200, None);
        record.end(first, 503, None);
        let shown = calls(&record);
        assert_eq!(shown["total"], 2);
        assert_eq!(shown["by"], json!({"ec2.RunInstances": 1, "ec2.DescribeInstances": 1}));
        assert_eq!(shown["log"][0]["call"], "ec2.RunInstances");
        assert_eq!(shown["log"][0]["status"], 503);
        assert_eq!(shown["log"][0]["mutating"], true);
        assert_eq!(shown["log"][0]["key"], "AKIAONE");
        assert_eq!(shown["log"][0].get("fault"), None);
        assert_eq!(shown["log"][1]["status"], 200);
        assert!(shown["log"][1]["at"].as_f64().unwrap() >= shown["log"][0]["at"].as_f64().unwrap());
    }

    #[test]
    fn an_answer_after_a_reset_is_not_taken_for_another_calls() {
        let record = Record::new(None);
        let (old, _) = record.begin(&call("RunInstances"));
        record.reset_calls();
        let (new, _) = record.begin(&call("DescribeInstances"));
        record.end(old, 500, None);
        assert_eq!(calls(&record)["log"][0]["status"], 0);
        record.end(new, 200, None);
        let shown = calls(&record);
        assert_eq!((&shown["total"], &shown["log"][0]["status"]), (&json!(1), &json!(200)));
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_are_not() {
        let record = Record::new(None);
        let (old, _) = record.begin(&call("RunInstances"));
        for _ in 0..KEPT {
            let (ticket, _) = record.begin(&call("DescribeInstances"));
            record.end(ticket, 200, None);
        }
        record.end(old, 500, None);
        let shown = calls(&record);
        assert_eq!(shown["log"].as_array().unwrap().len(), KEPT);
        assert_eq!(shown["total"], KEPT + 1);
        assert_eq!(shown["dropped"], 1);
        assert_eq!(shown["by"]["ec2.RunInstances"], 1);
        assert!(
            shown["log"]
                .as_array()
                .unwrap()
                .iter()
                .all(|entry| entry["status"] == 200)
        );
    }

    #[test]
    fn faults_are_decided_on_entry_and_shown() {
        let record = Record::new(None);
        let faults = Faults::parse(br#"[{"match": "ec2.RunInstances", "mode": "deny"}]"#).unwrap();
        record.set_faults(faults);
        let (_, hit) = record.begin(&call("RunInstances"));
        assert_eq!(hit.unwrap().mode, Mode::Deny);
        assert_eq!(calls(&record)["log"][0]["fault"], "deny");
        let shown: Value = serde_json::from_slice(&record.faults().unwrap()).unwrap();
        assert_eq!(shown[0]["hit"], 1);
    }
}
