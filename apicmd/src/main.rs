//! The `containerdns-apicmd` program: a command line over the REST API, never over the store.
//!
//! Arguments are read here, answers and errors printed, the exit code chosen; `error` says which.
//! What is asked of the server is made up by the module of each command.

#![forbid(unsafe_code)]

mod change;
mod client;
mod command_line;
mod config_file;
mod error;
mod import;
mod rdata_arguments;
mod setting_options;
mod settings;
mod show;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use crate::change::{Change, Target};
use crate::client::{Client, check_name};
use crate::command_line::{Command, CommandLine, Form};
use crate::error::Error;
use crate::setting_options::SettingOptions;
use crate::settings::Environment;
use crate::show::Colors;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let printed = run(command_line).and_then(|text| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // With nobody to read it the exit code has to do.
            let _ = tell(&error, &mut io::stderr().lock());
            ExitCode::from(error.exit_code())
        }
    }
}

fn tell(error: &Error, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "containerdns-apicmd: {error}")?;
    if let Some(current) = error.current() {
        match show::zone_lines(current) {
            Ok(lines) if lines.is_empty() => writeln!(to, "there is nothing now")?,
            Ok(lines) => write!(to, "what is there now:\n{lines}")?,
            Err(problem) => writeln!(to, "what is there now cannot be read: {problem}")?,
        }
    }
    Ok(())
}

/// Does what the command line asks for; gives what is to be printed.
fn run(command_line: CommandLine) -> Result<String, Error> {
    let CommandLine {
        command,
        connection,
        output,
    } = command_line;
    match command {
        Command::Completions { shell } => return completions(shell),
        Command::Man { dir } => return man(&dir),
        _ => {}
    }
    let settings = settings::read(&connection, &Environment::of_process())?;
    let client = Client::new(settings)?;
    ask(&client, command, output)
}

/// Runs a command that talks to the server.
fn ask(client: &Client, command: Command, output: Option<Form>) -> Result<String, Error> {
    let colors = colors();
    let form = output.unwrap_or(Form::Table);
    let shown = |names| show::names(form, &names, colors).map_err(|error| client.odd(error));
    let target = |name, rtype, ttl, settings| Target {
        name,
        rtype: Some(rtype),
        ttl,
        settings,
    };
    let changed = |target: Target, change, options| {
        change::run(client, &target, &change, &options, (form, colors))
    };
    match command {
        Command::List { zone, rtype } => shown(client.list(zone.as_deref(), rtype)?),
        Command::Get { name, rtype } => {
            check_name(&name)?;
            shown(client.get(&name, rtype)?)
        }
        Command::Create {
            name,
            rtype,
            rdata,
            change,
            ttl,
            settings,
        } => changed(
            target(name, rtype, ttl, settings),
            Change::Create { rdata },
            change,
        ),
        Command::Update {
            name,
            rtype,
            pairs,
            from,
            to,
            change,
            ttl,
            settings,
        } => changed(
            target(name, rtype, ttl, settings),
            Change::Update { pairs, from, to },
            change,
        ),
        Command::Delete {
            name,
            rtype,
            rdata,
            change,
        } => {
            let target = Target {
                name,
                rtype,
                ttl: None,
                settings: SettingOptions::default(),
            };
            changed(target, Change::Delete { rdata }, change)
        }
        Command::Import(options) => import::run(client, &options, (form, colors)),
        Command::Export { zone } => {
            let names = client.list(zone.as_deref(), None)?;
            let form = output.unwrap_or(Form::Zone);
            show::names(form, &names, colors).map_err(|error| client.odd(error))
        }
        Command::History { name, limit } => history(client, &name, limit, (form, colors)),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man(&dir),
    }
}

fn history(
    client: &Client,
    name: &str,
    limit: Option<u32>,
    (form, colors): (Form, Colors),
) -> Result<String, Error> {
    if matches!(form, Form::Zone | Form::JsonLines) {
        return Err(Error::Usage(show::ShowError::Form("history").to_string()));
    }
    check_name(name)?;
    let history = client.history(name, limit)?;
    show::history(form, &history, colors).map_err(|error| client.odd(error))
}

/// Colours are for terminals whose user did not decline them.
fn colors() -> Colors {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    match io::stdout().is_terminal() && !set("NO_COLOR") && !dumb {
        true => Colors::On,
        false => Colors::Off,
    }
}

fn completions(shell: Shell) -> Result<String, Error> {
    let mut text = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(shell, &mut command, "containerdns-apicmd", &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn man(dir: &Path) -> Result<String, Error> {
    clap_mangen::generate_to(CommandLine::command(), dir)
        .map_err(|error| Error::File(format!("{}: {error}", dir.display())))?;
    Ok(String::new())
}
