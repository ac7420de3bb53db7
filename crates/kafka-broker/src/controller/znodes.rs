//! Performs the controller's reads and writes, pipelined and in order; lost connections are made up for here.

use bytes::Bytes;
use kafka_controller::{NodeStat, Read, ReadResult, Write, WriteError, WriteOp, WriteResult};
use zk_client::{Error, Op, OpResult};
use zk_proto::{Acl, CreateMode, ErrorCode, Stat};

use crate::zookeeper::ZooKeeper;

/// The results in order; `None` if the session is over, and with it the controller's interest.
pub(super) async fn read(zookeeper: &ZooKeeper, reads: Vec<Read>) -> Option<Vec<ReadResult>> {
    let mut results = Vec::with_capacity(reads.len());
    // Calls are handed over when they are made, so all of them are on the way before the first is awaited.
    let client = zookeeper.client();
    let calls: Vec<_> = reads.iter().map(|read| read_call(&client, read)).collect();
    for (read, call) in reads.iter().zip(calls) {
        let mut outcome = call.await;
        while let Err(error) = &outcome
            && error.is_connection_loss()
        {
            client.connected().await.ok()?;
            outcome = read_call(&client, read).await;
        }
        results.push(match outcome {
            Ok(result) => result,
            Err(error) if error.is_final() => return None,
            Err(error) if error.code() == ErrorCode::NoNode => ReadResult::NoNode,
            Err(error) => ReadResult::Failed(error.to_string()),
        });
    }
    Some(results)
}

fn read_call(client: &zk_client::Client, read: &Read) -> impl Future<Output = Result<ReadResult, Error>> + use<> {
    enum Call {
        Data(zk_client::Call<(Option<Bytes>, Stat)>),
        Children(zk_client::Call<(Vec<String>, Stat)>),
        Exists(zk_client::Call<Option<Stat>>),
    }
    let call = match read {
        Read::Data { path, watch } => Call::Data(client.get(path, *watch)),
        Read::Children { path, watch } => Call::Children(client.children(path, *watch)),
        Read::Exists { path, watch } => Call::Exists(client.exists(path, *watch)),
    };
    async move {
        Ok(match call {
            Call::Data(call) => {
                let (data, stat) = call.await?;
                ReadResult::Data { data: data.unwrap_or_default().to_vec(), stat: node_stat(&stat) }
            }
            Call::Children(call) => ReadResult::Children(call.await?.0),
            Call::Exists(call) => call.await?.map_or(ReadResult::NoNode, |stat| ReadResult::Exists(node_stat(&stat))),
        })
    }
}

fn node_stat(stat: &Stat) -> NodeStat {
    NodeStat { version: stat.version, created: stat.czxid.0, owner: stat.ephemeral_owner }
}

/// The results in order; `None` if the session is over.
///
/// A write whose connection was lost may have happened. It is made again: a fenced write that did happen is then
/// refused by its own version check, and the controller looks at what is there, as Apache's does.
pub(super) async fn write(zookeeper: &ZooKeeper, writes: Vec<Write>) -> Option<Vec<WriteResult>> {
    let client = zookeeper.client();
    let calls: Vec<_> = writes.iter().map(|write| client.multi(ops(write))).collect();
    let mut results = Vec::with_capacity(writes.len());
    for (write, call) in writes.iter().zip(calls) {
        let mut outcome = call.await;
        while let Err(error) = &outcome
            && error.is_connection_loss()
        {
            client.connected().await.ok()?;
            outcome = client.multi(ops(write)).await;
        }
        results.push(match outcome {
            Ok(done) => write_result(&done),
            Err(error) if error.is_final() => return None,
            Err(error) => WriteResult::Refused { at: 0, error: WriteError::Failed(error.to_string()) },
        });
    }
    Some(results)
}

fn ops(write: &Write) -> Vec<Op> {
    let op = |op: &WriteOp| match op {
        WriteOp::Check { path, version } => Op::Check { path: path.clone(), version: *version },
        WriteOp::Create { path, data, ephemeral } => Op::Create {
            path: path.clone(),
            data: data.clone().map(Bytes::from),
            acl: Acl::open(),
            mode: if *ephemeral { CreateMode::Ephemeral } else { CreateMode::Persistent },
        },
        WriteOp::Set { path, data, version } => {
            Op::Set { path: path.clone(), data: Some(data.clone().into()), version: version.unwrap_or(-1) }
        }
        WriteOp::Delete { path, version } => Op::Delete { path: path.clone(), version: version.unwrap_or(-1) },
    };
    write.ops.iter().map(op).collect()
}

fn write_result(results: &[OpResult]) -> WriteResult {
    let Some((at, code)) = OpResult::failure(results) else {
        let version = |result: &OpResult| match result {
            OpResult::Set(stat) => stat.version,
            _ => 0,
        };
        return WriteResult::Done(results.iter().map(version).collect());
    };
    let error = match code {
        ErrorCode::NodeExists => WriteError::NodeExists,
        ErrorCode::NoNode => WriteError::NoNode,
        ErrorCode::BadVersion => WriteError::BadVersion,
        ErrorCode::NotEmpty => WriteError::NotEmpty,
        other => WriteError::Failed(other.to_string()),
    };
    WriteResult::Refused { at, error }
}
