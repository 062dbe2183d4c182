"""How many creatures does one get? bench/monster_variety.py [WAY ...] --which wesnoth|crawl --seeds N.

Of 32 draws of each class, how many differ as its families do (`class_variety`), beside precision, recall, KID and
copies of the same draws, for ways of drawing that cost no training. The way `given` is what `generate_monsters` does.
Median and range over N sets of draws go to bench/monster_variety.json. Some minutes of one core.
"""
import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from monster_flow import Judge, doubled

from gamegen.core import atomic_write
from gamegen.features import kid_efflite0
from gamegen.metrics import prdc
from gamegen.monster.deliver import bestiary_model
from gamegen.monster.runs import seeded_pick
from gamegen.monster.scores import class_variety, pixel_features, remove_specks, sprite_features
from gamegen.sprite.data import bestiary

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench/monster_variety.json'
EACH = 32
GOLDEN = (5**.5 - 1)/2

def families_of(which, model):
    "The family of each training sprite that lends its features; a composite is its own"
    t = bestiary(which, 32)[1]
    known = dict(zip(t.file, t.family))
    names = model.info.notes['names']
    composites = [f'composite {i}' for i in range(len(names), len(model.sampler.y))]
    return np.array([*(known.get(o, o) for o in names), *composites])

def by_family(model, families, seed, cls, in_turn):
    "A row of the class: a family by chance or in turn, then one of its sprites"
    rows = np.flatnonzero(np.asarray(model.sampler.y) == cls)
    names = np.unique(families[rows])
    u = seed*GOLDEN%1 if in_turn else seeded_pick(seed)
    own = rows[families[rows] == names[int(u*len(names))]]
    return own[int(seeded_pick(seed, 1)*len(own))]

def spread(model, seed, cls):
    "A row of the class, in turn over all of them"
    rows = np.flatnonzero(np.asarray(model.sampler.y) == cls)
    return rows[int(seed*GOLDEN%1*len(rows))]

def latents(model, seeds, y, row=None, noise=None):
    "As the sampler does, with another choice of the row, or other noise on its features"
    z = model.sampler.arrays(seeds, y)
    n = model.cfg.latent
    if row is None and noise is None: return z
    plain = model.cfg.cond_noise
    rows = np.asarray(model.sampler.rows)
    for i,(s,c) in enumerate(zip(seeds, y)):
        same = np.flatnonzero(np.asarray(model.sampler.y) == c)
        usual = same[int(seeded_pick(int(s))*len(same))]
        blur = z[i, n:] - rows[usual]
        chosen = usual if row is None else row(int(s), int(c))
        z[i, n:] = rows[chosen] + (1 if noise is None else noise/plain)*blur
    return z

def ways(which, model):
    "Truncation, and how latents are drawn"
    fam = families_of(which, model)
    own = model.truncation
    res = {'given':(own, {}), 'truncation .8':(.8, {}),
           'rows in turn':(own, dict(row=partial(spread, model))),
           'family by chance':(own, dict(row=partial(by_family, model, fam, in_turn=False))),
           'families in turn':(own, dict(row=partial(by_family, model, fam, in_turn=True))),
           'more noise':(own, dict(noise=1.3*model.cfg.cond_noise)),
           'less noise':(own, dict(noise=.6*model.cfg.cond_noise))}
    if which == 'wesnoth': res['truncation 1.2'] = 1.2, {}
    return res

def measure(judge, model, first, psi, how):
    "Figures of a set of draws, and its variety by class"
    y = np.repeat(np.arange(len(judge.classes)), EACH)
    numbers = np.array(model.class_numbers(list(judge.classes)))[y]
    z = latents(model, first + np.tile(np.arange(EACH), len(judge.classes)), numbers, **how)
    x = doubled(remove_specks(model.draw(z, numbers, psi)))
    f = sprite_features(x)
    rows = {}
    for c,name in enumerate(judge.classes):
        own = np.flatnonzero(judge.true == c)
        rows[name] = class_variety(f[y == c], judge.feats[own], judge.table.family.to_numpy()[own])
    s = judge.scorer
    _,d,_ = s.copies.near(f, pixel_features(x))
    res = dict(kid=kid_efflite0(s.real, f), **prdc(s.real, f, k=5), copy_rate=s.copies.copy_rate(d).rate)
    res['known'] = s.by_class(f, y).known.mean()
    res['as wanted'] = sum(o['different'] >= o['wanted'] for o in rows.values())
    return {k:round(float(v), 4) for k,v in res.items()}, rows

def real_variety(judge, first):
    "The same for real sprites: 32 of each class, by chance"
    rng = np.random.default_rng(first)
    rows = {}
    for c,name in enumerate(judge.classes):
        own = np.flatnonzero(judge.true == c)
        some = judge.feats[rng.choice(own, EACH)]
        rows[name] = class_variety(some, judge.feats[own], judge.table.family.to_numpy()[own])
    return rows

def summary(sets):
    "Median and range of several sets of draws"
    figures = pd.DataFrame([o[0] for o in sets])
    res = {k:[round(float(v), 4) for v in (figures[k].median(), figures[k].min(), figures[k].max())] for k in figures}
    return dict(figures=res, classes=by_class([o[1] for o in sets]))

def by_class(rows):
    "Families, wanted, and the median, least and most that differ"
    res = {}
    for name,o in rows[0].items():
        d = sorted(r[name]['different'] for r in rows)
        res[name] = dict(families=o['families'], wanted=o['wanted'], different=[float(np.median(d)), d[0], d[-1]])
    return res

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('way', nargs='*', default=['given'], help='or all')
    p.add_argument('--which', default='wesnoth', choices=('wesnoth', 'crawl'))
    p.add_argument('--seeds', default=3, type=int, help='sets of draws')
    p.add_argument('--weights', help='in place of those that ship')
    a = p.parse_args()
    torch.set_num_threads(1)
    judge = Judge(a.which)
    model = bestiary_model(a.weights or a.which)
    every = ways(a.which, model)
    firsts = [1000*k for k in range(a.seeds)]
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    mine = kept.setdefault(a.which, {})
    mine['real sprites'] = dict(classes=by_class([real_variety(judge, o) for o in firsts]))
    for way in every if a.way == ['all'] else a.way:
        mine[way] = summary([measure(judge, model, o, *every[way]) for o in firsts])
        print(way, {k:v[0] for k,v in mine[way]['figures'].items()}, flush=True)
        with atomic_write(OUT) as f: f.write_text(json.dumps(kept, indent=1) + '\n')
    for name,o in mine['given']['classes'].items():
        print(f"{name:14}{o['families']:4} families, {o['wanted']} wanted,", o['different'])
