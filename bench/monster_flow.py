"""Train and measure the flow of nbs/monster/02b_flow.ipynb: bench/monster_flow.py WHAT crawl|wesnoth.

train goes on with the run in output/flow-NAME, where it was left; choose WEIGHTS looks at settings of
drawing beside half of Wesnoth's held-out families; ship WEIGHTS writes data/weights; measure WEIGHTS
writes bench/monster_flow.json or bench/monster_flow_wesnoth.json, and ships WEIGHTS the rows of the former that
say how sprites are drawn and delivered. One thread, so that a core-second
is a second of work whatever else the machine does.
"""
import argparse
import json
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from gamegen.core import atomic_write
from gamegen.features import kid_efflite0
from gamegen.io import WeightsInfo, part, read_tensors
from gamegen.metrics import prdc
from gamegen.monster.flow import (DRAFT, DoublingDetector, FlowConfig, FlowModel, few_colours,
                                  flow_model, flow_trainer, from_flow, like_ones)
from gamegen.monster.projected import fair_weights
from gamegen.monster.runs import monster_data
from gamegen.monster.scores import (SpriteScorer, class_variety, mask_table, pixel_features,
                                    remove_specks, sprite_features)
from gamegen.monster.stylegan import to_premultiplied
from gamegen.monsters import MonsterConfig, MonsterModel, generate_monsters
from gamegen.sprite.data import bestiary, split_families
from gamegen.sprite.dolls import composites
from gamegen.train import checkpoints

ROOT = Path(__file__).parents[1]
LICENCES = dict(crawl='CC0-1.0', wesnoth='GPL-2.0-or-later')
SHARES = dict(heroes=.15, demihumanoids=.02, aberrations=.03)   # of composites in a batch
ACTING = .25        # of a batch of Wesnoth's: frames that are not at rest
TRUNCATION = .8

def training_set_crawl():
    "The bestiary but for what is held out, and composites"
    x,t = bestiary('crawl', 32)
    held = split_families(t, .2)
    classes = *sorted(set(t.label)), 'heroes'
    made,about = composites()
    y = torch.tensor([classes.index(o) for o in (*t.label[~held], *about.label)])
    n = int((~held).sum())
    families = torch.as_tensor(pd.factorize(t.family[~held])[0])
    w = fair_weights(families, y[:n])
    each = about.label.value_counts()
    more = torch.tensor([SHARES[o]/each[o] for o in about.label], dtype=torch.double)
    w = torch.cat([w/w.sum()*(1 - sum(SHARES.values())), more])
    x = torch.tensor(np.concatenate([x[~held], made]))
    return dict(x=x, y=y, weights=w), classes, (*t.file[~held], *about.file)

def training_set_wesnoth():
    "What the chapter trains on, and frames of the same families that attack, run or heal"
    data = monster_data(MonsterConfig())
    rest = data.table[~data.held]
    x,t = bestiary('wesnoth', 64, data.classes, ('attack', 'run', 'heal'))
    out = data.table[data.held]
    known = ~t.group.isin(set(out.group)) & ~t.family.isin(set(out.family)) & (t.group != '')
    t = pd.concat([rest, t[known]], ignore_index=True)
    x = torch.cat([data.x[torch.as_tensor(~data.held)], torch.tensor(x[known])])
    y = torch.tensor([data.classes.index(o) for o in t.label])
    acts = torch.as_tensor(t.index >= len(rest))
    families = torch.as_tensor(pd.factorize(t.family)[0])
    near = like_ones(x, y, families, torch.nonzero(~acts)[:,0])
    w = [fair_weights(families[o], y[o]) for o in (~acts, acts)]
    w = torch.cat([o/o.sum()*k for o,k in zip(w, (1 - ACTING, ACTING))])
    return dict(x=x, y=y, weights=w, near=near, acts=acts), data.classes, tuple(t.file)

def crawl(steps):
    data,classes,_ = training_set_crawl()
    return FlowConfig(steps=steps, classes=len(classes), labels=classes, **RUN), data

def wesnoth(steps):
    data,classes,_ = training_set_wesnoth()
    shape = dict(size=64, block=4, classes=len(classes), labels=classes)
    told = dict(relatives=.2, mean_time=-.8, ema=.995)
    return FlowConfig(steps=steps, **shape, **told, **RUN), data

