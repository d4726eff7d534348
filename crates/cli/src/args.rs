//! The command line of `km`. What a command does is in the module of its name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    config::Given,
    derived::{self, Derived},
    table::Format,
};

/// Komodo on the command line: what runs on your servers, and what is done to it.
#[derive(Debug, Parser)]
#[command(name = "km", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Km {
    /// Where Core is.
    #[command(flatten, next_help_heading = "Where Core is")]
    pub access: Access,
    /// What is done.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 the operation failed (or you said no), 2 asked for in a wrong way, \
3 Core refused, 4 Core not reached, 130 you stopped waiting.";

/// Where Core is and with what `km` signs in.
#[derive(Debug, Args)]
pub struct Access {
    /// Profile of the configuration
    #[arg(short, long, global = true)]
    pub profile: Option<String>,
    /// Address of Core, in place of the configured one
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Configuration file or folder, in place of the known ones; may be repeated
    #[arg(short, long, value_name = "PATH", value_delimiter = ',')]
    pub config_path: Vec<PathBuf>,
    /// Pattern for names of configuration files in folders; may be repeated
    #[arg(short = 'm', long, value_name = "PATTERN", value_delimiter = ',')]
    pub config_keyword: Vec<String>,
    /// Say which files are read
    #[arg(short, long)]
    pub debug_startup: bool,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists servers, or another kind of thing
    #[command(visible_aliases = ["ls", "resources"])]
    List(List),
    /// Lists containers over all servers
    #[command(visible_aliases = ["containers", "cn", "ps"])]
    Container(Containers),
    /// Shows what the Engine knows of a container
    #[command(visible_alias = "i")]
    Inspect(Inspect),
    /// Shows the log of a container
    Logs(Logs),
    /// Says what an operation would do to which containers, without doing it
    Plan(Plan),
    /// Carries out an operation and waits for its end
    #[command(visible_aliases = ["x", "run", "deploy", "dep", "send"])]
    Execute(Execute),
    /// Brings the containers that an operation changed back, those that others changed since excepted
    Undo(Undo),
    /// Cancels an operation: what it has not begun with is left alone
    Cancel(Cancel),
    /// Lists, shows and watches Updates; changes resources
    Update {
        /// What is done.
        #[command(subcommand)]
        command: UpdateCommand,
    },
    /// Lists what somebody should look at
    #[command(visible_alias = "alert")]
    Alerts(Alerts),
    /// Creates an API key, an onboarding key or a server
    Create(Create),
    /// Lists and deletes your API keys
    #[command(visible_alias = "k")]
    Key {
        /// What is done.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Shows the settings of Core
    #[command(visible_alias = "core")]
    CoreInfo(Formatted),
    /// Signs in and stores an API key in the configuration
    Login(Login),
    /// Shows the settings of km and the files they are from, without secrets
    #[command(visible_aliases = ["cfg", "cf"])]
    Config,
    /// Any read request of the API
    Read(Request<derived::Read>),
    /// Any write request of the API
    Write(Request<derived::Write>),
    /// Any request of the API about signing in
    Auth(Request<derived::Auth>),
    /// Prints the completions for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Formatted {
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,
}

/// Kinds of things that can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Servers and their state
    #[value(alias = "server")]
    Servers,
    /// Containers over all servers, in every state
    #[value(alias = "container")]
    Containers,
    /// What was done, the newest first
    #[value(alias = "update")]
    Updates,
    /// Your API keys
    #[value(alias = "keys")]
    ApiKeys,
    /// Keys that let servers join
    OnboardingKeys,
}

/// `km list`.
#[derive(Debug, Args)]
pub struct List {
    /// What is listed
    #[arg(value_enum, default_value = "servers")]
    pub kind: Kind,
    /// Only servers of these names or ids
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub names: Vec<String>,
    /// Only servers with these tags
    #[arg(short, long, value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// How the answer is printed.
    #[command(flatten)]
    pub formatted: Formatted,
}

/// `km ps`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Containers {
    /// Another thing to do with containers.
    #[command(subcommand)]
    pub command: Option<ContainerCommand>,
    /// Only containers whose name holds all of these
    pub terms: Vec<String>,
    /// Those that do not run, too
    #[arg(short, long)]
    pub all: bool,
    /// Only on these servers
    #[arg(
        short,
        long = "server",
        alias = "servers",
        value_name = "SERVER",
        value_delimiter = ','
    )]
    pub servers: Vec<String>,
    /// How the answer is printed.
    #[command(flatten)]
    pub formatted: Formatted,
}

/// Another thing to do with containers.
#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    /// Shows what the Engine knows of a container
    #[command(visible_alias = "i")]
    Inspect(Inspect),
}

/// `km inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Containers, by name or id, looked for on all servers
    #[arg(required = true, value_name = "CONTAINER")]
    pub containers: Vec<String>,
    /// Only on these servers
    #[arg(
        short,
        long = "server",
        alias = "servers",
        value_name = "SERVER",
        value_delimiter = ','
    )]
    pub servers: Vec<String>,
}

