//! The style of the source tree as a test: sizes, names, where `unsafe` may be, which package may
//! use which, promised documents. Each rule is a plain function over the files that git tracks;
//! what it finds is `FILE:LINE: rule`. What rustfmt and clippy already hold is not repeated here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;
/// Names that say nothing: a file is called after what it does.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "manager"];
/// The files that talk to the kernel.
const UNSAFE_FILES: &[&str] = &[
    "src/kernel.rs",
    "src/kernel/datagrams.rs",
    "loadtest/src/kernel.rs",
];
/// Crate roots that only deny `unsafe`, because one file below them allows it.
const UNSAFE_ROOTS: &[&str] = &["src/lib.rs", "loadtest/src/main.rs", "loadtest/src/lib.rs"];
/// The one file that joins the DNS server and the control plane.
const STANDALONE: &str = "src/standalone.rs";
/// Documents that must be there.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "configs/containerdns.toml",
    "configs/containerdns-kubeapi.toml",
    "configs/tokens.toml",
    "configs/apicmd.toml",
    "docs/configuration.md",
    "docs/api.md",
    "docs/apicmd.md",
];
/// Which of our packages each may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "Cargo.toml",
        &[
            "containerdns-store",
            "containerdns-schema",
            "containerdns-kubeapi",
        ],
    ),
    (
        "kubeapi/Cargo.toml",
        &["containerdns-store", "containerdns-schema"],
    ),
    ("kubeapi/schema/Cargo.toml", &[]),
    ("kubeapi/store/Cargo.toml", &[]),
    ("apicmd/Cargo.toml", &["containerdns-schema"]),
    ("loadtest/Cargo.toml", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Path and text of every tracked file that is text.
fn tracked() -> BTreeMap<String, String> {
    let git = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output();
    let git = git.expect("git runs: the rules are about the files that it tracks");
    assert!(
        git.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&git.stderr)
    );
    let list = String::from_utf8(git.stdout).expect("paths are UTF-8");
    let paths = list.split('\0').filter(|path| !path.is_empty());
    let text = |path: &str| {
        Some((
            path.to_owned(),
            std::fs::read_to_string(root().join(path)).ok()?,
        ))
    };
    let files: BTreeMap<_, _> = paths.filter_map(text).collect();
    assert!(files.contains_key("src/lib.rs"), "git tracks no src/lib.rs");
    files
}

/// Fails with everything that `rule` found in the Rust sources.
fn check_sources(rule: impl Fn(&str, &str) -> Vec<String>) {
    let files = tracked();
    let sources = files.iter().filter(|(path, _)| path.ends_with(".rs"));
    report(sources.flat_map(|(path, text)| rule(path, text)).collect());
}

fn report(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// `FILE:LINE: message` for each line that `wrong` says something about; lines count from 1.
fn each_line(path: &str, text: &str, wrong: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| Some(format!("{path}:{number}: {}", wrong(line)?)))
        .collect()
}

/// The line without its comment and with its strings emptied.
fn code(line: &str) -> String {
    let mut code = String::new();
    let mut in_string = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if in_string => drop(characters.next()),
            '\'' if !in_string && characters.peek() == Some(&'"') => drop(characters.next()),
            '"' => {
                in_string = !in_string;
                code.push('"');
            }
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => code.push(character),
        }
    }
    code
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.split(|c| !part(c)).any(|found| found == word)
}

#[test]
fn files_are_short() {
    check_sources(|path, text| {
        let lines = text.lines().count();
        let long = lines > FILE_LINES_MAX;
        let message = format!("{path}:{lines}: a file has at most {FILE_LINES_MAX} lines");
        Vec::from_iter(long.then_some(message))
    });
}

#[test]
fn functions_are_short() {
    check_sources(|path, text| {
        functions(text)
            .filter(|&(_, lines)| lines > FUNCTION_LINES_MAX)
            .map(|(line, lines)| {
                format!("{path}:{line}: {lines} lines; a function has at most {FUNCTION_LINES_MAX}")
            })
            .collect()
    });
}

/// First line and length of each function: from its `fn` to the brace at the same indent, as
/// rustfmt leaves them.
fn functions(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len())
        .filter(|&at| opens_function(lines[at]))
        .collect::<Vec<_>>();
    starts.into_iter().map(move |start| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let close = format!("{}}}", &lines[start][..indent]);
        let head = |line: &&&str| !line.ends_with(['{', '}', ';']);
        let head = lines[start..].iter().take_while(head).count();
        // A declaration ends with its head; a body that ends there is on the same line.
        let body = lines
            .get(start + head)
            .is_some_and(|line| line.ends_with('{'));
        let length = match body {
            false => 1 + head,
            true => {
                1 + lines[start..]
                    .iter()
                    .take_while(|line| **line != close)
                    .count()
            }
        };
        (start + 1, length)
    })
}

