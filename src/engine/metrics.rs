//! The counters as a text for Prometheus (exposition format 0.0.4), which `metrics_path` serves.
//!
//! It is made from the table of the counters, so that a new one is in it by itself. The reactors are told apart by a label:
//! to add them up is what the one who asks is good at.

use super::stats::{Kind, Row, Stats, TABLE};
use std::fmt::Write;

/// What the text is, for Content-Type.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters that are one in Prometheus, told apart by a label: how their names begin, the name and the label that they have
/// there, and what they mean together.
const FAMILIES: [Family; 2] = [
    ("refused_", "wspush_refusals_total", "status", "Requests refused, by the status of the answer."),
    ("closed_", "wspush_closes_total", "code", "WebSockets that closed, by the close code told to the host."),
];

/// The counters of these reactors.
#[must_use]
pub fn text<'a>(reactors: impl Iterator<Item = &'a Stats> + Clone) -> String {
    let mut out = String::with_capacity(16 * 1024);
    describe(&mut out, "wspush_build_info", "gauge", "1, with the version of the library.");
    let _ = writeln!(out, "wspush_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for row in TABLE.iter().filter(|row| member(row).is_none()) {
        let (name, kind) = match row.kind {
            Kind::Counter => (format!("wspush_{}_total", row.name), "counter"),
            Kind::Gauge => (format!("wspush_{}", row.name), "gauge"),
        };
        describe(&mut out, &name, kind, row.help);
        tell(&mut out, &name, "", row, reactors.clone());
    }
    for family in &FAMILIES {
        let (_, name, label, help) = family;
        describe(&mut out, name, "counter", help);
        for row in TABLE {
            if let Some((_, value)) = member(row).filter(|(of, _)| *of == family) {
                tell(&mut out, name, &format!(",{label}=\"{value}\""), row, reactors.clone());
            }
        }
    }
    out
}

type Family = (&'static str, &'static str, &'static str, &'static str);

/// The family that a counter is of, and the value of its label there.
fn member(row: &Row) -> Option<(&'static Family, &'static str)> {
    FAMILIES.iter().find_map(|family| Some((family, row.name.strip_prefix(family.0)?)))
}

// Writing to a string does not fail.

fn describe(out: &mut String, name: &str, kind: &str, help: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn tell<'a>(out: &mut String, name: &str, label: &str, row: &Row, reactors: impl Iterator<Item = &'a Stats>) {
    for (index, stats) in reactors.enumerate() {
        let _ = writeln!(out, "{name}{{reactor=\"{index}\"{label}}} {}", (row.field)(stats).get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_told_of_every_reactor() {
        let reactors = [Stats::default(), Stats::default()];
        reactors[0].messages_in.set(u64::MAX);
        reactors[1].messages_in.set(7);
        reactors[1].connections_open.set(3);
        reactors[1].refused_404.set(9);
        let text = text(reactors.iter());
        assert!(text.contains(
            "\n# HELP wspush_messages_in_total Messages received.\n# TYPE wspush_messages_in_total counter\n\
             wspush_messages_in_total{reactor=\"0\"} 18446744073709551615\nwspush_messages_in_total{reactor=\"1\"} 7\n"
        ));
        assert!(text.contains(
            "\n# TYPE wspush_connections_open gauge\nwspush_connections_open{reactor=\"0\"} 0\n\
             wspush_connections_open{reactor=\"1\"} 3\n"
        ));
        assert!(text.contains("\nwspush_refusals_total{reactor=\"1\",status=\"404\"} 9\n"));
        assert!(text.contains("\nwspush_closes_total{reactor=\"0\",code=\"application\"} 0\n"));
        let members = TABLE.iter().filter(|row| member(row).is_some()).count();
        assert!(members > 20);
        assert_eq!(text.lines().count(), 3 + 4 * (TABLE.len() - members) + 2 * (FAMILIES.len() + members));
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn every_line_is_of_the_form() {
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
        for line in text([Stats::default()].iter()).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "HELP", name, _, ..] => assert!(is_name(name), "{line}"),
                ["#", "TYPE", name, kind] => {
                    assert!(is_name(name), "{line}");
                    assert_eq!(kind, if name.ends_with("_total") { "counter" } else { "gauge" }, "{line}");
                }
                [sample, value] => {
                    let (name, label) = sample.split_once('{').unwrap();
                    assert!(is_name(name) && label.ends_with("\"}") && value.parse::<u64>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
    }
}
