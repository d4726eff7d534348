//! Command-line arguments of an operation, derived from the schema of its request: nothing is declared twice.
//!
//! Required fields are positional, in the order of the type; all others are `--flags`. Lists repeat or take commas,
//! objects take JSON or `key=value&nested.key=value`. Secrets are never arguments: they would show in the process list.

use clap::{
    Arg, ArgAction, ArgMatches, Command, builder::PossibleValue, builder::PossibleValuesParser,
};
use jiff::{Span, SpanRelativeTo};
use komodo_api::{OperationSpec, UnixMs};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Number, Value};

#[cfg(test)]
mod tests;

/// Names of fields that are asked for, or read from standard input, instead of being arguments.
const SECRET_FIELDS: [&str; 5] = [
    "password",
    "private_key",
    "secret",
    "setup_token",
    "passkey",
];

/// What a request takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// What the operation does.
    pub about: String,
    /// Its fields, positional ones first.
    pub fields: Vec<Field>,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name on the wire.
    pub name: String,
    /// What it is.
    pub help: String,
    /// How a value is read.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it must not be on the command line.
    pub secret: bool,
}

/// How the text of a value is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// As it is.
    Text,
    /// A whole number.
    Integer,
    /// A length of time in seconds, also as `10m` or `1h`.
    Seconds,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// One of some words, each with what it means.
    Choice(Vec<(String, String)>),
    /// Several values.
    List(Box<Kind>),
    /// JSON, or `key=value&…` with these keys; any key where none is known.
    Object(Vec<Field>),
    /// JSON, or text.
    Any,
}

impl Field {
    /// Name as an argument. That a length of time is in seconds is of the wire; a person names its unit.
    fn argument(&self) -> &str {
        match self.kind {
            Kind::Seconds => self.name.strip_suffix(SECONDS).unwrap_or(&self.name),
            _ => &self.name,
        }
    }
}

/// How the names of fields end that hold seconds.
const SECONDS: &str = "_s";

/// A value is not of the kind that its field has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: '{text}' is not {expected}")]
pub struct BadValue {
    field: String,
    text: String,
    expected: String,
}

/// The shape of an operation's request.
pub fn shape(operation: &OperationSpec) -> Shape {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = (operation.request_schema)(&mut settings.into_generator()).to_value();
    Shape {
        about: description(&schema),
        fields: fields(&schema),
    }
}

/// `StopAllContainers` as `stop-all-containers`.
pub fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        match character {
            '_' => kebab.push('-'),
            upper if upper.is_uppercase() => {
                if !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(upper.to_lowercase());
            }
            other => kebab.push(other),
        }
    }
    kebab
}

/// The subcommand of an operation.
pub fn command(operation: &OperationSpec) -> Command {
    let shape = shape(operation);
    let mut command = Command::new(kebab(operation.name))
        .about(shape.about.trim_end_matches('.').to_owned())
        .alias(operation.name)
        .aliases(
            operation
                .aliases
                .iter()
                .flat_map(|alias| [kebab(alias), (*alias).to_owned()]),
        );
    let alone = only_required(&shape.fields).map(str::to_owned);
    let fields = shape.fields.into_iter().filter(|field| !field.secret);
    for (order, field) in fields.enumerate() {
        let mut positional = argument(field.clone()).display_order(order);
        if alone.as_ref() == Some(&field.name) {
            let flag = flag_id(&field.name);
            let optional = Field {
                required: false,
                ..field.clone()
            };
            command = command.arg(
                argument(optional)
                    .id(flag.clone())
                    .hide(true)
                    .conflicts_with(field.name),
            );
            positional = positional.required(false).required_unless_present(flag);
        }
        command = command.arg(positional);
    }
    command
}

/// Where only one text must be given, it may also be written as a flag: `create onboarding-key --name racks`.
fn only_required(fields: &[Field]) -> Option<&str> {
    let mut required = fields
        .iter()
        .filter(|field| field.required && !field.secret);
    match (required.next(), required.next()) {
        (
            Some(Field {
                name,
                kind: Kind::Text,
                ..
            }),
            None,
        ) => Some(name),
        _ => None,
    }
}

fn flag_id(name: &str) -> String {
    format!("--{name}")
}

