"""Bytes to a server and back, below what a client's library would let anybody send; and what no answer may ever be."""

import ipaddress
import json
import socket
import time

# Codes of a 503: the server is well, and says why it does not do this one.
WELL = {"too_many_connections", "out_of_memory"}
# What smuggled requests ask for: nothing may be answered about it.
SMUGGLED = "/smuggled"


class Fault(AssertionError):
    """The server did what it must not do."""


class Wire:
    """A server's address, from many of one's own: so many connections have no ports left from one. `over` is when nobody asks any more."""

    def __init__(self, port, rng, over):
        self.port, self.rng, self.over = port, rng, over

    def open(self, timeout=10, received_bytes=None):
        """A connection."""
        one = socket.socket()
        one.settimeout(timeout)
        if received_bytes:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received_bytes)
        one.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        one.bind((str(ipaddress.IPv4Address("127.0.0.1") + self.rng.randrange(1 << 16)), 0))
        try:
            one.connect(("127.0.0.1", self.port))
        except OSError:
            one.close()
            raise
        return one

    def say(self, sent, seconds=45):
        """Sends this, and says all that comes back."""
        with self.open(seconds) as one:
            try:
                one.sendall(sent)
            except OSError:
                # It has closed already; its answer may be there.
                pass
            return self.receive(one, seconds)

    def receive(self, one, seconds=45):
        """All that comes until the server closes, or nothing comes for so long, or it is over."""
        got, last = bytearray(), time.monotonic()
        one.settimeout(0.5)
        while not self.over.is_set():
            try:
                some = one.recv(1 << 16)
            except TimeoutError:
                if time.monotonic() - last > seconds:
                    raise Fault(f"nothing comes for {seconds} s, and it is not closed; so far {bytes(got[:200])!r}") from None
                continue
            except OSError:
                break
            if not some:
                break
            got += some
            last = time.monotonic()
        return bytes(got)


def answers(got):
    """The answers in these bytes as (status, headers, body); the last may be cut short."""
    found = []
    while got:
        head, _, rest = got.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        if not first.startswith(("HTTP/1.1 ", "HTTP/1.0 ")):
            raise Fault(f"no answer, but {got[:80]!r}")
        status = int(first.split(" ")[1])
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        if status < 200:
            got = rest
            continue
        if "chunked" in headers.get("transfer-encoding", ""):
            body, got = unchunked(rest)
        else:
            length = int(headers.get("content-length", 0))
            body, got = rest[:length], rest[length:]
        found.append((status, headers, body))
    return found


def unchunked(rest):
    """The body of an answer in chunks, and what follows."""
    body, at = bytearray(), 0
    while at < len(rest):
        end = rest.find(b"\r\n", at)
        if end < 0:
            return bytes(body), b""
        length = int(rest[at:end], 16)
        body += rest[end + 2:end + 2 + length]
        at = end + length + 4
        if length == 0:
            break
    return bytes(body), rest[at:]


def check(sent, got, most=1, head=False):
    """Nothing that came back may be a fault of the server's, more than was asked for, or about what was smuggled. Returns the statuses."""
    told = f"{sent[:300]!r} ({len(sent)} bytes) got {got[:400]!r}"
    try:
        # Of HEAD there is no body, whatever the headers say.
        found = [(int(got.split(b" ")[1]), {}, b"")] if head and got else answers(got)
    except (ValueError, IndexError) as error:
        raise Fault(f"not HTTP ({error}): {told}") from error
    if len(found) > most:
        raise Fault(f"{len(found)} answers: {told}")
    if SMUGGLED.encode() in got:
        raise Fault(f"smuggled: {told}")
    for status, headers, body in found:
        if status < 400:
            continue
        # What cannot be read as HTTP has no body to be read.
        whole = len(body) == int(headers.get("content-length", 0)) and body
        try:
            error = json.loads(body)["error"] if whole else {}
        except (ValueError, KeyError, TypeError) as problem:
            raise Fault(f"an error of no known shape ({problem!r}): {told}") from problem
        if status >= 500 and not (status == 503 and (head or error.get("code") in WELL)):
            raise Fault(f"{status}: {told}")
        if whole and not (isinstance(error["message"], str) and 0 < len(error["message"]) < 2000):
            raise Fault(f"no message: {told}")
    return [status for status, _, _ in found]


def post(path, body, more=""):
    """A request with this body."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
