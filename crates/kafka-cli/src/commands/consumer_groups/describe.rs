//! `--describe`: offsets and lag, members, states.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kafka_client::admin::{GroupDescription, MemberDescription, OffsetSpec, TopicSelection};
use kafka_client::{Admin, Error};
use kafka_types::{Offset, TopicPartition};
use kafka_wire::records::Record as _;
use kafka_wire::records::consumer_protocol::Assignment;

use super::{Tool, Trouble};
use crate::java_order;

/// What stands where there is nothing.
const MISSING: &str = "-";

/// One line about a partition.
struct Row {
    partition: TopicPartition,
    committed: Option<Offset>,
    end: Option<Offset>,
    consumer: String,
    host: String,
    client: String,
}

impl Tool<'_> {
    pub(super) async fn describe(&mut self) -> Result<(), Trouble> {
        let mut groups = BTreeMap::new();
        for (group, outcome) in self.admin.describe_groups(&self.groups().await?).await.map_err(Trouble::failed)? {
            groups
                .insert(group.clone(), outcome.and_then(|found| of_consumers(&group, found)).map_err(Trouble::failed)?);
        }
        if self.options.has("state") {
            for (group, description) in &groups {
                self.print_state(group, description);
            }
            return Ok(());
        }
        if self.options.has("members") {
            for (group, description) in &groups {
                self.print_members(group, description);
            }
            return Ok(());
        }
        let mut all = Vec::new();
        for (group, description) in groups {
            let rows = rows(&self.admin, &group, &description).await?;
            all.push((group, description, rows));
        }
        for (group, description, rows) in all {
            self.print_offsets(&group, &description, &rows);
        }
        Ok(())
    }

    /// Says what is special about the state; is there something to be shown?
    fn announces(&mut self, group: &str, state: &str, rows: usize) -> bool {
        match state {
            "Dead" => self.error(&format!("Consumer group '{group}' does not exist.")),
            "Empty" => self.console.error(&format!("\nConsumer group '{group}' has no active members.")),
            "Stable" => {}
            _ => self.console.error(&format!("\nWarning: Consumer group '{group}' is rebalancing.")),
        }
        state != "Dead" && rows > 0
    }

    fn print_offsets(&mut self, group: &str, description: &GroupDescription, rows: &[Row]) {
        if !self.announces(group, &description.state, rows.len()) {
            return;
        }
        let width = |text: &dyn Fn(&Row) -> &str| rows.iter().map(|row| len(text(row))).max().unwrap_or(0).max(15);
        let (groups, topics) = (len(group).max(15), width(&|row| &*row.partition.topic));
        let (consumers, hosts) = (width(&|row| &row.consumer), width(&|row| &row.host));
        let mut text = format!(
            "\n{:groups$} {:topics$} {:10} {:15} {:15} {:15} {:consumers$} {:hosts$} CLIENT-ID",
            "GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST"
        );
        for row in rows {
            let told = |offset: Option<i64>| offset.map_or(MISSING.to_owned(), |offset| offset.to_string());
            let lag = row.committed.zip(row.end).map(|(committed, end)| end.0 - committed.0);
            let _ = write!(
                text,
                "\n{group:groups$} {:topics$} {:<10} {:15} {:15} {:15} {:consumers$} {:hosts$} {}",
                &*row.partition.topic,
                row.partition.partition,
                told(row.committed.map(|offset| offset.0)),
                told(row.end.map(|offset| offset.0)),
                told(lag),
                row.consumer,
                row.host,
                row.client
            );
        }
        self.console.bytes(text.as_bytes());
    }

    fn print_members(&mut self, group: &str, description: &GroupDescription) {
        let members = &description.members;
        let is_shown = self.announces(group, &description.state, members.len());
        let members: &[MemberDescription] = if is_shown { members } else { &[] };
        let name = |member: &MemberDescription| member.group_instance_id.clone().unwrap_or_default();
        let width = |text: &dyn Fn(&MemberDescription) -> String, least: usize| {
            members.iter().map(|member| len(&text(member))).max().unwrap_or(0).max(least)
        };
        let groups = if is_shown { len(group).max(15) } else { 15 };
        let consumers = width(&|member| member.member_id.clone(), 15);
        let (names, hosts) = (width(&name, 17), width(&|member| member.client_host.clone(), 15));
        let clients = width(&|member| member.client_id.clone(), 15);
        let has_names = members.iter().any(|member| !name(member).is_empty());
        let verbose = self.options.has("verbose");
        let line = |columns: [&str; 6], assignment: &str| {
            let [group, consumer, name, host, client, count] = columns;
            let name = if has_names { format!("{name:names$} ") } else { String::new() };
            let assignment = if verbose { assignment } else { "" };
            format!(
                "{group:groups$} {consumer:consumers$} {name}{host:hosts$} {client:clients$} {count:15} {assignment}"
            )
        };
        self.console.line("");
        let header = ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
        self.console.line(&line(header, "ASSIGNMENT"));
        for member in members {
            let assigned = assigned(member);
            let count = assigned.len().to_string();
            let columns = [group, &member.member_id, &name(member), &member.client_host, &member.client_id, &count];
            self.console.line(&line(columns, &assignment_text(&assigned)));
        }
    }

    fn print_state(&mut self, group: &str, description: &GroupDescription) {
        if !self.announces(group, &description.state, 1) {
            return;
        }
        let coordinator = description
            .coordinator
            .as_ref()
            .map_or_else(String::new, |node| format!("{}:{}  ({})", node.address.host, node.address.port, node.id));
        let width = len(&coordinator).max(25);
        let mut row = |columns: [&str; 5]| {
            let [group, coordinator, strategy, state, members] = columns;
            let line = format!("\n{group:width$} {coordinator:25} {strategy:20} {state:15} {members}");
            self.console.bytes(line.as_bytes());
        };
        row(["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"]);
        let members = description.members.len().to_string();
        row([group, &coordinator, &description.protocol, &description.state, &members]);
        self.console.line("");
    }
}

