//! `pati-service import`: departments, doctors and schedules from a JSON file.
//!
//! The file is checked as a whole before anything is written, and written as a whole with one
//! commit. Importing it again changes nothing. A schedule that ever had a booking keeps everything
//! but its location.

mod check;
mod file;
mod plan;
mod problems;
mod report;
mod slots;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use domain::Date;
use storage::{CloseError, CommitError, NotCommitted, OpenError, ReadError, Storage, StorageOptions};
use thiserror::Error;

use crate::progress::LongWork;

pub use file::{
    ClinicFile, DepartmentEntry, DoctorEntry, GridEntry, IdText, ScheduleEntry, SlotEntry, SlotsEntry,
    TenantEntry, YuanText,
};
pub use problems::{Problem, Problems, Refusal};
pub use report::{ImportReport, Tally};

/// A larger file is more than one commit can hold anyway.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Editors on Windows put this in front of UTF-8; JSON does not know it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file was not imported. Unless it says otherwise, nothing was changed.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data folder cannot be read.
    #[error("the data folder cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The file is more than one commit can hold.
    #[error("{file}: too much for one import: divide it by schedules; nothing was imported")]
    TooLarge {
        /// The file.
        file: String,
    },
    /// It could not be written.
    #[error("{0}")]
    Commit(CommitError),
    /// It may have been written.
    #[error(
        "the disk failed: perhaps the file was imported, perhaps not; once the disk is well, import it again"
    )]
    Unknown,
    /// The file was imported, but the data folder was not closed in good order.
    #[error("the file was imported, but {0}")]
    Close(#[from] CloseError),
}

/// Runs the command: imports a file into a data folder that no server uses.
///
/// # Errors
/// [`ImportError`]; its text is the message for the operator.
pub fn run(
    options: StorageOptions,
    path: &Path,
    today: Date,
    work: &LongWork,
) -> Result<ImportReport, ImportError> {
    let name = path.display().to_string();
    let text = read(path, &name)?;
    // A file with a slip of the pen is refused before the data folder is touched.
    let clinic = parse(&text, &name)?;
    let storage = Storage::open(options)?;
    let imported = import_clinic(&storage, &clinic, &name, today, work);
    work.finish();
    let report = imported?;
    storage.close()?;
    Ok(report)
}

/// Imports the text of a file; `name` is the file's in messages. Blocks the thread.
///
/// # Errors
/// [`ImportError`]
pub fn import(
    storage: &Storage,
    text: &str,
    name: &str,
    today: Date,
    work: &LongWork,
) -> Result<ImportReport, ImportError> {
    let clinic = parse(text, name)?;
    import_clinic(storage, &clinic, name, today, work)
}

/// Imports a file that was read already; `name` is the file's in messages. Blocks the thread.
///
/// # Errors
/// [`ImportError`]
pub fn import_clinic(
    storage: &Storage,
    clinic: &ClinicFile,
    name: &str,
    today: Date,
    work: &LongWork,
) -> Result<ImportReport, ImportError> {
    const STEPS: u64 = 3;
    work.report("check", 0, STEPS);
    let mut problems = Problems::default();
    let checked = check::check(clinic, today, &mut problems);
    work.report("check", 1, STEPS);
    let plan = plan::plan(storage, checked, &mut problems)?;
    let Some(plan) = plan.filter(|_| problems.is_empty()) else {
        let file = name.to_owned();
        return Err(Refusal { file, problems }.into());
    };
    work.report("write", 2, STEPS);
    if !plan.report.changed_nothing() {
        let written = storage.commit(plan.commit).wait();
        written.map_err(|error| not_written(error, name))?;
    }
    work.report("write", STEPS, STEPS);
    Ok(plan.report)
}

fn not_written(error: CommitError, name: &str) -> ImportError {
    match error {
        CommitError::NotCommitted(NotCommitted::TooLarge) => ImportError::TooLarge { file: name.to_owned() },
        CommitError::MaybeCommitted => ImportError::Unknown,
        CommitError::NotCommitted(_) | CommitError::Conflict { .. } | CommitError::Corrupt => {
            ImportError::Commit(error)
        }
    }
}

fn read(path: &Path, name: &str) -> Result<String, ImportError> {
    let unreadable = |source| ImportError::Unreadable { file: name.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut limited = file.take(MAX_FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let file = name.to_owned();
        return Err(ImportError::TooLarge { file });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let reason = format_args!("is not UTF-8 at byte {offset}: save it with the encoding UTF-8");
        refusal(name, "", reason).into()
    })
}

fn parse(text: &str, name: &str) -> Result<ClinicFile, Refusal> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let clinic = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // A lone point stands for the file as a whole.
        let path = if path == "." { "" } else { &path };
        refusal(name, path, error.inner())
    })?;
    json.end().map_err(|error| refusal(name, "", error))?;
    Ok(clinic)
}

fn refusal(name: &str, path: &str, reason: impl std::fmt::Display) -> Refusal {
    let mut problems = Problems::default();
    problems.add(path, reason);
    Refusal { file: name.to_owned(), problems }
}
