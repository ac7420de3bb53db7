//! `--reset-offsets`: which partitions of which groups, to what, and then shown, done, or exported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kafka_client::admin::{OffsetSpec, TopicSelection};
use kafka_types::{Offset, TopicPartition};

use super::arguments::SCENARIOS_TOLD;
use super::csv::Line;
use super::describe::{in_order, log_offsets};
use super::{LOGGER, Tool, Trouble, time};
use crate::java_order;
use crate::settings::{self, FileError};

/// New offsets of one group.
type Plan = Vec<(TopicPartition, Offset)>;

/// Plans out of a file, by group.
type Plans = BTreeMap<String, BTreeMap<TopicPartition, Offset>>;

impl Tool<'_> {
    pub(super) async fn reset_offsets(&mut self) -> Result<(), Trouble> {
        let named: BTreeSet<String> = self.groups().await?.into_iter().collect();
        let named: Vec<String> = named.into_iter().collect();
        let described = self.admin.describe_groups(&named).await.map_err(Trouble::wrapped)?;
        let mut plans = Vec::new();
        for (group, outcome) in java_order::of_map(described, |(group, _)| java_order::hash_of_string(group)) {
            let state = outcome.map_err(Trouble::wrapped)?.state;
            if state != "Empty" && state != "Dead" {
                self.error(&format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
                ));
                plans.push((group, Plan::new()));
                continue;
            }
            let partitions = self.partitions_to_reset(&group).await?;
            let plan = in_order(self.prepare(&group, partitions).await?);
            if self.options.has("execute") && !self.options.has("dry-run") {
                self.admin.alter_group_offsets(&group, &plan).await.map_err(Trouble::wrapped)?;
            }
            plans.push((group, plan));
        }
        if self.options.has("export") {
            self.export(&plans);
        } else {
            self.print_plans(&plans);
        }
        Ok(())
    }

    fn print_plans(&mut self, plans: &[(String, Plan)]) {
        if plans.is_empty() {
            return;
        }
        // All on one line: Java's rows are padded, and not ended.
        let mut table = format!("\n{:30} {:30} {:10} {:15}", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
        for (group, plan) in plans {
            for (one, offset) in plan {
                let _ = write!(table, "{group:30} {:30} {:<10} {:<15}", &*one.topic, one.partition, offset.0);
            }
        }
        self.console.bytes(table.as_bytes());
    }

    fn export(&mut self, plans: &[(String, Plan)]) {
        let single = self.options.all("group").len() == 1;
        let mut text = String::new();
        for (group, plan) in plans {
            for (one, offset) in plan {
                let group = (!single).then(|| group.clone());
                text += &Line { group, partition: one.clone(), offset: *offset }.written();
            }
        }
        self.console.line(&text);
    }

    async fn partitions_to_reset(&self, group: &str) -> Result<Vec<TopicPartition>, Trouble> {
        if self.options.has("all-topics") {
            let committed = self.admin.group_offsets(group).await.map_err(Trouble::wrapped)?;
            return Ok(committed.into_keys().collect());
        }
        let topics = self.options.all("topic");
        if topics.is_empty() && !self.options.has("from-file") {
            return Err(Trouble::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_owned()));
        }
        let (mut partitions, whole) = named_partitions(&topics)?;
        if !whole.is_empty() {
            let (described, _) =
                self.admin.describe_topics(TopicSelection::Names(&whole)).await.map_err(Trouble::wrapped)?;
            for (topic, info) in described {
                let found = info.map_err(Trouble::wrapped)?.partitions;
                partitions.extend(found.iter().map(|one| TopicPartition::new(topic.as_str(), one.partition)));
            }
        }
        let unique: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        Ok(unique.into_iter().collect())
    }

    /// What each partition is to be set to; the order of these questions is Java's.
    async fn prepare(&mut self, group: &str, partitions: Vec<TopicPartition>) -> Result<Plan, Trouble> {
        if let Some(offset) = self.options.number::<i64>("to-offset")? {
            let wanted = partitions.into_iter().map(|one| (one, Offset(offset))).collect();
            return self.in_bounds(wanted).await;
        }
        if self.options.has("to-earliest") {
            return self.found(partitions, OffsetSpec::Earliest, "starting offset").await;
        }
        if self.options.has("to-latest") {
            return self.found(partitions, OffsetSpec::Latest, "ending offset").await;
        }
        if self.options.has("shift-by") {
            return self.shifted(group, partitions).await;
        }
        if let Some(text) = self.options.one("to-datetime")? {
            let at =
                time::datetime(text).map_err(|text| Trouble::runtime(format!("java.text.ParseException: {text}")))?;
            return self.at(partitions, at).await;
        }
        if let Some(text) = self.options.one("by-duration")? {
            let class = "java.time.format.DateTimeParseException";
            let ago = time::duration_ms(text).map_err(|message| Trouble::Thrown { class, message })?;
            let now = self.admin.cluster().clock().wall().0;
            return self.at(partitions, now.saturating_sub(ago)).await;
        }
        if let Some(path) = self.options.one("from-file")? {
            let mut plans = self.plans_of_file(path)?;
            let Some(plan) = plans.remove(group) else {
                self.error(&format!("No reset plan for group {group} found"));
                return Ok(Plan::new());
            };
            return self.in_bounds(plan.into_iter().collect()).await;
        }
        if self.options.has("to-current") {
            return self.current(group, partitions).await;
        }
        Err(Trouble::Usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: {SCENARIOS_TOLD}"
        )))
    }

    async fn found(&self, partitions: Vec<TopicPartition>, spec: OffsetSpec, what: &str) -> Result<Plan, Trouble> {
        let offsets = log_offsets(&self.admin, partitions, spec).await?;
        let found = offsets.into_iter().map(|(one, offset)| match offset {
            Some(offset) => Ok((one, offset)),
            None => Err(Trouble::Usage(format!("Error getting {what} of topic partition: {one}"))),
        });
        found.collect()
    }

    async fn shifted(&self, group: &str, partitions: Vec<TopicPartition>) -> Result<Plan, Trouble> {
        let committed = self.admin.group_offsets(group).await.map_err(Trouble::wrapped)?;
        let mut wanted = Plan::new();
        for one in partitions {
            let by = self.options.number::<i64>("shift-by")?.unwrap_or_default();
            let Some(current) = committed.get(&one) else {
                return Err(Trouble::Usage(format!(
                    "Cannot shift offset for partition {one} since there is no current committed offset"
                )));
            };
            let offset = Offset(current.offset.0.saturating_add(by));
            wanted.push((one, offset));
        }
        self.in_bounds(wanted).await
    }

    /// Of the first records that are not older; of the end where there is none.
    async fn at(&mut self, partitions: Vec<TopicPartition>, at: i64) -> Result<Plan, Trouble> {
        let mut plan = Plan::new();
        let mut without = Vec::new();
        for (one, offset) in log_offsets(&self.admin, partitions, OffsetSpec::Timestamp(at)).await? {
            match offset {
                Some(offset) => plan.push((one, offset)),
                None => without.push(one),
            }
        }
        for one in &without {
            self.console.line(&format!(
                "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
                one.partition, one.topic
            ));
        }
        plan.extend(self.found(without, OffsetSpec::Latest, "offset by timestamp").await?);
        Ok(plan)
    }

    async fn current(&self, group: &str, partitions: Vec<TopicPartition>) -> Result<Plan, Trouble> {
        let committed = self.admin.group_offsets(group).await.map_err(Trouble::wrapped)?;
        let (with, without): (Vec<_>, Vec<_>) = partitions.into_iter().partition(|one| committed.contains_key(one));
        let mut plan: Plan = with.into_iter().map(|one| (one.clone(), committed[&one].offset)).collect();
        plan.extend(self.found(without, OffsetSpec::Latest, "ending offset").await?);
        Ok(plan)
    }

    /// Offsets beyond the log are set to its bounds, with a warning.
    async fn in_bounds(&self, wanted: Plan) -> Result<Plan, Trouble> {
        let partitions: Vec<TopicPartition> = wanted.iter().map(|(one, _)| one.clone()).collect();
        let starts: BTreeMap<_, _> =
            log_offsets(&self.admin, partitions.clone(), OffsetSpec::Earliest).await?.into_iter().collect();
        let ends: BTreeMap<_, _> =
            log_offsets(&self.admin, partitions, OffsetSpec::Latest).await?.into_iter().collect();
        let mut plan = Plan::new();
        for (one, offset) in in_order(wanted) {
            let bound = |offsets: &BTreeMap<TopicPartition, Option<Offset>>| offsets.get(&one).copied().flatten();
            let (start, end) = (bound(&starts), bound(&ends));
            let (what, limit) = match (start, end) {
                (_, Some(end)) if offset > end => ("higher than latest", end),
                (Some(start), _) if offset < start => ("lower than earliest", start),
                _ => {
                    plan.push((one, offset));
                    continue;
                }
            };
            tracing::warn!(
                target: LOGGER,
                "New offset ({offset}) is {what} offset for topic partition {one}. Value will be set to {limit}"
            );
            plan.push((one, limit));
        }
        Ok(plan)
    }

    fn plans_of_file(&self, path: &str) -> Result<Plans, Trouble> {
        let unreadable = |_: FileError| Trouble::runtime(format!("java.io.IOException: Unable to read file {path}"));
        let bytes = settings::read_file(path).map_err(unreadable)?;
        let text = String::from_utf8_lossy(&bytes);
        let groups = self.options.all("group");
        // A plan for one group need not name it; whether it does is seen by its first line.
        let first = text.split('\n').next().unwrap_or_default();
        let names_no_group = !text.is_empty() && Line::read(first, false).is_ok();
        let single = groups.first().filter(|_| groups.len() == 1 && names_no_group);
        let mut plans = Plans::new();
        let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
        for line in lines.filter(|_| !text.is_empty()) {
            let class = "com.fasterxml.jackson.dataformat.csv.CsvReadException";
            let read = Line::read(line, single.is_none())
                .map_err(|message| Trouble::runtime(format!("{class}: {message}")))?;
            let group = single.map(|group| (*group).to_owned()).or(read.group).unwrap_or_default();
            plans.entry(group).or_default().insert(read.partition, read.offset);
        }
        Ok(plans)
    }
}

