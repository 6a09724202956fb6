//! The counters as a text for Prometheus (exposition format 0.0.4), which `metrics_path` serves.
//!
//! It is made from the table of the counters, so that a new one is in it by itself. The reactors are told apart by a label:
//! to add them up is what the one who asks is good at.

use super::stats::{Kind, Stats, TABLE};
use std::fmt::Write;

/// What the text is, for Content-Type.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The counters of these reactors.
#[must_use]
pub fn text<'a>(reactors: impl Iterator<Item = &'a Stats> + Clone) -> String {
    let mut out = String::with_capacity(8 * 1024);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "# HELP wspush_build_info 1, with the version of the library.\n# TYPE wspush_build_info gauge\n\
         wspush_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    for row in TABLE {
        // Names end in what they count, and those of counters in `_total` behind it.
        let (kind, suffix) = match row.kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        let name = format!("wspush_{}{suffix}", row.name);
        let help = row.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (index, stats) in reactors.clone().enumerate() {
            let _ = writeln!(out, "{name}{{reactor=\"{index}\"}} {}", (row.field)(stats).get());
        }
    }
    out
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
        let text = text(reactors.iter());
        assert!(text.contains(
            "\n# HELP wspush_messages_in_total Messages received.\n# TYPE wspush_messages_in_total counter\n\
             wspush_messages_in_total{reactor=\"0\"} 18446744073709551615\nwspush_messages_in_total{reactor=\"1\"} 7\n"
        ));
        assert!(text.contains(
            "\n# TYPE wspush_connections_open gauge\nwspush_connections_open{reactor=\"0\"} 0\n\
             wspush_connections_open{reactor=\"1\"} 3\n"
        ));
        assert_eq!(text.lines().count(), 3 + 4 * TABLE.len());
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
