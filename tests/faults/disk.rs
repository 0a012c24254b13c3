//! A disk of its own for one data folder: ext4 in a file, which can lose its power, fill up or refuse to be written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use crate::harness::folder::Folder;
use crate::harness::privacy;

/// The request FS_IOC_SHUTDOWN of linux/fs.h, with flag 2 of it (FSOP_GOING_FLAGS_NOLOGFLUSH): from now on nothing reaches
/// the disk any more, not even what the file system has in its own journal. Perl is part of every Debian.
const CUT: &str = r#"
    open(my $disk, "<", $ARGV[0]) or die "open: $!";
    my $without_flush = pack("L", 2);
    ioctl($disk, 0x8004587d, $without_flush) or die "ioctl: $!";
"#;

/// Makes the device nodes of loop mounts where the system has not made them, and tries whether they can be had.
const LOOP_NODES: &str = r#"
    set -e
    [ "$(id -u)" = 0 ] || { echo "only root may mount"; exit 1; }
    for tool in mkfs.ext4 perl losetup mount umount; do
      command -v $tool >/dev/null || { echo "$tool is missing (Debian: e2fsprogs, perl-base, mount)"; exit 1; }
    done
    [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
    for number in 0 1 2 3 4 5 6 7; do
      [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number
    done
    losetup --find >/dev/null
"#;

/// Whether this machine lets a test have disks. Where it does not, the test says so and ends; with `CI=true` it fails.
pub fn can_be_had(test: &str) -> bool {
    static MISSING: LazyLock<Option<String>> = LazyLock::new(|| {
        let tried = Command::new("sh").args(["-c", LOOP_NODES]).output().expect("sh runs");
        (!tried.status.success()).then(|| {
            format!("{}{}", String::from_utf8_lossy(&tried.stdout), String::from_utf8_lossy(&tried.stderr))
        })
    });
    match &*MISSING {
        None => true,
        Some(why) => {
            skipped(test, why.trim());
            false
        }
    }
}

/// Says that a test was skipped, past the test runner, which would keep it to itself. With `CI=true` it fails instead.
pub fn skipped(test: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} must not be skipped: {why}");
    writeln!(io::stderr(), "SKIPPED {test}: {why}").expect("standard error is open");
}

/// Mounted where the data folder is to be.
pub struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// A new disk of so many megabytes as the data folder of this test.
    pub fn new(folder: &Folder, megabytes: u64) -> Self {
        let disk = Self { image: folder.path().join("disk.img"), mounted: folder.store() };
        let size = format!("{megabytes}M");
        run("truncate", &["--size", &size, text(&disk.image)]);
        // No blocks are set aside for root, which the server may be here; they are as large as on any disk.
        run("mkfs.ext4", &["-q", "-F", "-m", "0", "-b", "4096", text(&disk.image)]);
        fs::create_dir(&disk.mounted).expect("the folder is new");
        disk.mount();
        disk
    }

    fn mount(&self) {
        // Two that look for a free loop device at once may find the same one: one after the other.
        static MOUNTING: Mutex<()> = Mutex::new(());
        let _turn = MOUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        run("mount", &["-o", "loop", text(&self.image), text(&self.mounted)]);
    }

    /// Cuts the power: whatever is not on the disk by now is lost.
    pub fn cut(&self) {
        run("perl", &["-e", CUT, text(&self.mounted)]);
    }

    /// Gives the power back after a cut. No process may use the disk any more.
    pub fn power_up(&self) {
        run("umount", &[text(&self.mounted)]);
        self.mount();
    }

    /// Mounts it again with other options, beside whoever uses it.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        run("mount", &["-o", &options, text(&self.mounted)]);
    }

    /// Uses the disk up but for so many bytes.
    pub fn fill(&self, leave: u64) {
        // What was removed is free only after it was written down.
        run("sync", &["--file-system", text(&self.mounted)]);
        let mut filler = File::create(self.filler()).expect("there is room for a name");
        for size in [1024 * 1024, 4096] {
            let zeros = vec![0; size];
            // Another may take what was free a moment ago.
            while self.free() >= leave + size as u64 {
                match filler.write_all(&zeros).and_then(|()| filler.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Takes away what [`Disk::fill`] has put there.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("filler")
    }

    /// The bytes that can still be written.
    fn free(&self) -> u64 {
        let output = output("df", &["--output=avail", "-B1", text(&self.mounted)]);
        output.lines().last().and_then(|line| line.trim().parse().ok()).expect("df answers with a number")
    }
}

/// T19, and the end of the mount.
impl Drop for Disk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            privacy::check_files(&self.mounted);
        }
        let umount =
            Command::new("umount").args(["--lazy", text(&self.mounted)]).stderr(Stdio::null()).status();
        assert!(umount.is_ok_and(|status| status.success()) || std::thread::panicking(), "it is unmounted");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the paths of the tests are UTF-8")
}

fn run(program: &str, arguments: &[&str]) {
    output(program, arguments);
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
