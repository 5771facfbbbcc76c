"""Times a training step of the same ternary transformer in PyTorch and in `tercet train`, in turn, on one machine.

Each round runs every contestant once in a process of its own; the table gives the median over rounds. README.md says
how to run it and what is compared.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH, CONTEXT, WIDTH, BLOCKS, HEADS, FFN = 4, 256, 256, 4, 4, 512
NEWTON_SCHULZ_STEPS = 5
TOKENS_PER_STEP = BATCH * CONTEXT

# Name: ids of the vocabulary, Tercet's tokenizer, residual streams.
SHAPES = {
    "vocab-1024": (1024, "bpe:1024", 1),
    "showcase": (50257, "gpt2", 2),
}
CONTESTANTS = ["pytorch-f32", "pytorch-ternary", "tercet"]


def main():
    args = arguments()
    if args.child:
        print(json.dumps(time_pytorch(args.shape[0], args.child == "pytorch-ternary", args.threads[0], args)))
        return
    rows = []
    for shape in args.shape:
        for threads in args.threads:
            rows += measure(shape, threads, args)
    print_table(rows, args.matrices)
    if args.csv:
        write_csv(rows, args.matrices, args.csv)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tercet", type=Path, default=Path("target/release/tercet"), help="the release binary")
    p.add_argument("--text", type=Path, help="any English text of at least 128 kB, such as Tiny Shakespeare")
    p.add_argument("--shape", nargs="+", choices=SHAPES, default=list(SHAPES))
    p.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    p.add_argument("--matrices", choices=["muon", "adamw"], default="muon", help="what updates the blocks' matrices")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=15, help="timed steps of a contestant in a round")
    p.add_argument("--skip", type=int, default=3, help="steps before the timed ones")
    p.add_argument("--compile", action="store_true", help="torch.compile instead of eager")
    p.add_argument("--csv", type=Path, help="also write every round here")
    p.add_argument("--child", help=argparse.SUPPRESS)
    args = p.parse_args()
    if not args.child and not args.text:
        p.error("--text is required")
    return args


def measure(shape, threads, args):
    """One row a contestant: (shape, threads, contestant, tokens/s of each round)."""
    rounds = {name: [] for name in CONTESTANTS}
    for i in range(args.rounds):
        # The order turns each round, so that no contestant always runs on the warmer machine.
        for name in CONTESTANTS[i % 3 :] + CONTESTANTS[: i % 3]:
            run = run_tercet if name == "tercet" else run_pytorch
            rounds[name].append(run(name, shape, threads, args))
            print(f"{shape}, {threads} threads, round {i + 1}: {name} {rounds[name][-1]:.0f} tokens/s", file=sys.stderr)
    return [(shape, threads, name, speeds) for name, speeds in rounds.items()]


def run_pytorch(name, shape, threads, args):
    """Median tokens/s of a fresh Python process."""
    command = [sys.executable, __file__, "--child", name, "--shape", shape, "--threads", str(threads)]
    command += ["--steps", str(args.steps), "--skip", str(args.skip), "--matrices", args.matrices]
    command += ["--compile"] * args.compile
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def run_tercet(_, shape, threads, args):
    """Median tokens/s of one training run, from its own log."""
    _, tokenizer, streams = SHAPES[shape]
    settings = {
        "model.width": WIDTH,
        "model.blocks": BLOCKS,
        "model.heads": HEADS,
        "model.kv_heads": HEADS,
        "model.head_dim": WIDTH // HEADS,
        "model.ffn": FFN,
        "model.activation": "swiglu",
        "model.streams": streams,
        "model.context": CONTEXT,
        "model.qk_norm": True,
        "model.attn_sub_norm": False,
        "model.ffn_sub_norm": False,
        "model.tied": True,
        "model.embedding": "f16",
        "model.head_int8": False,
        "tokenizer.kind": tokenizer,
        "tokenizer.compact": False,
        "train.batch": BATCH,
        "train.dropout": 0.0,
        "train.token_noise": 0.0,
        "optimiser.matrices": args.matrices,
        "optimiser.muon_ns_steps": NEWTON_SCHULZ_STEPS,
        "report.eval_every": 0,
        "report.codes_every": 0,
        "report.sample_every": 0,
        "report.sample_tokens": 0,
        "report.checkpoint_every": 0,
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # A short text keeps the validation at the end of the run short; a step costs the same.
        (folder / "text").write_bytes(args.text.read_bytes()[: 128 << 10])
        command = [args.tercet, "train", "--text", folder / "text", "--out", folder / "run"]
        command += ["--steps", args.skip + args.steps, "--threads", threads]
        for key, value in settings.items():
            command += ["--set", f"{key}={str(value).lower()}"]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    speeds = [line["tokens_per_sec"] for line in lines if "tokens_per_sec" in line]
    assert len(speeds) == args.skip + args.steps, f"{len(speeds)} steps in the log"
    return statistics.median(speeds[args.skip :])


def time_pytorch(shape, ternary, threads, args):
    """Median tokens/s of whole steps: forward, backward, the optimisers, and the loss read back."""
    import torch
    import torch.nn.functional as F

    from model import Config, Model, Muon

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    vocab, _, streams = SHAPES[shape]
    model = Model(Config(vocab, WIDTH, BLOCKS, HEADS, FFN, "swiglu", CONTEXT, streams=streams, ternary=ternary))
    forward = torch.compile(model) if args.compile else model
    by_adamw = model.others()
    optimisers = []
    if args.matrices == "muon":
        optimisers.append(Muon(model.matrices(), lr=0.02, newton_schulz_steps=NEWTON_SCHULZ_STEPS))
    else:
        by_adamw += model.matrices()
    optimisers.append(torch.optim.AdamW(by_adamw, lr=4e-3, betas=(0.9, 0.95), weight_decay=0.0, fused=True))
    tokens = torch.randint(vocab, (BATCH, CONTEXT + 1))
    speeds = []
    for _ in range(args.skip + args.steps):
        start = time.perf_counter()
        loss = F.cross_entropy(forward(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        loss.item()
        speeds.append(TOKENS_PER_STEP / (time.perf_counter() - start))
    return statistics.median(speeds[args.skip :])


def print_table(rows, matrices):
    print(f"{cpu_name()}, {os.cpu_count()} logical CPUs, {matrices} for the matrices;")
    print("median tokens/s of the rounds (lowest to highest)\n")
    print("| shape | threads | " + " | ".join(CONTESTANTS) + " | tercet / pytorch-ternary | tercet / pytorch-f32 |")
    print("|---|---|" + "---|" * (len(CONTESTANTS) + 2))
    groups = {}
    for shape, threads, name, speeds in rows:
        groups.setdefault((shape, threads), {})[name] = speeds
    for (shape, threads), speeds in groups.items():
        median = {name: statistics.median(s) for name, s in speeds.items()}
        cells = [f"{median[n]:.0f} ({min(speeds[n]):.0f} to {max(speeds[n]):.0f})" for n in CONTESTANTS]
        cells += [f"{median['tercet'] / median[n]:.2f}x" for n in ("pytorch-ternary", "pytorch-f32")]
        print(f"| {shape} | {threads} | " + " | ".join(cells) + " |")


def write_csv(rows, matrices, path):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["shape", "matrices", "threads", "contestant", "round", "tokens_per_sec"])
        for shape, threads, name, speeds in rows:
            out.writerows([shape, matrices, threads, name, i + 1, f"{speed:.1f}"] for i, speed in enumerate(speeds))


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
