//! What `--describe` prints, from plain values.

use std::fmt::Write as _;

use crate::options::Options;

/// A topic as described.
#[derive(Debug, Clone, Default)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) partitions: Vec<Partition>,
    /// Settings that are not the defaults of the software, in the broker's order.
    pub(super) configs: Vec<(String, String)>,
    /// Also if it is a default; `None` if the broker does not tell.
    pub(super) min_insync_replicas: Option<usize>,
}

/// A partition as described.
#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    pub(super) number: i32,
    /// `None` if there is none alive.
    pub(super) leader: Option<i32>,
    pub(super) replicas: Vec<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) adding: Vec<i32>,
    pub(super) removing: Vec<i32>,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    overrides: bool,
}

impl Report {
    pub(super) fn of(options: &Options) -> Report {
        Report {
            under_replicated: options.has("under-replicated-partitions"),
            unavailable: options.has("unavailable-partitions"),
            under_min_isr: options.has("under-min-isr-partitions"),
            at_min_isr: options.has("at-min-isr-partitions"),
            overrides: options.has("topics-with-overrides"),
        }
    }

    fn is_of_partitions(self) -> bool {
        self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr
    }

    fn wants(self, topic: &Topic, partition: &Partition) -> bool {
        let replicas = partition.replication_factor();
        let isr = partition.isr.len();
        let min_isr = |test: &dyn Fn(usize) -> bool| topic.min_insync_replicas.is_some_and(test);
        !self.is_of_partitions()
            || (self.under_replicated && isr < replicas)
            || (self.unavailable && partition.leader.is_none())
            || (self.under_min_isr && min_isr(&|least| isr < least))
            || (self.at_min_isr && min_isr(&|least| isr == least))
    }
}

impl Topic {
    /// The lines for this topic, every line ended.
    pub(super) fn lines(&self, report: Report) -> String {
        let mut text = String::new();
        if !report.is_of_partitions() && (!report.overrides || !self.configs.is_empty()) {
            text.push_str(&self.head());
        }
        if !report.overrides {
            for partition in self.partitions.iter().filter(|partition| report.wants(self, partition)) {
                text.push_str(&partition.line(&self.name));
            }
        }
        text
    }

    fn head(&self) -> String {
        let configs: Vec<String> = self.configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n",
            self.name,
            self.id,
            self.partitions.len(),
            self.partitions.first().map_or(0, Partition::replication_factor),
            configs.join(",")
        )
    }
}

impl Partition {
    /// Replicas that are only being added do not count yet.
    fn replication_factor(&self) -> usize {
        self.replicas.iter().filter(|id| !self.adding.contains(id)).count()
    }

    fn line(&self, topic: &str) -> String {
        let leader = self.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
        let mut line = format!(
            "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            self.number,
            joined(&self.replicas),
            joined(&self.isr)
        );
        if !self.adding.is_empty() || !self.removing.is_empty() {
            let _ = write!(
                line,
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                joined(&self.adding),
                joined(&self.removing)
            );
        }
        line.push_str("\tElr: N/A\tLastKnownElr: N/A\n");
        line
    }
}

fn joined(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Report = Report {
        under_replicated: false,
        unavailable: false,
        under_min_isr: false,
        at_min_isr: false,
        overrides: false,
    };

    fn topic() -> Topic {
        let healthy =
            Partition { number: 0, leader: Some(0), replicas: vec![0, 1], isr: vec![0, 1], ..Partition::default() };
        let lagging =
            Partition { number: 1, leader: Some(1), replicas: vec![1, 0], isr: vec![1], ..Partition::default() };
        let moving = Partition {
            number: 2,
            replicas: vec![2, 0],
            isr: vec![0],
            adding: vec![2],
            removing: vec![0],
            ..Partition::default()
        };
        Topic {
            name: "t".into(),
            id: "AAAA".into(),
            partitions: vec![healthy, lagging, moving],
            configs: vec![("a".into(), "1".into()), ("b".into(), "2".into())],
            min_insync_replicas: Some(1),
        }
    }

    #[test]
    fn a_topic_in_full() {
        assert_eq!(
            topic().lines(ALL),
            "Topic: t\tTopicId: AAAA\tPartitionCount: 3\tReplicationFactor: 2\tConfigs: a=1,b=2\n\
             \tTopic: t\tPartition: 0\tLeader: 0\tReplicas: 0,1\tIsr: 0,1\tElr: N/A\tLastKnownElr: N/A\n\
             \tTopic: t\tPartition: 1\tLeader: 1\tReplicas: 1,0\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n\
             \tTopic: t\tPartition: 2\tLeader: none\tReplicas: 2,0\tIsr: 0\tAdding Replicas: 2\tRemoving Replicas: 0\tElr: N/A\
             \tLastKnownElr: N/A\n"
        );
    }

    #[test]
    fn reports_leave_lines_out() {
        let numbers = |report| -> Vec<String> {
            let lines = topic().lines(report);
            lines.lines().map(|line| line.split('\t').nth(2).unwrap().to_owned()).collect()
        };
        assert_eq!(numbers(Report { under_replicated: true, ..ALL }), ["Partition: 1"]);
        assert_eq!(numbers(Report { unavailable: true, ..ALL }), ["Partition: 2"]);
        assert_eq!(numbers(Report { at_min_isr: true, ..ALL }), ["Partition: 1", "Partition: 2"]);
        assert!(numbers(Report { under_min_isr: true, ..ALL }).is_empty());
        assert_eq!(topic().lines(Report { overrides: true, ..ALL }).lines().count(), 1);
        let plain = Topic { configs: vec![], ..topic() };
        assert_eq!(plain.lines(Report { overrides: true, ..ALL }), "");
    }
}
