"""Requests whose heads, lengths and chunks are wrong, doubled or odd: each has at most one answer, and what hides behind it none."""

from .wire import SMUGGLED, check

HOST = "host: localhost\r\n"
POST = f"POST /v1/completions HTTP/1.1\r\n{HOST}"
HIDDEN = f"GET {SMUGGLED} HTTP/1.1\r\n{HOST}\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"

LENGTHS = ["-1", "+2", "0x2", "2 2", "2,2", "2, 3", "", " ", "2.0", "1e1", "99999999999999999999", "18446744073709551616", "\u0662",
           "2\x00", "\x0b2"]
CODINGS = ["xchunked", "chunked, chunked", "identity", "gzip, chunked", "chunked, gzip", "chunked\x0b", "\x00chunked", "chunked;q=1",
           "\"chunked\"", "chun\tked", ",chunked", "CHUNKED"]
SIZES = ["-1", "+2", "0x2", " 2", "2 ", "1_0", "zz", "", "ffffffffffffffff", "fffffffffffffffff1", "10000000000000000",
         "2;" + "x" * 100_000, "2;\nx", "2\n", "2;a=\"\r\n\""]
METHODS = ["GET", "get", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "CONNECT", "POST", "PRI", "A" * 1000, "G\tT", "\u00e9"]
TARGETS = ["*", "/", "//evil.example/health", "http://localhost/health", "http://evil.example/health", "localhost:443",
           "/health?a=" + "b" * 9000, "/v1/models/" + "%2e%2e%2f" * 50, "/v1/models/%00", "/v1/models/%ff", "/props?model=a&model=b",
           "/props?model=%ff", "/../../etc/passwd", "health", "http://", "http://localhost:99999/health",
           "http://user:pass@localhost/health", "/%", "/v1/completions#x", "/health HTTP/1.1 x"]


def smuggle(rng):
    """Framed in two ways, or in one that nobody knows; behind it another request."""
    first, second = rng.choice([
        (f"content-length: {rng.choice([0, 2, 4, 5, len(HIDDEN) + 5])}\r\n{CHUNKED}", "0\r\n\r\n"),
        (f"{CHUNKED}content-length: {rng.choice([0, 2, 4, 5, len(HIDDEN) + 5])}\r\n", "0\r\n\r\n"),
        ("content-length: 2\r\ncontent-length: 3\r\n", "{}"),
        ("content-length: 0\r\ncontent-length: 2\r\n", "{}"),
        (f"content-length: {rng.choice(LENGTHS)}\r\n", "{}"),
        (f"transfer-encoding: {rng.choice(CODINGS)}\r\n", "0\r\n\r\n"),
        (f"transfer-encoding: identity\r\n{CHUNKED}", "0\r\n\r\n"),
        ("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        ("x: y\r\n transfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n"),
        ("content-length : 2\r\n", "{}"),
        ("x: y\rcontent-length: 2\r\n", "{}"),
        ("x: y\ncontent-length: 2\n" + CHUNKED, "0\r\n\r\n"),
        ("x\x00: y\r\ncontent-length: 2\r\n", "{}"),
        (CHUNKED, f"{rng.choice(SIZES)}\r\n{{}}\r\n0\r\n\r\n"),
        (CHUNKED, "2\n{}\n0\n\n"),
        (CHUNKED, "2\r\n{}x\r\n0\r\n\r\n"),
        (CHUNKED, f"0\r\ncontent-length: 2\r\n{'x: y' * rng.choice([0, 9, 9999])}\r\n\r\n"),
        (f"{CHUNKED}connection: keep-alive\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ("upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
         "content-length: 0, 0\r\n", ""),
    ])
    return f"{POST}{first}\r\n{second}{HIDDEN}".encode("latin-1", "replace"), False


def head(rng):
    """A first line or headers that nobody sends."""
    method, target = rng.choice(METHODS), rng.choice(TARGETS)
    version = rng.choice(["HTTP/1.1"] * 6 + ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "HTTP/11", "http/1.1", ""])
    more = rng.choice([HOST] * 6 + ["", "host: evil.example\r\n", f"{HOST}{HOST}", "host: \r\n", "host: a b\r\n", f"host: {'a' * 9000}\r\n",
                       "host: localhost:0\r\n", f"{HOST}expect: 100-continue\r\ncontent-length: 2\r\n", f"{HOST}expect: 200-ok\r\n",
                       f"{HOST}range: bytes=0-{'9' * 99}\r\n", f"{HOST}authorization: {'Bearer ' * 99}\r\n", f"{HOST}cookie: {'a=b;' * 999}\r\n"])
    end = rng.choice(["\r\n"] * 9 + ["\n"])
    return f"{method} {target} {version}\r\n{more}connection: close\r\n\r\n".replace("\r\n", end).encode("latin-1", "replace"), method == "HEAD"


def large(rng):
    """A head of a megabyte: one header, many, a long path, or one that never ends."""
    size = 1 << 20
    many = "".join(f"x-{i}: y\r\n" for i in range(size // 10))
    return rng.choice([
        f"GET /health HTTP/1.1\r\n{HOST}x: {'y' * size}\r\n\r\n", f"GET /health HTTP/1.1\r\n{HOST}{many}\r\n",
        f"GET /{'y' * size} HTTP/1.1\r\n{HOST}\r\n",
        "y" * size, "\r\n" * (size // 2), f"GET /health HTTP/1.1\r\n{HOST}{'y' * size}: x\r\n\r\n",
    ]).encode(), False


def noise(rng):
    """No HTTP at all: of TLS, of HTTP/2, of nobody."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500)
    return rng.choice([rng.randbytes(rng.randrange(1, 5000)), hello, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(99), b"\x00" * 3000]), False


def attack(wire, rng):
    """One of them."""
    sent, head_only = rng.choice([smuggle] * 6 + [head] * 3 + [large, noise])(rng)
    got = wire.say(sent)
    check(sent, got, head=head_only)
