//! The program: reads the command line and the settings, and does what it is told.

use std::process::ExitCode;
use std::sync::Arc;

use actors::{Clock, SystemClock};
use clap::Parser;
use domain::PersonName;
use mimalloc::MiMalloc;
use pati_service::cli::{Cli, Command, Reconcile, StaffAdd, StaffCommand, TenantCommand};
use pati_service::progress::LongWork;
use pati_service::reconcile::{self, Verdict};
use pati_service::settings::{self, ConfigFile, Settings};
use pati_service::{import, server, staff, telemetry, tenants, verify};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let file = cli.config_file();
    let command = cli.into_command();
    let failure = match &command {
        // 1 says that something differs.
        Command::Reconcile(_) => ExitCode::from(2),
        Command::Serve(_)
        | Command::Import(_)
        | Command::Tenant { .. }
        | Command::Staff { .. }
        | Command::Verify => ExitCode::FAILURE,
    };
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
        Command::Verify => {
            let sound = verify::run(&settings.storage.path, &LongWork::on_stderr());
            println!("{}", sound.map_err(|error| error.to_string())?);
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
