//! Which call is hit by which fault. Pure: it counts and decides, and does nothing itself.

use std::time::Duration;

use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::call::Call;

/// What is done to a call that is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Refused in the service's own words for too many requests.
    Throttle,
    /// Answered with an internal error, 500.
    Error,
    /// Answered with an unavailable service, 503.
    Unavailable,
    /// Never forwarded and never answered.
    Timeout,
    /// Forwarded late.
    Delay,
    /// Cut before AWS sees it.
    Drop,
    /// Cut after AWS has acted.
    LostReply,
    /// Refused in the service's own words for a missing permission.
    Deny,
    /// The operator is killed after AWS has acted, before it hears of it.
    Kill,
    /// The operator is killed before AWS sees the call.
    KillBefore,
}

impl Mode {
    const ALL: [Self; 10] = [
        Self::Throttle,
        Self::Error,
        Self::Unavailable,
        Self::Timeout,
        Self::Delay,
        Self::Drop,
        Self::LostReply,
        Self::Deny,
        Self::Kill,
        Self::KillBefore,
    ];

    /// Its word in the control interface.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Error => "error",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::LostReply => "lostReply",
            Self::Deny => "deny",
            Self::Kill => "kill",
            Self::KillBefore => "killBefore",
        }
    }
}

/// How long a client is kept waiting where a timeout does not say.
const HELD: Duration = Duration::from_mins(2);
/// The longest wait that can be asked for: nobody waits longer for a test.
const LONGEST: f64 = 3600.0;

/// One fault of the list, with its counters.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    #[serde(rename = "match")]
    pattern: String,
    #[serde(skip)]
    regex: Regex,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutating: Option<bool>,
    mode: Mode,
    skip: u64,
    /// How many calls are hit at most; none means without end, and is written as 0 or null.
    times: Option<u64>,
    every: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// How many calls it has counted.
    matched: u64,
    /// How many of them it has hit.
    hit: u64,
}

/// What a call that was hit shall suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What is done to it.
    pub mode: Mode,
    /// For `delay` and `timeout`: how long.
    pub wait: Duration,
}

/// The list of faults in force.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Reads the body of `PUT /faults`: a list, or a single fault.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write instead.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not JSON ({error}); write a list of faults such as {EXAMPLE}"))?;
        let items = match value {
            Value::Array(items) => items,
            single @ Value::Object(_) => vec![single],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(format!("the body is no list; write a list of faults such as {EXAMPLE}"));
            }
        };
        let list = items
            .iter()
            .enumerate()
            .map(|(index, item)| Fault::parse(item).map_err(|error| format!("fault {}: {error}", index + 1)))
            .collect::<Result<_, _>>()?;
        Ok(Self { list })
    }

    /// The list with its counters.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Decides about one call. Each fault that it matches counts it, up to and including the
    /// first one that hits; those behind that one do not see it.
    pub fn decide(&mut self, call: &Call, name: &str) -> Option<Hit> {
        self.list.iter_mut().find_map(|fault| fault.decide(call, name))
    }
}

const EXAMPLE: &str = r#"[{"match": "ec2.RunInstances", "mode": "lostReply"}]"#;
const FIELDS: [&str; 7] = ["match", "mutating", "mode", "skip", "times", "every", "seconds"];

