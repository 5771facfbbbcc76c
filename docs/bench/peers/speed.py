"""How fast this program and llama.cpp read and write with the same file, in turn: `tercet bench` and llama.cpp's library, two threads each.

    python speed.py TERCET FILE [--rounds N] [--prompt P] [--tokens N] [--threads T]
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def ours(given):
    command = [given.tercet, "bench", given.file, "-p", str(given.prompt), "-n", str(given.tokens), "-r", "1", "--threads", str(given.threads), "--output", "json"]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return rows


def theirs(given):
    command = [sys.executable, f"{HERE}/llama.py", given.file, "--time", f"{given.prompt},{given.tokens}", "--threads", str(given.threads)]
    return [float(v) for v in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("tercet")
    arguments.add_argument("file")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--prompt", type=int, default=256)
    arguments.add_argument("--tokens", type=int, default=32)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    all_ours, all_theirs = [], []
    for _ in range(given.rounds):
        all_ours.append(ours(given))
        all_theirs.append(theirs(given))
    print(all_ours[0])
    print(np.median(all_theirs, 0))


if __name__ == "__main__":
    main()
