"""Rectified flow for game frames, in pixels and in the latents of a small autoencoder: two rows of the race.

python bench/frame_flow.py pixel|auto|latent [--core-seconds T] trains, in output/flow-WHAT, and goes on where it
was left; latent needs what auto has learned. python bench/frame_flow.py measure writes the rounds of both flows, and
for each method of nbs/frame/03_race.ipynb parameters and milliseconds a picture, into bench/frame_flow.json. One
thread, so that a core-second is a second of work whatever else the machine does; scoring is not counted.
"""
import argparse
import json
import math
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from frame_projected import figures, some
from gamegen.batches import TensorLoader
from gamegen.core import atomic_write, fixed_rng
from gamegen.features import image_features
from gamegen.flow import FlowBlock, Muon, begin_at_zero, flow_loss, unet_pass, velocity
from gamegen.frame.data import left_out
from gamegen.frame.race import RaceClock
from gamegen.images import game_frames, tile
from gamegen.io import part, read_tensors
from gamegen.learner import Trainer
from gamegen.mario_dcgan import (FrameCopies, FrameModel, FramesConfig, classic_small, frame_nets, generate_frames,
                                 to_bytes)
from gamegen.projected import Projector, resemblance
from gamegen.train import TrainConfig, checkpoints

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench/frame_flow.json'
SIZE = 72, 88      # of padded frames
CROP = 40, 48
BLOCK = 4          # pixels across a block
LATENT = 16        # maps of a latent, 8 times smaller
STEPS = 12         # of Euler
LIMITS = dict(auto=600., latent=1400., pixel=2000.)   # core-seconds of training

# --- data

class Frames:
    "Training frames and their tracks, and rows of those that are left out"
    def __init__(self):
        got = game_frames('train')
        self.all = got.x
        known,self.apart = left_out(len(got.x))
        names = sorted(set(got.labels))
        self.tracks = len(names)
        self.x = got.x[known]
        self.y = torch.tensor([names.index(got.labels[i]) for i in known])

def padded(x):
    "Bytes as numbers in [-1,1], the last row repeated"
    x = x.float()/127.5 - 1
    return F.pad(x, (0, SIZE[1] - x.shape[3], 0, SIZE[0] - x.shape[2]), mode='replicate')

# --- networks

