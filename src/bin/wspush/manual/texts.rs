//! The texts of help and man page that are not about one option.

use super::Text::{self, Entry, Plain};

pub const WHOLE: &str = "\
wspush: a WebSocket client and a test server

    wspush [connect] URL [OPTIONS]    print what comes, send what is typed
    wspush serve [HOST:PORT]          the quickest server: it echoes
    wspush serve --chat [HOST:PORT]   one that you talk through

    wspush completions SHELL          completions of bash, zsh or fish
    wspush man                        the man page

    echo hello | wspush ws://127.0.0.1:9502/chat
    wspush --json --count 3 unix:/run/app.sock:/feed

wspush connect --help and wspush serve --help have the rest.
";

pub const CONNECT: &[Text] = &[
    Plain("It prints each message that comes, and sends each line of standard input as a message."),
    Plain(
        "URL is ws://HOST[:PORT][/PATH] or unix:SOCKET[:/PATH]; ws:// may be left out. @PATH reads the URL from a file.",
    ),
];

pub const CONNECT_NOTES: &[Text] = &[
    Plain("Times are seconds, such as 0.5, or numbers with ms, s, m or h."),
    Plain(
        "A text message is printed with a line feed behind it, a binary one as it is. On a terminal, text is printed \
         without what could control it, and of binary the first bytes.",
    ),
    Plain(
        "Everybody on a machine can read command lines. Secrets are safer in a file, by @PATH, or in the environment; what \
         the command line says goes first.",
    ),
    Entry("WSPUSH_USER", "NAME:PASSWORD for basic authentication, as --user"),
    Entry("WSPUSH_TOKEN", "a token, sent as Authorization: Bearer TOKEN"),
    Plain(
        "SIGINT, SIGTERM, SIGHUP and SIGQUIT close the connection with --close-code; a second one ends the program at \
         once. A signal that was ignored when the program started stays ignored. The program exits with",
    ),
    Entry("0", "closed in order: with 1000, 1001, no code, or the code asked for"),
    Entry("1", "arguments that make no sense, a file that cannot be read or written"),
    Entry("2", "no connection: no such name, refused, unreachable"),
    Entry("3", "the handshake failed: the server or proxy refused, or answered badly"),
    Entry("4", "closed with another code, or cut; or before --count messages had come"),
    Entry("5", "the time was up: --timeout, --wait with --count, or that to connect"),
    Entry("128 + N", "signal N: 129 SIGHUP, 130 SIGINT, 131 SIGQUIT, 143 SIGTERM"),
];

pub const SERVE: &[Text] = &[Plain(
    "It prints \"listening on HOST:PORT\" for each address, serves until SIGINT, SIGTERM, SIGHUP or SIGQUIT, and then \
     closes every connection with 1001. A second signal ends it at once. A signal that was ignored when the program \
     started stays ignored.",
)];

pub const SERVE_NOTES: &[Text] = &[
    Plain(
        "With --chat it says \"listening on\" on standard error, so that there are only messages on standard output. It reads \
         standard input when the first client is there, and no faster than the clients take it; one that takes nothing for \
         five seconds is cut. On a terminal, a message has the number of its connection before it, and Ctrl-D ends the \
         server. Without a terminal the server stays when standard input has ended.",
    ),
    Plain("It exits with 0 when it was told to stop, and with 1 when it cannot start."),
];
