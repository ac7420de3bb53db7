//! What a command does. Its reads work on a server and on a tree of the past, its writes on a server only.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use properties::Properties;
use tokio::time::timeout;
use vfs::{OsVfs, Vfs as _};
use zk_client::{Call, Client, Error, Op, OpResult, WatcherType};
use zk_proto::{Acl, CreateMode, ErrorCode, Stat};

use super::command::{Command, Format, Members};
use super::print;
use super::shell::{Complaints, Shell};
use super::source::{PastReader, Source};
use super::tree_text::{self, Children, breadth_first, depth_first};

/// What a command comes to: nothing, or lines for standard error.
pub(super) type Outcome = Result<(), Complaints>;

/// How long `sync` waits.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);
/// Transactions of `deleteall` that are on their way at once.
const BATCHES_AT_ONCE: usize = 10;
/// Where the ensemble's configuration is.
const CONFIG: &str = "/zookeeper/config";

impl Shell {
    /// Does what a command says.
    pub(super) async fn perform(&mut self, command: Command) -> Outcome {
        self.note_what_the_past_cannot(&command)?;
        match command {
            Command::AddAuth { scheme, proof } => self.add_auth(&scheme, proof).await,
            Command::AddWatch { path, recursive } => {
                self.call(&path, |client| client.add_watch(&path, recursive)).await
            }
            Command::Close => {
                self.close(true).await;
                Ok(())
            }
            Command::Config { client, stat, watch } => self.config(client, stat, watch).await,
            Command::Create { path, data, acl, mode, ttl_ms } => self.create(&path, data, acl, mode, ttl_ms).await,
            Command::Delete { path, version } => self.call(&path, |client| client.delete(&path, version)).await,
            Command::DeleteAll { path, batch } => self.delete_all(&path, batch).await,
            Command::DelQuota { path, which } => self.del_quota(&path, which).await,
            Command::Get { path, stat, watch, format } => self.get(&path, stat, watch, format).await,
            Command::GetAcl { path, stat } => self.get_acl(&path, stat).await,
            Command::GetAllChildrenNumber { path } => {
                let server = |client: &Client| client.all_children_number(&path);
                let number = self.read(&path, server, |past| past.all_children_number(&path)).await?;
                self.console.line(&number.to_string());
                Ok(())
            }
            Command::GetEphemerals { prefix } => self.get_ephemerals(prefix.as_deref().unwrap_or("/")).await,
            Command::ListQuota { path } => self.list_quota(&path).await,
            Command::Ls { path, stat, watch, recursive } => self.list(&path, stat, watch, recursive).await,
            Command::Reconfig { stat, from, joining, leaving, members } => {
                self.reconfig(stat, from, joining, leaving, members).await
            }
            Command::RemoveWatches { path, which, local } => self.remove_watches(&path, which, local).await,
            Command::Set { path, data, version, stat } => {
                let set = self.call(&path, |client| client.set(&path, Some(data), version)).await?;
                self.print_stat_if(stat, &set);
                Ok(())
            }
            Command::SetAcl { path, acl, version, stat, recursive } => {
                self.set_acl(&path, acl, version, stat, recursive).await
            }
            Command::SetQuota { path, limits } => self.set_quota(&path, limits).await,
            Command::Stat { path, watch } => self.stat(&path, watch).await,
            Command::Sync { path } => self.sync(&path).await,
            Command::Version => {
                self.console.line(super::usage::VERSION);
                Ok(())
            }
            Command::WhoAmI => self.who_am_i().await,
        }
    }

    /// Writes need a server; a watch on what does not change is told, and not left.
    fn note_what_the_past_cannot(&mut self, command: &Command) -> Outcome {
        let Source::Past(past) = &self.source else { return Ok(()) };
        let watch = match command {
            Command::Config { watch, .. }
            | Command::Get { watch, .. }
            | Command::Ls { watch, .. }
            | Command::Stat { watch, .. } => *watch,
            Command::GetAcl { .. }
            | Command::GetAllChildrenNumber { .. }
            | Command::GetEphemerals { .. }
            | Command::ListQuota { .. }
            | Command::Version => false,
            _ => {
                let zxid = past.state.last_zxid();
                return Err(vec![format!("Not a read-only call: the tree at zxid {zxid} is read from files")]);
            }
        };
        if watch {
            self.console.error("-w: the past does not change, no watch is left");
        }
        Ok(())
    }

