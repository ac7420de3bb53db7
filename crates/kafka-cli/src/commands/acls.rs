//! `kafka-acls.sh`: lists, adds and removes access rules, through brokers or straight in ZooKeeper.

mod arguments;
mod rules;
mod zookeeper;

use std::io::BufRead as _;

use kafka_client::{Admin, Error};
use kafka_security::{AccessEntry, AccessFilter, AclBinding, AclFilter, ResourceFilter, ResourcePattern};

use crate::exit::Failure;
use crate::options::{OptionError, Options};
use crate::output::Console;
use crate::start::{self, Introduction, Mistake};
use crate::{Invocation, admin};
use rules::Plan;

const PURPOSE: &str = "This tool helps to manage acls on kafka.";

const INTRODUCTION: Introduction = Introduction {
    table: arguments::TABLE,
    purpose: PURPOSE,
    without_arguments: Some(PURPOSE),
    mistake: Mistake::Thrown,
};

/// Why the tool stops.
#[derive(Debug)]
enum Trouble {
    /// The options make no sense; the usage follows.
    Usage(String),
    /// What Java's tool throws: class and message.
    Thrown { class: String, message: String },
}

impl Trouble {
    fn thrown(class: &str, message: impl Into<String>) -> Trouble {
        Trouble::Thrown { class: class.to_owned(), message: message.into() }
    }
}

impl From<OptionError> for Trouble {
    fn from(error: OptionError) -> Trouble {
        let class = match error {
            OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
            _ => "joptsimple.OptionArgumentConversionException",
        };
        Trouble::thrown(class, error.to_string())
    }
}

impl From<Error> for Trouble {
    /// A call failed, and Java hands on what its future throws.
    fn from(error: Error) -> Trouble {
        let cause = format!("{}: {error}", error.exception());
        Trouble::thrown("java.util.concurrent.ExecutionException", cause)
    }
}

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    if let Err(failure) = arguments::check(&options, &mut console) {
        return failure.report(arguments::TABLE, &mut console);
    }
    start::block_on(async move {
        match execute(&options, &mut console).await {
            Ok(()) => 0,
            Err(Trouble::Usage(message)) => Failure::usage(message).report(arguments::TABLE, &mut console),
            Err(Trouble::Thrown { class, message }) => {
                console.line(&format!("Error while executing ACL command: {message}"));
                console.line(&format!("{class}: {message}"));
                console.line("");
                1
            }
        }
    })
}

/// Where rules are kept, as the tool reaches them.
enum Store {
    Brokers(Admin),
    ZooKeeper(zookeeper::Store),
}

impl Store {
    async fn open(options: &Options) -> Result<Store, Trouble> {
        if !options.has("bootstrap-server") {
            return Ok(Store::ZooKeeper(zookeeper::Store::open(options).await?));
        }
        let client = |failure: Failure| {
            let message = failure.lines.first().cloned().unwrap_or_default();
            Trouble::thrown("org.apache.kafka.common.KafkaException", message)
        };
        Ok(Store::Brokers(admin::connect(options).await.map_err(client)?))
    }

    async fn add(
        &self,
        pattern: &ResourcePattern,
        entries: &[AccessEntry],
        console: &mut Console,
    ) -> Result<(), Trouble> {
        match self {
            Store::Brokers(admin) => {
                let binding = |entry: &AccessEntry| AclBinding { pattern: pattern.clone(), entry: entry.clone() };
                Ok(admin.create_acls(&entries.iter().map(binding).collect::<Vec<_>>()).await?)
            }
            Store::ZooKeeper(store) => store.add(pattern, entries, console).await,
        }
    }

    async fn remove(&self, filters: &[AclFilter]) -> Result<(), Trouble> {
        match self {
            Store::Brokers(admin) => Ok(admin.delete_acls(filters).await.map(|_| ())?),
            Store::ZooKeeper(store) => store.remove(filters).await,
        }
    }

    async fn find(&self, filter: &AclFilter) -> Result<Vec<AclBinding>, Trouble> {
        match self {
            Store::Brokers(admin) => Ok(admin.describe_acls(filter).await?),
            Store::ZooKeeper(store) => store.find(filter).await,
        }
    }

    async fn close(self) {
        match self {
            Store::Brokers(admin) => admin.close(),
            Store::ZooKeeper(store) => store.close().await,
        }
    }
}

