//! Faults that need root, mounts or tools of the system: power cuts, full and read-only disks, a clock that is faked for
//! the whole process. Feature `faults`; `.ci/run` runs them.

#[path = "../harness/mod.rs"]
mod harness;

#[expect(unreachable_pub, reason = "a module of a test crate")]
mod disk;
mod faked_clock;
mod full_disk;
mod power_cut;
