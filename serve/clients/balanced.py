"""Clients of two servers behind nginx, of which one is killed, comes back, and drains: what is lost, and what must not be.

Usage: balanced.py BINARY NGINX
nginx runs with packaging/serve/nginx.conf, but for the ports, as a user without rights. All requests are the official client's.
"""

import collections
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import openai

from server_process import ServerProcess

BINARY, NGINX = sys.argv[1:3]
CONFIGURATION = pathlib.Path("packaging/serve/nginx.conf").read_text()
CONTAINER = pathlib.Path("packaging/serve/Containerfile").read_text()
# The file is for an nginx that has the rest; this is as little of it as there may be.
AROUND = """
daemon off;
pid {work}/pid;
error_log {work}/errors;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    log_format upstreams $upstream_status;
    access_log {work}/requests upstreams;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    include {work}/tercet.conf;
}}
"""
# A server's own limit.
CONNECTIONS = 512
# fail_timeout, and what a busy machine adds.
SECONDS_BACK = 15


def ask_of(i):
    """One of the requests that the load is made of; the odd ones are streamed, and take longer."""
    streamed = i % 2 == 1
    return {"model": "shakespeare", "prompt": f"Scene {i}.", "seed": i, "stream": streamed,
            "max_tokens": 160 if streamed else 40, "extra_body": {"ignore_eos": True}}


ASKS = [ask_of(i) for i in range(12)]


def client_of(url, key="none"):
    """The official client, which asks once only."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def get(url, **headers):
    """Status, headers and body of a GET, or of a POST where there is a body."""
    body = headers.pop("body", None)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def until(what, holds, seconds=20):
    """Waits for something."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Balancer:
    """nginx with the shipped configuration before the servers at two ports."""

    def __init__(self, ports):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tercet-nginx."))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        shipped = CONFIGURATION
        for before, now in [("8080", port), ("8082", ports[0]), ("8083", ports[1])]:
            assert shipped.count(f"127.0.0.1:{before}") == 1, before
            shipped = shipped.replace(f"127.0.0.1:{before}", f"127.0.0.1:{now}")
        (self.work / "tercet.conf").write_text(shipped)
        (self.work / "nginx.conf").write_text(AROUND.format(work=self.work))
        nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if nobody:
            subprocess.run(["chown", "-R", "nobody:nogroup", self.work], check=True)
        command = [NGINX, "-e", str(self.work / "errors"), "-c", str(self.work / "nginx.conf")]
        subprocess.run([*command, "-t", "-q"], check=True, **nobody)
        self.process = subprocess.Popen(command, **nobody)
        until("nginx listens", lambda: (self.work / "pid").exists())

    def requests(self):
        """Of each request the statuses that it had from the servers that were asked, in turn."""
        lines = (self.work / "requests").read_text().splitlines()
        return [line.split(", ") for line in lines]

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        subprocess.run(["rm", "-r", self.work], check=True)