async fn execute(options: &Options, console: &mut Console) -> Result<(), Trouble> {
    if options.has("add") {
        let plan = rules::to_add(options)?;
        let store = Store::open(options).await?;
        for (filter, entries) in plan {
            let pattern =
                ResourcePattern::new(filter.resource_type, filter.name.unwrap_or_default(), filter.pattern_type);
            print(console, &format!("Adding ACLs for resource `{pattern}`: "), &entries, "");
            console.flush();
            store.add(&pattern, &entries, console).await?;
        }
        store.close().await;
        return Ok(());
    }
    // As Java's tool, which makes its client before it looks at the options.
    let store = Store::open(options).await?;
    if options.has("remove") {
        remove(&store, rules::plan(options)?, options.has("force"), console).await?;
    } else {
        list(&store, options, console).await?;
    }
    store.close().await;
    Ok(())
}

/// A heading, and below it each rule behind a tab.
fn print(console: &mut Console, heading: &str, entries: &[AccessEntry], end: &str) {
    let entries: Vec<String> = entries.iter().map(|entry| format!("\t{entry}")).collect();
    console.line(&format!("{heading}\n {} \n{end}", entries.join("\n")));
}

async fn remove(store: &Store, plan: Plan, force: bool, console: &mut Console) -> Result<(), Trouble> {
    for (pattern, entries) in plan {
        let filter = shown(&pattern);
        if !force {
            if entries.is_empty() {
                let question = "Are you sure you want to delete all ACLs for resource filter";
                console.line(&format!("{question} `{filter}`? (y/n)"));
            } else {
                let end = format!(" from resource filter `{filter}`? (y/n)");
                print(console, "Are you sure you want to remove ACLs: ", &entries, &end);
            }
            if !confirmed(console)? {
                continue;
            }
        }
        let of = |entry: AccessFilter| AclFilter { pattern: pattern.clone(), entry };
        let filters: Vec<AclFilter> = if entries.is_empty() {
            vec![of(AccessFilter::ANY)]
        } else {
            let exactly = |entry: AccessEntry| AccessFilter {
                principal: Some(entry.principal),
                host: Some(entry.host),
                operation: entry.operation,
                permission: entry.permission,
            };
            entries.into_iter().map(|entry| of(exactly(entry))).collect()
        };
        store.remove(&filters).await?;
    }
    Ok(())
}

/// A filter as Java prints it.
fn shown(filter: &ResourceFilter) -> String {
    let name = filter.name.as_deref().unwrap_or("<any>");
    format!("ResourcePattern(resourceType={}, name={name}, patternType={})", filter.resource_type, filter.pattern_type)
}

/// Reads the answer to a question.
fn confirmed(console: &mut Console) -> Result<bool, Trouble> {
    console.flush();
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(1..) => Ok(answer.trim_end_matches(['\r', '\n']).eq_ignore_ascii_case("y")),
        _ => Err(Trouble::thrown(
            "java.lang.NullPointerException",
            "Cannot invoke \"String.equalsIgnoreCase(String)\" because the return value of \
             \"scala.io.StdIn$.readLine()\" is null",
        )),
    }
}

async fn list(store: &Store, options: &Options, console: &mut Console) -> Result<(), Trouble> {
    let filters = rules::resources(options, false)?;
    let principals = rules::principals(options, "principal")?;
    let mut found: Vec<AclBinding> = Vec::new();
    if filters.is_empty() {
        let pattern = rules::every_resource();
        found = store.find(&AclFilter { pattern, entry: AccessFilter::ANY }).await?;
    }
    for pattern in filters {
        found.extend(store.find(&AclFilter { pattern, entry: AccessFilter::ANY }).await?);
    }
    found.sort();
    found.dedup();
    if principals.is_empty() {
        print_found(console, &found, None);
    }
    for principal in &principals {
        console.line(&format!("ACLs for principal `{principal}`"));
        print_found(console, &found, Some(principal));
    }
    Ok(())
}

/// Rules by what they are about; all, or those of one principal.
fn print_found(console: &mut Console, found: &[AclBinding], principal: Option<&str>) {
    let wanted: Vec<&AclBinding> =
        found.iter().filter(|one| principal.is_none_or(|principal| one.entry.principal == principal)).collect();
    for rules in wanted.chunk_by(|one, next| one.pattern == next.pattern) {
        let entries: Vec<AccessEntry> = rules.iter().map(|one| one.entry.clone()).collect();
        print(console, &format!("Current ACLs for resource `{}`: ", rules[0].pattern), &entries, "");
    }
}
