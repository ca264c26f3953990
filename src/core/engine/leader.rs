//! Who leads: one Lease, and each process's own boot clock.
//!
//! Clocks of two machines are never compared. A candidate measures by its own boot clock for how
//! long it has seen a record unchanged; a leader measures by its own how long ago it sent the last
//! renewal that succeeded. Every write of the Lease is a compare-and-swap on its resourceVersion.
//!
//! Why there is never a second writer: what a leader has renewed, others see after it was sent. So
//! its writes begin at most [`RENEW_DEADLINE`] after they saw it, end [`ATTEMPT`] later, and only
//! then is the [`LEASE`] over.

use std::time::Duration;

/// For how long a record binds others after they have seen it change.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often the leader renews, and the others look.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long after its last renewal was sent a leader may begin a write. After it, it has lost.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(15);
/// How long one attempt at a write may last at most: less than what is left of the lease at the
/// renew deadline.
pub const ATTEMPT: Duration = Duration::from_secs(12);
/// How soon a leader tries again whose renewal has failed.
const RETRY: Duration = Duration::from_secs(2);

/// The Lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Who holds it; absent or empty when it was given back.
    pub holder: Option<String>,
    /// For the compare-and-swap.
    pub resource_version: String,
    /// As text. It is only ever compared with itself.
    pub renew_time: Option<String>,
    /// How often it has changed hands.
    pub transitions: i32,
}

impl LeaseRecord {
    fn holder(&self) -> Option<&str> {
        self.holder.as_deref().filter(|holder| !holder.is_empty())
    }
}