class Load:
    """Clients that ask one thing after another until they are told to stop, and note what becomes of each."""

    def __init__(self, url, expected, threads=10):
        self.client, self.expected = client_of(url), expected
        self.over, self.counts, self.wrong = threading.Event(), collections.Counter(), []
        self.threads = [threading.Thread(target=self.go_on, args=(i,)) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def go_on(self, number):
        while not self.over.is_set():
            what = self.one(number)
            self.counts[what] += 1
            if what in ("lost", "ended early", "other text"):
                self.wrong.append(what)
            number += len(self.threads) + 1

    def one(self, number):
        """Asks one thing and says what became of it."""
        ask, text = ASKS[number % len(ASKS)], self.expected[number % len(ASKS)]
        try:
            answer = self.client.completions.create(**ask)
        except openai.APIError as error:
            print(f"  lost: {error!r}")
            return "lost"
        if not ask["stream"]:
            return "whole" if answer.choices[0].text == text else "other text"
        written, reason = "", None
        try:
            for piece in answer:
                written += piece.choices[0].text
                reason = piece.choices[0].finish_reason or reason
        except Exception:  # noqa: BLE001 - whatever the client's transport calls it: it is an error, which is the point
            return "broken, and told so" if text.startswith(written) else "other text"
        if reason is None:
            return "ended early"
        return "streamed" if written == text else "other text"

    def end(self):
        """Stops and says what became of all, of which nothing may be lost or wrong."""
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.wrong, (self.wrong, self.counts)
        return self.counts


def texts_of(url):
    """What a server writes when it is asked these things alone."""
    client = client_of(url)
    whole = lambda ask: client.completions.create(**{**ask, "stream": False}).choices[0].text
    return [whole(ask) for ask in ASKS]


def told(name, counts):
    print(f"  {name}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))


def turned_away(balancer, servers, expected):
    """What one has no room for, the other answers."""
    body = json.dumps({**ASKS[1], "max_tokens": 400, "ignore_eos": True, "extra_body": None}).encode()
    waits = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    sockets = []
    # Some of the first may give way before it has seen that they ask something.
    while len(sockets) < CONNECTIONS or get(f"{servers[0].url}/health")[0] == 200:
        assert len(sockets) < 2 * CONNECTIONS, "it has room for all"
        sockets.append(socket.create_connection(("127.0.0.1", servers[0].port)))
        sockets[-1].sendall(waits)
    client = client_of(balancer.url)
    assert [client.completions.create(**ASKS[0]).choices[0].text for _ in range(4)] == [expected[0]] * 4
    for one in sockets:
        one.close()
    assert ["503", "200"] in balancer.requests()


def end_of(stream):
    """How a stream of eight texts ends: whole, early, or broken off with an error."""
    try:
        ended = sum(choice.finish_reason is not None for piece in stream for choice in piece.choices)
    except Exception:  # noqa: BLE001 - as above
        return "broken"
    return "whole" if ended == 8 else "early"


def killed(balancer, servers, expected):
    """One is killed under load, and what it had not begun to answer is answered by the other; then it comes back."""
    before, load = len(balancer.requests()), Load(balancer.url, expected)
    asked = lambda server: server.metric('tercet_requests_total{path="/v1/completions"')
    until("both are asked", lambda: all(asked(server) > 40 for server in servers))
    # In the middle of several, some of them streamed.
    until("it is busy", lambda: servers[0].metric("tercet_requests_processing") >= 4)
    held = [load.client.completions.create(**{**ASKS[1], "max_tokens": 400, "n": 8}) for _ in range(4)]
    for stream in held:
        next(stream)
    servers[0].end(signal.SIGKILL)
    at = time.monotonic()
    time.sleep(1.5)
    servers[0] = ServerProcess(BINARY, port=servers[0].port)
    until("it is asked again", lambda: asked(servers[0]) > 10, SECONDS_BACK)
    print(f"  killed, started again, and asked again {time.monotonic() - at:.1f} s later")
    ends = [end_of(stream) for stream in held]
    counts = load.end()
    told("killed", counts)
    # With fewest connections first, each has some of them.
    assert set(ends) == {"broken", "whole"}, ends
    again = [statuses for statuses in balancer.requests()[before:] if len(statuses) > 1]
    print(f"  {len(again)} requests were asked of the other one as well")
    assert again and all(statuses[-1] == "200" for statuses in again), again
    # Whatever was in mid-stream then, and nothing later.
    assert counts["streamed"] > 20 and counts["whole"] > 20 and counts["broken, and told so"] <= 10, counts


def drained(balancer, servers, expected):
    """One is told to end under load: nobody notices."""
    load = Load(balancer.url, expected)
    until("it is busy", lambda: servers[0].metric("tercet_requests_processing") >= 4)
    # A machine that is busy for a moment: more requests are on their way to it when it hears that it is to end.
    servers[0].process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    servers[0].process.send_signal(signal.SIGTERM)
    servers[0].process.send_signal(signal.SIGCONT)
    at = time.monotonic()
    assert servers[0].process.wait(20) == 0
    print(f"  drained in {time.monotonic() - at:.2f} s")
    time.sleep(1)
    counts = load.end()
    told("drained", counts)
    assert set(counts) == {"streamed", "whole"}, counts


def as_one(balancer, servers, expected):
    """What goes through nginx as it would without."""
    url, client = balancer.url, client_of(balancer.url)
    assert get(f"{url}/health")[0] == 200
    assert get(f"{url}/metrics")[0] == 404
    # The name that a request is for is looked at by the servers.
    assert get(f"{url}/health", Host="evil.example")[0] == 403
    assert get(f"{url}/v1/models", Origin="http://evil.example")[0] == 403
    assert get(f"{url}/v1/models", Origin=url)[0] == 200
    refused = get(f"{url}/v1/completions", body=json.dumps({"prompt": "word " * 60_000}).encode())
    assert refused[0] == 400 and b"context_length_exceeded" in refused[2], refused
    assert get(f"{url}/v1/completions", body=b" " * (5 << 20))[0] == 413
    # Piece by piece, not all at the end.
    start, times = time.monotonic(), []
    for _ in client.completions.create(**{**ASKS[1], "max_tokens": 500, "prompt": "A"}):
        times.append(time.monotonic() - start)
    assert len(times) > 100 and times[0] < times[-1] / 4, (len(times), times[0], times[-1])
    # Who goes away is gone for the server too.
    stream = client.completions.create(**{**ASKS[1], "max_tokens": 500, "n": 100})
    next(stream)
    stream.close()
    busy = lambda: sum(server.metric("tercet_requests_processing") for server in servers)
    until("nobody is served", lambda: busy() == 0, 3)


def healthy(url, expected):
    """The container's own question whether it is healthy, at this server."""
    line = next(line for line in CONTAINER.splitlines() if line.startswith("    CMD "))
    command = json.loads(line.removeprefix("    CMD "))
    command = [part.replace("8082", url.rsplit(":", 1)[1]) for part in command]
    status = subprocess.run(command, capture_output=True, timeout=20).returncode
    assert (status == 0) == expected, shlex.join(command)


def keyed(balancer, port):
    """A server with a key, which passes through, and whatever name it is called by; then nobody at all."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("sk-one\nsk-two\n")
        file.flush()
        server = ServerProcess(BINARY, "--key-file", file.name, port=port)
    ask = {"model": "shakespeare", "prompt": "A", "max_tokens": 1}
    until("it is found", lambda: get(f"{balancer.url}/health")[0] == 200, SECONDS_BACK)
    assert client_of(balancer.url, "sk-two").completions.create(**ask).choices
    try:
        client_of(balancer.url, "sk-three").completions.create(**ask)
        raise AssertionError("a key that is none was let in")
    except openai.AuthenticationError:
        pass
    named = get(f"{balancer.url}/v1/models", Host="models.example", Authorization="Bearer sk-one")
    assert named[0] == 200, named
    healthy(server.url, True)
    assert server.end() == 0
    healthy(server.url, False)
    status, headers, body = get(f"{balancer.url}/health")
    assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "1", "no_server"), (status, body)


def main():
    # The first one's queue is longer than it has connections.
    servers = [ServerProcess(BINARY, "--queue", "999"), ServerProcess(BINARY)]
    balancer = Balancer([server.port for server in servers])
    try:
        expected = texts_of(servers[0].url)
        assert expected == texts_of(servers[1].url)
        for test in [as_one, turned_away, killed, drained]:
            print(test.__name__)
            test(balancer, servers, expected)
        assert servers[1].end() == 0
        print("keyed")
        keyed(balancer, servers[0].port)
    finally:
        for server in servers:
            server.end(signal.SIGKILL)
        said = (balancer.work / "errors").read_text().splitlines()
        balancer.end()
    odd = [line for line in said if "[crit]" in line or "[alert]" in line or "[emerg]" in line]
    assert not odd, odd
    print("nginx before two servers: nothing is lost that had not begun")


main()
