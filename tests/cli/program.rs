//! `wspush` as its users run it: the program itself, with pipes for its input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Once;
use std::time::Duration;

pub const PATH: &str = env!("CARGO_BIN_EXE_wspush");

/// A running `wspush`, which does not outlive the test.
pub struct Program {
    child: Child,
    pub input: Option<ChildStdin>,
    pub output: Option<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(PATH);
        command.args(arguments);
        Self::run(command)
    }

    /// Has a shell do something, and then become the program.
    pub fn start_after(shell: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}\nexec \"$0\" \"$@\""), PATH]).args(arguments);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        prepare();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
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

    /// A line that it says on standard error.
    pub fn error_line(&mut self) -> String {
        let mut line = Vec::new();
        let errors = self.child.stderr.as_mut().expect("a pipe");
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            errors.read_exact(&mut byte).expect("a line");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text").trim_end().to_owned()
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
        let mut end = End { output: Vec::new(), errors: String::new(), code: None, died: false };
        if let Some(mut output) = self.output.take() {
            output.read_to_end(&mut end.output).expect("its output");
        }
        self.child.stderr.take().expect("a pipe").read_to_string(&mut end.errors).expect("text");
        let status = self.child.wait().expect("an end");
        // As shells have it.
        end.code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        end.died = status.signal().is_some();
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
    /// A signal has ended it.
    pub died: bool,
}

impl End {
    pub fn text(&self) -> &str {
        text(&self.output)
    }
}

/// Runs it to its end, with nothing to read.
pub fn run(arguments: &[&str]) -> Output {
    prepare();
    let mut command = Command::new(PATH);
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
    (server, port_in(&line))
}

/// The port in `listening on HOST:PORT`.
pub fn port_in(line: &str) -> u16 {
    let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or_else(|| panic!("{line}"))
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
/// Once: a program that hangs ends the tests, and programs find the signals as a terminal has them. Whoever runs the tests in the
/// background has them ignored, and that is inherited.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: no handler is set, and none of ours is replaced.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(180));
            eprintln!("after three minutes: a program hangs");
            std::process::exit(1);
        });
    });
}
