"""Train the monster generator and its peers on the same sprites, for the same seconds of one core.

python bench/monster_peers.py NAME [--seed S] [--core-seconds T] adds the scores of that run to
bench/monster_peers.json; sizes adds to all of them how many weights a generator has and how long a sprite takes.
NAME is grown (half of the time at 32 x 32, the rest at 64 x 64), bare (the same without conditioning features), flat
(64 x 64 from the start), projected (two critics, one of them on frozen features), flow (rectified flow in pixels),
tokens (pixels of a palette, masked and named: MaskGIT), frames (the networks of nbs/40_mario_dcgan.ipynb, with alpha
as a fourth channel) or lightweight (pip install lightweight-gan, in any environment: its own trainer with its own
settings; PEERS names its folder if it is not installed here).
One thread, so that a core-second is a second of work whatever else the machine does. Scoring is not counted.
"""
import argparse
import json
import os
import sys
import tempfile
import time
import types
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.cluster import MiniBatchKMeans
from torch import nn
from torch.nn import functional as F

from gamegen.batches import TensorLoader
from gamegen.core import atomic_write, fixed_rng
from gamegen import mario_dcgan as frame_nets
from gamegen.flow import unet_pass
from gamegen.learner import Callback, CancelFitException, Trainer
from gamegen.monster.flow import FlowConfig, FlowModel, FlowNet, flow_trainer
from gamegen.monster.projected import WeightedLoader, fair_weights, projected_trainer
from gamegen.monster.runs import LatentSampler, monster_data, seeded_noise
from gamegen.monster.scores import SpriteScorer, remove_specks, sprite_features
from gamegen.monster.stylegan import to_bytes, to_premultiplied
from gamegen.monsters import (MonsterConfig, StyleGen, monster_model, monsters_trainer,
                              projected as projected_config)

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'monster_peers.json'

ENDLESS = dict(watch=0, steps=10**6, every=10**6, collapse=0.)     # the clock ends a run

def quarters(seconds): return [seconds*k for k in (.25, .5, .75)]

class Clock(Callback):
    "Stops a training by the clock of the processor, and scores it a few times on the way"
    order = 70
    def __init__(self, seconds, marks, score):
        self.seconds = seconds
        self.marks = list(marks)
        self.score = score
        self.spent = 0.
    def before_fit(self): self.at = time.process_time()
    def after_batch(self):
        spent = self.spent + time.process_time() - self.at
        if spent < (self.marks[0] if self.marks else self.seconds): return
        if self.marks: self.marks.pop(0)
        self.score(spent, self.learn, spent >= self.seconds)
        self.spent = spent
        self.at = time.process_time()
        if spent >= self.seconds: raise CancelFitException

class Table:
    "Scores made sprites, some 600 of them, and keeps the figures"
    def __init__(self):
        self.data = monster_data(MonsterConfig())
        d = self.data
        self.scorer = SpriteScorer(d.x, d.y.numpy(), d.held, d.classes, sprite_features(d.x))
        self.rows = []
        self.y = self.scorer.labels(600)
    def note(self, seconds, draw, batches, classes, last=False):
        "`draw(y)` makes sprites at 64 x 64; peers without classes ignore theirs, and have no figures by class"
        x = draw(torch.as_tensor(self.y))
        for tidy in (False, True)[:1 + last]:
            got,table = self.scorer.measure(remove_specks(x) if tidy else x, self.y)
            row = dict(seconds=round(seconds), batches=batches, tidy=tidy, **got)
            if classes: row['least_coverage'] = float(table.coverage.min())
            else:
                for k in ('known', 'c_t'): row.pop(k)
            self.rows.append({k:round(v, 4) for k,v in row.items()})
            print(self.rows[-1], flush=True)

def draw_averaged(t, y):
    "Sprites of a Trainer's averaged generator"
    g = t.nets.avg('gen')
    was = g.training
    pairs = zip(t.sampler(range(len(y)), y).split(64), y.split(64))
    with torch.inference_mode(): x = torch.cat([to_bytes(g(a, b)) for a,b in pairs])
    g.train(was)
    return x

def ours(seconds, table, seed, folder, grown=True, **how):
    "The networks of the project, small first or not"
    spent = 0.
    def run(cfg, seconds, marks):
        def score(t, learn, last):
            if learn.cfg.size < 64: return
            table.note(spent + t, partial(draw_averaged, t_), learn.nets.it, True, last)
        t_ = monsters_trainer(cfg, cbs=[Clock(seconds, marks, score)])
        return t_.train_model(partial(monster_model, t_), licence='GPL-2.0-or-later').model
    base = dict(seed=seed, **ENDLESS, **how)
    if not grown: return run(MonsterConfig(**base), seconds, quarters(seconds))
    small = run(MonsterConfig(**base, size=32, gen_features=32, critic_features=32), seconds/2, [])
    small.save(folder/'small.safetensors')
    spent = seconds/2
    run(MonsterConfig(**base, start=str(folder/'small.safetensors')), seconds/2, [seconds/4])

