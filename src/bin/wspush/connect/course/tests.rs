use super::*;
use crate::arguments::{self, Command};

/// A course, and a moment so many milliseconds after its beginning.
fn course(words: &str) -> (Course, impl Fn(u64) -> Instant) {
    let words = ["connect", "localhost"].into_iter().chain(words.split_whitespace()).map(Into::into);
    let Ok(Command::Connect(arguments)) = arguments::parse(words) else { panic!() };
    let start = Instant::now();
    (Course::new(&arguments, start), move |ms| start + Duration::from_millis(ms))
}

#[test]
fn without_news_there_is_nothing_to_do() {
    let (mut course, at) = course("");
    assert_eq!(course.deadline(None), None);
    assert_eq!(course.tick(None, at(1_000_000)), Act::Nothing);
}

#[test]
fn it_ends_a_while_after_input_and_the_last_message() {
    let (mut course, at) = course("--wait 2");
    course.hear(&News::Opened, at(10));
    assert_eq!(course.deadline(Some(at(20))), None);
    course.hear(&News::InputEnded, at(100));
    assert_eq!(course.deadline(Some(at(20))), Some(at(2100)));
    assert_eq!(course.deadline(Some(at(500))), Some(at(2500)));
    assert_eq!(course.tick(Some(at(500)), at(2100)), Act::Nothing);
    assert_eq!(course.tick(Some(at(500)), at(2500)), Act::Close);
    assert_eq!(course.deadline(Some(at(500))), None);
    course.hear(&News::Closed(1000), at(2501));
    assert_eq!(course.exit(), exit::DONE);
}

#[test]
fn the_wait_goes_on_while_there_is_no_connection() {
    let (mut course, at) = course("--reconnect --wait 1");
    course.hear(&News::Opened, at(0));
    course.hear(&News::InputEnded, at(0));
    course.hear(&News::Closed(1006), at(10));
    assert_eq!(course.deadline(Some(at(5))), Some(at(1005)));
    course.hear(&News::Failed(Status::WS_ERR_CONNECT), at(500));
    assert_eq!(course.deadline(Some(at(5))), Some(at(1005)));
    assert_eq!(course.tick(Some(at(5)), at(1005)), Act::Close);
    assert_eq!(course.exit(), exit::NOT_CONNECTED);
}

#[test]
fn the_wait_begins_when_the_first_attempt_has_ended() {
    let (mut slow, at) = course("--wait 1");
    slow.hear(&News::InputEnded, at(0));
    assert_eq!(slow.deadline(None), None);
    slow.hear(&News::Opened, at(5000));
    assert_eq!(slow.deadline(None), Some(at(6000)));
    let (mut vain, at) = course("--wait 1 --reconnect");
    vain.hear(&News::InputEnded, at(0));
    vain.hear(&News::Failed(Status::WS_ERR_CONNECT), at(10));
    vain.hear(&News::Failed(Status::WS_ERR_CONNECT), at(900));
    assert_eq!(vain.tick(None, at(1010)), Act::Close);
    assert_eq!(vain.exit(), exit::NOT_CONNECTED);
}

#[test]
fn codes_of_closing() {
    for (code, expected) in [(1000, 0), (1001, 0), (1005, 0), (1006, 4), (1002, 4), (1011, 4), (4000, 4), (4001, 4)] {
        let (mut course, at) = course("--close-code 4000");
        course.hear(&News::Opened, at(0));
        course.hear(&News::Closed(code), at(0));
        assert_eq!(course.exit(), expected, "{code}");
    }
    // Unless it was what we asked for.
    for (code, expected) in [(4000, 0), (1000, 0), (4001, 4), (1006, 4)] {
        let (mut course, at) = course("--close-code 4000 --wait 0");
        course.hear(&News::Opened, at(0));
        course.hear(&News::InputEnded, at(0));
        assert_eq!(course.tick(None, at(0)), Act::Close);
        course.hear(&News::Closed(code), at(0));
        assert_eq!(course.exit(), expected, "{code}");
    }
}

#[test]
fn enough_is_enough_however_it_is_taken() {
    let (mut course, at) = course("--count 3");
    course.hear(&News::Opened, at(0));
    course.hear(&News::InputEnded, at(0));
    assert_eq!(course.deadline(None), None);
    assert_eq!(course.hear(&News::Enough, at(1)), Act::Close);
    course.hear(&News::Closed(1006), at(1));
    assert_eq!(course.exit(), exit::DONE);
}