/// What to do next. After a write of the Lease that succeeded, say [`Election::renewed`]; after one
/// that failed, or whose answer was lost, read it again and ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the Lease with ourselves as the holder. That it exists by now is a failure.
    Create,
    /// Write ourselves as the holder, if it is still at this version.
    Acquire {
        /// For the compare-and-swap.
        resource_version: String,
        /// What to write as `leaseTransitions`.
        transitions: i32,
    },
    /// Write a new renew time, if it is still at this version.
    Renew {
        /// For the compare-and-swap.
        resource_version: String,
        /// What to write as `leaseTransitions`: what it was.
        transitions: i32,
    },
    /// Read the Lease again then.
    Wait {
        /// By the boot clock.
        until: Duration,
    },
    /// We led, and lead no more: close the gate and end the process.
    Lost {
        /// For the log.
        why: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Candidate,
    Leader { renewed: Duration },
    Lost { why: &'static str },
}

/// What shows that a record is alive: whoever holds it changes this.
type Pulse = (Option<String>, Option<String>, i32);

/// One process's part in the election.
#[derive(Clone, Debug)]
pub struct Election {
    me: String,
    role: Role,
    /// The record as it was last seen, and since when it looks like that.
    seen: Option<(Option<Pulse>, Duration)>,
    /// Somebody else held what we saw last, so that it binds us.
    bound: bool,
}

impl Election {
    /// A candidate. Its name must be this process's alone: a container that is restarted in the
    /// same pod is another candidate.
    #[must_use]
    pub const fn new(me: String) -> Self {
        Self {
            me,
            role: Role::Candidate,
            seen: None,
            bound: false,
        }
    }

    /// What to do, given the Lease as it was just read (`None`: there is none).
    pub fn decide(&mut self, seen: Option<&LeaseRecord>, boottime: Duration) -> Action {
        self.look(seen, boottime);
        match self.role {
            Role::Lost { why } => Action::Lost { why },
            Role::Leader { renewed } if is_late(renewed, boottime) => self.lose("the lease was not renewed in time"),
            Role::Leader { renewed } => self.keep(seen, renewed, boottime),
            Role::Candidate => self.run(seen, boottime),
        }
    }

    /// What to do when the Lease could not be read.
    pub fn unread(&mut self, boottime: Duration) -> Action {
        match self.role {
            Role::Lost { why } => Action::Lost { why },
            Role::Leader { renewed } if is_late(renewed, boottime) => {
                self.lose("the lease could not be renewed in time")
            }
            Role::Leader { .. } => Action::Wait {
                until: boottime + RETRY,
            },
            Role::Candidate => Action::Wait {
                until: boottime + RENEW_EVERY,
            },
        }
    }

    /// A write of the Lease has succeeded. `sent` is when it was *sent*, by the boot clock: when the
    /// answer came says nothing about when the API server wrote it. Open the gate with the same.
    pub fn renewed(&mut self, sent: Duration) {
        self.role = match self.role {
            Role::Candidate => Role::Leader { renewed: sent },
            Role::Leader { renewed } => Role::Leader {
                renewed: renewed.max(sent),
            },
            lost @ Role::Lost { .. } => lost,
        };
    }

    /// Until when we lead unless the lease is renewed, by the boot clock; `None` while we do not.
    #[must_use]
    pub const fn leads_until(&self) -> Option<Duration> {
        match self.role {
            Role::Leader { renewed } => Some(renewed.saturating_add(RENEW_DEADLINE)),
            Role::Candidate | Role::Lost { .. } => None,
        }
    }

    /// Gives the lease back, so that the next leader need not wait for its end: write an empty
    /// holder, if it is still at the version that is returned. `None` when it is not ours.
    ///
    /// Only once the gate is closed and all writes have ended.
    pub fn release(&mut self, seen: &LeaseRecord) -> Option<String> {
        self.role = Role::Lost {
            why: "the lease was given back",
        };
        (seen.holder() == Some(&self.me)).then(|| seen.resource_version.clone())
    }

    /// Notices whether the record has changed. That it has vanished is a change, too: whoever held
    /// it does not know yet, and goes on for a while.
    fn look(&mut self, seen: Option<&LeaseRecord>, boottime: Duration) {
        let pulse = seen.map(|record| (record.holder.clone(), record.renew_time.clone(), record.transitions));
        if self.seen.as_ref().is_none_or(|(before, _)| *before != pulse) {
            self.seen = Some((pulse, boottime));
        }
        if let Some(record) = seen {
            self.bound = record.holder().is_some_and(|holder| holder != self.me);
        }
    }

    fn keep(&mut self, seen: Option<&LeaseRecord>, renewed: Duration, boottime: Duration) -> Action {
        match seen {
            // Others who have seen it are bound by it still, so it is ours to make again.
            None => Action::Create,
            Some(record) if record.holder() != Some(&self.me) => self.lose("the lease is not ours any more"),
            Some(_) if boottime < renewed + RENEW_EVERY => Action::Wait {
                until: renewed + RENEW_EVERY,
            },
            Some(record) => Action::Renew {
                resource_version: record.resource_version.clone(),
                transitions: record.transitions,
            },
        }
    }

    fn run(&self, seen: Option<&LeaseRecord>, boottime: Duration) -> Action {
        let since = self.seen.as_ref().map_or(boottime, |(_, since)| *since);
        let free_at = since + LEASE;
        if self.bound && boottime < free_at {
            return Action::Wait {
                until: free_at.min(boottime + RENEW_EVERY),
            };
        }
        let Some(record) = seen else { return Action::Create };
        // Held by ourselves although we do not lead: our own acquisition, whose answer was lost.
        let changes_hands = record.holder() != Some(&self.me);
        Action::Acquire {
            resource_version: record.resource_version.clone(),
            transitions: record.transitions.saturating_add(i32::from(changes_hands)),
        }
    }

    const fn lose(&mut self, why: &'static str) -> Action {
        self.role = Role::Lost { why };
        Action::Lost { why }
    }
}

fn is_late(renewed: Duration, boottime: Duration) -> bool {
    boottime.saturating_sub(renewed) > RENEW_DEADLINE
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The API server's Lease, with its compare-and-swap.
    #[derive(Default)]
    struct Cluster {
        lease: Option<LeaseRecord>,
        version: u32,
    }

    impl Cluster {
        /// Whether it was written.
        fn apply(&mut self, me: &str, action: &Action, wall_clock: &str) -> bool {
            let current = self.lease.as_ref().map(|lease| lease.resource_version.clone());
            let transitions = match action {
                Action::Create if current.is_none() => 0,
                Action::Acquire {
                    resource_version,
                    transitions,
                }
                | Action::Renew {
                    resource_version,
                    transitions,
                } if current.as_ref() == Some(resource_version) => *transitions,
                Action::Create
                | Action::Acquire { .. }
                | Action::Renew { .. }
                | Action::Wait { .. }
                | Action::Lost { .. } => {
                    return false;
                }
            };
            self.version += 1;
            self.lease = Some(LeaseRecord {
                holder: Some(me.to_owned()),
                resource_version: self.version.to_string(),
                renew_time: Some(wall_clock.to_owned()),
                transitions,
            });
            true
        }
    }

    fn candidate(me: &str) -> Election {
        Election::new(me.to_owned())
    }

    /// One look, and the write that follows from it.
    fn turn(election: &mut Election, cluster: &mut Cluster, boottime: Duration) -> Action {
        let action = election.decide(cluster.lease.as_ref(), boottime);
        if cluster.apply(
            &election.me.clone(),
            &action,
            &format!("{boottime:?} of {}", election.me),
        ) {
            election.renewed(boottime);
        }
        action
    }

    /// `a` leads since the first second.
    fn led_by_a() -> (Election, Cluster) {
        let (mut a, mut cluster) = (candidate("a"), Cluster::default());
        assert_eq!(turn(&mut a, &mut cluster, at(0)), Action::Create);
        (a, cluster)
    }

    #[test]
    fn the_margins_leave_room_for_a_write_that_was_begun_last() {
        assert!(RENEW_DEADLINE + ATTEMPT < LEASE);
        assert!(RENEW_EVERY * 2 < RENEW_DEADLINE, "one renewal may fail");
    }

    #[test]
    fn the_first_creates_the_lease_and_renews_it_every_five_seconds() {
        let (mut a, mut cluster) = led_by_a();
        assert_eq!(a.leads_until(), Some(at(15)));
        assert_eq!(turn(&mut a, &mut cluster, at(4)), Action::Wait { until: at(5) });
        let renew = Action::Renew {
            resource_version: "1".to_owned(),
            transitions: 0,
        };
        assert_eq!(turn(&mut a, &mut cluster, at(5)), renew);
        assert_eq!(a.leads_until(), Some(at(20)));
    }

    #[test]
    fn of_two_who_create_or_acquire_at_once_one_fails() {
        let (mut a, mut b, mut cluster) = (candidate("a"), candidate("b"), Cluster::default());
        let (of_a, of_b) = (a.decide(None, at(0)), b.decide(None, at(0)));
        assert_eq!((&of_a, &of_b), (&Action::Create, &Action::Create));
        assert!(cluster.apply("a", &of_a, "noon"));
        assert!(!cluster.apply("b", &of_b, "noon"));
        assert_eq!(b.decide(cluster.lease.as_ref(), at(1)), Action::Wait { until: at(6) });
        assert_eq!(b.leads_until(), None);
    }

    #[test]
    fn a_candidate_waits_while_the_record_goes_on_changing() {
        let (mut a, mut cluster) = led_by_a();
        let mut b = candidate("b");
        for second in (5..300).step_by(5) {
            assert!(matches!(turn(&mut a, &mut cluster, at(second)), Action::Renew { .. }));
            assert!(matches!(turn(&mut b, &mut cluster, at(second)), Action::Wait { .. }));
        }
    }

    #[test]
    fn a_candidate_takes_over_a_whole_lease_after_it_saw_the_last_change() {
        let (_, mut cluster) = led_by_a();
        let mut b = candidate("b");
        // It starts long after the last renewal, and cannot know when that was.
        assert_eq!(turn(&mut b, &mut cluster, at(1_000)), Action::Wait { until: at(1_005) });
        assert_eq!(turn(&mut b, &mut cluster, at(1_027)), Action::Wait { until: at(1_030) });
        let acquire = Action::Acquire {
            resource_version: "1".to_owned(),
            transitions: 1,
        };
        assert_eq!(turn(&mut b, &mut cluster, at(1_030)), acquire);
        assert_eq!(b.leads_until(), Some(at(1_045)));
    }

    #[test]
    fn a_frozen_leader_that_wakes_up_has_lost_even_if_nobody_took_over() {
        let (mut a, mut cluster) = led_by_a();
        let lost = Action::Lost {
            why: "the lease was not renewed in time",
        };
        assert_eq!(turn(&mut a, &mut cluster, at(3_600)), lost);
        assert_eq!(a.leads_until(), None);
        a.renewed(at(3_600));
        assert_eq!(turn(&mut a, &mut cluster, at(3_601)), lost, "losing is for ever");
    }

    #[test]
    fn a_leader_that_finds_another_holder_has_lost() {
        let (mut a, mut cluster) = led_by_a();
        cluster.lease.as_mut().unwrap().holder = Some("b".to_owned());
        assert_eq!(
            turn(&mut a, &mut cluster, at(5)),
            Action::Lost {
                why: "the lease is not ours any more"
            }
        );
    }

    #[test]
    fn a_leader_that_reaches_no_api_server_tries_on_until_the_deadline() {
        let (mut a, _) = led_by_a();
        assert_eq!(a.unread(at(5)), Action::Wait { until: at(7) });
        assert_eq!(a.unread(at(15)), Action::Wait { until: at(17) });
        assert!(matches!(a.unread(at(16)), Action::Lost { .. }));
        assert_eq!(candidate("b").unread(at(5)), Action::Wait { until: at(10) });
    }

    #[test]
    fn the_clocks_of_others_do_not_matter() {
        for wall_clock in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "", "nonsense"] {
            let (_, mut cluster) = led_by_a();
            cluster.lease.as_mut().unwrap().renew_time = Some(wall_clock.to_owned());
            let mut b = candidate("b");
            assert!(
                matches!(turn(&mut b, &mut cluster, at(0)), Action::Wait { .. }),
                "{wall_clock}"
            );
            assert!(
                matches!(turn(&mut b, &mut cluster, at(30)), Action::Acquire { .. }),
                "{wall_clock}"
            );
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_taken_at_once() {
        let (mut a, mut cluster) = led_by_a();
        let mut b = candidate("b");
        turn(&mut b, &mut cluster, at(1));
        let version = a.release(cluster.lease.as_ref().unwrap());
        assert_eq!(version.as_deref(), Some("1"));
        assert!(matches!(a.decide(cluster.lease.as_ref(), at(2)), Action::Lost { .. }));
        for nobody in [None, Some(String::new())] {
            cluster.lease.as_mut().unwrap().holder = nobody;
            let action = b.decide(cluster.lease.as_ref(), at(2));
            assert_eq!(
                action,
                Action::Acquire {
                    resource_version: "1".to_owned(),
                    transitions: 1
                }
            );
        }
    }

    #[test]
    fn what_is_another_holders_is_not_given_back() {
        let (mut a, mut cluster) = led_by_a();
        cluster.lease.as_mut().unwrap().holder = Some("b".to_owned());
        assert_eq!(a.release(cluster.lease.as_ref().unwrap()), None);
    }

    #[test]
    fn an_acquisition_whose_answer_was_lost_is_made_again_and_counts_once() {
        let (mut a, mut cluster) = (candidate("a"), Cluster::default());
        let create = a.decide(None, at(0));
        cluster.apply("a", &create, "noon");
        let again = a.decide(cluster.lease.as_ref(), at(1));
        assert_eq!(
            again,
            Action::Acquire {
                resource_version: "1".to_owned(),
                transitions: 0
            }
        );
    }

    #[test]
    fn a_renewal_whose_answer_was_lost_is_made_again_before_the_deadline() {
        let (mut a, mut cluster) = led_by_a();
        let renew = a.decide(cluster.lease.as_ref(), at(5));
        cluster.apply("a", &renew, "later");
        assert_eq!(a.leads_until(), Some(at(15)), "what was not heard of does not count");
        assert!(matches!(turn(&mut a, &mut cluster, at(7)), Action::Renew { .. }));
        assert_eq!(a.leads_until(), Some(at(22)));
    }

    #[test]
    fn a_record_that_vanished_is_made_again_by_its_leader_and_binds_those_who_saw_it() {
        let (mut a, mut cluster) = led_by_a();
        let mut b = candidate("b");
        turn(&mut b, &mut cluster, at(10));
        cluster.lease = None;
        assert_eq!(turn(&mut b, &mut cluster, at(12)), Action::Wait { until: at(17) });
        assert_eq!(turn(&mut a, &mut cluster, at(13)), Action::Create);
        assert_eq!(turn(&mut b, &mut cluster, at(17)), Action::Wait { until: at(22) });

        // Had its leader been gone, the candidate would have waited for a whole lease.
        let (_, mut cluster) = led_by_a();
        let mut b = candidate("b");
        turn(&mut b, &mut cluster, at(10));
        cluster.lease = None;
        turn(&mut b, &mut cluster, at(12));
        assert_eq!(turn(&mut b, &mut cluster, at(42)), Action::Create);
    }
}
