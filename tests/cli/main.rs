//! The command line: every test runs the program.

mod chat;
mod connect;
mod ends;
mod json;
mod manual;
mod messages;
mod options;
mod program;
mod raw;
mod serve;
mod signals;

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
        (&["ws://host", "--cookie", "a=1", "-H", "Cookie: b=2"], "both say the header Cookie"),
        (&["ws://host", "-o", "https://a", "-H", "origin: https://b"], "both say the header Origin"),
        (&["ws://host", "--timeout", "1", "--timeout", "2"], "--timeout is given twice"),
        (&["ws://host", "--user", "@/no/such/file"], "/no/such/file: No such file"),
        (&["completions", "tcsh"], "bash, zsh or fish"),
        (&["help", "me"], "me"),
        (&["man", "me"], "me"),
        (&["serve", "--chat", "--echo"], "exclude each other"),
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
