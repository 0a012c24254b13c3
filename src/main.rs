//! The program: reads the command line and the settings, and does what it is told.

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;

use actors::{Clock, SystemClock};
use clap::Parser;
use domain::PersonName;
use mimalloc::MiMalloc;
use pati_service::cli::{Cli, Command, Reconcile, StaffAdd, StaffCommand, TenantCommand, Verify};
use pati_service::progress::LongWork;
use pati_service::reconcile::{self, Verdict};
use pati_service::settings::{self, ConfigFile, Settings};
use pati_service::{backups, export, import, server, staff, telemetry, tenants, verify};
use storage::Occupied;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let file = cli.config_file();
    let command = cli.into_command();
    // Where two sides are compared 1 says that something differs.
    let compares = matches!(command, Command::Reconcile(_));
    let failure = if compares { ExitCode::from(2) } else { ExitCode::FAILURE };
    match run(&file, command) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("pati-service: {message}");
            failure
        }
    }
}

/// The error is the message for the operator.
fn run(file: &ConfigFile, command: Command) -> Result<ExitCode, String> {
    telemetry::start().map_err(|error| error.to_string())?;
    let settings = Settings::load(file, settings::variables_of_this_process());
    let settings = settings.map_err(|error| error.to_string())?;
    match command {
        Command::Serve(serve) => {
            let clinic = if serve.demo { server::Clinic::Demo } else { server::Clinic::Own };
            server::serve(&settings, clinic).map_err(|error| error.to_string())?;
        }
        Command::Import(file) => {
            let now = SystemClock.now();
            let today = settings.zone().date_of(now);
            let work = Arc::new(LongWork::on_stderr());
            let options = server::storage_options(&settings, now, &work);
            let report = import::run(options, &file.file, today, &work);
            println!("{}", report.map_err(|error| error.to_string())?);
        }
        Command::Tenant { command: TenantCommand::Add(clinic) } => {
            let work = Arc::new(LongWork::on_stderr());
            let options = server::storage_options(&settings, SystemClock.now(), &work);
            tenants::run_add(options, clinic.id, &clinic.name).map_err(|error| error.to_string())?;
            println!("clinic {} was added", clinic.id);
        }
        Command::Staff { command: StaffCommand::Add(new) } => add_staff(&settings, &new)?,
        Command::Verify(Verify { backup: Some(backup) }) => {
            say(backups::run_check(&backup, &settings.zone(), &LongWork::on_stderr()))?;
        }
        Command::Verify(Verify { backup: None }) => {
            say(verify::run(&settings.storage.path, &LongWork::on_stderr()))?;
        }
        Command::Backup(to) => {
            let work = Arc::new(LongWork::on_stderr());
            say(backups::run_backup(&settings, &to.folder, SystemClock.now(), &work))?;
        }
        Command::Restore(restore) => {
            let work = Arc::new(LongWork::on_stderr());
            let occupied = if restore.replace { Occupied::SetAside } else { Occupied::Refuse };
            say(backups::run_restore(&settings, &restore.from, occupied, SystemClock.now(), &work))?;
        }
        Command::Compact => {
            let work = Arc::new(LongWork::on_stderr());
            let options = server::storage_options(&settings, SystemClock.now(), &work);
            say(backups::run_compact(options, &work))?;
        }
        Command::Export(export) => {
            let tenant = export.tenant.unwrap_or(settings.clinic.default_tenant);
            let output = export.output.as_deref();
            let done = export::run(&settings, tenant, output, &LongWork::on_stderr());
            // The standard output may be the export itself.
            eprintln!("{}", done.map_err(|error| error.to_string())?);
        }
        Command::Reconcile(wanted) => return compare_day(&settings, &wanted),
    }
    Ok(ExitCode::SUCCESS)
}

fn compare_day(settings: &Settings, wanted: &Reconcile) -> Result<ExitCode, String> {
    let tenant = wanted.tenant.unwrap_or(settings.clinic.default_tenant);
    let day = reconcile::Day { tenant, date: wanted.date };
    let report = reconcile::run(settings, day, &LongWork::on_stderr()).map_err(|error| error.to_string())?;
    println!("{report}");
    Ok(ExitCode::from(match report.verdict() {
        Verdict::Equal => 0,
        Verdict::Different => 1,
        Verdict::Unknown => 2,
    }))
}

/// Prints the report of a command, or hands its error on as the message for the operator.
fn say<R: Display, E: Display>(done: Result<R, E>) -> Result<(), String> {
    println!("{}", done.map_err(|error| error.to_string())?);
    Ok(())
}

fn add_staff(settings: &Settings, new: &StaffAdd) -> Result<(), String> {
    let role = new.role().ok_or("--role doctor needs --doctor")?;
    let name = match &new.name {
        Some(name) => name.clone(),
        None => PersonName::parse(new.account.as_str()).map_err(|_| "--name is needed with this account")?,
    };
    let tenant = new.tenant.unwrap_or(settings.clinic.default_tenant);
    let password = staff::read_password().map_err(|error| error.to_string())?;
    let new = staff::NewStaff { tenant, account: new.account.clone(), role, name, password };
    let work = Arc::new(LongWork::on_stderr());
    let now = SystemClock.now();
    let options = server::storage_options(settings, now, &work);
    let id = staff::run_add(options, settings.clinic.default_tenant, &new, now);
    let id = id.map_err(|error| error.to_string())?;
    println!("member of the staff {id} was added to clinic {tenant}");
    Ok(())
}
