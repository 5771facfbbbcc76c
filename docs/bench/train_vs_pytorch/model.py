"""The ternary transformer and its optimisers in plain PyTorch, as somebody would write them there.

The mathematics is the Rust trainer's (group-128 absmean weights with an f16 scale, int8 activations per token,
straight-through rounding, QK-norm, half-split RoPE, mHC-lite streams); timing it is bench.py's business.
"""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

GROUP = 128
SCALE_MIN = 2.0**-14  # the smallest normal f16


@dataclass
class Config:
    vocab: int
    width: int
    blocks: int
    heads: int
    ffn: int
    activation: str  # swiglu, relu2 or relu2_gated
    context: int
    streams: int = 1
    qk_norm: bool = True
    sub_norms: bool = False  # before the attention output and the down projection
    norm_eps: float = 1e-5
    rope_base: float = 10000.0
    dropout: float = 0.0  # of sub-layer outputs and of the embedding
    ternary: bool = True  # False: the same net without any rounding

    @property
    def head_dim(self):
        return self.width // self.heads


class RoundWeights(torch.autograd.Function):
    """The nearest of {-s, 0, s} in each group of 128 inputs; backward is the identity."""

    @staticmethod
    def forward(ctx, w):
        g = w.view(w.shape[0], -1, GROUP)
        s = g.abs().mean(-1, keepdim=True).clamp_(min=SCALE_MIN).half().float()
        return (g / s).round_().clamp_(-1, 1).mul_(s).view_as(w)

    @staticmethod
    def backward(ctx, grad):
        return grad


class RoundActivations(torch.autograd.Function):
    """Symmetric int8 per token; backward is the identity."""

    @staticmethod
    def forward(ctx, x):
        a = x.abs().amax(-1, keepdim=True).div_(127).clamp_(min=1e-30)
        return (x / a).round_().mul_(a)

    @staticmethod
    def backward(ctx, grad):
        return grad


class RoundF16(torch.autograd.Function):
    """What is stored as f16 is trained as f16; backward is the identity."""

    @staticmethod
    def forward(ctx, x):
        return x.half().float()

    @staticmethod
    def backward(ctx, grad):
        return grad


class BitLinear(nn.Module):
    """Its input is already rounded, because q, k, v share one, and so do gate and up."""

    def __init__(self, cfg, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * inputs**-0.5)
        self.ternary = cfg.ternary

    def forward(self, x):
        return F.linear(x, RoundWeights.apply(self.weight) if self.ternary else self.weight)


