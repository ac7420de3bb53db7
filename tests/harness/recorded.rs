//! Requests as real clients and Apache's brokers sent them (`tests/golden/frames`).

use std::fs;

use crate::repository;

/// A request.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its key.
    pub api: i16,
    /// Its version.
    pub version: i16,
    /// Header and body, without the length before them.
    pub request: Vec<u8>,
    /// Did the broker that it was recorded with answer it?
    pub answered: bool,
}

/// All of them, in the order of their keys.
///
/// # Panics
/// When a file is not as it should be.
pub fn recorded_requests() -> Vec<Recorded> {
    let mut found = Vec::new();
    let frames = repository().join("tests/golden/frames");
    let mut files: Vec<_> = fs::read_dir(frames).expect("the recordings").flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files {
        let numbered = path.file_name().is_some_and(|name| name.to_string_lossy().as_bytes()[0].is_ascii_digit());
        if !numbered {
            continue;
        }
        for line in fs::read_to_string(&path).expect("text").lines() {
            let frame: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
            let number =
                |key: &str| frame[key].as_i64().and_then(|number| i16::try_from(number).ok()).expect("a number");
            found.push(Recorded {
                api: number("api"),
                version: number("version"),
                request: hex(frame["request"].as_str().expect("a request")),
                answered: frame["response"].is_string(),
            });
        }
    }
    found
}

/// Bytes from hexadecimal digits.
pub fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("hexadecimal") as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
