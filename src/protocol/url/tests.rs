//! URLs as hosts, proxies and redirects give them: what is taken, what is refused and why.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<(Scheme, String, u16, String), UrlError> {
    Url::parse(text).map(|url| (url.scheme, url.host, url.port, url.target))
}

#[test]
fn what_is_taken() {
    use Scheme::{Unix, Ws, Wss};
    /// Scheme, host, port and target.
    type Parts = (Scheme, &'static str, u16, &'static str);
    let rows: &[(&str, Parts, &str)] = &[
        ("ws://example.com", (Ws, "example.com", 80, "/"), "example.com"),
        ("WS://Example.COM:80/Chat", (Ws, "example.com", 80, "/Chat"), "example.com"),
        ("ws://example.com:8080?a=b", (Ws, "example.com", 8080, "/?a=b"), "example.com:8080"),
        ("ws://example.com:/?", (Ws, "example.com", 80, "/?"), "example.com"),
        ("ws://example.com./a?b?c/../d:/e", (Ws, "example.com.", 80, "/a?b?c/../d:/e"), "example.com."),
        ("wss://example.com", (Wss, "example.com", 443, "/"), "example.com"),
        ("wss://example.com:80/", (Wss, "example.com", 80, "/"), "example.com:80"),
        ("ws://chat_1", (Ws, "chat_1", 80, "/"), "chat_1"),
        ("ws://xn--mnchen-3ya.example", (Ws, "xn--mnchen-3ya.example", 80, "/"), "xn--mnchen-3ya.example"),
        ("ws://127.0.0.1:1", (Ws, "127.0.0.1", 1, "/"), "127.0.0.1:1"),
        ("ws://[::1]", (Ws, "::1", 80, "/"), "[::1]"),
        ("ws://[2001:DB8:0::7]:65535/x", (Ws, "2001:db8::7", 65535, "/x"), "[2001:db8::7]:65535"),
        ("ws://[fe80::1%25eth0]/a", (Ws, "fe80::1%eth0", 80, "/a"), "[fe80::1]"),
        ("ws://[FE80::1%252]:81/", (Ws, "fe80::1%2", 81, "/"), "[fe80::1]:81"),
        ("ws://[::ffff:10.0.0.1]:00080", (Ws, "::ffff:10.0.0.1", 80, "/"), "[::ffff:10.0.0.1]"),
        ("unix:////run//chat", (Unix, "/run//chat", 0, "/"), "localhost"),
        ("ws://a/b/./c/../d/..", (Ws, "a", 80, "/b/"), "a"),
        ("ws://a/../../b%2f%2E%2e", (Ws, "a", 80, "/b%2f%2E%2e"), "a"),
        ("ws://a//b//", (Ws, "a", 80, "//b//"), "a"),
        ("ws://a/?user@host", (Ws, "a", 80, "/?user@host"), "a"),
        ("unix:/run/chat.sock", (Unix, "/run/chat.sock", 0, "/"), "localhost"),
        ("unix:///run/chat.sock", (Unix, "/run/chat.sock", 0, "/"), "localhost"),
        ("UNIX:/run/chat.sock:/", (Unix, "/run/chat.sock", 0, "/"), "localhost"),
        (
            "unix:/run/a:b c/\u{e9}.sock:/room?u=ws://x",
            (Unix, "/run/a:b c/\u{e9}.sock", 0, "/room?u=ws://x"),
            "localhost",
        ),
    ];
    for (text, (scheme, host, port, target), header) in rows {
        let expected = Ok((*scheme, (*host).to_owned(), *port, (*target).to_owned()));
        assert_eq!(parse(text), expected, "{text}");
        assert_eq!(Url::parse(text).unwrap().host_header(), *header, "{text}");
    }
}

