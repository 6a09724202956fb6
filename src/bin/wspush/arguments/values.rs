//! Values of arguments, and what is said of those that are none.

use super::Setting;
use lexopt::prelude::*;
use lexopt::{Error, Parser};
use std::time::Duration;

/// The value of the argument at hand, as text.
pub fn text(parser: &mut Parser) -> Result<String, Error> {
    parser.value()?.string()
}

/// `name=value`.
pub fn setting(parser: &mut Parser) -> Result<Setting, Error> {
    let text = text(parser)?;
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("--option {text}: it takes name=value").into());
    };
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// `Name: value`.
pub fn header(parser: &mut Parser) -> Result<Setting, Error> {
    let text = text(parser)?;
    let Some((name, value)) = text.split_once(':') else {
        return Err(format!("--header {text}: it takes 'Name: value'").into());
    };
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// How many there are to be, one at least.
pub fn count(parser: &mut Parser, name: &str) -> Result<u64, Error> {
    let text = text(parser)?;
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("--{name} {text}: it takes a number from 1").into()),
    }
}

/// A time.
pub fn time(parser: &mut Parser, name: &str) -> Result<Duration, Error> {
    let text = text(parser)?;
    duration(&text).ok_or_else(|| format!("--{name} {text}: it takes seconds, or a number with ms, s, m or h").into())
}

/// A time, or `None` for `forever`.
pub fn time_or_forever(parser: &mut Parser, name: &str) -> Result<Option<Duration>, Error> {
    let text = text(parser)?;
    if text == "forever" {
        return Ok(None);
    }
    let unfit = || format!("--{name} {text}: it takes seconds, a number with ms, s, m or h, or forever");
    duration(&text).map(Some).ok_or_else(|| unfit().into())
}

fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let (number, seconds) = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    // `parse` alone would take a sign, an exponent and words.
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let known =
            [("0", 0), ("2", 2000), ("0.5", 500), (".25s", 250), ("30ms", 30), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, milliseconds) in known {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1", "+1", "1e3", "inf", "NaN", "1 s", "1d", "1.2.3"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(duration(&"9".repeat(30)), None);
    }
}