    /// A path is looked at before the connection is made.
    pub(super) fn client(&mut self, path: &str) -> Result<Client, Complaints> {
        if !path.is_empty() && !path.starts_with('/') {
            return Err(vec!["Path must start with / character".to_owned()]);
        }
        self.connect().ok_or_else(|| vec!["Not connected".to_owned()])
    }

    /// Makes a call, prints the events that came before its reply, then goes on with the reply.
    pub(super) async fn call<R>(&mut self, path: &str, call: impl FnOnce(&Client) -> Call<R>) -> Result<R, Complaints> {
        let result = self.try_call(path, call).await?;
        self.settle(result)
    }

    /// The same, for callers that look at errors.
    pub(super) async fn try_call<R>(
        &mut self,
        path: &str,
        call: impl FnOnce(&Client) -> Call<R>,
    ) -> Result<Result<R, Error>, Complaints> {
        let client = self.client(path)?;
        let result = call(&client).await;
        self.drain_events();
        Ok(result)
    }

    /// A read, of a server or of the past.
    pub(super) async fn read<R>(
        &mut self,
        path: &str,
        server: impl FnOnce(&Client) -> Call<R>,
        past: impl FnOnce(PastReader<'_>) -> Result<R, Error>,
    ) -> Result<R, Complaints> {
        let result = self.try_read(path, server, past).await?;
        self.settle(result)
    }

    /// The same, for callers that look at errors.
    pub(super) async fn try_read<R>(
        &mut self,
        path: &str,
        server: impl FnOnce(&Client) -> Call<R>,
        past: impl FnOnce(PastReader<'_>) -> Result<R, Error>,
    ) -> Result<Result<R, Error>, Complaints> {
        match &self.source {
            Source::Past(tree) => Ok(past(PastReader(tree))),
            _ => self.try_call(path, server).await,
        }
    }

    pub(super) fn settle<R>(&mut self, result: Result<R, Error>) -> Result<R, Complaints> {
        self.drain_events();
        result.map_err(|error| {
            let mut lines = vec![print::error(&error)];
            if error.is_connection_loss() {
                let server = self.server();
                lines.push(format!(
                    "No ZooKeeper answers on {server}. To start one: ./zookeeper-server-start.sh ../config/zookeeper.properties"
                ));
            }
            lines
        })
    }

    pub(super) fn print_stat_if(&mut self, wanted: bool, stat: &Stat) {
        if wanted {
            let text = print::stat(stat, logging::local_zone());
            self.console.line(&text);
        }
    }

    async fn add_auth(&mut self, scheme: &str, proof: Bytes) -> Outcome {
        // As the only command it would show an identity to a session that ends with it.
        if let Source::Server(session) = &self.source {
            // The verdict comes as an event, if it is no.
            let _ = session.client.add_auth(scheme, proof).await;
        }
        Ok(())
    }

    async fn create(
        &mut self,
        path: &str,
        data: Option<Bytes>,
        acl: Vec<Acl>,
        mode: CreateMode,
        ttl_ms: Option<i64>,
    ) -> Outcome {
        let sequential = mode.is_sequential();
        let created = self
            .try_call(path, |client| match ttl_ms {
                Some(ttl_ms) => client.create_ttl(path, data, acl, sequential, ttl_ms),
                None => client.create(path, data, acl, mode),
            })
            .await?;
        match &created {
            Err(error @ Error::Refused { code: ErrorCode::InvalidAcl, .. }) => self.console.error(&error.to_string()),
            Err(Error::Refused { code: ErrorCode::EphemeralOnLocalSession, .. }) => {
                self.console.error("Unable to create ephemeral node on a local session");
            }
            _ => {}
        }
        let created = self.settle(created)?;
        self.console.error(&format!("Created {created}"));
        Ok(())
    }

    /// Deletes a znode and all below it, the deepest first, so many in one transaction.
    async fn delete_all(&mut self, path: &str, batch: i32) -> Outcome {
        let client = self.client(path)?;
        let children = children_below(&client, path, false).await;
        let mut tree = breadth_first(path, &self.settle(children)?);
        tree.reverse();
        let Some(batch) = usize::try_from(batch).ok().filter(|batch| *batch > 0) else {
            for path in tree {
                self.call(&path, |client| client.delete(&path, -1)).await?;
            }
            return Ok(());
        };
        let mut batches = tree.chunks(batch);
        let mut on_their_way: VecDeque<Call<Vec<OpResult>>> = VecDeque::new();
        let mut well = true;
        loop {
            let next = if well && on_their_way.len() < BATCHES_AT_ONCE { batches.next() } else { None };
            if let Some(paths) = next {
                let ops = paths.iter().map(|path| Op::Delete { path: path.clone(), version: -1 });
                on_their_way.push_back(client.multi(ops.collect()));
            } else if let Some(call) = on_their_way.pop_front() {
                well &= call.await.is_ok_and(|results| OpResult::failure(&results).is_none());
            } else {
                break;
            }
        }
        if !well {
            self.drain_events();
            self.console.error("Failed to delete some node(s) in the subtree!");
        }
        Ok(())
    }

    async fn get(&mut self, path: &str, stat: bool, watch: bool, format: Format) -> Outcome {
        let (data, found) = self.read(path, |client| client.get(path, watch), |past| past.data(path)).await?;
        let data = data.unwrap_or_else(|| Bytes::from_static(b"null"));
        match format {
            Format::Plain => self.console.bytes(&data),
            Format::Base64 => self.console.bytes(STANDARD.encode(&data).as_bytes()),
            Format::HexDump => self.console.bytes(print::hex_dump(&data).as_bytes()),
        }
        self.console.bytes(b"\n");
        self.print_stat_if(stat, &found);
        Ok(())
    }

    async fn get_acl(&mut self, path: &str, stat: bool) -> Outcome {
        let (acl, found) = self.read(path, |client| client.get_acl(path), |past| past.acl(path)).await?;
        self.console.line(&print::acl(&acl));
        self.print_stat_if(stat, &found);
        Ok(())
    }

    async fn get_ephemerals(&mut self, prefix: &str) -> Outcome {
        let paths = self.read(prefix, |client| client.ephemerals(prefix), |past| past.ephemerals(prefix)).await;
        let mut paths = paths?;
        paths.sort();
        self.console.line(&crate::output::list(&paths));
        Ok(())
    }

    async fn list(&mut self, path: &str, stat: bool, watch: bool, recursive: bool) -> Outcome {
        if recursive {
            for path in self.subtree(path, watch).await? {
                self.console.line(&path);
            }
            return Ok(());
        }
        let listed = self.read(path, |client| client.children(path, watch), |past| past.children(path)).await;
        let (mut children, found) = listed?;
        children.sort();
        self.console.line(&crate::output::list(&children));
        self.print_stat_if(stat, &found);
        Ok(())
    }

    /// A znode and all below it, in the order of `ls -R`.
    pub(super) async fn subtree(&mut self, path: &str, watch: bool) -> Result<Vec<String>, Complaints> {
        // The watch on the root's data is set by reading it.
        self.read(path, |client| client.get(path, watch), |past| past.data(path)).await?;
        let children = if let Source::Past(past) = &self.source {
            children_in_the_past(PastReader(past), path)
        } else {
            let client = self.client(path)?;
            children_below(&client, path, watch).await
        };
        Ok(depth_first(path, &self.settle(children)?))
    }

    async fn set_acl(&mut self, path: &str, acl: Vec<Acl>, version: i32, stat: bool, recursive: bool) -> Outcome {
        if !recursive {
            let set = self.call(path, |client| client.set_acl(path, acl, version)).await?;
            self.print_stat_if(stat, &set);
            return Ok(());
        }
        for path in self.subtree(path, false).await? {
            // Apache's shell goes on, and ends no line.
            if let Err(error) = self.try_call(&path, |client| client.set_acl(&path, acl.clone(), version)).await? {
                self.console.bytes(error.to_string().as_bytes());
            }
        }
        Ok(())
    }

    async fn stat(&mut self, path: &str, watch: bool) -> Outcome {
        let found = self.read(path, |client| client.exists(path, watch), |past| past.exists(path)).await?;
        let Some(stat) = found else {
            return Err(vec![print::error(&Error::Refused { code: ErrorCode::NoNode, path: path.to_owned() })]);
        };
        self.print_stat_if(true, &stat);
        Ok(())
    }

    async fn sync(&mut self, path: &str) -> Outcome {
        let client = self.client(path)?;
        let Ok(synced) = timeout(SYNC_TIMEOUT, client.sync(path)).await else {
            return Err(vec![format!("no answer within {} s", SYNC_TIMEOUT.as_secs())]);
        };
        match synced {
            Err(error @ Error::InvalidPath(_)) => self.settle(Err(error)),
            Err(error) => {
                self.drain_events();
                self.console.line(&format!("Sync has failed. rc={}", error.code().code()));
                Ok(())
            }
            Ok(()) => {
                self.drain_events();
                self.console.line("Sync is OK");
                Ok(())
            }
        }
    }

    async fn who_am_i(&mut self) -> Outcome {
        let identities = self.call("", Client::who_am_i).await?;
        self.console.line("Auth scheme: User");
        for identity in identities {
            self.console.line(&format!("{}: {}", identity.auth_scheme, identity.user));
        }
        Ok(())
    }

    async fn remove_watches(&mut self, path: &str, which: WatcherType, local: bool) -> Outcome {
        self.call(path, |client| client.remove_watches(path, which, local)).await
    }

    async fn config(&mut self, client: bool, stat: bool, watch: bool) -> Outcome {
        let (data, found) = self.read(CONFIG, |server| server.config(watch), |past| past.data(CONFIG)).await?;
        let data = data.unwrap_or_else(|| Bytes::from_static(b"null"));
        if client {
            self.console.line(&print::client_config(&String::from_utf8_lossy(&data)));
        } else {
            self.console.bytes(&data);
            self.console.bytes(b"\n");
        }
        self.print_stat_if(stat, &found);
        Ok(())
    }

    async fn reconfig(
        &mut self,
        stat: bool,
        from: i64,
        joining: Option<String>,
        leaving: Option<String>,
        members: Members,
    ) -> Outcome {
        let members = match members {
            Members::None => None,
            Members::Listed(members) => Some(members),
            Members::InFile(file) => {
                let members = members_in(&file);
                Some(members.map_err(|why| vec![format!("Error processing {file}{why}")])?)
            }
        };
        let changed = self.call("", |client| client.reconfigure(joining, leaving, members, from)).await;
        let (data, found) = changed?;
        self.console.line("Committed new configuration:");
        self.console.bytes(data.as_deref().unwrap_or_default());
        self.console.bytes(b"\n");
        self.print_stat_if(stat, &found);
        Ok(())
    }
}

/// The servers that a file with a dynamic configuration names, as a text that `reconfig` takes.
fn members_in(file: &str) -> Result<String, String> {
    // Java's words, which Apache's shell puts directly behind the name.
    let bytes = OsVfs.read(Path::new(file)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{file} (No such file or directory)"),
        ErrorKind::PermissionDenied => format!("{file} (Permission denied)"),
        _ => format!("{file} ({error})"),
    })?;
    let properties = Properties::parse(file, &bytes).map_err(|error| format!(": {error}"))?;
    let mut members = Vec::new();
    for entry in properties.entries() {
        if !entry.key.starts_with("server.") {
            return Err(format!(": {}: not a server", entry.key));
        }
        members.push(format!("{}={}\n", entry.key, entry.value.trim()));
    }
    Ok(members.concat() + "version=0")
}

/// The children of a znode and of all below it, level by level, many calls at once.
async fn children_below(client: &Client, root: &str, watch: bool) -> Result<Children, Error> {
    let mut found = Children::new();
    let mut level = vec![root.to_owned()];
    while !level.is_empty() {
        let calls: Vec<_> = level.iter().map(|path| client.children(path, watch)).collect();
        let mut next = Vec::new();
        for (parent, call) in level.into_iter().zip(calls) {
            let mut names = match call.await {
                Ok((names, _)) => names,
                // Deleted meanwhile; the root must be there.
                Err(error) if parent != root && error.code() == ErrorCode::NoNode => continue,
                Err(error) => return Err(error),
            };
            names.sort();
            next.extend(names.iter().map(|name| tree_text::join(&parent, name)));
            found.insert(parent, names);
        }
        level = next;
    }
    Ok(found)
}

fn children_in_the_past(past: PastReader<'_>, root: &str) -> Result<Children, Error> {
    let mut found = Children::new();
    let mut open = vec![root.to_owned()];
    while let Some(parent) = open.pop() {
        let (names, _) = past.children(&parent)?;
        open.extend(names.iter().map(|name| tree_text::join(&parent, name)));
        found.insert(parent, names);
    }
    Ok(found)
}
