//! The command line as clap declares it: help, completions and man pages come from here.
//!
//! Values that have a form of their own (types, users) are checked by their parsers; what depends
//! on the rest, such as RDATA on its type, is the commands' business. The environment is read in
//! `settings`: which option it yields to is decided there.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use containerdns_schema::RecordType;

use crate::setting_options::SettingOptions;

/// Exit codes, as `--help` and the man page tell them.
const EPILOGUE: &str = "\
Exit codes:
  0  done
  1  the server or a file failed
  2  wrong command line or configuration
  3  not found (404)
  4  not allowed (401, 403)
  5  conflict with what is there (409)
  6  the server or its store cannot be reached (503)
  7  the server refused the input (400, 413)";

/// Reads and changes the names of ContainerDNS over its REST API.
///
/// The address and the token come from the options, else from CONDNS_API_ADDR and
/// CONDNS_API_TOKEN, else from the configuration file.
#[derive(Debug, Parser)]
#[command(
    name = "containerdns-apicmd",
    version,
    max_term_width = 100,
    after_help = EPILOGUE,
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// How answers are written; zone for export unless given, else table.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        help_heading = "Output"
    )]
    pub(crate) output: Option<Form>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists names with their records.
    List {
        /// Only names in this zone.
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// Only records of this type.
        #[arg(long = "type", value_name = "TYPE")]
        rtype: Option<RecordType>,
    },
    /// Shows the records of one name.
    Get {
        /// The name; a single label is completed by the server's first zone.
        name: String,
        /// Only records of this type.
        #[arg(value_name = "TYPE")]
        rtype: Option<RecordType>,
    },
    /// Adds records to a name.
    ///
    /// Records that are there already stay. CNAME: NAME is the alias.
    Create {
        /// The name.
        name: String,
        /// The type, such as A.
        #[arg(value_name = "TYPE")]
        rtype: RecordType,
        /// The records, one an argument: as in a zone file with absolute names, such as
        /// "10 mx.a.test."; of TXT the text, unless it starts with a double quote.
        #[arg(required = true, value_name = "RDATA")]
        rdata: Vec<String>,
        #[command(flatten)]
        change: ChangeOptions,
        /// Seconds for all records of the type at this name.
        #[arg(long, value_name = "SECONDS", value_parser = seconds())]
        ttl: Option<u32>,
        #[command(flatten)]
        settings: SettingOptions,
    },
    /// Turns records into others, or changes their TTL, weights, policy or probe.
    Update {
        /// The name.
        name: String,
        /// The type, such as A.
        #[arg(value_name = "TYPE")]
        rtype: RecordType,
        /// Old and new RDATA, one pair an argument.
        #[arg(value_name = "OLD=NEW")]
        pairs: Vec<String>,
        /// Old RDATA, for values that contain `=`; with --to, may be repeated.
        #[arg(long, value_name = "OLD", allow_hyphen_values = true)]
        from: Vec<String>,
        /// New RDATA for the --from in the same place.
        #[arg(long, value_name = "NEW", allow_hyphen_values = true)]
        to: Vec<String>,
        #[command(flatten)]
        change: ChangeOptions,
        /// Seconds for all records of the type at this name.
        #[arg(long, value_name = "SECONDS", value_parser = seconds())]
        ttl: Option<u32>,
        #[command(flatten)]
        settings: SettingOptions,
    },
    /// Deletes records, all records of a type, or all of a name.
    Delete {
        /// The name.
        name: String,
        /// The type, such as A; none: all types.
        #[arg(value_name = "TYPE")]
        rtype: Option<RecordType>,
        /// The records, as for create; none: all of the type.
        #[arg(value_name = "RDATA")]
        rdata: Vec<String>,
        #[command(flatten)]
        change: ChangeOptions,
    },
    /// Writes the records of a file, many names a request.
    ///
    /// Existing records stay unless --sync is given. After a failure it can be run again: what is
    /// written already stays as it is.
    Import(ImportOptions),
    /// Prints a zone, or everything, in a form that import reads.
    Export {
        /// Only names in this zone.
        zone: Option<String>,
    },
    /// Shows who changed a name, newest first.
    History {
        /// The name.
        name: String,
        /// So many changes at most.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Prints the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Writes a man page for each command into a directory.
    Man {
        /// The directory, which exists.
        dir: PathBuf,
    },
}

/// Options of the commands that change something.
#[derive(Debug, Args)]
pub(crate) struct ChangeOptions {
    /// On whose behalf: who owns new records, and whose records may be changed.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Print what would change and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// The file; `-` is the standard input.
    pub(crate) file: PathBuf,
    /// What relative names are below; with --sync, the zone that becomes equal to the file.
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) zone: Option<containerdns_schema::Name>,
    /// What the file holds. Unless given: json-lines for .jsonl, .ndjson and .json, else zone.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<FileFormat>,
    /// Delete what the file does not have: afterwards zone and file are equal.
    #[arg(long)]
    pub(crate) sync: bool,
    #[command(flatten)]
    pub(crate) change: ChangeOptions,
}

/// Where the API is and how to get in.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// HOST:PORT or URL of the API [env: CONDNS_API_ADDR] [default: 127.0.0.1:9003].
    #[arg(long, global = true, value_name = "ADDR")]
    pub(crate) api: Option<String>,
    /// The token; other users of this machine can see it here [env: CONDNS_API_TOKEN].
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        conflicts_with = "token_file"
    )]
    pub(crate) token: Option<String>,
    /// A file whose first line is the token.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Take this server of the configuration file.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// The configuration file [default: ~/.config/containerdns/apicmd.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that vouch for the server.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate (PEM), when the server asks for one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The key (PEM) of --cert.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Aligned columns, one line a record.
    Table,
    /// The API's answer.
    Json,
    /// One object a line, as import reads them.
    JsonLines,
    /// The API's answer as YAML.
    Yaml,
    /// Lines of a zone file.
    Zone,
}

/// What an imported file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// A zone file (RFC 1035).
    Zone,
    /// One object a line: name, type, records, and ttl and user if wanted.
    JsonLines,
}

fn seconds() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=i64::from(containerdns_schema::record::TTL_MAX_S))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
