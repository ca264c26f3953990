//! Waiting without sleeping blindly: something is asked for again and again until it holds or the
//! time is over, and then everything is told that helps to see why.

use std::time::{Duration, Instant};

const BETWEEN: Duration = Duration::from_millis(100);

/// Asks until the answer is `Ok`. `Err` says what was seen instead; the last of them is told when
/// the time is over, with what `explain` adds.
pub fn eventually<T>(
    within: Duration,
    what: &str,
    explain: impl FnOnce() -> String,
    mut ask: impl FnMut() -> Result<T, String>,
) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(seen) if began.elapsed() > within => panic!(
                "After {:.0} s still not: {what}.\n--- seen last\n{seen}\n{}",
                within.as_secs_f64(),
                explain()
            ),
            Err(_) => std::thread::sleep(BETWEEN),
        }
    }
}

/// Seconds, to read well where a deadline is written.
pub const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