#[test]
fn too_few_are_not() {
    let (mut early, at) = course("--count 3");
    early.hear(&News::Opened, at(0));
    early.hear(&News::Closed(1000), at(0));
    assert_eq!(early.exit(), exit::ABNORMAL);
    let (mut silent, at) = course("--count 3 --wait 1");
    silent.hear(&News::Opened, at(0));
    silent.hear(&News::InputEnded, at(0));
    assert_eq!(silent.tick(None, at(1000)), Act::Close);
    silent.hear(&News::Closed(1000), at(1000));
    assert_eq!(silent.exit(), exit::TIMEOUT);
    let (mut refused, at) = course("--count 3");
    refused.hear(&News::Failed(Status::WS_ERR_CONNECT), at(0));
    assert_eq!(refused.exit(), exit::NOT_CONNECTED);
}

#[test]
fn the_time_is_up_at_any_stage_and_the_goodbye_is_bounded() {
    let (mut course, at) = course("--timeout 3 --wait 1");
    assert_eq!(course.deadline(None), Some(at(3000)));
    assert_eq!(course.tick(None, at(3000)), Act::Close);
    assert_eq!(course.deadline(None), Some(at(9000)));
    assert_eq!(course.tick(None, at(9000)), Act::Leave);
    assert_eq!(course.exit(), exit::TIMEOUT);
}

#[test]
fn the_time_is_up_while_it_closes() {
    let (mut slow, at) = course("--timeout 3 --wait 1");
    slow.hear(&News::Opened, at(0));
    slow.hear(&News::InputEnded, at(0));
    assert_eq!(slow.tick(None, at(1000)), Act::Close);
    assert_eq!(slow.tick(None, at(3000)), Act::Leave);
    assert_eq!(slow.exit(), exit::TIMEOUT);
    // What was wanted was had before.
    let (mut enough, at) = course("--timeout 3 --count 1");
    enough.hear(&News::Opened, at(0));
    assert_eq!(enough.hear(&News::Enough, at(1000)), Act::Close);
    assert_eq!(enough.tick(None, at(3000)), Act::Leave);
    assert_eq!(enough.exit(), exit::DONE);
}

#[test]
fn a_signal_settles_it() {
    let (mut course, at) = course("--wait 0");
    course.hear(&News::Opened, at(0));
    course.hear(&News::InputEnded, at(0));
    assert_eq!(course.tick(None, at(0)), Act::Close);
    // It was closing already, slowly.
    assert_eq!(course.hear(&News::Signal(2), at(10)), Act::Nothing);
    assert_eq!(course.tick(None, at(6010)), Act::Leave);
    course.hear(&News::Closed(1006), at(6010));
    assert_eq!(course.exit(), 130);
}

#[test]
fn pings_come_in_time_and_number() {
    let (mut course, at) = course("--ping 0.1 --ping-count 2");
    assert_eq!(course.deadline(None), None);
    course.hear(&News::Opened, at(0));
    assert_eq!(course.deadline(None), Some(at(100)));
    assert_eq!(course.tick(None, at(100)), Act::Ping);
    assert_eq!(course.tick(None, at(150)), Act::Nothing);
    assert_eq!(course.tick(None, at(200)), Act::Ping);
    assert_eq!(course.deadline(None), None);
}

#[test]
fn the_wait_begins_behind_the_last_ping_that_was_asked_for() {
    let (mut some, at) = course("--ping 2 --ping-count 2 --wait 1");
    some.hear(&News::InputEnded, at(0));
    some.hear(&News::Opened, at(0));
    assert_eq!(some.deadline(None), Some(at(2000)));
    assert_eq!((some.tick(None, at(2000)), some.tick(None, at(4000))), (Act::Ping, Act::Ping));
    assert_eq!(some.deadline(None), Some(at(5000)));
    // Any number of pings is no reason to stay, nor is a connection that is lost.
    let (mut many, at) = course("--ping 2 --wait 1");
    many.hear(&News::InputEnded, at(0));
    many.hear(&News::Opened, at(0));
    assert_eq!(many.tick(None, at(1000)), Act::Close);
    let (mut lost, at) = course("--ping 2 --ping-count 2 --wait 1 --reconnect");
    lost.hear(&News::InputEnded, at(0));
    lost.hear(&News::Opened, at(0));
    lost.hear(&News::Closed(1006), at(10));
    assert_eq!(lost.tick(None, at(1000)), Act::Close);
}

#[test]
fn what_is_broken_or_unread_ends_it() {
    let (mut broken, at) = course("");
    broken.hear(&News::Opened, at(0));
    assert_eq!(broken.hear(&News::Broken("no such file".to_owned()), at(0)), Act::Close);
    broken.hear(&News::Closed(1000), at(0));
    assert_eq!(broken.exit(), exit::USAGE);
    let (mut unread, at) = course("");
    assert_eq!(unread.hear(&News::Unread, at(0)), Act::Close);
    assert_eq!(unread.exit(), exit::DONE);
}
