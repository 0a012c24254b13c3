//! The program: reads the command line and the settings, and does what it is told.

use std::process::ExitCode;
use std::sync::Arc;

use actors::{Clock, SystemClock};
use clap::Parser;
use mimalloc::MiMalloc;
use pati_service::cli::{Cli, Command, TenantCommand};
use pati_service::progress::LongWork;
use pati_service::settings::{self, Settings};
use pati_service::{import, server, telemetry, tenants, verify};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("pati-service: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The error is the message for the operator.
fn run(cli: Cli) -> Result<(), String> {
    telemetry::start().map_err(|error| error.to_string())?;
    let settings = Settings::load(&cli.config_file(), settings::variables_of_this_process());
    let settings = settings.map_err(|error| error.to_string())?;
    match cli.into_command() {
        Command::Serve(serve) => {
            let clinic = if serve.demo { server::Clinic::Demo } else { server::Clinic::Own };
            server::serve(&settings, clinic).map_err(|error| error.to_string())
        }
        Command::Import(file) => {
            let now = SystemClock.now();
            let today = settings.zone().date_of(now);
            let work = Arc::new(LongWork::on_stderr());
            let options = server::storage_options(&settings, now, &work);
            let report = import::run(options, &file.file, today, &work);
            println!("{}", report.map_err(|error| error.to_string())?);
            Ok(())
        }
        Command::Tenant { command: TenantCommand::Add(clinic) } => {
            let work = Arc::new(LongWork::on_stderr());
            let options = server::storage_options(&settings, SystemClock.now(), &work);
            tenants::run_add(options, clinic.id, &clinic.name).map_err(|error| error.to_string())?;
            println!("clinic {} was added", clinic.id);
            Ok(())
        }
        Command::Verify => {
            let sound = verify::run(&settings.storage.path, &LongWork::on_stderr());
            println!("{}", sound.map_err(|error| error.to_string())?);
            Ok(())
        }
    }
}
