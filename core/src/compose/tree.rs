//! A YAML document as a tree whose every value knows its line, so that whatever is said of one can say
//! where it stands. Anchors and merges are resolved by the library; texts keep their variables until
//! [`super::variables`] fills them in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::variables::MOST_IN_ALL;

/// How many values a file may have.
const MOST_NODES: usize = 20_000;
/// How deep they may lie.
const MOST_DEPTH: usize = 24;

/// A value and its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Tree,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// A number, as it is written out again.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Field>),
}

/// A value under a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) node: Node,
}

impl Node {
    /// Reads a document.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        // A text that has a name may stand in many places.
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_total_scalar_bytes: MOST_IN_ALL },
            // As Compose reads it: `y` and `no` are words, but where a truth is asked for.
            strict_booleans: true,
        };
        let read = serde_saphyr::from_str_with_options(text, options);
        let spanned: Spanned<Tree> = read.map_err(|error: serde_saphyr::Error| {
            let told = error.to_string();
            told.lines().next().unwrap_or_default().trim().chars().take(300).collect::<String>()
        })?;
        let root = Self::of(spanned);
        let mut room = MOST_NODES;
        root.measure(0, &mut room)?;
        Ok(root)
    }

    fn of(spanned: Spanned<Tree>) -> Self {
        Self { line: spanned.referenced.line(), value: spanned.value }
    }

    fn measure(&self, depth: usize, room: &mut usize) -> Result<(), String> {
        if depth > MOST_DEPTH {
            return Err(format!("line {}: it is nested deeper than {MOST_DEPTH}", self.line));
        }
        *room = room
            .checked_sub(1)
            .ok_or_else(|| format!("line {}: it has more than {MOST_NODES} values", self.line))?;
        match &self.value {
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => Ok(()),
            Tree::List(items) => items.iter().try_for_each(|item| item.measure(depth + 1, room)),
            Tree::Map(fields) => {
                fields.iter().try_for_each(|field| field.node.measure(depth + 1, room))
            }
        }
    }

    /// The fields of a map.
    pub(super) fn fields(&self) -> Option<&[Field]> {
        match &self.value {
            Tree::Map(fields) => Some(fields),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Option<&[Self]> {
        match &self.value {
            Tree::List(items) => Some(items),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::Map(_) => None,
        }
    }

    /// A field of a map.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.fields()?.iter().find(|field| field.name == name).map(|field| &field.node)
    }

    /// A field of a map, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let mut fields = self.fields_mut()?.iter_mut();
        fields.find(|field| field.name == name).map(|field| &mut field.node)
    }

    /// The fields of a map, to be changed.
    pub(super) fn fields_mut(&mut self) -> Option<&mut Vec<Field>> {
        match &mut self.value {
            Tree::Map(fields) => Some(fields),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// The same without one of its fields.
    pub(super) fn without(&self, name: &str) -> Self {
        let value = match &self.value {
            Tree::Map(fields) => {
                Tree::Map(fields.iter().filter(|field| field.name != name).cloned().collect())
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => {
                self.value.clone()
            }
        };
        Self { line: self.line, value }
    }

    /// The same without lines: what is said, and not where.
    pub(super) fn unplaced(&self) -> Self {
        let mut plain = self.clone();
        plain.each_line(&mut |line| *line = 0);
        plain
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let own = match &self.value {
            Tree::Null | Tree::Bool(_) => 0,
            Tree::Number(text) | Tree::Text(text) => text.len(),
            Tree::List(items) => items.iter().map(Self::bytes).sum(),
            Tree::Map(fields) => {
                fields.iter().map(|field| field.name.len() + field.node.bytes()).sum()
            }
        };
        own + size_of::<Field>()
    }

    /// A text, or what is written like one.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Tree::Text(text) => Some(text.clone()),
            Tree::Number(number) => Some(number.clone()),
            Tree::Bool(is) => Some(is.to_string()),
            Tree::Null | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// A truth.
    pub(super) fn truth(&self) -> Option<bool> {
        match &self.value {
            Tree::Bool(is) => Some(*is),
            Tree::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "on" => Some(true),
                "false" | "no" | "n" | "off" => Some(false),
                _ => None,
            },
            Tree::Null | Tree::Number(_) | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// Whether nothing is there.
    pub(super) fn is_null(&self) -> bool {
        match self.value {
            Tree::Null => true,
            Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) | Tree::Map(_) => false,
        }
    }

    /// Every text in it, with its line.
    pub(super) fn each_text(&mut self, change: &mut impl FnMut(&mut String, u64)) {
        match &mut self.value {
            Tree::Text(text) => change(text, self.line),
            Tree::List(items) => items.iter_mut().for_each(|item| item.each_text(change)),
            Tree::Map(fields) => fields.iter_mut().for_each(|field| field.node.each_text(change)),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
        }
    }

    /// The line of every value in it.
    pub(super) fn each_line(&mut self, change: &mut impl FnMut(&mut u64)) {
        change(&mut self.line);
        match &mut self.value {
            Tree::List(items) => items.iter_mut().for_each(|item| item.each_line(change)),
            Tree::Map(fields) => {
                for field in fields {
                    change(&mut field.line);
                    field.node.each_line(change);
                }
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        Tree::deserialize(from)
    }

    fn visit_bool<E>(self, is: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(is))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(Node::of(item));
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(name) = fields.next_key::<Spanned<String>>()? {
            let node = Node::of(fields.next_value::<Spanned<Tree>>()?);
            // Where it was merged in, that is where it is said.
            map.push(Field { line: name.referenced.line(), name: name.value, node });
        }
        Ok(Tree::Map(map))
    }
}
