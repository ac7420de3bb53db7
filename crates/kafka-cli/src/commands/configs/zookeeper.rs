//! What the tool does by itself in the coordination server: credentials before the first broker starts, and settings of
//! brokers that are down.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kafka_metadata::znodes::{brokers, config};
use sasl::{ScramCredential, ScramMechanism};
use zk_client::{Client, Options};
use zk_proto::{Acl, CreateMode, ErrorCode};

use super::arguments::{Arguments, BROKERS, USERS};
use super::{Trouble, refused, values};
use crate::output::Console;
use crate::zookeeper_security;

/// As long as Apache's tool waits for a connection.
const PATIENCE: Duration = Duration::from_secs(30);
const ONLY_DOWN: &str =
    "Broker configuration operations using ZooKeeper are only supported if the affected broker(s) are not running.";

pub(super) async fn execute(arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    console.line("Warning: --zookeeper is deprecated and will be removed in a future version of Kafka.");
    console.line("Use --bootstrap-server instead to specify a broker to connect to.");
    let client = connect(arguments).await?;
    let done = if arguments.options.has("describe") {
        describe(&client, arguments, console).await
    } else {
        alter(&client, arguments, console).await
    };
    // The session ends with the process in any case.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.close()).await;
    done
}

async fn connect(arguments: &Arguments) -> Result<Client, Trouble> {
    let hosts = arguments.options.one("zookeeper")?.unwrap_or_default();
    let thrown = |text: String| Trouble::Thrown(format!("java.lang.IllegalArgumentException: {text}"));
    let mut options = Options::new(hosts).map_err(|error| thrown(error.to_string()))?;
    let tls = arguments.options.one("zk-tls-config-file")?.map(Path::new);
    options.security = zookeeper_security::load(None, tls).map_err(Trouble::Thrown)?;
    let (client, _events) = Client::connect(options);
    match tokio::time::timeout(PATIENCE, client.connected()).await {
        Ok(Ok(_)) => Ok(client),
        Ok(Err(error)) => Err(Trouble::Thrown(error.to_string())),
        Err(_) => Err(Trouble::Thrown(
            "kafka.zookeeper.ZooKeeperClientTimeoutException: Timed out waiting for connection while in state: CONNECTING"
                .to_owned(),
        )),
    }
}

/// Types with their names; a name may be missing where all are described.
struct Entity<'a> {
    parts: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Entity<'a> {
    fn new(arguments: &'a Arguments) -> Entity<'a> {
        // Whoever is a user and a client stands below the user.
        let mut parts: Vec<(&str, Option<&str>)> = arguments
            .types
            .iter()
            .enumerate()
            .map(|(at, kind)| (kind.as_str(), arguments.names.get(at).map(String::as_str)))
            .collect();
        parts.sort_by_key(|(kind, _)| *kind != USERS);
        Entity { parts }
    }

    /// Below `/config`; nothing for the names that are missing.
    fn path(&self) -> String {
        let part = |(kind, name): &(&str, Option<&str>)| match name {
            None => (*kind).to_owned(),
            Some("") => format!("{kind}/{}", config::DEFAULT_ENTITY),
            Some(name) => format!("{kind}/{}", config::sanitize(name)),
        };
        self.parts.iter().map(part).collect::<Vec<_>>().join("/")
    }
}

/// As the tool names whom it tells of.
fn shown(path: &str) -> String {
    let words: Vec<&str> = path.split('/').collect();
    let part = |pair: &[&str]| match pair {
        ["users", name] if *name == config::DEFAULT_ENTITY => "default user-principal".to_owned(),
        ["clients", name] if *name == config::DEFAULT_ENTITY => "default client-id".to_owned(),
        [kind, name] if *name == config::DEFAULT_ENTITY => format!("default {kind}"),
        ["users", name] => format!("user-principal '{}'", config::desanitize(name).unwrap_or_default()),
        ["clients", name] => format!("client-id '{}'", config::desanitize(name).unwrap_or_default()),
        [kind, name] => format!("{kind} '{name}'"),
        other => other.concat(),
    };
    words.chunks(2).map(part).collect::<Vec<_>>().join(", ")
}

async fn children(client: &Client, path: &str) -> Result<Vec<String>, Trouble> {
    match client.children(path, false).await {
        Ok((mut names, _)) => {
            names.sort();
            Ok(names)
        }
        Err(error) if error.code() == ErrorCode::NoNode => Ok(Vec::new()),
        Err(error) => Err(Trouble::Thrown(error.to_string())),
    }
}

async fn settings(client: &Client, path: &str) -> Result<BTreeMap<String, String>, Trouble> {
    match client.get(&format!("/config/{path}"), false).await {
        Ok((data, _)) => config::decode(&data.unwrap_or_default()).map_err(|error| Trouble::Thrown(error.to_string())),
        Err(error) if error.code() == ErrorCode::NoNode => Ok(BTreeMap::new()),
        Err(error) => Err(Trouble::Thrown(error.to_string())),
    }
}