/// The parameters that the arguments stand for, without secrets.
///
/// # Errors
/// When a value is not of the kind that its field has.
pub fn params(shape: &Shape, matches: &ArgMatches) -> Result<Map<String, Value>, BadValue> {
    let mut params = Map::new();
    for field in shape.fields.iter().filter(|field| !field.secret) {
        // Only where there is such an argument: asking for an unknown one is an error in clap.
        let flag = match only_required(&shape.fields) == Some(field.name.as_str()) {
            true => matches.get_many::<String>(&flag_id(&field.name)),
            false => None,
        };
        let Some(mut values) = matches.get_many::<String>(&field.name).or(flag) else {
            continue;
        };
        let value = match &field.kind {
            Kind::List(item) => {
                let items = values.map(|text| read(&field.name, item, text));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            kind => {
                let Some(text) = values.next_back() else {
                    continue;
                };
                read(&field.name, kind, text)?
            }
        };
        params.insert(field.name.clone(), value);
    }
    Ok(params)
}

/// Reads `key=value&nested.key=value` (or JSON) by the fields of an object.
///
/// # Errors
/// When a key is unknown or a value is not of its kind.
pub fn read_object(field: &str, keys: &[Field], text: &str) -> Result<Value, BadValue> {
    let bad = |expected: &str| BadValue {
        field: field.into(),
        text: text.into(),
        expected: expected.into(),
    };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| bad(&format!("JSON: {error}")));
    }
    let mut object = Map::new();
    for pair in text.split('&').filter(|pair| !pair.trim().is_empty()) {
        let (path, value) = pair
            .split_once('=')
            .ok_or_else(|| bad("JSON, and not written like key=value&key=value"))?;
        // Without known keys the object is a filter, and its dotted keys are its own.
        let path: Vec<&str> = match keys.is_empty() {
            true => vec![path.trim()],
            false => path
                .trim()
                .split(['.', '['])
                .map(|part| part.trim_end_matches(']'))
                .collect(),
        };
        insert(field, keys, &mut object, &path, value)?;
    }
    Ok(Value::Object(object))
}

fn insert(
    field: &str,
    keys: &[Field],
    into: &mut Map<String, Value>,
    path: &[&str],
    text: &str,
) -> Result<(), BadValue> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    let name = format!("{field}.{key}");
    let known = keys.iter().find(|known| known.name == *key);
    if known.is_none() && !keys.is_empty() {
        let names: Vec<&str> = keys.iter().map(|known| known.name.as_str()).collect();
        let expected = format!("a key of it; those are {}", names.join(", "));
        return Err(BadValue {
            field: field.into(),
            text: (*key).into(),
            expected,
        });
    }
    let kind = known.map_or(&Kind::Any, |known| &known.kind);
    if rest.is_empty() {
        into.insert((*key).to_owned(), read(&name, kind, text)?);
        return Ok(());
    }
    let inner: &[Field] = match kind {
        Kind::Object(keys) => keys,
        _ => &[],
    };
    match into
        .entry((*key).to_owned())
        .or_insert_with(|| Value::Object(Map::new()))
    {
        Value::Object(object) => insert(&name, inner, object, rest, text),
        _ => Err(BadValue {
            field: name,
            text: text.into(),
            expected: "an object, since it has a value already".into(),
        }),
    }
}

fn read(field: &str, kind: &Kind, text: &str) -> Result<Value, BadValue> {
    let bad = |expected: &str| BadValue {
        field: field.into(),
        text: text.into(),
        expected: expected.into(),
    };
    Ok(match kind {
        Kind::Text => Value::from(text),
        Kind::Choice(words) => match words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
        {
            Some((word, _)) => Value::from(word.as_str()),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
                return Err(bad(&format!("one of {}", words.join(", "))));
            }
        },
        Kind::Integer => Value::from(text.parse::<UnixMs>().map_err(|_| bad("a whole number"))?),
        Kind::Seconds => Value::from(
            seconds(text).ok_or_else(|| bad("a length of time like 90 (seconds), 10m or 1h"))?,
        ),
        Kind::Number => {
            let number = text.parse::<f64>().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(|| bad("a number"))?)
        }
        Kind::Bool => Value::from(text.parse::<bool>().map_err(|_| bad("true or false"))?),
        Kind::List(item) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Value::Array(
                items
                    .map(|text| read(field, item, text))
                    .collect::<Result<_, _>>()?,
            )
        }
        Kind::Object(keys) => read_object(field, keys, text)?,
        Kind::Any => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    })
}

