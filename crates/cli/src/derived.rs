//! Subcommands that are the operations themselves.

use std::{fmt, marker::PhantomData};

use clap::{ArgMatches, Command, FromArgMatches, Subcommand, error::ErrorKind};
use komodo_api::{Module, Operation, OperationSpec, operations};
use serde_json::{Map, Value};

use crate::{
    failure::Failure,
    operation_args::{self, Shape, kebab},
    terminal::Terminal,
};

/// Which operations a verb has as subcommands, and what of their names the verb says already.
pub trait Verb {
    /// Whether an operation is one of them.
    fn has(operation: &OperationSpec) -> bool;
    /// First word of their names, where the verb is that word.
    const WORD: &'static str = "";
}

macro_rules! verbs {
    ($($(#[doc = $doc:literal])+ $verb:ident $word:literal = |$operation:ident| $has:expr;)*) => { $(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $verb;
        impl Verb for $verb {
            fn has($operation: &OperationSpec) -> bool { $has }
            const WORD: &'static str = $word;
        }
    )* };
}
verbs! {
    /// What changes something on a server.
    Execute "" = |operation| operation.module == Module::Execute;
    /// What changes nothing.
    Read "" = |operation| operation.module == Module::Read;
    /// What changes what Core stores.
    Write "" = |operation| operation.module == Module::Write;
    /// Signing in and own keys.
    Auth "" = |operation| matches!(operation.module, Module::AuthLogin | Module::AuthManage);
    /// `km create …`.
    Create "Create" = |operation| operation.module != Module::Execute && operation.name.starts_with(Self::WORD);
    /// `km update …` of a resource.
    Update "Update" = |operation| operation.module != Module::Execute && operation.name.starts_with(Self::WORD);
}

/// One of the operations of a verb, as it was asked for.
pub struct Derived<V> {
    /// Which.
    pub operation: OperationSpec,
    /// What it takes.
    pub shape: Shape,
    /// Its parameters, without secrets.
    pub params: Map<String, Value>,
    verb: PhantomData<V>,
}

impl<V> fmt::Debug for Derived<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.operation.name)
            .field("params", &self.params)
            .finish()
    }
}

impl<V> Derived<V> {
    /// An operation that a command of its own stands for.
    pub fn of<O: Operation>(params: Map<String, Value>) -> Self {
        let operation = OperationSpec::of::<O>();
        Derived {
            shape: operation_args::shape(&operation),
            operation,
            params,
            verb: PhantomData,
        }
    }

    /// The parameters with the secrets that the operation takes, asked for or read from standard input.
    ///
    /// # Errors
    /// When a secret that must be given is not.
    pub fn with_secrets(&self, terminal: &mut Terminal) -> Result<Map<String, Value>, Failure> {
        let mut params = self.params.clone();
        for field in self
            .shape
            .fields
            .iter()
            .filter(|field| field.secret && field.required)
        {
            let secret = terminal.read_secret(&format!("{}: ", field.name))?;
            let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
                return Err(Failure::usage(
                    format!("{} needs a {}", self.operation.name, field.name),
                    "type it when asked, or give it as a line on standard input",
                ));
            };
            params.insert(field.name.clone(), Value::from(secret));
        }
        Ok(params)
    }

    /// Whether the operation takes a field of that name.
    pub fn takes(&self, field: &str) -> bool {
        self.shape.fields.iter().any(|known| known.name == field)
    }
}

fn specs<V: Verb>() -> impl Iterator<Item = (OperationSpec, Command)> {
    operations().into_iter().filter(V::has).map(|operation| {
        let command = operation_args::command(&operation);
        let command = match operation.name.strip_prefix(V::WORD) {
            Some(rest) if !V::WORD.is_empty() => command.name(kebab(rest)),
            _ => command,
        };
        // `km execute stop` is `km execute stop-container`.
        let command = match operation.name.strip_suffix("Container") {
            Some(verb) if operation.module == Module::Execute => command.alias(kebab(verb)),
            _ => command,
        };
        (operation, command)
    })
}

impl<V: Verb> Subcommand for Derived<V> {
    fn augment_subcommands(command: Command) -> Command {
        command
            .subcommands(specs::<V>().map(|(_, command)| command))
            .subcommand_required(true)
    }
    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }
    fn has_subcommand(name: &str) -> bool {
        specs::<V>().any(|(_, command)| command.get_name() == name)
    }
}

impl<V: Verb> FromArgMatches for Derived<V> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || {
            clap::Error::raw(
                ErrorKind::MissingSubcommand,
                "name an operation; --help lists them\n",
            )
        };
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let (operation, _) = specs::<V>()
            .find(|(_, command)| command.get_name() == name)
            .ok_or_else(missing)?;
        let shape = operation_args::shape(&operation);
        let params = operation_args::params(&shape, matches)
            .map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")))?;
        Ok(Derived {
            operation,
            shape,
            params,
            verb: PhantomData,
        })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
