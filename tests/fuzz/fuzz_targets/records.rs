//! Every record: what decodes is written again, and that decodes to the same; nothing panics.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use zk_proto::{
    ConnectRequest, ConnectResponse, Jute, LoggedTxn, OpCode, Reader, Request, RequestHeader, Response, Writer,
};

/// Decodes, encodes, decodes again.
fn again<T: Jute + PartialEq + std::fmt::Debug>(bytes: &Bytes) {
    let Ok(first) = T::from_bytes(bytes.clone()) else { return };
    let mut out = Writer::new();
    first.write(&mut out);
    assert_eq!(T::from_bytes(out.into_bytes()).as_ref(), Ok(&first));
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(body);
    match kind {
        0 => again::<ConnectRequest>(&bytes),
        1 => again::<ConnectResponse>(&bytes),
        2 => again::<LoggedTxn>(&bytes),
        kind if kind % 2 == 0 => {
            let mut reader = Reader::new(bytes);
            let Ok(header) = RequestHeader::read(&mut reader) else { return };
            let Some(op) = OpCode::from_code(header.op) else { return };
            let Ok(Some(request)) = Request::read(op, &mut reader) else { return };
            let mut out = Writer::new();
            request.write(&mut out);
            let second = Request::read(request.op(), &mut Reader::new(out.into_bytes()));
            assert_eq!(second, Ok(Some(request)));
        }
        _ => {
            let mut reader = Reader::new(bytes);
            let Ok(code) = i32::read(&mut reader) else { return };
            let Some(op) = OpCode::from_code(code) else { return };
            let Ok(response) = Response::read(op, &mut reader) else { return };
            let mut out = Writer::new();
            response.write(&mut out);
            assert_eq!(Response::read(op, &mut Reader::new(out.into_bytes())), Ok(response));
        }
    }
});
