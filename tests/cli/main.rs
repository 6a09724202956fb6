//! The command line: every test runs the program.

mod connect;
mod ends;
mod json;
mod program;
mod raw;
mod serve;

use program::{run, text};

#[test]
fn help_and_version_are_told_on_standard_output() {
    for arguments in
        [&["--help"][..], &["-h"], &["help"], &["serve", "--help"], &["connect", "-h"], &["ws://host", "-h"]]
    {
        let told = run(arguments);
        assert_eq!(told.status.code(), Some(0));
        assert!(text(&told.stdout).starts_with("wspush"), "{arguments:?}");
        assert!(told.stderr.is_empty());
    }
    for arguments in [&["--version"][..], &["-V"], &["serve", "--version"]] {
        assert_eq!(text(&run(arguments).stdout), concat!("wspush ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn bad_arguments_are_an_error() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "no URL"),
        (&["--nonsense"], "--nonsense"),
        (&["connect"], "no URL"),
        (&["ws://host", "ws://other"], "other"),
        (&["ws://host", "--option", "nonsense=1"], "nonsense"),
        (&["ws://host", "--option", "connect_timeout=soon"], "connect_timeout"),
        (&["ws://host", "--header", "Upgrade: h2c"], "Upgrade"),
        (&["ws://host", "--header", "No Name: x"], "No Name"),
        (&["ftp://host"], "begin with ws://"),
        (&["ws://"], "host"),
        (&["wss://host"], "wss"),
        (&["ws://host", "--file", "/no/such/file"], "/no/such/file: No such file"),
        (&["serve", "--listen", "nowhere"], "HOST:PORT"),
        (&["serve", "--option", "nonsense=1"], "nonsense"),
        (&["serve", "--option", "max_message_size=none"], "max_message_size"),
    ];
    for (arguments, word) in cases {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?} {refused:?}");
        assert!(refused.stdout.is_empty());
        assert!(text(&refused.stderr).starts_with("wspush: "), "{refused:?}");
        assert!(text(&refused.stderr).contains(word), "{refused:?}");
    }
}
