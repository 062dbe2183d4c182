"""Train the networks of nbs/40b_frame_nets.ipynb, and variants of the modern ones, for equal core-seconds.

python bench/frame_race.py NAME [--seed S] [--core-seconds T] adds the rounds of that run, with their scores, to
bench/frame_race.json; `--names` lists the names. A run that was cut goes on where it was. One thread, so that a
core-second is a second of work whatever else the machine does.
"""
import json
import sys
from pathlib import Path

import torch
from fastcore.script import call_parse
from torch import nn
from torch.nn import functional as F

import gamegen.frame_nets as nets
import gamegen.mario_dcgan as dcgan
from gamegen.core import atomic_write
from gamegen.frame_nets import FramesConfig, classic_small
from gamegen.frame_scores import race
from gamegen.train import slopes

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'frame_race.json'

def cross_entropy():
    "The paper's loss in place of the one that compares, slopes held low as before"
    def critic(n, batch, cfg):
        x = nets._scaled(batch[0], cfg)
        n.made = n.gen(nets.noise(len(x), cfg.latent))
        look = n.it % cfg.penalty_every == 0
        x,f = x.requires_grad_(look),n.made.detach().requires_grad_(look)
        a,b = n.critic(x),n.critic(f)
        loss = F.softplus(-a).mean() + F.softplus(b).mean()
        return dict(loss=loss + cfg.penalty/2*cfg.penalty_every*slopes(torch.cat([a, b]), x, f) if look else loss)
    dcgan.critic_step,dcgan.gen_step = critic,lambda n, batch, cfg: dict(loss=F.softplus(-n.critic(n.made)).mean())

def hinge():
    "The hinge loss, and slopes held low at real pictures alone"
    def critic(n, batch, cfg):
        x = nets._scaled(batch[0], cfg)
        n.made = n.gen(nets.noise(len(x), cfg.latent))
        look = n.it % cfg.penalty_every == 0
        x = x.requires_grad_(look)
        a,b = n.critic(x),n.critic(n.made.detach())
        loss = F.relu(1 - a).mean() + F.relu(1 + b).mean()
        if look: loss = loss + cfg.penalty/2*cfg.penalty_every*torch.autograd.grad(a.sum(), x, create_graph=True)[0].square().flatten(1).sum(1).mean()
        return dict(loss=loss)
    dcgan.critic_step,dcgan.gen_step = critic,lambda n, batch, cfg: dict(loss=-n.critic(n.made).mean())

def norm_in_critic():
    "BatchNorm after every convolution of the critic but the first and the last"
    class Normed(nets.Critic):
        def __init__(self, cfg):
            super().__init__(cfg)
            for i,d in enumerate(self.downs[1:], 1): self.downs[i] = nn.Sequential(d, nn.BatchNorm2d(d.conv.out_channels))
    dcgan.Critic = Normed

def no_blur(): nets.Blur = nn.Identity

VARIANTS = {'classic':(classic_small, dict(bs=64)), 'classic, batches of 16':(classic_small, dict(bs=16)), 'modern':(FramesConfig, {}),
            'no average':(FramesConfig, dict(ema=0.)), 'no slopes':(FramesConfig, dict(penalty=0.)), 'augmented':(FramesConfig, dict(augment=True)),
            'cross-entropy':(FramesConfig, {}, cross_entropy), 'hinge, R1':(FramesConfig, {}, hinge),
            'BatchNorm in the critic':(FramesConfig, {}, norm_in_critic), 'no blur':(FramesConfig, {}, no_blur)}

@call_parse
def main(
    name:str='', # Which variant
    names:bool=False, # List them?
    seed:int=0, # Of the run
    core_seconds:float=3600., # Of training, without scoring
    output:str='output/race', # Folder of the runs
):
    if names or name not in VARIANTS: sys.exit('\n'.join(VARIANTS))
    make,kw,*change = VARIANTS[name]
    for o in change: o()
    torch.set_num_threads(1)
    cfg = make(**kw).replace(seed=seed, steps=10**6, every=round(6400/make(**kw).bs), cooling=0., collapse=0., keep=1)
    t = race(cfg, core_seconds, ROOT/output/f"{name.replace(' ', '-').replace(',', '')}-{seed}")
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    kept.setdefault(name, {})[str(seed)] = t.round(4).to_dict('records')
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')
    print(t.round(3).to_string())
