use super::*;
use crate::arguments::table;

/// What these arguments give, where the environment says nothing.
fn read(arguments: &[&str]) -> Result<Connect, String> {
    read_in(arguments, || Ok(None))
}

fn read_in(arguments: &[&str], environment: fn() -> Result<Option<String>, Error>) -> Result<Connect, String> {
    let mut given = Given::default();
    let asked = TABLE.read(&mut Parser::from_args(arguments), &mut given).map_err(|error| error.to_string())?;
    assert_eq!(asked, Asked::Command);
    given.settle(environment).map_err(|error| error.to_string())
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<Setting> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn the_table_is_sound() {
    table::tests::is_sound(&TABLE);
}

#[test]
fn a_url_is_all_it_takes() {
    let plain = read(&["localhost:9502/chat"]).expect("enough");
    assert_eq!(plain.url, "ws://localhost:9502/chat");
    assert_eq!(plain.sources, [Source::Lines("-".into())]);
    assert_eq!((plain.wait, plain.close_code, plain.ends), (Some(WAIT), 1000, Ends::Line));
    assert_eq!(read(&["unix:/run/s"]).expect("enough").url, "unix:/run/s");
    assert_eq!(read(&["wss://[::1]"]).expect("enough").url, "wss://[::1]");
    assert_eq!(read(&["http://a"]).expect("enough").url, "http://a");
    assert_eq!(read(&["a:1/?next=http://b"]).expect("enough").url, "ws://a:1/?next=http://b");
    assert_eq!(read(&["a/b://c"]).expect("enough").url, "ws://a/b://c");
    assert!(read(&[]).is_err() && read(&["one", "two"]).is_err());
}

#[test]
fn what_is_sent_keeps_its_order() {
    let arguments = ["u", "-x", "one", "--lines", "l", "--file=-", "--send", "-", "--stream", "s", "--json-lines", "j"];
    let text = |text: &str| Source::Text(text.to_owned());
    let sources = [
        text("one"),
        Source::Lines("l".into()),
        Source::File("-".into()),
        text("-"),
        Source::Stream("s".into()),
        Source::Json("j".into()),
    ];
    assert_eq!(read(&arguments).expect("sense").sources, sources);
}

#[test]
fn what_goes_by_other_names() {
    let given = read(&["u", "-s", "a", "-s", "b", "--cookie", "k=1", "--cookie", "l=2", "--reconnect", "--host=h:1"]);
    let settings = [("host", "h:1"), ("subprotocols", "a,b"), ("cookie", "k=1; l=2"), ("reconnect", "on")];
    assert_eq!(given.expect("sense").settings, pairs(settings));
    let given = read(&["u", "-H", "X-A:b: c ", "--header", "X-Empty:", "-H", "host: other", "--resolve", "u:80:::1"]);
    let given = given.expect("sense");
    assert_eq!(given.headers, pairs([("X-A", "b: c"), ("X-Empty", "")]));
    assert_eq!(given.settings, pairs([("resolve", "u:80:::1"), ("host", "other")]));
}

#[test]
fn who_it_is_is_said_once() {
    let basic = pairs([("Authorization", "Basic bWU6c2VjcmV0")]);
    assert_eq!(read(&["u", "--user", "me:secret"]).expect("sense").headers, basic);
    let environment = || Ok(Some("Bearer t".to_owned()));
    let given = |arguments| read_in(arguments, environment).expect("sense").headers;
    assert_eq!(given(&["u"]), pairs([("Authorization", "Bearer t")]));
    // What the command line says goes first.
    assert_eq!(given(&["u", "--user", "me:secret"]), basic);
    assert_eq!(given(&["ws://me:secret@u"]), []);
    assert_eq!(given(&["u", "-H", "authorization: x"]), pairs([("authorization", "x")]));
    for twice in [
        &["ws://me@u", "--user", "me:secret"][..],
        &["ws://me@u", "-H", "authorization: x"],
        &["u", "--user", "me:secret", "-H", "Authorization: x"],
    ] {
        assert!(read(twice).expect_err("nonsense").contains("both say who it is"), "{twice:?}");
    }
}

#[test]
fn who_counts_waits() {
    assert_eq!(read(&["u", "-n", "3"]).expect("sense").wait, None);
    assert_eq!(read(&["u", "-n3", "-w", "0.5"]).expect("sense").wait, Some(Duration::from_millis(500)));
    assert_eq!(read(&["u", "--wait", "forever"]).expect("sense").wait, None);
    assert_eq!(read(&["u", "--wait=0"]).expect("sense").wait, Some(Duration::ZERO));
}

#[test]
fn nothing_that_is_given_is_passed_over() {
    let cases: &[(&[&str], &str)] = &[
        (&["u", "--cookie", "a=1", "-H", "cookie: b=2"], "Cookie"),
        (&["u", "-o", "https://a", "-H", "Origin: https://b"], "Origin"),
        (&["u", "--user-agent", "a", "-H", "User-Agent: b"], "User-Agent"),
        (&["u", "--option", "cookie=a=1", "-H", "Cookie: b=2"], "Cookie"),
        (&["u", "--host", "a", "-H", "Host: b"], "host is set twice"),
        (&["u", "-o", "https://a", "--option", "origin=https://b"], "origin is set twice"),
        (&["u", "-s", "a", "--option", "subprotocols=b"], "subprotocols is set twice"),
        (&["u", "--reconnect", "--option", "reconnect=off"], "reconnect is set twice"),
        (&["u", "--option", "origin=https://a", "--option", "origin=https://b"], "origin is set twice"),
        (&["u", "--timeout", "1", "--timeout", "2"], "--timeout is given twice"),
        (&["u", "-o", "https://a", "--origin", "https://b"], "--origin is given twice"),
        (&["u", "-q", "-v"], "--quiet and --verbose"),
        (&["u", "--json", "-0"], "--json and --null"),
        (&["u", "--json", "--keep-ends"], "--json and --keep-ends"),
        (&["u", "--null", "--keep-ends"], "--null and --keep-ends"),
        (&["u", "--ping-count", "1"], "--ping-count goes with --ping"),
        (&["u", "--option", "reconnect_max=1"], "goes with --reconnect"),
        (&["u", "-H", "Proxy-Authorization: x"], "goes with --proxy"),
        (&["u", "-H", "Proxy-Authorization: x", "--proxy", "http://a:b@c"], "both say who it is"),
        (&["unix:/run/s", "--proxy", "http://a"], "--proxy"),
        (&["unix:/run/s", "--resolve", "a:80:127.0.0.1"], "--resolve"),
        (&["u", "--resolve", "u:81:127.0.0.1"], "looked for there, but at u:80"),
        (&["u", "--resolve", "u:80:127.0.0.1", "--proxy", "http://p:1"], "looked for there, but at p:1"),
        (&["u", "--lines", "-", "--file", "-"], "standard input"),
        (&["u", "--binary", "--stream", "-"], "--binary"),
        (&["u", "--binary", "--json-lines", "-"], "--binary"),
    ];
    for (arguments, word) in cases {
        let why = read(arguments).expect_err(word);
        assert!(why.contains(word), "{arguments:?}: {why}");
    }
}

#[test]
fn nonsense() {
    let cases: &[&[&str]] = &[
        &["u", "--close-code", "1005"],
        &["u", "--close-code", "x"],
        &["u", "--count", "0"],
        &["u", "--ping", "0"],
        &["u", "--wait", "ever"],
        &["u", "--header", "nocolon"],
        &["u", "--header", "@/no/such/file"],
        &["u", "--user", "nocolon"],
        &["u", "--option", "noequals"],
        &["u", "--json=yes"],
        &["u", "--send"],
    ];
    for case in cases {
        assert!(read(case).is_err(), "{case:?}");
    }
    assert!(read(&["u", "--reason", &"r".repeat(124)]).is_err());
}
