//! The clinic as somebody would keep it on paper: rows that are never removed, numbers instead of
//! types, and every objection written down before the gravest is picked.
//!
//! It shares no code with the crate and is written without looking at speed.

use std::collections::BTreeMap;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 2026-12-01, in days since 1970-01-01.
pub(crate) const VISIT_DAY: i64 = 20_788;

/// The clinic lies eight hours east, so its day begins that much before the day of UTC.
pub(crate) const fn midnight(day: i64) -> i64 {
    day * DAY - 8 * HOUR
}

/// What the owner has set. Times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) hold: i64,
    pub(crate) hold_limit: i64,
    pub(crate) max_holds: u8,
    pub(crate) horizon_days: i64,
    pub(crate) release: i64,
    pub(crate) cancel_before: i64,
    pub(crate) one_visit_a_day: bool,
    pub(crate) max_active: u16,
    pub(crate) bans: bool,
    pub(crate) fee: u32,
}

/// What somebody asks.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Presubmit { user: u64, slot: u16, active: u16, other_holds: u8 },
    Submit { slot: u16, booker: Booker, patient: Option<Facts> },
    Cancel { booking: u64, by: By },
    CheckIn { booking: u64 },
    Paid { booking: u64, in_cash: bool },
    NoShow { booking: u64 },
    Correct { booking: u64 },
    AddSlots(Vec<(u16, i64, bool)>),
    Stop { staff: u64 },
    Reopen,
    Relocate { place: Option<&'static str>, doctor: Option<u64> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Booker {
    User { user: u64, member: u64, active: u16 },
    Desk { staff: u64 },
    DeskFor { user: u64, member: u64, active: u16 },
}

/// Who wants a slot.
#[derive(Clone, Copy)]
struct Who {
    user: Option<u64>,
    at_desk: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) patient: u64,
    pub(crate) same_half_day: bool,
    pub(crate) other_half_day: bool,
    pub(crate) barred_until: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum By {
    User(u64),
    Staff(u64),
    Stop(u64),
    Unpaid,
}

/// A line of the book. Status and charge are the numbers of the contract.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) slot: u16,
    pub(crate) booker: Booker,
    pub(crate) patient: u64,
    pub(crate) doctor: u64,
    pub(crate) starts_at: i64,
    pub(crate) status: u8,
    pub(crate) status_at: i64,
    pub(crate) cancelled_by: Option<By>,
    pub(crate) charge: u8,
    pub(crate) seen_at: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) user: u64,
    pub(crate) slot: u16,
    pub(crate) since: i64,
    pub(crate) until: i64,
}

impl Hold {
    /// It is over at its end, and once the clock was set back by more than it was given.
    pub(crate) fn is_alive(&self, now: i64) -> bool {
        self.until > now && now >= self.since - (self.until - self.since)
    }
}

/// The answer: what was granted, or the name of the gravest objection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Held(i64),
    Booked(u64),
    RefundDue,
    Done,
    No(&'static str),
}

/// From the gravest to the lightest.
pub(crate) const ORDER: [&str; 20] = [
    "Stopped",
    "NotReleased",
    "SlotUnknown",
    "Past",
    "SlotTaken",
    "SlotHeld",
    "MemberUnknown",
    "HalfDayTaken",
    "DayLimit",
    "ActiveLimit",
    "Barred",
    "TooManyHolds",
    "BookingUnknown",
    "TooLateToCancel",
    "WrongStatus",
    "NotYet",
    "CorrectionTooLate",
    "TooManySlots",
    "DuplicateSerial",
    "SlotsOutOfOrder",
];