/// Topics as options name them: partitions out of `topic:0,1`, and topics of which all are meant.
pub(super) fn named_partitions(topics: &[&str]) -> Result<(Vec<TopicPartition>, Vec<String>), Trouble> {
    let (mut partitions, mut whole) = (Vec::new(), Vec::new());
    for topic in topics {
        if !topic.contains(':') {
            whole.push((*topic).to_owned());
            continue;
        }
        let (Some((name, numbers)), false) =
            (topic.split_once(':'), topic.trim_end_matches(':').matches(':').count() != 1)
        else {
            let text = format!("Invalid topic arg '{topic}', expected topic name and partitions");
            return Err(Trouble::Usage(text));
        };
        for number in numbers.trim_end_matches(':').split(',') {
            let parsed = number.parse().map_err(|_| {
                Trouble::Usage(format!("Invalid partition '{number}' specified in topic arg '{topic}''"))
            })?;
            partitions.push(TopicPartition::new(name, parsed));
        }
    }
    Ok((partitions, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_may_name_their_partitions() {
        let (partitions, whole) = named_partitions(&["a:0,2", "b", "c:7"]).unwrap();
        let named: Vec<String> = partitions.iter().map(TopicPartition::to_string).collect();
        assert_eq!((named, whole), (vec!["a-0".into(), "a-2".into(), "c-7".into()], vec!["b".to_owned()]));
        for wrong in ["a:x", "a:0,", "a:", "a:0:1"] {
            assert!(matches!(named_partitions(&[wrong]), Err(Trouble::Usage(_))), "{wrong}");
        }
    }
}
