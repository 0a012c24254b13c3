//! A real server: the binary, a data folder of its own, ordinary settings, a free port.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::folder::Folder;
use super::import::ImportFile;
use super::privacy;

/// How long a server may take to start, to stop or to send a code before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test, ready for a subcommand: a data folder of its own, free ports, and no limits on texts.
pub fn program(folder: &Folder) -> Command {
    with_settings(Command::new(env!("CARGO_BIN_EXE_pati-service")), folder)
}

/// The same for a command that starts the program in its turn.
pub fn with_settings(mut command: Command, folder: &Folder) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PATI_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
        .current_dir(folder.path())
        .env("PATI_STORAGE__PATH", folder.store())
        .env("PATI_SERVER__BIND", "127.0.0.1:0")
        .env("PATI_SERVER__ADMIN_BIND", "127.0.0.1:0")
        .env("PATI_DEMO__SIMULATOR_PORT", "0")
        .env("PATI_SMS__PER_PHONE_INTERVAL_SECONDS", "0")
        .env("PATI_SMS__PER_IP_PER_HOUR", "0")
        .env("PATI_SMS__PER_IP_PER_DAY", "0");
    command
}

/// Runs a subcommand to its end.
pub fn run(folder: &Folder, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().expect("the program runs")
}

/// Imports a clinic into a data folder that no server uses.
#[track_caller]
pub fn import(folder: &Folder, file: &ImportFile) {
    let path = folder.write("import.json", &file.to_json().to_string());
    let output = run(folder, &["import", path_text(&path)]);
    assert!(output.status.success(), "import failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Adds a second clinic to a data folder that no server uses.
#[track_caller]
pub fn add_tenant(folder: &Folder, id: u64) {
    let output = run(folder, &["tenant", "add", "--id", &id.to_string(), "--name", "二分院"]);
    assert!(output.status.success(), "tenant add failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `verify` and answers its report; anything but a sound folder fails the test.
#[track_caller]
pub fn verify(folder: &Folder) -> String {
    let output = run(folder, &["verify"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "verify failed: {report}{}", String::from_utf8_lossy(&output.stderr));
    report
}

pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("the paths of the tests are UTF-8")
}

/// The signals that a server is ended with.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    Terminate,
    Interrupt,
    HangUp,
}

/// A running server.
pub struct Clinic {
    child: Child,
    /// Where patients are served.
    pub address: SocketAddr,
    /// Where the operator is served.
    pub admin_address: SocketAddr,
    codes: Arc<Codes>,
    log: Arc<Mutex<Vec<String>>>,
    /// Receives something when the process has closed its standard error.
    ended: mpsc::Receiver<()>,
    /// Whether a panic is what the test has planted.
    panics: bool,
}

#[derive(Default)]
struct Codes {
    by_phone: Mutex<HashMap<String, String>>,
    arrived: Condvar,
}

impl Clinic {
    /// Starts the server and waits until it listens. `settings` are environment variables.
    pub fn start(folder: &Folder, settings: &[(&str, &str)]) -> Self {
        Self::try_start(folder, settings).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// As [`Clinic::start`]; a server that ends instead of listening gives its log.
    pub fn try_start(folder: &Folder, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = program(folder);
        command.arg("serve").envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// Runs `command` and waits until it says that it listens.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let codes = Arc::new(Codes::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (listening, addresses) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        thread::spawn({
            let codes = Arc::clone(&codes);
            move || stdout.lines().map_while(Result::ok).for_each(|line| codes.remember(&line))
        });
        thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    let address = listening_address(&line);
                    log.lock().expect("no writer panics").push(line);
                    if let Some(address) = address {
                        // Nobody waits any more where this fails.
                        let _ = listening.send(address);
                    }
                }
                drop(listening);
                // Nor here.
                let _ = end.send(());
            }
        });
        // First the patients', then the operator's.
        let next = || addresses.recv_timeout(PATIENCE).ok();
        match next().zip(next()) {
            Some((address, admin_address)) => {
                Ok(Self { child, address, admin_address, codes, log, ended, panics: false })
            }
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(log.lock().expect("no writer panics").join("\n"))
            }
        }
    }

    /// The last code sent to a phone by the console provider; waits for it to be printed.
    pub fn code_for(&self, phone: &str) -> String {
        let codes = self.codes.by_phone.lock().expect("no writer panics");
        let missing = |codes: &mut HashMap<String, String>| !codes.contains_key(phone);
        let waited = self.codes.arrived.wait_timeout_while(codes, PATIENCE, missing);
        let (mut codes, _) = waited.expect("no writer panics");
        codes.remove(phone).unwrap_or_else(|| panic!("no code was sent to {phone}"))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no writer panics").clone()
    }

    /// Whether a line with this message was logged.
    pub fn has_logged(&self, message: &str) -> bool {
        let message = format!("\"message\":\"{message}\"");
        self.log().iter().any(|line| line.contains(&message))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// SIGKILL: nothing in the process gets to run any more.
    pub fn kill(mut self) {
        assert!(self.is_running(), "the server ended by itself:\n{}", self.log().join("\n"));
        self.child.kill().expect("a child");
        let status = self.child.wait().expect("a child");
        assert_eq!(status.signal(), Some(9));
        self.assert_no_panic();
    }

    /// SIGTERM, and waits for an end in good order.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::Terminate);
        let status = self.wait_for_end();
        assert_eq!(status.code(), Some(0), "{status}:\n{}", self.log().join("\n"));
    }

    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
            Signal::HangUp => "HUP",
        };
        // The shell's own `kill`: every system has it, and no test needs an unsafe block.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status();
        assert!(sent.expect("sh runs").success(), "the server is alive");
    }

    /// Waits until the server has ended by itself, and looks through its log for panics.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let ended = self.ended.recv_timeout(PATIENCE);
        assert!(ended.is_ok(), "the server did not end:\n{}", self.log().join("\n"));
        self.assert_no_panic();
        self.child.wait().expect("a child")
    }

    /// From now on the log may, and must, tell of a panic.
    pub fn expect_panics(&mut self) {
        self.panics = true;
    }

    fn assert_no_panic(&self) {
        assert!(self.panics == self.has_logged("panic"), "{}", self.log().join("\n"));
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            privacy::check_log(&self.log());
        }
    }
}

