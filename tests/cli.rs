//! `wspush` as its users run it: the program itself, with pipes for its input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A running `wspush`, which does not outlive the test.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wspush"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.strip_suffix('\n').unwrap_or_else(|| panic!("the output ended with {line:?}")).to_owned()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    }

    /// Waits for its end: its exit code, and what it has written on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
        (self.child.wait().expect("an end").code(), errors)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `wspush serve`, and the port it listens on.
fn serve(arguments: &[&str]) -> (Program, u16) {
    let mut server = Program::start(&[&["serve"], arguments].concat());
    let line = server.line();
    let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (server, port.unwrap_or_else(|| panic!("{line}")))
}

/// Runs it to its end, with nothing to read.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wspush"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the program")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

// ---- a client to test servers with --------------------------------------------------------------------------------------

/// A WebSocket, opened by hand.
struct Raw(TcpStream);

impl Raw {
    fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let request = "GET /there HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let head = head(&mut stream);
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(stream)
    }

    /// Sends a short frame, with a mask that changes nothing.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).expect("sent");
    }

    /// Receives a short frame.
    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut payload).expect("its payload");
        (head[0], payload)
    }
}

/// Reads a head of HTTP to the byte.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

// ---- what it says of itself ---------------------------------------------------------------------------------------------

#[test]
fn help_and_version_are_told_on_standard_output() {
    for arguments in [&["--help"][..], &["-h"], &["serve", "--help"]] {
        let told = run(arguments);
        assert_eq!(told.status.code(), Some(0));
        assert!(text(&told.stdout).contains("wspush serve"), "{arguments:?}");
        assert!(told.stderr.is_empty());
    }
    let version = run(&["--version"]);
    assert_eq!(text(&version.stdout), concat!("wspush ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn bad_arguments_are_an_error() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "nothing to do"),
        (&["--nonsense"], "--nonsense"),
        (&["serve", "--listen", "nowhere"], "HOST:PORT"),
        (&["serve", "--option", "nonsense=1"], "nonsense"),
        (&["serve", "--option", "max_message_size=none"], "max_message_size"),
    ];
    for (arguments, word) in cases {
        let refused = run(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(refused.stdout.is_empty());
        assert!(text(&refused.stderr).starts_with("wspush: "), "{refused:?}");
        assert!(text(&refused.stderr).contains(word), "{refused:?}");
    }
}

// ---- serve --------------------------------------------------------------------------------------------------------------

#[test]
fn an_echo_comes_back_as_it_went() {
    let (mut server, port) = serve(&["--echo"]);
    let mut client = Raw::open(port);
    client.send(0x81, b"hello");
    assert_eq!(client.receive(), (0x81, b"hello".to_vec()));
    client.send(0x82, &[0, 255]);
    assert_eq!(client.receive(), (0x82, vec![0, 255]));
    server.signal("TERM");
    assert_eq!(client.receive().0, 0x88);
    drop(client);
    assert_eq!(server.end(), (Some(0), String::new()));
}

#[test]
fn a_broadcast_reaches_everyone() {
    let (_server, port) = serve(&["--broadcast", "--listen", "127.0.0.1:0"]);
    let mut clients = [Raw::open(port), Raw::open(port), Raw::open(port)];
    // The others are told as open before this one's message is read, for their upgrades were answered.
    clients[0].send(0x81, b"all");
    for client in &mut clients {
        assert_eq!(client.receive(), (0x81, b"all".to_vec()));
    }
}

#[test]
fn files_are_served_beside() {
    let root = std::env::temp_dir().join(format!("wspush-cli-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("a directory");
    std::fs::write(root.join("page.txt"), "a page").expect("a file");
    let (_server, port) = serve(&["--root", root.to_str().expect("a path")]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"GET /page.txt HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\na page"), "{answer}");
    std::fs::remove_dir_all(root).expect("removed");
}

#[test]
fn verbose_says_who_comes_and_goes() {
    let (mut server, port) = serve(&["--verbose", "--option", "log_level=notice"]);
    let mut client = Raw::open(port);
    client.send(0x81, b"hello");
    client.receive();
    client.send(0x88, &[0x0f, 0xa0, 0x1b, b'!']);
    assert_eq!(client.receive(), (0x88, vec![0x0f, 0xa0, 0x1b, b'!']));
    assert_eq!(client.0.read(&mut [0]).expect("the end"), 0);
    server.signal("INT");
    let (code, errors) = server.end();
    assert_eq!(code, Some(0));
    for line in ["1: opened /there from 127.0.0.1", "1: text of 5 bytes", "1: closed with 4000 \\x1b!"] {
        assert!(errors.lines().any(|known| known == line), "{errors}");
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let (_server, port) = serve(&[]);
    let second = run(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("in use"), "{second:?}");
}

#[test]
fn it_listens_in_several_places() {
    let path = std::env::temp_dir().join(format!("wspush-cli-{}.sock", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let (mut server, _) = serve(&["-l", "127.0.0.1:0", "-l", &unix]);
    assert_eq!(server.line(), format!("listening on {unix}"));
    server.signal("INT");
    assert_eq!(server.end().0, Some(0));
}
