//! The caller's own object at a debit, kept to the letter.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A JSON object as its caller wrote it: digits, order of keys and white space included.
///
/// A key that occurs twice in one object is refused, because readers differ in which of the two they see.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// The text of an object that was checked before; `None` where it is not JSON.
    pub fn stored(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

/// JSON in one form: keys sorted, no white space, strings escaped in one way, numbers by their digits. Two texts that a
/// reader takes for the same have one canonical form. What is not JSON stays as it is.
pub fn canonical(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    write_canonical(json, &mut text).map_or_else(|_| json.to_owned(), |()| text)
}

fn write_canonical(json: &str, to: &mut String) -> Result<(), serde_json::Error> {
    let json = json.trim_ascii();
    match json.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            for (index, (key, value)) in members.iter().enumerate() {
                to.push(if index == 0 { '{' } else { ',' });
                to.push_str(&serde_json::to_string(key)?);
                to.push(':');
                write_canonical(value.get(), to)?;
            }
            to.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            for (index, item) in items.iter().enumerate() {
                to.push(if index == 0 { '[' } else { ',' });
                write_canonical(item.get(), to)?;
            }
            to.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Some(b'"') => to.push_str(&serde_json::to_string(&serde_json::from_str::<String>(json)?)?),
        _ => to.push_str(json),
    }
    Ok(())
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Metadata {}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if !raw.get().starts_with('{') {
            return Err(D::Error::custom("invalid type: expected an object"));
        }
        let mut reader = serde_json::Deserializer::from_str(raw.get());
        UniqueKeys.deserialize(&mut reader).map_err(D::Error::custom)?;
        Ok(Self(raw))
    }
}

/// Reads any JSON and refuses an object with a key that occurs twice.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} occurs twice")));
            }
            keys.insert(key);
            map.next_value_seed(Self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_stays_as_it_was() {
        let text = r#"{ "order":12345678901234567890123, "price":0.10,"b":1,"a":[1e2, null] }"#;
        let metadata: Metadata = serde_json::from_str(text).unwrap();
        assert_eq!(metadata.as_str(), text);
        assert_eq!(serde_json::to_string(&metadata).unwrap(), text);
    }

    #[test]
    fn one_form_is_left_of_what_reads_the_same() {
        let form = canonical(r#"{"a":[1.0,{"b":null,"c":"é"}],"d":{},"e":[]}"#);
        let spelled = " { \"e\": [ ], \"d\":{ },\n\"a\" : [ 1.0 ,{\"c\":\"\\u00e9\", \"b\" :null} ] } ";
        assert_eq!(canonical(spelled), form);
        assert_ne!(canonical(r#"{"a":1.00}"#), canonical(r#"{"a":1.0}"#), "digits are data");
        assert_eq!(canonical("nonsense"), "nonsense");
    }

    #[test]
    fn only_an_object_without_double_keys_is_taken() {
        for text in ["[]", "1", "\"{}\"", "true", r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(serde_json::from_str::<Metadata>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Metadata>(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }
}
