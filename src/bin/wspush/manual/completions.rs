//! Completions of shells: scripts that know the commands, their options, and what those take.

use super::{COMMANDS, Chapter, description};
use crate::arguments::table::{Hint, Shown};
use wspush::options::{CLIENT_TABLE, TABLE};

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }
}

pub fn write(shell: Shell, chapters: &[Chapter]) -> String {
    match shell {
        Shell::Bash => bash(chapters),
        Shell::Zsh => zsh(chapters),
        Shell::Fish => fish(chapters),
    }
}

/// The words a value can begin with, where they are known.
fn words(hint: Hint) -> Vec<&'static str> {
    match hint {
        Hint::ClientOption => CLIENT_TABLE.iter().map(|row| row.name).collect(),
        Hint::ServerOption => TABLE.iter().map(|row| row.name).collect(),
        Hint::Nothing | Hint::File | Hint::Directory => Vec::new(),
    }
}

/// The names of an option: `-x`, `--send`.
fn names(option: &Shown) -> impl Iterator<Item = String> + use<> {
    let short = option.short.map(|short| format!("-{short}"));
    short.into_iter().chain([format!("--{}", option.long)])
}

// ---- bash ----------------------------------------------------------------------------------------------------------

fn bash(chapters: &[Chapter]) -> String {
    let mut out = "\
# Completion of bash for wspush:  source <(wspush completions bash)
_wspush() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=connect
    COMPREPLY=()
    # bash takes --name=value for three words.
    if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
    [[ ${COMP_WORDS[1]} == @(COMMANDS) && $COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]}
    case $command:$before in
"
    .replace("COMMANDS", &COMMANDS.join("|"));
    for chapter in chapters {
        for option in chapter.all() {
            let Some(takes) = option.takes else { continue };
            let patterns: Vec<_> = names(option).map(|name| format!("{}:{name}", chapter.name)).collect();
            let reply = match takes.hint {
                Hint::Nothing => "return".to_owned(),
                Hint::File => "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); return".to_owned(),
                Hint::Directory => "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$word\")); return".to_owned(),
                hint => {
                    let words = words(hint).join(" ");
                    format!("compopt -o nospace; COMPREPLY=($(compgen -S = -W '{words}' -- \"$word\")); return")
                }
            };
            out.push_str(&format!("    {}) {reply} ;;\n", patterns.join("|")));
        }
    }
    out.push_str("    completions:completions) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")); return ;;\n");
    out.push_str("    help:help) COMPREPLY=($(compgen -W 'connect serve' -- \"$word\")); return ;;\n    esac\n");
    out.push_str("    local words=\n    case $command in\n");
    for chapter in chapters {
        let all: Vec<String> = chapter.all().flat_map(names).collect();
        out.push_str(&format!("    {}) words='{}' ;;\n", chapter.name, all.join(" ")));
    }
    out.push_str(&format!(
        "    esac\n    [[ $COMP_CWORD == 1 ]] && words=\"{} $words\"\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n\
         }}\ncomplete -F _wspush wspush\n",
        COMMANDS.join(" ")
    ));
    out
}

// ---- zsh -----------------------------------------------------------------------------------------------------------

fn zsh(chapters: &[Chapter]) -> String {
    let mut out =
        "#compdef wspush\n# Completion of zsh for wspush: put it into a directory of $fpath as _wspush.\n".to_owned();
    for chapter in chapters {
        out.push_str(&format!("_wspush_{}() {{\n    _arguments -s \\\n", chapter.name));
        for option in chapter.all() {
            for name in names(option) {
                out.push_str(&format!("        '{}' \\\n", zsh_option(option, &name)));
            }
        }
        // Nothing is said of the URL: a message beside it keeps zsh from inserting a match.
        out.push_str("        '*:URL:{false}'\n}\n");
    }
    out.push_str(&format!(
        "_wspush() {{\n    local command=${{words[2]}}\n    if (( CURRENT == 2 )); then\n        compadd {}\n        \
         _wspush_connect\n        return\n    fi\n    case $command in\n    \
         connect|serve) words=(${{words[1]}} ${{words[3,-1]}}); (( CURRENT-- )); _wspush_$command ;;\n    \
         completions) compadd bash zsh fish ;;\n    help) compadd connect serve ;;\n    man) ;;\n    \
         *) _wspush_connect ;;\n    esac\n}}\n\
         if [ \"$funcstack[1]\" = _wspush ]; then _wspush \"$@\"; else compdef _wspush wspush; fi\n",
        COMMANDS.join(" ")
    ));
    out
}

/// An option as `_arguments` takes it.
fn zsh_option(option: &Shown, name: &str) -> String {
    let repeated = if option.is_repeatable { "*" } else { "" };
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(['[', ']', ':'], " ").replace('\'', "'\\''");
    let about = escaped(&description(option));
    let Some(takes) = option.takes else { return format!("{repeated}{name}[{about}]") };
    let action = match takes.hint {
        Hint::Nothing => " ".to_owned(),
        Hint::File => "_files".to_owned(),
        Hint::Directory => "_files -/".to_owned(),
        hint => format!("compadd -S = {}", words(hint).join(" ")),
    };
    // With `=` behind a long name the value may follow that as well.
    let equals = if name.starts_with("--") { "=" } else { "" };
    format!("{repeated}{name}{equals}[{about}]:{}:{action}", escaped(takes.name))
}

// ---- fish ----------------------------------------------------------------------------------------------------------

fn fish(chapters: &[Chapter]) -> String {
    let mut out =
        "# Completion of fish for wspush:  wspush completions fish | source\ncomplete -c wspush -f\n".to_owned();
    for command in COMMANDS {
        out.push_str(&format!("complete -c wspush -n __fish_use_subcommand -a {command}\n"));
    }
    let first = "complete -c wspush -n '__fish_seen_subcommand_from";
    out.push_str(&format!("{first} completions' -a 'bash zsh fish'\n{first} help' -a 'connect serve'\n"));
    for chapter in chapters {
        let condition = match chapter.name {
            // It needs no name.
            "connect" => "not __fish_seen_subcommand_from serve completions man help".to_owned(),
            name => format!("__fish_seen_subcommand_from {name}"),
        };
        for option in chapter.all() {
            let short = option.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            let about = description(option).replace('\\', "\\\\").replace('\'', "\\'");
            let takes = match option.takes.map(|takes| takes.hint) {
                None => String::new(),
                Some(Hint::Nothing) => " -x".to_owned(),
                Some(Hint::File) => " -r -F".to_owned(),
                Some(Hint::Directory) => " -x -a '(__fish_complete_directories)'".to_owned(),
                Some(hint) => format!(" -x -a '{}='", words(hint).join("= ")),
            };
            out.push_str(&format!(
                "complete -c wspush -n '{condition}'{short} -l {}{takes} -d '{about}'\n",
                option.long
            ));
        }
    }
    out
}
