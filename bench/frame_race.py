"""Train the networks of nbs/frame/02_modern.ipynb, and variants of the modern ones, for equal core-seconds.

python bench/frame_race.py NAME [--seed S] [--core-seconds T] adds the rounds of that run, with their scores, to
bench/frame_race.json. A run that was cut goes on where it was. One thread, so that a
core-second is a second of work whatever else the machine does.
"""
import json
import sys
from pathlib import Path

import torch
from fastcore.script import call_parse
from torch import nn
from torch.nn import functional as F

import gamegen.frame.modern as nets
import gamegen.mario_dcgan as dcgan
from gamegen.core import atomic_write
from gamegen.frame.modern import FramesConfig, classic_small
from gamegen.frame.race import race
from gamegen.train import r1_r2_penalty

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'frame_race.json'

def judged(critic_loss, gen_loss, fakes_too):
    "Another loss in place of the one that compares; slopes are held low at real pictures, and at made ones if `fakes_too`"
    def critic(n, batch, cfg):
        x = nets._scaled(batch[0], cfg)
        n.made = n.gen(nets.noise(len(x), cfg.latent))
        look = n.it % cfg.penalty_every == 0
        x = x.requires_grad_(look)
        f = n.made.detach().requires_grad_(look and fakes_too)
        a,b = n.critic(x),n.critic(f)
        loss = critic_loss(a, b)
        return dict(loss=loss + cfg.penalty/2*cfg.penalty_every*r1_r2_penalty(torch.cat([a, b]), x, *[f]*fakes_too) if look else loss)
    dcgan.critic_step = critic
    dcgan.gen_step = lambda n, batch, cfg: dict(loss=gen_loss(n.critic(n.made)))

def cross_entropy(): judged(lambda a,b: F.softplus(-a).mean() + F.softplus(b).mean(), lambda b: F.softplus(-b).mean(), True)
def hinge(): judged(lambda a,b: F.relu(1 - a).mean() + F.relu(1 + b).mean(), lambda b: -b.mean(), False)

def norm_in_critic():
    "BatchNorm after every convolution of the critic but the first and the last"
    class Normed(nets.Critic):
        def __init__(self, cfg):
            super().__init__(cfg)
            for i,d in enumerate(self.downs[1:], 1): self.downs[i] = nn.Sequential(d, nn.BatchNorm2d(d.conv.out_channels))
    dcgan.Critic = Normed

def no_blur(): nets.Blur = nn.Identity

def no_style():
    "The noise enters at the first grid alone"
    class Plain(nn.BatchNorm2d):
        def __init__(self, c, style, size): super().__init__(c)
        def forward(self, x, w): return F.leaky_relu(super().forward(x), .2)
    nets.Styled = Plain

VARIANTS = {'classic':(classic_small, dict(bs=64)), 'modern':(FramesConfig, {}),
            'no average':(FramesConfig, dict(ema=0.)), 'no slopes':(FramesConfig, dict(penalty=0.)), 'augmented':(FramesConfig, dict(augment=True)),
            'cross-entropy':(FramesConfig, {}, cross_entropy), 'hinge, R1':(FramesConfig, {}, hinge),
            'BatchNorm in the critic':(FramesConfig, {}, norm_in_critic), 'no blur':(FramesConfig, {}, no_blur),
            'no style':(FramesConfig, {}, no_style)}

@call_parse
def main(
    name:str, # Which variant; a name it does not know lists them
    seed:int=0, # Of the run
    core_seconds:float=3600., # Of training, without scoring
    output:str='output/race', # Folder of the runs
):
    if name not in VARIANTS: sys.exit(f"{name}: expected one of {'; '.join(VARIANTS)}")
    make,kw,*change = VARIANTS[name]
    for o in change: o()
    torch.set_num_threads(1)
    cfg = make(**kw).replace(seed=seed, steps=10**6, every=round(6400/make(**kw).bs), cooling=0., collapse=0., keep=1)
    t = race(cfg, core_seconds, ROOT/output/f"{name.replace(' ', '-').replace(',', '')}-{seed}")
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    kept.setdefault(name, {})[str(seed)] = t.round(4).to_dict('records')
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')
    print(t.round(3).to_string())
