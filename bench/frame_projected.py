"""Train the projected GAN of nbs/frame/02a_projected.ipynb on the bundled frames.

python bench/frame_projected.py WEIGHTS [setting=value ...] [--minutes N] goes on with the run in output/frames
where it was left; a new run begins with the grids of WEIGHTS, whose scenes and codes may be others.
On a processor one thread, so that a core-second is a second of work whatever else the machine does.
"""
import argparse
import time
from pathlib import Path

import torch

from gamegen.frame.projected import drawn_noise, projected_trainer, recount
from gamegen.io import read_tensors
from gamegen.mario_dcgan import FrameModel, FramesConfig, projected
from gamegen.train import StopTraining

ROOT = Path(__file__).parents[1]
OUT = ROOT/'output/frames'
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

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument('weights')
    p.add_argument('settings', nargs='*')
    p.add_argument('--minutes', type=float, default=1e9, help='end after the round that is then under way')
    a = p.parse_args()
    if not torch.cuda.is_available(): torch.set_num_threads(1)
    train(a.weights, dict(o.split('=', 1) for o in a.settings), a.minutes)

if __name__ == '__main__': main()
