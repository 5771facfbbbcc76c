"""Whether llama.cpp runs an exported model as Tercet runs its own file of it: greedy text, token by token.

    python portable.py TERCET OURS.gguf EXPORTED.gguf [--text FILE] [--prompts P ...]

The ids of the prompts, and of the text piece by piece, must be equal. So must be what both write, up to a place where two tokens are so close that the
rounding of activations decides: ours has 8 bits for a row, llama.cpp's 8 bits for every 32. Such a place is shown with how far apart its two tokens are.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

from compare import log_softmax
from llama import Llama

# What rounding moves a log-probability by at most; measured 0.08, on models that were trained for a minute.
TIE = 0.15
# Pieces of a text, in characters, that fit a small context.
PIECE, PIECES = 100, 50


def ours(tercet, file, prompt, tokens):
    command = [tercet, "generate", file, "-p", prompt, "-n", str(tokens), "--temperature", "0", "--ignore-end", "--device", "cpu", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("tercet")
    arguments.add_argument("ours")
    arguments.add_argument("exported")
    arguments.add_argument("--text")
    arguments.add_argument("--prompts", nargs="+", default=["The ", "It is", "What", "1, 2\n\n  and", "Größe, 大きさ 😀"])
    arguments.add_argument("--tokens", type=int, default=64)
    given = arguments.parse_args()
    llama = Llama(given.exported, 512)
    if given.text:
        text = open(given.text, encoding="utf-8").read()[: PIECE * PIECES]
        for piece in (text[at : at + PIECE] for at in range(0, len(text), PIECE)):
            if llama.ids(piece) != ours(given.tercet, given.ours, piece, 0)["prompt_ids"]:
                sys.exit(f"the ids of {piece!r} differ")
        print(f"ids of {len(text)} characters: equal")
    equal = 0
    for prompt in given.prompts:
        told = ours(given.tercet, given.ours, prompt, given.tokens)
        if llama.ids(prompt) != told["prompt_ids"]:
            sys.exit(f"the ids of {prompt!r} differ")
        llama.forget()
        log_probs = log_softmax(llama.decode(told["prompt_ids"])[-1].astype(np.float64))
        off = 0.0
        for at, (id, log_prob) in enumerate(zip(told["ids"], told["log_probs"])):
            theirs = int(log_probs.argmax())
            off = max(off, abs(log_probs[id] - log_prob))
            if theirs != id:
                gap = log_probs[theirs] - log_probs[id]
                print(f"{prompt!r}: {at} tokens are equal; then ours is {id} and theirs {theirs}, {gap:.4f} apart there")
                if gap > TIE:
                    sys.exit("that is no near tie")
                break
            log_probs = log_softmax(llama.decode([id])[-1].astype(np.float64))
        else:
            equal += 1
            print(f"{prompt!r}: {len(told['ids'])} tokens are equal, their log-probabilities within {off:.4f}")
    print(f"{equal} of {len(given.prompts)} texts are equal token by token")
    sys.stdout.flush()
    # The library frees nothing well at the end of an interpreter.
    os._exit(0 if equal else 1)


if __name__ == "__main__":
    main()
