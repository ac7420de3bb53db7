//! The session core against a server that the test plays.

use properties::grammar::connect_string;
use zk_proto::Stat;
use zk_proto::ops::{
    AddWatchRequest, AuthPacket, CreateRequest, CreateResponse, ExistsRequest, GetDataRequest, GetDataResponse,
    SaslResponse, event,
};

use super::*;

type Effects = Vec<Effect<u32>>;

struct World {
    session: Session<u32>,
    effects: Effects,
}

const PASSWORD: [u8; 16] = [7; 16];

impl World {
    fn new(hosts: &str) -> World {
        let hosts = connect_string(hosts).unwrap();
        let session = Session::new(Start {
            hosts: Hosts::new(hosts.hosts, 0),
            chroot: Chroot::new(hosts.chroot),
            timeout_ms: 9000,
            existing: None,
            read_only: false,
            login: None,
        });
        let mut world = World { session, effects: Vec::new() };
        world.session.start(Tick(0), &mut world.effects);
        world
    }

    /// A session that was accepted at time 0, with nothing left to look at.
    fn connected(hosts: &str) -> World {
        let mut world = World::new(hosts);
        world.accept(Tick(0), 6000);
        world.effects.clear();
        world
    }

    fn accept(&mut self, now: Tick, timeout_ms: i32) -> ConnectRequest {
        self.session.opened(now);
        let request = ConnectRequest::from_bytes(self.frames().remove(0)).unwrap();
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id: SessionId(if timeout_ms > 0 { 77 } else { 0 }),
            password: Some(Bytes::copy_from_slice(&PASSWORD)),
            read_only: Some(false),
        };
        self.session.received(now, response.to_bytes(), &mut self.effects).unwrap();
        request
    }

    /// What was sent since the last look, without lengths.
    fn frames(&mut self) -> Vec<Bytes> {
        let mut bytes = mem::take(self.session.output()).freeze();
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let length = i32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize;
            frames.push(bytes.slice(4..4 + length));
            bytes = bytes.slice(4 + length..);
        }
        frames
    }

    fn requests(&mut self) -> Vec<(i32, Request)> {
        self.frames()
            .into_iter()
            .map(|frame| {
                let mut reader = Reader::new(frame);
                let header = RequestHeader::read(&mut reader).unwrap();
                let op = OpCode::from_code(header.op).unwrap();
                (header.xid, Request::read(op, &mut reader).unwrap().unwrap())
            })
            .collect()
    }

    fn reply(&mut self, xid: i32, zxid: i64, code: ErrorCode, body: &dyn Fn(&mut Writer)) -> Result<(), Error> {
        let mut out = Writer::new();
        ReplyHeader { xid, zxid: Zxid(zxid), err: code.code() }.write(&mut out);
        body(&mut out);
        self.session.received(Tick(0), out.into_bytes(), &mut self.effects)
    }

    fn ask(&mut self, request: Request, waiting: u32) {
        self.session.request(Tick(0), request, waiting, &mut self.effects);
    }

    fn effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }
}

fn nothing(_: &mut Writer) {}

fn get(path: &str, watch: bool) -> Request {
    Request::GetData(GetDataRequest { path: path.into(), watch })
}

fn exists(path: &str, watch: bool) -> Request {
    Request::Exists(ExistsRequest { path: path.into(), watch })
}

fn loss(path: &str) -> Error {
    Error::ConnectionLoss { path: path.into() }
}

#[test]
fn calls_before_the_first_connection_wait_for_it_and_fail_with_it() {
    let mut world = World::new("a:1");
    world.ask(get("/x", false), 1);
    assert!(world.requests().is_empty());
    world.effects.clear();
    world.session.lost(Tick(5), &mut world.effects);
    let effects = world.effects();
    assert_eq!(effects[0], Effect::Reply { waiting: 1, result: Err(loss("/x")) });
    assert!(matches!(&effects[1..], [Effect::Connect { after_ms: 10..=20, .. }]), "{effects:?}");

    world.ask(get("/y", false), 2);
    world.accept(Tick(30), 6000);
    assert_eq!(world.requests(), [(1, get("/y", false))]);
    let key = SessionKey { id: SessionId(77), password: PASSWORD, timeout_ms: 6000 };
    assert_eq!(world.effects(), [Effect::Became(State::Connected(key)), Effect::Tell(Event::Connected)]);
}

