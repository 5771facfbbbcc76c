#!/usr/bin/env python3
"""Draws the app's icon: the mark of gui/src/icons.rs (three bars: one down, one flat, one up) on a dark tile, as SVG and as PNG
in the usual sizes. Needs nothing but Python; `make.py --check` says whether the files beside it are what it draws."""

import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).parent
SIZES = [48, 128, 256]
# The dark theme of gui/src/tokens.rs.
TILE, LINE, MINUS, ZERO, PLUS = "#151A21", "#28313C", "#6C8CFF", "#7B8794", "#FFB454"
# On a square of 64: x, y, width, height, corner, colour. The mark has a grid of 16; here a unit of it is 2.75.
UNIT, LEFT, TOP = 2.75, 10.0, 10.0


def bar(x, top, bottom, colour):
    return (LEFT + x * UNIT, TOP + top * UNIT, 4 * UNIT, (bottom - top) * UNIT, UNIT, colour)


SHAPES = [
    (2, 2, 60, 60, 14, LINE),
    (3, 3, 58, 58, 13, TILE),
    bar(0.5, 7.0, 15.0, MINUS),
    bar(6.0, 7.0, 9.4, ZERO),
    bar(11.5, 1.0, 9.4, PLUS),
]


def svg():
    rects = "".join(
        f'  <rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{r:g}" fill="{c}"/>\n' for x, y, w, h, r, c in SHAPES
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">\n{rects}</svg>\n'.encode()


def inside(shape, px, py):
    x, y, w, h, r, _ = shape
    dx = max(x + r - px, px - (x + w - r), 0)
    dy = max(y + r - py, py - (y + h - r), 0)
    return x <= px <= x + w and y <= py <= y + h and dx * dx + dy * dy <= r * r


def rgb(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def png(size, sub=5):
    """Each pixel is the mean of sub x sub points."""
    rows = []
    for j in range(size):
        row = bytearray([0])
        for i in range(size):
            total, hit = [0, 0, 0], 0
            for b in range(sub):
                for a in range(sub):
                    px, py = (i + (a + 0.5) / sub) * 64 / size, (j + (b + 0.5) / sub) * 64 / size
                    top = next((s for s in reversed(SHAPES) if inside(s, px, py)), None)
                    if top:
                        total = [t + c for t, c in zip(total, rgb(top[5]))]
                        hit += 1
            row += bytes([round(t / hit) if hit else 0 for t in total] + [round(255 * hit / sub**2)])
        rows.append(bytes(row))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + chunk(b"IEND", b"")


def pixels(data):
    """The image data of a PNG of ours; how well it is packed depends on the zlib."""
    at, out = 8, b""
    while at < len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        if data[at + 4 : at + 8] == b"IDAT":
            out += data[at + 8 : at + 8 + length]
        at += 12 + length
    return zlib.decompress(out)


files = {"tercet.svg": svg()} | {f"tercet-{s}.png": png(s) for s in SIZES}
if "--check" in sys.argv:
    for name, data in files.items():
        there = (HERE / name).read_bytes()
        same = pixels(there) == pixels(data) if name.endswith(".png") else there == data
        if not same:
            sys.exit(f"{name} is not what make.py draws; run it")
else:
    for name, data in files.items():
        (HERE / name).write_bytes(data)
