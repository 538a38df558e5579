//! One session: commands run one after the other against one server, and all that they print.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::Expect;
use tempfile::TempDir;

use crate::fake::Fake;

/// The program that is tested.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-apicmd");

/// A server, a folder for files, and what was printed so far.
pub(crate) struct Session {
    pub(crate) fake: Fake,
    pub(crate) folder: TempDir,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) told: String,
}

impl Session {
    pub(crate) fn start() -> Self {
        Self::with(Fake::start())
    }

    pub(crate) fn with(fake: Fake) -> Self {
        let environment = vec![
            ("CONDNS_API_ADDR", fake.address.to_string()),
            ("CONDNS_API_TOKEN", "secret".into()),
        ];
        Self {
            fake,
            folder: TempDir::new().expect("a folder"),
            environment,
            told: String::new(),
        }
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("writing a file");
    }

    pub(crate) fn run(&mut self, line: &str) {
        self.run_with_input(line, "");
    }

    /// Runs a line, words in single quotes kept together, and keeps all that it prints.
    pub(crate) fn run_with_input(&mut self, line: &str, input: &str) {
        let mut child = Command::new(PROGRAM)
            .args(words(line))
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the program");
        let mut stdin = child.stdin.take().expect("piped");
        // A program that reads no input has closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        self.told += &format!("$ {line}\n{}", String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            self.told += &format!("! {line}\n");
        }
        match output.status.code() {
            Some(0) => {}
            code => self.told += &format!("exit {code:?}\n"),
        }
    }

    /// Adds a line of the test's own.
    pub(crate) fn note(&mut self, text: &str) {
        self.told += &format!("# {text}\n");
    }

    /// What the server was asked since the last time.
    pub(crate) fn asked(&mut self) {
        let asked = std::mem::take(&mut self.fake.lock().asked);
        for line in asked {
            self.note(&line);
        }
    }

    pub(crate) fn check(mut self, want: Expect) {
        let told = std::mem::take(&mut self.told);
        assert!(!told.contains('\x1b'), "no colours where nobody sees them");
        let told = told.replace(&self.fake.address.to_string(), "SERVER");
        let lines = told.lines().map(without_times);
        want.assert_eq(&lines.map(|line| line + "\n").collect::<String>());
    }
}

/// The line without how long something took.
fn without_times(line: &str) -> String {
    for mark in [" records in ", " changed in ", " are equal ("] {
        if let Some(at) = line.find(mark) {
            return line[..at + mark.len()].to_owned() + "TIME";
        }
    }
    line.into()
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(String::from)),
            _ => words.push(part.into()),
        }
    }
    words
}
