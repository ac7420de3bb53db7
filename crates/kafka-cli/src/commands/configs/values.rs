//! What is to be added and deleted, as the options and a file say it.

use std::collections::BTreeMap;

use sasl::ScramMechanism;

use super::{Trouble, refused};
use crate::options::Options;
use crate::output::Console;
use crate::settings;

/// Iterations when nobody says how many.
const ITERATIONS: i32 = 4096;

/// The settings of `--add-config-file` and `--add-config`.
pub(super) fn added(options: &Options, console: &mut Console) -> Result<BTreeMap<String, String>, Trouble> {
    let mut added = BTreeMap::new();
    if let Some(path) = options.one("add-config-file")? {
        let file = settings::read(Some(path)).map_err(|error| Trouble::Thrown(error.exception()))?;
        added.extend(file.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())));
    }
    if let Some(text) = options.one("add-config")? {
        added.extend(pairs(text)?);
    }
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if let Some(key) = added.keys().find(|key| !key.chars().all(legal)) {
        return Err(refused(format!("Invalid character found for config key: {key}")));
    }
    if let Some(version) = added.get("message.format.version") {
        console.line(&format!(
            "WARNING: The configuration message.format.version={version} is specified. This configuration will be \
             ignored if the version is newer than the inter.broker.protocol.version specified in the broker or if the \
             inter.broker.protocol.version is 3.0 or newer. This configuration is deprecated and it will be removed in \
             Apache Kafka 4.0."
        ));
    }
    Ok(added)
}

/// The names of `--delete-config`.
pub(super) fn deleted(options: &Options) -> Vec<String> {
    let values = options.all("delete-config").into_iter().flat_map(|value| value.split(','));
    values.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// `k=v,k=[v,v]`: what stands in brackets is not taken apart, and the brackets go.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Trouble> {
    let malformed = || {
        refused("requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".")
    };
    let mut pairs = Vec::new();
    let mut parts: Vec<&str> = split_outside(text, ',');
    // Java's split drops empty parts at the end.
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    for part in parts {
        let [key, value] = split_outside(part, '=')[..] else { return Err(malformed()) };
        let value: String = value.chars().filter(|character| !matches!(character, '[' | ']')).collect();
        pairs.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

/// Splits where the next bracket, if any, is an opening one.
fn split_outside(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (place, _) in text.match_indices(at) {
        let rest = &text[place + at.len_utf8()..];
        if rest.find(['[', ']']).is_none_or(|bracket| rest.as_bytes()[bracket] == b'[') {
            parts.push(&text[begin..place]);
            begin = place + at.len_utf8();
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// `iterations=4096,password=secret` or `password=secret`, for the tool that salts at a broker's or by itself.
pub(super) fn scram(mechanism: ScramMechanism, text: &str) -> Result<(i32, Vec<u8>), Trouble> {
    let malformed = || {
        let name = mechanism.name().replace('-', "_");
        refused(format!("Invalid credential property {name}={text}"))
    };
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(malformed)?;
            let digits = number.strip_prefix('-').unwrap_or(number);
            if !digits.chars().all(|character| character.is_ascii_digit()) {
                return Err(malformed());
            }
            let number_error = || Trouble::Refused(format!("For input string: \"{number}\""));
            let iterations = if number == "-1" { ITERATIONS } else { number.parse().map_err(|_| number_error())? };
            (iterations, rest)
        }
        None => (ITERATIONS, text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(malformed)?;
    if iterations < mechanism.min_iterations() {
        return Err(refused(format!(
            "Iterations {iterations} is less than the minimum {} required for {}",
            mechanism.min_iterations(),
            mechanism.name()
        )));
    }
    Ok((iterations, password.as_bytes().to_vec()))
}

/// Bytes that make equal passwords different.
pub(super) fn salt() -> Vec<u8> {
    let mut salt = vec![0; 20];
    getrandom::fill(&mut salt).expect("the system has a random source");
    salt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        pairs(text).map_err(|trouble| format!("{trouble:?}"))
    }

    #[test]
    fn brackets_keep_commas_together() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read("a=1,b=[x,y]"), Ok(vec![pair("a", "1"), pair("b", "x,y")]));
        assert_eq!(
            read("SCRAM-SHA-256=[iterations=8192,password=s],b ="),
            Ok(vec![pair("SCRAM-SHA-256", "iterations=8192,password=s"), pair("b", "")])
        );
        assert!(read("retention.ms").is_err() && read("a=b=c").is_err());
    }

    #[test]
    fn credentials_are_read_as_the_original_reads_them() {
        let mechanism = ScramMechanism::Sha256;
        let read = |text: &str| match scram(mechanism, text) {
            Ok((iterations, password)) => format!("{iterations} {}", String::from_utf8_lossy(&password)),
            Err(Trouble::Refused(text)) => text,
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(read("password=a=b"), "4096 a=b");
        assert_eq!(read("iterations=8192,password=s"), "8192 s");
        assert_eq!(read("iterations=-1,password=s"), "4096 s");
        assert_eq!(read("secret"), "Invalid credential property SCRAM_SHA_256=secret");
        assert_eq!(
            read("iterations=100,password=s"),
            "Iterations 100 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
    }
}
