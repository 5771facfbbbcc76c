"""Whether llama.cpp, as the package xllamacpp brings it, runs an exported model as Tercet runs its own file.

    llama_cpp.py TERCET OURS.gguf THEIRS.gguf [TEXT ...]

Each prompt is continued greedily by both, 64 tokens. The ids of the prompts, and of pieces of the texts, must be equal; so must be what is written,
up to the first place where two tokens are so close that the rounding of activations decides (ours: 8 bits a row, theirs: 8 bits for every 32).
Such a place is shown with what both give its candidates, and is a failure if it is no near tie.
"""

import ctypes
import json
import math
import subprocess
import sys
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int32, c_size_t, c_void_p

import xllamacpp

PROMPTS = ["", "The ", "It is known that", "a model of 3 parts,\n\n  and", "Größe, 大きさ 😀 12345"]
TOKENS = 64
# Pieces of a text, in characters, that fit a small model's context.
PIECE, PIECES = 100, 100
# What the rounding of activations moves a log-probability by at most; measured 0.03 on a model of some minutes.
TIE = 0.15


class Blob(ctypes.Structure):
    """Parameters whose fields we leave alone: larger than any version's, as a structure in memory may be."""

    _fields_ = [("bytes", ctypes.c_char * 1024)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", c_int32), ("pointers", c_void_p * 6)]


class Llama:
    """A model in llama.cpp, by the C interface that the package's library exports."""

    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        for name, result, arguments in [
            ("llama_model_default_params", Blob, []),
            ("llama_model_load_from_file", c_void_p, [c_char_p, Blob]),
            ("llama_context_default_params", Blob, []),
            ("llama_init_from_model", c_void_p, [c_void_p, Blob]),
            ("llama_model_get_vocab", c_void_p, [c_void_p]),
            ("llama_vocab_n_tokens", c_int32, [c_void_p]),
            ("llama_vocab_is_eog", c_bool, [c_void_p, c_int32]),
            ("llama_tokenize", c_int32, [c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool]),
            ("llama_batch_get_one", Batch, [POINTER(c_int32), c_int32]),
            ("llama_decode", c_int32, [c_void_p, Batch]),
            ("llama_get_logits_ith", POINTER(c_float), [c_void_p, c_int32]),
            ("llama_get_memory", c_void_p, [c_void_p]),
            ("llama_memory_clear", None, [c_void_p, c_bool]),
        ]:
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.quiet = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)(lambda *_: None)
        lib.llama_log_set(self.quiet, None)
        lib.llama_backend_init()
        self.model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        assert self.model, f"llama.cpp does not open {path}"
        self.context = lib.llama_init_from_model(self.model, lib.llama_context_default_params())
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.size = lib.llama_vocab_n_tokens(self.vocab)

    def ids(self, text):
        text = text.encode()
        room = (c_int32 * (len(text) + 1))()
        count = self.lib.llama_tokenize(self.vocab, text, len(text), room, len(room), False, False)
        return list(room[:count])

    def restart(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def log_probs(self, ids):
        """After these ids more, of what comes next."""
        room = (c_int32 * len(ids))(*ids)
        assert self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(room, len(ids))) == 0
        logits = self.lib.llama_get_logits_ith(self.context, -1)[: self.size]
        top = max(logits)
        norm = top + math.log(sum(math.exp(v - top) for v in logits))
        return [v - norm for v in logits]


def ours(tercet, model, prompt, tokens=TOKENS):
    command = [tercet, "generate", model, "-p", prompt, "-n", str(tokens), "--temperature", "0", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    tercet, model, exported, *texts = sys.argv[1:]
    llama = Llama(exported)
    for path in texts:
        text = open(path, encoding="utf-8").read()
        pieces = [text[at : at + PIECE] for at in range(0, min(len(text), PIECES * PIECE), PIECE)]
        for piece in pieces:
            assert llama.ids(piece) == ours(tercet, model, piece, 0)["prompt_ids"], f"the ids of {piece!r} differ"
        print(f"{path}: the ids of {len(pieces)} pieces are equal")
    equal = 0
    for prompt in PROMPTS:
        told = ours(tercet, model, prompt)
        if prompt:
            assert llama.ids(prompt) == told["prompt_ids"], f"the ids of {prompt!r} differ"
        llama.restart()
        reads, off = told["prompt_ids"], 0.0
        for at, (id, log_prob) in enumerate(zip(told["ids"], told["log_probs"])):
            log_probs = llama.log_probs(reads)
            theirs = max(range(llama.size), key=log_probs.__getitem__)
            assert not llama.lib.llama_vocab_is_eog(llama.vocab, id), f"id {id} ends a text there, and not here"
            off = max(off, abs(log_probs[id] - log_prob))
            if theirs != id:
                gap = log_probs[theirs] - log_probs[id]
                print(f"{prompt!r}: {at} tokens are equal; then ours is {id}, theirs {theirs}, {gap:.4f} apart there")
                assert gap < TIE, "that is no near tie"
                break
            reads = [id]
        else:
            equal += 1
            print(f"{prompt!r}: {len(told['ids'])} tokens are equal, log-probabilities within {off:.4f}")
    print(f"{equal} of {len(PROMPTS)} texts are equal token by token")


main()
