//! Who may do what: the tokens of the API.
//!
//! Only SHA-256 digests are kept; a presented token is digested and compared with all of them in
//! constant time. A file of tokens is read again when it changes: a good file replaces the tokens,
//! a bad one is logged and changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use containerdns_schema::Name;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::{error, info};

/// The characters of a token at least: less is guessed.
const TOKEN_LEN_MIN: usize = 8;
/// The characters of a token at most.
const TOKEN_LEN_MAX: usize = 512;
/// Tokens at most: all are compared with what is presented.
const TOKENS_MAX: usize = 1024;
/// Size of a token file at most.
const FILE_LEN_MAX: u64 = 1 << 20;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Tokens that stand in documents and examples.
const SAMPLES: &[&str] = &[
    "123456789",
    "1234567890",
    "12345678",
    "changeme",
    "change-me",
    "change-this-token",
    "containerdns",
    "password",
    "sample-token",
    "your-token",
    "example-token",
    "@containerdns.com",
];

/// What the bearer of a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's name, for logs and the audit trail.
    pub name: String,
    /// On whose behalf it acts; none: whom the request names, or nobody.
    pub user: Option<String>,
    /// Zones, and what is below them; empty: all.
    pub zones: Vec<Name>,
    /// Nothing may be changed.
    pub read_only: bool,
}

/// All tokens.
#[derive(Debug, Clone)]
pub struct Tokens(Vec<([u8; 32], Grant)>);

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("api.tokens: {}: {source}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// The kernel's reason.
        source: std::io::Error,
    },
    /// The file is no list of tokens.
    #[error("{}: {problem}", path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// What is wrong, with its line.
        problem: String,
    },
    /// A token by itself.
    #[error("token `{name}`: {problem}")]
    Token {
        /// Its name.
        name: String,
        /// What is wrong and what would be right; never the token.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tokens: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    token: Option<String>,
    sha256: Option<String>,
    user: Option<String>,
    #[serde(default)]
    zones: Vec<Name>,
    #[serde(default)]
    read_only: bool,
}

impl Tokens {
    /// One token that may do everything.
    ///
    /// # Errors
    /// It is a sample, or too short.
    pub fn single(name: &str, token: &str) -> Result<Tokens, TokensError> {
        let grant = Grant {
            name: name.to_owned(),
            user: None,
            zones: Vec::new(),
            read_only: false,
        };
        let digest = digest(token).map_err(|problem| TokensError::Token {
            name: name.to_owned(),
            problem,
        })?;
        Ok(Tokens(vec![(digest, grant)]))
    }

    /// Reads the text of a token file.
    ///
    /// # Errors
    /// What is wrong, with the line or the token's name.
    pub fn parse(path: &Path, text: &str) -> Result<Tokens, TokensError> {
        let bad = |problem: String| TokensError::File {
            path: path.into(),
            problem,
        };
        let file: File = toml::from_str(text)
            .map_err(|error| bad(located(text, error.span(), shown(error.message()))))?;
        if file.tokens.is_empty() || file.tokens.len() > TOKENS_MAX {
            let count = file.tokens.len();
            return Err(bad(format!(
                "has {count} tokens; write 1 to {TOKENS_MAX} tables [[tokens]]"
            )));
        }
        let mut tokens: Vec<([u8; 32], Grant)> = Vec::new();
        for written in file.tokens {
            let name = written.name.clone();
            let token = read(written).and_then(|(digest, grant)| {
                if tokens.iter().any(|(other, _)| *other == digest) {
                    return Err("is the same as another token; write one of its own".into());
                }
                if tokens.iter().any(|(_, other)| other.name == grant.name) {
                    return Err("is there twice; give each token a name of its own".into());
                }
                Ok((digest, grant))
            });
            tokens.push(token.map_err(|problem| TokensError::Token { name, problem })?);
        }
        Ok(Tokens(tokens))
    }

    /// What the bearer of `presented` may do; none: it is no token of ours.
    #[must_use]
    pub fn grant(&self, presented: &str) -> Option<&Grant> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = None;
        // All are compared, so that the time tells nothing.
        for (token, grant) in &self.0 {
            if bool::from(token.ct_eq(&digest)) {
                found = Some(grant);
            }
        }
        found
    }
}

/// An error of the file without values in it: they may be tokens.
fn shown(message: &str) -> &str {
    let harmless = ["unknown field", "missing field", "label ", "duplicate key"];
    match harmless.iter().any(|start| message.starts_with(start)) {
        true => message,
        false => "is no table of tokens; write it as in configs/tokens.toml, values in quotes",
    }
}

