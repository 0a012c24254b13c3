//! Planted bugs (feature `sabotage`): each is noticed by a test of the suite, which is run here twice, as it is and with
//! the bug. A test that fails without the bug, or passes with it, fails this one.

use std::process::Command;

use storage::sabotage::Bug;

/// A bug, or several at once, and the test that notices: its file and its name.
struct Row {
    planted: &'static [Bug],
    file: &'static str,
    test: &'static str,
}

const fn row(planted: &'static [Bug], file: &'static str, test: &'static str) -> Row {
    Row { planted, file, test }
}

/// No actor and no handler gives a slot twice by itself where storage requires the slot to be absent, and none does where
/// there is one actor for a schedule. So each of these two is noticed where it is kept, and together they are noticed by
/// the patients.
const ROWS: [Row; 13] = [
    row(&[Bug::AckBeforeSync], "commits", "nothing_is_answered_before_the_sync"),
    row(
        &[Bug::SkipSlotPrecondition],
        "two_directories",
        "two_actors_of_one_schedule_never_give_a_slot_twice",
    ),
    row(&[Bug::TwoActors], "first_touch", "sixty_four_callers_on_a_cold_schedule_meet_one_actor"),
    row(&[Bug::SkipSlotPrecondition, Bug::TwoActors], "hot_schedule", "forty_of_two_thousand_win"),
    row(&[Bug::DropJournalAppend], "starts", "a_kill_loses_nothing_that_was_acknowledged"),
    row(&[Bug::ApplyNoticeTwice], "payment", "a_notice_that_comes_twice_is_booked_once"),
    row(&[Bug::LoseCancel], "booking", "a_slot_is_held_booked_shown_and_cancelled"),
    row(&[Bug::IgnoreTenant], "accounts", "the_clinic_is_the_one_named_or_the_tokens_or_the_default"),
    row(&[Bug::KeepCode], "accounts", "a_code_works_once_and_for_its_phone"),
    row(&[Bug::RetryFailedSync], "io_errors", "one_failed_call_stops_the_storage_and_loses_nothing"),
    row(&[Bug::SwallowIndexError], "panics", "an_index_that_panics_ends_the_server"),
    row(&[Bug::ReuseOutTradeNo], "payment_clocks", "an_order_that_nobody_pays_expires_and_the_booking_stays"),
    row(&[Bug::LogPhone], "accounts", "an_account_is_opened_with_a_code"),
];

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Passed,
    Failed,
}

/// Runs one test of this workspace as it was built with this one.
fn run(row: &Row, sabotage: &str) -> End {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--locked", "--workspace", "--features", FEATURES, "--test", row.file]);
    command.args(["--", "--exact", row.test]).env("SABOTAGE", sabotage).env_remove("RUST_BACKTRACE");
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    // A test that does not compile, or is not there, is neither.
    if said.contains(&format!("test {} ... ok", row.test)) {
        End::Passed
    } else if said.contains(&format!("test {} ... FAILED", row.test)) {
        End::Failed
    } else {
        panic!("{} of {} did not run: {said}{}", row.test, row.file, String::from_utf8_lossy(&output.stderr));
    }
}

/// With the features of this test, so that nothing is built twice.
const FEATURES: &str = if cfg!(feature = "faults") { "faults,sabotage" } else { "sabotage" };

/// Only where the disk can lose its power: whatever else ends, the kernel still writes what it was given.
const POWER_CUT: Row =
    row(&[Bug::SkipSync], "faults", "power_cut::nothing_acknowledged_is_lost_when_the_power_fails");

/// Without the bug it is run by itself, and takes its time.
#[test]
fn a_power_cut_notices_that_nothing_was_synced() {
    if cfg!(feature = "faults") && std::env::var("CI").as_deref() == Ok("true") {
        assert_eq!(run(&POWER_CUT, "skip_sync"), End::Failed, "skip_sync went unnoticed");
        println!("skip_sync: noticed by {} of {}", POWER_CUT.test, POWER_CUT.file);
    }
}

#[test]
fn every_planted_bug_is_noticed() {
    for bug in Bug::ALL {
        assert!(
            ROWS.iter().chain([&POWER_CUT]).any(|row| row.planted == [*bug]),
            "nobody looks for {}",
            bug.name()
        );
    }
    for row in &ROWS {
        let names: Vec<_> = row.planted.iter().map(|bug| bug.name()).collect();
        let sabotage = names.join(",");
        assert_eq!(run(row, ""), End::Passed, "{} without a bug", row.test);
        assert_eq!(run(row, &sabotage), End::Failed, "{sabotage} went unnoticed by {}", row.test);
        println!("{sabotage}: noticed by {} of {}", row.test, row.file);
    }
}
