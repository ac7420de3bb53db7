//! `--list`, with states and types if asked for.

use std::fmt::Write as _;

use kafka_client::admin::{GroupFilter, GroupListing};
use kafka_client::{Admin, Error};

use super::{Tool, Trouble};
use crate::java_order;

/// As Java prints them; what a broker says otherwise is `Unknown`.
const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];
const TYPES: [&str; 2] = ["Consumer", "Classic"];

impl Tool<'_> {
    pub(super) async fn list(&mut self) -> Result<(), Trouble> {
        let (shows_type, shows_state) = (self.options.has("type"), self.options.has("state"));
        if !shows_type && !shows_state {
            let listed = consumer_groups(&self.admin, &GroupFilter::default()).await.map_err(Trouble::wrapped)?;
            for group in listed {
                self.console.line(&group.group);
            }
            return Ok(());
        }
        let types = filter(self.options.one("type")?, &TYPES, ("types", "types"))?;
        let states = filter(self.options.one("state")?, &STATES, ("state", "states"))?;
        let listed = consumer_groups(&self.admin, &GroupFilter { states, types }).await.map_err(Trouble::failed)?;
        let width = listed.iter().map(|group| group.group.chars().count()).max().unwrap_or(0).max(15) + 10;
        let mut row = |group: &str, kind: &str, state: &str| {
            let mut line = format!("{group:width$}");
            for (column, is_shown) in [(kind, shows_type), (state, shows_state)] {
                if is_shown {
                    let _ = write!(line, " {column:20}");
                }
            }
            self.console.line(&line);
        };
        row("GROUP", "TYPE", "STATE");
        for group in &listed {
            let kind = known(group.group_type.as_deref(), &TYPES);
            row(&group.group, kind, known(group.state.as_deref(), &STATES));
        }
        Ok(())
    }
}

/// All groups of consumers, as Java's map has them.
pub(super) async fn consumer_groups(admin: &Admin, filter: &GroupFilter) -> Result<Vec<GroupListing>, Error> {
    let mut listed = admin.list_groups(filter).await?;
    listed.retain(|group| group.protocol_type.is_empty() || group.protocol_type == "consumer");
    Ok(java_order::of_map(listed, |group| java_order::hash_of_string(&group.group)))
}

fn known(name: Option<&str>, names: &[&'static str]) -> &'static str {
    let found = names.iter().find(|known| name.is_some_and(|name| known.eq_ignore_ascii_case(name)));
    found.copied().unwrap_or("Unknown")
}

/// Names in a list, as Java writes them.
fn filter(list: Option<&str>, names: &[&'static str], (what, all): (&str, &str)) -> Result<Vec<String>, Trouble> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(Vec::new()) };
    let find = |word: &str| names.iter().find(|name| name.eq_ignore_ascii_case(word.trim()));
    let found: Option<Vec<String>> = list.split(',').map(|word| find(word).map(|name| (*name).to_owned())).collect();
    found.ok_or_else(|| Trouble::Usage(format!("Invalid {what} list '{list}'. Valid {all} are: {}", names.join(", "))))
}
