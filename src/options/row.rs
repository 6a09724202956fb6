//! What a table of options consists of. There is one for servers and one for clients; each sets the fields of its own struct.

use super::Options;
use super::values::{LIST_MAX, bytes, in_bytes, list, milliseconds, number, switch};
use crate::error::{Error, Result, Status};
use std::time::Duration;

/// One row of a table, which sets something in an `O`.
pub struct Row<O: 'static> {
    /// The name, as given to `ws_server_set` or `ws_client_set`.
    pub name: &'static str,
    /// Its value when it is not set, as it would be written.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
    pub(super) field: Field<O>,
}

/// The kind of value of an option: where it goes, and the range it must lie in.
pub(super) enum Field<O: 'static> {
    Count(fn(&mut O) -> &mut u64, u64, u64),
    Bytes(fn(&mut O) -> &mut u64, u64, u64),
    Time(fn(&mut O) -> &mut Duration, u64, u64),
    Switch(fn(&mut O) -> &mut bool),
    /// One of these names; the function is given its place among them.
    Choice(&'static [&'static str], fn(&mut O, usize)),
    List(fn(&mut O) -> &mut Vec<String>, fn(&str) -> bool, &'static str),
    Text(fn(&mut O) -> &mut String, fn(&str) -> bool, &'static str),
    /// A text that no error repeats, for there may be a password in it.
    Secret(fn(&mut O) -> &mut String, fn(&str) -> bool, &'static str),
    /// What this option of a server takes, set in the options of an engine.
    Engine(fn(&mut O) -> &mut Options, &'static Row<Options>),
}

/// Sets the option of this name in a table.
pub(super) fn set<O>(table: &[Row<O>], options: &mut O, name: &str, value: &str) -> Result<()> {
    let Some(row) = table.iter().find(|row| row.name == name) else {
        let names: Vec<_> = table.iter().map(|row| row.name).collect();
        let detail = format!("no option \"{name}\"; there are {}", names.join(", "));
        return Err(Error::new(Status::WS_ERR_OPTION, detail));
    };
    row.set(options, value).ok_or_else(|| {
        let detail = match row.field {
            Field::Secret(..) => format!("option {name}: it takes {}", row.range()),
            _ => format!("option {name} = \"{value}\": it takes {}", row.range()),
        };
        Error::new(Status::WS_ERR_VALUE, detail)
    })
}

impl<O> Row<O> {
    /// The values it takes, in words.
    #[must_use]
    pub fn range(&self) -> String {
        match self.field {
            Field::Count(_, least, most) => format!("a number from {least} to {most}"),
            Field::Bytes(_, least, most) => format!("bytes, or K, M, G: {} to {}", in_bytes(least), in_bytes(most)),
            Field::Time(_, 0, most) => format!("seconds, or ms, s, m, h: 0 or 1ms to {}h", most / 3_600_000),
            Field::Time(_, least, most) => format!("seconds, or ms, s, m, h: {least}ms to {}h", most / 3_600_000),
            Field::Switch(_) => "on or off".to_owned(),
            Field::Choice([names @ .., last], _) => format!("{} or {last}", names.join(", ")),
            Field::Choice([], _) => String::new(),
            Field::List(_, _, what) => format!("at most {LIST_MAX} {what}, with commas between them"),
            Field::Text(_, _, what) | Field::Secret(_, _, what) => what.to_owned(),
            Field::Engine(_, row) => row.range(),
        }
    }

    /// Sets it. `None` if it does not take this value.
    fn set(&self, options: &mut O, value: &str) -> Option<()> {
        match self.field {
            Field::Count(field, least, most) => number(value, least, most).map(|n| *field(options) = n),
            Field::Bytes(field, least, most) => bytes(value, least, most).map(|n| *field(options) = n),
            Field::Time(field, least, most) => {
                milliseconds(value, least, most).map(|ms| *field(options) = Duration::from_millis(ms))
            }
            Field::Switch(field) => switch(value).map(|on| *field(options) = on),
            Field::Choice(names, set) => {
                names.iter().position(|name| *name == value.trim()).map(|index| set(options, index))
            }
            Field::List(field, is_one, _) => list(value, is_one).map(|list| *field(options) = list),
            Field::Text(field, is_one, _) | Field::Secret(field, is_one, _) => {
                (value.is_empty() || is_one(value)).then(|| *field(options) = value.to_owned())
            }
            Field::Engine(engine, row) => row.set(engine(options), value),
        }
    }
}
