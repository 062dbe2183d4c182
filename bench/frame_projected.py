"""Train the projected GAN of nbs/frame/02a_projected.ipynb on the bundled frames.

python bench/frame_projected.py train WEIGHTS [--minutes N] [--set NAME=VALUE ...] goes on with the run
in output/frames where it was left; a new run begins with the grids of WEIGHTS, whose scenes and codes
may be others. python bench/frame_projected.py measure WEIGHTS writes the rounds of that run, and
scores of its weights, into bench/frame_projected.json. With --alike real and generated frames are
changed alike before each look, and heads score without the condition too. On a processor one thread,
so that a core-second is a second of work whatever else the machine does.
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gamegen.core import atomic_write
from gamegen.features import image_features, kid_efflite0
from gamegen.frame.data import left_out
from gamegen.frame.projected import drawn_noise, projected_trainer, recount
from gamegen.images import game_frames
from gamegen.frame import projected as room
from gamegen.io import read_tensors
from gamegen.mario_dcgan import (FrameCopies, FrameModel, FramesConfig, generate_frames, projected,
                                 to_floats)
from gamegen.metrics import prdc
from gamegen.projected import ProjectedCritic
from gamegen.train import StopTraining
from monster_flow import sliced_wasserstein

ROOT = Path(__file__).parents[1]
OUT = ROOT/'output/frames'
KEPT = ROOT/'bench/frame_projected.json'
NEW = 'table.', 'mapping.0.', 'spread'     # what depends on scenes and codes

def begin(gen, weights):
    "Fill a generator with what does not depend on scenes"
    ts = {k:v for k,v in read_tensors(weights, 'weights')[0].items() if not k.startswith(NEW)}
    left,more = gen.load_state_dict({k:v.float() for k,v in ts.items()}, strict=False)
    assert not more and all(k.startswith(NEW) for k in left)

class Clock:
    "Core-seconds of each round"
    def __init__(self): self.at = time.process_time()
    def __call__(self, t):
        now = time.process_time()
        t.history[-1]['core_seconds'] = now - self.at
        self.at = now

class Deadline:
    "Ends a run, with its weights written, after the round in which its time is up"
    def __init__(self, minutes): self.at = time.monotonic() + 60*minutes
    def __call__(self, t):
        if time.monotonic() > self.at: raise StopTraining('its time is up')

def change_alike(*xs):
    "Pictures moved, in other light and colours, half of them with a gap (arXiv 2006.10738), all lists alike"
    n,_,h,w = xs[0].shape
    u = torch.rand(8, n, 1, 1, 1)
    by = torch.stack([(2*o.flatten() - 1)*k/8 for o,k in zip(u, (h, w))], 1).round().long()
    i,j = torch.arange(h)[:,None],torch.arange(w)
    gap = (u[7] < .5) & ((i - u[2]*h).abs() < .2*h) & ((j - u[3]*w).abs() < .2*w)
    def changed(x):
        x = room.shift_frames(x, by) + (u[4] - .5)/2
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey)*(.5 + u[5])
        level = x.mean((1, 2, 3), keepdim=True)
        x = level + (x - level)*(.75 + u[6]/2)
        return x.masked_fill(gap, 0.).contiguous(memory_format=torch.channels_last)
    return [changed(o) for o in xs]

def look_alike(self, nets, batch, cfg, coded):
    "In place of `ProjectedSteps.look`"
    known,rows = self.seen.scenes,batch[1].cpu()
    nets.scenes,nets.codes = known.of[rows],known.codes[rows]
    self.draw(nets, rows, coded, batch[0].device)
    nets.real,nets.fake = change_alike(to_floats(batch[0], cfg), nets.fake)
    with torch.no_grad(): nets.real_seen = self.seen.projector(nets.real)
    nets.fake_seen = self.seen.projector(nets.fake)

def train_alike():
    "From now on frames are changed alike, and scored twice"
    room.ProjectedSteps.look = look_alike
    room.ProjectedCritic = lambda *args: ProjectedCritic(*args, both=True)

def train(weights, given, minutes):
    cfg = projected(steps=3600, every=300, fade=1200, first=250, output=str(OUT), keep=3)
    told = FramesConfig.from_dict(given, text=True)
    cfg = cfg.replace(**{k:getattr(told, k) for k in given})
    t = projected_trainer(cfg, cfg.output, alarms=[Clock()],
                          after_round=[Deadline(minutes)])
    begin(t.nets.gen, weights)
    steps = t.projected
    def make(nets, info):
        return FrameModel(recount(nets.avg('gen'), drawn_noise(steps, 640, 1)), info)
    return t.train_model(make, True, 'CC-BY-SA-4.0', tracks=steps.seen.scenes.tracks,
                         scenes=steps.seen.scenes.counts)

# --- measures

def some(x, n): return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]]

def figures(a, b):
    "KID, precision, recall and coverage of features `b` against `a`"
    parts = [kid_efflite0(x, y) for x,y in zip(np.array_split(a, 10), np.array_split(b, 10))]
    return dict(kid=float(np.mean(parts)), **{k:float(v) for k,v in prdc(a, b, k=5).items()})

def measure(weights, alike):
    x = game_frames('train').x
    known,apart = left_out(len(x))
    apart = some(x[apart], 600)
    model = FrameModel.load(weights)
    made = torch.from_numpy(generate_frames(1000, seed=0, model=model))
    real = image_features(some(x[known], 1000)), image_features(some(game_frames('held out').x, 1000))
    seen = image_features(made)
    now = {k:figures(o, seen) for k,o in zip(('learned', 'held out'), real)}
    now['copy_rate'] = FrameCopies(x, None)(made).rate
    kept = json.loads(KEPT.read_text())
    name = f"{model.info.step} batches{', changed alike'*alike}"
    both = {name:made[:600], 'frames trained on':some(x[known], 600)}
    far = {k:sliced_wasserstein(apart, o) for k,o in both.items()}
    kept['sliced_wasserstein'] |= far
    kept.setdefault('measured', {})[name] = now
    kept['rounds, ' + ('changed alike' if alike else 'trained on')] = pd.read_csv(OUT/'log.csv').to_dict('records')
    with atomic_write(KEPT) as p: p.write_text(json.dumps(kept, indent=1) + '\n')
    print(far, now)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('task', choices=['train', 'measure'])
    p.add_argument('weights')
    p.add_argument('--minutes', type=float, default=1e9,
                   help='of training; the round that is then under way is finished')
    p.add_argument('--set', nargs='*', default=[], help='settings of model_config.ini')
    p.add_argument('--alike', action='store_true', help='change real and generated frames alike')
    a = p.parse_args()
    if a.alike: train_alike()
    if not torch.cuda.is_available(): torch.set_num_threads(1)
    if a.task == 'measure': return measure(a.weights, a.alike)
    train(a.weights, dict(o.split('=', 1) for o in a.set), a.minutes)

if __name__ == '__main__': main()
