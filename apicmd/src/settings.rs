//! Where the API is, what token opens it and how TLS is done: options, environment, configuration
//! file and defaults put together.
//!
//! Each setting is taken by itself from the first of: its option, the server that `--server` names,
//! the environment, the default server of the configuration file, the default. Deciding is
//! `choose`, a pure function; `read` opens the files around it. Certificates are read by `client`.

use std::io;
use std::path::{Path, PathBuf};

use crate::command_line::Connection;
use crate::config_file::{ConfigFile, Server, no_server};
use crate::error::Error;

/// The port of the API.
const PORT_DEFAULT: u16 = 9003;
/// The path that every request of the API starts with.
const API_PATH: &str = "/containerdns/api";

/// All that a connection needs.
pub(crate) struct Settings {
    /// The API's address.
    pub(crate) address: Address,
    /// Goes into the `Authorization` header.
    pub(crate) token: String,
    /// Certificates.
    pub(crate) tls: Tls,
}

/// The address of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http://HOST:PORT/containerdns/api`.
    pub(crate) base: String,
    /// The address for messages.
    pub(crate) shown: String,
}

/// Files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Authorities that vouch for the server; none: those that browsers know.
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// What the environment says; empty variables say nothing.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// CONDNS_API_ADDR.
    pub(crate) api: Option<String>,
    /// CONDNS_API_TOKEN.
    pub(crate) token: Option<String>,
    /// XDG_CONFIG_HOME.
    pub(crate) config_home: Option<PathBuf>,
    /// HOME.
    pub(crate) home: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        let filled = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| filled(name).and_then(|value| value.into_string().ok());
        Self {
            api: text("CONDNS_API_ADDR"),
            token: text("CONDNS_API_TOKEN"),
            config_home: filled("XDG_CONFIG_HOME").map(PathBuf::from),
            home: filled("HOME").map(PathBuf::from),
        }
    }

    /// Where the configuration file is unless an option says so.
    fn config_path(&self) -> Option<PathBuf> {
        let below_home = || self.home.as_ref().map(|home| home.join(".config"));
        let folder = self.config_home.clone().or_else(below_home)?;
        Some(folder.join("containerdns/apicmd.toml"))
    }
}

/// Reads the files and decides.
pub(crate) fn read(options: &Connection, environment: &Environment) -> Result<Settings, Error> {
    let file = read_config(options, environment)?;
    let choice = choose(options, environment, &file).map_err(Error::Usage)?;
    let token = match choice.token {
        Token::Text(token) => token,
        Token::File(path) => read_token(&path).map_err(Error::Usage)?,
    };
    if token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        let problem = "the token is not printable ASCII without blanks: copy it again";
        return Err(Error::Usage(problem.into()));
    }
    Ok(Settings {
        address: choice.address,
        token,
        tls: choice.tls,
    })
}

fn read_config(options: &Connection, environment: &Environment) -> Result<ConfigFile, Error> {
    let Some(path) = options.config.clone().or_else(|| environment.config_path()) else {
        return Ok(ConfigFile::default());
    };
    let failed = |problem: String| Error::Usage(problem);
    match std::fs::read_to_string(&path) {
        Ok(text) => ConfigFile::parse(&text, &path).map_err(failed),
        // Only a file that was asked for has to be there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && options.config.is_none() => {
            Ok(ConfigFile::default())
        }
        Err(error) => Err(failed(format!("{}: {error}", path.display()))),
    }
}

fn read_token(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    match text.lines().next().map(str::trim) {
        None | Some("") => Err(format!(
            "{shown}: the first line is empty: write the token there"
        )),
        Some(token) => Ok(token.into()),
    }
}

/// What was decided; the token's file is yet to be read.
struct Choice {
    address: Address,
    token: Token,
    tls: Tls,
}

#[derive(Debug)]
enum Token {
    Text(String),
    File(PathBuf),
}

fn choose(
    options: &Connection,
    environment: &Environment,
    file: &ConfigFile,
) -> Result<Choice, String> {
    let server = |name: &String| {
        let found = file.servers.get(name);
        found.ok_or_else(|| no_server(name, &file.servers))
    };
    let nothing = Server::default();
    let named = options.server.as_ref().map(server).transpose()?;
    let default = match named {
        Some(_) => None,
        None => file.default.as_ref().map(server).transpose()?,
    };
    let (named, default) = (named.unwrap_or(&nothing), default.unwrap_or(&nothing));
    let tls = tls(options, named, default)?;
    let api = [&options.api, &named.api, &environment.api, &default.api];
    let api = api.into_iter().find_map(Option::as_deref);
    let address = address(api.unwrap_or("127.0.0.1"), &tls)?;
    let text = |token: &Option<String>| token.clone().map(Token::Text);
    let in_file = |path: &Option<PathBuf>| path.clone().map(Token::File);
    let token = text(&options.token)
        .or_else(|| in_file(&options.token_file))
        .or_else(|| text(&named.token))
        .or_else(|| in_file(&named.token_file))
        .or_else(|| text(&environment.token))
        .or_else(|| text(&default.token))
        .or_else(|| in_file(&default.token_file));
    let token = token.ok_or(
        "no token: set CONDNS_API_TOKEN, or give --token-file (standalone writes DATA/token)",
    )?;
    Ok(Choice {
        address,
        token,
        tls,
    })
}

fn tls(options: &Connection, named: &Server, default: &Server) -> Result<Tls, String> {
    let ca = [&options.ca, &named.ca, &default.ca];
    // A certificate and its key come from one place.
    let pairs = [
        (&options.cert, &options.key),
        (&named.cert, &named.key),
        (&default.cert, &default.key),
    ];
    let given =
        |(cert, key): &(&Option<PathBuf>, &Option<PathBuf>)| cert.is_some() || key.is_some();
    let identity = match pairs.into_iter().find(given) {
        None => None,
        Some((Some(cert), Some(key))) => Some((cert.clone(), key.clone())),
        Some((Some(_), None)) => return Err("--cert wants --key".into()),
        Some(_) => return Err("--key wants --cert".into()),
    };
    Ok(Tls {
        ca: ca.into_iter().find_map(Clone::clone),
        identity,
    })
}

/// Reads HOST, HOST:PORT or a URL; the API's own path may follow, as the original took it.
fn address(text: &str, tls: &Tls) -> Result<Address, String> {
    let failed = |problem: &str| format!("`{text}` is no address of an API: {problem}");
    let wants_tls = *tls != Tls::default();
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", _)) if wants_tls => {
            return Err(failed("http uses no certificates: write https://"));
        }
        Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
        Some(_) => return Err(failed("write http:// or https://")),
        None => (None, text),
    };
    let rest = rest.trim_end_matches('/');
    let host = rest.strip_suffix(API_PATH).unwrap_or(rest);
    let wanted = "write HOST:PORT or http://HOST:PORT";
    let authority: ureq::http::uri::Authority = host.parse().map_err(|_| failed(wanted))?;
    let plain = !host.contains('@') && !authority.host().is_empty();
    let port = match (authority.port_u16(), scheme) {
        (Some(_), _) => String::new(),
        _ if host.len() != authority.host().len() || !plain => return Err(failed(wanted)),
        (None, None) => format!(":{PORT_DEFAULT}"),
        (None, Some(_)) => String::new(),
    };
    if !plain {
        return Err(failed(wanted));
    }
    let scheme = scheme.unwrap_or(if wants_tls { "https" } else { "http" });
    Ok(Address {
        base: format!("{scheme}://{host}{port}{API_PATH}"),
        shown: format!("{host}{port}"),
    })
}

#[cfg(test)]
mod tests;
