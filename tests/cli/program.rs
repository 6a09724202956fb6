//! `wspush` as its users run it: the program itself, with pipes for its input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Once;
use std::time::Duration;

/// A running `wspush`, which does not outlive the test.
pub struct Program {
    child: Child,
    pub input: Option<ChildStdin>,
    pub output: Option<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(arguments: &[&str]) -> Self {
        mind_the_time();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wspush"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program");
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self { child, input, output }
    }

    /// Writes to its input.
    pub fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("an input").write_all(bytes).expect("written");
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// A line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().expect("an output").read_line(&mut line).expect("a line");
        line.strip_suffix('\n').unwrap_or_else(|| panic!("the output ended with {line:?}")).to_owned()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh").success());
    }

    /// Waits for its end: what is left of its output, its exit code, and what it has written on standard error.
    pub fn end(mut self) -> End {
        let mut end = End { output: Vec::new(), errors: String::new(), code: None };
        if let Some(mut output) = self.output.take() {
            output.read_to_end(&mut end.output).expect("its output");
        }
        self.child.stderr.take().expect("a pipe").read_to_string(&mut end.errors).expect("text");
        end.code = self.child.wait().expect("an end").code();
        end
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct End {
    pub output: Vec<u8>,
    pub errors: String,
    pub code: Option<i32>,
}

impl End {
    pub fn text(&self) -> &str {
        text(&self.output)
    }
}

/// Runs it to its end, with nothing to read.
pub fn run(arguments: &[&str]) -> Output {
    mind_the_time();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wspush"));
    command.args(arguments).stdin(Stdio::null()).output().expect("the program")
}

/// Runs it to its end, with this to read.
pub fn run_with(input: &[u8], arguments: &[&str]) -> End {
    let mut program = Program::start(arguments);
    let mut stdin = program.input.take().expect("an input");
    let input = input.to_owned();
    // It may well end before it has read all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let end = program.end();
    writer.join().expect("written");
    end
}

/// `wspush serve`, and the URL of a client of it.
pub fn serve(arguments: &[&str]) -> (Program, u16) {
    let mut server = Program::start(&[&["serve"], arguments].concat());
    let line = server.line();
    let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (server, port.unwrap_or_else(|| panic!("{line}")))
}

pub fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/")
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// A file with this in it, gone with the test.
pub struct TempFile(pub std::path::PathBuf);

impl TempFile {
    pub fn new(name: &str, contents: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("wspush-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, contents).expect("a file");
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Ends the whole where a program hangs, for nothing else would.
fn mind_the_time() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(180));
            eprintln!("after three minutes: a program hangs");
            std::process::exit(1);
        });
    });
}