#[test]
fn a_server_that_only_reads_is_told_of() {
    let mut world = World::new("a:1");
    let password = Some(Bytes::copy_from_slice(&PASSWORD));
    let response = ConnectResponse {
        protocol_version: 0,
        timeout_ms: 6000,
        session_id: SessionId(77),
        password,
        read_only: Some(true),
    };
    world.session.opened(Tick(10));
    world.session.received(Tick(10), response.to_bytes(), &mut world.effects).expect("an answer");
    assert!(world.effects().contains(&Effect::Tell(Event::ConnectedReadOnly)));
}

#[test]
fn replies_go_to_their_callers_in_order() {
    let mut world = World::connected("a:1/k");
    let create = CreateRequest { path: "/k/a".into(), data: None, acl: vec![], flags: 0 };
    world.ask(Request::Create(create), 1);
    world.ask(get("/k/a", false), 2);
    assert_eq!(world.requests().iter().map(|(xid, _)| *xid).collect::<Vec<_>>(), [1, 2]);
    let body = CreateResponse { path: "/k/a".into() };
    world.reply(1, 5, ErrorCode::Ok, &|out| body.write(out)).unwrap();
    world.reply(2, 5, ErrorCode::NoNode, &nothing).unwrap();
    let refused = Error::Refused { code: ErrorCode::NoNode, path: "/a".into() };
    assert_eq!(
        world.effects(),
        [
            Effect::Reply { waiting: 1, result: Ok(Response::Create(body)) },
            Effect::Reply { waiting: 2, result: Err(refused) },
        ]
    );
}

#[test]
fn a_reply_out_of_order_costs_the_connection_and_the_caller_hears_of_it() {
    let mut world = World::connected("a:1");
    world.ask(get("/a", false), 1);
    assert_eq!(world.reply(2, 5, ErrorCode::Ok, &nothing), Err(Error::UnexpectedReply));
    world.session.lost(Tick(0), &mut world.effects);
    assert!(world.effects().contains(&Effect::Reply { waiting: 1, result: Err(loss("/a")) }));
    let mut world = World::connected("a:1");
    assert_eq!(world.reply(1, 5, ErrorCode::Ok, &nothing), Err(Error::UnexpectedReply));
}

#[test]
fn an_event_is_told_before_the_reply_that_follows_it() {
    let mut world = World::connected("a:1/k");
    world.ask(get("/k/a", true), 1);
    let data = GetDataResponse { data: None, stat: Stat::default() };
    world.reply(1, 5, ErrorCode::Ok, &|out| data.write(out)).unwrap();
    world.ask(get("/k/a", false), 2);
    let fired = WatcherEvent { kind: event::NODE_DATA_CHANGED, state: 3, path: "/k/a".into() };
    world.reply(xid::NOTIFICATION, -1, ErrorCode::Ok, &|out| fired.write(out)).unwrap();
    world.reply(2, 6, ErrorCode::Ok, &|out| data.write(out)).unwrap();
    let told = WatchedEvent { kind: EventKind::NodeDataChanged, path: "/a".into() };
    assert_eq!(world.effects()[1], Effect::Tell(Event::Watch(told)));
    // It fired: a reconnect does not set it again.
    world.session.lost(Tick(0), &mut world.effects);
    world.requests();
    world.accept(Tick(1), 6000);
    assert!(world.requests().is_empty());
}

