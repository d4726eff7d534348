//! Filters as clients send them, in the query language of MongoDB, evaluated over JSON documents. Pure.
//!
//! Understood: dotted paths, implicit *and*, equality, `$eq $ne $in $nin $gt $gte $lt $lte $exists $regex $not $and $or
//! $nor`, and `{"$oid": …}`. Anything else is refused by name: a filter that is half understood would lie.

use std::cmp::Ordering;

use komodo_api::{Code, Error, update::MongoDocument};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Conditions that a filter may have.
const CONDITIONS_MAX: usize = 256;
/// Filters inside filters.
const DEPTH_MAX: usize = 16;
/// Memory that a compiled `$regex` may take, in bytes.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// A filter over Updates.
#[derive(Debug, Clone)]
pub struct UpdateFilter {
    root: Node,
}

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// An operator that is not understood.
    #[error("the operator {0} is not supported in a query")]
    Operator(String),
    /// A value that does not go with its operator.
    #[error("{0} needs {1}")]
    Value(String, &'static str),
    /// Too many conditions or too deep.
    #[error("the query is too large (at most {CONDITIONS_MAX} conditions, {DEPTH_MAX} deep)")]
    TooLarge,
}

impl From<BadFilter> for Error {
    fn from(error: BadFilter) -> Self {
        Error::new(Code::Invalid, error.to_string())
    }
}

#[derive(Debug, Clone)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Field { path: String, test: Test },
}

#[derive(Debug, Clone)]
enum Test {
    Equal(Value),
    In(Vec<Value>),
    Exists(bool),
    Compare(&'static [Ordering], Value),
    Regex(Regex),
}

impl UpdateFilter {
    /// Lets everything through.
    pub fn all() -> Self {
        UpdateFilter {
            root: Node::All(Vec::new()),
        }
    }

    /// Reads a filter document.
    pub fn parse(document: &MongoDocument) -> Result<Self, BadFilter> {
        let mut left = CONDITIONS_MAX;
        Ok(UpdateFilter {
            root: parse_document(document, 0, &mut left)?,
        })
    }

    /// Whether a document fits.
    pub fn matches(&self, document: &Value) -> bool {
        self.root.matches(document)
    }

    /// The text that a field must equal for any document to fit, where the filter says so.
    pub(super) fn required(&self, path: &str) -> Option<&str> {
        self.root.required(path)
    }

    /// Whether it asks for any field below one of these.
    pub(super) fn mentions(&self, fields: &[&str]) -> bool {
        self.root.mentions(fields)
    }
}

impl Node {
    fn matches(&self, document: &Value) -> bool {
        match self {
            Node::All(nodes) => nodes.iter().all(|node| node.matches(document)),
            Node::Any(nodes) => nodes.iter().any(|node| node.matches(document)),
            Node::Not(node) => !node.matches(document),
            Node::Field { path, test } => {
                let mut found = Vec::new();
                values_at(document, path, &mut found);
                test.matches(&found)
            }
        }
    }

    fn required(&self, wanted: &str) -> Option<&str> {
        match self {
            Node::All(nodes) => nodes.iter().find_map(|node| node.required(wanted)),
            Node::Field {
                path,
                test: Test::Equal(Value::String(text)),
            } if path == wanted => Some(text),
            _ => None,
        }
    }

    fn mentions(&self, fields: &[&str]) -> bool {
        match self {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().any(|node| node.mentions(fields)),
            Node::Not(node) => node.mentions(fields),
            Node::Field { path, .. } => {
                let first = path.split('.').next().unwrap_or(path);
                fields.contains(&first)
            }
        }
    }
}

impl Test {
    fn matches(&self, found: &[&Value]) -> bool {
        match self {
            Test::Equal(wanted) => equals(found, wanted),
            Test::In(wanted) => wanted.iter().any(|wanted| equals(found, wanted)),
            Test::Exists(wanted) => found.is_empty() != *wanted,
            Test::Compare(orders, wanted) => each(found)
                .any(|value| compare(value, wanted).is_some_and(|order| orders.contains(&order))),
            Test::Regex(regex) => {
                each(found).any(|value| text(value).is_some_and(|text| regex.is_match(text)))
            }
        }
    }
}

fn equals(found: &[&Value], wanted: &Value) -> bool {
    match wanted {
        Value::Null => found.is_empty() || found.iter().any(|value| value.is_null()),
        _ => each(found)
            .chain(found.iter().copied())
            .any(|value| same(value, wanted)),
    }
}

/// The values, and the items of those that are lists.
fn each<'a>(found: &'a [&'a Value]) -> impl Iterator<Item = &'a Value> {
    found.iter().flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(*single),
    })
}

fn same(left: &Value, right: &Value) -> bool {
    match compare(left, right) {
        Some(order) => order == Ordering::Equal,
        None => left == right,
    }
}

fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => Some(text(left)?.cmp(text(right)?)),
    }
}

/// The text of a value; that of an id, however it is written.
fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(map) if map.len() == 1 => map.get("$oid")?.as_str(),
        _ => None,
    }
}