async fn describe(client: &Client, arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    let entity = Entity::new(arguments);
    let what = "--bootstrap-server option must be specified to describe brokers";
    if arguments.kind() == BROKERS {
        let Some(name) = arguments.names.first() else { return Err(refused(format!("requirement failed: {what}"))) };
        check_down(client, name, what).await?;
    }
    let all_users = arguments.types == [USERS] && arguments.names.is_empty();
    for path in matching(client, &entity).await? {
        let found = settings(client, &path).await?;
        if found.is_empty() && all_users {
            continue;
        }
        let pairs: Vec<String> = found.iter().map(|(key, value)| format!("{key}={value}")).collect();
        console.line(&format!("Configs for {} are {}", shown(&path), pairs.join(",")));
    }
    Ok(())
}

/// The paths of all entities that are meant.
async fn matching(client: &Client, entity: &Entity<'_>) -> Result<Vec<String>, Trouble> {
    let mut paths = vec![String::new()];
    for (kind, name) in &entity.parts {
        let mut longer = Vec::new();
        for path in paths {
            let parent = if path.is_empty() { (*kind).to_owned() } else { format!("{path}/{kind}") };
            match name {
                Some("") => longer.push(format!("{parent}/{}", config::DEFAULT_ENTITY)),
                Some(name) => longer.push(format!("{parent}/{}", config::sanitize(name))),
                None => {
                    let there = children(client, &format!("/config/{parent}")).await?;
                    longer.extend(there.into_iter().map(|child| format!("{parent}/{child}")));
                }
            }
        }
        paths = longer;
    }
    Ok(paths)
}

/// Settings of a broker that runs are its own affair.
async fn check_down(client: &Client, name: &str, what: &str) -> Result<(), Trouble> {
    let live = children(client, brokers::IDS).await?;
    if name.is_empty() {
        if !live.is_empty() {
            let count = live.len();
            return Err(refused(format!("requirement failed: {what} - {count} brokers are running. {ONLY_DOWN}")));
        }
    } else if live.iter().any(|id| id == name) {
        return Err(refused(format!("requirement failed: {what} - broker {name} is running. {ONLY_DOWN}")));
    }
    Ok(())
}

async fn alter(client: &Client, arguments: &Arguments, console: &mut Console) -> Result<(), Trouble> {
    let mut added = values::added(&arguments.options, console)?;
    let deleted = values::deleted(&arguments.options);
    let pairs: Vec<String> = added.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let kind = arguments.kind();
    let what = format!(
        "--bootstrap-server option must be specified to update {kind} configs: {{add: {{{}}}, delete: List({})}}",
        pairs.join(", "),
        deleted.join(", ")
    );
    if kind == BROKERS {
        let name = arguments.names.first().map_or("", String::as_str);
        check_down(client, name, &what).await?;
    } else {
        let is_scram = |name: &String| ScramMechanism::from_name(name).is_some();
        if !added.keys().chain(&deleted).all(is_scram) {
            return Err(refused(format!(
                "requirement failed: {what}. User configuration updates using ZooKeeper are only supported for SCRAM \
                 credential updates."
            )));
        }
        for (name, text) in &mut added {
            if let Some(mechanism) = ScramMechanism::from_name(name) {
                let ((iterations, password), salt) = (values::scram(mechanism, text)?, values::salt());
                let salted = mechanism.salted_password(&password, &salt, iterations);
                *text = ScramCredential::of_salted(mechanism, &salted, &salt, iterations).to_text();
            }
        }
    }
    let path = Entity::new(arguments).path();
    let mut stored = settings(client, &path).await?;
    let missing: Vec<&str> = deleted.iter().filter(|key| !stored.contains_key(*key)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(refused(format!("Invalid config(s): {}", missing.join(","))));
    }
    stored.extend(added);
    stored.retain(|key, _| !deleted.contains(key));
    tracing::warn!(target: "kafka.zk.KafkaZkClient", "Setting entity configs without any checks on the controller.");
    write(client, &path, &stored).await.map_err(|error| Trouble::Thrown(error.to_string()))?;
    console.line(&format!("Completed updating config for entity: {}.", shown(&path)));
    Ok(())
}

async fn write(client: &Client, path: &str, stored: &BTreeMap<String, String>) -> Result<(), zk_client::Error> {
    let full = format!("/config/{path}");
    let data = Bytes::from(config::encode(stored));
    let ends = full.match_indices('/').map(|(at, _)| at).skip(1).chain([full.len()]);
    for end in ends {
        let value = (end == full.len()).then(|| data.clone());
        match client.create(&full[..end], value, Acl::open(), CreateMode::Persistent).await {
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NodeExists && end < full.len() => {}
            Err(error) if error.code() == ErrorCode::NodeExists => {
                client.set(&full, Some(data.clone()), -1).await?;
            }
            Err(error) => return Err(error),
        }
    }
    let notice = Bytes::from(config::encode_change(path));
    client.create(config::CHANGE_PREFIX, Some(notice), Acl::open(), CreateMode::PersistentSequential).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn entities_are_named_as_the_original_names_them() {
        for (path, name) in [
            ("users/alice", "user-principal 'alice'"),
            ("users/a%20b/clients/app", "user-principal 'a b', client-id 'app'"),
            ("users/<default>", "default user-principal"),
            ("brokers/5", "brokers '5'"),
            ("brokers/<default>", "default brokers"),
        ] {
            assert_eq!(shown(path), name);
        }
    }
}
