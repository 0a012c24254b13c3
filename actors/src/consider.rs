//! From a request to a decision and, where something is to be written, the commit that carries it.

use domain::{
    Booking, BookingCode, BookingId, Command, Decision, Event, MemberId, NewBooking, PatientFacts, PatientId,
    Policy, Presubmit, Rejection, Reply, Schedule, ScheduleState, Submit, TenantId, Timestamp, UserId,
};
use storage::records::{ActiveRecord, IdemRecord, MembersRecord, NoShowRecord};
use storage::{Commit, Key, ReadError, Sequence, Version, keys};

use crate::commits::{self, Guards};
use crate::directory::{Shared, Target};
use crate::loading::{Loaded, WroteScheduleRecord};
use crate::replies;
use crate::requests::{Ask, AskError, Booker, Request};

/// What becomes of a request, if the commits before it in the batch succeed.
pub(crate) enum Verdict {
    /// It builds on a commit that has no version yet: it is decided after the batch.
    AfterThisBatch,
    /// Nothing changes.
    Answer(Reply),
    /// A hold: memory only.
    Hold { events: Vec<Event>, reply: Reply },
    /// To be written.
    Commit { planned: Planned, commit: Commit },
}

/// What to do once the commit has succeeded.
pub(crate) struct Planned {
    pub(crate) events: Vec<Event>,
    pub(crate) reply: Reply,
    pub(crate) wrote_schedule_record: WroteScheduleRecord,
    /// The user whose hold in this schedule ends with it.
    pub(crate) booked_by: Option<UserId>,
}

/// Where a request stands: the clinic's schedule, the moment, and the state to decide on.
pub(crate) struct Setting<'a> {
    pub(crate) shared: &'a Shared,
    /// The rules of the schedule's department.
    pub(crate) policy: &'a Policy,
    pub(crate) target: Target,
    pub(crate) now: Timestamp,
    /// The state after everything that the batch has decided so far.
    pub(crate) state: &'a ScheduleState,
    pub(crate) loaded: &'a Loaded,
}

impl Setting<'_> {
    fn tenant(&self) -> TenantId {
        self.target.tenant
    }

    fn decide(&self, command: &Command) -> Result<Decision, AskError> {
        self.state.decide(command, self.now, self.policy).map_err(AskError::Rejected)
    }

    /// Decides what takes a slot. Nobody newly takes one where the department or doctor is disabled, as where the
    /// schedule is stopped; who has one already is answered as before.
    fn decide_taking(&self, command: &Command) -> Result<Decision, AskError> {
        let decided = self.decide(command);
        let changes_nothing = matches!(&decided, Ok(decision) if decision.events.is_empty());
        if changes_nothing || self.sees_patients()? {
            return decided;
        }
        Err(AskError::Rejected(Rejection::Stopped))
    }

    /// Whether the department and the doctor of the schedule are enabled. Those that are unknown have not been disabled.
    fn sees_patients(&self) -> Result<bool, ReadError> {
        let Shared { availability, storage, .. } = self.shared;
        let (profiles, schedule) = (availability.profiles(), self.state.schedule());
        let ward = profiles.department(storage, self.tenant(), schedule.department)?;
        let doctor = match schedule.doctor {
            Some(doctor) => profiles.doctor(storage, self.tenant(), doctor)?,
            None => None,
        };
        Ok(ward.is_none_or(|ward| ward.enabled) && doctor.is_none_or(|doctor| doctor.enabled))
    }
}

/// Decides a request. `spare` is a booking number that an earlier refusal left unused.
pub(crate) fn consider(
    setting: &Setting<'_>,
    ask: &Ask,
    spare: &mut Option<NewBooking>,
) -> Result<Verdict, AskError> {
    let command = match &ask.request {
        Request::Presubmit { user, serial } => return presubmit(setting, *user, *serial),
        Request::Submit { booker, serial } => {
            return submit(setting, ask, spare, (*booker, *serial));
        }
        Request::Cancel(cancel) => Command::Cancel(cancel.clone()),
        Request::CheckIn(check_in) => Command::CheckIn(check_in.clone()),
        Request::Paid(paid) => Command::Paid(paid.clone()),
        Request::NoShow(no_show) => Command::NoShow(no_show.clone()),
        Request::Correct(correct) => Command::Correct(correct.clone()),
        Request::AddSlots(add_slots) => Command::AddSlots(add_slots.clone()),
        Request::Stop(stop) => Command::Stop(stop.clone()),
        Request::Reopen(reopen) => Command::Reopen(reopen.clone()),
        Request::Relocate(relocate) => Command::Relocate(relocate.clone()),
    };
    let decision = setting.decide(&command)?;
    to_verdict(setting, ask, decision, Guards::default())
}