fn opens_function(line: &str) -> bool {
    let mut words = line.trim_start().split(' ');
    let modifier = |word: &&str| {
        word.starts_with("pub") || ["async", "const", "unsafe", "extern", "\"C\""].contains(word)
    };
    words.find(|word| !modifier(word)) == Some("fn")
}

#[test]
fn lines_are_short() {
    check_sources(|path, text| {
        // Text in quotes counts for nothing: expected output is compared, not wrapped.
        let mut in_raw_string = false;
        let mut long = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let opens = line.find("r#\"").or_else(|| line.find("r##\""));
            let quoted = in_raw_string || opens.is_some();
            if in_raw_string {
                in_raw_string = !line.contains("\"#");
            } else if let Some(at) = opens {
                in_raw_string = !line[at + 3..].contains("\"#");
            }
            let comment = line.trim_start().starts_with("//");
            let counted = if comment { line.to_owned() } else { code(line) };
            if !quoted && counted.chars().count() > LINE_COLUMNS_MAX {
                long.push(format!(
                    "{path}:{number}: a line has at most {LINE_COLUMNS_MAX} columns"
                ));
            }
        }
        long
    });
}

#[test]
fn files_open_with_why() {
    check_sources(|path, text| {
        let message = format!("{path}:1: a file opens with `//!`: why, how, what not");
        Vec::from_iter((!text.starts_with("//!")).then_some(message))
    });
}

#[test]
fn names_say_something() {
    check_sources(|path, text| {
        let parts = Path::new(path).with_extension("");
        let parts = parts.iter().filter_map(|part| part.to_str());
        let empty = parts.filter(|part| EMPTY_NAMES.contains(part));
        let mut found: Vec<_> = empty
            .map(|part| format!("{path}:1: `{part}` says nothing; name what it does"))
            .collect();
        found.extend(each_line(path, text, |line| {
            let (_, module) = code(line)
                .split_once("mod ")
                .map(|(a, b)| (a.len(), b.to_owned()))?;
            let module = module.trim_end_matches([';', ' ', '{', '}']).to_owned();
            EMPTY_NAMES
                .contains(&module.as_str())
                .then(|| format!("module `{module}` says nothing; name what it does"))
        }));
        found
    });
}

#[test]
fn unsafe_is_in_the_kernel_files() {
    check_sources(|path, text| {
        if UNSAFE_FILES.contains(&path) {
            return Vec::new();
        }
        let allowed = UNSAFE_FILES.join(" and ");
        each_line(path, text, |line| {
            has_word(&code(line), "unsafe").then(|| format!("`unsafe` is only in {allowed}"))
        })
    });
}

#[test]
fn crate_roots_forbid_unsafe() {
    check_sources(|path, text| {
        let is_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        let level = if UNSAFE_ROOTS.contains(&path) {
            "deny"
        } else {
            "forbid"
        };
        let strict = ["forbid", level].map(|level| format!("#![{level}(unsafe_code)]"));
        let lacking = is_root && !strict.iter().any(|attribute| text.contains(attribute));
        let message = format!("{path}:1: a crate root says `#![{level}(unsafe_code)]`");
        Vec::from_iter(lacking.then_some(message))
    });
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, so that this file keeps the rule too.
    let later = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let attribute = concat!("#[ig", "nore");
    let macros = [concat!("to", "do!("), concat!("unimple", "mented!(")];
    check_sources(|path, text| {
        each_line(path, text, |line| {
            let word = later.iter().find(|word| has_word(line, word));
            let call = macros.iter().find(|call| code(line).contains(**call));
            let skip = line
                .trim_start()
                .starts_with(attribute)
                .then_some(&attribute);
            word.or(call)
                .or(skip)
                .map(|found| format!("`{found}`: finish it, or leave it out"))
        })
    });
}

#[test]
fn exceptions_have_reasons() {
    check_sources(|path, text| {
        let lines: Vec<&str> = text.lines().collect();
        let exception = |line: &str| {
            let line = line.trim_start();
            let line = line.strip_prefix("#![").or_else(|| line.strip_prefix("#["));
            line.is_some_and(|line| line.starts_with("allow(") || line.starts_with("expect("))
        };
        let has_reason = |at: usize| {
            let end = lines[at..].iter().position(|line| line.contains(")]"));
            let attribute = &lines[at..=at + end.unwrap_or(0)];
            attribute.iter().any(|line| line.contains("reason ="))
        };
        (0..lines.len())
            .filter(|&at| exception(lines[at]) && !has_reason(at))
            .map(|at| format!("{path}:{}: an exception to a lint has a `reason =`", at + 1))
            .collect()
    });
}

