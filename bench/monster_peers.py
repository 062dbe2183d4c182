"""Train the monster generator and its peers on the same sprites, for the same seconds of one core.

python bench/monster_peers.py NAME [--seed S] [--core-seconds T] adds the scores of that run to
bench/monster_peers.json.
NAME is grown (half of the time at 32 x 32, the rest at 64 x 64), bare (the same without conditioning features), flat
(64 x 64 from the start), frames (the networks of nbs/40_mario_dcgan.ipynb, with alpha as a fourth channel) or
lightweight (pip install lightweight-gan, in any environment: its own trainer with its own settings;
PEERS names its folder if it is not installed here).
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

import torch
from PIL import Image

from gamegen.batches import TensorLoader
from gamegen.core import atomic_write, fixed_rng
from gamegen import mario_dcgan as frame_nets
from gamegen.learner import Callback, CancelFitException, Trainer
from gamegen.monster.runs import monster_data, seeded_noise
from gamegen.monster.scores import SpriteScorer, remove_specks, sprite_features
from gamegen.monster.stylegan import to_bytes, to_premultiplied
from gamegen.monsters import MonsterConfig, monster_model, monsters_trainer

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'monster_peers.json'

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

def ours(seconds, table, seed, folder, grown=True, **how):
    "The networks of the project, small first or not"
    spent = 0.
    def run(cfg, seconds, marks):
        def score(t, learn, last):
            if learn.cfg.size < 64: return
            g = learn.nets.avg('gen')
            was = g.training
            def draw(y):
                z = t_.sampler(range(len(y)), y)
                pairs = zip(z.split(64), y.split(64))
                with torch.inference_mode(): return torch.cat([to_bytes(g(a, b)) for a,b in pairs])
            table.note(spent + t, draw, learn.nets.it, True, last)
            g.train(was)
        t_ = monsters_trainer(cfg, cbs=[Clock(seconds, marks, score)])
        return t_.train_model(partial(monster_model, t_), licence='GPL-2.0-or-later').model
    base = dict(seed=seed, watch=0, steps=10**6, every=10**6, collapse=0., **how)
    if not grown: return run(MonsterConfig(**base), seconds, [seconds*k for k in (.25, .5, .75)])
    small = run(MonsterConfig(**base, size=32, gen_features=32, critic_features=32), seconds/2, [])
    small.save(folder/'small.safetensors')
    spent = seconds/2
    run(MonsterConfig(**base, start=str(folder/'small.safetensors')), seconds/2, [seconds/4])

def frames(seconds, table, seed, folder):
    "The networks for game frames"
    cfg = frame_nets.FramesConfig(width=64, height=64, seed=seed, steps=10**6, every=10**6, collapse=0.)
    object.__setattr__(cfg, 'channels', 4)                     # it knows 1 and 3
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
    clock = Clock(seconds, [seconds*k for k in (.25, .5, .75)], score)
    Trainer(nets, steps, loader, cfg, lr=dict(critic=cfg.lr_critic, gen=cfg.lr), cbs=[clock], progress=False).train()

def lightweight(seconds, table, seed, folder):
    "lightweight-gan: its own Trainer and settings, told to compute here"
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

RUNS = dict(grown=ours, bare=partial(ours, cond_features=0), flat=partial(ours, grown=False), frames=frames,
            lightweight=lightweight)

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('name', choices=list(RUNS))
    p.add_argument('--seed', type=int, default=0, help='of the run')
    p.add_argument('--core-seconds', type=float, default=1800., help='of training')
    a = p.parse_args()
    torch.set_num_threads(1)
    table = Table()
    with tempfile.TemporaryDirectory() as tmp: RUNS[a.name](a.core_seconds, table, a.seed, Path(tmp))
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    kept.setdefault(a.name, {})[str(a.seed)] = table.rows
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')

if __name__ == '__main__': main()
