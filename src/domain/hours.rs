//! Allowed hours: a week of minutes that are open or shut, in a time zone.

use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;

const DAY: usize = 24 * 60;
const WEEK: usize = 7 * DAY;
const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

/// The minutes of a week in which log-ins are taken. Parsed from `any` or `Mo-Fr 08:00-20:00; Sa 22:00-02:00`
/// (a range that ends before it starts goes on into the next day; `24:00` is the end of a day).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHours(Option<Box<[bool]>>);

/// Whether a moment is inside the hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Open for good.
    Always,
    /// Open until then.
    OpenUntil(Timestamp),
    /// Shut.
    Shut,
}

impl AllowedHours {
    /// Always open.
    pub const ANY: AllowedHours = AllowedHours(None);

    /// Whether `now` is inside, and until when. A change of daylight saving time inside the open span is not counted:
    /// the next log-in sees the right hour again.
    pub fn at(&self, now: Timestamp, zone: &TimeZone) -> Gate {
        let Some(week) = &self.0 else { return Gate::Always };
        let Some((minute, into_minute)) = minute_of_week(now, zone) else { return Gate::Shut };
        let shut_in = (0..WEEK).find(|ahead| !week.get((minute + ahead) % WEEK).copied().unwrap_or(false));
        match shut_in {
            Some(0) => Gate::Shut,
            Some(minutes) => {
                let whole = Duration::from_secs(minutes as u64 * 60);
                Gate::OpenUntil(now + whole.saturating_sub(into_minute))
            }
            None => Gate::Always,
        }
    }
}

fn minute_of_week(now: Timestamp, zone: &TimeZone) -> Option<(usize, Duration)> {
    let local = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.clone());
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).ok()?;
    let minute = usize::try_from(local.hour()).ok()? * 60 + usize::try_from(local.minute()).ok()?;
    let into = u64::try_from(local.second()).ok()? * 1000 + u64::try_from(local.millisecond()).ok()?;
    Some((day * DAY + minute, Duration::from_millis(into)))
}

impl FromStr for AllowedHours {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "any" {
            return Ok(Self::ANY);
        }
        let mut week = vec![false; WEEK];
        for part in text.split(';') {
            let (days, times) = part.trim().split_once(' ').ok_or(())?;
            let days = day_range(days)?;
            let (from, length) = time_range(times.trim())?;
            for day in days {
                for minute in 0..length {
                    *week.get_mut((day * DAY + from + minute) % WEEK).ok_or(())? = true;
                }
            }
        }
        Ok(Self(Some(week.into())))
    }
}

fn day_range(text: &str) -> Result<Vec<usize>, ()> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name).ok_or(());
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let count = (last + 7 - first) % 7 + 1;
    Ok((0..count).map(|ahead| (first + ahead) % 7).collect())
}

fn time_range(text: &str) -> Result<(usize, usize), ()> {
    let (from, to) = text.split_once('-').ok_or(())?;
    let (from, to) = (time(from)?, time(to)?);
    if from == to || from == DAY {
        return Err(());
    }
    Ok((from, if to > from { to - from } else { to + DAY - from }))
}

fn time(text: &str) -> Result<usize, ()> {
    let (hour, minute) = text.split_once(':').ok_or(())?;
    if hour.len() != 2 || minute.len() != 2 {
        return Err(());
    }
    let (hour, minute): (usize, usize) = (hour.parse().map_err(|_| ())?, minute.parse().map_err(|_| ())?);
    let total = hour * 60 + minute;
    if minute < 60 && total <= DAY { Ok(total) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 is a Monday.
    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(moment.as_millisecond())
    }

    #[track_caller]
    fn check(hours: &str, now: &str, expected: Gate) {
        let hours: AllowedHours = hours.parse().unwrap();
        assert_eq!(hours.at(at(now), &TimeZone::UTC), expected);
    }

    #[test]
    fn opens_and_shuts_on_the_minute() {
        check("Mo-Fr 08:00-20:00", "2026-11-23T07:59:59Z", Gate::Shut);
        check("Mo-Fr 08:00-20:00", "2026-11-23T08:00:00Z", Gate::OpenUntil(at("2026-11-23T20:00:00Z")));
        check("Mo-Fr 08:00-20:00", "2026-11-23T19:59:30Z", Gate::OpenUntil(at("2026-11-23T20:00:00Z")));
        check("Mo-Fr 08:00-20:00", "2026-11-22T12:00:00Z", Gate::Shut);
    }

    #[test]
    fn goes_over_midnight_and_over_the_week() {
        check("Su 22:00-02:00", "2026-11-23T01:00:00Z", Gate::OpenUntil(at("2026-11-23T02:00:00Z")));
        check("Mo-Su 00:00-24:00", "2026-11-23T01:00:00Z", Gate::Always);
        check("any", "2026-11-23T01:00:00Z", Gate::Always);
    }

    #[test]
    fn reads_the_time_zone() {
        let hours: AllowedHours = "Mo 08:00-09:00".parse().unwrap();
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        assert_eq!(hours.at(at("2026-11-23T05:30:00Z"), &zone), Gate::OpenUntil(at("2026-11-23T06:00:00Z")));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for bad in ["", "Mo", "Mo 8-9", "Mo 08:00-08:00", "Xx 08:00-09:00", "Mo 08:00-25:00", "Mo 24:00-01:00"] {
            assert!(bad.parse::<AllowedHours>().is_err(), "took {bad}");
        }
    }
}
