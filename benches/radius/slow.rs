//! A slower disk than this machine's: accounting once more, where every sync takes so much longer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Options;
use crate::target::ourselves;

/// What a sync takes longer: with this the lean table takes the 15,000 to 58,000 rows a second, in groups of 64 to 256,
/// that the goal was set by.
const SYNC_US: u32 = 4_000;

/// The dynamic linker takes the calls from here for every program that is started with it (`ld.so(8)`, `LD_PRELOAD`).
const SOURCE: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
static int slowly(const char *name, int fd) {
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int done = sync(fd);
    usleep(SYNC_US);
    return done;
}
int fsync(int fd) { return slowly(\"fsync\", fd); }
int fdatasync(int fd) { return slowly(\"fdatasync\", fd); }
";

/// Runs the part `accounting` with slow syncs for all that runs in it.
pub fn run(options: &Options) {
    println!("\nWith {SYNC_US} µs added to each fsync and fdatasync:");
    let folder = tempfile::tempdir().unwrap();
    let library = compiled(folder.path());
    let done = ourselves()
        .args(["accounting", "--without", "freeradius-sqlite,freeradius-postgres,freeradius-file"])
        .args(["--rounds", &options.rounds.to_string(), "--milliseconds", &options.milliseconds.to_string()])
        .args(["--accounts", &options.accounts.to_string(), "--program"])
        .arg(&options.program)
        .env("LD_PRELOAD", library)
        .status();
    assert!(done.unwrap().success(), "accounting with slow syncs failed; why is above");
}

/// `cc` is there: Rust links by it.
fn compiled(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("slow.c"), folder.join("slow.so"));
    fs::write(&source, SOURCE.replace("SYNC_US", &SYNC_US.to_string())).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).stdin(Stdio::null());
    assert!(compiler.status().unwrap().success(), "cc failed");
    library
}
