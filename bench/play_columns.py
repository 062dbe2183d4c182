"""A player of take_cover that sees a band of the picture, column by column, and knows what it held before.

python bench/play_columns.py teach --output FILE      ten rounds of a scripted teacher (DAgger)
python bench/play_columns.py play --weights FILE      thirty games of it, those that all clones play
python bench/play_columns.py heart --weights FILE     the regret of its keys in its lessons, and in new games
python bench/play_columns.py floors                   the cheap tricks that must fail

It sees frames as 10 rows of 160 columns: of the 40 rows about the horizon the brightest of each four.
Convolutions go along the columns and read rows of four moments at once as channels, so a batch of 256
moments takes a fifteenth of a second. It is told the keys of the last 12 moments, for they say how fast
it moves: the engine's friction leaves 9 % of a speed after 24 tics, and 45 % after 8.
The teacher says what each of 27 plans would cost; `keys` learns which key begins the cheapest, `plans`
the costs. Moments are drawn by how much the choice matters. Every second batch is seen in a mirror.
Figures go into bench/play_taught.json.
"""
import argparse
import copy
import json
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from gamegen.core import atomic_write
from gamegen.play import games
from gamegen.play.games import DoomGame, Expert

KEEP = Path(__file__).resolve().parent/'play_taught.json'
TESTS = range(900, 930)                   # seeds of the games that all clones play
AGO = 0, 1, 3, 6                          # moments seen at once
PAST = 12                                 # moments whose keys are known
ROWS = 10
ACTS = [(), ('left',), ('right',)]
PLANS = games._moves                      # the teacher's: what is held at each of 48 tics
FIRST = [np.flatnonzero(PLANS[:,0] == o) for o in (0, -1, 1)]       # those that begin with each of `ACTS`
MIRROR = [int((PLANS == -o).all(1).argmax()) for o in PLANS]
MATTERS = 4.                              # what a choice counts at most, and at least .1

def seconds():
    "Of this process, training and seeing; the engines run beside it"
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime

def costs(game, mem, reach=40):
    "What each plan of the teacher would cost now"
    *me,angle = game.state.game_variables[-3:]
    me = np.array(me)
    axes = games._axes(angle)
    v = (axes[0] @ (me - mem['me']))/game.tics if 'me' in mem else 0.
    mem['me'] = me
    y = axes[0] @ me
    paths,past = games._paths(v, y, -750, -18)
    cost = .5*past + .0006*np.abs(y + paths[:,-1] + 384) + .05*(PLANS[:,0] == 0)
    for o in game.state.objects:
        if o.name == 'DoomImpBall': cost += games._danger(o, me, axes, paths, reach)
    return cost

def best(cost, held):
    "The teacher's key, which he changes only for something"
    moves = np.array([0, -1, 1])
    now = ('right' in held) - ('left' in held)
    return ACTS[min(range(3), key=lambda i: cost[FIRST[i]].min() - .05*(moves[i] == now))]

def seen(frame):
    "A frame as the player sees it, bytes `(10,160)`"
    grey = frame[46:86].astype(np.float32) @ np.array([.299, .587, .114], np.float32)
    return torch.from_numpy(grey.reshape(ROWS, 4, 160).max(1).round().astype(np.uint8))

class Columns(nn.Module):
    "From rows of four moments and the keys of twelve to scores of keys and costs of plans"
    def __init__(self, w=128):
        super().__init__()
        def conv(i, o, k):
            return nn.Conv1d(i, o, k, 2, k//2, bias=False), nn.BatchNorm1d(o), nn.SiLU()
        self.enc = nn.Sequential(*conv(len(AGO)*ROWS, 48, 7), *conv(48, 64, 5), *conv(64, 64, 5),
                                 nn.Flatten(), nn.Dropout(.4), nn.Linear(64*20, w))
        self.past = nn.Linear(2*PAST, w)
        self.body = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, w), nn.GELU(), nn.Dropout(.2))
        self.keys = nn.Linear(w, 3)
        self.plans = nn.Linear(w, len(PLANS))
    def forward(self, x, past):
        h = self.body(self.enc(x.float().flatten(1, 2)/127.5 - 1) + self.past(past))
        return self.keys(h), self.plans(h)