impl Codes {
    /// `SMS to 13900000001 [register]: code 123456`
    fn remember(&self, line: &str) {
        let Some((phone, rest)) = line.strip_prefix("SMS to ").and_then(|line| line.split_once(' ')) else {
            return;
        };
        let Some((_, code)) = rest.split_once("code ") else { return };
        self.by_phone.lock().expect("no reader panics").insert(phone.to_owned(), code.trim().to_owned());
        self.arrived.notify_all();
    }
}

/// The address in a log line with which the server says that it takes requests.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if !line.get("message")?.as_str()?.starts_with("listening") {
        return None;
    }
    line.get("address")?.as_str()?.parse().ok()
}

/// Starts the program and gives it so long before SIGKILL; whether it listened by then.
pub fn start_and_kill(folder: &Folder, settings: &[(&str, &str)], after: Duration) -> Listened {
    let mut command = program(folder);
    command.arg("serve").envs(settings.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    thread::sleep(after);
    child.kill().expect("a child");
    let output = child.wait_with_output().expect("a child");
    assert_eq!(output.status.signal(), Some(9), "{}", String::from_utf8_lossy(&output.stderr));
    let log = String::from_utf8_lossy(&output.stderr);
    if log.lines().any(|line| listening_address(line).is_some()) {
        Listened::Already
    } else {
        Listened::NotYet
    }
}

/// Whether a server was killed before or after it took requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listened {
    Already,
    NotYet,
}

/// The path of the program.
pub fn program_path() -> &'static str {
    env!("CARGO_BIN_EXE_pati-service")
}
