"""Clients that are slow, go away, do not read, or ask nothing, and many of them: they get their time, and no more."""

import json
import socket
import struct
import time

from .wire import Fault, check, post

# Over what the server gives: 10 s for a head, 30 s for a body and for what nobody takes, and what a busy machine adds.
HEAD_SECONDS, BODY_SECONDS = 20, 45
# Connections of those who ask nothing.
CROWD = 10_000
# As many as there may be at a time.
CONNECTIONS = 512


def drip(one, piece, over, seconds, every=0.3):
    """Sends a piece now and then until the server closes, or answers; says how long that took, or None where the time was up."""
    start = time.monotonic()
    one.settimeout(every)
    while not over.is_set():
        try:
            one.sendall(piece)
            # An answer, or the end; nothing is the rule.
            one.recv(1, socket.MSG_PEEK)
            return time.monotonic() - start
        except TimeoutError:
            pass
        except OSError:
            return time.monotonic() - start
        if time.monotonic() - start > seconds and not ends(one):
            raise Fault(f"a client that sends {piece[:20]!r} now and then is still listened to after {seconds} s")
    return None


def ends(one):
    """Whether the server has closed it, or is about to: we may have been late ourselves."""
    one.settimeout(3)
    try:
        one.recv(1)
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def slow_head(wire, rng):
    """A head a byte at a time, or nothing at all, or half a head."""
    with wire.open() as one:
        one.sendall(rng.choice([b"", b"G", b"GET /health HTTP/1.1\r\nhost: localhost\r\n"]))
        drip(one, rng.choice([b"", b"x: y\r\n", b"x"]), wire.over, HEAD_SECONDS)


def slow_body(wire, rng):
    """A body a byte at a time, in chunks of one, or that does not come."""
    chunked = rng.random() < 0.5
    framing = "transfer-encoding: chunked" if chunked else "content-length: 100000"
    with wire.open() as one:
        one.sendall(f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n".encode())
        piece = rng.choice([b"", b"1\r\n \r\n" if chunked else b" "])
        if drip(one, piece, wire.over, BODY_SECONDS) is not None:
            check(piece, wire.receive(one))


def endless_body(wire, rng):
    """A body that never ends, as fast as it goes."""
    with wire.open(5) as one:
        one.sendall(b"POST /tokenize HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        piece, sent = b"8000\r\n" + b" " * 0x8000 + b"\r\n", 0
        try:
            while not wire.over.is_set():
                one.sendall(piece)
                sent += len(piece)
                if sent > 64 << 20:
                    raise Fault("a body that never ends is read to 64 MiB")
        except OSError:
            pass
        check(b"an endless body", wire.receive(one))


def idle(wire, rng):
    """A connection that is kept after an answer, for nothing."""
    with wire.open() as one:
        one.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        one.recv(1 << 16)
        drip(one, b"", wire.over, HEAD_SECONDS)


def long_stream(rng, texts):
    """A request that has more to say than anybody's socket holds."""
    body = {"prompt": "A" * rng.choice([1, 900]), "max_tokens": 400, "n": texts, "stream": True, "ignore_eos": True,
            "logprobs": rng.choice([None, 20])}
    return post("/v1/completions", json.dumps(body).encode())


def vanish(wire, rng):
    """Goes away in mid-stream, politely or not, before or after the first piece, or while its prompt is read."""
    with wire.open() as one:
        one.sendall(long_stream(rng, rng.choice([1, 1, 2, 8])))
        for _ in range(rng.choice([0, 1, 1, 3])):
            one.recv(rng.choice([1, 4096]))
        if rng.random() < 0.5:
            # A reset instead of an end.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.over.wait(rng.random() / 10)


def never_read(wire, rng):
    """Asks for much and takes none of it."""
    with wire.open(received_bytes=2048) as one:
        one.sendall(long_stream(rng, 4))
        wire.over.wait(rng.choice([5, 40]))


def crowd(wire, rng):
    """Ten thousand connections that ask nothing, at once; then they all go."""
    ones = []
    try:
        while len(ones) < CROWD and not wire.over.is_set():
            ones.append(wire.open())
        wire.over.wait(rng.choice([0, 3, 12]))
    finally:
        for one in ones:
            one.close()
    wire.over.wait(2)


def half(wire, rng):
    """More connections than there may be, each with half a request."""
    asked = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{"
    ones = []
    try:
        while len(ones) < 2 * CONNECTIONS and not wire.over.is_set():
            ones.append(wire.open())
            ones[-1].sendall(asked)
        wire.over.wait(rng.choice([1, 5]))
    finally:
        for one in ones:
            one.close()
    wire.over.wait(10)


def slow(wire, rng):
    """One of those that take their time."""
    rng.choice([slow_head, slow_head, slow_body, idle])(wire, rng)


def short(wire, rng):
    """One of those that do not."""
    rng.choice([vanish] * 9 + [endless_body])(wire, rng)
