"""Teach the player that plans (nbs/play/10_planner.ipynb) Sneak, faster than time, in a browser without a window.

python bench/play_planner.py OUT.safetensors [--rounds 20]

The first round shows games of the expert that slips now and then; in the others the player plays and the
expert says at each moment what he would hold (DAgger). Each game is a level of its own, and in most of them
player, guards and star begin anywhere. A decision holds from one or two steps after the frame that it was
made for, as on a screen.
`python bench/play_clones.py play maze --kind planner --weights OUT.safetensors` then plays it on the screen.
"""
import argparse
import copy
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from gamegen.bvae_gpt import Player, PolicyConfig
from gamegen.io import WeightsInfo, digest
from gamegen.play.maze import KEYS, _risk, maze_cell, maze_expert, maze_state
from gamegen.play.planner import CELL, Planner, maze_answers, planner_loss
from gamegen.world.lessons import real_sneak

ACTIONS = ((), *((k,) for k in KEYS), *((a, b) for a in KEYS[:2] for b in KEYS[2:]))
NUMBER = {frozenset(a):i for i,a in enumerate(ACTIONS)}
GRID = 5, 9, 15, 11, 10        # left, top, columns, rows, pixels across a cell, in a frame of 160 x 120
FIRST = 5000                   # levels to learn from begin here; 21 to 30 are for trials on the screen
TRIALS = range(2001, 2004)
SCRIPT = """
function go(before, wait, now, n) {
  held = new Set(before.map(k => NAMES[k]))
  for (let i = 0; i < wait; i++) step()
  const then = look()[0]
  held = new Set(now.map(k => NAMES[k]))
  for (let i = wait; i < n; i++) step()
  return [then, ...look()]
}
function scatter(seed) {
  const r = random(seed), odd = () => [1 + 2*Math.floor(r()*7), 1 + 2*Math.floor(r()*5)].map(mid)
  ;[s.p.x, s.p.y] = odd()
  for (const o of s.guards) {
    do [o.x, o.y] = odd(); while (Math.hypot(o.x - s.p.x, o.y - s.p.y) < 50)
    o.d = Math.floor(r()*4)
    o.a = o.d*Math.PI/2
  }
  place()
  return look()
}
"""

class Game:
    "Sneak without a clock, in which keys are late"
    def __init__(self, real):
        self.real = real
        real.tab.js(SCRIPT)
    def begin(self, level, scatter=False):
        x,s = self.real.reset(level)
        self.held = ()
        return self.real._seen(self.real.tab.js(f'scatter({level})')) if scatter else (x, s)
    def go(self, keys, wait, n=2):
        "Hold keys from `wait` steps on; the state at which they are pressed, frame and state after `n` steps"
        before,now = (json.dumps(sorted(o)) for o in (self.held, keys))
        then,*seen = self.real.tab.js(f'go({before}, {wait}, {now}, {n})')
        self.held = keys
        return maze_state(then), *self.real._seen(seen)

