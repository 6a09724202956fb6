//! Options of `wspush connect`: what they put into the request, and where the request goes.

use crate::ends::expect;
use crate::program::{Program, TempFile, run, text, url};
use crate::raw::{Raw, listener};

/// The head of the request that a client sends with these arguments, and with these variables in its environment.
fn head_of(port_first: impl FnOnce(u16) -> Vec<String>, environment: &str) -> String {
    let (listener, port) = listener();
    let arguments = port_first(port);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--wait", "0"]).collect();
    let mut client = Program::start_after(environment, &arguments);
    client.end_input();
    let (mut peer, head) = Raw::accept_with(&listener, "");
    peer.be_closed(1000);
    let end = client.end();
    assert_eq!((end.code, end.errors.as_str()), (Some(0), ""));
    head
}

fn has_line(head: &str, line: &str) {
    assert!(head.lines().any(|known| known == line), "{line} in {head}");
}

#[test]
fn secrets_may_stand_in_files() {
    let headers = TempFile::new("headers", b"X-One: 1\n\nAuthorization: Bearer t0ken\r\n");
    let cookie = TempFile::new("cookie", b"sid=secret\n");
    let header_file = format!("@{}", headers.path());
    let cookie_file = format!("@{}", cookie.path());
    let head = head_of(
        |port| {
            vec![url(port), "-H".into(), header_file, "--cookie".into(), cookie_file, "-H".into(), "X-Two: 2".into()]
        },
        "",
    );
    for line in ["X-One: 1", "Authorization: Bearer t0ken", "X-Two: 2", "Cookie: sid=secret"] {
        has_line(&head, line);
    }
    let user = TempFile::new("user", b"me:sec ret\n");
    let user_file = format!("@{}", user.path());
    let head = head_of(|port| vec![url(port), "--user".into(), user_file], "");
    has_line(&head, "Authorization: Basic bWU6c2VjIHJldA==");
    let (listener, port) = listener();
    let place = TempFile::new("url", format!("ws://127.0.0.1:{port}/?token=secret\n").as_bytes());
    let mut client = Program::start(&[&format!("@{}", place.path()), "--wait", "0"]);
    client.end_input();
    let (mut peer, head) = Raw::accept_with(&listener, "");
    assert!(head.starts_with("GET /?token=secret HTTP/1.1\r\n"), "{head}");
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn a_file_with_a_secret_is_not_repeated() {
    let two = TempFile::new("two", b"me:secret\nyou:secret\n");
    let bad = TempFile::new("bad", b"secret without a colon\n");
    for (option, file, word) in
        [("--user", &two, "exactly one line"), ("--user", &bad, "NAME:PASSWORD"), ("-H", &bad, "Name: value")]
    {
        let refused = run(&["ws://localhost", option, &format!("@{}", file.path())]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let errors = text(&refused.stderr);
        assert!(errors.contains(word) && !errors.contains("secret"), "{errors}");
    }
}

#[test]
fn the_environment_may_say_who_it_is() {
    let plain = |port| vec![url(port)];
    let basic = "Authorization: Basic bWU6c2VjcmV0";
    has_line(&head_of(plain, "export WSPUSH_USER=me:secret"), basic);
    has_line(&head_of(plain, "export WSPUSH_TOKEN=t0ken WSPUSH_USER="), "Authorization: Bearer t0ken");
    has_line(&head_of(|port| vec![url(port), "-u".into(), "me:secret".into()], "export WSPUSH_TOKEN=t0ken"), basic);
    has_line(&head_of(|port| vec![format!("ws://me:secret@127.0.0.1:{port}")], "export WSPUSH_TOKEN=t0ken"), basic);
    for both in ["export WSPUSH_USER=me:secret WSPUSH_TOKEN=t0ken", "export WSPUSH_USER=secret"] {
        let refused = Program::start_after(both, &["ws://localhost"]).end();
        assert!(refused.code == Some(1) && !refused.errors.contains("secret"), "{refused:?}");
    }
}

#[test]
fn another_host_may_be_asked_for() {
    for option in ["--host=app.example", "--header=Host: app.example"] {
        let head = head_of(|port| vec![url(port), option.to_owned()], "");
        has_line(&head, "Host: app.example");
        assert_eq!(head.matches("Host:").count(), 1, "{head}");
    }
}

#[test]
fn a_name_may_be_led_to_an_address() {
    let there =
        |port: u16| vec![format!("ws://app.invalid:{port}/x"), format!("--resolve=App.invalid:{port}:127.0.0.1")];
    let (listener, port) = listener();
    drop(listener);
    let head = head_of(there, "");
    assert!(head.starts_with("GET /x HTTP/1.1\r\nHost: app.invalid:"), "{head}");
    // For another port it is not.
    let arguments = [&format!("ws://app.invalid:{port}/"), "--resolve", "app.invalid:1:127.0.0.1"];
    expect(Program::start(&arguments), 1, "--resolve");
}