#[test]
fn what_is_refused_and_why() {
    let label = "a".repeat(64);
    let name = format!("{}b", "a.".repeat(127));
    let rows: &[(&str, UrlError)] = &[
        ("", UrlError::Scheme),
        ("example.com", UrlError::Scheme),
        ("//example.com", UrlError::Scheme),
        ("http://example.com", UrlError::Scheme),
        (" ws://example.com", UrlError::Scheme),
        ("\u{feff}ws://example.com", UrlError::Scheme),
        ("w\u{17f}://example.com", UrlError::Scheme),
        ("localhost:80", UrlError::Scheme),
        ("ws:example.com", UrlError::Slashes),
        ("ws:/example.com", UrlError::Slashes),
        ("ws:\\\\example.com", UrlError::Slashes),
        ("ws://", UrlError::NoHost),
        ("ws:///chat", UrlError::NoHost),
        ("ws://?a", UrlError::NoHost),
        ("ws://:80", UrlError::NoHost),
        ("ws://user@/", UrlError::NoHost),
        ("ws://user@:80/", UrlError::NoHost),
        ("ws://exa mple.com", UrlError::Character),
        ("ws://example.com\n", UrlError::Character),
        ("ws://example.com\0.evil.example/", UrlError::Character),
        ("ws://example.com\\@evil.example/", UrlError::UserInfo),
        ("ws://example.com\\.evil.example/", UrlError::Character),
        ("ws://a/b c", UrlError::Character),
        ("ws://a/b\r\nX: y", UrlError::Character),
        ("ws://a/b\tc", UrlError::Character),
        ("ws://a/b\\..\\c", UrlError::Character),
        ("ws://a/\u{7f}", UrlError::Character),
        ("ws://m\u{fc}nchen.example/", UrlError::Punycode),
        ("ws://a\u{3002}b/", UrlError::Punycode),
        ("ws://a/caf\u{e9}", UrlError::Unencoded),
        ("ws://a/%zz", UrlError::Unencoded),
        ("ws://a/?b=%4", UrlError::Unencoded),
        ("ws://a/%", UrlError::Unencoded),
        ("ws://a/b|c", UrlError::Unencoded),
        ("ws://a/?{}", UrlError::Unencoded),
        ("ws://a/<b>", UrlError::Unencoded),
        ("ws://a/[b]", UrlError::Unencoded),
        ("ws://a/?^`\"", UrlError::Unencoded),
        ("ws://a%2eb/", UrlError::Host),
        ("ws://a..b/", UrlError::Host),
        ("ws://.a/", UrlError::Host),
        ("ws://./", UrlError::Host),
        ("ws://a,b/", UrlError::Host),
        ("ws://<a>/", UrlError::Host),
        (&format!("ws://{label}/"), UrlError::Host),
        (&format!("ws://{name}/"), UrlError::Host),
        ("ws://127.1/", UrlError::Ipv4),
        ("ws://2130706433/", UrlError::Ipv4),
        ("ws://0x7f000001/", UrlError::Ipv4),
        ("ws://a.0X7F/", UrlError::Ipv4),
        ("ws://256.0.0.1/", UrlError::Ipv4),
        ("ws://127.0.0.01/", UrlError::Ipv4),
        ("ws://127.0.0.1./", UrlError::Ipv4),
        ("ws://::1/", UrlError::Ipv6),
        ("ws://[::1/", UrlError::Ipv6),
        ("ws://[]/", UrlError::Ipv6),
        ("ws://[127.0.0.1]/", UrlError::Ipv6),
        ("ws://[example.com]/", UrlError::Ipv6),
        ("ws://[v1.a]/", UrlError::Ipv6),
        ("ws://[fe80::1%25]/", UrlError::Zone),
        ("ws://[fe80::1%]/", UrlError::Zone),
        ("ws://[fe80::1%25a%20b]/", UrlError::Zone),
        ("ws://[fe80::1%25longer-than-any-name]/", UrlError::Zone),
        ("ws://[127.0.0.1%25eth0]/", UrlError::Ipv6),
        ("ws://[fe80::1%eth0]/", UrlError::Zone),
        ("ws://[::1]80/", UrlError::Host),
        ("ws://a:0/", UrlError::Port),
        ("ws://a:65536/", UrlError::Port),
        ("ws://a:+80/", UrlError::Port),
        ("ws://a:-1/", UrlError::Port),
        ("ws://a:8x/", UrlError::Port),
        ("ws://a:80:80/", UrlError::Port),
        ("ws://a@b@c/", UrlError::UserInfo),
        ("ws://us er@a/", UrlError::UserInfo),
        ("ws://%zz@a/", UrlError::UserInfo),
        ("ws://u:%4@a/", UrlError::UserInfo),
        ("ws://%ff@a/", UrlError::UserInfo),
        ("ws://u:%0d%0a@a/", UrlError::UserInfo),
        ("ws://u%3av:p@a/", UrlError::UserInfo),
        ("ws://\u{e9}@a/", UrlError::UserInfo),
        ("ws://u[@a/", UrlError::UserInfo),
        ("ws://a#b", UrlError::Fragment),
        ("ws://a/b#", UrlError::Fragment),
        ("ws://a/?b#c", UrlError::Fragment),
        ("unix:", UrlError::UnixPath),
        ("unix:run/chat.sock", UrlError::UnixPath),
        ("unix://run/chat.sock", UrlError::UnixPath),
        ("unix:/run/", UrlError::UnixPath),
        ("unix:/run/chat.sock:", UrlError::UnixPath),
        ("unix:/run/chat.sock?a=b", UrlError::UnixPath),
        ("unix:/run/chat.sock#a", UrlError::UnixPath),
        ("unix::/chat", UrlError::UnixPath),
        ("unix:/run/a\0b", UrlError::Character),
        ("unix:/run/a:/b c", UrlError::Character),
        ("unix:/run/a:/b#c", UrlError::Fragment),
    ];
    for (text, expected) in rows {
        assert_eq!(Url::parse(text), Err(*expected), "{text:?}");
        assert!(expected.to_string().len() > 15, "{expected:?}");
    }
}