def projected(seconds, table, seed, folder):
    "The same generator against two critics, from nothing"
    def score(s, learn, last): table.note(s, partial(draw_averaged, t), learn.nets.it, True, last)
    cfg = projected_config(seed=seed, **ENDLESS)
    t = projected_trainer(cfg, cbs=[Clock(seconds, quarters(seconds), score)], progress=False)
    t.train()

def training_side(table):
    "Sprites, classes and how often each is drawn"
    d = table.data
    ok = torch.as_tensor(~d.held)
    families = torch.as_tensor(pd.factorize(d.table.family[~d.held])[0])
    return d.x[ok], d.y[ok], fair_weights(families, d.y[ok])

def flow(seconds, table, seed, folder):
    "Rectified flow in pixels, blocks of 4 by 4"
    labels = table.data.classes
    shape = dict(size=64, block=4, classes=len(labels), labels=labels)
    cfg = FlowConfig(**shape, seed=seed, ema=.995, mean_time=-.8, steps=10**6, every=10**6, collapse=0.,
                     schedule='constant')
    x,y,weights = training_side(table)
    def score(s, learn, last):
        m = FlowModel(t.nets.copied().avg('gen'), cfg, None, t.sampler)
        m.steps,m.guided = 12,(0, 1)
        def draw(y): return torch.as_tensor(m.draw(t.sampler.arrays(range(len(y)), y), y, .9))
        table.note(s, draw, learn.nets.it, True, last)
    t = flow_trainer(cfg, x, y, weights, cbs=[Clock(seconds, [seconds/2], score)], progress=False)
    t.train()

class Palette:
    "Sprites as numbers of colours: 0 is clear"
    def __init__(self, x, n=63, seed=0):
        solid = x.permute(0, 2, 3, 1)[x[:,3] > 127][:,:3].numpy()
        some = solid[np.random.default_rng(seed).integers(0, len(solid), 200_000)]
        centres = MiniBatchKMeans(n, random_state=seed, n_init=3).fit(some.astype(np.float32)).cluster_centers_
        self.colours = torch.tensor(centres)
        self.n = n + 1
    def numbers(self, x):
        rgb = x[:,:3].permute(0, 2, 3, 1).reshape(-1, 3).float()
        near = torch.cat([torch.cdist(o, self.colours).argmin(1) for o in rgb.split(2**16)])
        return (near.view(-1, *x.shape[2:]) + 1)*(x[:,3] > 127)
    def sprites(self, numbers):
        rgb = self.colours.round().byte()[(numbers - 1).clamp(min=0)].permute(0, 3, 1, 2)
        solid = (numbers > 0)[:,None]
        return torch.cat([rgb*solid, 255*solid.byte()], 1)

class TokenNet(FlowNet):
    "The flow's UNet, which reads numbers of colours, some of them hidden, and names them"
    def __init__(self, cfg, n):
        super().__init__(cfg)
        self.read = nn.Embedding(n + 1, 8)           # the last is hidden
        self.stem = nn.Conv2d(8*cfg.block**2, cfg.width, 3, padding=1)
        self.out = nn.Conv2d(cfg.width, n*cfg.block**2, 3, padding=1)
    def forward(self, k, t, y):
        e = self.told(t, y, self.told.augment.weight.new_zeros(len(k), self.told.augment.in_features))
        x = self.stem(F.pixel_unshuffle(self.read(k).permute(0, 3, 1, 2), self.block))
        return F.pixel_shuffle(self.out(F.silu(self.norm(unet_pass(self, x, e)))), self.block)

def mask_tokens(k, n, t):
    "Hide all but a share `t` of the pixels"
    return torch.where(torch.rand(k.shape) < t[:,None,None], k, n)

def token_step(nets, batch, cfg):
    "Cross-entropy of what is hidden (MaskGIT, arXiv 2202.04200)"
    k,y = batch
    t = 1 - torch.cos(torch.rand(len(k))*np.pi/2)
    hidden = mask_tokens(k, cfg.colours, t)
    flip = torch.rand(len(k)) < .4
    k,hidden = (torch.where(flip[:,None,None], o.flip(2), o) for o in (k, hidden))
    ce = F.cross_entropy(nets.gen(hidden, t, y), k, reduction='none')
    return dict(loss=ce[hidden == cfg.colours].mean())

