//! The commands that talk to the server.

use std::collections::VecDeque;

use bytes::Bytes;
use zk_client::{Client, Error, WatcherType};
use zk_proto::{Acl, CreateMode, ErrorCode, Stat};

use super::words::{Parsed, Spec};
use super::{Shell, print, usage};

/// Lines for standard error.
type Complaints = Vec<String>;
type Outcome = Result<(), Complaints>;

/// How many deletes are on their way at once, when `deleteall` is not told.
const DELETES_AT_ONCE: usize = 1000;

fn complaint(error: &Error) -> Complaints {
    vec![print::error(error)]
}

impl Shell {
    /// Runs one command that is known to exist.
    pub(super) async fn execute(&mut self, words: &[String]) -> Outcome {
        let (name, args) = (words[0].as_str(), &words[1..]);
        match name {
            "addauth" => self.add_auth(args).await,
            "create" => self.create(args).await,
            "delete" => self.delete(args).await,
            "deleteall" => self.delete_all(args).await,
            "get" => self.get(args).await,
            "getAcl" => self.get_acl(args).await,
            "getAllChildrenNumber" => self.all_children_number(args).await,
            "getEphemerals" => self.ephemerals(args).await,
            "ls" => self.list(args).await,
            "set" => self.set(args).await,
            "setAcl" => self.set_acl(args).await,
            "stat" => self.stat(args).await,
            "sync" => self.sync(args).await,
            "whoami" => self.who_am_i().await,
            "addWatch" => self.add_watch(args).await,
            "removewatches" => self.remove_watches(args).await,
            "config" => self.config(args).await,
            "setquota" | "listquota" | "delquota" | "reconfig" => {
                Err(vec![format!("{name}: not served yet by this shell")])
            }
            _ => Ok(()),
        }
    }

    /// The command's words, if there are at least so many besides its options.
    fn parse(name: &str, spec: &'static str, args: &[String], least: usize) -> Result<Parsed, Complaints> {
        let parsed = Spec(spec).parse(args).map_err(|text| vec![text])?;
        if parsed.args.len() < least { Err(vec![usage::of(name)]) } else { Ok(parsed) }
    }

    /// A path is looked at before the connection is made.
    fn client(&mut self, path: &str) -> Result<Client, Complaints> {
        if !path.is_empty() && !path.starts_with('/') {
            return Err(vec!["Path must start with / character".to_owned()]);
        }
        Ok(self.connect().client.clone())
    }

    /// Prints the events that came before the reply, then goes on with it.
    fn settle<R>(&mut self, result: Result<R, Error>) -> Result<R, Complaints> {
        self.drain_events();
        result.map_err(|error| {
            let mut lines = complaint(&error);
            if error.is_connection_loss() {
                let server = &self.settings.server;
                lines.push(format!(
                    "No ZooKeeper answers on {server}. To start one: ./zookeeper-server-start.sh ../config/zookeeper.properties"
                ));
            }
            lines
        })
    }

    fn print_stat(&mut self, stat: &Stat) {
        let text = print::stat(stat, logging::local_zone());
        self.console.line(&text);
    }

    fn print_data(&mut self, data: Option<&Bytes>) {
        match data {
            Some(data) => {
                self.console.bytes(data);
                self.console.bytes(b"\n");
            }
            None => self.console.line("null"),
        }
    }

    async fn add_auth(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("addauth", "", args, 1)?;
        let proof = parsed.args.get(1).map_or_else(Bytes::new, |proof| Bytes::from(proof.clone()));
        // As the only command it would show an identity to a session that ends with it.
        if let Some(session) = &self.session {
            // The verdict comes as an event, if it is no.
            let _ = session.client.add_auth(&parsed.args[0], proof).await;
        }
        Ok(())
    }

    async fn create(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("create", "sect:", args, 1)?;
        let (sequential, ephemeral) = (parsed.has('s'), parsed.has('e'));
        if parsed.has('c') && (sequential || ephemeral) {
            return Err(vec![
                "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.".to_owned(),
            ]);
        }
        let ttl_ms = match parsed.value('t') {
            None => None,
            Some(_) if parsed.has('e') => return Err(vec!["TTLs cannot be used with Ephemeral znodes".to_owned()]),
            Some(_) if parsed.has('c') => return Err(vec!["TTLs cannot be used with Container znodes".to_owned()]),
            Some(text) => Some(text.parse::<i64>().map_err(|_| vec!["-t argument must be a long value".to_owned()])?),
        };
        let mode = match (parsed.has('c'), sequential, ephemeral) {
            (true, ..) => CreateMode::Container,
            (_, false, false) => CreateMode::Persistent,
            (_, true, false) => CreateMode::PersistentSequential,
            (_, false, true) => CreateMode::Ephemeral,
            (_, true, true) => CreateMode::EphemeralSequential,
        };
        let data = parsed.args.get(1).map(|data| Bytes::from(data.clone()));
        let acl = match parsed.args.get(2) {
            None => Acl::open(),
            Some(text) => self.read_acl(text, true)?,
        };
        let path = &parsed.args[0];
        let client = self.client(path)?;
        let created = match ttl_ms {
            Some(ttl_ms) => client.create_ttl(path, data, acl, sequential, ttl_ms).await,
            None => client.create(path, data, acl, mode).await,
        };
        if let Err(error @ Error::Refused { code: ErrorCode::InvalidAcl, .. }) = &created {
            self.drain_events();
            self.console.error(&error.to_string());
        }
        let created = self.settle(created)?;
        self.console.error(&format!("Created {created}"));
        Ok(())
    }

