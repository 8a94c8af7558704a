//! JSON values for the reference, with borrowed texts. JSON itself is the library's matter.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json<'t> {
    /// A string.
    Text(Cow<'t, str>),
    /// A whole number that is not negative.
    Whole(u64),
    /// A list.
    List(Vec<Json<'t>>),
    /// An object.
    Object(Object<'t>),
    /// Any other value.
    Other,
}

/// A JSON object: its members, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

impl<'t> Json<'t> {
    /// How deep lists and objects are nested.
    pub fn depth(&self) -> usize {
        match self {
            Json::List(items) => 1 + items.iter().map(Json::depth).max().unwrap_or(0),
            Json::Object(object) => object.depth(),
            Json::Text(_) | Json::Whole(_) | Json::Other => 0,
        }
    }
}

impl<'t> Object<'t> {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Json<'t>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The value of `key`, if it is a string.
    pub fn text(&self, key: &str) -> Option<&Cow<'t, str>> {
        match self.get(key) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// How deep lists and objects are nested.
    pub fn depth(&self) -> usize {
        1 + self.0.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
    }

    /// Adds a member. Of equal keys, the last has the value.
    fn add(&mut self, key: Cow<'t, str>, value: Json<'t>) {
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }
}

impl<'t> Deserialize<'t> for Json<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'t> Visitor<'t> for Values {
            type Value = Json<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Json<'t>, E> {
                Ok(Json::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json<'t>, E> {
                Ok(Json::Text(text.to_owned().into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json<'t>, E> {
                Ok(Json::Whole(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json<'t>, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json<'t>, E> {
                Ok(Json::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json<'t>, E> {
                Ok(Json::Other)
            }

            fn visit_unit<E>(self) -> Result<Json<'t>, E> {
                Ok(Json::Other)
            }

            fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Json<'t>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Json::List(items))
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Json<'t>, A::Error> {
                let mut object = Object::default();
                while let Some(Key(key)) = map.next_key()? {
                    object.add(key, map.next_value()?);
                }
                Ok(Json::Object(object))
            }
        }

        deserializer.deserialize_any(Values)
    }
}

impl<'t> Deserialize<'t> for Object<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Object(object) => Ok(object),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

/// A key of an object.
pub struct Key<'t>(pub Cow<'t, str>);

impl<'t> Deserialize<'t> for Key<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(text) => Ok(Key(text)),
            _ => Err(D::Error::custom("not a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_last_counts() {
        let object: Object<'_> = serde_json::from_str(r#"{"a": [[1]], "b": 7, "\u0061": "caf\u00e9"}"#).unwrap();
        assert_eq!((object.text("a").map(|text| &text[..]), object.depth()), (Some("café"), 1));
        assert_eq!((object.get("b"), object.get("c")), (Some(&Json::Whole(7)), None));
    }

    #[test]
    fn what_json_does_not_allow_is_no_value() {
        for text in [r#""\ud800""#, "1e999", "01", "[1,]", r#"{"a": 1e999}"#] {
            assert!(serde_json::from_str::<Json<'_>>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Object<'_>>("[]").is_err());
        assert_eq!(serde_json::from_str::<Json<'_>>("[[], {\"a\": -1}]").unwrap().depth(), 2);
    }
}