#[test]
fn names_and_passwords() {
    let rows: &[(&str, Option<&str>, Option<&str>)] = &[
        ("a", None, None),
        ("@a", None, None),
        ("user@a", Some("user"), None),
        ("user:@a", Some("user"), Some("")),
        (":secret@a", Some(""), Some("secret")),
        ("us%65r:p%40ss%3a%3A:w%c3%b6rd@a", Some("user"), Some("p@ss:::w\u{f6}rd")),
        ("%25+!$:&'()*,;=@a", Some("%+!$"), Some("&'()*,;=")),
    ];
    for (authority, username, password) in rows {
        let url = Url::parse(&format!("ws://{authority}/x")).unwrap();
        assert_eq!((url.username.as_deref(), url.password.as_deref(), url.host.as_str()), (*username, *password, "a"));
    }
}

#[test]
fn passwords_are_not_shown() {
    let url = Url::parse("ws://user:secret@[::1]:9502/chat?a").unwrap();
    assert_eq!(url.to_string(), "ws://[::1]:9502/chat?a");
    assert_eq!(format!("{url:?}"), "Url(ws://[::1]:9502/chat?a)");
    let proxy = Url::parse_proxy("http://user:secret@proxy.example:3128").unwrap();
    assert_eq!(proxy.to_string(), "http://proxy.example:3128");
}

#[test]
fn proxies() {
    let proxy = Url::parse_proxy("HTTP://user:p%40ss@Proxy.example:3128/").unwrap();
    assert_eq!((proxy.scheme, proxy.host.as_str(), proxy.port), (Scheme::Http, "proxy.example", 3128));
    assert_eq!((proxy.username.as_deref(), proxy.password.as_deref()), (Some("user"), Some("p@ss")));
    assert_eq!(Url::parse_proxy("http://[::1]").unwrap().authority(), "[::1]:80");
    let rows = [
        ("proxy.example:3128", UrlError::ProxyScheme),
        ("https://proxy.example:3128", UrlError::ProxyScheme),
        ("socks5://proxy.example:1080", UrlError::ProxyScheme),
        ("ws://proxy.example", UrlError::ProxyScheme),
        ("http:proxy.example", UrlError::Slashes),
        ("http://proxy.example:3128/a", UrlError::ProxyTarget),
        ("http://proxy.example:3128?", UrlError::ProxyTarget),
        ("http://proxy.example:3128/?a", UrlError::ProxyTarget),
        ("http://proxy.example:3128#a", UrlError::Fragment),
        ("http://proxy.example:0", UrlError::Port),
        ("http://:3128", UrlError::NoHost),
    ];
    for (text, expected) in rows {
        assert_eq!(Url::parse_proxy(text), Err(expected), "{text}");
    }
}

