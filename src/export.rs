//! `pati-service export`: all records of a clinic as JSON lines, readable.
//!
//! For whoever moves to another system, or has to hand out what is stored. A line is one record; the last line tells how
//! many there are, so that a file that was cut short is noticed.

mod shapes;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::TenantId;
use serde_json::json;
use storage::{
    JournalView, LiveRecordsError, OsRandom, ReadError, SealError, Silent, Table, UnlockError, Vault,
    ViewError, keys, live_records,
};
use thiserror::Error;

use crate::progress::LongWork;
use crate::settings::Settings;

/// Why nothing, or not everything, was written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The data cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The keys do not fit the data.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] ReadError),
    /// The data cannot be read to its end.
    #[error(transparent)]
    Records(#[from] LiveRecordsError),
    /// There is no such clinic.
    #[error("there is no clinic {0}")]
    NoTenant(TenantId),
    /// The file cannot be written.
    #[error("{}: {source}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What was written. Its text is the report and the warning for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    tenant: TenantId,
    records: u64,
    seq: u64,
    file: Option<PathBuf>,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, records, seq, file } = self;
        writeln!(f, "{records} records of clinic {tenant} were written, as of commit {seq}")?;
        match file {
            Some(file) => write!(f, "{} has", file.display())?,
            None => f.write_str("They have")?,
        }
        f.write_str(
            " names, phones and ID numbers in plain text: keep it from others, and remove it when it has served.",
        )
    }
}

/// Runs the command, also beside a running server.
///
/// # Errors
/// [`ExportError`]; its text is the message for the operator. A file that is not whole is removed.
pub fn run(
    settings: &Settings,
    tenant: TenantId,
    output: Option<&Path>,
    work: &LongWork,
) -> Result<Exported, ExportError> {
    let data = &settings.storage.path;
    let view = JournalView::read(data, &[Table::Meta, Table::Tenant], &Silent)?;
    if view.get(&keys::tenant(tenant))?.is_none() {
        return Err(ExportError::NoTenant(tenant));
    }
    let vault = Vault::unlock_view(&view, &data.join("keys"), Arc::new(OsRandom::default()))?;
    drop(view);
    let writer = Writer { settings, tenant, vault: vault.as_ref(), work };
    let (records, seq) = match output {
        None => writer.write(io::stdout().lock())?,
        Some(file) => {
            let failed = |source| ExportError::File { file: file.to_owned(), source };
            let new =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
            let written = writer.write(&new).and_then(|written| {
                File::sync_all(&new).map_err(failed)?;
                Ok(written)
            });
            if written.is_err() {
                // The message that follows names the file; there is nothing else to be said of it.
                let _ = std::fs::remove_file(file);
            }
            written?
        }
    };
    work.finish();
    Ok(Exported { tenant, records, seq, file: output.map(Path::to_owned) })
}

struct Writer<'a> {
    settings: &'a Settings,
    tenant: TenantId,
    vault: Option<&'a Vault>,
    work: &'a LongWork,
}

impl Writer<'_> {
    /// Answers how many records there were, and the last commit.
    fn write(&self, output: impl Write) -> Result<(u64, u64), ExportError> {
        let mut output = BufWriter::new(output);
        let mut records = 0;
        let zone = self.settings.zone();
        let shaper = shapes::Shaper { tenant: self.tenant, vault: self.vault, zone: &zone };
        let seq = live_records(&self.settings.storage.path, self.work, &mut |record| {
            let Some(shape) = shaper.shape(&record)? else { return Ok(()) };
            records += 1;
            writeln!(output, "{shape}")?;
            Ok(())
        })?;
        let end = json!({
            "table": "end", "tenant": self.tenant.to_string(), "records": records, "commit": seq.get(),
            "time_zone": self.settings.clinic.time_zone.name(),
        });
        let ended = writeln!(output, "{end}").and_then(|()| output.flush());
        ended.map_err(LiveRecordsError::Receiver)?;
        Ok((records, seq.get()))
    }
}

/// A sealed field that does not open.
fn sealed(error: SealError) -> LiveRecordsError {
    LiveRecordsError::Receiver(io::Error::other(error.to_string()))
}