RUN = dict(schedule='flat_then_decay', collapse=0.)

def begin_with_crawl(net):
    "Take the weights that fit: all but those of pixels and classes"
    now = net.state_dict()
    then = part(read_tensors(ROOT/'data/weights/monsters-crawl.safetensors', 'weights')[0], 'net.')
    fits = {k:v.float() for k,v in then.items() if v.shape == now[k].shape}
    net.load_state_dict(now | fits)
    return f'{len(fits)} of {len(now)} tensors of Crawl'

def train(which, steps, fresh):
    cfg,data = globals()[which](steps)
    t = flow_trainer(cfg, **data, folder=ROOT/f'output/flow-{which}', after_round=[keep_round])
    if which == 'wesnoth' and not fresh and not checkpoints(t.folder):
        print(begin_with_crawl(t.nets.gen))
        t.nets.avg('gen').load_state_dict(t.nets.gen.state_dict())
    print(len(data['x']), 'sprites')
    return t.train_model(partial(flow_model, t), True, LICENCES[which])

def keep_round(t):
    "Keep what a round ends with, every 500 batches"
    if t.nets.it%500: return
    info = WeightsInfo('monsters-flow', {}, t.nets.it, t.cfg.seed, t.data_digest, 'LicenseRef-private', {})
    flow_model(t, t.nets.copied(), info).save(t.folder/f'step-{t.nets.it:05d}.safetensors')

# --- measures

def patches(x, k, n=2**14):
    "Random patches of 7 by 7 of pictures whose side is halved `k` times"
    x = F.avg_pool2d(to_premultiplied(torch.as_tensor(x)), 2**k)
    p = F.unfold(x, 7).transpose(1, 2).flatten(0, 1)
    return p[torch.randperm(len(p), generator=torch.Generator().manual_seed(k))[:n]].view(-1, x.shape[1], 49)

def sliced_wasserstein(a, b):
    "Distance of patches on three grids, finest first (arXiv 1710.10196)"
    res = []
    for k in range(3):
        p,q = patches(a, k),patches(b, k)
        m = min(len(p), len(q))
        mean,sd = p.mean((0, 2), keepdim=True),p.std((0, 2), keepdim=True)
        axes = torch.randn(p[0].numel(), 256, generator=torch.Generator().manual_seed(9))
        ends = [(((o[:m] - mean)/sd).flatten(1) @ F.normalize(axes, dim=0)).sort(0).values
                for o in (p, q)]
        res.append(round((ends[0] - ends[1]).abs().mean().item(), 4))
    return res

def doubled(x):
    "Sprites of 64 by 64, as `bestiary` enlarges smaller ones"
    k = 64//x.shape[-1]
    return torch.as_tensor(np.asarray(x).repeat(k, 2).repeat(k, 3))

def real_crawl():
    x,t = bestiary('crawl', 32)
    classes = tuple(sorted(set(t.label)))
    y = np.array([classes.index(o) for o in t.label])
    return x, y, split_families(t, .2), classes, t

def real_wesnoth():
    d = monster_data(MonsterConfig())
    return d.x.numpy(), d.y.numpy(), d.held, d.classes, d.table

class Judge:
    "Scores sprites beside held-out ones; settings are chosen on every other family of them"
    def __init__(self, which, half=None):
        x,y,held,self.classes,self.table = globals()[f'real_{which}']()
        feats = cached_features(which, x)
        used = np.ones(len(x), bool)
        if half is not None:
            groups = pd.factorize(self.table.group.where(held))[0]
            used = ~held | (groups%2 == half)
        self.x,self.true,self.held,self.feats = x[used],y[used],held[used],feats[used]
        self.table = self.table[used].reset_index(drop=True)
        self.scorer = SpriteScorer(doubled(self.x), self.true, self.held, self.classes, self.feats)
        n = 200 if which == 'crawl' or half == 0 else 400
        self.y = self.scorer.labels(n, 8 if n == 200 else 12)
    def __call__(self, x, by_class=False):
        figures,classes = self.scorer.measure(doubled(x), self.y)
        figures = {k:round(float(v), 4) for k,v in figures.items()}
        figures['patches'] = sliced_wasserstein(self.x[self.held], x)
        figures['colours'] = max(len(np.unique(o[:3, o[3] > 0], axis=1).T) for o in x)
        return (figures, classes) if by_class else figures
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
        train_x,train_y = self.x[~self.held],self.true[~self.held]
        rows = [np.flatnonzero(train_y == c) for c in self.y]
        return train_x[[o[i%len(o)] for i,o in enumerate(rows)]]
    def latents(self, model, draw=0):
        return model.sampler.arrays(np.arange(len(self.y)) + 1000*draw, self.y)

