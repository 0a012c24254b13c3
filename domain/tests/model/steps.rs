//! From a number to a step of a walk. Small numbers make plain steps, so that a failing walk
//! shrinks to a plain one.

use crate::naive::{Ask, Booker, By, DAY, Facts, HOUR, MINUTE, Paper, Rules, VISIT_DAY, alive, midnight};

/// Where the clock stands when a walk begins.
pub(crate) fn start(number: u64) -> i64 {
    let hours = [-42, -36, -12, 6, 7];
    midnight(VISIT_DAY) + HOUR * hours[(number % 5) as usize]
}

/// One step of a walk.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The clock now shows this instant; it may go back.
    Clock(i64),
    /// The state is dropped and built again.
    Restart,
    /// Somebody asks something.
    Ask(Ask),
}

/// A number that is used up by asking it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        let rolled = self.0 % sides;
        self.0 /= sides;
        rolled
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == sides - 1
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len() as u64) as usize]
    }
}

pub(crate) fn rules(number: u64) -> Rules {
    let mut dice = Dice(number);
    Rules {
        hold: 5 * MINUTE,
        hold_limit: dice.pick(&[15, 15, 7, 3]) * MINUTE,
        max_holds: dice.pick(&[2, 1]),
        horizon_days: dice.pick(&[2, 2, 2, 0]),
        release: dice.pick(&[7 * HOUR, 0]),
        cancel_before: dice.pick(&[0, 30 * MINUTE, 10 * HOUR]),
        one_visit_a_day: dice.one_in(2),
        max_active: dice.pick(&[2, 3]),
        bans: dice.one_in(2),
        fee: dice.pick(&[5_000, 5_000, 0]),
    }
}

pub(crate) fn step(number: u64, paper: &Paper, now: i64) -> Step {
    let mut dice = Dice(number);
    let slot = |dice: &mut Dice| dice.pick(&[1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 1, 2, 3, 5, 99]);
    let ask = match dice.roll(32) {
        0..=4 => return Step::Clock(clock(&mut dice, paper, now)),
        5 => return restart(&mut dice),
        6..=18 if now >= midnight(VISIT_DAY + 1) => after_the_day(&mut dice, paper),
        6..=11 => presubmit(&mut dice, paper, slot),
        12..=18 => submit(&mut dice, paper, slot),
        19..=21 => {
            let users = [By::User(1), By::User(2), By::User(3)];
            let others = [By::Staff(1), By::Unpaid];
            let by = if dice.one_in(3) { dice.pick(&others) } else { dice.pick(&users) };
            Ask::Cancel { booking: booking(&mut dice, paper), by }
        }
        22..=23 => Ask::CheckIn { booking: booking(&mut dice, paper) },
        24..=25 => Ask::Paid { booking: booking(&mut dice, paper), in_cash: dice.one_in(3) },
        26..=27 => Ask::NoShow { booking: booking(&mut dice, paper) },
        28 => Ask::Correct { booking: booking(&mut dice, paper) },
        29 => add_slots(&mut dice, paper),
        30 => stop_or_reopen(&mut dice),
        _ => {
            let place = dice.pick(&[None, Some("二楼"), Some("三楼")]);
            let doctor = dice.pick(&[None, Some(1), Some(2)]);
            Ask::Relocate { place, doctor }
        }
    };
    Step::Ask(ask)
}

/// Mostly one that still stands.
fn booking(dice: &mut Dice, paper: &Paper) -> u64 {
    let standing = paper.rows.iter().filter(|row| row.status != 1);
    let standing: Vec<u64> = standing.map(|row| row.id).collect();
    if standing.is_empty() || dice.one_in(4) {
        return 1 + dice.roll(paper.next_id);
    }
    dice.pick(&standing)
}

