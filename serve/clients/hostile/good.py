"""Who means well, in processes of their own so that what the others do is the server's business only: one asks whether it lives, one has texts
written, and knows what they must be."""

import http.client
import json
import time

# Greedy texts, short and long.
ASKS = [{"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        for prompt in ["ROMEO:", "Scene 1.", "To be", "A"] for tokens in [1, 12, 60]]
# Most that a busy server may take: what a request may there.
PATIENCE_SECONDS = 600


def ask(port, method, path, body=None, timeout=PATIENCE_SECONDS):
    """Status and body of one request, over a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        client.request(method, path, body and json.dumps(body), {"connection": "close"})
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def text_of(port, asked, streamed):
    """What is written when this is asked; its status where that is not 200."""
    status, body = ask(port, "POST", "/v1/completions", {**asked, "stream": streamed})
    if status != 200:
        return status
    if not streamed:
        return json.loads(body)["choices"][0]["text"]
    events = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line.startswith("data: ")]
    if events[-1] != "[DONE]":
        return f"a stream without its end, but {events[-1]}"
    return "".join(choice["text"] for event in events[:-1] for choice in json.loads(event)["choices"])


def twice(asks, again):
    """What this says; once more where the connection gives way before there is an answer, as clients do, which is counted in `again`."""
    try:
        return asks()
    except (ConnectionResetError, http.client.RemoteDisconnected):
        again.append(time.strftime("%H:%M:%S"))
        return asks()


def texts(port, expected, over, out):
    """Has one text after another written until it is over; puts out how long each took, what was wrong, and what was asked twice."""
    seconds, wrong, again, number = [], [], [], 0
    while not over.is_set():
        which, start = number % len(ASKS), time.monotonic()
        try:
            got = twice(lambda: text_of(port, ASKS[which], streamed=number % 2 == 0), again)
        except (OSError, http.client.HTTPException) as error:
            got = repr(error)
        if got == expected[which]:
            seconds.append(time.monotonic() - start)
        else:
            wrong.append(f"{time.strftime('%H:%M:%S')}: {ASKS[which]}: {got!r:.200}")
            time.sleep(0.1)
        number += 1
    out.put((seconds, wrong, again))


def lives(port, _expected, over, out):
    """Asks for /health twenty times a second until it is over; puts out how long each answer took, what was wrong, and what was asked twice."""
    seconds, wrong, again = [], [], []
    while not over.is_set():
        start = time.monotonic()
        try:
            status, body = twice(lambda: ask(port, "GET", "/health", timeout=30), again)
            if status != 200:
                wrong.append(f"{time.strftime('%H:%M:%S')}: {status} {body[:200]!r}")
        except (OSError, http.client.HTTPException) as error:
            wrong.append(f"{time.strftime('%H:%M:%S')}: {error!r}")
        seconds.append(time.monotonic() - start)
        time.sleep(max(0, 0.05 - seconds[-1]))
    out.put((seconds, wrong, again))
