"""TLS, certificates and SASL with kazoo, against the server on the ports named on the command line.

    kazoo_security_script.py PLAIN_PORT TLS_PORT PEM USER PASSWORD

PEM holds a key, its certificate and that of the authority. Prints `ok NAME` per check; the first failure ends it with a
traceback and exit code 1.
"""

import socket
import ssl
import sys
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import ACL, Id, Permissions

PLAIN, TLS, PEM, USER, PASSWORD = sys.argv[1:]
ALL = Permissions.ALL


def client(**options):
    made = KazooClient(timeout=6.0, **options)
    made.start(timeout=15)
    return made


def over_tls(port=TLS, **options):
    return client(
        hosts=f"localhost:{port}", use_ssl=True, certfile=PEM, keyfile=PEM, ca=PEM, verify_certs=True, **options
    )


def sasl(user=USER, password=PASSWORD, **options):
    login = {"mechanism": "DIGEST-MD5", "username": user, "password": password}
    return client(hosts=f"localhost:{PLAIN}", sasl_options=login, **options)


def creator(zk, path):
    zk.create(path, b"mine", acl=[ACL(ALL, Id("auth", ""))])
    return zk.get_acls(path)[0][0].id


def tls():
    zk = over_tls()
    zk.create("/tls", b"x" * 900_000)
    assert len(zk.get("/tls")[0]) == 900_000
    events = []
    zk.get("/tls", watch=events.append)
    zk.set("/tls", b"two")
    deadline = time.time() + 10
    while not events and time.time() < deadline:
        time.sleep(0.01)
    assert events[0].path == "/tls"
    futures = [zk.create_async(f"/tls/{n}", b"y" * 10_000) for n in range(300)]
    assert all(future.get(timeout=20) for future in futures)
    zk.delete("/tls", recursive=True)
    zk.stop()


def certificates():
    zk = over_tls()
    owner = creator(zk, "/certified")
    assert owner.scheme == "x509" and "CN=localhost" in owner.id, owner
    other = client(hosts=f"localhost:{PLAIN}")
    try:
        other.get("/certified")
        raise AssertionError("somebody else may read it")
    except NoAuthError:
        pass
    zk.delete("/certified")
    zk.stop()
    other.stop()


def logins():
    zk = sasl()
    owner = creator(zk, "/login")
    assert (owner.scheme, owner.id) == ("sasl", USER), owner
    other = client(hosts=f"localhost:{PLAIN}")
    try:
        other.get("/login")
        raise AssertionError("somebody else may read it")
    except NoAuthError:
        pass
    zk.delete("/login")
    zk.stop()
    other.stop()


def both():
    login = {"mechanism": "DIGEST-MD5", "username": USER, "password": PASSWORD}
    zk = over_tls(sasl_options=login)
    zk.create("/both", b"", acl=[ACL(ALL, Id("auth", ""))])
    assert {acl.id.scheme for acl in zk.get_acls("/both")[0]} == {"x509", "sasl"}
    zk.delete("/both")
    zk.stop()


def wrong_password():
    # kazoo says that it is connected before it logs in.
    try:
        zk = sasl(password="wrong")
        zk.get_async("/").get(timeout=10)
        raise AssertionError("it was let in")
    except (KazooException, KazooTimeoutError):
        pass


def not_tls():
    with socket.create_connection(("localhost", int(TLS)), timeout=20) as plain:
        plain.sendall(b"\0\0\0\x2d" + b"\0" * 45)
        assert plain.recv(100)[:1] != b"\0", "no answer to a handshake in plain text"
    half = socket.create_connection(("localhost", int(TLS)))
    half.sendall(b"\x16\x03")
    over_tls().stop()
    half.close()


def no_certificate():
    context = ssl.create_default_context(cafile=PEM)
    try:
        with socket.create_connection(("localhost", int(TLS)), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as secure:
                secure.sendall(b"\0\0\0\x2d" + b"\0" * 45)
                assert not secure.recv(1)
    except (ssl.SSLError, ConnectionResetError):
        pass


for check in [tls, certificates, logins, both, wrong_password, not_tls, no_certificate]:
    check()
    print("ok", check.__name__, flush=True)