fn presubmit(setting: &Setting<'_>, user: UserId, serial: domain::SerialNo) -> Result<Verdict, AskError> {
    let active = read_active(setting, user)?;
    // The user's holds stay locked from counting to adding; nothing in between waits.
    let mut holds = setting.shared.holds.enter(setting.tenant(), user, setting.now);
    let other_holds = holds.in_other_schedules(setting.target.schedule);
    let active = active.count(setting);
    let Decision { events, reply } =
        setting.decide_taking(&Command::Presubmit(Presubmit { user, serial, active, other_holds }))?;
    if let Reply::Held { until } = reply {
        holds.set(setting.target.schedule, until);
    }
    Ok(Verdict::Hold { events, reply })
}

fn submit(
    setting: &Setting<'_>,
    ask: &Ask,
    spare: &mut Option<NewBooking>,
    (booker, serial): (Booker, domain::SerialNo),
) -> Result<Verdict, AskError> {
    let new = match spare.take() {
        Some(new) => new,
        None => next_booking(setting)?,
    };
    let mut guards = Guards::default();
    let (booker, patient) = match booker {
        Booker::Account { user, member } => {
            let active = read_active(setting, user)?;
            let patient = read_member(setting, &mut guards, user, member)?;
            let booker = domain::Booker::Patient { user, member, active: active.count(setting) };
            guards.active.push(active);
            (booker, patient)
        }
        Booker::DeskForMember { user, member, patient } => {
            let active = read_active(setting, user)?;
            let found = read_member(setting, &mut guards, user, member)?.filter(|found| *found == patient);
            let booker = domain::Booker::DeskForMember { user, member, active: active.count(setting) };
            guards.active.push(active);
            (booker, found)
        }
        Booker::Desk { staff, patient } => {
            let key = keys::patient(setting.tenant(), patient);
            let version = setting.shared.storage.version(&key)?;
            guards.patient = Some((key, version));
            (domain::Booker::Desk { staff }, (version != Version::ABSENT).then_some(patient))
        }
    };
    let patient = match patient {
        Some(patient) => Some(read_patient_facts(setting, &mut guards, patient)?),
        None => None,
    };
    let decided = setting.decide_taking(&Command::Submit(Submit { serial, booker, patient, new }));
    let books = matches!(&decided, Ok(decision) if !decision.events.is_empty());
    if !books {
        *spare = Some(new);
    }
    to_verdict(setting, ask, decided?, guards)
}

fn next_booking(setting: &Setting<'_>) -> Result<NewBooking, AskError> {
    let take = |sequence| setting.shared.sequences.take(setting.tenant(), sequence);
    // The directory has reserved numbers before it sent the request; only a burst beyond the reserve
    // finds none.
    let id = take(Sequence::Booking).and_then(|id| BookingId::new(id).ok()).ok_or(AskError::Unnumbered)?;
    let code = take(Sequence::BookingCode).and_then(|code| u32::try_from(code).ok());
    let code = code.and_then(|code| BookingCode::new(code).ok()).ok_or(AskError::Unnumbered)?;
    Ok(NewBooking { id, code })
}