impl Fault {
    fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return Err(format!("{value} is no object; write for instance {EXAMPLE}"));
        };
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(format!(
                "unknown field {unknown:?}; the fields are {}",
                FIELDS.join(", ")
            ));
        }
        let pattern = pattern(fields)?;
        // Alone first: a pattern such as `a)|(b` would be valid only inside the anchors.
        let regex = Regex::new(&pattern)
            .and_then(|_| Regex::new(&format!("^(?:{pattern})$")))
            .map_err(|error| {
                format!(
                    "match {pattern:?} is no regular expression ({error}); write one for the \
                     whole name of a call, such as \"ec2\\\\.(Run|Start)Instances\""
                )
            })?;
        let mode = mode(fields)?;
        let every = whole(fields, "every")?;
        if every == Some(0) {
            return Err("every is 0; write 1 for every call, 3 for every third one".to_owned());
        }
        let times = match whole(fields, "times")? {
            Some(0) => None,
            // `{"every": 3}` says "every third call" and names no end; without it, once is meant.
            None if fields.contains_key("times") || every.is_some() => None,
            None => Some(1),
            limit => limit,
        };
        Ok(Self {
            pattern,
            regex,
            mutating: mutating(fields)?,
            mode,
            skip: whole(fields, "skip")?.unwrap_or(0),
            times,
            every: every.unwrap_or(1),
            seconds: seconds(fields, mode)?,
            matched: 0,
            hit: 0,
        })
    }

    fn decide(&mut self, call: &Call, name: &str) -> Option<Hit> {
        let is_meant = self.mutating.is_none_or(|mutating| mutating == call.mutating);
        if !is_meant || !self.regex.is_match(name) {
            return None;
        }
        self.matched += 1;
        let due = self.matched > self.skip && (self.matched - self.skip).is_multiple_of(self.every);
        if !due || self.times.is_some_and(|times| self.hit >= times) {
            return None;
        }
        self.hit += 1;
        Some(Hit {
            mode: self.mode,
            wait: self.seconds.map_or(HELD, Duration::from_secs_f64),
        })
    }
}

fn pattern(fields: &Map<String, Value>) -> Result<String, String> {
    match fields.get("match") {
        Some(Value::String(pattern)) if !pattern.is_empty() => Ok(pattern.clone()),
        Some(Value::String(_)) => Err("match is empty; write \".*\" for every call".to_owned()),
        Some(other) => Err(format!(
            "match is {other}; write a regular expression for the whole name of a call, such as \
             \"ec2.RunInstances\""
        )),
        None => Err("match is missing; write for instance \"match\": \"ec2.RunInstances\"".to_owned()),
    }
}

fn mode(fields: &Map<String, Value>) -> Result<Mode, String> {
    let modes = || Mode::ALL.map(Mode::word).join(", ");
    match fields.get("mode") {
        Some(Value::String(word)) => Mode::ALL
            .into_iter()
            .find(|mode| mode.word() == word)
            .ok_or_else(|| format!("unknown mode {word:?}; the modes are {}", modes())),
        Some(other) => Err(format!("mode is {other}; write one of {}", modes())),
        None => Err(format!("mode is missing; write one of {}", modes())),
    }
}

fn mutating(fields: &Map<String, Value>) -> Result<Option<bool>, String> {
    match fields.get("mutating") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(mutating)) => Ok(Some(*mutating)),
        Some(other) => Err(format!(
            "mutating is {other}; write true for calls that change something, false for calls \
             that read, or leave it out for both"
        )),
    }
}

/// A whole number, or none where it is absent or null.
fn whole(fields: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("{name} is {value}; write a whole number, 0 or more")),
    }
}

