//! YAML documents whose values know their places in the text. Pure.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use super::syntax;

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    pub(super) fn of(location: Location) -> Self {
        Self {
            line: location.line().max(1),
            column: location.column().max(1),
        }
    }
}

/// One document: its value, and where each field and item of it is.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    places: BTreeMap<String, Place>,
}

impl Document {
    /// Where a path is; for a field that is missing, where its parent is.
    pub(super) fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None if path.is_empty() => return Place::START,
                None => path = "",
            }
        }
    }
}

/// Why a text is no YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

/// All documents of a text, without the empty ones.
pub(super) fn read(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 20_000,
            max_events: 4_000_000,
            max_nodes: 2_000_000,
        },
    };
    let nodes: Vec<Node> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| syntax::explain(&error, text))?;
    Ok(nodes
        .into_iter()
        .filter(|node| !matches!(node.0.value, Kind::Scalar(Value::Null)))
        .map(document)
        .collect())
}

fn document(node: Node) -> Document {
    let mut places = BTreeMap::from([(String::new(), Place::of(node.0.referenced))]);
    let value = flatten(node, "", &mut places);
    Document { value, places }
}

fn flatten(node: Node, path: &str, places: &mut BTreeMap<String, Place>) -> Value {
    match node.0.value {
        Kind::Scalar(value) => value,
        Kind::List(items) => {
            let item = |(index, item): (usize, Node)| {
                let path = format!("{path}[{index}]");
                let _ = places.insert(path.clone(), Place::of(item.0.referenced));
                flatten(item, &path, places)
            };
            Value::Array(items.into_iter().enumerate().map(item).collect())
        }
        Kind::Fields(fields) => {
            let field = |(name, value): (Spanned<String>, Node)| {
                let path = if path.is_empty() {
                    name.value.clone()
                } else {
                    format!("{path}.{}", name.value)
                };
                let _ = places.insert(path.clone(), Place::of(name.referenced));
                let value = flatten(value, &path, places);
                (name.value, value)
            };
            Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>())
        }
    }
}

struct Node(Spanned<Kind>);

enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<(Spanned<String>, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Kind::Fields(fields))
    }
}
