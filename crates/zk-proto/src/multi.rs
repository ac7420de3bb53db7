//! Framing of multi and multiRead: `{header, body}*`, then a header that says "done".
//!
//! The header in front of each part is `int type, boolean done, int err`. Requests carry err -1; results carry 0, or the
//! code of the operation that failed (type -1, with the code again as body). The last header is `-1, true, -1`.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::jute::{DecodeError, Jute, Reader, Writer, records};
use crate::ops::{
    CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest, ErrorResponse, GetChildrenRequest,
    GetChildrenResponse, GetDataRequest, GetDataResponse, OpCode, SetDataRequest,
};
use crate::stat::Stat;

records! {
    /// In front of each part.
    MultiHeader {
        /// The op code.
        op: i32,
        /// Is this the end?
        done: bool,
        /// Error code; -1 in requests.
        err: i32,
    }
}

impl MultiHeader {
    const END: MultiHeader = MultiHeader { op: -1, done: true, err: -1 };
}

/// One operation of a multi or multiRead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiOp {
    /// Create; result [`MultiResult::Create`].
    Create(CreateRequest),
    /// Create; result [`MultiResult::Create2`].
    Create2(CreateRequest),
    /// Create a container; result [`MultiResult::Create2`].
    CreateContainer(CreateRequest),
    /// Create with a time to live; result [`MultiResult::Create2`].
    CreateTtl(CreateTtlRequest),
    /// Delete.
    Delete(DeleteRequest),
    /// Set data.
    SetData(SetDataRequest),
    /// Check a version.
    Check(CheckVersionRequest),
    /// Read data (multiRead).
    GetData(GetDataRequest),
    /// List children (multiRead).
    GetChildren(GetChildrenRequest),
}

impl MultiOp {
    /// Its op code.
    pub fn op(&self) -> OpCode {
        match self {
            MultiOp::Create(_) => OpCode::Create,
            MultiOp::Create2(_) => OpCode::Create2,
            MultiOp::CreateContainer(_) => OpCode::CreateContainer,
            MultiOp::CreateTtl(_) => OpCode::CreateTtl,
            MultiOp::Delete(_) => OpCode::Delete,
            MultiOp::SetData(_) => OpCode::SetData,
            MultiOp::Check(_) => OpCode::Check,
            MultiOp::GetData(_) => OpCode::GetData,
            MultiOp::GetChildren(_) => OpCode::GetChildren,
        }
    }

    /// Is it one of multiRead's?
    pub fn is_read(&self) -> bool {
        matches!(self, MultiOp::GetData(_) | MultiOp::GetChildren(_))
    }

    /// Writes it under the op code that makes the same of it when it is read: a create whose flags are not those of a
    /// plain one came with a time to live, which was forgotten, and goes so.
    fn write(&self, out: &mut Writer) {
        let forgotten = matches!(self, MultiOp::Create(request) if !is_plain(request.flags));
        let op = if forgotten { OpCode::CreateTtl } else { self.op() };
        MultiHeader { op: op.code(), done: false, err: -1 }.write(out);
        match self {
            MultiOp::Create(body) if forgotten => {
                body.write(out);
                0i64.write(out);
            }
            MultiOp::Create(body) | MultiOp::Create2(body) | MultiOp::CreateContainer(body) => body.write(out),
            MultiOp::CreateTtl(body) => body.write(out),
            MultiOp::Delete(body) => body.write(out),
            MultiOp::SetData(body) => body.write(out),
            MultiOp::Check(body) => body.write(out),
            MultiOp::GetData(body) => body.write(out),
            MultiOp::GetChildren(body) => body.write(out),
        }
    }
}

/// Reads the operations of a multi (`reads` false) or multiRead (`reads` true).
///
/// # Errors
/// [`DecodeError`], also for an operation that is not legal there: Apache answers both with a marshalling error.
pub fn read_ops(reader: &mut Reader, reads: bool) -> Result<Vec<MultiOp>, DecodeError> {
    let mut ops = Vec::new();
    loop {
        let at = reader.position();
        let header = MultiHeader::read(reader)?;
        if header.done {
            return Ok(ops);
        }
        let op = match OpCode::from_code(header.op) {
            Some(op @ (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer)) => {
                create(op, at, Jute::read(reader)?)?
            }
            Some(OpCode::CreateTtl) => create_ttl(Jute::read(reader)?),
            Some(OpCode::Delete) => MultiOp::Delete(Jute::read(reader)?),
            Some(OpCode::SetData) => MultiOp::SetData(Jute::read(reader)?),
            Some(OpCode::Check) => MultiOp::Check(Jute::read(reader)?),
            Some(OpCode::GetData) => MultiOp::GetData(Jute::read(reader)?),
            Some(OpCode::GetChildren) => MultiOp::GetChildren(Jute::read(reader)?),
            _ => return Err(DecodeError::BadValue { at, value: header.op, what: "operation of a multi" }),
        };
        if op.is_read() != reads {
            return Err(DecodeError::BadValue { at, value: header.op, what: "operation of this kind of multi" });
        }
        ops.push(op);
    }
}

