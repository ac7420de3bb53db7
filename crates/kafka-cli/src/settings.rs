//! Settings of clients: from files that options name, and from options.

use std::path::Path;

use properties::{Origin, Properties};
use vfs::{OsVfs, Vfs};

/// A file that an option names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is not there (Java's message is the path alone).
    #[error("{0}")]
    Missing(String),
    /// It cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// As given.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It is no `.properties` file.
    #[error(transparent)]
    Text(#[from] properties::FileError),
}

impl FileError {
    /// Java's exception for it.
    pub fn exception(&self) -> String {
        match self {
            FileError::Missing(path) => format!("java.nio.file.NoSuchFileException: {path}"),
            FileError::Unreadable { path, reason } => format!("java.nio.file.FileSystemException: {path}: {reason}"),
            FileError::Text(error) => format!("java.lang.IllegalArgumentException: {error}"),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            FileError::Missing(_) => "There is no such file; paths are relative to the current directory.",
            FileError::Unreadable { .. } => "The file cannot be read.",
            FileError::Text(_) => "Settings stand one per line, as name=value.",
        }
    }
}

/// Reads the file that an option names; without one there are no settings.
pub fn read(path: Option<&str>) -> Result<Properties, FileError> {
    let Some(path) = path else { return Ok(Properties::new()) };
    Ok(Properties::parse(path, &read_file(path)?)?)
}

/// Reads any file that an option names.
pub fn read_file(path: &str) -> Result<Vec<u8>, FileError> {
    OsVfs.read(Path::new(path)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        _ => FileError::Unreadable { path: path.to_owned(), reason: error.to_string() },
    })
}

/// Sets one by an option that was given.
pub fn set(properties: &mut Properties, key: &str, value: &str) {
    properties.set(key, value, Origin::Option("--"));
}

/// Sets one unless it is set already.
pub fn set_default(properties: &mut Properties, key: &str, value: &str) {
    if properties.get(key).is_none() {
        properties.set(key, value, Origin::Program);
    }
}

/// Names and texts, as clients take them.
pub fn pairs(properties: &Properties) -> impl Iterator<Item = (&str, &str)> {
    properties.entries().iter().map(|entry| (entry.key.as_str(), entry.value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_as_java_names_it() {
        let error = read(Some("/no/such.properties")).unwrap_err();
        assert_eq!(error.to_string(), "/no/such.properties");
        assert_eq!(error.exception(), "java.nio.file.NoSuchFileException: /no/such.properties");
        assert_eq!(read(None), Ok(Properties::new()));
    }

    #[test]
    fn defaults_do_not_replace() {
        let mut properties = Properties::new();
        set(&mut properties, "a", "1");
        set_default(&mut properties, "a", "2");
        set_default(&mut properties, "b", "3");
        assert_eq!(pairs(&properties).collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
    }
}