#[test]
fn a_reconnect_takes_the_session_along_and_sets_its_watches_again() {
    let mut world = World::connected("a:1,b:2");
    world.ask(exists("/a", true), 1);
    world.ask(exists("/b", true), 2);
    let stat = Stat::default();
    world.reply(1, 0x50, ErrorCode::Ok, &|out| stat.write(out)).unwrap();
    world.reply(2, 0x51, ErrorCode::NoNode, &nothing).unwrap();
    world.ask(get("/c", true), 3);
    world.requests();
    world.effects.clear();
    world.session.lost(Tick(0), &mut world.effects);
    let effects = world.effects();
    assert_eq!(
        effects[..3],
        [
            Effect::Tell(Event::Disconnected),
            Effect::Became(State::Connecting),
            Effect::Reply { waiting: 3, result: Err(loss("/c")) },
        ]
    );
    assert!(matches!(&effects[3..], [Effect::Connect { after_ms: 0, .. }]));

    world.ask(get("/d", false), 4);
    let request = world.accept(Tick(3), 6000);
    assert_eq!(
        (request.session_id, request.password.as_deref(), request.last_zxid_seen),
        (SessionId(77), Some(&PASSWORD[..]), Zxid(0x51))
    );
    let watches = SetWatches {
        relative_zxid: Zxid(0x51),
        data_watches: vec!["/a".into()],
        exist_watches: vec!["/b".into()],
        child_watches: vec![],
    };
    assert_eq!(world.requests(), [(xid::SET_WATCHES, Request::SetWatches(watches)), (4, get("/d", false))]);
    world.reply(xid::SET_WATCHES, 0x52, ErrorCode::Ok, &nothing).unwrap();
    world.effects.clear();
    world.reply(4, 0x52, ErrorCode::NoNode, &nothing).unwrap();
    assert!(matches!(world.effects()[..], [Effect::Reply { waiting: 4, .. }]));
}

#[test]
fn persistent_watches_need_the_newer_request() {
    let mut world = World::connected("a:1");
    world.ask(Request::AddWatch(AddWatchRequest { path: "/a".into(), mode: 1 }), 1);
    world.reply(1, 1, ErrorCode::Ok, &|out| 0i32.write(out)).unwrap();
    world.session.lost(Tick(0), &mut world.effects);
    world.accept(Tick(0), 6000);
    assert!(matches!(&world.requests()[..],
        [(xid::SET_WATCHES, Request::SetWatches2(again))] if again.persistent_recursive_watches == ["/a"]));
}

#[test]
fn a_refused_session_is_over_for_everybody() {
    let mut world = World::connected("a:1");
    world.session.lost(Tick(0), &mut world.effects);
    world.ask(get("/a", false), 1);
    world.effects.clear();
    world.accept(Tick(0), 0);
    let expired = |path: &str| Error::SessionExpired { path: path.into() };
    assert_eq!(
        world.effects(),
        [
            Effect::Disconnect,
            Effect::Tell(Event::Expired),
            Effect::Reply { waiting: 1, result: Err(expired("/a")) },
            Effect::Became(State::Expired),
        ]
    );
    world.ask(get("/b", false), 2);
    assert_eq!(world.effects(), [Effect::Reply { waiting: 2, result: Err(expired("/b")) }]);
    assert_eq!(world.session.next_deadline(), None);
}

#[test]
fn an_idle_connection_pings_and_a_silent_server_is_given_up() {
    let mut world = World::connected("a:1");
    assert_eq!(world.session.next_deadline(), Some(Tick(2000)));
    world.session.tick(Tick(2000), &mut world.effects);
    assert_eq!(world.requests(), [(xid::PING, Request::Ping)]);
    assert!(world.effects().is_empty());
    world.session.tick(Tick(3999), &mut world.effects);
    assert_eq!(world.session.next_deadline(), Some(Tick(4000)));
    world.session.tick(Tick(4000), &mut world.effects);
    assert_eq!(world.effects()[..2], [Effect::Disconnect, Effect::Tell(Event::Disconnected)]);
}