class Net(nn.Module):
    "A UNet that says which pictures it sees in noise; it is told time, track, and where each block is"
    def __init__(self, channels, block, widths, depth, tracks, embed=128):
        super().__init__()
        self.block = block
        self.register_buffer('freqs', torch.exp(torch.linspace(0, math.log(100.), 32)))
        self.time = nn.Linear(64, embed)
        self.track = nn.Embedding(tracks, embed)
        self.mix = nn.Linear(embed, embed)
        pairs = list(zip(widths, widths[1:]))
        self.stem = nn.Conv2d(channels*block**2 + 2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(FlowBlock(w, embed) for w in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(4*i, o, 1) for i,o in pairs)
        self.mid = nn.ModuleList(FlowBlock(widths[-1], embed, True) for _ in range(depth))
        self.grow = nn.ModuleList(nn.Conv2d(o, 4*i, 1) for i,o in pairs)
        self.up = nn.ModuleList(FlowBlock(w, embed) for w in widths[:-1])
        self.norm = nn.GroupNorm(8, widths[0])
        self.out = nn.Conv2d(widths[0], channels*block**2, 3, padding=1)
        nn.init.normal_(self.track.weight, std=.5)
        begin_at_zero(self.out)

    def forward(self, z, t, y, corner=None):
        angle = t[:,None]*self.freqs
        e = self.time(torch.cat([angle.sin(), angle.cos()], 1)) + self.track(y)
        e = F.silu(self.mix(F.silu(e)))
        z = F.pixel_unshuffle(z, self.block)
        x = self.stem(torch.cat([z, places(z, corner)], 1))
        x = unet_pass(self, x, e)
        return F.pixel_shuffle(self.out(F.silu(self.norm(x))), self.block)

def places(z, corner):
    "Rows and columns of blocks in the whole picture, about -1 to 1 (Patch Diffusion, arXiv 2304.12526)"
    n,_,h,w = z.shape
    whole = (h, w) if corner is None else (SIZE[0]//BLOCK, SIZE[1]//BLOCK)
    corner = torch.zeros(n, 2) if corner is None else corner/BLOCK
    i,j = ((corner[:,k,None] + torch.arange(s) + .5)/of*2 - 1 for k,(s,of) in enumerate(zip((h, w), whole)))
    return torch.stack([i[:,:,None].expand(n, h, w), j[:,None].expand(n, h, w)], 1)

class Residual(nn.Module):
    "Two convolutions beside a shortcut"
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        begin_at_zero(self.conv2)
    def forward(self, x): return x + self.conv2(F.relu(self.conv1(F.relu(x))))

class Auto(nn.Module):
    "An autoencoder of TAESD's shape: convolutions alone, a grid 8 times smaller, bounded latents"
    def __init__(self, widths=(32, 64, 128)):
        super().__init__()
        a,b,c = widths
        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        def up(i, o): return nn.Sequential(conv(i, 4*o, kernel_size=1, padding=0), nn.PixelShuffle(2))
        self.enc = nn.Sequential(nn.PixelUnshuffle(2), conv(12, a), nn.ReLU(), conv(a, b, stride=2), Residual(b),
                                 conv(b, c, stride=2), Residual(c), conv(c, LATENT))
        self.dec = nn.Sequential(conv(LATENT, c), Residual(c), Residual(c), up(c, b), Residual(b), Residual(b),
                                 up(b, a), Residual(a), nn.ReLU(), conv(a, 12), nn.PixelShuffle(2))
        self.register_buffer('mean', torch.zeros(LATENT, 1, 1))    # of latents
        self.register_buffer('sd', torch.ones(LATENT, 1, 1))
    def encode(self, x): return 3*torch.tanh(self.enc(x)/3)
    def decode(self, z): return self.dec(z)

# --- steps

def times(n): return torch.sigmoid(-.5 + 1.1*torch.randn(n))

def pixel_step(nets, batch, cfg):
    "Whole frames, or as often twice as many parts of frames"
    x,y = batch
    x = padded(x)
    corner = None
    if torch.rand(()) < .5: x,y = x[:len(x)//2],y[:len(y)//2]
    else: x,corner = cropped(x)
    t = times(len(x))
    return dict(loss=flow_loss(nets.gen, x, t, torch.randn_like(x), y, corner))

def cropped(x):
    "A part of each frame, and where its corner is"
    corner = (torch.rand(len(x), 2)*(torch.tensor(SIZE) - torch.tensor(CROP) + 1)).long()
    parts = [o[:, i:i + CROP[0], j:j + CROP[1]] for o,(i,j) in zip(x, corner.tolist())]
    return torch.stack(parts), corner.float()

def latent_step(nets, batch, cfg):
    x,y = batch
    return dict(loss=flow_loss(nets.gen, x, times(len(x)), torch.randn_like(x), y))

class AutoStep:
    "L1 in pixels, and the resemblance of frozen features; a little noise on latents"
    def __init__(self, frames):
        self.projector = Projector(scale=1.).calibrate(padded(frames.x[::32])[:256])
    def __call__(self, nets, batch, cfg):
        x = padded(batch[0])
        z = nets.gen.encode(x)
        y = nets.gen.decode(z + .1*torch.randn_like(z))
        with torch.no_grad(): p = self.projector(x)
        return dict(loss=resemblance(y, self.projector(y), x, p), l1=(y - x).abs().mean().detach())

# --- drawing and scores

@torch.no_grad()
def euler(net, z, y, steps=STEPS):
    "From noise to pictures along straight lines (rectified flow, arXiv 2209.03003)"
    at = torch.linspace(0, 1, steps + 1)
    for t,to in zip(at, at[1:]): z = z + (to - t)*velocity(net(z, t.expand(len(z)), y), z, t)
    return z

class Drawer:
    "Frames of tracks that are as frequent as in training"
    def __init__(self, frames, auto=None):
        self.y = frames.y
        self.auto = auto
        self.shape = (3, *SIZE) if auto is None else (LATENT, SIZE[0]//8, SIZE[1]//8)
    def __call__(self, net, n, seed=0, bs=25):
        g = torch.Generator().manual_seed(seed)
        y = self.y[torch.randint(len(self.y), (n,), generator=g)]
        z = torch.randn(n, *self.shape, generator=g)
        return torch.cat([self.finish(euler(net, *o)) for o in zip(z.split(bs), y.split(bs))])
    @torch.no_grad()
    def finish(self, z):
        if self.auto is not None: z = self.auto.decode(z*self.auto.sd + self.auto.mean)
        return to_bytes(z[:,:,:66])

class Scorer:
    "Figures against left-out frames of the tracks that were learned, and against other tracks"
    def __init__(self, frames):
        path = ROOT/'output/flow-features.npz'
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            sets = dict(apart=some(frames.all[frames.apart], 600), held=some(game_frames('held out').x, 1000))
            np.savez(path, **{k:image_features(o) for k,o in sets.items()})
        self.real = dict(np.load(path))
        self.copies = FrameCopies(frames.all, None)
    def __call__(self, x):
        f = image_features(x)
        res = {f'{k}_{name}':v for k,o in self.real.items() for name,v in figures(o, f).items()}
        return dict(res, copy_rate=self.copies(x).rate)

# --- training

class Clock(RaceClock):
    "Learning rates that stay for half of the time, then fall to a fiftieth"
    def __init__(self, core_seconds, spent=0.):
        super().__init__(core_seconds)
        self.spent = spent      # before, on the autoencoder
    def begin(self, t):
        super().begin(t)
        before = t.history[-1]['core_seconds'] if t.history else self.spent
        share = (before + time.process_time() - self.at - self.spent)/(self.limit - self.spent)
        t.opt.set_hyper('lr', [o*max(.02, min(1., 2 - 2*share)) for o in t.lr])
    def end(self, t):
        super().end(t)
        if len(t.history) == 1: t.history[-1]['core_seconds'] += self.spent

def trainer(what, net, step, loader, every, clock, score=None):
    cfg = TrainConfig(steps=10**6, every=every, bs=loader.bs, lr=.02, ema=.995, collapse=0., keep=0)
    return Trainer(dict(gen=net.to(memory_format=torch.channels_last)), dict(gen=step), loader, cfg,
                   ROOT/f'output/flow-{what}', opt_func=Muon, score=score, progress=False, before_batch=[clock.begin],
                   alarms=[clock.end], after_round=[clock.stop, lambda t: print(t.history[-1], flush=True)])

def scored(draw, scorer, n=500):
    def score(nets):
        res = scorer(draw(nets.avg('gen'), n))
        return dict(res, score=res['held_kid'])
    return score

def pixel_net(tracks): return Net(3, BLOCK, (64, 160), 3, tracks)
def latent_net(tracks): return Net(LATENT, 1, (128,), 6, tracks)

def learned(what, net):
    "The averaged weights of a run's end"
    path = max(checkpoints(ROOT/f'output/flow-{what}').items())[1]
    net.load_state_dict(part(read_tensors(path, 'checkpoint')[0], 'nets.ema.gen.module.'))
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)

def rounds(what): return pd.read_csv(ROOT/f'output/flow-{what}/log.csv')

def train(what, core_seconds, every):
    frames = Frames()
    loader = partial(TensorLoader, frames.x, frames.y, seed=0)
    with fixed_rng(0): net = dict(pixel=pixel_net, auto=lambda _: Auto(), latent=latent_net)[what](frames.tracks)
    if what == 'auto':
        t = trainer(what, net, AutoStep(frames), loader(bs=16), every, Clock(core_seconds))
    if what == 'pixel':
        score = scored(Drawer(frames), Scorer(frames))
        t = trainer(what, net, pixel_step, loader(bs=64), every, Clock(core_seconds), score)
    if what == 'latent':
        auto = learned('auto', Auto())
        x,spent = latents(auto, frames.x)
        score = scored(Drawer(frames, auto), Scorer(frames))
        loader = TensorLoader(x, frames.y, bs=32, seed=0)
        t = trainer(what, net, latent_step, loader, every, Clock(core_seconds + spent, spent), score)
    t.sample = None
    t.train(resume=True)

@torch.no_grad()
def latents(auto, x):
    "Latents of frames at mean 0 and deviation 1, which the autoencoder keeps; core-seconds until then"
    path = ROOT/'output/flow-latents.npz'
    if not path.exists():
        now = time.process_time()
        z = torch.cat([auto.encode(padded(o)) for o in x.split(50)])
        spent = rounds('auto').core_seconds.iloc[-1] + time.process_time() - now
        np.savez(path, z=z, spent=spent)
    got = np.load(path)
    z = torch.from_numpy(got['z'])
    auto.mean.copy_(z.mean((0, 2, 3))[:,None,None])
    auto.sd.copy_(z.std((0, 2, 3))[:,None,None])
    return (z - auto.mean)/auto.sd, float(got['spent'])

# --- what is kept

def milliseconds(draw, n=8):
    "Core-milliseconds a picture, the median of five draws"
    draw()
    spent = []
    for _ in range(5):
        now = time.process_time()
        draw()
        spent.append((time.process_time() - now)/n*1000)
    return round(float(np.median(spent)), 1)

def gan_costs():
    "Parameters of the generators, and milliseconds a picture in batches of four"
    rows = {}
    nets = {'classic':frame_nets(classic_small())['gen'], 'modern':frame_nets(FramesConfig())['gen']}
    for k,net in nets.items():
        net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        cfg = classic_small() if k == 'classic' else FramesConfig()
        rows[k] = count(net, lambda: [to_bytes(net(torch.randn(4, cfg.latent))) for _ in range(2)])
    model = FrameModel.load()
    rows['projected'] = count(model.gen, lambda: generate_frames(8, seed=0, model=model))
    return rows

def count(net, draw):
    return dict(parameters=sum(p.numel() for p in net.parameters()), ms=milliseconds(draw))

def measure():
    "Costs of all methods, rounds of the flows, and how good the autoencoder lets frames be"
    frames = Frames()
    scorer = Scorer(frames)
    auto = learned('auto', Auto())
    _,spent = latents(auto, frames.x)
    nets = {'pixel flow':learned('pixel', pixel_net(frames.tracks)),
            'latent flow':learned('latent', latent_net(frames.tracks))}
    draws = {'pixel flow':Drawer(frames), 'latent flow':Drawer(frames, auto)}
    costs = gan_costs()
    for k,net in nets.items(): costs[k] = count(net, lambda: draws[k](net, 8, bs=4))
    costs['latent flow']['parameters'] += sum(p.numel() for p in auto.dec.parameters())
    sheets = [tile(draws[k](nets[k], 32, seed=1).permute(0, 2, 3, 1), 8, 1, 255) for k in nets]
    Image.fromarray(np.concatenate(sheets)).save(ROOT/'images/frame_flows.webp', quality=85, method=6)
    real = some(frames.all[frames.apart], 500)
    with torch.no_grad(): seen = [auto.decode(auto.encode(padded(o))) for o in real.split(50)]
    ceilings = {'training frames':some(frames.x, 500), 'decoded':to_bytes(torch.cat(seen)[:,:,:66])}
    res = dict(costs=costs, ceilings={k:scorer(o) for k,o in ceilings.items()}, decoder_ready=spent)
    for k in nets: res[k] = rounds(k.split()[0]).to_dict('records')
    res = json.loads(json.dumps(res), parse_float=lambda o: round(float(o), 4))
    with atomic_write(OUT) as p: p.write_text(json.dumps(res, indent=1) + '\n')
    print(json.dumps(res, indent=1))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('task', choices=['pixel', 'auto', 'latent', 'measure'])
    p.add_argument('--core-seconds', type=float, help=f'of training; {LIMITS} when not given')
    p.add_argument('--every', type=int, default=400, help='batches in a round, which ends with its scores')
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.task == 'measure': return measure()
    train(a.task, a.core_seconds or LIMITS[a.task], a.every)

if __name__ == '__main__': main()