@torch.inference_mode()
def sample_tokens(net, y, n, size, steps=12, heat=1.):
    "Name pixels, the surest first, until none is hidden"
    k = torch.full((len(y), size, size), n)
    for i in range(steps):
        t = torch.full((len(y),), 1 - np.cos(np.pi/2*i/steps))
        q = torch.distributions.Categorical(logits=net(k, t, y).permute(0, 2, 3, 1))
        draw = q.sample()
        sure = q.log_prob(draw) + heat*(1 - (i + 1)/steps)*torch.distributions.Gumbel(0., 1.).sample(k.shape)
        sure = sure.masked_fill(k < n, torch.inf).flatten(1)
        many = round(size**2*(1 - np.cos(np.pi/2*(i + 1)/steps)))
        chosen = torch.zeros_like(sure, dtype=torch.bool).scatter_(1, sure.topk(many)[1], True).view(k.shape)
        k = torch.where(chosen & (k == n), draw, k)
    return k

def token_net(colours, labels, **kw):
    cfg = FlowConfig(size=64, block=4, classes=len(labels), labels=labels, lr=1e-3, ema=.995, steps=10**6,
                     every=10**6, collapse=0., schedule='constant', **kw)
    object.__setattr__(cfg, 'colours', colours)                 # a setting of its own
    with fixed_rng(cfg.seed): return TokenNet(cfg, colours), cfg

def tokens(seconds, table, seed, folder):
    "Numbers of a palette of 64, masked and named"
    x,y,weights = training_side(table)
    palette = Palette(x, seed=seed)
    net,cfg = token_net(palette.n, table.data.classes, seed=seed)
    loader = WeightedLoader(palette.numbers(x), y, weights=weights, bs=cfg.bs, seed=seed)
    def score(s, learn, last):
        g = t.nets.copied().avg('gen').eval()
        def draw(y):
            with fixed_rng(0): k = [sample_tokens(g, o, palette.n, 64) for o in y.split(64)]
            return palette.sprites(torch.cat(k))
        table.note(s, draw, learn.nets.it, True, last)
    clock = Clock(seconds, [seconds/2], score)
    t = Trainer(dict(gen=net), dict(gen=token_step), loader, cfg, cbs=[clock], progress=False)
    t.train()

def frame_cfg(seed):
    cfg = frame_nets.FramesConfig(width=64, height=64, seed=seed, steps=10**6, every=10**6, collapse=0.)
    object.__setattr__(cfg, 'channels', 4)                     # it knows 1 and 3
    return cfg

def frames(seconds, table, seed, folder):
    "The networks for game frames"
    cfg = frame_cfg(seed)
    d = table.data
    x = torch.as_tensor(d.x[torch.as_tensor(~d.held)])
    scale = torch.tensor([1., 1, 1, 2])[:,None,None]
    shift = torch.tensor([0., 0, 0, 1])[:,None,None]
    seen = (to_premultiplied(x)*scale - shift + 1)*127.5
    def score(t, learn, last):
        g = learn.nets.avg('gen')
        def draw(y):
            z = seeded_noise(range(len(y)), cfg.latent)
            with torch.inference_mode(): o = torch.cat([g(a).float() for a in z.split(64)])
            a = ((o[:,3:] + 1)/2).clamp(0, 1)
            c = o[:,:3].clamp(-1, 1).minimum(a).maximum(-a)
            return to_bytes(torch.cat([c, a], 1))
        was = g.training
        table.note(t, draw, learn.nets.it, False, last)
        g.train(was)
    with fixed_rng(seed): nets = dict(critic=frame_nets.Critic(cfg), gen=frame_nets.Gen(cfg))
    if cfg.channels_last: nets = {k:m.to(memory_format=torch.channels_last) for k,m in nets.items()}
    steps = dict(critic=frame_nets.critic_step, gen=frame_nets.gen_step)
    loader = TensorLoader(seen.round().byte(), bs=cfg.bs, seed=seed)
    clock = Clock(seconds, quarters(seconds), score)
    Trainer(nets, steps, loader, cfg, lr=dict(critic=cfg.lr_critic, gen=cfg.lr), cbs=[clock], progress=False).train()

def lightweight_module():
    "lightweight-gan, told to compute here"
    if os.environ.get('PEERS'): sys.path.append(os.environ['PEERS'])
    home = Path(find_spec('lightweight_gan').origin).parent
    code = (home/'lightweight_gan.py').read_text()
    on_cpu = {'assert torch.cuda.is_available(),':'assert True,', '.cuda(self.rank)':'', 'self.cuda(rank)':'',
              "f'cuda:{self.rank}'":"'cpu'"}
    for a,b in on_cpu.items(): code = code.replace(a, b)
    whole,peer = (types.ModuleType(o) for o in ('lightweight_gan', 'lightweight_gan.lightweight_gan'))
    whole.__path__ = [str(home)]
    peer.__package__ = 'lightweight_gan'
    sys.modules.update({o.__name__:o for o in (whole, peer)})
    exec(compile(code, 'lightweight_gan.py', 'exec'), peer.__dict__)
    return peer