fn to_verdict(
    setting: &Setting<'_>,
    ask: &Ask,
    decision: Decision,
    guards: Guards,
) -> Result<Verdict, AskError> {
    let Decision { events, reply } = decision;
    if events.is_empty() && ask.also.is_some() {
        // What belongs to the change was decided on another state than this one.
        return Err(AskError::Contended);
    }
    if events.is_empty() && ask.repeat.is_none() {
        return Ok(Verdict::Answer(reply));
    }
    let Some(mut written) = commits::commit_of(setting, &events, guards)? else {
        return Ok(Verdict::AfterThisBatch);
    };
    if let Some(repeat) = ask.repeat {
        let record = IdemRecord {
            content_hash: repeat.content_hash,
            reply: replies::encode_reply(reply),
            expires_at: repeat.expires_at,
        };
        written.commit.require_version(&repeat.key, repeat.replaces);
        written.commit.put_expiring(&repeat.key, &record, repeat.expires_at);
    }
    let booked = events.iter().find_map(|event| match event {
        Event::Booked(booking) => Some(booking),
        _ => None,
    });
    if let Some(row) = ask.audit
        && !events.is_empty()
    {
        // Whoever books cannot tell the number of the booking beforehand.
        let row = booked.map_or(row, |booking| row.about(booking.id.get()));
        row.put(&mut written.commit);
    }
    if let Some(also) = &ask.also {
        written.commit.include(also.clone());
    }
    let booked_by = booked.and_then(Booking::user);
    let wrote_schedule_record = written.wrote_schedule_record;
    Ok(Verdict::Commit {
        planned: Planned { events, reply, wrote_schedule_record, booked_by },
        commit: written.commit,
    })
}

/// The live bookings of a user, with the version that a commit which changes them requires.
pub(crate) struct ActiveFact {
    pub(crate) user: UserId,
    pub(crate) key: Key<ActiveRecord>,
    pub(crate) version: Version,
    pub(crate) record: ActiveRecord,
}

impl ActiveFact {
    /// Visits that are still to come. Days that have passed no longer count, marked or not.
    fn count(&self, setting: &Setting<'_>) -> u16 {
        let today = setting.policy.zone.date_of(setting.now);
        let ahead = self.record.entries.iter().filter(|entry| entry.date >= today);
        u16::try_from(ahead.count()).unwrap_or(u16::MAX)
    }
}

pub(crate) fn read_active(setting: &Setting<'_>, user: UserId) -> Result<ActiveFact, ReadError> {
    let key = keys::active(setting.tenant(), user);
    Ok(match setting.shared.storage.get(&key)? {
        Some(stored) => ActiveFact { user, key, version: stored.version, record: stored.record },
        None => ActiveFact { user, key, version: Version::ABSENT, record: ActiveRecord::default() },
    })
}

/// The patient that a member of the account stands for.
fn read_member(
    setting: &Setting<'_>,
    guards: &mut Guards,
    user: UserId,
    member: MemberId,
) -> Result<Option<PatientId>, ReadError> {
    let key = keys::members(setting.tenant(), user);
    let Some(stored) = setting.shared.storage.get(&key)? else {
        return Ok(None);
    };
    guards.members = Some((key, stored.version));
    let MembersRecord { members } = stored.record;
    Ok(members.iter().find(|entry| entry.member == member).map(|entry| entry.patient))
}

fn read_patient_facts(
    setting: &Setting<'_>,
    guards: &mut Guards,
    patient: PatientId,
) -> Result<PatientFacts, ReadError> {
    let storage = &setting.shared.storage;
    let Schedule { date, period, .. } = *setting.state.schedule();
    let booked = |period| {
        let visit = storage.get(&keys::visit(setting.tenant(), patient, date, period))?;
        Ok::<_, ReadError>(visit.map(|stored| stored.record.booking))
    };
    let no_show = read_no_show(setting, patient)?;
    let facts = PatientFacts {
        patient,
        same_half_day: booked(period)?,
        other_half_day: booked(period.other())?,
        barred_until: no_show.record.banned_until,
    };
    guards.no_show = Some((no_show.key, no_show.version));
    Ok(facts)
}

/// The missed visits of a patient, with their version.
pub(crate) struct NoShowFact {
    pub(crate) key: Key<NoShowRecord>,
    pub(crate) version: Version,
    pub(crate) record: NoShowRecord,
}

pub(crate) fn read_no_show(setting: &Setting<'_>, patient: PatientId) -> Result<NoShowFact, ReadError> {
    let key = keys::no_show(setting.tenant(), patient);
    Ok(match setting.shared.storage.get(&key)? {
        Some(stored) => NoShowFact { key, version: stored.version, record: stored.record },
        None => NoShowFact { key, version: Version::ABSENT, record: NoShowRecord::default() },
    })
}