#[test]
fn references_are_resolved_as_the_rfc_shows() {
    // RFC 3986 sections 5.4.1 and 5.4.2, without the fragments, which are dropped, and but for what it calls backward
    // compatibility.
    let base = Url::parse("ws://a/b/c/d;p?q").unwrap();
    let rows = [
        ("http:g", Err(UrlError::Slashes)),
        ("g:h", Err(UrlError::RedirectScheme)),
        ("g", Ok("ws://a/b/c/g")),
        ("./g", Ok("ws://a/b/c/g")),
        ("g/", Ok("ws://a/b/c/g/")),
        ("/g", Ok("ws://a/g")),
        ("//g", Ok("ws://g/")),
        ("?y", Ok("ws://a/b/c/d;p?y")),
        ("g?y", Ok("ws://a/b/c/g?y")),
        ("#s", Ok("ws://a/b/c/d;p?q")),
        ("g#s", Ok("ws://a/b/c/g")),
        ("g?y#s", Ok("ws://a/b/c/g?y")),
        ("g#s/../x", Ok("ws://a/b/c/g")),
        ("g#s/./x?y#z", Ok("ws://a/b/c/g")),
        (";x", Ok("ws://a/b/c/;x")),
        ("g;x", Ok("ws://a/b/c/g;x")),
        ("", Ok("ws://a/b/c/d;p?q")),
        (".", Ok("ws://a/b/c/")),
        ("./", Ok("ws://a/b/c/")),
        ("..", Ok("ws://a/b/")),
        ("../", Ok("ws://a/b/")),
        ("../g", Ok("ws://a/b/g")),
        ("../..", Ok("ws://a/")),
        ("../../", Ok("ws://a/")),
        ("../../g", Ok("ws://a/g")),
        ("../../../g", Ok("ws://a/g")),
        ("../../../../g", Ok("ws://a/g")),
        ("/./g", Ok("ws://a/g")),
        ("/../g", Ok("ws://a/g")),
        ("g.", Ok("ws://a/b/c/g.")),
        (".g", Ok("ws://a/b/c/.g")),
        ("g..", Ok("ws://a/b/c/g..")),
        ("..g", Ok("ws://a/b/c/..g")),
        ("./../g", Ok("ws://a/b/g")),
        ("./g/.", Ok("ws://a/b/c/g/")),
        ("g/./h", Ok("ws://a/b/c/g/h")),
        ("g/../h", Ok("ws://a/b/c/h")),
        ("g;x=1/./y", Ok("ws://a/b/c/g;x=1/y")),
        ("g;x=1/../y", Ok("ws://a/b/c/y")),
        ("g?y/./x", Ok("ws://a/b/c/g?y/./x")),
        ("g?y/../x", Ok("ws://a/b/c/g?y/../x")),
    ];
    for (location, expected) in rows {
        let found = base.join(location).map(|url| url.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{location}");
    }
}

#[test]
fn redirects() {
    let rows = [
        ("ws://a/x?y", "http://b:8080", Ok("ws://b:8080/")),
        ("ws://a/x?y", "HTTPS://b/c", Ok("wss://b/c")),
        ("ws://a/x?y", "wss://b", Ok("wss://b/")),
        ("ws://a/x?y", "//b:81/c", Ok("ws://b:81/c")),
        ("wss://a/x?y", "//b/c", Ok("wss://b/c")),
        ("wss://a/x?y", "https://b/c", Ok("wss://b/c")),
        ("wss://a/x?y", "http://a/x?y", Err(UrlError::RedirectDowngrade)),
        ("wss://a/x?y", "ws://a:443/", Err(UrlError::RedirectDowngrade)),
        ("ws://a/x?y", "/c?u=http://d", Ok("ws://a/c?u=http://d")),
        ("ws://a/x?y", "c/d:e", Ok("ws://a/c/d:e")),
        ("ws://a/x?y", "?c:d", Ok("ws://a/x?c:d")),
        ("ws://a/x?y", "http://user:secret@b/", Err(UrlError::RedirectUserInfo)),
        ("ws://a/x?y", "//user@b/", Err(UrlError::RedirectUserInfo)),
        ("ws://a/x?y", "//@b/", Err(UrlError::RedirectUserInfo)),
        ("ws://a/x?y", "unix:/run/other.sock", Err(UrlError::RedirectScheme)),
        ("ws://a/x?y", "javascript:alert(1)", Err(UrlError::RedirectScheme)),
        ("ws://a/x?y", "file:///etc/passwd", Err(UrlError::RedirectScheme)),
        ("ws://a/x?y", "///b", Err(UrlError::NoHost)),
        ("ws://a/x?y", "/\\b", Err(UrlError::Character)),
        ("ws://a/x?y", "\\\\b/c", Err(UrlError::Character)),
        ("ws://a/x?y", "/b c", Err(UrlError::Character)),
        ("ws://a/x?y", "b\r\nX: y", Err(UrlError::Character)),
        ("ws://a/x?y", "/caf\u{e9}", Err(UrlError::Unencoded)),
        ("ws://a/x?y", "http://caf\u{e9}/", Err(UrlError::Punycode)),
        ("ws://a/x?y", "http://b:0/", Err(UrlError::Port)),
        ("unix:/run/a.sock:/x", "/y", Ok("unix:/run/a.sock:/y")),
        ("unix:/run/a.sock:/x", "y?z", Ok("unix:/run/a.sock:/y?z")),
        ("unix:/run/a.sock:/x", "//b/y", Err(UrlError::RedirectScheme)),
        ("unix:/run/a.sock:/x", "unix:/run/a.sock:/y", Err(UrlError::RedirectScheme)),
        ("unix:/run/a.sock:/x", "http://localhost/y", Ok("ws://localhost/y")),
    ];
    for (base, location, expected) in rows {
        let found = Url::parse(base).unwrap().join(location).map(|url| url.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{base} {location:?}");
    }
}

#[test]
fn credentials_stay_with_their_origin() {
    let base = Url::parse("ws://user:secret@a:81/x").unwrap();
    let rows = [
        ("/y", true),
        ("y", true),
        ("", true),
        ("//A:81/y", true),
        ("http://a:81/y", true),
        ("http://a/y", false),
        ("https://a:81/y", false),
        ("http://b:81/y", false),
        ("http://a.b:81/y", false),
        ("//a.:81/y", false),
    ];
    for (location, stays) in rows {
        let there = base.join(location).unwrap();
        assert_eq!(there.same_origin(&base), stays, "{location}");
        let expected = stays.then_some(("user", "secret"));
        assert_eq!(there.username.as_deref().zip(there.password.as_deref()), expected, "{location}");
    }
    let socket = Url::parse("unix:/run/a.sock").unwrap();
    assert!(socket.same_origin(&Url::parse("unix:/run/a.sock:/y").unwrap()));
    assert!(!socket.same_origin(&Url::parse("unix:/run/b.sock").unwrap()));
}

/// RFC 3986 section 5.2.4 to the letter, on a path that begins with a slash.
fn without_dot_segments_naively(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        let cut = |output: &mut String| output.truncate(output.rfind('/').unwrap_or(0));
        if input.starts_with("/./") || input == "/." {
            input.replace_range(..input.len().min(3), "/");
        } else if input.starts_with("/../") || input == "/.." {
            input.replace_range(..input.len().min(4), "/");
            cut(&mut output);
        } else {
            let end = input[1..].find('/').map_or(input.len(), |slash| slash + 1);
            output.extend(input.drain(..end));
        }
    }
    output
}

proptest! {
    #[test]
    fn dot_segments_are_removed_as_the_rfc_says(path in "(/|/\\.|/\\.\\.|/[a.]{1,3}){1,9}") {
        prop_assert_eq!(reference::without_dot_segments(&path), without_dot_segments_naively(&path));
    }

    #[test]
    fn what_is_taken_reads_the_same_again(
        text in "(ws|wss|unix|http):(//?)?([a-z]{1,3}@)?(\\[::1?\\]|[a-z0-9._-]{0,5}|/[a-z:/ ]{0,6})(:[0-9]{0,5})?([a-z/.?%:-]{0,12})",
        location in "((ws|http|unix|x):)?(/{0,3})[a-z0-9./?:@ #\\\\]{0,12}",
    ) {
        for url in [Url::parse(&text), Url::parse(&text).and_then(|url| url.join(&location))].into_iter().flatten() {
            let again = Url::parse(&url.to_string());
            let bare = Url { username: None, password: None, ..url.clone() };
            prop_assert_eq!(again, Ok(bare));
            prop_assert!(url.target.starts_with('/') && url.target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert!(crate::protocol::http::target::is_authority(url.host_header().as_bytes()));
        }
    }

    #[test]
    fn nothing_panics(text in "(ws://|unix:|http://)?\\PC{0,20}", other in any::<String>()) {
        for text in [&text, &other] {
            let _ = Url::parse_proxy(text);
            let _ = Url::parse(text);
            let _ = Url::parse("ws://a/b?c").unwrap().join(text);
        }
    }
}