pub(crate) struct Paper {
    pub(crate) rules: Rules,
    /// Start and "desk only" by number.
    pub(crate) slots: BTreeMap<u16, (i64, bool)>,
    pub(crate) stopped_by: Option<u64>,
    pub(crate) place: &'static str,
    pub(crate) doctor: u64,
    pub(crate) holds: Vec<Hold>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next_id: u64,
    /// How often something was written that has to last.
    pub(crate) writes: u64,
    /// How often each thing has happened.
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

impl Paper {
    pub(crate) fn new(rules: Rules) -> Self {
        let at = |hour: i64, minute: i64| midnight(VISIT_DAY) + hour * HOUR + minute * MINUTE;
        let slots = [(1, (at(8, 0), false)), (2, (at(8, 10), false)), (4, (at(8, 30), true))];
        Self {
            rules,
            slots: BTreeMap::from(slots),
            stopped_by: None,
            place: "二楼",
            doctor: 1,
            holds: Vec::new(),
            rows: Vec::new(),
            next_id: 1,
            writes: 0,
            seen: BTreeMap::new(),
        }
    }

    pub(crate) fn release(&self) -> i64 {
        midnight(VISIT_DAY - self.rules.horizon_days) + self.rules.release
    }

    /// Answers, and changes the book.
    pub(crate) fn answer(&mut self, ask: &Ask, now: i64) -> Answer {
        let answer = match ask {
            Ask::Presubmit { user, slot, active, other_holds } => {
                self.presubmit(*user, *slot, (*active, *other_holds), now)
            }
            Ask::Submit { slot, booker, patient } => self.submit(*slot, *booker, *patient, now),
            Ask::Cancel { booking, by } => self.cancel(*booking, *by, now),
            Ask::CheckIn { booking } => self.check_in(*booking, now),
            Ask::Paid { booking, in_cash: false } => self.paid(*booking, now),
            Ask::Paid { booking, in_cash: true } => self.paid_in_cash(*booking, now),
            Ask::NoShow { booking } => self.no_show(*booking, now),
            Ask::Correct { booking } => self.correct(*booking, now),
            Ask::AddSlots(slots) => self.add_slots(slots),
            Ask::Stop { staff } => self.stop(*staff, now),
            Ask::Reopen => {
                if self.stopped_by.take().is_some() {
                    self.wrote("reopened");
                }
                Answer::Done
            }
            Ask::Relocate { place, doctor } => {
                let before = (self.place, self.doctor);
                self.place = place.unwrap_or(self.place);
                self.doctor = doctor.unwrap_or(self.doctor);
                if before != (self.place, self.doctor) {
                    self.wrote("relocated");
                }
                Answer::Done
            }
        };
        if let Answer::No(objection) = answer {
            self.saw(objection);
        }
        answer
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn wrote(&mut self, what: &'static str) {
        self.writes += 1;
        self.saw(what);
    }

    fn objections_to_slot(&self, slot: u16, who: Who, now: i64) -> Vec<&'static str> {
        let mut objections = Vec::new();
        if self.stopped_by.is_some() {
            objections.push("Stopped");
        }
        if now < self.release() {
            objections.push("NotReleased");
        }
        match self.slots.get(&slot) {
            None => objections.push("SlotUnknown"),
            Some((start, desk_only)) => {
                if now >= *start {
                    objections.push("Past");
                }
                if *desk_only && !who.at_desk {
                    objections.push("SlotTaken");
                }
            }
        }
        if self.rows.iter().any(|row| row.slot == slot && row.status != 1) {
            objections.push("SlotTaken");
        }
        let in_the_way = |hold: &Hold| hold.slot == slot && hold.is_alive(now);
        if self.holds.iter().any(|hold| in_the_way(hold) && Some(hold.user) != who.user) {
            objections.push("SlotHeld");
        }
        objections
    }