fn len(text: &str) -> usize {
    text.chars().count()
}

/// Only groups of consumers are described.
fn of_consumers(group: &str, found: GroupDescription) -> Result<GroupDescription, Error> {
    if found.protocol_type.is_empty() || found.protocol_type == "consumer" {
        return Ok(found);
    }
    Err(Error::Usage(format!("GroupId {group} is not a consumer group ({}).", found.protocol_type)))
}

/// What a member was assigned; nothing if it cannot be read.
fn assigned(member: &MemberDescription) -> BTreeSet<TopicPartition> {
    let Ok(assignment) = Assignment::from_bytes(member.assignment.clone()) else { return BTreeSet::new() };
    let topics = assignment.assigned_partitions.into_iter();
    topics
        .flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.as_str(), partition))
        })
        .collect()
}

/// Numbers of partitions, topic by topic; Java sorts them as texts, and does not tell the topic.
fn assignment_text(assigned: &BTreeSet<TopicPartition>) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in assigned {
        topics.entry(&one.topic).or_default().push(one.partition.to_string());
    }
    let mut texts: Vec<String> = topics
        .into_values()
        .map(|mut numbers| {
            numbers.sort();
            format!("({})", numbers.join(","))
        })
        .collect();
    texts.sort();
    if texts.is_empty() { MISSING.to_owned() } else { texts.join(", ") }
}

/// A line for what each member reads, those with most first, and then for what only was committed.
async fn rows(admin: &Admin, group: &str, description: &GroupDescription) -> Result<Vec<Row>, Trouble> {
    let committed = admin.group_offsets(group).await.map_err(Trouble::wrapped)?;
    let mut members: Vec<(&MemberDescription, BTreeSet<TopicPartition>)> =
        description.members.iter().map(|member| (member, assigned(member))).collect();
    members.sort_by_key(|(_, assigned)| std::cmp::Reverse(assigned.len()));
    let mut left: BTreeSet<TopicPartition> = committed.keys().cloned().collect();
    let mut rows = Vec::new();
    let offset = |one: &TopicPartition| committed.get(one).map(|committed| committed.offset);
    for (member, assigned) in members {
        for (partition, end) in ends(admin, &assigned).await? {
            left.remove(&partition);
            let (consumer, host) = (member.member_id.clone(), member.client_host.clone());
            let client = member.client_id.clone();
            rows.push(Row { committed: offset(&partition), partition, end, consumer, host, client });
        }
    }
    for (partition, end) in ends(admin, &left).await? {
        let missing = || MISSING.to_owned();
        let (consumer, host, client) = (missing(), missing(), missing());
        rows.push(Row { committed: offset(&partition), partition, end, consumer, host, client });
    }
    Ok(rows)
}

/// Where these partitions end, in the order of Java's maps; those without a leader come last, without an end.
async fn ends(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<Vec<(TopicPartition, Option<Offset>)>, Trouble> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let names: BTreeSet<String> = partitions.iter().map(|one| one.topic.to_string()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let (topics, _) = admin.describe_topics(TopicSelection::Names(&names)).await.map_err(Trouble::wrapped)?;
    let mut leaderless = BTreeSet::new();
    for (name, topic) in topics {
        let partitions = topic.map_err(Trouble::wrapped)?.partitions;
        let without = partitions.into_iter().filter(|partition| partition.leader.is_none());
        leaderless.extend(without.map(|partition| TopicPartition::new(name.as_str(), partition.partition)));
    }
    let mut by_number: Vec<TopicPartition> = partitions.iter().cloned().collect();
    by_number.sort_by_key(|one| one.partition);
    let (without, with): (Vec<_>, Vec<_>) = by_number.into_iter().partition(|one| leaderless.contains(one));
    let mut ends = log_offsets(admin, with, OffsetSpec::Latest).await?;
    ends.extend(without.into_iter().map(|one| (one, None)));
    Ok(ends)
}

/// Offsets of partitions that have leaders, in the order of Java's maps.
pub(super) async fn log_offsets(
    admin: &Admin,
    partitions: Vec<TopicPartition>,
    spec: OffsetSpec,
) -> Result<Vec<(TopicPartition, Option<Offset>)>, Trouble> {
    let wanted: Vec<_> = partitions.into_iter().map(|one| (one, spec)).collect();
    let found = admin.list_offsets(&wanted).await.into_iter();
    let found: Result<Vec<_>, Error> = found.map(|(one, offset)| offset.map(|offset| (one, offset))).collect();
    Ok(in_order(found.map_err(Trouble::wrapped)?))
}

/// Pairs with partitions as Java's maps have them.
pub(super) fn in_order<T>(pairs: Vec<(TopicPartition, T)>) -> Vec<(TopicPartition, T)> {
    java_order::of_map(pairs, |(one, _)| java_order::hash_of_partition(one))
}
