//! Values of options, and what is said of those that are none.

use super::{Error, Setting};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// The most bytes of a file that an option is read from.
const FILE_MAX: u64 = 64 * 1024;

/// The value that an option was given.
#[derive(Debug)]
pub struct Value {
    option: &'static str,
    value: OsString,
}

impl Value {
    pub const fn new(option: &'static str, value: OsString) -> Self {
        Self { option, value }
    }

    /// As text.
    pub fn text(&self) -> Result<String, Error> {
        match self.value.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.unfit("text in UTF-8")),
        }
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.value)
    }

    /// As text that may be a secret, and so may stand in a file: `@PATH` is what the file has in its one line.
    pub fn secret(&self) -> Result<String, Error> {
        let mut lines = self.lines()?;
        match (lines.pop(), lines.is_empty()) {
            (Some(line), true) => Ok(line),
            _ => Err(format!("--{}: the file must have exactly one line", self.option).into()),
        }
    }

    /// The same, with as many lines as there are.
    fn lines(&self) -> Result<Vec<String>, Error> {
        let text = self.text()?;
        match text.strip_prefix('@') {
            Some(path) => lines_of(path).map_err(|why| format!("--{} {text}: {why}", self.option).into()),
            None => Ok(vec![text]),
        }
    }

    /// `name=value`.
    pub fn setting(&self) -> Result<Setting, Error> {
        let text = self.text()?;
        let Some((name, value)) = text.split_once('=') else { return Err(self.unfit("name=value")) };
        Ok((name.trim().to_owned(), value.to_owned()))
    }

    /// `Name: value`, or all lines of a file.
    pub fn headers(&self) -> Result<Vec<Setting>, Error> {
        let field = |line: &String| {
            // What is in a file may be secret, and is not repeated.
            let (name, value) = line.split_once(':').ok_or_else(|| match self.text() {
                Ok(text) if text.starts_with('@') => format!("--{} {text}: a line is not 'Name: value'", self.option),
                _ => self.unfit("'Name: value', or @PATH").to_string(),
            })?;
            Ok((name.to_owned(), value.trim().to_owned()))
        };
        self.lines()?.iter().map(field).collect()
    }

    /// How many there are to be, one at least.
    pub fn count(&self) -> Result<u64, Error> {
        match self.text()?.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(self.unfit("a number from 1")),
        }
    }

    /// A time.
    pub fn time(&self) -> Result<Duration, Error> {
        duration(&self.text()?).ok_or_else(|| self.unfit("seconds, or a number with ms, s, m or h"))
    }

    /// A time, or `None` for `forever`.
    pub fn time_or_forever(&self) -> Result<Option<Duration>, Error> {
        let text = self.text()?;
        if text == "forever" {
            return Ok(None);
        }
        let unfit = || self.unfit("seconds, a number with ms, s, m or h, or forever");
        duration(&text).map(Some).ok_or_else(unfit)
    }

    /// Says that it takes something else.
    pub fn unfit(&self, takes: &str) -> Error {
        format!("--{} {}: it takes {takes}", self.option, self.value.to_string_lossy()).into()
    }
}

/// The lines of a file that say something.
fn lines_of(path: &str) -> Result<Vec<String>, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > FILE_MAX {
        return Err(format!("it has more than {} KiB", FILE_MAX / 1024));
    }
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
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
