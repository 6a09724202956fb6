//! A fault of ours: a panic. It is caught, and told to the host with what was wrong and where; it is not printed.
//!
//! The standard library writes each panic to stderr, which is the host's and not ours. So the C API has [`keep_quiet`] put a hook
//! before the one that is there. On our threads, inside our calls and for what our own source gives up at, it keeps the text for
//! whoever catches the panic. All else is left to the hook that was there before: a host in Rust that is linked with this crate has one
//! standard library with it, and its own panics are its own. A host that uses the crate without the C API has its hook called for
//! our faults, too, as for those of any crate; a shared library has a standard library of its own, and so a hook of its own.

use super::process;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// What the last panic of this thread said, and where it was.
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
    /// How many calls of ours are on the stack of this thread.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// What the panic of a fault is called wherever it is told.
const WHAT: &str = "a fault inside wspush; please report it";

/// Has faults of ours print nothing from now on.
pub fn keep_quiet() {
    static QUIET: AtomicBool = AtomicBool::new(false);
    // A thread that panics must not touch the hook, and has it already.
    if QUIET.load(Ordering::Acquire) || std::thread::panicking() || QUIET.swap(true, Ordering::AcqRel) {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| if is_ours(info) { keep(info) } else { before(info) }));
}

fn is_ours(info: &PanicHookInfo<'_>) -> bool {
    let is_in = |source: &str| info.location().is_some_and(|place| place.file().starts_with(source));
    let source = file!().trim_end_matches("sys/fault.rs");
    process::is_our_thread() || CALLS.try_with(Cell::get).is_ok_and(|calls| calls > 0) || is_in(source)
}

fn keep(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    let text = format!("{}{place}", said(info.payload()));
    let _ = TEXT.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = Some(text)));
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
    text.unwrap_or("no words")
}

/// Runs `body`, and turns a panic into a sentence about it: that it was a fault of ours, what was wrong, and where.
///
/// # Errors
/// The sentence.
#[inline]
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(sentence)
}

/// The same for a call of the host: what panics in there is a fault of ours, whoever's source it is in.
///
/// # Errors
/// The sentence.
#[inline]
pub fn caught_in_call<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    let count = |by: i32| CALLS.try_with(|calls| calls.set(calls.get().wrapping_add_signed(by)));
    let _ = count(1);
    let result = caught(body);
    let _ = count(-1);
    result
}

#[cold]
fn sentence(payload: Box<dyn Any + Send>) -> String {
    let kept = TEXT.try_with(RefCell::take).ok().flatten();
    format!("{WHAT}: {}", kept.as_deref().unwrap_or_else(|| said(&*payload)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What a process prints in which each of these panics, seen from outside: the test runs itself again.
    fn printed_by(name: &str) -> String {
        let program = std::env::current_exe().unwrap();
        let run = Command::new(program).args(["--exact", name, "--nocapture", "--include-ignored"]).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, error) = (text(run.stdout), text(run.stderr));
        assert!(out.contains("1 passed"), "{out}{error}");
        error
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn panics_of_ours() {
        keep_quiet();
        let told = caught_in_call(|| panic!("number {}", 7)).unwrap_err();
        assert!(told.starts_with("a fault inside wspush; please report it: number 7 ("), "{told}");
        assert!(told.contains("src/sys/fault.rs:"), "{told}");
        let thread = process::spawn("test".to_owned(), || {
            let told = caught(|| "é".split_at(1).0.len()).unwrap_err();
            assert!(told.contains("please report it: "), "{told}");
            // Nobody catches this one but the thread's own beginning.
            panic!("at the end");
        });
        thread.unwrap().join();
    }

    #[test]
    fn a_fault_prints_nothing() {
        assert_eq!(printed_by("sys::fault::tests::panics_of_ours"), "");
    }

    #[test]
    fn without_the_hook_the_words_are_there_all_the_same() {
        let told = caught(|| panic::resume_unwind(Box::new("quietly"))).unwrap_err();
        assert_eq!(told, "a fault inside wspush; please report it: quietly");
        let told = caught(|| panic::resume_unwind(Box::new(5))).unwrap_err();
        assert_eq!(told, "a fault inside wspush; please report it: no words");
    }
}