    fn presubmit(&mut self, user: u64, slot: u16, counts: (u16, u8), now: i64) -> Answer {
        let mut objections = self.objections_to_slot(slot, Who { user: Some(user), at_desk: false }, now);
        if counts.0 >= self.rules.max_active {
            objections.push("ActiveLimit");
        }
        if counts.1 >= self.rules.max_holds {
            objections.push("TooManyHolds");
        }
        if let Some(no) = gravest(&objections) {
            return no;
        }
        let mine = self.holds.iter().find(|hold| hold.user == user).copied();
        let mut since = now;
        let mut not_before = now;
        match mine {
            Some(hold) if hold.slot != slot && hold.is_alive(now) => self.saw("hold moved"),
            Some(hold) if hold.slot == slot && hold.is_alive(now) => {
                since = hold.since;
                not_before = hold.until;
                self.saw("hold renewed");
            }
            Some(_) | None => {
                let others = |hold: &Hold| hold.slot == slot && hold.user != user;
                if self.holds.iter().any(others) {
                    self.saw("expired hold replaced");
                }
                self.saw("hold begun");
            }
        }
        let mut until = now + self.rules.hold;
        if until > since + self.rules.hold_limit {
            until = since + self.rules.hold_limit;
            self.saw("hold at its limit");
        }
        if until < not_before {
            until = not_before;
            self.saw("renewed while the clock was back");
        }
        self.holds.retain(|hold| hold.user != user && hold.slot != slot);
        self.holds.push(Hold { user, slot, since, until });
        Answer::Held(until)
    }

    fn submit(&mut self, slot: u16, booker: Booker, facts: Option<Facts>, now: i64) -> Answer {
        let (user, active) = match booker {
            Booker::User { user, active, .. } | Booker::DeskFor { user, active, .. } => (Some(user), active),
            Booker::Desk { .. } => (None, 0),
        };
        let at_desk = !matches!(booker, Booker::User { .. });
        let same = |row: &&Row| match (row.booker, booker) {
            (Booker::User { user, member, .. }, Booker::User { user: u, member: m, .. }) => {
                (user, member) == (u, m)
            }
            (Booker::User { user, member, .. }, Booker::DeskFor { user: u, member: m, .. }) => {
                (user, member) == (u, m) && facts.is_some_and(|facts| facts.patient == row.patient)
            }
            (Booker::Desk { staff }, Booker::Desk { staff: s }) => {
                staff == s && facts.is_some_and(|facts| facts.patient == row.patient)
            }
            _ => false,
        };
        let mut live = self.rows.iter().filter(|row| row.slot == slot && alive(row.status));
        if let Some(id) = live.find(same).map(|row| row.id) {
            self.saw("submit repeated");
            return Answer::Booked(id);
        }
        let mut objections = self.objections_to_slot(slot, Who { user, at_desk }, now);
        match facts {
            None => objections.push("MemberUnknown"),
            Some(facts) => {
                if facts.same_half_day {
                    objections.push("HalfDayTaken");
                }
                if facts.other_half_day && self.rules.one_visit_a_day {
                    objections.push("DayLimit");
                }
                let today = (now + 8 * HOUR).div_euclid(DAY);
                if self.rules.bans && facts.barred_until.is_some_and(|until| today < until) {
                    objections.push("Barred");
                }
            }
        }
        if user.is_some() && active >= self.rules.max_active {
            objections.push("ActiveLimit");
        }
        if let Some(no) = gravest(&objections) {
            return no;
        }
        let own = self.holds.iter().find(|hold| Some(hold.user) == user);
        match own.map(|hold| hold.slot == slot) {
            Some(true) => self.saw("held slot booked"),
            Some(false) => self.saw("hold elsewhere ended by a submit"),
            None => self.saw("booked without a hold"),
        }
        self.holds.retain(|hold| hold.slot != slot && Some(hold.user) != user);
        self.wrote(match (user, at_desk) {
            (Some(_), false) => "booked by a user",
            (Some(_), true) => "booked by the desk for a user",
            (None, _) => "booked by the desk",
        });
        // From here on it is the user's, whoever has booked it.
        let booker = match booker {
            Booker::DeskFor { user, member, active } => Booker::User { user, member, active },
            Booker::User { .. } | Booker::Desk { .. } => booker,
        };
        let id = self.next_id;
        self.next_id += 1;
        self.rows.push(Row {
            id,
            slot,
            booker,
            patient: facts.map_or(0, |facts| facts.patient),
            doctor: self.doctor,
            starts_at: self.slots[&slot].0,
            status: 0,
            status_at: now,
            cancelled_by: None,
            charge: 1,
            seen_at: None,
        });
        Answer::Booked(id)
    }

