"""Logits of this program beside llama.cpp's on the same file: mean and largest Kullback-Leibler divergence, how often both expect the same
token, and the first greedy tokens of both.

    python compare.py LOGITS_EXAMPLE FILE [--tokens N] [--greedy N] [--seed N] [--gpu]

LOGITS_EXAMPLE is what `cargo build --release -p runtime --example logits` makes.
"""

import argparse
import os
import subprocess
import sys

import numpy as np
from gguf import GGUFReader

HERE = os.path.dirname(os.path.abspath(__file__))


def asked(command, vocab):
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.decode()[-2000:]}")
    logits = np.frombuffer(done.stdout, "<f4").reshape(-1, vocab).astype(np.float64)
    greedy = [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("greedy ")]
    return logits, [int(i) for i in greedy[-1].split()[1].split(",")]


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("ours")
    arguments.add_argument("file")
    arguments.add_argument("--tokens", type=int, default=64)
    arguments.add_argument("--greedy", type=int, default=16)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--gpu", action="store_true")
    given = arguments.parse_args()
    vocab = int(next(t.shape[1] for t in GGUFReader(given.file).tensors if t.name == "token_embd.weight"))
    ids = ",".join(map(str, np.random.default_rng(given.seed).integers(0, vocab, given.tokens)))
    device = ["gpu"] if given.gpu else []
    ours, our_text = asked([given.ours, given.file, ids, str(given.greedy), *device], vocab)
    theirs, their_text = asked([sys.executable, f"{HERE}/llama.py", given.file, ids, "--greedy", str(given.greedy)], vocab)
    p, q = log_softmax(theirs), log_softmax(ours)
    divergence = (np.exp(p) * (p - q)).sum(-1)
    same = (ours.argmax(-1) == theirs.argmax(-1)).mean()
    # How far apart the two likeliest are, where ours and theirs differ: a near tie or not.
    ties = [float(np.diff(np.sort(row)[-2:])[0]) for row, other in zip(theirs, ours) if row.argmax() != other.argmax()]
    agree = next((i for i, (a, b) in enumerate(zip(our_text, their_text)) if a != b), len(our_text))
    print(f"{os.path.basename(given.file)}: KL mean {divergence.mean():.2e}, most {divergence.max():.2e}; top 1 alike {100 * same:.1f} %"
          + (f" (gaps where not: {', '.join(f'{t:.3f}' for t in ties[:6])}; spread of logits {theirs.std():.2f})" if ties else "")
          + f"; greedy alike for {agree} of {len(our_text)}")


if __name__ == "__main__":
    main()