def lightweight(seconds, table, seed, folder):
    "Its own Trainer and settings"
    peer = lightweight_module()
    d = table.data
    (folder/'pictures').mkdir(parents=True)
    for i,o in enumerate(d.x[torch.as_tensor(~d.held)]):
        Image.fromarray(o.permute(1, 2, 0).numpy()).save(folder/'pictures'/f'{i}.png')
    torch.manual_seed(seed)
    t = peer.Trainer('peer', folder/'results', folder/'models', batch_size=10,
                     gradient_accumulate_every=4, image_size=64,
                     latent_dim=256, transparent=True, attn_res_layers=[32], disc_output_size=1, num_workers=0,
                     aug_types=['cutout', 'translation'], save_every=10**9, evaluate_every=10**9,
                     use_aim=False)
    t.evaluate = t.save = lambda *a, **kw: None
    t.set_data_src(folder/'pictures')
    spent = 0.
    marks = [seconds*k for k in (.25, .5, .75, 1)]
    while marks:
        at = time.process_time()
        t.train()
        spent += time.process_time() - at
        if spent < marks[0]: continue
        marks.pop(0)
        def draw(y):
            g = t.GAN.G.eval()
            with torch.inference_mode(): x = torch.cat([g(a) for a in seeded_noise(range(len(y)), 256).split(64)])
            g.train()
            x = x.clamp(0, 1).mul(255).round().byte()
            return torch.cat([x[:,:3]*(x[:,3:] > 0), x[:,3:]], 1)
        table.note(spent, draw, t.steps, False, not marks)

RUNS = dict(grown=ours, bare=partial(ours, cond_features=0), flat=partial(ours, grown=False),
            projected=projected, flow=flow, tokens=tokens, frames=frames, lightweight=lightweight)

def generators(labels):
    "Of each run: its generator and how it draws `n` sprites of these classes"
    n = len(labels)
    def style(cfg):
        g = StyleGen(cfg.replace(classes=n)).eval()
        return g, lambda y: to_bytes(g(torch.randn(len(y), cfg.latent + cfg.cond_features), y))
    shape = FlowConfig(size=64, block=4, classes=n, labels=labels)
    flow,rows = FlowNet(shape).eval(),torch.zeros(n, shape.cond_features)
    m = FlowModel(flow, shape, None, LatentSampler(shape, rows, torch.arange(n)))
    m.steps,m.guided = 12,(0, 1)
    token,_ = token_net(64, labels)
    frame = frame_nets.Gen(frame_cfg(0)).eval()
    latent = frame_cfg(0).latent
    made = dict(grown=style(MonsterConfig()), bare=style(MonsterConfig(cond_features=0)), flat=style(MonsterConfig()),
                projected=style(projected_config()), frames=(frame, lambda y: frame(torch.randn(len(y), latent))))
    made['flow'] = flow, lambda y: m.draw(m.sampler.arrays(range(len(y)), y), y, .9)
    made['tokens'] = token.eval(), lambda y: sample_tokens(token, y, 64, 64)
    if find_spec('lightweight_gan') or os.environ.get('PEERS'):
        how = dict(image_size=64, latent_dim=256, transparent=True, attn_res_layers=[32])
        peer = lightweight_module().Generator(**how).eval()
        made['lightweight'] = peer, lambda y: peer(torch.randn(len(y), 256))
    return made

def sizes(kept, n=32):
    "Weights of each generator, and milliseconds of a core for a sprite, the least of three times"
    y = torch.arange(n)%19
    for name,(net,draw) in generators(monster_data(MonsterConfig()).classes).items():
        took = []
        with torch.inference_mode():
            for _ in range(3):
                at = time.process_time()
                draw(y)
                took.append((time.process_time() - at)/n*1000)
        size = dict(weights=sum(p.numel() for p in net.parameters()), ms=round(min(took), 1))
        print(name, size, flush=True)
        for rows in kept.get(name, {}).values():
            for row in rows: row.update(size)

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('name', choices=[*RUNS, 'sizes'])
    p.add_argument('--seed', type=int, default=0, help='of the run')
    p.add_argument('--core-seconds', type=float, default=1800., help='of training')
    a = p.parse_args()
    torch.set_num_threads(1)
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    if a.name == 'sizes': sizes(kept)
    else:
        table = Table()
        with tempfile.TemporaryDirectory() as tmp: RUNS[a.name](a.core_seconds, table, a.seed, Path(tmp))
        kept.setdefault(a.name, {})[str(a.seed)] = table.rows
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')

if __name__ == '__main__': main()