    /// Reads a list; Apache's shell sends one that cannot be read as an empty one, which its client refuses.
    fn read_acl(&mut self, text: &str, with_code: bool) -> Result<Vec<Acl>, Complaints> {
        let mut complaints = Vec::new();
        let list = print::parse_acl(text, &mut complaints);
        if let Some(list) = list {
            for line in complaints {
                self.drain_events();
                self.console.error(&line);
            }
            return Ok(list);
        }
        if with_code {
            complaints.push("KeeperErrorCode = InvalidACL".to_owned());
        }
        complaints.push("Acl is not valid : null".to_owned());
        Err(complaints)
    }

    fn version(parsed: &Parsed) -> Result<i32, Complaints> {
        match parsed.value('v') {
            None => Ok(-1),
            Some(text) => text.parse().map_err(|_| {
                vec![format!(
                    "Exception in thread \"main\" java.lang.NumberFormatException: For input string: \"{text}\""
                )]
            }),
        }
    }

    async fn delete(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("delete", "v:", args, 1)?;
        let version = Self::version(&parsed)?;
        let client = self.client(&parsed.args[0])?;
        let deleted = client.delete(&parsed.args[0], version).await;
        self.settle(deleted)
    }

    /// Deletes a znode and all below it, the deepest first, many at once.
    async fn delete_all(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("deleteall", "b:", args, 1)?;
        let batch = match parsed.value('b') {
            None => DELETES_AT_ONCE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|batch| *batch > 0)
                .ok_or_else(|| vec!["-b argument must be an int value".to_owned()])?,
        };
        let path = &parsed.args[0];
        let client = self.client(path)?;
        let tree = tree(&client, path).await;
        let tree = self.settle(tree)?;
        let mut failed = None;
        let mut on_their_way = VecDeque::new();
        for path in tree.iter().rev() {
            if on_their_way.len() == batch
                && let Some(call) = on_their_way.pop_front()
            {
                failed = failed.or(outcome_of_delete(call).await);
            }
            on_their_way.push_back(client.delete(path, -1));
        }
        for call in on_their_way {
            failed = failed.or(outcome_of_delete(call).await);
        }
        if failed.is_some() {
            self.drain_events();
            self.console.error("Failed to delete some node(s) in the subtree!");
        }
        Ok(())
    }

    async fn get(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("get", "sw", args, 1)?;
        let client = self.client(&parsed.args[0])?;
        let got = client.get(&parsed.args[0], parsed.has('w')).await;
        let (data, stat) = self.settle(got)?;
        self.print_data(data.as_ref());
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }

    async fn get_acl(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("getAcl", "s", args, 1)?;
        let client = self.client(&parsed.args[0])?;
        let got = client.get_acl(&parsed.args[0]).await;
        let (acl, stat) = self.settle(got)?;
        self.console.line(&print::acl(&acl));
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }

    async fn all_children_number(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("getAllChildrenNumber", "", args, 1)?;
        let client = self.client(&parsed.args[0])?;
        let number = client.all_children_number(&parsed.args[0]).await;
        let number = self.settle(number)?;
        self.console.line(&number.to_string());
        Ok(())
    }

    async fn ephemerals(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("getEphemerals", "", args, 0)?;
        let prefix = parsed.args.first().map_or("/", String::as_str);
        let client = self.client(prefix)?;
        let paths = client.ephemerals(prefix).await;
        let mut paths = self.settle(paths)?;
        paths.sort();
        self.console.line(&crate::output::list(&paths));
        Ok(())
    }

    async fn list(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("ls", "swR", args, 1)?;
        let path = &parsed.args[0];
        let client = self.client(path)?;
        if parsed.has('R') {
            let tree = tree(&client, path).await;
            for path in self.settle(tree)? {
                self.console.line(&path);
            }
            return Ok(());
        }
        let listed = client.children(path, parsed.has('w')).await;
        let (mut children, stat) = self.settle(listed)?;
        children.sort();
        self.console.line(&crate::output::list(&children));
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }

    async fn set(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("set", "sv:", args, 2)?;
        let version = Self::version(&parsed)?;
        let client = self.client(&parsed.args[0])?;
        let set = client.set(&parsed.args[0], Some(Bytes::from(parsed.args[1].clone())), version).await;
        let stat = self.settle(set)?;
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }

    async fn set_acl(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("setAcl", "sv:R", args, 2)?;
        let version = Self::version(&parsed)?;
        let path = &parsed.args[0];
        let client = self.client(path)?;
        let acl = self.read_acl(&parsed.args[1], false)?;
        if parsed.has('R') {
            let tree = tree(&client, path).await;
            for path in self.settle(tree)? {
                let set = client.set_acl(&path, acl.clone(), version).await;
                self.settle(set)?;
            }
            return Ok(());
        }
        let set = client.set_acl(path, acl, version).await;
        let stat = self.settle(set)?;
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }

    async fn stat(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("stat", "w", args, 1)?;
        let path = &parsed.args[0];
        let client = self.client(path)?;
        let found = client.exists(path, parsed.has('w')).await;
        let Some(stat) = self.settle(found)? else {
            return Err(complaint(&Error::Refused { code: ErrorCode::NoNode, path: path.clone() }));
        };
        self.print_stat(&stat);
        Ok(())
    }

    async fn sync(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("sync", "", args, 1)?;
        let client = self.client(&parsed.args[0])?;
        let synced = client.sync(&parsed.args[0]).await;
        self.settle(synced)?;
        self.console.line("Sync is OK");
        Ok(())
    }

    async fn who_am_i(&mut self) -> Outcome {
        let client = self.client("")?;
        let identities = client.who_am_i().await;
        let identities = self.settle(identities)?;
        self.console.line("Auth scheme: User");
        for identity in identities {
            self.console.line(&format!("{}: {}", identity.auth_scheme, identity.user));
        }
        Ok(())
    }

    async fn add_watch(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("addWatch", "m:", args, 1)?;
        let recursive = match parsed.value('m').map(str::to_uppercase).as_deref() {
            None | Some("PERSISTENT_RECURSIVE") => true,
            Some("PERSISTENT") => false,
            Some(_) => return Err(vec![usage::of("addWatch")]),
        };
        let client = self.client(&parsed.args[0])?;
        let added = client.add_watch(&parsed.args[0], recursive).await;
        self.settle(added)
    }

    async fn remove_watches(&mut self, args: &[String]) -> Outcome {
        let parsed = Self::parse("removewatches", "cdal", args, 1)?;
        if parsed.has('l') {
            return Err(vec!["removewatches -l: not served yet: watches are removed at the server".to_owned()]);
        }
        let which = match (parsed.has('c'), parsed.has('d')) {
            (true, _) => WatcherType::Children,
            (_, true) => WatcherType::Data,
            _ => WatcherType::Any,
        };
        let client = self.client(&parsed.args[0])?;
        let removed = client.remove_watches(&parsed.args[0], which).await;
        self.settle(removed)
    }

    /// The ensemble's configuration is a znode; `-c` shows what clients need of it.
    async fn config(&mut self, args: &[String]) -> Outcome {
        const CONFIG: &str = "/zookeeper/config";
        let parsed = Self::parse("config", "cws", args, 0)?;
        let client = self.client(CONFIG)?;
        let got = client.get(CONFIG, parsed.has('w')).await;
        let (data, stat) = self.settle(got)?;
        if parsed.has('c') {
            let text = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
            self.console.line(&client_config(&text));
        } else {
            self.print_data(data.as_ref());
        }
        if parsed.has('s') {
            self.print_stat(&stat);
        }
        Ok(())
    }
}

