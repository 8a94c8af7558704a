"""Four servers behind HAProxy, and four behind nginx, as the files in deploy/ configure them, with other ports: clients'
addresses, the spread, a server that is killed under load, and a restart of all four, one after the other."""

import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MULTICONN = os.environ.get("MULTICONN", ROOT / "target/debug/multiconn")
# How long to wait for something that must come.
PATIENCE = 30
# Longer than HAProxy takes to notice a 503: the interval of its checks and their timeout.
STOP_DELAY = "2s"


def message(content, **more):
    body = json.dumps(content, ensure_ascii=False).encode()
    header = json.dumps({"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8",
                         "content-length": len(body), **more}).encode()
    return struct.pack(">H", len(header)) + header + body


ONE = message({"action": "search", "value": "ring"})
KEPT = message({"action": "search", "value": "ring"}, connection="keep-alive")
REPLY = message({"result": "In the caves beneath the Misty Mountains. 💍"})
KEPT_REPLY = message({"result": "In the caves beneath the Misty Mountains. 💍"}, connection="keep-alive")


def awaited(what, is_so):
    """Waits until `is_so` returns something true, and returns that."""
    start = time.monotonic()
    while not (found := is_so()):
        if time.monotonic() - start > PATIENCE:
            raise TimeoutError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.01)
    return found


def free_ports(count):
    """Ports that nobody uses, below those that the system assigns to clients, so that a server can come back to its own."""
    found = []
    while len(found) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def connect(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))


def received(stream):
    """All bytes until the end, or until the connection breaks."""
    parts = []
    try:
        while part := stream.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def name(stream):
    host, port = stream.getsockname()
    return f"{host}:{port}"


class Server:
    """A server of the application protocol, which can be started again at the same addresses."""

    def __init__(self, port, admin, folder):
        self.port, self.admin = port, admin
        self.log, self.access_log = folder / f"{port}.log", folder / f"{port}.access"
        self.start()

    def start(self):
        command = [MULTICONN, "serve", "app", str(self.port), "--proxy-protocol", "--admin", str(self.admin),
                   "--stop-delay", STOP_DELAY, "--access-log", self.access_log]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        with self.process.stdout as lines:
            if not lines.readline().startswith(b"Listening on ") or not lines.readline().startswith(b"Admin on "):
                self.process.wait()
                raise OSError(self.log.read_text())

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=PATIENCE) as response:
            return response.read().decode()

    def peers(self):
        return [connection["peer"] for connection in json.loads(self.get("/state.json"))["connections"]]

    def requests(self):
        return int(re.search(r"^multiconn_messages_total (\d+)$", self.get("/metrics"), re.MULTILINE)[1])


