//! A real server: the binary, a data folder of its own, ordinary settings, a free port.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start or to stop before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for one test, on the disk of the target folder, removed at the end.
pub fn data_folder() -> tempfile::TempDir {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tempfile::Builder::new().prefix("clinic-").tempdir_in(parent).expect("a folder under the target folder")
}

/// The program under test, ready for a subcommand.
pub fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pati-service"));
    command
        .current_dir(data)
        .env("PATI_STORAGE__PATH", data.join("data"))
        .env("PATI_SERVER__BIND", "127.0.0.1:0")
        .env("PATI_SERVER__ADMIN_BIND", "127.0.0.1:0")
        .env("PATI_SMS__PER_PHONE_INTERVAL_SECONDS", "0")
        .env("PATI_SMS__PER_IP_PER_HOUR", "0")
        .env("PATI_SMS__PER_IP_PER_DAY", "0");
    command
}

/// Imports a clinic into a data folder that no server uses.
pub fn import(data: &Path, file: &serde_json::Value) {
    let path = data.join("import.json");
    std::fs::File::create(&path).and_then(|mut f| f.write_all(file.to_string().as_bytes())).expect("import file");
    let output = program(data).arg("import").arg(&path).output().expect("the program runs");
    assert!(output.status.success(), "import failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// A running server.
pub struct Clinic {
    child: Child,
    pub address: SocketAddr,
    codes: Arc<Mutex<HashMap<String, String>>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Clinic {
    /// Starts the server and waits until it listens. `settings` are environment variables.
    pub fn start(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_start(data, settings).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// As [`Clinic::start`]; a server that ends instead of listening gives its log.
    pub fn try_start(data: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = program(data);
        command.arg("serve").envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// Runs `command` and waits until it says that it listens.
    pub fn spawn(mut command: Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let codes = Arc::new(Mutex::new(HashMap::new()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (listening, address) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        thread::spawn({
            let codes = Arc::clone(&codes);
            move || stdout.lines().map_while(Result::ok).for_each(|line| remember_code(&codes, &line))
        });
        thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    if let Some(address) = listening_address(&line) {
                        let _ = listening.send(address);
                    }
                    log.lock().expect("no writer panics").push(line);
                }
            }
        });
        match address.recv_timeout(PATIENCE) {
            Ok(address) => Ok(Self { child, address, codes, log }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(log.lock().expect("no writer panics").join("\n"))
            }
        }
    }

    /// The last code sent to a phone by the console provider; waits for it to be printed.
    pub async fn code_for(&self, phone: &str) -> String {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            if let Some(code) = self.codes.lock().expect("no writer panics").remove(phone) {
                return code;
            }
            tokio::task::yield_now().await;
        }
        panic!("no code was sent to {phone}");
    }

    /// What the server has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no writer panics").clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing in the process gets to run any more.
    pub fn kill(mut self) {
        self.child.kill().expect("the server is alive");
        self.child.wait().expect("a child");
    }

    /// SIGTERM, and the status the server ends with.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal_term();
        self.wait_for_end()
    }

    pub fn signal_term(&self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "the server is alive");
    }

    /// Waits until the server has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < give_up, "the server did not end:\n{}", self.log().join("\n"));
            thread::yield_now();
        }
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `SMS to 13900000001 [register]: code 123456`
fn remember_code(codes: &Mutex<HashMap<String, String>>, line: &str) {
    let Some((phone, rest)) = line.strip_prefix("SMS to ").and_then(|line| line.split_once(' ')) else { return };
    let Some((_, code)) = rest.split_once("code ") else { return };
    codes.lock().expect("no reader panics").insert(phone.to_owned(), code.trim().to_owned());
}

/// The address in the log line with which the server says that it takes requests.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line.get("message")?.as_str()? != "listening" {
        return None;
    }
    line.get("address")?.as_str()?.parse().ok()
}

/// An import file: one department (101) and, for each of `doctors`, one schedule a half-day.
pub struct ImportFile {
    departments: Vec<serde_json::Value>,
    doctors: Vec<serde_json::Value>,
    schedules: Vec<serde_json::Value>,
}

impl ImportFile {
    pub fn new() -> Self {
        let department = serde_json::json!({"id": "101", "name": "眼科", "avatar": "", "description": "眼病", "location": "一楼东"});
        Self { departments: vec![department], doctors: Vec::new(), schedules: Vec::new() }
    }

    pub fn doctor(&mut self, id: u64) -> &mut Self {
        self.doctors.push(serde_json::json!({
            "id": id.to_string(), "name": format!("医生{id}"), "title": "主任医师", "avatar": "", "description": "",
            "expertise": "白内障", "departments": ["101"]
        }));
        self
    }

    /// One schedule of a doctor, `days` from today, with `slots` slots one minute apart.
    pub fn schedule(&mut self, id: u64, doctor: u64, days: u32, period: &str, slots: u16) -> &mut Self {
        let first = if period == "AM" { 7 * 60 } else { 13 * 60 };
        let slots: Vec<_> = (0..slots)
            .map(|n| {
                let minute = first + n.min(280);
                serde_json::json!({"serialNo": n + 1, "time": format!("{:02}:{:02}", minute / 60, minute % 60)})
            })
            .collect();
        self.schedules.push(serde_json::json!({
            "id": id.to_string(), "department": "101", "doctor": doctor.to_string(), "date": format!("+{days}"),
            "period": period, "type": 1, "fee": "50.00", "location": "二楼201", "slots": slots
        }));
        self
    }

    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "tenant": {"id": 1, "name": "测试诊所", "appo_notice": "请提前十分钟到", "phone": "010-12345678"},
            "departments": self.departments, "doctors": self.doctors, "schedules": self.schedules
        })
    }
}

/// The path of the data folder inside a test's folder.
pub fn store(data: &Path) -> PathBuf {
    data.join("data")
}