#[test]
fn a_server_that_does_not_answer_the_handshake_is_given_up() {
    let mut world = World::new("a:1,b:2,c:3");
    assert_eq!(world.session.next_deadline(), Some(Tick(3000)));
    world.session.opened(Tick(10));
    assert_eq!(world.session.next_deadline(), Some(Tick(3010)));
    world.effects.clear();
    world.session.tick(Tick(3010), &mut world.effects);
    assert!(matches!(world.effects()[..], [Effect::Disconnect, Effect::Connect { after_ms: 0, .. }]));
}

#[test]
fn identities_are_shown_at_every_server() {
    let mut world = World::connected("a:1");
    let identity = Identity { scheme: "digest".into(), proof: Bytes::from_static(b"u:p"), waiting: Some(9) };
    world.session.authenticate(Tick(0), identity, &mut world.effects);
    let packet = AuthPacket { kind: 0, scheme: Some("digest".into()), auth: Some(Bytes::from_static(b"u:p")) };
    assert_eq!(world.requests(), [(xid::AUTH, Request::Auth(packet.clone()))]);
    world.reply(xid::AUTH, 0, ErrorCode::Ok, &nothing).unwrap();
    assert_eq!(world.effects(), [Effect::Reply { waiting: 9, result: Ok(Response::Empty) }]);
    world.session.lost(Tick(0), &mut world.effects);
    world.accept(Tick(0), 6000);
    assert_eq!(world.requests(), [(xid::AUTH, Request::Auth(packet))]);
    world.effects.clear();
    world.reply(xid::AUTH, 0, ErrorCode::AuthFailed, &nothing).unwrap();
    assert_eq!(
        world.effects(),
        [Effect::Disconnect, Effect::Tell(Event::AuthFailed), Effect::Became(State::AuthFailed)]
    );
}

#[test]
fn closing_answers_what_came_before_and_refuses_what_comes_after() {
    let mut world = World::connected("a:1");
    world.ask(get("/a", false), 1);
    world.ask(Request::CloseSession, 2);
    world.ask(get("/b", false), 3);
    assert_eq!(world.effects(), [Effect::Reply { waiting: 3, result: Err(Error::Closed) }]);
    world.reply(1, 1, ErrorCode::NoNode, &nothing).unwrap();
    world.effects.clear();
    world.reply(2, 2, ErrorCode::Ok, &nothing).unwrap();
    assert_eq!(
        world.effects(),
        [Effect::Reply { waiting: 2, result: Ok(Response::Empty) }, Effect::Disconnect, Effect::Became(State::Closed)]
    );
    assert!(world.session.is_over());
}

#[test]
fn a_connection_that_breaks_while_closing_is_not_opened_again() {
    let mut world = World::connected("a:1");
    world.ask(Request::CloseSession, 1);
    world.session.lost(Tick(0), &mut world.effects);
    let effects = world.effects();
    assert!(effects.contains(&Effect::Reply { waiting: 1, result: Err(loss("")) }));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Connect { .. })));
}

#[test]
fn request_ids_stay_positive() {
    let mut world = World::connected("a:1");
    world.session.next_xid = i32::MAX;
    world.ask(get("/a", false), 1);
    world.ask(get("/a", false), 2);
    assert_eq!(world.requests().iter().map(|(xid, _)| *xid).collect::<Vec<_>>(), [i32::MAX, 1]);
}

#[test]
fn nonsense_is_an_error_and_no_panic() {
    let mut world = World::connected("a:1");
    for length in 0..20 {
        let frame = Bytes::from(vec![0xff; length]);
        let _ = world.session.received(Tick(0), frame, &mut world.effects);
    }
    let unknown = WatcherEvent { kind: 99, state: 3, path: "/a".into() };
    let result = world.reply(xid::NOTIFICATION, -1, ErrorCode::Ok, &|out| unknown.write(out));
    assert_eq!(result, Err(Error::UnexpectedReply));
}

