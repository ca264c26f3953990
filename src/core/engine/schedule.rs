//! Schedules and windows: five-field cron in an IANA time zone.
//!
//! Where the clocks change, what a person would expect happens. A time that is skipped happens at
//! the moment after the gap, and one that comes twice happens once, the first time. Repeating
//! patterns (`*/15 * * * *`) follow the clock on the wall: they rest in the gap and go on in the
//! hour that comes twice.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// The five fields, as people call them.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT"),
];
/// The longest window: beyond a year it is no window any more.
const LONGEST: i64 = 366 * 24 * 60;

/// What is wrong with a schedule, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The time zone.
    #[error("{0:?} is not an IANA time zone. Write one like Europe/Lisbon, America/Sao_Paulo or Etc/UTC")]
    TimeZone(String),
    /// The number of fields.
    #[error(
        "the cron expression {cron:?} has {count} fields in place of five. Write minute, hour, day of the month, \
         month and day of the week, for example \"0 3 * * 0\" for Sundays at three"
    )]
    Fields {
        /// What was written.
        cron: String,
        /// How many fields that has.
        count: usize,
    },
    /// One field.
    #[error(
        "the {name} {field:?} of the cron expression {cron:?} is wrong. Write *, or {range}, or lists (1,2), \
             ranges (1-5) and steps (*/2) of these"
    )]
    Field {
        /// What was written.
        cron: String,
        /// The field.
        field: String,
        /// What the field is called.
        name: &'static str,
        /// What may stand there.
        range: &'static str,
    },
    /// A day that does not exist, for example 30 February.
    #[error("the cron expression {0:?} never happens: there is no such day in any year")]
    Never(String),
    /// The length of a window.
    #[error("a window of {0} minutes cannot be. Write at least 1 and at most {LONGEST} minutes")]
    Duration(i64),
}

/// A cron expression in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    zone: TimeZone,
    cron: Cron,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and what to write instead.
    pub fn parse(time_zone: &str, cron: &str) -> Result<Self, ScheduleError> {
        let zone = TimeZone::get(time_zone).map_err(|_| ScheduleError::TimeZone(time_zone.to_owned()))?;
        let schedule = Self {
            zone,
            cron: parse(cron)?,
        };
        // Any time will do to find out whether there is a next one.
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(cron.to_owned())),
        }
    }

    /// The latest time that has come: at `now` or before.
    #[must_use]
    pub fn latest_before(&self, now: Timestamp) -> Option<Timestamp> {
        found(self.cron.find_previous_occurrence(&self.local(now), true))
    }

    /// The next time that is still to come: after `now`.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        found(self.cron.find_next_occurrence(&self.local(now), false))
    }

    fn local(&self, now: Timestamp) -> Zoned {
        now.to_zoned(self.zone.clone())
    }
}

fn found(occurrence: Result<Zoned, CronError>) -> Option<Timestamp> {
    occurrence.ok().map(|zoned| zoned.timestamp())
}

fn parse(cron: &str) -> Result<Cron, ScheduleError> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(ScheduleError::Fields {
            cron: cron.to_owned(),
            count: fields.len(),
        });
    }
    // Each field is read alone first, so that the message can name the one that is wrong.
    for (index, (field, (name, range))) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        if let Some(slot) = alone.get_mut(index) {
            *slot = field;
        }
        if read(&alone.join(" ")).is_none() {
            return Err(ScheduleError::Field {
                cron: cron.to_owned(),
                field: (*field).to_owned(),
                name,
                range,
            });
        }
    }
    read(&fields.join(" ")).ok_or_else(|| ScheduleError::Never(cron.to_owned()))
}

fn read(cron: &str) -> Option<Cron> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    // Nicknames (`@daily`) would take the place of the whole expression.
    if cron.contains('@') {
        return None;
    }
    parser.parse(cron).ok()
}

/// A time during which a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it has begun. The same for all of its length, so it names the occurrence.
    pub starts: Timestamp,
    /// When it ends; at this moment it is over.
    pub ends: Timestamp,
}

/// A time that comes again and again, and lasts for a while.
///
/// The length is of time that passes, not of the clock on the wall. A window that is longer than
/// the time to the next one never closes: each occurrence takes over from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    schedule: Schedule,
    length: SignedDuration,
}