    /// The line of a booking that has not been struck out.
    fn line(&self, booking: u64) -> Option<usize> {
        self.rows.iter().position(|row| row.id == booking && row.status != 1)
    }

    fn cancel(&mut self, booking: u64, by: By, now: i64) -> Answer {
        let Some(line) = self.line(booking) else {
            self.saw("cancel repeated");
            return Answer::Done;
        };
        let row = &self.rows[line];
        let mut objections = Vec::new();
        if !alive(row.status) {
            objections.push("WrongStatus");
        }
        if by == By::Unpaid && (row.status != 0 || self.rules.fee == 0) {
            objections.push("WrongStatus");
        }
        if let By::User(user) = by {
            if !matches!(row.booker, Booker::User { user: owner, .. } if owner == user) {
                objections.push("BookingUnknown");
            }
            if now >= row.starts_at - self.rules.cancel_before {
                objections.push("TooLateToCancel");
            }
        }
        if let Some(no) = gravest(&objections) {
            return no;
        }
        self.strike_out(line, by, now);
        Answer::Done
    }

    fn strike_out(&mut self, line: usize, by: By, now: i64) {
        let row = &mut self.rows[line];
        let was = row.status;
        row.charge = match row.charge {
            2 => 3,
            1 if by == By::Unpaid => 5,
            other => other,
        };
        let refund = row.charge == 3;
        row.status = 1;
        row.status_at = now;
        row.cancelled_by = Some(by);
        self.wrote(match (was, by) {
            (0, By::User(_)) => "0 -> 1 by the patient",
            (0, By::Staff(_)) => "0 -> 1 by staff",
            (0, By::Stop(_)) => "0 -> 1 by a stop",
            (0, By::Unpaid) => "0 -> 1 unpaid",
            (2, By::User(_)) => "2 -> 1 by the patient",
            (2, By::Staff(_)) => "2 -> 1 by staff",
            (2, By::Stop(_)) => "2 -> 1 by a stop",
            _ => "impossible cancel",
        });
        if refund {
            self.saw("refund due by a cancel");
        }
    }

    fn check_in(&mut self, booking: u64, now: i64) -> Answer {
        let Some(line) = self.line(booking) else {
            return Answer::No("WrongStatus");
        };
        let row = &mut self.rows[line];
        if !alive(row.status) {
            return Answer::No("WrongStatus");
        }
        if row.seen_at.is_some() {
            self.saw("check-in repeated");
            return Answer::Done;
        }
        row.seen_at = Some(now);
        if row.status == 0 {
            row.status = 2;
            row.status_at = now;
            self.wrote("0 -> 2 at the desk");
        } else {
            self.wrote("paid booking checked in");
        }
        Answer::Done
    }

    /// Nobody takes cash that would have to be given back.
    fn paid_in_cash(&mut self, booking: u64, now: i64) -> Answer {
        let row = self.line(booking).map(|line| &self.rows[line]);
        let can_take = row.is_some_and(|row| row.status != 3 && row.charge != 3 && self.rules.fee > 0);
        if !can_take {
            return Answer::No("WrongStatus");
        }
        self.saw("cash taken");
        self.paid(booking, now)
    }