/// A create by the kind that its flags say. Flags that say none, or a time to live that is not there, make the whole
/// request unreadable.
fn create(op: OpCode, at: usize, request: CreateRequest) -> Result<MultiOp, DecodeError> {
    let mode = CreateMode::from_flags(request.flags).filter(|mode| !mode.is_ttl());
    let mode = mode.ok_or(DecodeError::BadValue { at, value: request.flags, what: "kind of znode in a multi" })?;
    Ok(match op {
        _ if mode.is_container() => MultiOp::CreateContainer(request),
        OpCode::Create => MultiOp::Create(request),
        OpCode::Create2 => MultiOp::Create2(request),
        _ => MultiOp::CreateContainer(request),
    })
}

/// Do these flags make a plain create readable, and keep it one?
fn is_plain(flags: i32) -> bool {
    CreateMode::from_flags(flags).is_some_and(|mode| !mode.is_ttl() && !mode.is_container())
}

/// With flags of another kind it is a plain create, and its time to live is forgotten.
fn create_ttl(request: CreateTtlRequest) -> MultiOp {
    let lives = CreateMode::from_flags(request.flags).is_some_and(CreateMode::is_ttl);
    if lives { MultiOp::CreateTtl(request) } else { MultiOp::Create(request.into()) }
}

/// Writes the operations of a multi or multiRead.
pub fn write_ops(ops: &[MultiOp], out: &mut Writer) {
    for op in ops {
        op.write(out);
    }
    MultiHeader::END.write(out);
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    /// The name a create got.
    Create(String),
    /// The name a create2, createContainer or createTTL got, and its counters.
    Create2 {
        /// The name.
        path: String,
        /// Its counters; servers before 3.8.4 leave them out and answer as create.
        stat: Stat,
    },
    /// Deleted.
    Delete,
    /// Set; the new counters.
    SetData(Stat),
    /// The version was as expected.
    Check,
    /// The data.
    GetData {
        /// Content; null is not empty.
        data: Option<Bytes>,
        /// Its counters.
        stat: Stat,
    },
    /// The children.
    GetChildren(Vec<String>),
    /// The operation failed, or (0 before the failing one, -2 behind it) was undone or not tried.
    Error(ErrorCode),
}

impl MultiResult {
    fn op(&self) -> OpCode {
        match self {
            MultiResult::Create(_) => OpCode::Create,
            MultiResult::Create2 { .. } => OpCode::Create2,
            MultiResult::Delete => OpCode::Delete,
            MultiResult::SetData(_) => OpCode::SetData,
            MultiResult::Check => OpCode::Check,
            MultiResult::GetData { .. } => OpCode::GetData,
            MultiResult::GetChildren(_) => OpCode::GetChildren,
            MultiResult::Error(_) => OpCode::Error,
        }
    }
}

/// Reads the results of a multi or multiRead.
///
/// # Errors
/// [`DecodeError`] when the bytes are not such results.
pub fn read_results(reader: &mut Reader) -> Result<Vec<MultiResult>, DecodeError> {
    let mut results = Vec::new();
    loop {
        let at = reader.position();
        let header = MultiHeader::read(reader)?;
        if header.done {
            return Ok(results);
        }
        results.push(match OpCode::from_code(header.op) {
            Some(OpCode::Create) => MultiResult::Create(Jute::read(reader)?),
            Some(OpCode::Create2) => MultiResult::Create2 { path: Jute::read(reader)?, stat: Jute::read(reader)? },
            Some(OpCode::Delete) => MultiResult::Delete,
            Some(OpCode::SetData) => MultiResult::SetData(Jute::read(reader)?),
            Some(OpCode::Check) => MultiResult::Check,
            Some(OpCode::GetData) => {
                let GetDataResponse { data, stat } = Jute::read(reader)?;
                MultiResult::GetData { data, stat }
            }
            Some(OpCode::GetChildren) => MultiResult::GetChildren(GetChildrenResponse::read(reader)?.children),
            Some(OpCode::Error) => MultiResult::Error(ErrorResponse::read(reader)?.err.into()),
            _ => return Err(DecodeError::BadValue { at, value: header.op, what: "result of a multi" }),
        });
    }
}