def cached_features(which, x):
    path = ROOT/f'output/features-{which}.npy'
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        np.save(path, sprite_features(doubled(x)))
    return np.load(path)

def delivered(model, judge, z, tries=8):
    "As `gamegen monsters` writes them: redrawn if nearer to a training sprite than .02 of held-out ones"
    x = remove_specks(model.draw(z, judge.y, TRUNCATION))
    for k in range(1, tries):
        again = np.flatnonzero(model.copies.certificate(x).percentile.to_numpy() < .02)
        if not len(again): break
        fresh = model.sampler.arrays(again + 10_000*k, judge.y[again])
        x[again] = remove_specks(model.draw(fresh, judge.y[again], TRUNCATION))
    return x

def variety(model, judge, seed=0, n=32):
    "By class: families, how many are wanted, and how many of 32 draws differ as families do"
    rows = {}
    for c,name in enumerate(judge.classes):
        own = np.flatnonzero(judge.true == c)
        made = generate_monsters(n, name, seed=seed, certify=False, model=model).sprites
        rows[name] = class_variety(sprite_features(doubled(made)), judge.feats[own], judge.table.family.to_numpy()[own])
    return rows

def choose(weights):
    "Figures of the first half of the held-out families, by size of the noise; beside floors and the GAN"
    judge = Judge('wesnoth', 0)
    model = FlowModel.load(weights)
    gan = MonsterModel.bundled()
    res = dict(floor=judge.floor(), memoriser=judge(judge.memoriser()))
    res['drafts enlarged'] = judge(enlarged_drafts(model, judge.latents(model)))
    res['GAN that ships'] = judge(gan.draw(judge.latents(gan), judge.y))
    for heat in (.75, .5):
        model.cfg = model.cfg.replace(temperature=heat)
        res[f'flow, noise of {heat}'] = judge(model.draw(judge.latents(model), judge.y, TRUNCATION))
    return dict(step=model.info.step, rows=res)

def measure_crawl(weights):
    judge = Judge('crawl')
    model = FlowModel.load(weights)
    res = dict(floor=judge.floor(), memoriser=judge(judge.memoriser()), steps={})
    z = judge.latents(model)
    res['drafts enlarged'] = judge(enlarged_drafts(model, z))
    for k in (1, 4, 6, 12): res['steps'][str(k)] = walked(model, judge, z, k)
    res['ships'] = walked(model, judge, z)
    res['delivered'] = judge(delivered(model, judge, z))
    res['draft noise'] = {}
    for noise in (.3, .45, .6, .75):            # how much of a draft is kept
        model.sampler.cfg = model.cfg.replace(cond_noise=noise)
        res['draft noise'][str(noise)] = judge(model.draw(judge.latents(model), judge.y, TRUNCATION))
    return dict(res, weights=dict(step=model.info.step, notes=model.info.notes.get('trained', {})))

def walked(model, judge, z, steps=0):
    "Figures of a walk of so many steps with guidance in each; of the model's own when 0"
    own = model.steps,model.guided
    if steps: model.steps,model.guided = steps,(0, 1)
    t = time.process_time()
    x = model.draw(z, judge.y, .9 if steps else TRUNCATION)        # guidance of 2, and of 3
    ms = (time.process_time() - t)/len(x)*1000
    model.steps,model.guided = own
    return dict(judge(x), ms=round(ms, 1))

def measure_ships(weights):
    "Figures of the model's own walk, drawn and delivered, beside those that are kept"
    judge = Judge('crawl')
    model = FlowModel.load(weights)
    kept = json.loads((ROOT/'bench/monster_flow.json').read_text())
    z = judge.latents(model)
    kept['ships'] = walked(model, judge, z)
    kept['delivered'] = judge(delivered(model, judge, z))
    return kept

def enlarged_drafts(model, z):
    drafts = torch.tensor(z[:,model.cfg.latent:]).view(-1, 4, DRAFT, DRAFT)
    k = model.cfg.size/DRAFT
    return few_colours(from_flow(F.interpolate(drafts, scale_factor=k).numpy()))

