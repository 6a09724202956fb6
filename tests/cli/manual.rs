//! Help, man page and completions: each tells of every option, and its reader takes it.

use crate::program::{PATH, TempFile, run, text};
use std::process::{Command, Output};

/// The names of all options that the help of a command lists.
fn options(command: &str) -> Vec<String> {
    let told = run(&[command, "--help"]);
    let lines = text(&told.stdout).lines().filter(|line| line.starts_with("    -"));
    let words = lines.flat_map(|line| line.split_whitespace().take_while(|word| word.starts_with('-')));
    let names: Vec<String> = words.map(|word| word.trim_end_matches(',').to_owned()).collect();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// What a program for manuals or a shell makes of a file; `None` where there is no such program.
fn with(program: &str, arguments: &[&str], contents: &[u8], name: &str) -> Option<Output> {
    let file = TempFile::new(name, contents);
    match Command::new(program).args(arguments).arg(file.path()).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: {program} is not there");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn the_help_of_a_command_has_two_ways() {
    for command in ["connect", "serve"] {
        assert_eq!(run(&["help", command]).stdout, run(&[command, "-h"]).stdout);
    }
    assert_eq!(run(&["completions", "--help"]).stdout, run(&["--help"]).stdout);
}

#[test]
fn the_man_page_has_every_option_and_no_fault() {
    let page = run(&["man"]).stdout;
    let arguments = ["-E", "UTF-8", "--warnings", "-P", "cat", "-l"];
    let Some(shown) = with("man", &arguments, &page, "wspush.1") else { return };
    assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
    // Bold letters may be printed twice, with a backspace between.
    let letters: Vec<char> = String::from_utf8_lossy(&shown.stdout).chars().collect();
    let plain = |index: &usize| letters[*index] != '\u{8}' && letters.get(index + 1) != Some(&'\u{8}');
    let shown: String = (0..letters.len()).filter(plain).map(|index| letters[index]).collect();
    for name in options("connect").iter().chain(&options("serve")) {
        assert!(shown.contains(name), "{name}");
    }
}

/// What bash completes the last of these words to.
fn complete(words: &[&str]) -> Vec<String> {
    let script = "source <($0 completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _wspush 2>/dev/null; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let replied = Command::new("bash").args(["-c", script, PATH, "wspush"]).args(words).output().expect("bash");
    assert!(replied.stderr.is_empty(), "{replied:?}");
    text(&replied.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_options_and_their_values() {
    let file = TempFile::new("completed", b"");
    for name in options("connect") {
        assert!(complete(&["ws://host", &name]).contains(&name), "{name}");
    }
    for name in options("serve") {
        assert!(complete(&["serve", &name]).contains(&name), "{name}");
    }
    assert_eq!(complete(&["--keep"]), ["--keep-ends"]);
    assert_eq!(complete(&["serve", "--br"]), ["--broadcast"]);
    assert!(complete(&["serve", "--reconn"]).is_empty());
    assert_eq!(complete(&["se"]), ["serve"]);
    assert_eq!(complete(&["completions", ""]), ["bash", "zsh", "fish"]);
    assert_eq!(complete(&["ws://host", "--option", "reconnect_a"]), ["reconnect_attempts="]);
    assert_eq!(complete(&["serve", "--option", "", "--option", "document"]), ["document_root="]);
    let path = file.path();
    assert_eq!(complete(&["--lines", &path[..path.len() - 1]]), [path]);
    assert_eq!(complete(&["--lines", "=", &path[..path.len() - 1]]), [path]);
    assert!(complete(&["--send", "--"]).is_empty());
}

#[test]
fn other_shells_take_their_completions() {
    for (shell, arguments) in [("zsh", ["-n"]), ("fish", ["--no-execute"])] {
        let script = run(&["completions", shell]).stdout;
        for name in options("connect").iter().chain(&options("serve")) {
            let name = if shell == "fish" { name.trim_start_matches('-') } else { name };
            assert!(text(&script).contains(name), "{shell}: {name}");
        }
        let Some(read) = with(shell, &arguments, &script, &format!("completions.{shell}")) else { continue };
        assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");
    }
}

#[test]
fn fish_completes_options_and_their_values() {
    let script = "wspush completions fish | source; for line in 'wspush --keep' 'wspush serve --br' 'wspush se' \
                  'wspush --option reconnect_a'; complete -C $line; end";
    let path = std::path::Path::new(PATH).parent().expect("a directory");
    let mut fish = Command::new("fish");
    fish.args(["--no-config", "-c", script]);
    fish.env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap_or_default()));
    let Ok(replied) = fish.output() else { return eprintln!("SKIPPED: fish is not there") };
    let words: Vec<&str> = text(&replied.stdout).lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["--keep-ends", "--broadcast", "serve", "reconnect_attempts="], "{replied:?}");
}

#[test]
fn zsh_completes_options_and_their_values() {
    // It completes for a terminal alone, so it gets one: its own module for that.
    let script = r#"
        zmodload zsh/zpty || exit 3
        zpty z zsh -f -i
        zpty -w z 'PS1= TERM=dumb; autoload -U compinit; compinit -D; source <('$1' completions zsh)'
        zpty -w z 'null-line() { zle -I; print -r -- "<$BUFFER>"; BUFFER= }; zle -N null-line; bindkey ^X null-line; print re''ady'
        zpty -r z line '*ready*'
        for typed in 'wspush --keep' 'wspush serve --br' 'wspush ws://a --option reconnect_a'; do
            zpty -n -w z "$typed"$'\t\x18'
            zpty -r z line '*<*>*'
            print -r -- ${${line##*<}%%>*}
        done
        zpty -d z
    "#;
    let mut zsh = Command::new("zsh");
    let Ok(replied) = zsh.args(["-f", "-c", script, "zsh", PATH]).output() else {
        return eprintln!("SKIPPED: zsh is not there");
    };
    let lines: Vec<&str> = text(&replied.stdout).lines().map(str::trim).collect();
    assert_eq!(
        lines,
        ["wspush --keep-ends", "wspush serve --broadcast", "wspush ws://a --option reconnect_attempts="],
        "{replied:?}"
    );
}
