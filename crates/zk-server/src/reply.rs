//! Outcome to frame. The codes come from `zk-state`, where they are part of the transaction; here they are put into
//! bytes.

use bytes::BytesMut;
use zk_proto::header::xid;
use zk_proto::ops::{Create2Response, CreateResponse, SetAclResponse, SetDataResponse, event};
use zk_proto::{ConnectResponse, ErrorCode, Jute, OpCode, ReplyHeader, Response, SessionId, Stat, Writer, Zxid};
use zk_state::{NodeRef, Outcome};

/// Appends frames to a connection's bytes.
pub(crate) struct Replies<'a>(pub(crate) &'a mut BytesMut);

impl Replies<'_> {
    /// Appends a frame; gives its length with the four bytes in front.
    fn frame(&mut self, body: impl FnOnce(&mut Writer)) -> usize {
        let before = self.0.len();
        let mut writer = Writer::append_to(std::mem::take(self.0));
        writer.framed(body);
        *self.0 = writer.into_inner();
        self.0.len() - before
    }

    /// A reply with a body.
    pub(crate) fn success(&mut self, xid: i32, zxid: Zxid, body: impl FnOnce(&mut Writer)) -> usize {
        self.frame(|out| {
            ReplyHeader { xid, zxid, err: 0 }.write(out);
            body(out);
        })
    }

    /// A reply without a body.
    pub(crate) fn error(&mut self, xid: i32, zxid: Zxid, code: ErrorCode) -> usize {
        self.frame(|out| ReplyHeader { xid, zxid, err: code.code() }.write(out))
    }

    /// An error with a body behind it, as that of a failed SASL exchange.
    pub(crate) fn error_with(&mut self, xid: i32, code: ErrorCode, response: &Response) -> usize {
        self.frame(|out| {
            ReplyHeader { xid, zxid: Zxid(0), err: code.code() }.write(out);
            response.write(out);
        })
    }

    pub(crate) fn response(&mut self, xid: i32, zxid: Zxid, response: &Response) -> usize {
        self.success(xid, zxid, |out| response.write(out))
    }

    /// The reply to an applied write of kind `op`.
    pub(crate) fn outcome(&mut self, xid: i32, zxid: Zxid, op: OpCode, outcome: Outcome) -> usize {
        let response = match (op, outcome) {
            (_, Outcome::Failed(code)) => return self.error(xid, zxid, code),
            (OpCode::Create, Outcome::Created { path, .. }) => Response::Create(CreateResponse { path }),
            (_, Outcome::Created { path, stat }) => Response::Create2(Create2Response { path, stat }),
            (OpCode::SetAcl, Outcome::Set(stat)) => Response::SetAcl(SetAclResponse { stat }),
            (_, Outcome::Set(stat)) => Response::SetData(SetDataResponse { stat }),
            (_, Outcome::Multi(results)) => Response::Multi(results),
            (_, Outcome::Done) => Response::Empty,
        };
        self.response(xid, zxid, &response)
    }

    /// `getData`, straight from the tree.
    pub(crate) fn data(&mut self, xid: i32, zxid: Zxid, node: NodeRef<'_>) -> usize {
        self.success(xid, zxid, |out| write_data(node, out))
    }

    /// `getChildren` and, with the parent's counters, `getChildren2`.
    pub(crate) fn children(&mut self, xid: i32, zxid: Zxid, node: NodeRef<'_>, stat: Option<Stat>) -> usize {
        self.success(xid, zxid, |out| {
            (node.child_count() as i32).write(out);
            for name in node.children() {
                out.string(name);
            }
            if let Some(stat) = stat {
                stat.write(out);
            }
        })
    }

    /// A watch fired. The zxid is -1 in 3.8, which clients of that age expect.
    pub(crate) fn notification(&mut self, kind: i32, path: &str) -> usize {
        self.frame(|out| {
            ReplyHeader { xid: xid::NOTIFICATION, zxid: Zxid::NONE, err: 0 }.write(out);
            // A `WatcherEvent`, whose path is not made anew for each of perhaps very many clients.
            kind.write(out);
            event::STATE_SYNC_CONNECTED.write(out);
            out.string(path);
        })
    }

    /// The answer to a session handshake; `None` refuses the session.
    pub(crate) fn connected(&mut self, session: Option<(SessionId, i32, [u8; 16])>, read_only: Option<bool>) -> usize {
        let (session_id, timeout_ms, password) = session.unwrap_or((SessionId::NONE, 0, [0; 16]));
        self.frame(|out| {
            ConnectResponse {
                protocol_version: 0,
                timeout_ms,
                session_id,
                password: Some(password.to_vec().into()),
                // The server never is; a client that does not know the byte does not get it.
                read_only: read_only.map(|_| false),
            }
            .write(out);
        })
    }
}

fn write_data(node: NodeRef<'_>, out: &mut Writer) {
    match node.data() {
        Some(data) => out.buffer(data),
        None => (-1).write(out),
    }
    node.stat().write(out);
}
