"""Requests that are HTTP, with bodies that are no JSON, or not what anybody means: each is answered, and not by a fault."""

import json

from .wire import Fault, check, post

PATHS = ["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize", "/apply-template"]
NUMBERS = ["NaN", "-NaN", "Infinity", "-Infinity", "1e999", "-1e999", "-0", "0", "-1", "1e308", "5e-324", "123456789012345678901234567890",
           "0.1", "1" * 400, "2147483648", "-9223372036854775809", "18446744073709551616", "01", "1.", ".5", "true", "null", "\"1\"", "[]",
           "{}", "[1e999]"]
FIELDS = ["n", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty",
          "repeat_penalty", "repeat_last_n", "seed", "logprobs", "top_logprobs", "stop", "stop_token_ids", "logit_bias", "echo", "stream",
          "stream_options", "best_of", "ignore_eos", "model", "user", "continue_final_message", "response_format", "tools", "tool_choice",
          "min_tokens", "suffix", "prompt", "messages", "content", "tokens", "parse_special", "add_special", "timeout"]
# Lone surrogates, names of control tokens, NUL, directions, joiners, what is not a character, what becomes many.
ODD = ["\\ud800", "\\udc00\\ud800", "\\ud83d", "\\u0000", "\\ufffe\\uffff", "\\u202e", "\\u200d" * 50, "e" + "\\u0301" * 500,
       "\\ufdfa" * 99, "<|im_start|>system\\n", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<bos>", "<unk>", "[INST]", "<|eot_id|>",
       "{{ 7 * 7 }}", "{% for x in range(9) %}", "data: [DONE]\\n\\n", "\\r\\n\\r\\nHTTP/1.1 200 OK", "\\u2028", "\\b\\f", "a" * 5000,
       " " * 9000, "\\n" * 3000, "\U0001f469\u200d\U0001f467", "\u0000"]


def text_of(rng):
    """A JSON string, perhaps no valid one."""
    return '"' + "".join(rng.choice(ODD) for _ in range(rng.randrange(1, 5))) + '"'


def value_of(rng):
    """A JSON value, or what is not quite one."""
    many = rng.choice([20, 300, 5000])
    return rng.choice([
        lambda: rng.choice(NUMBERS), lambda: text_of(rng),
        lambda: "[" * many + "]" * many, lambda: "[" + ",".join([text_of(rng)] * 20) + "]",
        lambda: "[" + ",".join(str(rng.randrange(-9, 5000)) for _ in range(many)) + "]",
        lambda: json.dumps({str(rng.randrange(-5, 5000)): rng.choice([-100, 0, 100, 101, 1e300, "x", None]) for _ in range(many)}),
    ])()


def asked(rng, path):
    """What would be understood, if it were not for one or several fields."""
    fields = {
        "/v1/completions": {"prompt": rng.choice([text_of(rng), '"A"', "[5,6,7]", "[[5],[6]]", '["A","B"]', value_of(rng)])},
        "/v1/chat/completions": {"messages": rng.choice(['[{"role":"user","content":%s}]' % text_of(rng), value_of(rng), "[{}]"])},
        "/tokenize": {"content": text_of(rng), "with_pieces": "true"},
        "/detokenize": {"tokens": value_of(rng)},
        "/apply-template": {"messages": '[{"role":"user","content":%s}]' % text_of(rng)},
    }[path]
    fields.setdefault("max_tokens", "3")
    for name in rng.sample(FIELDS, rng.choice([0, 1, 1, 1, 2, 5])):
        if name not in ("prompt", "messages") or rng.random() < 0.2:
            fields[name] = value_of(rng)
    # So much that it would take minutes is the business of those who go away.
    if fields.get("n", "1") not in ("1", "2") and rng.random() < 0.9:
        fields["max_tokens"] = "1"
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


def broken(rng, body):
    """The same with bytes cut off, changed, put in, or doubled."""
    body, at = bytearray(body), rng.randrange(max(len(body), 1))
    kind = rng.randrange(5)
    if kind == 0:
        del body[at:]
    elif kind == 1 and body:
        body[at] = rng.randrange(256)
    elif kind == 2:
        body[at:at] = rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x00", b"\xef\xbb\xbf", b'"', b"}", b"[" * 10_000])
    elif kind == 3:
        body *= 2
    else:
        body = bytearray(rng.randbytes(rng.randrange(1, 3000)))
    return bytes(body)


def odd(wire, rng):
    """A body that may be understood, and one that is changed so that it mostly is not."""
    path = rng.choice(PATHS)
    body = asked(rng, path).encode("utf-8", "surrogatepass")
    sent = post(path, broken(rng, body) if rng.random() < 0.4 else body)
    check(sent, wire.say(sent, 120))


def deep(wire, rng):
    """Nested far deeper than anybody reads."""
    many = rng.choice([127, 129, 10_000, 1_000_000])
    opened = rng.choice(["[", '{"a":', '[{"a":'])
    sent = post(rng.choice(PATHS), (opened * (many // len(opened) + 1)).encode())
    check(sent, wire.say(sent))


def huge(wire, rng):
    """More than four megabytes: said beforehand, found on the way, or all but."""
    size = rng.choice([(4 << 20) - 30, 4 << 20, (4 << 20) + 1, 8 << 20])
    path = rng.choice(PATHS)
    fields = b'{"with_pieces":true,"prompt":"'
    body = fields + rng.choice([b"x", b" ", b"\x7f"]) * (size - len(fields) - 2) + b'"}'
    if rng.random() < 0.5:
        sent = post(path, body)
    else:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        pieces = [body[at:at + 60_000] for at in range(0, len(body), 60_000)]
        sent = head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    statuses = check(sent, wire.say(sent, 120))
    if size > 4 << 20 and statuses not in ([], [413], [503]):
        raise Fault(f"{size} bytes to {path}: {statuses}")


def attack(wire, rng):
    """One of them."""
    rng.choice([odd] * 12 + [deep, huge])(wire, rng)
