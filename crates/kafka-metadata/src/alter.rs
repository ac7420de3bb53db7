//! Operations on stored settings, as IncrementalAlterConfigs asks for them (KIP-339).

use std::collections::BTreeMap;

use properties::{Default, Definitions, Kind};
use thiserror::Error;

/// What is to be done with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterOp {
    /// Give it this value.
    Set(String),
    /// Back to what stands behind it.
    Delete,
    /// Add the items of a list that are not in it.
    Append(String),
    /// Take the items of a list out of it.
    Subtract(String),
}

/// An operation that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AlterError {
    /// The setting is not a list (`INVALID_CONFIG`).
    #[error("Config value {operation} is not allowed for config key: {name}")]
    NotAList {
        /// `append` or `subtract`
        operation: &'static str,
        /// The setting.
        name: String,
    },
    /// There is no such setting, so nobody knows whether it is a list (`UNKNOWN_SERVER_ERROR`).
    #[error("key not found: {0}")]
    Unknown(String),
}

/// Does all operations, one after the other, on `stored`; `definitions` tells what is a list and what its default is.
pub fn alter(
    stored: &mut BTreeMap<String, String>,
    operations: &[(String, AlterOp)],
    definitions: &Definitions,
) -> Result<(), AlterError> {
    for (name, operation) in operations {
        match operation {
            AlterOp::Set(value) => {
                stored.insert(name.clone(), value.clone());
            }
            AlterOp::Delete => {
                stored.remove(name);
            }
            AlterOp::Append(items) => {
                let mut list = list(stored, name, "append", definitions)?;
                list.extend(split(items));
                let mut once: Vec<String> = Vec::with_capacity(list.len());
                for item in list {
                    if !once.contains(&item) {
                        once.push(item);
                    }
                }
                stored.insert(name.clone(), once.join(","));
            }
            AlterOp::Subtract(items) => {
                let mut list = list(stored, name, "subtract", definitions)?;
                // One occurrence each, as Scala's `diff` does it.
                for item in split(items) {
                    if let Some(at) = list.iter().position(|there| *there == item) {
                        list.remove(at);
                    }
                }
                stored.insert(name.clone(), list.join(","));
            }
        }
    }
    Ok(())
}

/// The items that count now.
fn list(
    stored: &BTreeMap<String, String>,
    name: &str,
    operation: &'static str,
    definitions: &Definitions,
) -> Result<Vec<String>, AlterError> {
    let setting = definitions.get(name).ok_or_else(|| AlterError::Unknown(name.to_owned()))?;
    if setting.kind != Kind::List {
        return Err(AlterError::NotAList { operation, name: name.to_owned() });
    }
    let default = if let Default::Text(text) = setting.default { text } else { "" };
    Ok(split(stored.get(name).map_or(default, String::as_str)).collect())
}

/// Between commas, blanks kept; empty ones at the end are dropped, as Java's `split` does it.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut items: Vec<String> = text.split(',').map(str::to_owned).collect();
    while items.len() > 1 && items.last().is_some_and(String::is_empty) {
        items.pop();
    }
    items.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_config::DEFINITIONS;

    fn after(stored: &[(&str, &str)], name: &str, operation: AlterOp) -> Result<Option<String>, String> {
        let mut stored: BTreeMap<String, String> =
            stored.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        alter(&mut stored, &[(name.to_owned(), operation)], &DEFINITIONS).map_err(|error| error.to_string())?;
        Ok(stored.remove(name))
    }

    #[test]
    fn lists_grow_from_their_default_and_shrink_to_nothing() {
        let append = |items: &str| AlterOp::Append(items.to_owned());
        let subtract = |items: &str| AlterOp::Subtract(items.to_owned());
        let policy = "cleanup.policy";
        assert_eq!(after(&[], policy, append("compact")), Ok(Some("delete,compact".to_owned())));
        let both = [(policy, "delete,compact")];
        assert_eq!(after(&both, policy, append("compact,delete")), Ok(Some("delete,compact".to_owned())));
        assert_eq!(after(&both, policy, subtract("delete")), Ok(Some("compact".to_owned())));
        assert_eq!(after(&both, policy, subtract("delete,compact,x")), Ok(Some(String::new())));
        assert_eq!(after(&both, policy, AlterOp::Delete), Ok(None));
    }

    #[test]
    fn what_is_no_list_has_no_items() {
        let append = || AlterOp::Append("5".to_owned());
        let refused = "Config value append is not allowed for config key: retention.ms";
        assert_eq!(after(&[], "retention.ms", append()), Err(refused.to_owned()));
        let refused = "Config value subtract is not allowed for config key: retention.ms";
        assert_eq!(after(&[], "retention.ms", AlterOp::Subtract("5".to_owned())), Err(refused.to_owned()));
        assert_eq!(after(&[], "nope", append()), Err("key not found: nope".to_owned()));
        assert_eq!(after(&[], "nope", AlterOp::Set("1".to_owned())), Ok(Some("1".to_owned())));
    }
}
