//! `partition.metadata`: the topic's id, so that a directory of a topic that was deleted and made anew under the same
//! name is not taken for the new one's. It is written before the first record, and durable when the first one is: whoever
//! appends does not wait for the disk.

use std::io;
use std::path::Path;

use kafka_types::Uuid;
use vfs::Vfs;

use crate::error::{IoContext, LoadError, LogError};

const FILE_NAME: &str = "partition.metadata";

/// The file's content and where it is.
#[derive(Debug)]
pub(crate) struct MetadataFile {
    topic_id: Option<Uuid>,
    kept: Kept,
}

/// How much the file has to go through and still is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    /// There is no file yet.
    Nothing,
    /// The end of this process; a power loss may leave it empty.
    Written,
    /// A power loss.
    Durable,
}

impl MetadataFile {
    /// No id, and no file yet.
    pub(crate) fn absent() -> MetadataFile {
        MetadataFile { topic_id: None, kept: Kept::Durable }
    }

    /// As the file says.
    pub(crate) fn load(vfs: &dyn Vfs, dir: &Path) -> Result<MetadataFile, LoadError> {
        let path = dir.join(FILE_NAME);
        let bytes = match vfs.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(MetadataFile::absent()),
            Err(error) => return Err(error).context("reading", &path).map_err(LoadError::Storage),
        };
        if bytes.is_empty() {
            // A power loss may leave it so. No record was durable then.
            return Ok(MetadataFile::absent());
        }
        match decode(&String::from_utf8_lossy(&bytes)) {
            Ok(topic_id) => Ok(MetadataFile { topic_id: Some(topic_id), kept: Kept::Durable }),
            Err(what) => Err(LoadError::Malformed { path, what }),
        }
    }

    pub(crate) fn topic_id(&self) -> Option<Uuid> {
        self.topic_id
    }

    /// Takes the id unless there is another.
    pub(crate) fn assign(&mut self, id: Uuid) -> bool {
        if self.topic_id.is_none() && !id.is_zero() {
            *self = MetadataFile { topic_id: Some(id), kept: Kept::Nothing };
        }
        self.topic_id.is_none_or(|known| known == id)
    }

    /// The id that is in no file yet.
    pub(crate) fn unwritten(&self) -> Option<Uuid> {
        self.topic_id.filter(|_| self.kept == Kept::Nothing)
    }

    /// The id that a power loss could take away.
    pub(crate) fn not_durable(&self) -> Option<Uuid> {
        self.topic_id.filter(|_| self.kept < Kept::Durable)
    }

    /// The file may have been written without anybody waiting for the disk.
    pub(crate) fn doubt(&mut self) {
        if self.topic_id.is_some() {
            self.kept = self.kept.min(Kept::Written);
        }
    }

    /// `id` is in the file, and perhaps durable.
    pub(crate) fn on_written(&mut self, id: Uuid, durable: bool) {
        if self.topic_id == Some(id) {
            self.kept = self.kept.max(if durable { Kept::Durable } else { Kept::Written });
        }
    }
}

/// Writes the file if there is none, or an empty one: what is there may be durable. Nobody waits for the disk.
pub(crate) fn write(vfs: &dyn Vfs, dir: &Path, id: Uuid) -> Result<(), LogError> {
    let path = dir.join(FILE_NAME);
    if vfs.read(&path).is_ok_and(|bytes| !bytes.is_empty()) {
        return Ok(());
    }
    vfs::durable::replace_file(vfs, &path, encode(id).as_bytes()).context("writing", &path)
}

/// Writes the file and makes it, its directory and the directory's name durable.
pub(crate) fn write_durably(vfs: &dyn Vfs, dir: &Path, id: Uuid) -> Result<(), LogError> {
    let path = dir.join(FILE_NAME);
    vfs::durable::write_file(vfs, &path, encode(id).as_bytes()).context("writing", &path)?;
    let parent = vfs::durable::parent_of(dir);
    vfs.sync_dir(&parent).context("syncing", &parent)
}

fn encode(id: Uuid) -> String {
    // No newline at the end: Apache writes none.
    format!("version: 0\ntopic_id: {id}")
}

fn decode(text: &str) -> Result<Uuid, String> {
    let mut lines = text.lines();
    let mut value = |key: &str| {
        let line = lines.next().unwrap_or_default();
        line.split_once(':').filter(|(name, _)| *name == key).map(|(_, value)| value.trim()).ok_or(format!("`{line}`"))
    };
    let version = value("version")?;
    if version != "0" {
        return Err(format!("Unrecognized version of partition metadata file: {version}"));
    }
    let id = value("topic_id")?.parse::<Uuid>().map_err(|error| error.to_string())?;
    if id.is_zero() {
        return Err(format!("Invalid topic ID in partition metadata file ({id})"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_apaches_and_reads_back() {
        let id: Uuid = "YprXeFJVQIeorgJIOYtWQg".parse().expect("an id");
        assert_eq!(encode(id), "version: 0\ntopic_id: YprXeFJVQIeorgJIOYtWQg");
        assert_eq!(decode(&encode(id)), Ok(id));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(decode("").expect_err("empty"), "``");
        let error = decode("version: 1\ntopic_id: x").expect_err("newer");
        assert_eq!(error, "Unrecognized version of partition metadata file: 1");
        assert!(decode("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA").expect_err("zero").contains("Invalid topic ID"));
    }
}