/// `line N: message`.
pub(crate) fn located(text: &str, span: Option<std::ops::Range<usize>>, message: &str) -> String {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes()[..start]
        .iter()
        .filter(|octet| **octet == b'\n')
        .count();
    format!("line {line}: {message}")
}

fn read(written: Written) -> Result<([u8; 32], Grant), String> {
    let Written {
        name,
        token,
        sha256,
        user,
        zones,
        read_only,
    } = written;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("has no name; write a printable one, for the log".into());
    }
    let digest = match (token, sha256) {
        (Some(token), None) => digest(&token)?,
        (None, Some(hex)) => {
            let octets = data_encoding::HEXLOWER_PERMISSIVE
                .decode(hex.as_bytes())
                .ok();
            let octets = octets.and_then(|octets| octets.try_into().ok());
            let wanted = "sha256 is not 64 hex digits; write what `printf %s TOKEN | sha256sum` \
                          prints";
            let digest: [u8; 32] = octets.ok_or(wanted)?;
            let sample = |text: &str| <[u8; 32]>::from(Sha256::digest(text.as_bytes())) == digest;
            if sample("") {
                return Err("is the digest of an empty token; was the variable set?".into());
            }
            if SAMPLES.iter().any(|text| sample(text)) {
                return Err(sample_problem());
            }
            digest
        }
        _ => return Err("wants either token or sha256; write one of them".into()),
    };
    let user = user.filter(|user| !user.is_empty());
    if let Some(user) = &user {
        containerdns_schema::rest::check_user(user)?;
    }
    Ok((
        digest,
        Grant {
            name,
            user,
            zones,
            read_only,
        },
    ))
}

fn sample_problem() -> String {
    "is a sample that everybody knows; write a secret one (`openssl rand -hex 16`)".into()
}

fn digest(token: &str) -> Result<[u8; 32], String> {
    if SAMPLES
        .iter()
        .any(|sample| token.eq_ignore_ascii_case(sample))
    {
        return Err(sample_problem());
    }
    let length = token.chars().count();
    if !(TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&length) {
        return Err(format!(
            "has {length} characters; write {TOKEN_LEN_MIN} to {TOKEN_LEN_MAX} \
             (`openssl rand -hex 16`)"
        ));
    }
    if !token.bytes().all(|octet| (0x21..0x7f).contains(&octet)) {
        return Err("holds a blank or a character that no header carries; write ASCII".into());
    }
    Ok(Sha256::digest(token.as_bytes()).into())
}

/// The tokens in use, and the file they come from.
#[derive(Debug)]
pub struct Keyring {
    tokens: RwLock<Arc<Tokens>>,
}

/// By what a changed file is noticed.
type Stamp = Option<(SystemTime, u64)>;

impl Keyring {
    /// Tokens that stay as they are.
    #[must_use]
    pub fn fixed(tokens: Tokens) -> Arc<Keyring> {
        Arc::new(Keyring {
            tokens: RwLock::new(Arc::new(tokens)),
        })
    }

    /// The tokens of a file, read now and whenever it changes.
    ///
    /// # Errors
    /// The file is bad now.
    pub fn of_file(path: PathBuf) -> Result<Arc<Keyring>, TokensError> {
        let stamp = stamp(&path);
        let keyring = Keyring::fixed(load(&path)?);
        tokio::spawn(Arc::clone(&keyring).follow(path, stamp));
        Ok(keyring)
    }

    /// The tokens now.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&tokens)
    }

    async fn follow(self: Arc<Keyring>, path: PathBuf, mut seen: Stamp) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&path);
            if now == seen {
                continue;
            }
            seen = now;
            match load(&path) {
                Ok(tokens) => {
                    info!(path = %path.display(), count = tokens.0.len(), "tokens read again");
                    let mut held = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
                    *held = Arc::new(tokens);
                }
                Err(error) => error!(%error, "the tokens stay as they were"),
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn load(path: &Path) -> Result<Tokens, TokensError> {
    let failed = |source| TokensError::Read {
        path: path.into(),
        source,
    };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_LEN_MAX {
        return Err(TokensError::File {
            path: path.into(),
            problem: format!("has {length} bytes; at most {FILE_LEN_MAX}"),
        });
    }
    Tokens::parse(path, &std::fs::read_to_string(path).map_err(failed)?)
}

#[cfg(test)]
mod tests;
