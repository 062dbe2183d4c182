"""Train the networks of nbs/40_mario_dcgan.ipynb, and variants of the modern ones, for equal core-seconds.

python bench/frame_race.py NAME [--seed S] [--core-seconds T] adds the rounds of that run, with their scores, to
bench/frame_race.json. A run that was cut goes on where it was. One thread, so that a
core-second is a second of work whatever else the machine does.
"""
import argparse
import json
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import gamegen.mario_dcgan as dcgan
from gamegen.core import atomic_write
from gamegen.frame.race import race
from gamegen.mario_dcgan import FramesConfig, classic_small
from gamegen.train import r1_r2_penalty

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'frame_race.json'

# --- variants: each puts something else in place of a part of the chapter

def judged(critic_loss, gen_loss, r2):
    "Another loss in place of the relativistic one; R1 at real pictures, and R2 at generated ones if `r2`"
    def critic_step(nets, batch, cfg):
        real = dcgan.to_floats(batch[0], cfg)
        nets.fake = nets.gen(dcgan.noise(len(real), cfg.latent))
        regularise = nets.it % cfg.penalty_every == 0
        real = real.requires_grad_(regularise)
        fake = nets.fake.detach().requires_grad_(regularise and r2)
        a = nets.critic(real)
        b = nets.critic(fake)
        loss = critic_loss(a, b)
        if not regularise: return dict(loss=loss)
        inputs = [real, fake] if r2 else [real]
        penalty = r1_r2_penalty(torch.cat([a, b]), *inputs)
        return dict(loss=loss + cfg.penalty/2*cfg.penalty_every*penalty)
    def gen_step(nets, batch, cfg): return dict(loss=gen_loss(nets.critic(nets.fake)))
    dcgan.critic_step = critic_step
    dcgan.gen_step = gen_step

def cross_entropy(): judged(dcgan.gan_critic_loss, dcgan.nonsaturating_loss, True)

def hinge():
    def critic_loss(real, fake): return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    judged(critic_loss, lambda fake: -fake.mean(), False)

def norm_in_critic():
    "BatchNorm after every convolution of the critic but the first and the last"
    class Normed(dcgan.Critic):
        def __init__(self, cfg):
            super().__init__(cfg)
            for i,d in enumerate(self.downs[1:], 1):
                self.downs[i] = nn.Sequential(d, nn.BatchNorm2d(d.conv.out_channels))
    dcgan.Critic = Normed

def no_blur(): dcgan.Blur = nn.Identity

def no_style():
    "The noise enters at the first grid alone"
    class Plain(nn.BatchNorm2d):
        def __init__(self, c, n_style, size): super().__init__(c)
        def forward(self, x, w): return F.leaky_relu(super().forward(x), .2)
    dcgan.StyledNorm = Plain

# name: settings, and what to change in the chapter
VARIANTS = {
    'classic': (partial(classic_small, bs=64), None),
    'modern': (FramesConfig, None),
    'no average': (partial(FramesConfig, ema=0.), None),
    'no penalty': (partial(FramesConfig, penalty=0.), None),
    'augmented': (partial(FramesConfig, augment=True), None),
    'cross-entropy': (FramesConfig, cross_entropy),
    'hinge, R1': (FramesConfig, hinge),
    'BatchNorm in the critic': (FramesConfig, norm_in_critic),
    'no blur': (FramesConfig, no_blur),
    'no style': (FramesConfig, no_style),
}

def run(name, seed, core_seconds, output):
    "The rounds of a variant"
    make,change = VARIANTS[name]
    if change: change()
    torch.set_num_threads(1)
    every = round(6400/make().bs)
    cfg = make(seed=seed, steps=10**6, every=every, cooldown=0., collapse=0., keep=1)
    folder = f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    return race(cfg, core_seconds, ROOT/output/folder)

def keep(name, seed, rounds):
    "Add a run to those that are kept"
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    kept.setdefault(name, {})[str(seed)] = rounds.round(4).to_dict('records')
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('name', choices=VARIANTS, help='which variant')
    p.add_argument('--seed', type=int, default=0, help='of the run')
    p.add_argument('--core-seconds', type=float, default=3600., help='of training, without scoring')
    p.add_argument('--output', default='output/race', help='folder of the runs')
    args = p.parse_args()
    rounds = run(args.name, args.seed, args.core_seconds, args.output)
    keep(args.name, args.seed, rounds)
    print(rounds.round(3).to_string())

if __name__ == '__main__': main()