def measure_wesnoth(weights, draws=3):
    judge = Judge('wesnoth')
    unseen = Judge('wesnoth', 1)       # families by which no setting was chosen
    unseen.y = judge.y
    model = FlowModel.load(weights)
    gan = MonsterModel.bundled()
    z = [judge.latents(model, k) for k in range(draws)]
    t = time.process_time()
    drawn = [model.draw(o, judge.y, TRUNCATION) for o in z]
    ms = (time.process_time() - t)/len(judge.y)/draws*1000
    large = enlarged_drafts(model, z[0])
    rows = {'memoriser':[judge.memoriser()], 'drafts enlarged':[large], 'flow':drawn}
    rows['GAN that ships'] = [gan.draw(judge.latents(gan, k), judge.y) for k in range(draws)]
    if model.copies: rows['delivered'] = [delivered(model, judge, z[0])]
    np.savez_compressed(ROOT/'output/flow-wesnoth/drawn.npz', **{k:o[0] for k,o in rows.items()})
    res = {'floor':[judge.floor()]} | {k:[judge(o) for o in v] for k,v in rows.items()}
    half = {'floor':unseen.floor()} | {k:unseen(rows[k][0]) for k in ('flow', 'GAN that ships')}
    classes = by_class(judge, model, drawn[0])
    trained = dict(step=model.info.step, notes=model.info.notes.get('trained', {}))
    return dict(rows=res, unseen=half, classes=classes, ms=round(ms, 1), weights=trained)

def by_class(judge, model, x):
    "Known and different of each class, beside the floor of the one and the families of the other"
    _,t = judge.scorer.measure(doubled(x), judge.y)
    t = t[['held', 'known', 'known_floor']].assign(**pd.DataFrame(variety(model, judge)).T)
    t['sprites'] = [int((judge.true == c).sum()) for c in range(len(judge.classes))]
    t = t.astype(float).round(4).astype(object)
    return t.where(t.notna(), None).to_dict('index')

def write(which, figures):
    path = ROOT/f'bench/monster_flow{"" if which == "crawl" else "_wesnoth"}.json'
    before = json.loads(path.read_text()) if path.exists() and which == 'wesnoth' else {}
    with atomic_write(path) as f: f.write_text(json.dumps(before | figures) + '\n')

def ship(which, weights, noise, temperature, out):
    "Weights of a round as they ship: with settings for drawing, and with what tells a copy"
    m = FlowModel.load(weights)
    data,_,names = globals()[f'training_set_{which}']()
    judge = Judge(which)
    x = doubled(np.concatenate([data['x'], judge.x[judge.held]]))
    held = np.arange(len(x)) >= len(names)
    m.copies = DoublingDetector.fit(sprite_features(x), pixel_features(x), held)
    m.cfg = m.sampler.cfg = m.cfg.replace(cond_noise=noise, temperature=temperature)
    m.info.config.update(asdict(m.cfg))
    m.info.notes['names'] = list(names)
    m.info = replace(m.info, licence=LICENCES[which])
    m.save(out)

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('what', choices=('train', 'choose', 'measure', 'ships', 'ship'))
    p.add_argument('bestiary', choices=tuple(LICENCES))
    p.add_argument('weights', nargs='?')
    p.add_argument('--steps', type=int, default=5_000)
    p.add_argument('--fresh', action='store_true', help='begin with nothing')
    p.add_argument('--noise', type=float, default=.5)
    p.add_argument('--temperature', type=float, default=.75)
    p.add_argument('--draws', type=int, default=3)
    args = p.parse_args()
    torch.set_num_threads(1)
    if args.what == 'train': train(args.bestiary, args.steps, args.fresh)
    if args.what == 'ship':
        out = ROOT/f'data/weights/monsters-{args.bestiary}.safetensors'
        ship(args.bestiary, args.weights, args.noise, args.temperature, out)
    if args.what == 'choose': write('wesnoth', dict(chosen=choose(args.weights)))
    if args.what == 'ships': write('crawl', measure_ships(args.weights))
    if args.what == 'measure' and args.bestiary == 'crawl': write('crawl', measure_crawl(args.weights))
    if args.what == 'measure' and args.bestiary == 'wesnoth':
        write('wesnoth', measure_wesnoth(args.weights, args.draws))