/// `VERSION host:port,host:port` out of `server.N=..;host:port` lines and `version=..`.
fn client_config(text: &str) -> String {
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().to_owned());
    let version = text.lines().find(|line| line.starts_with("version=")).and_then(value).unwrap_or_default();
    let servers: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("server."))
        .filter_map(|line| Some(line.split_once(';')?.1.trim().to_owned()))
        .collect();
    format!("{version} {}", servers.join(","))
}

/// A znode that is gone already is deleted well enough.
async fn outcome_of_delete(call: zk_client::Call<()>) -> Option<Error> {
    call.await.err().filter(|error| error.code() != ErrorCode::NoNode)
}

/// A znode and all below it, level by level, names in order.
async fn tree(client: &Client, root: &str) -> Result<Vec<String>, Error> {
    let mut found = vec![root.to_owned()];
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let calls: Vec<_> = level.iter().map(|path| client.children(path, false)).collect();
        let mut next = Vec::new();
        for (parent, call) in level.iter().zip(calls) {
            let mut children = match call.await {
                Ok((children, _)) => children,
                // Deleted meanwhile; the root must be there.
                Err(error) if parent != root && error.code() == ErrorCode::NoNode => continue,
                Err(error) => return Err(error),
            };
            children.sort();
            let parent = parent.trim_end_matches('/');
            next.extend(children.into_iter().map(|child| format!("{parent}/{child}")));
        }
        found.extend(next.iter().cloned());
        level = next;
    }
    Ok(found)
}
