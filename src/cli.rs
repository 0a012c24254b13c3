//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{AccountName, Date, DoctorId, PersonName, Role, TenantId};

use crate::settings::ConfigFile;

const EXAMPLES: &str = "\
Examples:
  pati-service                                   serve with config.toml, if there is one
  pati-service serve --demo                      serve a demo clinic from a data folder of its own
  pati-service --config /etc/pati.toml serve     serve with this configuration
  PATI_SERVER__BIND=0.0.0.0:80 pati-service      override a setting
  pati-service import clinic.json                load departments, doctors and schedules
  pati-service tenant add --id 2 --name 二分院    add a clinic
  pati-service staff add --account boss --role admin    add an administrator
  pati-service verify                            check the stored data
  pati-service reconcile 2026-11-30              compare a day's payments with WeChat Pay
  pati-service backup /mnt/usb/2026-11-24        copy the data, also beside a running server
  pati-service restore /mnt/usb/2026-11-24       bring a backup back
  pati-service export --output patients.jsonl    write all records of a clinic as JSON lines

Log lines go to standard error; RUST_LOG=debug shows more of them.";

/// The server behind a clinic's WeChat H5 app
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "pati-service", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The configuration; config.toml in the current folder, if there is one, when left out
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve patients (the default)
    Serve(Serve),
    /// Load departments, doctors and schedules from a JSON file: all of it or nothing
    #[command(after_help = "Example:\n  pati-service import clinic.json")]
    Import(Import),
    /// Manage clinics
    Tenant {
        /// What is to be done with them.
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Manage the staff
    Staff {
        /// What is to be done with them.
        #[command(subcommand)]
        command: StaffCommand,
    },
    /// Check the stored data, also beside a running server, or a backup
    #[command(after_help = "Examples:\n  pati-service verify\n  pati-service verify /mnt/usb/2026-11-24")]
    Verify(Verify),
    /// Copy the data into a new folder, also beside a running server. The keys are not copied
    #[command(after_help = "Example:\n  pati-service backup /mnt/usb/2026-11-24")]
    Backup(Backup),
    /// Bring a backup back. No server may run, and the keys must be in the data folder
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(Restore),
    /// Fold the journal now and remove the index, which the next start makes anew: what was erased or overwritten is
    /// physically gone then. No server may run
    Compact,
    /// Write all records of a clinic as JSON lines, with names, phones and ID numbers readable, also beside a running
    /// server
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Compare the payments of a day with WeChat Pay, also beside a running server. It changes nothing
    #[command(after_help = RECONCILE_EXAMPLES)]
    Reconcile(Reconcile),
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  pati-service restore /mnt/usb/2026-11-24
  pati-service restore --replace /mnt/usb/2026-11-24    keep what is there aside";

const EXPORT_EXAMPLES: &str = "\
Examples:
  pati-service export --output clinic.jsonl
  pati-service export --tenant 2 | gzip > clinic2.jsonl.gz

What is written is not encrypted. Keep it as you would keep the patients' paper files, and remove it afterwards.";

/// What is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Verify {
    /// A backup; the data folder of the settings when left out
    pub backup: Option<PathBuf>,
}

/// Where a backup goes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Backup {
    /// The folder that it becomes; it must not exist yet
    pub folder: PathBuf,
}

/// What is brought back.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Restore {
    /// The backup
    pub from: PathBuf,
    /// Put it in the place of data that is there, which is kept aside within the data folder
    #[arg(long)]
    pub replace: bool,
}

/// What is written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Export {
    /// The clinic; the default one when left out
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// A new file that only you can read; the standard output when left out
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Which clinic is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "Examples:\n  pati-service serve\n  pati-service serve --demo")]
pub struct Serve {
    /// Serve a demo clinic, in a data folder of its own and with a simulated WeChat
    #[arg(long)]
    pub demo: bool,
}

/// What is imported.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Import {
    /// The JSON file
    pub file: PathBuf,
}