class Load:
    """Clients that make one request after the other, each on a connection of its own."""

    CLIENTS = 8

    def __init__(self, port):
        self.port = port
        self.is_over = False
        # When each request was begun and ended, and its reply or the reason why there is none.
        self.made = []
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=self.work) for _ in range(self.CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.is_over:
            start = time.monotonic()
            try:
                with connect(self.port) as stream:
                    stream.sendall(ONE)
                    reply = received(stream)
            except OSError as error:
                reply = str(error)
            self.made.append((start, time.monotonic(), reply))

    def end(self):
        """Ends it, and returns the requests that were lost."""
        self.is_over = True
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began
        return [made for made in self.made if made[2] != REPLY]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Balancer:
    """The tests, which those of each balancer inherit."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(cls.end_all)
        for tries_left in (2, 1, 0):
            try:
                return cls.start_all()
            except OSError:
                # Somebody else has taken a port meanwhile.
                cls.end_all()
                if not tries_left:
                    raise

    @classmethod
    def start_all(cls):
        folder = Path(cls.folder.name)
        cls.port, *ports = free_ports(9)
        cls.servers, cls.balancer = [], None
        for port, admin in zip(ports[:4], ports[4:]):
            cls.servers.append(Server(port, admin, folder))
        cls.balancer = cls.start_balancer(folder)

        def answers():
            if cls.balancer.poll() is not None:
                raise OSError(f"it has ended: {cls.log()}")
            try:
                with connect(cls.port) as stream:
                    stream.sendall(ONE)
                    return received(stream) == REPLY
            except ConnectionError:
                return False

        awaited("the balancer answers", answers)

    @classmethod
    def spawn(cls, command, folder, **variables):
        with open(folder / "balancer.log", "wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **variables})

    @classmethod
    def end_all(cls):
        for process in [cls.balancer, *(server.process for server in cls.servers)]:
            if process and process.poll() is None:
                # Both balancers end their own processes at this signal.
                process.terminate() if process is cls.balancer else process.kill()
                process.wait(PATIENCE)

    @classmethod
    def log(cls):
        return (Path(cls.folder.name) / "balancer.log").read_text()

    def say(self, words):
        print(f"{type(self).__name__}: {words}", flush=True)

    def open_many(self, count, sent):
        """Connections that have sent these bytes, each from an address of its own, and the servers' peers."""
        streams = [connect(self.port, f"127.0.0.{10 + number}") for number in range(count)]
        for stream in streams:
            self.addCleanup(stream.close)
            stream.sendall(sent)
        wanted = sorted(map(name, streams))

        def all_there():
            peers = [server.peers() for server in self.servers]
            return sorted(sum(peers, [])) == wanted and peers

        return streams, awaited("each server sees its clients by their addresses", all_there)

    def assert_even(self, counts):
        share = sum(counts) / len(counts)
        for count in counts:
            self.assertLessEqual(abs(count - share), share / 10, counts)

    def test_clients_addresses_are_intact_and_the_spread_is_even(self):
        streams, peers = self.open_many(100, KEPT)
        counts = [len(each) for each in peers]
        self.say(f"{len(streams)} connections at once, {counts} on the servers")
        self.assert_even(counts)
        for stream in streams:
            while len(reply := stream.recv(65536, socket.MSG_PEEK)) < len(KEPT_REPLY):
                self.assertTrue(reply)
            self.assertEqual(reply, KEPT_REPLY)
            stream.close()
        for server, clients in zip(self.servers, peers):
            def logged():
                lines = map(json.loads, server.access_log.read_text().splitlines())
                return set(clients) <= {line["peer"] for line in lines}

            awaited("they are in the access log", logged)
            log = server.log.read_text()
            for client in clients:
                self.assertIn(f" is for {client}\n", log)

        before = [server.requests() for server in self.servers]
        for _ in range(400):
            with connect(self.port) as stream:
                stream.sendall(ONE)
                self.assertEqual(received(stream), REPLY)
        counts = [server.requests() - count for server, count in zip(self.servers, before)]
        self.say(f"400 connections one after the other, {counts} on the servers")
        self.assertEqual(sum(counts), 400)
        self.assert_even(counts)

    def test_a_killed_server_loses_what_is_in_flight_there_and_nothing_else(self):
        streams, peers = self.open_many(40, ONE[:50])
        killed = self.servers[1]
        with Load(self.port) as load:
            awaited("there is load", lambda: len(load.made) >= 200)
            before = time.monotonic()
            killed.end(signal.SIGKILL)
            after = time.monotonic()
            awaited("the balancer notices", lambda: self.has_noticed(killed))
            killed.start()
            restarted = time.monotonic()
            awaited("it is served again", killed.requests)
            seconds = time.monotonic() - restarted
            lost = load.end()
        for start, end, reply in lost:
            self.assertTrue(start <= after and end >= before, f"{start} to {end}, killed {before} to {after}: {reply!r}")
        for stream in streams:
            is_lost = name(stream) in peers[1]
            if not is_lost:
                stream.sendall(ONE[50:])
            self.assertEqual(received(stream), b"" if is_lost else REPLY)
        self.say(f"killed one of four: lost {len(lost)} of {len(load.made)} requests, and {len(peers[1])} of {len(streams)} "
                 f"that were half sent, all in flight there; served again {seconds:.1f} s after its start")

    def test_a_rolling_restart_loses_nothing(self):
        with Load(self.port) as load:
            for server in self.servers:
                awaited("it has load", server.requests)
                self.restart(server)
                awaited("it is served again", server.requests)
            lost = load.end()
        self.assertEqual(lost, [])
        self.say(f"restarted all four in {load.seconds:.0f} s: lost {len(lost)} of {len(load.made)} requests")


class Haproxy(Balancer, unittest.TestCase):
    @classmethod
    def start_balancer(cls, folder):
        variables = {"FRONT": f"127.0.0.1:{cls.port}"}
        for number, server in enumerate(cls.servers, 1):
            variables |= {f"PORT_{number}": str(server.port), f"ADMIN_{number}": str(server.admin)}
        return cls.spawn(["/usr/sbin/haproxy", "-db", "-f", ROOT / "deploy/haproxy.cfg"], folder, **variables)

    def has_noticed(self, server):
        names = ["one", "two", "three", "four"]
        return f"Server servers/{names[self.servers.index(server)]} is DOWN" in self.log()

    def restart(self, server):
        # Its checks see that the server stops, before it does.
        self.assertEqual(server.end(signal.SIGTERM), 0)
        server.start()


class Nginx(Balancer, unittest.TestCase):
    @classmethod
    def start_balancer(cls, folder):
        cls.file = folder / "nginx.conf"
        cls.configure()
        return cls.spawn(cls.command(folder), folder)

    @classmethod
    def command(cls, folder, *more):
        options = f"daemon off; pid {folder / 'nginx.pid'};"
        return ["/usr/sbin/nginx", "-e", "stderr", "-c", cls.file, "-g", options, *more]

    @classmethod
    def configure(cls, down=None):
        """Writes the file with other ports, and with one server marked as down."""
        text = (ROOT / "deploy/nginx-stream.conf").read_text().replace(":65432;", f":{cls.port};")
        for number, server in enumerate(cls.servers, 1):
            text = text.replace(f":700{number} ", f":{server.port} {'down ' if server is down else ''}")
        cls.file.write_text(text)

    def reload(self, down=None):
        """Makes it read its file again, and waits until the processes with the old one have finished."""
        self.configure(down)
        children = Path(f"/proc/{self.balancer.pid}/task/{self.balancer.pid}/children")
        old = set(children.read_text().split())
        self.balancer.send_signal(signal.SIGHUP)
        awaited("its old processes have ended", lambda: not old & set(children.read_text().split()))

    def has_noticed(self, server):
        disabled = [line for line in self.log().splitlines() if "server temporarily disabled" in line]
        return any(f'"127.0.0.1:{server.port}"' in line for line in disabled)

    def restart(self, server):
        # It has no checks that see in time that the server stops.
        self.reload(down=server)
        self.assertEqual(server.end(signal.SIGTERM), 0)
        server.start()
        self.reload()


if __name__ == "__main__":
    unittest.main(verbosity=2)