class Lessons:
    "Moments so far, in the order of games: what was seen, what plans cost, what was held"
    def __init__(self): self.parts = []
    def add(self, obs, cost, held):
        first = sum(len(o[0]) for o in self.parts)
        self.parts.append((torch.stack(obs), torch.tensor(np.array(cost, np.float32)),
                           torch.tensor(held), torch.full((len(obs),), first)))
    def close(self):
        self.obs,self.cost,self.held,self.first = (torch.cat(o) for o in zip(*self.parts))
        each = torch.stack([self.cost[:,o].amin(1) for o in FIRST], 1)
        matters = (each.amax(1) - each.amin(1)).clamp(max=MATTERS).double() + .1
        self.sum = matters.cumsum(0).numpy()
        self.each = each - each.amin(1, keepdim=True)
        self.parts = [(self.obs, self.cost, self.held, self.first)]
    def __len__(self): return len(self.obs)
    def at(self, i):
        "What was seen and held at moments, and what keys and plans cost"
        first = self.first[i]
        x = torch.stack([self.obs[torch.maximum(i - o, first)] for o in AGO], 1)
        def held(k): return self.held[(i - k).clamp(min=0)]*(i - k >= first)[:,None]
        past = torch.cat([held(k) for k in range(1, PAST + 1)], 1)
        return x, past, self.cost[i], self.each[i]
    def draw(self, rng, n):
        i = np.searchsorted(self.sum, rng.random(n)*self.sum[-1]).clip(0, len(self) - 1)
        return self.at(torch.from_numpy(i))

    def regret(self, keys, at):
        "How much worse keys are than the best, at the moments `at`"
        return float(self.each[at, keys].mean())
    def save(self, path):
        names = 'obs', 'cost', 'held', 'first'
        save_file({k:getattr(self, k).contiguous() for k in names}, str(path))
    @classmethod
    def load(cls, path):
        self = cls()
        self.parts = [tuple(load_file(path)[k] for k in ('obs', 'cost', 'held', 'first'))]
        self.close()
        return self

def mirrored(x, past, cost, each):
    past = past.view(len(past), PAST, 2).flip(-1).flatten(1)
    return x.flip(-1), past, cost[:,MIRROR], each[:,[0, 2, 1]]

class Game:
    "A game of take_cover, what was seen and held in it, and what its teacher counts"
    def __init__(self, engine, seed, counts):
        self.engine = engine
        engine.reset(seed)
        self.counts = counts
        self.mem = {}
        self.obs = []
        self.cost = []
        self.held = []
        self.last = ()
    def look(self):
        self.obs.append(seen(self.engine.frame()))
        if self.counts: self.cost.append(costs(self.engine, self.mem))
        x = torch.stack([self.obs[max(0, len(self.obs) - 1 - o)] for o in AGO])
        past = [(0., 0.)]*PAST + self.held
        return x, torch.tensor(past[:-PAST-1:-1]).flatten()
    def press(self, keys):
        self.held.append((float('left' in keys), float('right' in keys)))
        self.last = keys
        self.engine.press(keys)

class Erring:
    "The teacher, who holds a wrong key for up to a dozen moments, now and then"
    def __init__(self, rng):
        self.rng = rng
        self.left = 0
    def __call__(self, g):
        if not self.left and self.rng.random() < .4/12:
            self.left = int(self.rng.integers(3, 13))
            self.slip = ACTS[self.rng.integers(3)]
        if not self.left: return best(g.cost[-1], g.last)
        self.left -= 1
        return self.slip

@torch.inference_mode()
def play(engines, seeds, net=None, keys=None, counts=True):
    "Games at once: of a net, or of one `keys(game)` for each"
    played = [Game(e, s, counts) for e,s in zip(engines, seeds)]
    with ThreadPoolExecutor(len(played)) as pool:
        while live := [i for i,g in enumerate(played) if not g.engine.over]:
            x,past = (torch.stack(o) for o in zip(*(played[i].look() for i in live)))
            if net: said = [ACTS[o] for o in net(x, past)[0].argmax(1)]
            else: said = [keys[i](played[i]) for i in live]
            list(pool.map(lambda i, o: played[i].press(o), live, said))
    return played

def collect(lessons, engines, moments, first, rng, net=None):
    "Whole games, until there are so many moments more; their scores, and the mean regret of the keys held"
    scores,regret,n = [],[],0
    while n < moments:
        keys = [Erring(rng) for _ in engines]
        for g in play(engines, range(first + len(scores), first + len(scores) + len(engines)), net, keys):
            lessons.add(g.obs, g.cost, g.held)
            n += len(g.obs)
            scores.append(g.engine.score)
            for c,h in zip(g.cost, g.held):
                each = [c[o].min() for o in FIRST]
                regret.append(each[int(h[0] + 2*h[1])] - min(each))
    lessons.close()
    return scores, float(np.mean(regret))

