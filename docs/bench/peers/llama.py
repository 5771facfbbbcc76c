"""llama.cpp's own logits for some token ids: its library as the PyPI package `xllamacpp` carries it, called through its C interface.

    python llama.py FILE IDS [--greedy N] > LOGITS      IDS separated by commas; f32, one row a token; greedy ids on the error output
    python llama.py FILE --time P,N [--threads T]       tokens a second of a prompt of P ids, and of N ids after it one by one
"""

import argparse
import ctypes
import glob
import os
import sys
import time

import numpy as np
import xllamacpp


class Parameters(ctypes.Structure):
    """Parameters that the library fills in itself: more room than any release of it takes, and the numbers at the front by name."""

    _fields_ = [("n_ctx", ctypes.c_uint32), ("n_batch", ctypes.c_uint32), ("n_ubatch", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 2036)]


def last_alone(n):
    """Logits are wanted of the last of `n` tokens."""
    return (ctypes.c_int8 * n)(*[0] * (n - 1), 1)


class Batch(ctypes.Structure):
    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.c_void_p),
        ("n_seq_id", ctypes.c_void_p),
        ("seq_id", ctypes.c_void_p),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


def library():
    path = glob.glob(os.path.join(os.path.dirname(xllamacpp.__file__), "xllamacpp*.so"))[0]
    lib = ctypes.CDLL(path)
    lib.llama_model_default_params.restype = Parameters
    lib.llama_context_default_params.restype = Parameters
    lib.llama_model_load_from_file.restype = ctypes.c_void_p
    lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
    lib.llama_init_from_model.restype = ctypes.c_void_p
    lib.llama_init_from_model.argtypes = [ctypes.c_void_p, Parameters]
    lib.llama_model_get_vocab.restype = ctypes.c_void_p
    lib.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
    lib.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
    lib.llama_tokenize.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_int32),
        ctypes.c_int32,
        ctypes.c_bool,
        ctypes.c_bool,
    ]
    lib.llama_get_memory.restype = ctypes.c_void_p
    lib.llama_get_memory.argtypes = [ctypes.c_void_p]
    lib.llama_memory_clear.argtypes = [ctypes.c_void_p, ctypes.c_bool]
    lib.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
    lib.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    lib.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    lib.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    return lib


class Llama:
    def __init__(self, path, context):
        self.lib = library()
        self.lib.llama_backend_init()
        self.model = self.lib.llama_model_load_from_file(path.encode(), self.lib.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp does not open {path}")
        parameters = self.lib.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = context
        self.context = self.lib.llama_init_from_model(self.model, parameters)
        self.tokenizer = self.lib.llama_model_get_vocab(self.model)
        self.vocab = self.lib.llama_vocab_n_tokens(self.tokenizer)

    def ids(self, text):
        """Those of a text, without what a file may want before or behind it."""
        text = text.encode()
        ids = (ctypes.c_int32 * len(text))()
        return list(ids[: self.lib.llama_tokenize(self.tokenizer, text, len(text), ids, len(ids), False, False)])

    def forget(self):
        """Goes back to the beginning of a text."""
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def read(self, ids):
        """Takes ids as an engine does that goes on writing: logits of the last alone, which stay there."""
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        if self.lib.llama_decode(self.context, Batch(len(ids), tokens, None, None, None, None, last_alone(len(ids)))):
            sys.exit("llama.cpp does not decode")
        self.lib.llama_get_logits_ith(self.context, len(ids) - 1)

    def decode(self, ids):
        """Logits after each of some more ids, (ids, vocabulary)."""
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        wanted = (ctypes.c_int8 * len(ids))(*[1] * len(ids))
        if self.lib.llama_decode(self.context, Batch(len(ids), tokens, None, None, None, None, wanted)):
            sys.exit("llama.cpp does not decode")
        rows = [np.ctypeslib.as_array(self.lib.llama_get_logits_ith(self.context, i), (self.vocab,)).copy() for i in range(len(ids))]
        return np.stack(rows)


def timed(given):
    prompt, count = map(int, given.time.split(","))
    llama = Llama(given.file, prompt + count + 16)
    llama.lib.llama_set_n_threads(llama.context, given.threads, given.threads)
    ids = [i * 37 % llama.vocab for i in range(prompt + count)]
    llama.read(ids[:8])
    start = time.perf_counter()
    llama.read(ids[:prompt])
    read = time.perf_counter()
    for i in ids[prompt:]:
        llama.read([i])
    print(f"{prompt / (read - start):.1f} {count / (time.perf_counter() - read):.1f}")
    sys.stdout.flush()
    os._exit(0)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("file")
    arguments.add_argument("ids", nargs="?")
    arguments.add_argument("--time")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--greedy", type=int, default=0)
    given = arguments.parse_args()
    if given.time:
        timed(given)
    ids = [int(i) for i in given.ids.split(",")]
    llama = Llama(given.file, len(ids) + given.greedy + 8)
    logits = llama.decode(ids)
    sys.stdout.buffer.write(logits.astype("<f4").tobytes())
    written = []
    last = logits[-1]
    for _ in range(given.greedy):
        written.append(int(np.argmax(last)))
        last = llama.decode(written[-1:])[0]
    if written:
        print("greedy", ",".join(map(str, written)), file=sys.stderr)
    # The library frees nothing well at the end of an interpreter.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
