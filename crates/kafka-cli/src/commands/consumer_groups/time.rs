//! Points in time as the options say them: dates as Java's `SimpleDateFormat` takes them, durations as
//! `Duration.parse`.

use std::str::FromStr;

const DAY_MS: i64 = 86_400_000;

/// `2024-12-31T23:59:59.999`, with `Z`, `+01` or `+01:00` behind it or in UTC; ms since 1970.
///
/// # Errors
/// Java's text about what is no date.
pub(super) fn datetime(text: &str) -> Result<i64, String> {
    let mut parts = text.split('T').skip(1);
    let Some(clock) = parts.next().filter(|clock| !clock.is_empty()) else {
        return Err("Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned());
    };
    let zoned = if clock.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    parse(&zoned).ok_or_else(|| format!("Unparseable date: \"{zoned}\""))
}

fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut field = |separator: &str| {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        rest = after.strip_prefix(separator)?;
        number.parse::<i64>().ok()
    };
    let (year, month, day) = (field("-")?, field("-")?, field("T")?);
    let (hour, minute, second, milli) = (field(":")?, field(":")?, field(".")?, field("")?);
    let is_there = (1..=9_999_999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && milli < 1_000;
    let clock = ((hour * 60 + minute) * 60 + second) * 1_000 + milli;
    is_there.then_some(days_since_1970(year, month, day) * DAY_MS + clock - offset_ms(rest)?)
}

/// What a zone is before UTC; what follows it counts for nothing, as in Java.
fn offset_ms(zone: &str) -> Option<i64> {
    if zone.starts_with('Z') {
        return Some(0);
    }
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let number =
        |from: usize| zone.get(from..from + 2).filter(|two| two.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let hours: i64 = number(1)?;
    let minutes: i64 = if zone[3..].starts_with(':') { number(4)? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar; years begin in March, so that the leap day is their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// `P1DT2H3M4.5S` in ms.
///
/// # Errors
/// Java's text about what is no duration.
pub(super) fn duration_ms(text: &str) -> Result<i64, String> {
    duration(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn duration(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = match upper.strip_prefix(['-', '+']) {
        Some(rest) => (upper.starts_with('-'), rest),
        None => (false, upper.as_str()),
    };
    let (date, clock) = match rest.strip_prefix('P')?.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None => (rest.strip_prefix('P')?, None),
    };
    let mut total: i64 = 0;
    let mut found = false;
    let mut date = date;
    if let Some(days) = number_before(&mut date, 'D') {
        total = days.ok()?.checked_mul(DAY_MS)?;
        found = true;
    }
    let mut clock_rest = clock.unwrap_or_default();
    if clock.is_some_and(str::is_empty) || !date.is_empty() {
        return None;
    }
    for (unit, ms) in [('H', 3_600_000), ('M', 60_000)] {
        if let Some(number) = number_before(&mut clock_rest, unit) {
            total = total.checked_add(number.ok()?.checked_mul(ms)?)?;
            found = true;
        }
    }
    if let Some(seconds) = clock_rest.strip_suffix('S') {
        total = total.checked_add(seconds_ms(seconds)?)?;
        found = true;
    } else if !clock_rest.is_empty() {
        return None;
    }
    found.then_some(if negative { total.checked_neg()? } else { total })
}

/// A letter without a number before it.
struct NoNumber;

/// Takes a number and the letter behind it off, if the letter is there.
fn number_before(rest: &mut &str, unit: char) -> Option<Result<i64, NoNumber>> {
    let (number, after) = rest.split_once(unit)?;
    *rest = after;
    Some(signed(number).ok_or(NoNumber))
}

fn signed(number: &str) -> Option<i64> {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| i64::from_str(number).ok())?
}

fn seconds_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    signed(whole)?.checked_mul(1_000)?.checked_add(sign * millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_java_reads_them() {
        assert_eq!(datetime("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(datetime("2020-02-29T12:30:15.250Z"), Ok(1_582_979_415_250));
        assert_eq!(datetime("2020-02-29T12:30:15.250+01:30"), Ok(1_582_979_415_250 - 5_400_000));
        assert_eq!(datetime("2020-02-29T12:30:15.250-01"), Ok(1_582_979_415_250 + 3_600_000));
        assert_eq!(datetime("2090-01-01T00:00:00.000+00:00"), Ok(3_786_912_000_000));
        assert!(datetime("yesterday").unwrap_err().contains("does not contain a 'T'"));
        for wrong in
            ["2020-13-01T00:00:00.000", "2021-02-29T00:00:00.000", "2020-01-01T00:00:00", "2020-01-01T24:00:00.000"]
        {
            assert_eq!(datetime(wrong), Err(format!("Unparseable date: \"{wrong}Z\"")));
        }
    }

    #[test]
    fn durations_are_read_as_java_reads_them() {
        for (text, ms) in [
            ("PT1H", 3_600_000),
            ("P2D", 2 * DAY_MS),
            ("P1DT2H3M4.567S", DAY_MS + 7_384_567),
            ("pt-5m", -300_000),
            ("-PT1.5S", -1_500),
            ("PT-0,25S", -250),
        ] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for wrong in ["1h", "P", "PT", "P1DT", "PT1H2", "P1H", "PTS", "PT1.1234567890S", "P1D2D", ""] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
