//! What `wspush serve` is given.

use super::{Command, Error, Setting, other, values};
use lexopt::Parser;
use lexopt::prelude::*;
use std::net::Ipv6Addr;

const HELP: &str = include_str!("serve.txt");

/// What `wspush serve` is given.
#[derive(Debug, PartialEq, Eq)]
pub struct Serve {
    pub addresses: Vec<(String, i32)>,
    pub broadcast: bool,
    pub settings: Vec<Setting>,
    pub verbose: bool,
}

pub fn parse(parser: &mut Parser) -> Result<Command, Error> {
    let mut serve = Serve { addresses: Vec::new(), broadcast: false, settings: Vec::new(), verbose: false };
    let mut echo = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('l') | Long("listen") => serve.addresses.push(address(&values::text(parser)?)?),
            Long("echo") => echo = true,
            Long("broadcast") => serve.broadcast = true,
            Long("root") => serve.settings.push(("document_root".to_owned(), values::text(parser)?)),
            Long("option") => serve.settings.push(values::setting(parser)?),
            Short('v') | Long("verbose") => serve.verbose = true,
            argument => return other(argument, HELP),
        }
    }
    if echo && serve.broadcast {
        return Err("--echo and --broadcast exclude each other".into());
    }
    if serve.addresses.is_empty() {
        serve.addresses.push(("127.0.0.1".to_owned(), 0));
    }
    Ok(Command::Serve(serve))
}

fn address(text: &str) -> Result<(String, i32), Error> {
    if text.starts_with("unix:") {
        return Ok((text.to_owned(), 0));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    // Of an address without brackets the last number may be no port.
    let is_host = !host.contains(':') || host.starts_with('[') || host.parse::<Ipv6Addr>().is_ok();
    match port.parse::<u16>() {
        Ok(port) if is_host && !host.is_empty() => Ok((host.to_owned(), port.into())),
        _ => Err(format!("--listen {text}: it takes HOST:PORT, a port, or unix:PATH").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Command, String> {
        parse(&mut Parser::from_args(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses() {
        let known = [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("8080", "127.0.0.1", 8080),
            ("[::1]:0", "[::1]", 0),
            ("unix:/run/a:b.sock", "unix:/run/a:b.sock", 0),
        ];
        for (text, host, port) in known {
            assert_eq!(address(text).ok(), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", "localhost", ":80", "::1", "[::1]", "localhost:", "localhost:65536", "localhost:-1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn it_listens_somewhere_and_does_one_thing() {
        let Ok(Command::Serve(plain)) = read(&[]) else { panic!() };
        assert_eq!(plain.addresses, [("127.0.0.1".to_owned(), 0)]);
        assert!(!plain.broadcast);
        assert!(read(&["--echo", "--broadcast"]).is_err());
        assert!(read(&["somewhere"]).is_err() && read(&["--option", "reactors"]).is_err());
        let Ok(Command::Serve(set)) = read(&["--root=/srv", "--option", "paths=/a=b"]) else { panic!() };
        let settings = [("document_root", "/srv"), ("paths", "/a=b")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(set.settings, settings);
    }
}
