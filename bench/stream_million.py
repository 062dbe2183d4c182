"""A million frames of 88 x 66 from disk: bench/stream_million.py WHAT.

make re-encodes the bundled films, each frame at other offsets of a slightly larger one and mirrored, so
that no two are cut alike, into shards of JPEG; stream reads them all once, train sends some through the
training step of the modern GAN, presets trains the two larger classic networks on the bundled frames for a
while. Each writes its part of bench/stream_million.json. One thread, so that a core-second is a second of
work whatever else the machine does.
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import torch
from PIL import Image

from gamegen.core import atomic_write
from gamegen.frame.race import RaceClock
from gamegen.images import game_frames
from gamegen.mario_dcgan import FramesConfig, classic_large, classic_small, frame_nets, frames_trainer
from gamegen.shards import shard_loader, write_shards

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench/stream_million.json'
SIZE,LARGER = (88, 66),(104, 78)
N = 1_000_000

def now(): return round(psutil.Process().memory_info().rss/2**20, 1)

def shifted(n, seed=0):
    "`n` different cuts of the training frames, in random order"
    x = game_frames('train', LARGER).x.permute(0, 2, 3, 1).numpy()
    (w,h),(lw,lh) = SIZE,LARGER
    ways = len(x), lh - h + 1, lw - w + 1, 2
    if np.prod(ways) < n: raise SystemExit(f'{np.prod(ways):,} cuts; fewer than {n:,}')
    for k in np.random.default_rng(seed).permutation(np.prod(ways))[:n]:
        i,dy,dx,mirrored = np.unravel_index(k, ways)
        a = x[i, dy:dy+h, dx:dx+w]
        yield Image.fromarray(np.ascontiguousarray(a[:,::-1] if mirrored else a))

def make(folder, n):
    t = time.process_time()
    write_shards(shifted(n), folder, SIZE, per_shard=10_000, encoding='jpg', quality=90)
    return dict(core_seconds=round(time.process_time() - t))

def stream(folder, every=20_000):
    "Read all once; frames so far, memory, core-seconds; kept as it goes"
    loader = shard_loader(folder, 64, shuffle=2000)
    ix = loader.index
    there = dict(frames=ix['images'], shards=len(ix['shards']), gb=round(sum(o['bytes'] for o in ix['shards'])/1e9, 2))
    rows = [(0, now(), 0.)]
    n = 0
    t = time.process_time()
    for x in loader:
        n += len(x)
        if n//every == (n - len(x))//every and n < ix['images']: continue
        rows.append((n, now(), round(time.process_time() - t, 1)))
        write('stream', dict(there=there, batch=64, shuffle=2000, rows=rows, per_core_second=round(n/rows[-1][2])))
    return json.loads(OUT.read_text())['stream']

def train(folder, steps=500, every=20):
    "Batches through the training of the modern GAN; frames so far, memory, core-seconds"
    cfg = FramesConfig(images=str(folder), steps=steps, every=steps, watch=0)
    rows = []
    def record(t):
        it = t.nets.it
        if it%every == 0: rows.append((it*cfg.bs, now(), round(time.process_time(), 1)))
    t = frames_trainer(cfg, before_batch=[record])
    t.sample = None
    t.train()
    record(t)
    rows = [(n, mb, round(s - rows[0][2], 1)) for n,mb,s in rows]
    return dict(batch=cfg.bs, steps=t.nets.it, rows=rows, per_core_second=round(rows[-1][0]/rows[-1][2], 1))

def presets(core_seconds):
    "The two larger classic networks: parameters, scores before and after, losses of each round"
    res = {}
    for preset in (classic_small, classic_large):
        cfg = preset(bs=16, steps=10**6, every=50, watch=200, collapse=0.)
        clock = RaceClock(core_seconds)
        t = frames_trainer(cfg, before_batch=[clock.begin], alarms=[clock.end], after_round=[clock.stop])
        t.sample = None
        before = {k:round(v, 4) for k,v in t.score(t.nets).items()}
        sizes = {k:sum(p.numel() for p in net.parameters()) for k,net in frame_nets(cfg).items()}
        t.train()
        rounds = pd.DataFrame(t.history).round(4).to_dict('records')
        res[preset.__name__] = dict(batch=cfg.bs, parameters=sizes, before=before, rounds=rounds)
        print(preset.__name__, before, rounds[-1], flush=True)
    return res

def write(part, figures):
    old = json.loads(OUT.read_text()) if OUT.exists() else {}
    with atomic_write(OUT) as f: f.write_text(json.dumps(old | {part:figures}) + '\n')

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('what', choices=('make', 'stream', 'train', 'presets'))
    p.add_argument('--folder', default=ROOT/'output/million', type=Path)
    p.add_argument('--n', default=N, type=int, help='frames to make')
    p.add_argument('--core-seconds', default=300., type=float, help='for each of the presets')
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.what == 'make': figures = make(a.folder, a.n)
    elif a.what == 'presets': figures = presets(a.core_seconds)
    else: figures = globals()[a.what](a.folder)
    write(a.what, figures)
    print(json.dumps(figures)[:2000])