#[test]
fn watches_are_forgotten_without_a_server() {
    let mut world = World::connected("a:1");
    let watch = AddWatchRequest { path: "/w".into(), mode: 1 };
    world.session.request(Tick(1), Request::AddWatch(watch), 1, &mut world.effects);
    let (xid, _) = world.requests().remove(0);
    let reply = ReplyHeader { xid, zxid: Zxid(1), err: 0 };
    let mut frame = reply.to_bytes().to_vec();
    frame.extend_from_slice(&0i32.to_be_bytes());
    world.session.received(Tick(1), frame.into(), &mut world.effects).unwrap();
    world.session.lost(Tick(2), &mut world.effects);
    world.effects.clear();
    let remove = |kind| Request::RemoveWatches(zk_proto::ops::RemoveWatchesRequest { path: "/w".into(), kind });
    world.session.forget_watches(Tick(3), remove(4), 2, &mut world.effects);
    let refused = Error::Refused { code: ErrorCode::NoWatcher, path: "/w".into() };
    assert_eq!(world.effects, [Effect::Reply { waiting: 2, result: Err(refused) }]);
    world.effects.clear();
    world.session.forget_watches(Tick(3), remove(5), 3, &mut world.effects);
    let event = WatchedEvent { kind: EventKind::PersistentWatchRemoved, path: "/w".into() };
    let told = [Effect::Tell(Event::Watch(event)), Effect::Reply { waiting: 3, result: Ok(Response::Empty) }];
    assert_eq!(world.effects, told);
}

impl World {
    /// A server with SASL that takes the password `secret`, up to what it says last.
    fn log_in(&mut self, password: &str) -> Vec<(i32, Request)> {
        use sasl::{DigestMd5Server, Mechanism};

        self.session.login = Some(std::sync::Arc::new(crate::Login::new("bob", password)));
        self.accept(Tick(0), 6000);
        let mut server = DigestMd5Server::new(Mechanism::ZOOKEEPER, "nonce".into());
        loop {
            let mut requests = self.requests();
            let [(xid, Request::Sasl(SaslRequest { token: Some(token) }))] = requests.as_slice() else {
                return mem::take(&mut requests);
            };
            let (xid, answer) = (*xid, server.step(token, |_| Some("secret")));
            let (code, answer) = match answer {
                Ok(answer) => (ErrorCode::Ok, Some(Bytes::from(answer))),
                Err(_) => (ErrorCode::AuthFailed, None),
            };
            self.reply(xid, 0, code, &|out| SaslResponse { token: answer.clone() }.write(out)).unwrap();
        }
    }
}

#[test]
fn a_login_comes_before_what_waits() {
    let mut world = World::new("a:1");
    world.ask(get("/x", false), 1);
    world.effects.clear();
    let requests = world.log_in("secret");
    assert!(matches!(requests.as_slice(), [(_, Request::GetData(_))]), "{requests:?}");
    let effects = world.effects();
    let [Effect::Tell(Event::Connected), Effect::Became(State::Connected(_)), Effect::Tell(last)] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(last, &Event::SaslAuthenticated);
}

#[test]
fn a_login_that_fails_ends_the_session() {
    let mut world = World::new("a:1");
    world.ask(get("/x", false), 1);
    world.log_in("wrong");
    assert!(world.session.is_over());
    let failed = Error::AuthFailed { path: "/x".into() };
    assert!(world.effects().contains(&Effect::Reply { waiting: 1, result: Err(failed) }));
}

#[test]
fn a_server_without_sasl_is_no_server_for_a_login() {
    let mut world = World::new("a:1");
    world.session.login = Some(std::sync::Arc::new(crate::Login::new("bob", "secret")));
    world.accept(Tick(0), 6000);
    let xid = world.requests()[0].0;
    world.reply(xid, 0, ErrorCode::Ok, &|out| SaslResponse { token: None }.write(out)).unwrap();
    assert!(world.effects().contains(&Effect::Tell(Event::AuthFailed)));
}
