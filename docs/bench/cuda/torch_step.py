#!/usr/bin/env python3
"""Times a training step of the ternary networks in PyTorch as fast as PyTorch makes it: torch.compile, bf16 autocast, and the whole step, optimiser
and all, in one CUDA graph whose replays wait for nothing of the host's. The network is ../train_vs_pytorch/model.py.

Prints a line a configuration and optimiser: `torch SHAPE OPTIMISER TOKENS MS LEAST MOST`, of a step; the first of the three is the median.
Networks are compiled side by side, each in a process of its own, and timed one after the other; with --ready and --go it makes the one
file when all are compiled and waits for the other before it times anything.
"""

import argparse
import os
import select
import signal
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

# vocabulary, width, blocks, heads, feed-forward, activation, context, streams, dropout, sequences of a step
SHAPES = {
    "showcase": (50257, 256, 4, 4, 512, "swiglu", 256, 2, 0.0, 4),
    "shakespeare": (2048, 384, 4, 6, 1152, "relu2", 512, 2, 0.2, 8),
    "125m": (50257, 768, 12, 12, 2048, "swiglu", 1024, 1, 0.0, 16),
    "tiny": (256, 128, 1, 2, 128, "relu2", 32, 2, 0.1, 2),
    "tiny-by-blocks": (256, 128, 7, 2, 128, "swiglu", 32, 1, 0.0, 2),
}
OPTIMISERS = ["adamw", "muon"]
BATCHES = 16
# Steps of a piece of a run that is timed, and seconds of a run.
PIECE, SECONDS = 10, 1.5


def main():
    args = arguments()
    if args.child:
        return child(args.child, args.cpu)
    try:
        import torch
    except ImportError:
        print("SKIPPED: there is no PyTorch here", flush=True)
        touch(args.ready)
        return
    if not args.cpu and not torch.cuda.is_available():
        print("SKIPPED: PyTorch finds no card here", flush=True)
        touch(args.ready)
        return
    print(f"# PyTorch {torch.__version__}", flush=True)
    begin = time.monotonic()
    left = lambda until: until - (time.monotonic() - begin)
    children = {shape: Child(shape, args.cpu) for shape in args.shapes}

    def stop(*_):
        for one in children.values():
            one.end()
        sys.exit("stopped")

    signal.signal(signal.SIGTERM, stop)
    for shape, one in children.items():
        if one.words(left(args.compile_limit)) != ["READY"]:
            print(f"# {shape}: not compiled in time", flush=True)
            one.end()
    print(f"# compiled after {time.monotonic() - begin:.0f} s", flush=True)
    touch(args.ready)
    while args.go and not os.path.exists(args.go) and left(args.limit) > 0:
        time.sleep(0.05)
    for one in children.values():
        if one.alive():
            one.tell("GO")
            while one.alive():
                words = one.words(left(args.limit))
                if not words or words == ["DONE"]:
                    break
                print(" ".join(words), flush=True)
            one.end()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shapes", nargs="+", choices=SHAPES, default=["showcase", "shakespeare", "125m"])
    p.add_argument("--compile-limit", type=float, default=90, help="seconds")
    p.add_argument("--limit", type=float, default=170, help="seconds of everything")
    p.add_argument("--ready", help="file to make when everything is compiled")
    p.add_argument("--go", help="file to wait for before timing")
    p.add_argument("--cpu", action="store_true", help="a look at whether it runs, without the graph and the compiler's last part; its figures mean nothing")
    p.add_argument("--child", choices=SHAPES, help=argparse.SUPPRESS)
    return p.parse_args()


def touch(path):
    if path:
        open(path, "w").close()


