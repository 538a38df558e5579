//! A child process of a scenario: its output goes to a file, which a failure message shows; it is
//! killed when the value is dropped, and by the kernel when the test's thread ends without that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::poll;

/// A running (or ended) program.
pub(crate) struct Process {
    child: Child,
    output: PathBuf,
    title: String,
}

impl Process {
    /// Starts `program` with `arguments`; standard output and error go to `output`.
    pub(crate) fn start(program: &str, arguments: &[&str], output: &Path) -> Process {
        let file = fs::File::create(output).expect("create the output file");
        // setpriv replaces itself with the program: the child's id is the program's id.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("share the output file"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {program} by setpriv (Debian util-linux): {error}")
            });
        let title = Path::new(program)
            .file_name()
            .map_or(program.into(), |name| name.to_string_lossy().into_owned());
        Process {
            child,
            output: output.to_owned(),
            title,
        }
    }

    /// All that the program has written so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// The end of the output, for failure messages.
    pub(crate) fn output_tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let tail = &lines[lines.len().saturating_sub(40)..];
        format!(
            "--- last output of {} ---\n{}\n---",
            self.title,
            tail.join("\n")
        )
    }

    /// The exit status if the program has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for the child")
    }

    /// Waits until the program ends by itself; `None` when it still runs after `limit`.
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll(limit, || self.exited())
    }

    /// Sends a signal by name, as `kill` spells it ("STOP", "CONT", "TERM").
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .expect("run kill");
        assert!(status.success(), "kill -{name} {} failed", self.title);
    }

    /// `kill -9` and wait.
    pub(crate) fn kill(&mut self) {
        // Fails only when the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{} is gone ({path}: {error})\n{}",
                self.title,
                self.output_tail()
            )
        });
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|text| text.parse().ok())
            .expect("VmRSS in /proc/PID/status")
    }

    /// CPU time used so far, in seconds, all threads together.
    pub(crate) fn cpu_s(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{} is gone ({path}: {error})\n{}",
                self.title,
                self.output_tail()
            )
        });
        // Fields 14 and 15; the name before them may hold blanks. Linux counts 100 ticks a second.
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        let fields = rest.split(' ').skip(11).take(2);
        let ticks: f64 = fields
            .map(|field| field.parse::<f64>().expect("ticks"))
            .sum();
        ticks / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