class Norm(nn.Module):
    def __init__(self, cfg, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.eps = cfg.norm_eps

    def forward(self, x):
        return F.rms_norm(x, self.gain.shape, self.gain, self.eps)


class Attention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.norm = Norm(cfg, cfg.width)
        self.q, self.k, self.v, self.o = (BitLinear(cfg, cfg.width, cfg.width) for _ in range(4))
        self.q_norm = Norm(cfg, cfg.head_dim) if cfg.qk_norm else nn.Identity()
        self.k_norm = Norm(cfg, cfg.head_dim) if cfg.qk_norm else nn.Identity()
        self.sub_norm = Norm(cfg, cfg.width) if cfg.sub_norms else nn.Identity()

    def forward(self, x, cos, sin):
        cfg = self.cfg
        batch, tokens, _ = x.shape
        x = round_activations(cfg, self.norm(x))

        def heads(y):
            return y.view(batch, tokens, cfg.heads, cfg.head_dim).transpose(1, 2)

        q = rope(self.q_norm(heads(self.q(x))), cos, sin)
        k = rope(self.k_norm(heads(self.k(x))), cos, sin)
        v = heads(self.v(x))
        if cfg.ternary:
            k, v = RoundF16.apply(k), RoundF16.apply(v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = self.sub_norm(y.transpose(1, 2).reshape(batch, tokens, cfg.width))
        return self.o(round_activations(cfg, y))


class FeedForward(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.norm = Norm(cfg, cfg.width)
        self.gate = BitLinear(cfg, cfg.width, cfg.ffn) if cfg.activation != "relu2" else None
        self.up = BitLinear(cfg, cfg.width, cfg.ffn)
        self.down = BitLinear(cfg, cfg.ffn, cfg.width)
        self.sub_norm = Norm(cfg, cfg.ffn) if cfg.sub_norms else nn.Identity()

    def forward(self, x, cos, sin):
        cfg = self.cfg
        x = round_activations(cfg, self.norm(x))
        match cfg.activation:
            case "swiglu":
                h = F.silu(self.gate(x)) * self.up(x)
            case "relu2":
                h = F.relu(self.up(x)).square()
            case "relu2_gated":
                h = F.relu(self.gate(x)).square() * self.up(x)
        return self.down(round_activations(cfg, self.sub_norm(h)))


def round_activations(cfg, x):
    return RoundActivations.apply(x) if cfg.ternary else x


def rope(x, cos, sin):
    """Half-split rotation of x (batch, heads, tokens, head_dim)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Residual(nn.Module):
    """A sub-layer and its connection: x + f(x) for one stream, mHC-lite (arXiv 2601.05732) for more."""

    def __init__(self, cfg, sublayer, index):
        super().__init__()
        self.cfg, self.sublayer = cfg, sublayer
        n = cfg.streams
        if n == 1:
            return
        permutations = list(itertools.permutations(range(n)))
        self.register_buffer("permutations", torch.stack([torch.eye(n)[list(p)] for p in permutations]))
        self.weight = nn.Parameter(torch.zeros(2 * n + len(permutations), n * cfg.width))
        self.alpha = nn.Parameter(torch.full((3,), 0.01))
        side = torch.where(torch.arange(n) == index % n, 1.0, -1.0)
        self.pre_bias, self.post_bias = nn.Parameter(side.clone()), nn.Parameter(side.clone())
        self.mix_bias = nn.Parameter(torch.where(torch.arange(len(permutations)) == 0, 0.0, -8.0))

    def forward(self, x, cos, sin):
        """x is (batch, tokens, streams, width), without the streams' axis where there is one stream."""
        cfg = self.cfg
        n = cfg.streams
        if n == 1:
            return x + F.dropout(self.sublayer(x, cos, sin), cfg.dropout, self.training)
        c = F.linear(F.rms_norm(x.flatten(2), (n * cfg.width,), None, cfg.norm_eps), self.weight)
        pre = torch.sigmoid(self.alpha[0] * c[..., :n] + self.pre_bias)
        post = 2 * torch.sigmoid(self.alpha[1] * c[..., n : 2 * n] + self.post_bias)
        mix = torch.softmax(self.alpha[2] * c[..., 2 * n :] + self.mix_bias, -1)
        y = self.sublayer((pre.unsqueeze(-2) @ x).squeeze(-2), cos, sin)
        y = F.dropout(y, cfg.dropout, self.training)
        return torch.einsum("btp,pij->btij", mix, self.permutations) @ x + post.unsqueeze(-1) * y.unsqueeze(-2)


class Model(nn.Module):
    """Tokens (batch, tokens) to logits (batch, tokens, vocab); the head is tied to the f16 embedding."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.embedding = nn.Parameter(torch.randn(cfg.vocab, cfg.width) * 0.02)
        layers = []
        for block in range(cfg.blocks):
            layers.append(Residual(cfg, Attention(cfg), 2 * block))
            layers.append(Residual(cfg, FeedForward(cfg), 2 * block + 1))
        self.layers = nn.ModuleList(layers)
        self.norm = Norm(cfg, cfg.width)
        half = cfg.head_dim // 2
        angles = torch.outer(torch.arange(cfg.context).float(), cfg.rope_base ** (-torch.arange(half) / half))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, tokens):
        cfg = self.cfg
        table = RoundF16.apply(self.embedding) if cfg.ternary else self.embedding
        x = F.dropout(F.embedding(tokens, table), cfg.dropout, self.training)
        if cfg.streams > 1:
            x = x.unsqueeze(2).expand(-1, -1, cfg.streams, -1)
        for layer in self.layers:
            x = layer(x, self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]])
        if cfg.streams > 1:
            x = x.sum(2)
        return F.linear(self.norm(x), table)

    def matrices(self):
        """What Muon updates: the matrices of the blocks."""
        return [m.weight for m in self.modules() if isinstance(m, BitLinear)]

    def others(self):
        """What AdamW updates: embedding, gains, hyper-connections."""
        matrices = {id(p) for p in self.matrices()}
        return [p for p in self.parameters() if id(p) not in matrices]


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update has its singular values pushed towards 1."""

    def __init__(self, params, lr, momentum=0.95, newton_schulz_steps=5):
        super().__init__(params, dict(lr=lr, momentum=momentum, newton_schulz_steps=newton_schulz_steps))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                m = state.setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalise(p.grad.lerp(m, group["momentum"]), group["newton_schulz_steps"])
                p.add_(update, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def orthogonalise(g, steps):
    """Quintic Newton-Schulz iterations, on the side that makes the square product small."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[0] > g.shape[1]
    x = g.T if tall else g
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        s = x @ x.T
        x = a * x + torch.addmm(s, s, s, beta=b, alpha=c) @ x
    return x.T if tall else x