/// Whole seconds of `90`, `10m`, `1h 30m`, `1d`.
fn seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let length = text
        .parse::<Span>()
        .ok()?
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()?;
    u64::try_from(length.as_secs()).ok()
}

fn argument(field: Field) -> Arg {
    let name = field.argument().to_owned();
    let (list, kind) = match field.kind {
        Kind::List(item) => (true, *item),
        kind => (false, kind),
    };
    let mut help = field.help.trim_end_matches('.').to_owned();
    if let Kind::Object(keys) = &kind {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        let keys = if names.is_empty() {
            String::new()
        } else {
            format!("; keys: {}", names.join(", "))
        };
        help = format!("{help}. JSON, or key=value&key=value{keys}");
    }
    if kind == Kind::Seconds {
        help = format!("{help}. As 90, 10m or 1h");
    }
    let mut arg = Arg::new(field.name.clone())
        .help(help)
        .value_name(name.to_uppercase());
    if !field.required {
        arg = arg.long(kebab(&name));
        let others = [field.name.clone(), kebab(&field.name)];
        arg = arg.aliases(others.into_iter().filter(|other| *other != kebab(&name)));
    }
    arg = arg.required(field.required).action(if list {
        ArgAction::Append
    } else {
        ArgAction::Set
    });
    if list {
        arg = arg.value_delimiter(',');
        if field.required {
            arg = arg.num_args(1..);
        }
    }
    match kind {
        Kind::Choice(words) => {
            let values = words
                .into_iter()
                .map(|(word, means)| match means.is_empty() {
                    true => PossibleValue::new(word),
                    false => PossibleValue::new(word).help(means),
                });
            arg.value_parser(PossibleValuesParser::new(values))
                .ignore_case(true)
        }
        Kind::Bool => {
            let arg = arg.value_parser(["true", "false"]);
            match field.required {
                true => arg,
                false => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .hide_possible_values(true),
            }
        }
        Kind::Integer | Kind::Seconds | Kind::Number => arg.allow_negative_numbers(true),
        Kind::Text | Kind::List(_) | Kind::Object(_) | Kind::Any => arg,
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.trim_end_matches("Additive.").trim().replace('\n', " ")
}

fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let Some(properties) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let mut fields: Vec<Field> = properties
        .iter()
        .map(|(name, schema)| Field {
            name: name.clone(),
            help: description(schema),
            kind: match kind(schema) {
                Kind::Integer if name.ends_with(SECONDS) => Kind::Seconds,
                kind => kind,
            },
            required: required.contains(&name.as_str()),
            secret: SECRET_FIELDS.contains(&name.as_str()),
        })
        .collect();
    // The order of `required` is the order of the type, which that of `properties` need not be.
    fields.sort_by_key(|field| {
        required
            .iter()
            .position(|name| *name == field.name)
            .unwrap_or(usize::MAX)
    });
    fields
}

fn kind(schema: &Value) -> Kind {
    for key in ["anyOf", "oneOf"] {
        let Some(branches) = schema[key].as_array() else {
            continue;
        };
        let branches: Vec<&Value> = branches
            .iter()
            .filter(|branch| branch["type"] != "null")
            .collect();
        if let [one] = branches[..] {
            return kind(one);
        }
        let words: Option<Vec<_>> = branches.iter().map(|branch| words(branch)).collect();
        return words.map_or(Kind::Any, |words| {
            choice(words.into_iter().flatten().collect())
        });
    }
    if let Some(words) = words(schema) {
        return choice(words);
    }
    let type_name = match &schema["type"] {
        Value::String(name) => name.as_str(),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or(""),
        _ => "",
    };
    match type_name {
        "string" => Kind::Text,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Bool,
        "array" => Kind::List(Box::new(kind(&schema["items"]))),
        "object" => Kind::Object(fields(schema)),
        _ => Kind::Any,
    }
}

/// The empty word means *not known* and cannot be asked for.
fn choice(words: Vec<(String, String)>) -> Kind {
    Kind::Choice(
        words
            .into_iter()
            .filter(|(word, _)| !word.is_empty())
            .collect(),
    )
}

/// The words of a schema that allows nothing else.
fn words(schema: &Value) -> Option<Vec<(String, String)>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![(word.to_owned(), description(schema))]);
    }
    let words = schema["enum"].as_array()?;
    Some(
        words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| (word.to_owned(), String::new()))
            .collect(),
    )
}