def labels(s):
    "Walls, risks, and the cells of star and player, and whether he is drawn"
    wall = np.array([c == '1' for row in s['wall'] for c in row])
    risk = np.zeros(len(wall), np.float32)
    for i in np.flatnonzero(~wall): risk[i] = min(_risk(s, i % 15, i//15), 120)/60
    star,me = (y*15 + x for x,y in map(maze_cell, (s['t'], s['p'])))
    return wall.astype(np.float32), risk, star, me, np.float32(s['f'] % 6 < 3)

def right(s):
    "1 for each action that is as good as the expert's"
    r = np.zeros(len(ACTIONS), np.float32)
    r[[NUMBER[o] for o in maze_answers(s)]] = 1
    return r

@torch.inference_mode()
def decide(net, x):
    x = torch.from_numpy(x.transpose(2, 0, 1).copy())[None].float()
    return ACTIONS[net.choose(x)[0].argmax().item()]

def lesson(game, net, level, n, rng):
    "A game that is played by the player, the expert and slips in turns; rows to learn from, and how often it was wrong"
    x,s = game.begin(level, rng.random() < .6)
    wait = rng.choice((1, 2))
    chances = (.8, .2, .12) if net else (0, .8, .2)
    rows,wrong = [],[]
    left = 0
    for i in range(n):
        left -= 1
        if left <= 0:
            who, = rng.choices(('player', 'expert', 'slip'), chances)
            left = rng.randint(2, 6) if who == 'slip' else rng.randint(8, 30)
            slip = rng.choice(ACTIONS)
        keys = decide(net, x) if who == 'player' else slip if who == 'slip' else tuple(maze_expert(s))
        then,x2,s2 = game.go(keys, wait)
        answer = right(then)
        if who == 'player': wrong.append(not answer[NUMBER[frozenset(keys)]])
        if s['f'] == 0 or rng.random() < .3: rows.append((x, answer, *labels(s)))
        x,s = x2,s2
    return rows, wrong

def swapped(a, b):
    "The number of each action in a mirror"
    other = {a:b, b:a}
    return [NUMBER[frozenset(other.get(k, k) for k in act)] for act in ACTIONS]

MIRRORS = (('left', 'right', -1), ('up', 'down', -2))

def batch(rows, rng, n):
    "Rows at random, each in one of four mirrors and a little brighter or darker"
    picked = [rows[i] for i in rng.integers(0, len(rows), n)]
    x,answer,wall,risk,star,me,drawn = map(np.stack, zip(*picked))
    shade = torch.from_numpy(rng.integers(-6, 7, (n, 3, 1, 1)))
    x = torch.from_numpy(x).permute(0, 3, 1, 2).float() + shade
    maps = torch.from_numpy(np.stack([wall, risk], 1)).view(n, 2, 11, 15)
    at = torch.zeros(n, 2, 165)
    at[np.arange(n),0,star] = 1
    at[np.arange(n),1,me] = 1
    maps = torch.cat([maps, at.view(n, 2, 11, 15)], 1)
    answer = torch.from_numpy(answer)
    for a,b,axis in MIRRORS:
        turn = torch.from_numpy(rng.random(n) < .5)
        x,maps = (torch.where(turn[:,None,None,None], o.flip(axis), o) for o in (x, maps))
        answer = torch.where(turn[:,None], answer[:,swapped(a, b)], answer)
    wall,risk,star,me = maps.flatten(2).unbind(1)
    return x.clamp(0, 255), (answer, wall, risk, star.argmax(1), me.argmax(1), torch.from_numpy(drawn))

def learn(net, avg, opt, rows, steps, lr, rng):
    "Batches; returns the mean losses"
    told = []
    net.train()
    for g in opt.param_groups: g['lr'] = lr
    for _ in range(steps):
        x,answers = batch(rows, rng, 48)
        loss = planner_loss(*net.choose(x), *answers)
        opt.zero_grad()
        sum(loss.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.)
        opt.step()
        for a,b in zip(avg.state_dict().values(), net.state_dict().values()):
            if a.is_floating_point(): a.lerp_(b.detach(), .005)
        told.append([o.item() for o in loss.values()])
    net.eval()
    return dict(zip(loss, np.mean(told, 0).round(4).tolist()))

def trial(game, net, level, steps=1800):
    "Score, and times caught, in a game of a minute"
    x,s = game.begin(level)
    while s['step'] < steps: _,x,s = game.go(decide(net, x), 2)
    return s['score'], s['c']

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('out', type=Path)
    p.add_argument('--rounds', type=int, default=20)
    p.add_argument('--seed', type=int, default=0)
    a = p.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng,chance = np.random.default_rng(a.seed),random.Random(a.seed)
    held = [[float(k in o) for k in KEYS] for o in ACTIONS]
    cfg = PolicyConfig(obs='cells', width=48, depth=4, channels=3, bs=48, seed=a.seed, past_dropout=1.)
    net = Planner(cfg, held, (0, 0, *GRID[2:4], CELL))
    avg = copy.deepcopy(net).eval()
    opt = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-3)
    rows = []
    level = FIRST
    steps = 0
    with real_sneak() as real:
        game = Game(real)
        for i in range(a.rounds):
            began = time.process_time()
            wrong = []
            for _ in range(24 if i else 60):
                level += 1
                new,amiss = lesson(game, avg if i else None, level, 90 if i else 60, chance)
                rows += new
                wrong += amiss
            n = 300 if i else 500
            lr = 2e-3 if i < .6*a.rounds else 6e-4
            loss = learn(net, avg, opt, rows, n, lr, rng)
            steps += n
            if not i: avg.load_state_dict(net.state_dict())
            seconds = round(time.process_time() - began)
            told = dict(moments=len(rows), wrong=round(np.mean(wrong or [1]), 3), seconds=seconds)
            print(i, told | loss, flush=True)
            if i % 4 == 3: print([trial(game, avg, o) for o in TRIALS], flush=True)
            data = digest(np.stack([o[0] for o in rows[:1000]]))
            notes = dict(keys=list(KEYS), code=None, game='maze', rate=15., size=[160, 120], grid=list(GRID))
            config = asdict(cfg.replace(steps=steps))
            info = WeightsInfo('player', config, steps, a.seed, data, 'Apache-2.0', notes)
            Player(copy.deepcopy(avg), cfg, KEYS, None, info).save(a.out, overwrite=True)

if __name__ == '__main__': main()
