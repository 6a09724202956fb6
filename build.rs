//! Writes the C headers from the Rust source, and sets what the linker must know of the shared library.
//!
//! Two headers come out of one source: `include/wspush.h`, documented, for C and C++, and `php-ext/src/wspush.h`, bare
//! declarations without a preprocessor, which PHP's FFI can parse. Both are committed; `make lint` fails if they are
//! not what the source gives.

use std::path::Path;

/// What is in the headers, in this order.
const SOURCES: [&str; 16] = [
    "error.rs",
    "cause.rs",
    "ffi/error.rs",
    "ffi/handle.rs",
    "ffi/server.rs",
    "ffi/connection.rs",
    "ffi/facts.rs",
    "ffi/topic.rs",
    "ffi/event.rs",
    "ffi/log.rs",
    "ffi/request.rs",
    "ffi/response.rs",
    "ffi/stats.rs",
    "ffi/client.rs",
    "ffi/client/callbacks.rs",
    "ffi/looping.rs",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/ffi");
    println!("cargo::rerun-if-changed=src/error.rs");
    println!("cargo::rerun-if-changed=src/cause.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libwspush.so.{}", abi_version());
        // A host that unloads the library while a thread of it runs would crash.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let root = Path::new(&root);
    write_header(root, documented(), "include/wspush.h");
    write_header(root, bare(), "php-ext/src/wspush.h");
}

/// The number in the SONAME is that in the header, `WS_ABI_VERSION`: a program that was linked with another one does not start.
fn abi_version() -> u32 {
    let source = std::fs::read_to_string("src/ffi/error.rs").expect("src/ffi/error.rs is part of the crate");
    let number =
        source.lines().find_map(|line| line.strip_prefix("pub const WS_ABI_VERSION: u32 = ")?.strip_suffix(';'));
    number.and_then(|number| number.parse().ok()).expect("src/ffi/error.rs says WS_ABI_VERSION in a line of its own")
}

fn write_header(root: &Path, config: cbindgen::Config, name: &str) {
    let to = root.join(name);
    if !to.parent().is_some_and(Path::is_dir) {
        // A packaged crate comes without the PHP package.
        return;
    }
    let sources = SOURCES.iter().map(|source| root.join("src").join(source));
    let builder = sources.fold(cbindgen::Builder::new(), cbindgen::Builder::with_src);
    match builder.with_config(config).generate() {
        Ok(bindings) => {
            // A source tree that cannot be written to has the committed header, and builds all the same.
            let _ = bindings.write_to_file(to);
        }
        // The compiler says better what is wrong with the source.
        Err(cbindgen::Error::ParseSyntaxError { .. }) => {}
        Err(error) => panic!("cbindgen: {error}"),
    }
}

fn common() -> cbindgen::Config {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Type,
        line_length: 120,
        tab_width: 2,
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        no_includes: true,
        ..cbindgen::Config::default()
    };
    config.export.rename.insert("Status".to_owned(), "ws_status".to_owned());
    config.export.rename.insert("Cause".to_owned(), "ws_cause".to_owned());
    config.export.include =
        ["Status", "Cause", "ws_opcode", "ws_event_type", "ws_log_level"].map(str::to_owned).to_vec();
    config
}

fn documented() -> cbindgen::Config {
    let about = "/* wspush: a WebSocket engine in a shared library. https://www.rfc-editor.org/rfc/rfc6455\n *\n * \
                 Made from src/ffi by cbindgen; do not edit. How to begin, the options, and the conventions that hold for\n \
                 * every function are in README.md. */";
    cbindgen::Config {
        header: Some(about.to_owned()),
        include_guard: Some("WSPUSH_H".to_owned()),
        cpp_compat: true,
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        ..common()
    }
}

fn bare() -> cbindgen::Config {
    let mut config = cbindgen::Config {
        header: Some("/* Made from src/ffi by cbindgen; do not edit. */".to_owned()),
        documentation: false,
        ..common()
    };
    config.export.exclude = vec!["WS_ABI_VERSION".to_owned()];
    config
}