    fn paid(&mut self, booking: u64, now: i64) -> Answer {
        let Some(line) = self.line(booking) else {
            self.saw("paid after a cancel");
            return Answer::RefundDue;
        };
        let row = &mut self.rows[line];
        match row.charge {
            2 => {
                self.saw("paid twice");
                return Answer::Done;
            }
            3 => {
                self.saw("paid twice after a missed visit");
                return Answer::RefundDue;
            }
            _ => {}
        }
        if self.rules.fee == 0 {
            self.saw("paid for nothing");
            return Answer::RefundDue;
        }
        if row.status == 3 {
            row.charge = 3;
            self.wrote("paid after a missed visit");
            return Answer::RefundDue;
        }
        row.charge = 2;
        if row.status == 0 {
            row.status = 2;
            row.status_at = now;
            self.wrote("0 -> 2 by payment");
        } else {
            self.wrote("paid after check-in");
        }
        Answer::Done
    }

    fn no_show(&mut self, booking: u64, now: i64) -> Answer {
        let Some(line) = self.line(booking) else {
            return Answer::No("WrongStatus");
        };
        let row = &mut self.rows[line];
        if row.status == 3 {
            self.saw("no-show repeated");
            return Answer::Done;
        }
        let mut objections = Vec::new();
        if now < midnight(VISIT_DAY + 1) {
            objections.push("NotYet");
        }
        if row.status != 0 {
            objections.push("WrongStatus");
        }
        if let Some(no) = gravest(&objections) {
            return no;
        }
        row.status = 3;
        row.status_at = now;
        self.wrote("0 -> 3");
        Answer::Done
    }

    fn correct(&mut self, booking: u64, now: i64) -> Answer {
        let Some(line) = self.line(booking) else {
            return Answer::No("WrongStatus");
        };
        let row = &mut self.rows[line];
        if row.status == 2 && row.seen_at.is_some() {
            self.saw("correction repeated");
            return Answer::Done;
        }
        if row.status != 3 {
            return Answer::No("WrongStatus");
        }
        if self.stopped_by.is_some() {
            self.saw("correction of a stopped schedule");
            return Answer::No("Stopped");
        }
        if now - row.status_at > 7 * DAY {
            return Answer::No("CorrectionTooLate");
        }
        row.status = 2;
        row.status_at = now;
        row.seen_at = Some(now);
        self.wrote("3 -> 2");
        Answer::Done
    }

    fn add_slots(&mut self, added: &[(u16, i64, bool)]) -> Answer {
        let known = |slot: &(u16, i64, bool)| self.slots.get(&slot.0) == Some(&(slot.1, slot.2));
        if added.iter().all(known) {
            self.saw("addition repeated");
            return Answer::Done;
        }
        let mut objections = Vec::new();
        if self.stopped_by.is_some() {
            objections.push("Stopped");
        }
        if self.slots.len() + added.len() > 500 {
            objections.push("TooManySlots");
        }
        let mut all = self.slots.clone();
        for (slot, start, desk_only) in added {
            if all.insert(*slot, (*start, *desk_only)).is_some() {
                objections.push("DuplicateSerial");
            }
        }
        let mut clock = 0;
        for (start, _) in all.values() {
            if *start < clock {
                objections.push("SlotsOutOfOrder");
            }
            clock = *start;
        }
        if let Some(no) = gravest(&objections) {
            return no;
        }
        self.slots = all;
        self.wrote("slots added");
        Answer::Done
    }

    fn stop(&mut self, staff: u64, now: i64) -> Answer {
        if self.stopped_by.is_some() {
            self.saw("stop repeated");
            return Answer::Done;
        }
        for line in 0..self.rows.len() {
            if alive(self.rows[line].status) {
                self.strike_out(line, By::Stop(staff), now);
            }
        }
        if self.holds.iter().any(|hold| hold.is_alive(now)) {
            self.saw("hold ended by a stop");
        }
        self.holds.clear();
        self.stopped_by = Some(staff);
        self.wrote("stopped");
        Answer::Done
    }
}

pub(crate) const fn alive(status: u8) -> bool {
    status == 0 || status == 2
}

fn gravest(objections: &[&'static str]) -> Option<Answer> {
    let first = ORDER.into_iter().find(|one| objections.contains(one))?;
    Some(Answer::No(first))
}
