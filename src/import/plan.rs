//! What an import changes: the checked file compared with what is stored, as one commit.

use std::collections::{HashMap, HashSet};

use domain::{Channel, DepartmentId, DoctorId, Schedule, SlotPlan, TenantId};
use storage::keys::{self, SchedulePlace};
use storage::records::{BookedBefore, DepartmentRecord, DoctorRecord, ScheduleAtRecord, ScheduleRecord};
use storage::{Commit, Key, ReadError, Record, Storage, Version};

use super::check::{At, Checked};
use super::problems::{Place, Problems};
use super::report::{ImportReport, Tally};

/// The commit of an import, and what it will have done.
pub(super) struct Plan {
    pub(super) commit: Commit,
    pub(super) report: ImportReport,
}

/// Compares the file with the store. Nothing is wrong with the plan only if `problems` is empty.
pub(super) fn plan(
    storage: &Storage,
    checked: Checked,
    problems: &mut Problems,
) -> Result<Option<Plan>, ReadError> {
    let Some((tenant, record)) = checked.tenant else {
        return Ok(None);
    };
    let mut planner = Planner {
        storage,
        tenant,
        commit: Commit::new(),
        departments: HashMap::new(),
        doctors: HashMap::new(),
    };
    let mut report = ImportReport::new(tenant);
    let key = keys::tenant(tenant);
    let stored = planner.read(&key)?;
    planner.write(&key, stored.as_ref(), &record, &mut report.tenant);

    planner.departments.extend(checked.department_ids.keys().map(|id| (*id, true)));
    // A doctor that was left out has a problem already; in which departments is not known.
    planner.doctors.extend(checked.doctor_ids.keys().map(|id| (*id, Doctor::Unsure)));
    for At { value: (id, record), .. } in checked.departments {
        planner.department(id, record, &mut report.departments)?;
    }
    for doctor in checked.doctors {
        planner.doctor(doctor, &mut report.doctors, problems)?;
    }
    planner.schedules(&checked.schedules, &mut report.schedules, problems)?;
    let commit = planner.commit;
    Ok(Some(Plan { commit, report }))
}

/// What is known about a doctor that a schedule names.
enum Doctor {
    /// There is none.
    Unknown,
    /// The file's entry is wrong, so that nothing follows from it.
    Unsure,
    /// The departments the doctor works in once the import is done.
    In(Vec<DepartmentId>),
}

struct Planner<'a> {
    storage: &'a Storage,
    tenant: TenantId,
    commit: Commit,
    /// Departments that were looked for, and whether there is one.
    departments: HashMap<DepartmentId, bool>,
    doctors: HashMap<DoctorId, Doctor>,
}

/// A schedule of the file beside the one that is stored under its id.
struct Compared<'a> {
    schedule: &'a Schedule,
    stored: Option<ScheduleRecord>,
}

