//! Times as people write them, in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use repred::Time;

const DAY: u64 = 86_400;

/// The time by the system's clock.
pub(crate) fn now() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::ZERO + now
}

/// A time as `2023-11-14T22:13:20.000000000Z`.
pub(crate) fn text(time: Time) -> String {
    let since = time.since(Time::ZERO);
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// The date so many days after the beginning of 1970 (Howard Hinnant, *chrono-Compatible Low-Level
/// Date Algorithms*: years that begin in March have their odd day at the end).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The days from the beginning of 1970 to a date; `None` if it is before that.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

/// The time that a text says: `2023-11-14`, `2023-11-14T22:13`, the same with seconds and a `Z`, or
/// how long ago it is: `90s`, `30m`, `2h`, `7d`.
pub(crate) fn parse(text: &str) -> Result<Time, String> {
    let wrong = || "a date such as 2023-11-14T22:13:20Z, or how long ago, such as 2h".to_owned();
    let micros = match ago(text) {
        Some(ago) => Some(now().since(Time::ZERO).saturating_sub(ago).as_micros() as u64),
        None => moment(text).map(|seconds| seconds * 1_000_000),
    };
    micros.map(Time::from_micros).ok_or_else(wrong)
}

fn ago(text: &str) -> Option<Duration> {
    let (unit, seconds) = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)]
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The seconds from the beginning of 1970 to a date with or without a time.
fn moment(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "0:0:0"));
    let [year, month, day] = numbers(date, '-')?;
    let time = if time.matches(':').count() == 1 { &format!("{time}:0") } else { time };
    let [hour, minute, second] = numbers(time, ':')?;
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && year < 100_000;
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !is_date || !is_time {
        return None;
    }
    Some(days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let numbers: Vec<_> = text.split(between).map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_700_000_000, "2023-11-14T22:13:20.000000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000000Z"),
        ] {
            let time = Time::from_micros(seconds * 1_000_000);
            assert_eq!(text(time), expected);
            assert_eq!(parse(&expected.replace(".000000000", "")), Ok(time));
        }
    }

    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        for day in 0..200_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn a_time_may_be_partial_and_nonsense_is_refused() {
        let midnight = Time::from_micros(1_699_920_000_000_000);
        assert_eq!(parse("2023-11-14"), Ok(midnight));
        assert_eq!(parse("2023-11-14 00:00"), Ok(midnight));
        assert!(parse("2h").is_ok_and(|time| time > midnight));
        for wrong in ["", "h", "yesterday", "2023-13-01", "2023-11-14T25:00", "1969-01-01", "-1d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
