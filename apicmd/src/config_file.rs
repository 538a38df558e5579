//! The configuration file: servers by name, with their tokens and certificates.
//!
//! A key that is not known, a missing or a double value is an error with file and line: a mistyped
//! key must not send a command to the wrong server. Relative paths are below the file's folder.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

/// What a configuration file says; without one, nothing.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    /// The server that is meant unless the command line names one.
    pub(crate) default: Option<String>,
    /// Servers by name.
    pub(crate) servers: BTreeMap<String, Server>,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// HOST:PORT or URL.
    pub(crate) api: Option<String>,
    /// The token itself.
    pub(crate) token: Option<String>,
    /// A file whose first line is the token.
    pub(crate) token_file: Option<PathBuf>,
    /// Authorities, PEM.
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate, PEM.
    pub(crate) cert: Option<PathBuf>,
    /// Its key, PEM.
    pub(crate) key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    default: Option<Spanned<String>>,
    #[serde(default)]
    servers: BTreeMap<String, ServerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerText {
    api: Option<String>,
    token: Option<String>,
    token_file: Option<Spanned<PathBuf>>,
    ca: Option<PathBuf>,
    cert: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
}

impl ConfigFile {
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// The first problem, as `FILE:LINE: problem`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, String> {
        let failed = |span: Option<Range<usize>>, problem: &str| {
            let before = text
                .get(..span.map_or(0, |span| span.start))
                .unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            format!("{}:{line}: {problem}", path.display())
        };
        let read: FileText =
            toml::from_str(text).map_err(|error| failed(error.span(), error.message()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut servers = BTreeMap::new();
        for (name, server) in read.servers {
            check(&server).map_err(|(span, problem)| failed(Some(span), problem))?;
            servers.insert(name, server.below(folder));
        }
        if let Some(default) = &read.default
            && !servers.contains_key(default.get_ref())
        {
            let problem = no_server(default.get_ref(), &servers);
            return Err(failed(Some(default.span()), &problem));
        }
        Ok(Self {
            default: read.default.map(Spanned::into_inner),
            servers,
        })
    }
}

/// What is said of a name that is no server's.
pub(crate) fn no_server(name: &str, servers: &BTreeMap<String, Server>) -> String {
    let known: Vec<&str> = servers.keys().map(String::as_str).collect();
    match &known[..] {
        [] => format!("no server `{name}`: no [servers.{name}] is there"),
        known => format!("no server `{name}`: there is {}", known.join(", ")),
    }
}

/// What two keys of a server say together.
fn check(server: &ServerText) -> Result<(), (Range<usize>, &'static str)> {
    if let (Some(_), Some(file)) = (&server.token, &server.token_file) {
        return Err((file.span(), "write token or token_file, not both"));
    }
    match (&server.cert, &server.key) {
        (Some(cert), None) => Err((cert.span(), "cert wants a key beside it")),
        (None, Some(key)) => Err((key.span(), "key wants a cert beside it")),
        _ => Ok(()),
    }
}

impl ServerText {
    fn below(self, folder: &Path) -> Server {
        let below = |path: PathBuf| folder.join(path);
        let spanned = |path: Option<Spanned<PathBuf>>| path.map(Spanned::into_inner).map(below);
        Server {
            api: self.api,
            token: self.token,
            token_file: spanned(self.token_file),
            ca: self.ca.map(below),
            cert: spanned(self.cert),
            key: spanned(self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, want: Expect) {
        let told = match ConfigFile::parse(text, Path::new("dir/apicmd.toml")) {
            Ok(file) => format!("{file:#?}"),
            Err(error) => error,
        };
        want.assert_eq(&told);
    }

    #[test]
    fn every_key_is_read() {
        check(
            "default = \"prod\"\n[servers.prod]\napi = \"https://dns:9003\"\n\
             token_file = \"token\"\nca = \"/etc/ca.pem\"\ncert = \"c.pem\"\nkey = \"k.pem\"\n\
             [servers.lab]\napi = \"lab:9003\"\ntoken = \"secret\"\n",
            expect![[r#"
                ConfigFile {
                    default: Some(
                        "prod",
                    ),
                    servers: {
                        "lab": Server {
                            api: Some(
                                "lab:9003",
                            ),
                            token: Some(
                                "secret",
                            ),
                            token_file: None,
                            ca: None,
                            cert: None,
                            key: None,
                        },
                        "prod": Server {
                            api: Some(
                                "https://dns:9003",
                            ),
                            token: None,
                            token_file: Some(
                                "dir/token",
                            ),
                            ca: Some(
                                "/etc/ca.pem",
                            ),
                            cert: Some(
                                "dir/c.pem",
                            ),
                            key: Some(
                                "dir/k.pem",
                            ),
                        },
                    },
                }"#]],
        );
        check(
            "",
            expect![[r#"
            ConfigFile {
                default: None,
                servers: {},
            }"#]],
        );
    }

    #[test]
    fn the_sample_has_every_key() {
        let sample = include_str!("../../configs/apicmd.toml");
        let file = ConfigFile::parse(sample, Path::new("apicmd.toml")).expect("a good file");
        assert_eq!(file.default.as_deref(), Some("local"));
        for key in ["api", "token", "token_file", "ca", "cert", "key"] {
            let line = format!("\n{key} = ");
            assert!(sample.contains(&line), "{key} is missing");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        check(
            "\nfault = 1\n",
            expect!["dir/apicmd.toml:2: unknown field `fault`, expected `default` or `servers`"],
        );
        check(
            "[servers.prod]\napi = \"a\"\ntokenfile = \"x\"\n",
            expect![
                "dir/apicmd.toml:3: unknown field `tokenfile`, expected one of `api`, `token`, `token_file`, `ca`, `cert`, `key`"
            ],
        );
        check(
            "[servers.prod]\n\napi = 5\n",
            expect!["dir/apicmd.toml:3: invalid type: integer `5`, expected a string"],
        );
        check(
            "[servers.prod\n",
            expect!["dir/apicmd.toml:1: unclosed table, expected `]`"],
        );
        check(
            "default = \"prod\"\n",
            expect!["dir/apicmd.toml:1: no server `prod`: no [servers.prod] is there"],
        );
        check(
            "[servers.lab]\n[servers.a]\n",
            expect![[r#"
            ConfigFile {
                default: None,
                servers: {
                    "a": Server {
                        api: None,
                        token: None,
                        token_file: None,
                        ca: None,
                        cert: None,
                        key: None,
                    },
                    "lab": Server {
                        api: None,
                        token: None,
                        token_file: None,
                        ca: None,
                        cert: None,
                        key: None,
                    },
                },
            }"#]],
        );
        check(
            "# x\ndefault = \"prod\"\n[servers.lab]\n[servers.a]\n",
            expect!["dir/apicmd.toml:2: no server `prod`: there is a, lab"],
        );
        check(
            "[servers.a]\ntoken = \"x\"\ntoken_file = \"y\"\n",
            expect!["dir/apicmd.toml:3: write token or token_file, not both"],
        );
        check(
            "[servers.a]\ncert = \"x\"\n",
            expect!["dir/apicmd.toml:2: cert wants a key beside it"],
        );
        check(
            "[servers.a]\nkey = \"x\"\n",
            expect!["dir/apicmd.toml:2: key wants a cert beside it"],
        );
    }
}