def learn(net, avg, optimiser, lessons, steps, rng, lr, bs=256):
    "Batches of the lessons so far; `avg` follows the weights"
    net.train()
    for i in range(steps):
        for g in optimiser.param_groups: g['lr'] = lr(i)
        batch = lessons.draw(rng, bs)
        x,past,cost,each = mirrored(*batch) if i % 2 else batch
        keys,plans = net(x, past*(torch.rand(bs, 1) < .9))
        goal = (-each/.25).softmax(1)
        loss = -(goal*keys.log_softmax(1)).sum(1).mean()
        loss = loss + 2*F.smooth_l1_loss(plans, cost.clamp(max=8).sqrt())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for a,b in zip(avg.state_dict().values(), net.state_dict().values()):
            if a.dtype.is_floating_point: a.lerp_(b, .015)
            else: a.copy_(b)

def keep(name, **row):
    "Add a row to the figures"
    kept = json.loads(KEEP.read_text())
    kept.setdefault('columns', {})[name] = row
    with atomic_write(KEEP, True) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')
    print(name, row, flush=True)

def teach(out, seed, rounds, moments, steps):
    "Rounds of play and training"
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    engines = [DoomGame('take_cover') for _ in range(6)]
    net = Columns()
    avg = copy.deepcopy(net).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=.01, betas=(.9, .98))
    lessons = Lessons()
    collect(lessons, engines, 2*moments, seed*100_000 + 1000, rng)
    told = []
    for r in range(rounds):
        last = r == rounds - 1
        def lr(i): return 2e-3*min(1, (i + 1)/50 if r == 0 else 1)*(1 - .98*(i/steps if last else 0))
        learn(net, avg, optimiser, lessons, steps, rng, lr)
        save_file(avg.state_dict(), str(out))
        lessons.save(out.with_suffix('.lessons'))
        n = len(lessons)
        scores,regret = collect(lessons, engines, moments, seed*100_000 + 2000 + 1000*r, rng, avg)
        told.append(dict(lessons=n, score=round(np.mean(scores), 1), games=len(scores),
                         regret=round(regret, 3), core_seconds=round(seconds())))
        keep(f'rounds {seed}', steps=steps, rounds=told)

@torch.inference_mode()
def by_heart(net, lessons, name, seed=77):
    "What its keys, and one key always, cost in the lessons that it learned from and in new games of its own"
    engines = [DoomGame('take_cover') for _ in range(6)]
    rng = np.random.default_rng(seed)
    new = Lessons()
    scores,_ = collect(new, engines, 4000, seed*100_000, rng, net)
    row = dict(moments=len(lessons), new_moments=len(new), new_games=len(scores))
    for k,o in dict(lessons=lessons, new=new).items():
        at = torch.from_numpy(rng.integers(len(o), size=4000))
        said = torch.cat([net(*o.at(i)[:2])[0].argmax(1) for i in at.split(500)])
        row[k] = dict(regret=round(o.regret(said, at), 3), left=round(o.regret(torch.ones_like(at), at), 3))
    keep(name, **row)

def alternating(g): return ACTS[1 + len(g.obs)//17 % 2]

class Repeats:
    "A key drawn at random, held for a second"
    def __init__(self, seed): self.rng = np.random.default_rng(seed)
    def __call__(self, g):
        if len(g.obs) % 17 == 1: self.key = ACTS[self.rng.integers(3)]
        return self.key

FLOORS = {'from side to side': lambda s: alternating, 'a key held for a second': Repeats,
          'always left': lambda s: lambda g: ACTS[1]}

def thirty(name, net=None, make=None, **notes):
    engines = [DoomGame('take_cover') for _ in range(6)]
    scores = []
    for i in range(0, len(TESTS), 6):
        seeds = TESTS[i:i+6]
        scores += [g.engine.score for g in play(engines, seeds, net, make and [make(s) for s in seeds], False)]
    for e in engines: e.close()
    keep(name, returns=scores, **notes)

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('what', choices=('teach', 'play', 'heart', 'floors'))
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--rounds', type=int, default=10)
    p.add_argument('--moments', type=int, default=4000, help='of each round')
    p.add_argument('--steps', type=int, default=500, help='batches of each round')
    p.add_argument('--output', type=Path, default='columns.safetensors')
    p.add_argument('--weights', default='columns.safetensors')
    p.add_argument('--name', default='player', help='of the row of thirty games')
    p.add_argument('--how', default='', help='how the weights were made, in words')
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.what == 'teach': teach(a.output, a.seed, a.rounds, a.moments, a.steps)
    elif a.what == 'floors':
        for name,make in FLOORS.items(): thirty(name, make=make)
    else:
        net = Columns().eval()
        net.load_state_dict(load_file(a.weights))
        if a.what == 'play': thirty(a.name, net, how=a.how)
        else: by_heart(net, Lessons.load(Path(a.weights).with_suffix('.lessons')), a.name)

if __name__ == '__main__': main()