fn values_at<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    match value {
        Value::Object(map) => match (map.get(first), rest) {
            (Some(inner), Some(rest)) => values_at(inner, rest, found),
            (Some(inner), None) => found.push(inner),
            (None, _) => {}
        },
        Value::Array(items) => match (first.parse::<usize>(), rest) {
            (Ok(index), Some(rest)) => items
                .get(index)
                .into_iter()
                .for_each(|item| values_at(item, rest, found)),
            (Ok(index), None) => found.extend(items.get(index)),
            (Err(_), _) => items.iter().for_each(|item| values_at(item, path, found)),
        },
        _ => {}
    }
}

fn parse_document(
    document: &MongoDocument,
    depth: usize,
    left: &mut usize,
) -> Result<Node, BadFilter> {
    if depth > DEPTH_MAX {
        return Err(BadFilter::TooLarge);
    }
    let mut nodes = Vec::new();
    for (key, value) in document {
        match key.as_str() {
            "$and" => nodes.push(Node::All(parse_list(key, value, depth, left)?)),
            "$or" => nodes.push(Node::Any(parse_list(key, value, depth, left)?)),
            "$nor" => nodes.push(Node::Not(Box::new(Node::Any(parse_list(
                key, value, depth, left,
            )?)))),
            operator if operator.starts_with('$') => {
                return Err(BadFilter::Operator(operator.into()));
            }
            path => nodes.push(parse_field(path, value, depth, left)?),
        }
    }
    Ok(Node::All(nodes))
}

fn parse_list(
    key: &str,
    value: &Value,
    depth: usize,
    left: &mut usize,
) -> Result<Vec<Node>, BadFilter> {
    let bad = || BadFilter::Value(key.into(), "a list of queries");
    let items = value
        .as_array()
        .filter(|items| !items.is_empty())
        .ok_or_else(bad)?;
    items
        .iter()
        .map(|item| parse_document(item.as_object().ok_or_else(bad)?, depth + 1, left))
        .collect()
}

fn parse_field(
    path: &str,
    value: &Value,
    depth: usize,
    left: &mut usize,
) -> Result<Node, BadFilter> {
    if depth > DEPTH_MAX {
        return Err(BadFilter::TooLarge);
    }
    let operators = value.as_object().filter(|map| {
        !map.contains_key("$oid") && !map.is_empty() && map.keys().all(|key| key.starts_with('$'))
    });
    let Some(operators) = operators else {
        return field(path, Test::Equal(value.clone()), left);
    };
    let not = |node| Node::Not(Box::new(node));
    let mut nodes = Vec::new();
    for (operator, value) in operators {
        use Ordering::{Equal, Greater, Less};
        nodes.push(match operator.as_str() {
            "$eq" => field(path, Test::Equal(value.clone()), left)?,
            "$ne" => not(field(path, Test::Equal(value.clone()), left)?),
            "$in" => field(path, Test::In(list(operator, value, left)?), left)?,
            "$nin" => not(field(path, Test::In(list(operator, value, left)?), left)?),
            "$gt" => field(path, Test::Compare(&[Greater], value.clone()), left)?,
            "$gte" => field(path, Test::Compare(&[Greater, Equal], value.clone()), left)?,
            "$lt" => field(path, Test::Compare(&[Less], value.clone()), left)?,
            "$lte" => field(path, Test::Compare(&[Less, Equal], value.clone()), left)?,
            "$exists" => field(
                path,
                Test::Exists(!matches!(value, Value::Bool(false) | Value::Null)),
                left,
            )?,
            "$regex" => field(
                path,
                Test::Regex(regex(value, operators.get("$options"))?),
                left,
            )?,
            "$options" if operators.contains_key("$regex") => continue,
            "$not" => not(parse_field(path, value, depth + 1, left)?),
            operator => return Err(BadFilter::Operator(operator.into())),
        });
    }
    Ok(Node::All(nodes))
}

fn field(path: &str, test: Test, left: &mut usize) -> Result<Node, BadFilter> {
    *left = left.checked_sub(1).ok_or(BadFilter::TooLarge)?;
    Ok(Node::Field {
        path: path.to_owned(),
        test,
    })
}

fn list(operator: &str, value: &Value, left: &mut usize) -> Result<Vec<Value>, BadFilter> {
    let items = value
        .as_array()
        .ok_or_else(|| BadFilter::Value(operator.into(), "a list"))?;
    *left = left.checked_sub(items.len()).ok_or(BadFilter::TooLarge)?;
    Ok(items.clone())
}

fn regex(value: &Value, options: Option<&Value>) -> Result<Regex, BadFilter> {
    let pattern = value
        .as_str()
        .ok_or_else(|| BadFilter::Value("$regex".into(), "a text"))?;
    let options = options.and_then(Value::as_str).unwrap_or_default();
    RegexBuilder::new(pattern)
        .case_insensitive(options.contains('i'))
        .multi_line(options.contains('m'))
        .dot_matches_new_line(options.contains('s'))
        .ignore_whitespace(options.contains('x'))
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|_| {
            BadFilter::Value(
                "$regex".into(),
                "a regular expression (without look-around), not too large",
            )
        })
}