/// `km logs`.
#[derive(Debug, Args)]
#[command(override_usage = "km logs [OPTIONS] [SERVER] <CONTAINER>")]
pub struct Logs {
    /// Container, by name or id; before it the server, else it is looked for on all
    #[arg(required = true, num_args = 1..=2, value_name = "[SERVER] CONTAINER")]
    pub target: Vec<String>,
    /// Go on with new lines as they come
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines; at most 5000
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    pub tail: u64,
    /// Only lines since a time (2026-01-31T12:00:00Z) or for a length of time (10m)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Each line with its time
    #[arg(short, long)]
    pub timestamps: bool,
}

/// A start in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// A time.
    Time(jiff::Timestamp),
    /// So long before now.
    Length(jiff::SignedDuration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = text.parse() {
        return Ok(Since::Time(time));
    }
    match text.parse::<jiff::SignedDuration>() {
        Ok(length) if !length.is_negative() => Ok(Since::Length(length)),
        _ => Err("give a time like 2026-01-31T12:00:00Z, or a length of time like 10m".into()),
    }
}

/// `km plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Operation.
    #[command(subcommand)]
    pub operation: Derived<derived::Execute>,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

/// `km execute`.
#[derive(Debug, Args)]
pub struct Execute {
    /// Operation.
    #[command(subcommand)]
    pub operation: Derived<derived::Execute>,
    /// Do not ask
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Whether its end is waited for, and how it is printed.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Address of Core
    #[arg(short = 'a', global = true, value_name = "ADDRESS", hide = true)]
    pub host_here: Option<String>,
    /// API key
    #[arg(short = 'k', global = true, value_name = "KEY", hide = true)]
    pub key: Option<String>,
    /// Secret of the API key. Shows in the process list: `KOMODO_CLI_SECRET` or `km login` keep it out of there
    #[arg(short = 's', global = true, value_name = "SECRET", hide = true)]
    pub secret: Option<String>,
}

/// Whether the end of an operation is waited for, and how it is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Waiting {
    /// Wait for the end; this is the default
    #[arg(long, global = true, overrides_with = "no_wait")]
    pub wait: bool,
    /// Return once Core has accepted the operation
    #[arg(long, global = true, overrides_with = "wait")]
    pub no_wait: bool,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

/// `km undo`.
#[derive(Debug, Args)]
pub struct Undo {
    /// Id of the Update that is undone
    #[arg(value_name = "UPDATE")]
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Whether its end is waited for, and how it is printed.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `km cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// Id of the Update that is canceled
    #[arg(value_name = "UPDATE")]
    pub id: String,
    /// Whether its end is waited for, and how it is printed.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `km alerts`.
#[derive(Debug, Args)]
pub struct Alerts {
    /// Those that are over, too
    #[arg(short, long)]
    pub all: bool,
    /// Page, from 0
    #[arg(long, default_value_t = 0)]
    pub page: u32,
    /// How the answer is printed.
    #[command(flatten)]
    pub formatted: Formatted,
}

/// `km update`.
#[derive(Debug, Subcommand)]
pub enum UpdateCommand {
    /// Lists what was done, the newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Page, from 0
        #[arg(long, default_value_t = 0)]
        page: u32,
        /// How the answer is printed.
        #[command(flatten)]
        formatted: Formatted,
    },
    /// Shows an Update
    #[command(visible_alias = "inspect")]
    Get {
        /// Id
        id: String,
        /// How the answer is printed.
        #[command(flatten)]
        formatted: Formatted,
    },
    /// Watches an Update to its end; the exit code is its result
    Watch {
        /// Id
        id: String,
        /// How the answer is printed.
        #[command(flatten)]
        formatted: Formatted,
    },
    /// A change to a resource.
    #[command(flatten)]
    Change(Derived<derived::Update>),
}

/// `km create`.
#[derive(Debug, Args)]
pub struct Create {
    /// What is created.
    #[command(subcommand)]
    pub operation: Derived<derived::Create>,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

/// `km key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Lists your API keys
    #[command(visible_alias = "list")]
    Ls(Formatted),
    /// Deletes one of your API keys
    Delete {
        /// Key, K_…_K
        key: String,
    },
}

/// `km login`.
#[derive(Debug, Args)]
pub struct Login {
    /// Address of Core, as http://localhost:9120; the configured one where it is left out
    pub address: Option<String>,
    /// Name to sign in with
    #[arg(short, long)]
    pub username: Option<String>,
    /// Name of the API key that is created
    #[arg(long, value_name = "NAME")]
    pub key_name: Option<String>,
}

/// Any request of a part of the API.
#[derive(Debug, Args)]
pub struct Request<V: derived::Verb> {
    /// Request.
    #[command(subcommand)]
    pub operation: Derived<V>,
}

impl Km {
    /// What the command line says about settings.
    pub fn given(&self) -> Given {
        let mut given = Given {
            profile: self.access.profile.clone(),
            paths: self.access.config_path.clone(),
            keywords: self.access.config_keyword.clone(),
            host: self.access.host.clone(),
            key: None,
            secret: None,
        };
        match &self.command {
            Command::Execute(execute) => {
                given.host = execute.host_here.clone().or(given.host);
                given.key = execute.key.clone();
                given.secret = execute.secret.clone();
            }
            Command::Login(login) => {
                given.host = login.address.clone().or(given.host);
                // A profile that does not exist yet is made by signing in to it.
                given.profile = None;
            }
            _ => {}
        }
        given
    }
}
