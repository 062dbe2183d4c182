"""Train and measure the flow of nbs/monster/02b_flow.ipynb on the tiles of Dungeon Crawl.

python bench/monster_flow.py train [--steps N] goes on with the run in output/flow, where it was left.
python bench/monster_flow.py measure WEIGHTS writes bench/monster_flow.json. One thread, so that a
core-second is a second of work whatever else the machine does.
"""
import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from gamegen.core import atomic_write
from gamegen.features import kid_efflite0
from gamegen.metrics import prdc
from gamegen.monster.flow import (DRAFT, FlowConfig, FlowModel, few_colours, flow_model,
                                  flow_trainer, from_flow)
from gamegen.monster.projected import fair_weights
from gamegen.monster.scores import SpriteScorer, mask_table, pixel_features, sprite_features
from gamegen.monster.stylegan import to_premultiplied
from gamegen.sprite.data import bestiary, split_families
from gamegen.sprite.dolls import composites

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'monster_flow.json'
SHARES = dict(heroes=.15, demihumanoids=.02, aberrations=.03)   # of composites in a batch
TRUNCATION = .8

def real_sprites(size=32):
    "Crawl's sprites, their table, which are held out, and the names of classes, heroes last"
    x,t = bestiary('crawl', size)
    return x, t, split_families(t, .2), (*sorted(set(t.label)), 'heroes')

def training_set():
    "Sprites, classes and weights: the bestiary but for what is held out, and composites"
    x,t,held,classes = real_sprites()
    made,about = composites()
    y = torch.tensor([classes.index(o) for o in (*t.label[~held], *about.label)])
    n = int((~held).sum())
    families = torch.as_tensor(pd.factorize(t.family[~held])[0])
    w = fair_weights(families, y[:n])
    each = about.label.value_counts()
    more = torch.tensor([SHARES[o]/each[o] for o in about.label], dtype=torch.double)
    w = torch.cat([w/w.sum()*(1 - sum(SHARES.values())), more])
    return torch.tensor(np.concatenate([x[~held], made])), y, w, classes

def train(steps):
    x,y,w,classes = training_set()
    cfg = FlowConfig(steps=steps, schedule='flat_then_decay', classes=len(classes), labels=classes,
                     collapse=0.)
    t = flow_trainer(cfg, x, y, w, ROOT/'output/flow')
    return t.train_model(partial(flow_model, t), True, 'CC0-1.0')

# --- measures

def patches(x, k, n=2**14):
    "Random patches of 7 by 7 of sprites whose side is halved `k` times"
    x = F.avg_pool2d(to_premultiplied(torch.as_tensor(x)), 2**k)
    p = F.unfold(x, 7).transpose(1, 2).flatten(0, 1)
    return p[torch.randperm(len(p), generator=torch.Generator().manual_seed(k))[:n]].view(-1, 4, 49)

def sliced_wasserstein(a, b):
    "Distance of patches on three grids, finest first (arXiv 1710.10196)"
    res = []
    for k in range(3):
        p,q = patches(a, k),patches(b, k)
        m = min(len(p), len(q))
        mean,sd = p.mean((0, 2), keepdim=True),p.std((0, 2), keepdim=True)
        axes = torch.randn(196, 256, generator=torch.Generator().manual_seed(9))
        ends = [(((o[:m] - mean)/sd).flatten(1) @ F.normalize(axes, dim=0)).sort(0).values
                for o in (p, q)]
        res.append(round((ends[0] - ends[1]).abs().mean().item(), 4))
    return res

def double(x): return np.asarray(x).repeat(2, 2).repeat(2, 3)

class Judge:
    "Scores sprites of 32 by 32, doubled as `bestiary` doubles them, beside held-out ones"
    def __init__(self):
        self.x,self.table,self.held,self.classes = real_sprites()
        y = np.array([self.classes.index(o) for o in self.table.label])
        self.scorer = SpriteScorer(torch.tensor(double(self.x)), y, self.held, self.classes[:-1])
        self.y = self.scorer.labels(200, 8)
        self.train_x,self.train_y = self.x[~self.held],y[~self.held]
    def __call__(self, x):
        figures,_ = self.scorer.measure(torch.tensor(double(x)), self.y)
        figures = {k:round(float(v), 4) for k,v in figures.items()}
        figures['patches'] = sliced_wasserstein(self.x[self.held], x)
        figures['colours'] = max(len(np.unique(o[:3, o[3] > 0], axis=1).T) for o in x)
        return figures
    def floor(self):
        "Half of what was trained on, beside what is held out"
        f = self.scorer.floor(self.y)
        figures = dict(kid=kid_efflite0(self.scorer.real, f), **prdc(self.scorer.real, f, k=5))
        real = self.x[~self.held]
        figures['valid'] = mask_table(real).valid.mean()
        figures = {k:round(float(v), 4) for k,v in figures.items()}
        return dict(figures, patches=sliced_wasserstein(self.x[self.held], real))
    def memoriser(self):
        "Training sprites of the classes"
        rows = [np.flatnonzero(self.train_y == c) for c in self.y]
        return self.train_x[[o[i%len(o)] for i,o in enumerate(rows)]]

def delivered(model, judge, z, tries=8):
    "Sprites as `gamegen monsters` writes them: redrawn if nearer to a training sprite than .02 of held-out ones are"
    x = model.draw(z, judge.y, TRUNCATION)
    for k in range(1, tries):
        again = np.flatnonzero(model.copies.certificate(x).percentile.to_numpy() < .02)
        if not len(again): break
        fresh = model.sampler.arrays(again + 10_000*k, judge.y[again])
        x[again] = model.draw(fresh, judge.y[again], TRUNCATION)
    return x

def measure(weights):
    judge = Judge()
    model = FlowModel.load(weights)
    res = dict(floor=judge.floor(), memoriser=judge(judge.memoriser()), steps={})
    z = model.sampler.arrays(range(len(judge.y)), judge.y)
    side = model.cfg.size//DRAFT
    drafts = torch.tensor(z[:,model.cfg.latent:]).view(-1, 4, side, side)
    large = few_colours(from_flow(F.interpolate(drafts, scale_factor=float(DRAFT)).numpy()))
    res['drafts enlarged'] = judge(large)
    for k in (1, 4, 12):
        model.steps = k
        t = time.process_time()
        x = model.draw(z, judge.y, TRUNCATION)
        ms = (time.process_time() - t)/len(x)*1000
        res['steps'][str(k)] = dict(judge(x), ms=round(ms, 1))
    res['delivered'] = judge(delivered(model, judge, z))
    res['draft noise'] = {}
    for noise in (.3, .45, .6, .75):            # how much of a draft is kept
        model.sampler.cfg = model.cfg.replace(cond_noise=noise)
        z = model.sampler.arrays(range(len(judge.y)), judge.y)
        res['draft noise'][str(noise)] = judge(model.draw(z, judge.y, TRUNCATION))
    res['weights'] = dict(step=model.info.step, notes=model.info.notes.get('trained', {}))
    with atomic_write(OUT) as f: f.write_text(json.dumps(res) + '\n')

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('what', choices=('train', 'measure'))
    p.add_argument('weights', nargs='?')
    p.add_argument('--steps', type=int, default=10_000)
    args = p.parse_args()
    torch.set_num_threads(1)
    if args.what == 'train': train(args.steps)
    else: measure(args.weights)