/// Writes the results of a multi or multiRead.
pub fn write_results(results: &[MultiResult], out: &mut Writer) {
    for result in results {
        let err = if let MultiResult::Error(code) = result { code.code() } else { 0 };
        MultiHeader { op: result.op().code(), done: false, err }.write(out);
        match result {
            MultiResult::Create(path) => path.write(out),
            MultiResult::Create2 { path, stat } => {
                path.write(out);
                stat.write(out);
            }
            MultiResult::Delete | MultiResult::Check => {}
            MultiResult::SetData(stat) => stat.write(out),
            MultiResult::GetData { data, stat } => {
                data.write(out);
                stat.write(out);
            }
            MultiResult::GetChildren(children) => children.write(out),
            MultiResult::Error(code) => code.code().write(out),
        }
    }
    MultiHeader::END.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_mix() {
        let ops = [MultiOp::GetData(GetDataRequest::default()), MultiOp::Delete(DeleteRequest::default())];
        let mut out = Writer::new();
        write_ops(&ops, &mut out);
        let bytes = out.into_bytes();
        for reads in [false, true] {
            assert!(matches!(read_ops(&mut Reader::new(bytes.clone()), reads), Err(DecodeError::BadValue { .. })));
        }
    }

    #[test]
    fn flags_choose_the_kind() {
        let create = |flags| CreateRequest { flags, ..CreateRequest::default() };
        let ttl = |flags| CreateTtlRequest { flags, ttl: 7, ..CreateTtlRequest::default() };
        let read = |op: OpCode, body: &dyn Fn(&mut Writer)| {
            let mut out = Writer::new();
            MultiHeader { op: op.code(), done: false, err: -1 }.write(&mut out);
            body(&mut out);
            MultiHeader::END.write(&mut out);
            read_ops(&mut Reader::new(out.into_bytes()), false).map(|mut ops| ops.remove(0))
        };
        let read_create = |op, flags| read(op, &|out| create(flags).write(out));
        let read_ttl = |flags| read(OpCode::CreateTtl, &|out| ttl(flags).write(out));
        assert_eq!(read_create(OpCode::Create, 4), Ok(MultiOp::CreateContainer(create(4))));
        assert_eq!(read_create(OpCode::CreateContainer, 0), Ok(MultiOp::CreateContainer(create(0))));
        assert_eq!(read_create(OpCode::Create2, 3), Ok(MultiOp::Create2(create(3))));
        assert_eq!(read_ttl(5), Ok(MultiOp::CreateTtl(ttl(5))));
        for flags in [-240, -1, 0, 2, 4, 7] {
            assert_eq!(read_ttl(flags), Ok(MultiOp::Create(create(flags))));
        }
        for flags in [-1, 5, 6, 7] {
            let read = read_create(OpCode::Create, flags);
            assert!(matches!(read, Err(DecodeError::BadValue { .. })), "{flags}");
        }
    }

    #[test]
    fn what_was_read_is_written_so_that_it_reads_the_same() {
        for flags in [-240, 0, 1, 3, 4, 7] {
            let op = MultiOp::Create(CreateRequest { flags, ..CreateRequest::default() });
            let mut out = Writer::new();
            write_ops(std::slice::from_ref(&op), &mut out);
            assert_eq!(read_ops(&mut Reader::new(out.into_bytes()), false), Ok(vec![op]), "{flags}");
        }
    }

    #[test]
    fn results_come_back() {
        let results = vec![
            MultiResult::Create("/a".into()),
            MultiResult::Create2 { path: "/b".into(), stat: Stat::default() },
            MultiResult::Delete,
            MultiResult::SetData(Stat::default()),
            MultiResult::Check,
            MultiResult::GetData { data: None, stat: Stat::default() },
            MultiResult::GetChildren(vec!["x".into()]),
            MultiResult::Error(ErrorCode::BadVersion),
        ];
        let mut out = Writer::new();
        write_results(&results, &mut out);
        assert_eq!(read_results(&mut Reader::new(out.into_bytes())).unwrap(), results);
    }

    #[test]
    fn an_empty_multi_is_its_end() {
        let mut out = Writer::new();
        write_ops(&[], &mut out);
        assert_eq!(out.as_slice(), [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
    }
}
