//! Options by name: values, ranges, and the table in the README.

use super::*;

#[test]
fn the_defaults_are_those_of_the_table() {
    let mut options = Options::default();
    for row in TABLE {
        options.set(row.name, row.default).unwrap();
    }
    assert_eq!(options, Options::default());
}

#[test]
fn units() {
    let mut options = Options::default();
    for (name, value) in [("max_message_size", "64M"), ("close_timeout", "200ms"), ("ping_interval", "2")] {
        options.set(name, value).unwrap();
    }
    assert_eq!(options.max_message_size, 64 << 20);
    assert_eq!(options.close_timeout, Duration::from_millis(200));
    assert_eq!(options.ping_interval, Duration::from_secs(2));
}

#[test]
fn lists() {
    let mut options = Options::default();
    options.set("subprotocols", " v2.chat,v1.chat ").unwrap();
    assert_eq!(options.admission.subprotocols, ["v2.chat", "v1.chat"]);
    for value in ["a b", "a,,b", ",", &vec!["x"; 65].join(",")] {
        assert!(options.set("subprotocols", value).is_err(), "{value}");
    }
    options.set("subprotocols", " ").unwrap();
    assert_eq!(options, Options::default());
}

#[test]
fn choices() {
    let mut options = Options::default();
    for (name, choice) in SlowClient::NAMES.iter().zip(SlowClient::ALL) {
        options.set("slow_client", name).unwrap();
        assert_eq!(options.slow_client, choice);
        let is_named = matches!(choice, SlowClient::Close(code) if *name == format!("close_{code}"));
        assert!(is_named || *name == format!("{choice:?}").to_lowercase(), "{name} {choice:?}");
    }
    let error = options.set("slow_client", "close").unwrap_err();
    assert_eq!(error.status, Status::WS_ERR_VALUE);
    assert!(error.detail.contains("refuse, drop, close_1008 or close_1013"), "{}", error.detail);
}

#[test]
fn permissions_are_octal() {
    let mut options = Options::default();
    assert_eq!(options.unix_permissions(), None);
    for (text, bits) in [("660", 0o660), ("0600", 0o600), ("777", 0o777), ("000", 0)] {
        options.set("unix_mode", text).unwrap();
        assert_eq!(options.unix_permissions(), Some(bits), "{text}");
    }
    for text in ["6", "66", "668", "1777", "00660", "rw-rw----", "0x1b", "-660", " 660"] {
        assert_eq!(options.set("unix_mode", text).unwrap_err().status, Status::WS_ERR_VALUE, "{text}");
    }
    assert!(options.set("unix_owner", "a:b").is_err() && options.set("unix_group", "a\n").is_err());
}

#[test]
fn watermarks_follow_from_the_limit_and_go_together() {
    let settled = |values: &[(&str, &str)]| {
        let mut options = Options::default();
        values.iter().for_each(|(name, value)| options.set(name, value).unwrap());
        options.settle().map(|()| (options.high_watermark, options.low_watermark))
    };
    assert_eq!(settled(&[]).unwrap(), (M, M / 2));
    assert_eq!(settled(&[("max_queued_bytes", "1K")]).unwrap(), (256, 128));
    assert_eq!(settled(&[("high_watermark", "100K")]).unwrap(), (100 * K, 50 * K));
    assert_eq!(settled(&[("high_watermark", "4M"), ("low_watermark", "1")]).unwrap(), (4 * M, 1));
    assert_eq!(settled(&[("high_watermark", "1")]).unwrap(), (1, 0));
    for values in [("high_watermark", "5M"), ("low_watermark", "1M")] {
        let error = settled(&[values]).unwrap_err();
        assert_eq!(error.status, Status::WS_ERR_VALUE);
        assert!(error.detail.contains(values.0), "{}", error.detail);
    }
}

#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    let mut options = Options::default();
    let values = ["", "-1", "+1", "1e3", "0", "3G", "1 0", "M", "99999999999999999999", "1048576x"];
    for value in values {
        let error = options.set("max_message_size", value).unwrap_err();
        assert_eq!(error.status, Status::WS_ERR_VALUE, "{value}");
        assert!(error.detail.contains("1 to 2G"), "{}", error.detail);
    }
    assert_eq!(options.set("reuse_port", "maybe").unwrap_err().status, Status::WS_ERR_VALUE);
    assert_eq!(options.set("max_mesage_size", "1").unwrap_err().status, Status::WS_ERR_OPTION);
    assert_eq!(options, Options::default());
}

/// A table is in README.md as it is here.
fn check_readme<O>(table: &[Row<O>]) {
    let default = |row: &Row<O>| if row.default.is_empty() { "none" } else { row.default };
    let line = |row: &Row<O>| format!("| `{}` | {} | {} | {} |\n", row.name, row.range(), default(row), row.meaning);
    let table: String = table.iter().map(line).collect();
    assert!(include_str!("../../README.md").contains(&table), "README.md must have this table:\n{table}");
}

#[test]
fn the_readme_has_the_table() {
    check_readme(TABLE);
}

#[test]
fn clients_have_a_table_in_the_readme() {
    check_readme(CLIENT_TABLE);
}
