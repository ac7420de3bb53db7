"""Sessions, ephemerals, watches, locks and counters with kazoo, against the server named on the command line.

Prints `ok NAME` per check; the first failure ends it with a traceback and exit code 1.
"""

import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError

HOSTS = sys.argv[1]


def client():
    made = KazooClient(hosts=HOSTS, timeout=6.0)
    made.start(timeout=10)
    return made


def znodes():
    zk = client()
    assert zk.create("/app", b"one") == "/app"
    data, stat = zk.get("/app")
    assert (data, stat.version) == (b"one", 0)
    assert zk.set("/app", b"two", version=0).version == 1
    for call, error in [
        (lambda: zk.create("/app"), NodeExistsError),
        (lambda: zk.set("/app", b"", version=7), BadVersionError),
        (lambda: zk.get("/nothing"), NoNodeError),
    ]:
        try:
            call()
            raise AssertionError(error)
        except error:
            pass
    assert zk.create("/app/s-", sequence=True) == "/app/s-0000000000"
    assert zk.create("/app/s-", sequence=True) == "/app/s-0000000001"
    assert sorted(zk.get_children("/app")) == ["s-0000000000", "s-0000000001"]
    try:
        zk.delete("/app")
        raise AssertionError("not empty")
    except NotEmptyError:
        pass
    zk.delete("/app", recursive=True)
    assert zk.exists("/app") is None
    zk.stop()


def transactions():
    zk = client()
    transaction = zk.transaction()
    transaction.create("/t1", b"a")
    transaction.create("/t1/child")
    transaction.check("/t1", 0)
    assert transaction.commit() == ["/t1", "/t1/child", True]
    failing = zk.transaction()
    failing.set_data("/t1", b"b")
    failing.check("/t1", 99)
    failing.delete("/t1/child")
    kinds = [type(result).__name__ for result in failing.commit()]
    assert kinds == ["RolledBackError", "BadVersionError", "RuntimeInconsistency"], kinds
    assert zk.get("/t1")[0] == b"a"
    zk.delete("/t1", recursive=True)
    zk.stop()


def ephemerals_and_watches():
    owner, watcher = client(), client()
    owner.create("/members")
    events = []
    gone = threading.Event()

    def seen(event):
        events.append((event.type, event.path))
        gone.set()

    owner.create("/members/a", ephemeral=True)
    assert watcher.exists("/members/a", watch=seen) is not None
    owner.stop()
    assert gone.wait(5), "the watch did not fire"
    assert events == [("DELETED", "/members/a")], events
    assert watcher.get_children("/members") == []
    watcher.delete("/members")
    watcher.stop()


def session_survives_a_lost_connection():
    zk = client()
    zk.create("/survivor", ephemeral=True)
    session = zk.client_id
    zk._connection._socket.shutdown(2)
    deadline = time.time() + 10
    while time.time() < deadline:
        try:
            if zk.exists("/survivor") is not None and zk.connected:
                break
        except Exception:
            pass
        time.sleep(0.05)
    assert zk.client_id == session
    assert zk.exists("/survivor") is not None
    zk.stop()


def locks():
    clients = [client() for _ in range(4)]
    held, most = [0], [0]
    order = []

    def work(zk, name):
        for _ in range(5):
            with zk.Lock("/lock", name):
                held[0] += 1
                most[0] = max(most[0], held[0])
                order.append(name)
                time.sleep(0.002)
                held[0] -= 1

    threads = [threading.Thread(target=work, args=(zk, str(n))) for n, zk in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most[0] == 1 and len(order) == 20, (most, len(order))
    for zk in clients:
        zk.stop()


def counters():
    clients = [client() for _ in range(4)]

    def work(zk):
        counter = zk.Counter("/count")
        for _ in range(10):
            counter += 1

    threads = [threading.Thread(target=work, args=(zk,)) for zk in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert clients[0].Counter("/count").value == 40
    for zk in clients:
        zk.stop()


for check in [znodes, transactions, ephemerals_and_watches, session_survives_a_lost_connection, locks, counters]:
    check()
    print("ok", check.__name__, flush=True)