const RECONCILE_EXAMPLES: &str = "\
WeChat Pay is asked about each order that was made, paid or paid back on the day, one after the other. What differs is
listed on standard output.

Exit codes: 0 both sides say the same, 1 something differs, 2 not everything could be compared.

Examples:
  pati-service reconcile 2026-11-30
  pati-service reconcile 2026-11-30 --tenant 2";

/// What is compared with WeChat Pay.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Reconcile {
    /// The day in the clinic's zone, as yyyy-MM-dd
    #[arg(value_parser = Date::parse)]
    pub date: Date,
    /// The clinic; the default one when left out
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
}

/// What is to be done with clinics.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TenantCommand {
    /// Add a clinic; an import changes its name later
    #[command(after_help = "Example:\n  pati-service tenant add --id 2 --name 二分院")]
    Add(TenantAdd),
}

/// The clinic that is added.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct TenantAdd {
    /// Its number, which clients send as tenantId
    #[arg(long, value_parser = TenantId::parse)]
    pub id: TenantId,
    /// Its name, as patients read it
    #[arg(long, value_parser = tenant_name)]
    pub name: String,
}

/// What is to be done with the staff.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum StaffCommand {
    /// Add somebody who can log in. The password is asked for twice on a terminal, and otherwise read as one line from
    /// the standard input. No server may run on the data folder; a new one is made where there is none
    #[command(after_help = STAFF_EXAMPLES)]
    Add(StaffAdd),
}

const STAFF_EXAMPLES: &str = "\
Examples:
  pati-service staff add --account boss --role admin --name 王院长
  pati-service staff add --tenant 2 --account chen --role doctor --doctor 2001
  pati-service staff add --account desk1 --role desk < password.txt";

/// Who is added.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct StaffAdd {
    /// The clinic; the default one when left out
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// What they log in with: 1 to 32 letters, digits, dots, hyphens and underscores
    #[arg(long, value_parser = AccountName::parse)]
    pub account: AccountName,
    /// What they may do
    #[arg(long, value_enum)]
    pub role: RoleName,
    /// The doctor that they are, with --role doctor
    #[arg(long, value_parser = DoctorId::parse, required_if_eq("role", "doctor"))]
    pub doctor: Option<DoctorId>,
    /// What others are shown; the account when left out
    #[arg(long, value_parser = PersonName::parse)]
    pub name: Option<PersonName>,
}

/// What a member of the staff may do, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Everything, settings and staff included
    Admin,
    /// The front desk: patients, bookings, schedules
    Desk,
    /// Reads the own schedules and their patients
    Doctor,
}

impl StaffAdd {
    /// The role; `None` for a doctor who is not named.
    pub fn role(&self) -> Option<Role> {
        match self.role {
            RoleName::Admin => Some(Role::Admin),
            RoleName::Desk => Some(Role::Desk),
            RoleName::Doctor => self.doctor.map(Role::Doctor),
        }
    }
}

impl Cli {
    /// Which configuration file is read.
    pub fn config_file(&self) -> ConfigFile {
        match &self.config {
            Some(path) => ConfigFile::Given(path.clone()),
            None => ConfigFile::Usual,
        }
    }

    /// What is to be done; serving, when nothing is said.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Serve::default()))
    }
}