impl Window {
    /// Reads a window that opens at each time of a cron expression.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and what to write instead.
    pub fn parse(time_zone: &str, start: &str, duration_minutes: i64) -> Result<Self, ScheduleError> {
        if !(1..=LONGEST).contains(&duration_minutes) {
            return Err(ScheduleError::Duration(duration_minutes));
        }
        Ok(Self {
            schedule: Schedule::parse(time_zone, start)?,
            length: SignedDuration::from_mins(duration_minutes),
        })
    }

    /// The occurrence that is open now: of several, the one that began last, and so ends last.
    #[must_use]
    pub fn open_at(&self, now: Timestamp) -> Option<Occurrence> {
        let starts = self.schedule.latest_before(now)?;
        let ends = starts.checked_add(self.length).unwrap_or(Timestamp::MAX);
        (now < ends).then_some(Occurrence { starts, ends })
    }

    /// When the next occurrence begins, whether or not one is open now.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISBON: &str = "Europe/Lisbon";
    const SAO_PAULO: &str = "America/Sao_Paulo";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(time_zone: &str, cron: &str) -> Schedule {
        Schedule::parse(time_zone, cron).unwrap()
    }

    /// All times after the first moment, up to the last.
    fn times(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
        let to = at(to);
        std::iter::successors(schedule.next_after(at(from)), |time| schedule.next_after(*time))
            .take_while(|time| *time <= to)
            .map(|time| time.to_string())
            .collect()
    }

    #[test]
    fn times_are_local_and_answers_are_not() {
        let nightly = schedule(SAO_PAULO, "0 2 * * *");
        assert_eq!(
            nightly.next_after(at("2026-11-23T12:00:00Z")),
            Some(at("2026-11-24T05:00:00Z"))
        );
        assert_eq!(
            nightly.latest_before(at("2026-11-23T12:00:00Z")),
            Some(at("2026-11-23T05:00:00Z"))
        );
    }

    #[test]
    fn the_moment_itself_has_come_and_is_not_still_to_come() {
        let nightly = schedule("Etc/UTC", "0 2 * * *");
        let two = at("2026-11-23T02:00:00Z");
        assert_eq!(nightly.latest_before(two), Some(two));
        assert_eq!(nightly.next_after(two), Some(at("2026-11-24T02:00:00Z")));
        let a_little_later = at("2026-11-23T02:00:00.5Z");
        assert_eq!(nightly.latest_before(a_little_later), Some(two));
        let a_little_earlier = at("2026-11-23T01:59:59.5Z");
        assert_eq!(nightly.next_after(a_little_earlier), Some(two));
        assert_eq!(
            nightly.latest_before(a_little_earlier),
            Some(at("2026-11-22T02:00:00Z"))
        );
    }

    #[test]
    fn a_time_that_is_skipped_happens_at_the_moment_after_the_gap() {
        // Lisbon 2026-03-29: 01:00 becomes 02:00, at 01:00 UTC.
        let table = [
            (
                LISBON,
                "30 1 * * *",
                "2026-03-28T12:00:00Z",
                "2026-03-30T12:00:00Z",
                ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
            ),
            (
                LISBON,
                "0 1 * * *",
                "2026-03-28T12:00:00Z",
                "2026-03-30T12:00:00Z",
                ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
            ),
            // São Paulo 2018-11-04: midnight becomes 01:00, at 03:00 UTC.
            (
                SAO_PAULO,
                "0 0 * * *",
                "2018-11-03T12:00:00Z",
                "2018-11-05T12:00:00Z",
                ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"],
            ),
            (
                SAO_PAULO,
                "30 0 * * *",
                "2018-11-03T12:00:00Z",
                "2018-11-05T12:00:00Z",
                ["2018-11-04T03:00:00Z", "2018-11-05T02:30:00Z"],
            ),
        ];
        for (zone, cron, from, to, expected) in table {
            assert_eq!(times(&schedule(zone, cron), from, to), expected, "{zone} {cron}");
        }
    }

