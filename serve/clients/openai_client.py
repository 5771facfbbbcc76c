"""The official `openai` package as a client: what it reads, what it raises, and what the server does when it goes away.

Usage: openai_client.py URL KEY URL-WITHOUT-QUEUE
The first server asks for KEY and has a chat template; the second serves one text at a time and lets none wait.
"""

import asyncio
import sys
import time
import urllib.request

import openai

URL, KEY, NARROW = sys.argv[1:4]
MODEL = "shakespeare"
MESSAGES = [{"role": "user", "content": "Who goes there?"}]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def metric(url, name, key=None):
    """A line of /metrics."""
    request = urllib.request.Request(f"{url}/metrics", headers={"authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split(" ")[-1]) for line in lines if line.startswith(name))


def raises(kind, code, **asked):
    """A request that fails as `kind`, with this code."""
    try:
        client.with_options(**asked.pop("options", {})).completions.create(**{"model": MODEL, "prompt": "A", "max_tokens": 1, **asked})
    except openai.APIStatusError as error:
        assert type(error) is kind, (type(error), kind, error)
        assert error.code == code, (error.code, code)
        assert error.request_id and error.message, error
        return error
    raise AssertionError(f"{kind} was not raised")


def models():
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "tercet"


def completions():
    ask = {"model": MODEL, "prompt": "ROMEO:", "max_tokens": 24, "temperature": 0}
    whole = client.completions.create(**ask)
    choice = whole.choices[0]
    assert (whole.object, choice.finish_reason, whole.usage.completion_tokens) == ("text_completion", "length", 24)
    pieces = list(client.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.text for piece in pieces for c in piece.choices) == choice.text
    assert pieces[-1].choices == [] and pieces[-1].usage == whole.usage.model_copy(update={
        "prompt_tokens_details": pieces[-1].usage.prompt_tokens_details})
    assert all(piece.usage is None for piece in pieces[:-1])
    # The older form of log-probabilities, of the prompt as well.
    scored = client.completions.create(**{**ask, "max_tokens": 1}, echo=True, logprobs=2)
    told = scored.choices[0].logprobs
    assert "".join(told.tokens) == scored.choices[0].text and told.token_logprobs[0] is None
    assert all(max(top.values()) >= p for top, p in zip(told.top_logprobs[1:], told.token_logprobs[1:]))
    assert len(client.completions.create(**{**ask, "prompt": ["A", "B"]}, n=2).choices) == 4
    stopped = client.completions.create(**ask, stop=choice.text[8:10])
    assert stopped.choices[0].finish_reason == "stop" and choice.text.startswith(stopped.choices[0].text)


def chat():
    ask = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 16, "temperature": 0, "seed": 1}
    whole = client.chat.completions.create(**ask, logprobs=True, top_logprobs=3, extra_body={"top_k": 40, "min_p": 0.0})
    choice = whole.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "length")
    assert b"".join(bytes(token.bytes) for token in choice.logprobs.content).decode() == choice.message.content
    assert all(len(token.top_logprobs) == 3 for token in choice.logprobs.content)
    pieces = list(client.chat.completions.create(**ask, stream=True))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == choice.message.content
    assert [piece.choices[0].finish_reason for piece in pieces[-2:]] == [None, "length"]
    # The package's own helper, which wants every field in its place, and an answer that was not cut short.
    stop = choice.message.content[10:12]
    with client.chat.completions.stream(**ask, stop=stop) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    until = choice.message.content.split(stop)[0]
    assert "content.delta" in kinds and final.choices[0].message.content == until
    assert final.choices[0].finish_reason == "stop"


def errors():
    raises(openai.AuthenticationError, "invalid_api_key", options={"api_key": "wrong"})
    missing = raises(openai.NotFoundError, "model_not_found", model="gpt-4")
    assert missing.param == "model"
    for field, value in [("temperature", 1000), ("max_tokens", -1), ("n", 0), ("logprobs", 99)]:
        assert raises(openai.BadRequestError, "invalid_value", **{field: value}).param == field
    assert raises(openai.BadRequestError, "unsupported_value", suffix="x").param == "suffix"
    raises(openai.BadRequestError, "context_length_exceeded", prompt="word " * 2000)
    try:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, response_format={"type": "json_object"})
        raise AssertionError("a form that is not supported was accepted")
    except openai.BadRequestError as error:
        assert error.param == "response_format.type", error


def narrow_ones():
    """One that is turned away, and one that fails once it has begun."""
    narrow = openai.OpenAI(base_url=f"{NARROW}/v1", api_key="none", max_retries=0)
    long = {"model": MODEL, "prompt": "A", "max_tokens": 500, "n": 100, "stream": True, "extra_body": {"ignore_eos": True}}
    stream = narrow.completions.create(**long)
    next(stream)
    try:
        narrow.completions.create(model=MODEL, prompt="A", max_tokens=1)
        raise AssertionError("nobody was turned away")
    except openai.RateLimitError as error:
        assert error.code == "queue_full" and error.response.headers["retry-after"] == "1"
    try:
        for _ in stream:
            pass
        raise AssertionError("the time that a request may take was not kept")
    except openai.APIError as error:
        assert error.code == "timeout", error


def going_away():
    """A client that goes away in the middle: the engine stops within two tokens of what was on its way."""
    before = metric(URL, "tercet_tokens_predicted_total", KEY)
    stream = client.completions.create(model=MODEL, prompt="A", max_tokens=480, stream=True, extra_body={"ignore_eos": True})
    seen = sum(1 for _ in zip(range(20), stream))
    stream.close()
    deadline = time.time() + 5
    while metric(URL, "tercet_requests_processing", KEY) > 0:
        assert time.time() < deadline, "the engine goes on for nobody"
    written = metric(URL, "tercet_tokens_predicted_total", KEY) - before
    print(f"  gone after {seen} tokens, {written:.0f} were written")
    assert written < 400, written


async def many():
    """A hundred at once, each as it would be alone."""
    ask = lambda i: {"model": MODEL, "prompt": f"Scene {i % 10}.", "max_tokens": 12, "temperature": 0}
    alone = [client.completions.create(**ask(i)).choices[0].text for i in range(10)]
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as asynchronous:
        start = time.time()
        answers = await asyncio.gather(*(asynchronous.completions.create(**ask(i)) for i in range(100)))
        print(f"  100 requests in {time.time() - start:.2f} s")
    assert [answer.choices[0].text for answer in answers] == [alone[i % 10] for i in range(100)]


for test in [models, completions, chat, errors, narrow_ones, going_away]:
    print(test.__name__)
    test()
print("many")
asyncio.run(many())
print(f"openai {openai.__version__}: all of it is understood")