fn seconds(fields: &Map<String, Value>, mode: Mode) -> Result<Option<f64>, String> {
    let value = match fields.get("seconds") {
        None | Some(Value::Null) if mode == Mode::Delay => {
            return Err("mode delay needs seconds; write for instance \"seconds\": 2.5".to_owned());
        }
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let longest = match mode {
        Mode::Delay => LONGEST,
        Mode::Timeout => HELD.as_secs_f64(),
        Mode::Throttle
        | Mode::Error
        | Mode::Unavailable
        | Mode::Drop
        | Mode::LostReply
        | Mode::Deny
        | Mode::Kill
        | Mode::KillBefore => {
            return Err(format!(
                "mode {} takes no seconds; only delay and timeout do",
                mode.word()
            ));
        }
    };
    value
        .as_f64()
        .filter(|seconds| (0.0..=longest).contains(seconds))
        .map(Some)
        .ok_or_else(|| format!("seconds is {value}; write a number from 0 to {longest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Protocol;

    fn call(name: &str, mutating: bool) -> Call {
        let (service, operation) = name.split_once('.').unwrap();
        Call {
            service: service.to_owned(),
            operation: operation.to_owned(),
            key: String::new(),
            region: String::new(),
            mutating,
            protocol: Protocol::Ec2,
        }
    }

    fn faults(value: &Value) -> Faults {
        Faults::parse(value.to_string().as_bytes()).unwrap()
    }

    /// Which of `count` equal calls are hit, counted from one.
    fn hits(faults: &mut Faults, name: &str, count: u32) -> Vec<u32> {
        (1..=count)
            .filter(|_| faults.decide(&call(name, true), name).is_some())
            .collect()
    }

    #[test]
    fn a_fault_hits_once_where_nothing_is_said() {
        let mut faults = faults(&json!([{"match": "ec2.RunInstances", "mode": "drop"}]));
        assert_eq!(hits(&mut faults, "ec2.RunInstances", 5), [1]);
    }

    #[test]
    fn skip_times_and_every_combine() {
        for (fields, expected) in [
            (json!({"skip": 2}), vec![3]),
            (json!({"times": 2}), vec![1, 2]),
            (json!({"skip": 1, "times": 3}), vec![2, 3, 4]),
            (json!({"every": 3}), vec![3, 6, 9, 12]),
            (json!({"every": 3, "times": 2}), vec![3, 6]),
            (json!({"every": 3, "skip": 2}), vec![5, 8, 11]),
            (json!({"every": 1}), (1..=12).collect()),
            (json!({"times": 0}), (1..=12).collect()),
            (json!({"times": null, "skip": 10}), vec![11, 12]),
            (json!({"every": null}), vec![1]),
        ] {
            let mut fault = json!({"match": "s3.*", "mode": "error"});
            for (key, value) in fields.as_object().unwrap() {
                fault[key] = value.clone();
            }
            let mut faults = faults(&json!([fault]));
            assert_eq!(hits(&mut faults, "s3.PutObject", 12), expected, "{fields}");
        }
    }

    #[test]
    fn the_pattern_stands_for_the_whole_name() {
        for (pattern, name, expected) in [
            ("RunInstances", "ec2.RunInstances", false),
            ("ec2.Run", "ec2.RunInstances", false),
            ("ec2\\..*", "ec2.RunInstances", true),
            ("ec2.Run|ec2.StopInstances", "ec2.RunInstances", false),
            ("ec2.RunInstances|rds.*", "rds.DeleteDBInstance", true),
            (".*", "eks.POST /clusters", true),
        ] {
            let mut faults = faults(&json!([{"match": pattern, "mode": "drop"}]));
            let is_hit = faults.decide(&call(name, true), name).is_some();
            assert_eq!(is_hit, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_calls_of_the_wanted_kind_are_counted() {
        let mut faults = faults(&json!([{"match": ".*", "mutating": true, "mode": "drop", "skip": 1}]));
        let name = "ec2.Any";
        let outcomes = [false, true, false, true].map(|mutating| faults.decide(&call(name, mutating), name).is_some());
        assert_eq!(outcomes, [false, false, false, true]);
        assert_eq!((faults.list()[0].matched, faults.list()[0].hit), (2, 1));
    }

    #[test]
    fn the_first_fault_that_hits_wins_and_hides_the_call_from_the_others() {
        let mut faults = faults(&json!([
            {"match": ".*", "mode": "throttle", "skip": 1},
            {"match": "ec2.*", "mode": "drop", "times": 2},
            {"match": "ec2.*", "mode": "deny", "times": 9},
        ]));
        let modes: Vec<_> = (0..4)
            .map(|_| faults.decide(&call("ec2.A", true), "ec2.A").unwrap().mode)
            .collect();
        assert_eq!(modes, [Mode::Drop, Mode::Throttle, Mode::Drop, Mode::Deny]);
        let counters: Vec<_> = faults.list().iter().map(|fault| (fault.matched, fault.hit)).collect();
        assert_eq!(counters, [(4, 1), (3, 2), (1, 1)]);
    }

    #[test]
    fn waits_are_taken_from_the_fault() {
        for (fault, seconds) in [
            (json!({"match": ".*", "mode": "delay", "seconds": 1.5}), 1.5),
            (json!({"match": ".*", "mode": "timeout"}), 120.0),
            (json!({"match": ".*", "mode": "timeout", "seconds": 2}), 2.0),
        ] {
            let hit = faults(&json!([fault])).decide(&call("a.B", true), "a.B").unwrap();
            assert!((hit.wait.as_secs_f64() - seconds).abs() < 1e-9);
        }
    }

    #[test]
    fn a_single_fault_needs_no_list() {
        assert_eq!(faults(&json!({"match": ".*", "mode": "drop"})).list().len(), 1);
        assert_eq!(faults(&json!([])).list().len(), 0);
    }

    #[test]
    fn the_list_is_shown_in_the_words_it_was_written_in() {
        let shown = faults(&json!([{"match": "a.B", "mode": "lostReply", "times": 0}]));
        assert_eq!(
            serde_json::to_value(shown.list()).unwrap(),
            json!([{"match": "a.B", "mode": "lostReply", "skip": 0, "times": null, "every": 1,
                    "matched": 0, "hit": 0}])
        );
        for mode in Mode::ALL {
            assert_eq!(serde_json::to_value(mode).unwrap(), json!(mode.word()));
        }
    }

    #[test]
    fn a_mistake_is_named_with_what_to_write_instead() {
        for (body, expected) in [
            ("{", "the body is not JSON"),
            ("3", "the body is no list"),
            ("[3]", "fault 1: 3 is no object"),
            (r#"[{"mode": "drop"}]"#, "match is missing"),
            (r#"[{"match": "", "mode": "drop"}]"#, r#"write ".*" for every call"#),
            (r#"[{"match": 5, "mode": "drop"}]"#, "match is 5"),
            (r#"[{"match": "(", "mode": "drop"}]"#, "no regular expression"),
            (r#"[{"match": "a)|(b", "mode": "drop"}]"#, "no regular expression"),
            (r#"[{"match": "a"}]"#, "mode is missing; write one of throttle, error"),
            (
                r#"[{"match": "a", "mode": "lost"}]"#,
                r#"unknown mode "lost"; the modes are"#,
            ),
            (r#"[{"match": "a", "mode": 1}]"#, "mode is 1"),
            (
                r#"[{"match": "a", "mode": "drop", "tims": 2}]"#,
                r#"unknown field "tims"; the fields are"#,
            ),
            (
                r#"[{"match": "a", "mode": "drop", "skip": -1}]"#,
                "skip is -1; write a whole number",
            ),
            (
                r#"[{"match": "a", "mode": "drop", "times": 1.5}]"#,
                "times is 1.5; write a whole number",
            ),
            (r#"[{"match": "a", "mode": "drop", "every": 0}]"#, "every is 0"),
            (
                r#"[{"match": "a", "mode": "drop", "mutating": "yes"}]"#,
                r#"mutating is "yes""#,
            ),
            (r#"[{"match": "a", "mode": "delay"}]"#, "mode delay needs seconds"),
            (
                r#"[{"match": "a", "mode": "delay", "seconds": -2}]"#,
                "seconds is -2; write a number",
            ),
            (
                r#"[{"match": "a", "mode": "timeout", "seconds": 121}]"#,
                "from 0 to 120",
            ),
            (
                r#"[{"match": "a", "mode": "drop", "seconds": 2}]"#,
                "mode drop takes no seconds",
            ),
            (
                r#"[{"match": "a", "mode": "drop"}, {"match": "a"}]"#,
                "fault 2: mode is missing",
            ),
        ] {
            let error = Faults::parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }
}