impl Planner<'_> {
    /// What is stored. The commit then requires that it is still so.
    fn read<R: Record>(&mut self, key: &Key<R>) -> Result<Option<R>, ReadError> {
        let stored = self.storage.get(key)?;
        let version = stored.as_ref().map_or(Version::ABSENT, |stored| stored.version);
        self.commit.require_version(key, version);
        Ok(stored.map(|stored| stored.record))
    }

    /// Writes a record unless it is stored already.
    fn write<R: Record + PartialEq>(&mut self, key: &Key<R>, stored: Option<&R>, new: &R, tally: &mut Tally) {
        match stored {
            Some(stored) if stored == new => {
                tally.unchanged += 1;
                return;
            }
            Some(_) => tally.updated += 1,
            None => tally.added += 1,
        }
        self.commit.put(key, new);
    }

    /// Whether a department is shown is decided by the staff, not by an import.
    fn department(
        &mut self,
        id: DepartmentId,
        mut record: DepartmentRecord,
        tally: &mut Tally,
    ) -> Result<(), ReadError> {
        let key = keys::department(self.tenant, id);
        let stored = self.read(&key)?;
        if let Some(stored) = &stored {
            record.enabled = stored.enabled;
        }
        self.write(&key, stored.as_ref(), &record, tally);
        Ok(())
    }

    /// As for departments, the staff decides whether a doctor is shown.
    fn doctor(
        &mut self,
        doctor: At<(DoctorId, DoctorRecord)>,
        tally: &mut Tally,
        problems: &mut Problems,
    ) -> Result<(), ReadError> {
        let (id, mut record) = doctor.value;
        let root = Place::File;
        let list = root.field("doctors");
        let item = list.item(doctor.index);
        let list = item.field("departments");
        for (index, department) in record.departments.iter().enumerate() {
            if !self.has_department(*department)? {
                problems.add(list.item(index), UnknownDepartment(*department));
            }
        }
        let key = keys::doctor(self.tenant, id);
        let stored = self.read(&key)?;
        if let Some(stored) = &stored {
            record.enabled = stored.enabled;
        }
        self.doctors.insert(id, Doctor::In(record.departments.clone()));
        self.write(&key, stored.as_ref(), &record, tally);
        Ok(())
    }

    fn schedules(
        &mut self,
        schedules: &[At<Schedule>],
        tally: &mut Tally,
        problems: &mut Problems,
    ) -> Result<(), ReadError> {
        let root = Place::File;
        let list = root.field("schedules");
        let in_file: HashSet<_> = schedules.iter().map(|at| at.value.id).collect();
        let mut compared = Vec::with_capacity(schedules.len());
        for At { index, value: schedule } in schedules {
            let place = list.item(*index);
            self.check_references(schedule, &place, problems)?;
            let stored = self.read(&keys::schedule(self.tenant, schedule.id))?;
            if let Some(stored) = stored.as_ref().filter(|it| it.booked_before == BookedBefore::Yes) {
                check_booked(&stored.schedule, schedule, &place, problems);
            }
            let half_day = keys::schedule_at(self.tenant, &SchedulePlace::of(schedule));
            let holder = self.read(&half_day)?.map(|record| record.schedule);
            // A holder that is in the file itself goes elsewhere: no two of the file share a place.
            if let Some(holder) = holder
                && holder != schedule.id
                && !in_file.contains(&holder)
            {
                let reason =
                    format_args!("schedule {holder} has the same department, doctor, date and period");
                problems.add(place, reason);
            }
            compared.push(Compared { schedule, stored });
        }
        self.write_places(&compared)?;
        for Compared { schedule, stored } in compared {
            let record = renewed(schedule, stored.as_ref());
            self.write(&keys::schedule(self.tenant, schedule.id), stored.as_ref(), &record, tally);
        }
        Ok(())
    }

    /// Gives up the places that schedules leave, and then takes those they go to: schedules may
    /// change places with each other.
    fn write_places(&mut self, compared: &[Compared<'_>]) -> Result<(), ReadError> {
        let mut taken = HashSet::new();
        for Compared { schedule, .. } in compared {
            taken.insert(*keys::schedule_at(self.tenant, &SchedulePlace::of(schedule)).raw());
        }
        for Compared { schedule, stored } in compared {
            let new = SchedulePlace::of(schedule);
            let old = stored.as_ref().map(|stored| SchedulePlace::of(&stored.schedule));
            if old == Some(new) {
                continue;
            }
            if let Some(old) = old {
                let key = keys::schedule_at(self.tenant, &old);
                self.read(&key)?;
                if !taken.contains(key.raw()) {
                    self.commit.delete(&key);
                }
            }
            let record = ScheduleAtRecord { schedule: schedule.id };
            self.commit.put(&keys::schedule_at(self.tenant, &new), &record);
        }
        Ok(())
    }

    fn check_references(
        &mut self,
        schedule: &Schedule,
        place: &Place<'_>,
        problems: &mut Problems,
    ) -> Result<(), ReadError> {
        let department = schedule.department;
        let has_department = self.has_department(department)?;
        if !has_department {
            problems.add(place.field("department"), UnknownDepartment(department));
        }
        let Some(id) = schedule.doctor else {
            return Ok(());
        };
        match self.find_doctor(id)? {
            Doctor::Unsure => {}
            Doctor::Unknown => {
                let reason = format_args!("there is no doctor {id}, neither in the file nor in the store");
                problems.add(place.field("doctor"), reason);
            }
            Doctor::In(departments) => {
                if has_department && !departments.contains(&department) {
                    let reason = format_args!("doctor {id} does not work in department {department}");
                    problems.add(place.field("doctor"), reason);
                }
            }
        }
        Ok(())
    }

    fn has_department(&mut self, id: DepartmentId) -> Result<bool, ReadError> {
        if let Some(known) = self.departments.get(&id) {
            return Ok(*known);
        }
        let found = self.read(&keys::department(self.tenant, id))?.is_some();
        self.departments.insert(id, found);
        Ok(found)
    }

    fn find_doctor(&mut self, id: DoctorId) -> Result<&Doctor, ReadError> {
        if !self.doctors.contains_key(&id) {
            let doctor = match self.read(&keys::doctor(self.tenant, id))? {
                Some(record) => Doctor::In(record.departments),
                None => Doctor::Unknown,
            };
            self.doctors.insert(id, doctor);
        }
        Ok(self.doctors.get(&id).unwrap_or(&Doctor::Unknown))
    }
}

struct UnknownDepartment(DepartmentId);

impl std::fmt::Display for UnknownDepartment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no department {}, neither in the file nor in the store", self.0)
    }
}

/// Patients rely on what they have booked: only the place where they are seen may still change.
fn check_booked(stored: &Schedule, new: &Schedule, place: &Place<'_>, problems: &mut Problems) {
    let id = stored.id;
    let times = |schedule: &Schedule| -> Vec<_> {
        let plans = schedule.slots.iter();
        plans.map(|plan| (plan.serial, plan.time)).collect()
    };
    let changes = [
        ("department", stored.department != new.department),
        ("doctor", stored.doctor != new.doctor),
        ("date", stored.date != new.date),
        ("period", stored.period != new.period),
        ("type", stored.kind != new.kind),
        ("fee", stored.fee != new.fee),
        ("slots", times(stored) != times(new)),
    ];
    for (field, changed) in changes {
        if changed {
            let reason = format_args!("schedule {id} has been booked: only its location may change");
            problems.add(place.field(field), reason);
        }
    }
}

/// The schedule as the file has it. What the file cannot say stays as the staff left it: whether it
/// is stopped, and which slots are kept for the desk.
fn renewed(new: &Schedule, stored: Option<&ScheduleRecord>) -> ScheduleRecord {
    let mut schedule = new.clone();
    let Some(stored) = stored else {
        let booked_before = BookedBefore::Never;
        return ScheduleRecord { schedule, booked_before };
    };
    schedule.standing = stored.schedule.standing;
    for plan in &mut schedule.slots {
        plan.channel = channel_of(&stored.schedule, plan);
    }
    let booked_before = stored.booked_before;
    ScheduleRecord { schedule, booked_before }
}

fn channel_of(stored: &Schedule, plan: &SlotPlan) -> Channel {
    stored.slot(plan.serial).map_or(plan.channel, |stored| stored.channel)
}