class Child:
    """A process that compiles a network, says so, and times it when it is told to."""

    def __init__(self, shape, cpu):
        command = [sys.executable, os.path.abspath(__file__), "--child", shape] + ["--cpu"] * cpu
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "TORCHINDUCTOR_COMPILE_THREADS": "4", "OMP_NUM_THREADS": "2"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.rest = b""

    def words(self, seconds):
        """The next line's words; none if it does not come in time."""
        until = time.monotonic() + seconds
        while b"\n" not in self.rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return []
            some = os.read(self.process.stdout.fileno(), 65536)
            if not some:
                return []
            self.rest += some
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode().split()

    def tell(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def alive(self):
        return self.process.poll() is None

    def end(self):
        self.process.kill()
        self.process.wait()


def child(shape, cpu):
    warnings.filterwarnings("ignore")
    import torch
    import torch.nn.functional as F

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "train_vs_pytorch"))
    import model

    device = "cpu" if cpu else "cuda"
    torch.backends.cuda.matmul.allow_tf32 = True
    for name in ("recompile_limit", "cache_size_limit"):
        if hasattr(torch._dynamo.config, name):
            setattr(torch._dynamo.config, name, 64)
    vocab, width, blocks, heads, ffn, activation, context, streams, dropout, sequences = SHAPES[shape]
    torch.manual_seed(1)
    config = model.Config(vocab, width, blocks, heads, ffn, activation, context, streams=streams, dropout=dropout)
    net = model.Model(config).to(device)
    pool = torch.randint(vocab, (BATCHES, sequences, context + 1), pin_memory=not cpu)
    tokens = pool[0].to(device)

    def loss_of():
        with torch.autocast(device, torch.bfloat16):
            logits = net(tokens[:, :-1])
            return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    # On a processor its compiler takes minutes, and the figures mean nothing anyway.
    backend = "aot_eager" if cpu else "inductor"
    # Where there are many blocks those that are alike are compiled once, or it takes minutes.
    head = lambda x, table, t: F.cross_entropy(F.linear(net.norm(x), table).flatten(0, 1).float(), t.flatten())
    tail = torch.compile(head, backend=backend)

    def loss_by_blocks():
        with torch.autocast(device, torch.bfloat16):
            table = model.RoundF16.apply(net.embedding)
            x = F.embedding(tokens[:, :-1], table)
            for layer in net.layers:
                x = layer(x, net.cos, net.sin)
            return tail(x, table, tokens[:, 1:])

    if blocks > 6:
        for layer in net.layers:
            layer.compile(backend=backend)
        loss = loss_by_blocks
    else:
        loss = torch.compile(loss_of, backend=backend)

    def optimisers(name):
        fused = {} if cpu else dict(fused=True, capturable=True)
        adam = dict(lr=1e-4, betas=(0.9, 0.95), weight_decay=0.0, **fused)
        if name == "adamw":
            return [torch.optim.AdamW(net.parameters(), **adam)]
        return [Muon(torch, net.matrices(), 1e-3), torch.optim.AdamW(net.others(), **adam)]

    def step(of):
        value = loss()
        value.backward()
        for o in of:
            o.step()
        net.zero_grad(set_to_none=True)
        return value.detach()

    for _ in range(3):
        loss().backward()
        net.zero_grad(set_to_none=True)
    if not cpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    print("READY", flush=True)
    if not sys.stdin.readline():
        return
    for name in OPTIMISERS:
        try:
            of = optimisers(name)
            times = time_cpu(step, of, tokens, pool) if cpu else time_graph(torch, step, of, tokens, pool)
            figures = [statistics.median(times), min(times), max(times)]
            print("torch", shape, name, sequences * context, *(f"{1e3 * t:.3f}" for t in figures), flush=True)
        except Exception as e:
            print(f"# torch {shape} {name} FAILED: {type(e).__name__}: {(str(e).splitlines() or [''])[0][:160]}", flush=True)
    print("DONE", flush=True)


def time_graph(torch, step, of, tokens, pool):
    """Seconds of a step in each piece of a run: one graph, replayed again and again, by the card's own clock."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(of)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(of)
    losses = torch.zeros(BATCHES, pin_memory=True)

    def moment():
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    moments, begin, done = [moment()], time.monotonic(), 0
    while len(moments) < 5 or time.monotonic() - begin < SECONDS:
        for _ in range(PIECE):
            tokens.copy_(pool[done % BATCHES], non_blocking=True)
            graph.replay()
            losses[done % BATCHES].copy_(loss, non_blocking=True)
            done += 1
        moments.append(moment())
        # The host is a piece ahead, no more.
        moments[-2].synchronize()
    torch.cuda.synchronize()
    if not losses.isfinite().all():
        raise ValueError("the loss is not finite")
    # The first piece warms up.
    pieces = zip(moments[1:], moments[2:])
    return [a.elapsed_time(b) / 1e3 / PIECE for a, b in pieces]


def time_cpu(step, of, tokens, pool):
    times = []
    for i in range(3):
        begin = time.monotonic()
        tokens.copy_(pool[i])
        assert step(of).isfinite()
        times.append(time.monotonic() - begin)
    return times


class Muon:
    """model.Muon, with the matrices of a shape in one batch and Newton-Schulz in bf16, as those who want it fast have it."""

    MOMENTUM, STEPS = 0.95, 5

    def __init__(self, torch, params, lr):
        self.torch, self.lr = torch, lr
        shapes = {}
        for p in params:
            shapes.setdefault(p.shape, []).append(p)
        self.alike = [(ps, torch.zeros(len(ps), *shape, device=ps[0].device)) for shape, ps in shapes.items()]

    def step(self):
        with self.torch.no_grad():
            for params, m in self.alike:
                gradient = self.torch.stack([p.grad for p in params])
                m.lerp_(gradient, 1 - self.MOMENTUM)
                update = self.orthogonalise(gradient.lerp(m, self.MOMENTUM)).float()
                rows, cols = params[0].shape
                self.torch._foreach_add_(params, list(update.unbind()), alpha=-self.lr * max(1, rows / cols) ** 0.5)

    def orthogonalise(self, g):
        a, b, c = 3.4445, -4.7750, 2.0315
        tall = g.shape[1] > g.shape[2]
        x = g.mT if tall else g
        x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
        for _ in range(self.STEPS):
            s = x @ x.mT
            x = self.torch.baddbmm(x, self.torch.baddbmm(s, s, s, beta=b, alpha=c), x, beta=a)
        return x.mT if tall else x


if __name__ == "__main__":
    main()