/// Mostly forward by a little; often exactly to, just before or just after an instant at which
/// something ends; rarely back.
fn clock(dice: &mut Dice, paper: &Paper, now: i64) -> i64 {
    const STEPS: [i64; 7] = [MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, 11 * MINUTE, HOUR, -4 * MINUTE];
    let manner = dice.roll(8);
    if manner < 4 {
        return now + dice.pick(&STEPS);
    }
    let mut ends = vec![paper.release(), midnight(VISIT_DAY), midnight(VISIT_DAY + 1)];
    for (start, _) in paper.slots.values() {
        ends.extend([*start, *start - paper.rules.cancel_before]);
    }
    ends.extend(paper.holds.iter().map(|hold| hold.until));
    let missed = paper.rows.iter().filter(|row| row.status == 3);
    ends.extend(missed.map(|row| row.status_at + 7 * DAY));
    if manner < 7 && ends.iter().any(|end| *end > now) {
        // The next two: otherwise hardly a walk would see a hold expire.
        ends.retain(|end| *end > now);
        ends.sort_unstable();
        ends.truncate(2);
    }
    if ends.is_empty() {
        return now;
    }
    dice.pick(&ends) + dice.pick(&[0, -1, 1])
}

fn restart(dice: &mut Dice) -> Step {
    if dice.roll(3) == 0 { Step::Restart } else { Step::Ask(Ask::Reopen) }
}

fn stop_or_reopen(dice: &mut Dice) -> Ask {
    if dice.roll(3) == 0 { Ask::Stop { staff: 1 + dice.roll(2) } } else { Ask::Reopen }
}

fn presubmit(dice: &mut Dice, paper: &Paper, slot: impl Fn(&mut Dice) -> u16) -> Ask {
    let user = 1 + dice.roll(3);
    let slot = slot(dice);
    let other_holds = dice.pick(&[0, 0, 0, 1, 2]);
    Ask::Presubmit { user, slot, active: active(dice, paper, user), other_holds }
}

fn submit(dice: &mut Dice, paper: &Paper, slot: impl Fn(&mut Dice) -> u16) -> Ask {
    let slot = slot(dice);
    let user = 1 + dice.roll(3);
    let member = 10 * user + dice.roll(2);
    let booker = if dice.one_in(4) {
        Booker::Desk { staff: 1 + dice.roll(2) }
    } else if dice.one_in(4) {
        Booker::DeskFor { user, member, active: active(dice, paper, user) }
    } else {
        Booker::User { user, member, active: active(dice, paper, user) }
    };
    let patient = 100 + member;
    let booked = paper.rows.iter().any(|row| row.patient == patient && row.status != 1);
    let facts = Facts {
        patient,
        same_half_day: booked || dice.one_in(16),
        other_half_day: dice.one_in(8),
        barred_until: dice.pick(&[None, None, None, Some(VISIT_DAY), Some(VISIT_DAY - 1)]),
    };
    let patient = if dice.one_in(16) { None } else { Some(facts) };
    Ask::Submit { slot, booker, patient }
}

/// Nothing can be booked any more, but visits can be missed.
fn after_the_day(dice: &mut Dice, paper: &Paper) -> Ask {
    let booking = booking(dice, paper);
    match dice.roll(8) {
        0..=3 => Ask::NoShow { booking },
        4..=5 => Ask::Correct { booking },
        6 => Ask::Paid { booking, in_cash: dice.one_in(3) },
        _ => Ask::Stop { staff: 1 },
    }
}

/// As many as there are, and sometimes more: the user may have bookings in other schedules.
fn active(dice: &mut Dice, paper: &Paper, user: u64) -> u16 {
    let mine = paper.rows.iter().filter(|row| {
        alive(row.status) && matches!(row.booker, Booker::User { user: owner, .. } if owner == user)
    });
    mine.count() as u16 + dice.pick(&[0, 0, 0, 1])
}

fn add_slots(dice: &mut Dice, paper: &Paper) -> Ask {
    let at = |minute: i64| midnight(VISIT_DAY) + 8 * HOUR + minute * MINUTE;
    let slots = match dice.roll(5) {
        0 => vec![(5, at(40), false)],
        1 => vec![(6, at(40), dice.one_in(2)), (3, at(20), false)],
        2 => paper.slots.iter().map(|(slot, (start, desk))| (*slot, *start, *desk)).collect(),
        3 => {
            let number = 1 + dice.roll(6) as u16;
            vec![(number, at(10 * dice.roll(6) as i64), false)]
        }
        _ => (1000..1500).map(|number| (number, at(60), false)).collect(),
    };
    Ask::AddSlots(slots)
}