#[test]
fn dependencies_have_reasons() {
    let files = tracked();
    let manifest = &files["Cargo.toml"];
    let section = manifest
        .lines()
        .zip(1..)
        .skip_while(|(line, _)| *line != "[workspace.dependencies]");
    let lines = section
        .skip(1)
        .take_while(|(line, _)| !line.starts_with('['));
    let lines: Vec<_> = lines.filter(|(line, _)| line.contains(" = ")).collect();
    assert!(lines.len() > 10, "the dependencies were not found");
    let silent = lines
        .iter()
        .filter(|(line, _)| !line.contains("path = ") && !line.contains(" # "));
    report(
        silent
            .map(|(_, number)| format!("Cargo.toml:{number}: say why it is here"))
            .collect(),
    );
}

#[test]
fn packages_depend_as_drawn() {
    let files = tracked();
    let mut found = Vec::new();
    for (path, text) in files
        .iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml"))
    {
        let Some((_, allowed)) = ARROWS.iter().find(|(manifest, _)| manifest == path) else {
            found.push(format!(
                "{path}:1: this package is not in the arrows of {}",
                file!()
            ));
            continue;
        };
        let manifest: toml::Table = text.parse().expect("cargo has read it");
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = manifest.get(kind).and_then(|table| table.as_table());
            let ours = table.into_iter().flat_map(|table| table.keys());
            let ours = ours.filter(|name| name.starts_with("containerdns"));
            let crossing = ours.filter(|name| !allowed.contains(&name.as_str()));
            found.extend(
                crossing.map(|name| format!("{path}:1: {kind}: {name} is not allowed here")),
            );
        }
    }
    report(found);
}

#[test]
fn only_standalone_joins_server_and_control_plane() {
    let control_plane = concat!("containerdns", "_kubeapi");
    check_sources(|path, text| {
        if path.starts_with("kubeapi/") || path == STANDALONE {
            return Vec::new();
        }
        each_line(path, text, |line| {
            let crossing = has_word(&code(line), control_plane);
            crossing.then(|| format!("{control_plane} is used in {STANDALONE} only"))
        })
    });
}

#[test]
fn no_path_or_registry_of_a_machine() {
    let places = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
    ];
    let index = "registry+https://github.com/rust-lang/crates.io-index";
    let mut found = Vec::new();
    for (path, text) in &tracked() {
        found.extend(each_line(path, text, |line| {
            let place = places.iter().find(|place| line.contains(**place));
            place.map(|place| format!("`{place}` is a path of one machine"))
        }));
        found.extend(each_line(path, text, |line| {
            let source = line
                .strip_prefix("source = \"")
                .filter(|_| path == "Cargo.lock")?;
            (!source.starts_with(index)).then(|| "a source other than crates.io".to_owned())
        }));
        if path.starts_with(".cargo/") {
            found.push(format!(
                "{path}:1: cargo's configuration belongs to a machine"
            ));
        }
    }
    report(found);
}

#[test]
fn promised_documents_exist() {
    let files = tracked();
    let missing = DOCUMENTS.iter().filter(|path| !files.contains_key(**path));
    report(
        missing
            .map(|path| format!("{path}:1: is promised; write it"))
            .collect(),
    );
}

#[test]
fn links_between_documents_resolve() {
    let files = tracked();
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".md")) {
        let folder: PathBuf = root()
            .join(path)
            .parent()
            .expect("a file is in a folder")
            .into();
        for (line, number) in text.lines().zip(1..) {
            for link in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let target = link.split('#').next().unwrap_or_default();
                let local = !target.is_empty() && !link.contains(':');
                if local && !folder.join(target).exists() {
                    found.push(format!(
                        "{path}:{number}: the link to `{target}` leads nowhere"
                    ));
                }
            }
        }
    }
    report(found);
}

#[test]
fn the_rules_see_what_they_are_about() {
    assert_eq!(code("let x = \"a // \\\" \"; // b"), "let x = \"\"; ");
    assert!(has_word("a_b { }", "a_b") && !has_word("a_b_c", "a_b"));
    let source =
        "pub async fn a(\n    b: u8,\n) {\n    b;\n}\n\nimpl X {\n    fn c() {}\n    fn d();\n}\n";
    assert_eq!(
        functions(source).collect::<Vec<_>>(),
        [(1, 5), (8, 1), (9, 1)]
    );
}
