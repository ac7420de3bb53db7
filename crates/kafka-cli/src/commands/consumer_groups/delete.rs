//! `--delete` and `--delete-offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kafka_client::Error;
use kafka_client::admin::TopicSelection;
use kafka_types::{ErrorCode, TopicPartition};

use super::reset::named_partitions;
use super::{EXECUTION, Tool, Trouble};
use crate::java_order;

impl Tool<'_> {
    pub(super) async fn delete(&mut self) -> Result<(), Trouble> {
        let named: BTreeSet<String> = self.groups().await?.into_iter().collect();
        let named: Vec<String> = named.into_iter().collect();
        let outcomes = self.admin.delete_groups(&named).await.map_err(Trouble::wrapped)?;
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for (group, outcome) in java_order::of_map(outcomes, |(group, _)| java_order::hash_of_string(group)) {
            match outcome {
                Ok(()) => deleted.push(group),
                Err(error) => failed.push((group, error)),
            }
        }
        if failed.is_empty() {
            self.console
                .line(&format!("Deletion of requested consumer groups ('{}') was successful.", deleted.join(", ")));
            return Ok(());
        }
        self.error("Deletion of some consumer groups failed:");
        for (group, error) in failed {
            let reason = format!("{EXECUTION}: {}: {error}", error.exception());
            self.console.line(&format!("* Group '{group}' could not be deleted due to: {reason}"));
        }
        if !deleted.is_empty() {
            // The quotes stand where Java's tool puts them.
            let deleted = deleted.join("'");
            self.console.line(&format!("\nThese consumer groups were deleted successfully: '{deleted}', '"));
        }
        Ok(())
    }

    pub(super) async fn delete_offsets(&mut self) -> Result<(), Trouble> {
        let group = self.options.one("group")?.unwrap_or_default().to_owned();
        let topics = self.options.all("topic");
        let (mut partitions, whole) = named_partitions(&topics)?;
        let mut outcomes: BTreeMap<(String, TopicPartition), Result<(), Error>> = BTreeMap::new();
        let key = |one: TopicPartition| (format!("{}{}", one.topic, one.partition), one);
        if !whole.is_empty() {
            let (described, _) =
                self.admin.describe_topics(TopicSelection::Names(&whole)).await.map_err(Trouble::wrapped)?;
            for (topic, outcome) in described {
                match outcome {
                    Ok(info) => partitions.extend(
                        info.partitions.iter().map(|found| TopicPartition::new(topic.as_str(), found.partition)),
                    ),
                    Err(error) => {
                        outcomes.insert(key(TopicPartition::new(topic.as_str(), -1)), Err(error));
                    }
                }
            }
        }
        let unique: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        let partitions: Vec<TopicPartition> = unique.into_iter().collect();
        let mut first = None;
        match self.admin.delete_group_offsets(&group, &partitions).await {
            Ok(found) => {
                first = found.iter().find_map(|(_, outcome)| outcome.clone().err());
                outcomes.extend(found.into_iter().map(|(one, outcome)| (key(one), outcome)));
            }
            Err(error) => {
                outcomes.extend(partitions.into_iter().map(|one| (key(one), Err(error.clone()))));
                first = first.or(Some(error));
            }
        }
        self.tell_of_group(&group, &topics, first.as_ref());
        let mut table = format!("\n{:30} {:15} {:15}", "TOPIC", "PARTITION", "STATUS");
        for ((_, one), outcome) in outcomes {
            let number = if one.partition >= 0 { one.partition.to_string() } else { "Not Provided".to_owned() };
            let status = match outcome {
                Ok(()) => "Successful".to_owned(),
                Err(error) => format!("Error: :{}: {error}", error.exception()),
            };
            let _ = write!(table, "{:30} {number:15} {status:15}", &*one.topic);
        }
        self.console.bytes(table.as_bytes());
        Ok(())
    }

    fn tell_of_group(&mut self, group: &str, topics: &[&str], error: Option<&Error>) {
        let Some(error) = error else {
            let topics = topics.join(", ");
            return self
                .console
                .line(&format!("Request succeed for deleting offsets with topic {topics} group {group}"));
        };
        let text = match error.code() {
            Some(ErrorCode::InvalidGroupId) => format!("'{group}' is not valid."),
            Some(ErrorCode::GroupIdNotFound) => format!("'{group}' does not exist."),
            Some(ErrorCode::GroupAuthorizationFailed) => format!("Access to '{group}' is not authorized."),
            Some(ErrorCode::NonEmptyGroup) => {
                format!("Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty.")
            }
            Some(
                ErrorCode::GroupSubscribedToTopic
                | ErrorCode::TopicAuthorizationFailed
                | ErrorCode::UnknownTopicOrPartition,
            ) => "Encounter some partition level error, see the follow-up details:".to_owned(),
            code => {
                let name = code.map_or("UNKNOWN_SERVER_ERROR", |code| code.name());

                format!("Encounter some unknown error: {name}")
            }
        };
        self.error(&text);
    }
}