    #[test]
    fn a_time_that_comes_twice_happens_once_the_first_time() {
        // Lisbon 2026-10-25: 02:00 becomes 01:00, at 01:00 UTC.
        let lisbon = schedule(LISBON, "30 1 * * *");
        let expected = ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        assert_eq!(times(&lisbon, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"), expected);
        // São Paulo 2018-02-18: midnight becomes 23:00 of the day before, at 02:00 UTC.
        let sao_paulo = schedule(SAO_PAULO, "30 23 * * *");
        let expected = ["2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"];
        assert_eq!(
            times(&sao_paulo, "2018-02-17T12:00:00Z", "2018-02-19T12:00:00Z"),
            expected
        );
    }

    #[test]
    fn repeating_times_rest_in_the_gap_and_go_on_in_the_hour_that_comes_twice() {
        let half_hourly = schedule(LISBON, "*/30 * * * *");
        let expected = ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"];
        assert_eq!(
            times(&half_hourly, "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"),
            expected
        );
        let expected = [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ];
        assert_eq!(
            times(&half_hourly, "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
            expected
        );
    }

    /// Around every change of the clocks, moment by moment, looking back finds what looking ahead
    /// has announced.
    #[test]
    fn looking_back_and_looking_ahead_agree() {
        let changes = [
            (LISBON, "2026-03-29T01:00:00Z"),
            (LISBON, "2026-10-25T01:00:00Z"),
            (SAO_PAULO, "2018-11-04T03:00:00Z"),
            (SAO_PAULO, "2018-02-18T02:00:00Z"),
        ];
        let crons = [
            "0 1 * * *",
            "30 1 * * *",
            "59 0 * * *",
            "0 0 * * *",
            "30 0 * * *",
            "30 23 * * *",
            "*/20 * * * *",
            "0 2 * * *",
            "15,45 * * * *",
        ];
        for (zone, change) in changes {
            for cron in crons {
                let schedule = schedule(zone, cron);
                let from = at(change) - SignedDuration::from_hours(2);
                let mut latest = schedule.latest_before(from).unwrap();
                let mut next = schedule.next_after(from).unwrap();
                for minute in (0..4 * 60).step_by(3) {
                    let now = from + SignedDuration::from_mins(minute);
                    if now >= next {
                        latest = next;
                        next = schedule.next_after(now).unwrap();
                    }
                    assert_eq!(schedule.next_after(now), Some(next), "{zone} {cron} at {now}");
                    assert_eq!(schedule.latest_before(now), Some(latest), "{zone} {cron} at {now}");
                }
            }
        }
    }

    #[test]
    fn a_window_is_open_from_its_start_until_just_before_its_end() {
        let window = Window::parse("Etc/UTC", "0 3 * * 0", 120).unwrap();
        let occurrence = Occurrence {
            starts: at("2026-11-22T03:00:00Z"),
            ends: at("2026-11-22T05:00:00Z"),
        };
        let table = [
            ("2026-11-22T02:59:59.999Z", None),
            ("2026-11-22T03:00:00Z", Some(occurrence)),
            ("2026-11-22T04:59:59.999Z", Some(occurrence)),
            ("2026-11-22T05:00:00Z", None),
        ];
        for (now, expected) in table {
            assert_eq!(window.open_at(at(now)), expected, "{now}");
        }
        assert_eq!(
            window.next_after(at("2026-11-22T04:00:00Z")),
            Some(at("2026-11-29T03:00:00Z"))
        );
    }

    #[test]
    fn a_window_over_midnight_is_still_open_on_the_next_day() {
        let window = Window::parse(SAO_PAULO, "0 23 * * 6", 180).unwrap();
        let sunday = at("2026-11-22T04:30:00Z");
        assert_eq!(
            window.open_at(sunday).map(|open| open.starts),
            Some(at("2026-11-22T02:00:00Z"))
        );
    }

    #[test]
    fn a_window_lasts_as_long_as_it_says_whatever_the_clocks_do() {
        // It opens at midnight, and the clock on the wall shows 02:00 after one hour, or 01:00 twice.
        let window = Window::parse(LISBON, "0 0 * * *", 90).unwrap();
        let table = [
            ("2026-03-29T00:30:00Z", "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z"),
            ("2026-10-25T00:15:00Z", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"),
        ];
        for (now, starts, ends) in table {
            assert_eq!(
                window.open_at(at(now)),
                Some(Occurrence {
                    starts: at(starts),
                    ends: at(ends)
                })
            );
        }
    }

    #[test]
    fn a_window_that_is_skipped_by_the_clocks_opens_after_the_gap_and_once_where_it_comes_twice() {
        let window = Window::parse(LISBON, "30 1 * * *", 20).unwrap();
        assert_eq!(
            window.open_at(at("2026-03-29T01:10:00Z")).map(|open| open.starts),
            Some(at("2026-03-29T01:00:00Z"))
        );
        assert!(window.open_at(at("2026-10-25T00:40:00Z")).is_some());
        assert_eq!(window.open_at(at("2026-10-25T01:40:00Z")), None);
    }

    #[test]
    fn windows_that_are_longer_than_their_interval_never_close() {
        let window = Window::parse("Etc/UTC", "0 * * * *", 90).unwrap();
        for minute in 0..300 {
            let now = at("2026-11-23T00:00:00Z") + SignedDuration::from_mins(minute);
            let open = window.open_at(now).unwrap();
            assert!(
                open.ends.duration_since(now) >= SignedDuration::from_mins(30),
                "the next takes over"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_where_and_what_to_write_instead() {
        let table = [
            ("Sao Paulo", "0 3 * * 0", "\"Sao Paulo\" is not an IANA time zone"),
            ("", "0 3 * * 0", "is not an IANA time zone"),
            ("Etc/UTC", "0 3 * *", "has 4 fields in place of five"),
            ("Etc/UTC", "0 0 3 * * 0", "has 6 fields"),
            ("Etc/UTC", "", "has 0 fields"),
            ("Etc/UTC", "@daily", "has 1 fields"),
            ("Etc/UTC", "60 3 * * 0", "the minute \"60\""),
            ("Etc/UTC", "0 24 * * 0", "the hour \"24\""),
            ("Etc/UTC", "0 3 0 * 0", "the day of the month \"0\""),
            ("Etc/UTC", "0 3 * 13 0", "the month \"13\""),
            ("Etc/UTC", "0 3 * * 8", "the day of the week \"8\""),
            ("Etc/UTC", "0 3 * * sunday!", "the day of the week \"sunday!\""),
            ("Etc/UTC", "0 3 @daily * 0", "the day of the month \"@daily\""),
            ("Etc/UTC", "0 3 ç * 0", "the day of the month \"ç\""),
            ("Etc/UTC", "0 3 30 2 *", "never happens"),
        ];
        for (zone, cron, words) in table {
            let error = Schedule::parse(zone, cron).unwrap_err().to_string();
            assert!(error.contains(words), "{zone} {cron}: {error}");
        }
        for minutes in [0, -1, LONGEST + 1] {
            assert_eq!(
                Window::parse("Etc/UTC", "0 3 * * 0", minutes),
                Err(ScheduleError::Duration(minutes))
            );
        }
    }

    #[test]
    fn what_people_write_is_understood() {
        for cron in [
            "0 8 * * 1-5",
            "*/15 * * * *",
            "0 2 * * SUN",
            "0 0 1,15 jan-mar *",
            "0 0 29 2 *",
            "0 3 * * 7",
            "0 0 * 2 1#5",
        ] {
            assert!(Schedule::parse("Etc/UTC", cron).is_ok(), "{cron}");
        }
        let sundays = schedule("Etc/UTC", "0 3 * * 7");
        assert_eq!(
            sundays.next_after(at("2026-11-23T00:00:00Z")),
            Some(at("2026-11-29T03:00:00Z"))
        );
    }

    #[test]
    fn a_leap_day_is_waited_for() {
        let leap = schedule("Etc/UTC", "0 0 29 2 *");
        assert_eq!(
            leap.next_after(at("2026-11-23T00:00:00Z")),
            Some(at("2028-02-29T00:00:00Z"))
        );
        assert_eq!(
            leap.latest_before(at("2026-11-23T00:00:00Z")),
            Some(at("2024-02-29T00:00:00Z"))
        );
    }
}