fn tenant_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    let length = name.chars().count();
    if !(1..=50).contains(&length) || name.chars().any(char::is_control) {
        return Err("a name has 1 to 50 characters");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    fn command(line: &str) -> Command {
        parse(line).expect("accepted").into_command()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        assert_eq!(command("pati-service"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("pati-service serve"), Command::Serve(Serve { demo: false }));
        assert_eq!(command("pati-service serve --demo"), Command::Serve(Serve { demo: true }));
        let configured = parse("pati-service --config a.toml").expect("accepted");
        assert_eq!(configured.into_command(), Command::Serve(Serve { demo: false }));
    }

    #[test]
    fn the_configuration_may_stand_anywhere() {
        for line in [
            "pati-service --config a.toml verify",
            "pati-service verify --config a.toml",
            "pati-service verify --config=a.toml",
        ] {
            let cli = parse(line).expect("accepted");
            assert_eq!(cli.config_file(), ConfigFile::Given("a.toml".into()), "{line}");
            assert_eq!(cli.into_command(), Command::Verify(Verify::default()), "{line}");
        }
        assert_eq!(parse("pati-service").expect("accepted").config_file(), ConfigFile::Usual);
    }

    #[test]
    fn an_import_names_its_file() {
        let expected = Import { file: "clinic.json".into() };
        assert_eq!(command("pati-service import clinic.json"), Command::Import(expected));
        let error = parse("pati-service import").expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn a_tenant_is_added_with_number_and_name() {
        let add = TenantAdd { id: TenantId::new(2).expect("an id"), name: "二分院".to_owned() };
        let expected = Command::Tenant { command: TenantCommand::Add(add) };
        assert_eq!(command("pati-service tenant add --id 2 --name 二分院"), expected);
        for line in [
            "pati-service tenant add --id 0 --name a",
            "pati-service tenant add --id x --name a",
            "pati-service tenant add --id 2 --name=",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{line}");
        }
        for line in ["pati-service tenant", "pati-service tenant add --id 2"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_doctor_of_the_staff_is_named() {
        let Command::Staff { command: StaffCommand::Add(add) } =
            command("pati-service staff add --account Chen --role doctor --doctor 2001 --name 陈医生")
        else {
            panic!("another command");
        };
        assert_eq!(add.account.as_str(), "chen");
        assert_eq!(add.role(), DoctorId::new(2001).ok().map(Role::Doctor));
        assert_eq!(add.tenant, None);
        for line in [
            "pati-service staff add --account chen --role doctor",
            "pati-service staff add --account . --role desk",
            "pati-service staff add --account chen --role boss",
            "pati-service staff add --account chen",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_day_is_compared() {
        let date = Date::parse("2026-11-30").expect("a date");
        let command_of = |tenant: Option<u64>| {
            let tenant = tenant.map(|id| TenantId::new(id).expect("an id"));
            Command::Reconcile(Reconcile { date, tenant })
        };
        assert_eq!(command("pati-service reconcile 2026-11-30"), command_of(None));
        assert_eq!(command("pati-service reconcile 2026-11-30 --tenant 2"), command_of(Some(2)));
        for line in
            ["pati-service reconcile", "pati-service reconcile 2026-13-01", "pati-service reconcile x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn data_is_replaced_only_when_that_is_said() {
        let from = || PathBuf::from("/mnt/b");
        let plain = Command::Restore(Restore { from: from(), replace: false });
        assert_eq!(command("pati-service restore /mnt/b"), plain);
        let replace = Command::Restore(Restore { from: from(), replace: true });
        assert_eq!(command("pati-service restore --replace /mnt/b"), replace);
        assert_eq!(command("pati-service backup /mnt/b"), Command::Backup(Backup { folder: from() }));
        assert_eq!(command("pati-service verify /mnt/b"), Command::Verify(Verify { backup: Some(from()) }));
        assert_eq!(command("pati-service export"), Command::Export(Export::default()));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for line in [
            "pati-service backup",
            "pati-service restore",
            "pati-service restore --replace",
            "pati-service serve --fast",
            "pati-service --demo",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    /// Every line of the examples is one that the command line accepts.
    #[test]
    fn the_examples_are_accepted() {
        let help = Cli::command().render_help().to_string();
        let lines: Vec<_> = EXAMPLES.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(lines.len() >= 7);
        for line in lines {
            assert!(help.contains(line.trim()), "{line}");
            let (example, _) = line.trim().split_once("  ").expect("an explanation");
            let words = example.split(' ').skip_while(|word| word.starts_with("PATI_"));
            assert!(Cli::try_parse_from(words).is_ok(), "{example}");
        }
    }
}
