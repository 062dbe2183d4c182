"""Train the dream of Sneak, and measure it.

    python bench/dream.py train FOLDER       # lessons and 7,400 batches: about an hour of a core
    python bench/dream.py measure            # of the weights that ship: data/dream_scores.json, ten minutes

The lessons are levels 100 to 349, 200 frames each; what is measured is measured on levels 1 to 16.
`train` is a clean version of the run whose weights ship, and has not been run: in that one, steps was
raised along the way (3,000, 5,400, 6,600, 7,400), and clips of rare events were none at first, .3 of a
batch from step 2,900 and .1 from 5,650 on. Times were chosen on levels 1 to 16 too; there is one seed.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gamegen.core import atomic_write                                           # noqa: E402
from gamegen.dream import DreamConfig, DreamModel, train_dream                  # noqa: E402
from gamegen.play.maze import KEYS, maze_random                                 # noqa: E402
from gamegen.world import measures as m                                         # noqa: E402
from gamegen.world.lessons import real_sneak, sneak_lessons         # noqa: E402

SCORES = ROOT/'data/dream_scores.json'
STEPS = 7400
AFTER = (1, 16, 64)       # frames

def train(folder):
    "Lessons, and a run in a folder; resumes"
    lessons,_ = sneak_lessons(range(100, 350))
    with real_sneak() as real: first = np.stack([real.reset(i)[0] for i in range(1, 17)])
    cfg = DreamConfig(steps=STEPS, every=50, bs=16, own=.25)
    run = train_dream(lessons, cfg, folder, True, 'Apache-2.0', first)
    run.model.save(Path(folder)/'dream-sneak.safetensors')

def mid(v):
    "Median and range"
    return [round(float(o), 2) for o in (np.median(v), np.min(v), np.max(v))]

def pictures(model, lessons, memory):
    "PSNR and KID after some frames, beside the last frame repeated and the nearest real clip"
    starts = [(i, j) for i in range(16) for j in (40, 240)]
    n = max(AFTER) + 3
    real = m.real_after(lessons, starts, n)
    last = np.stack([lessons.frames[i][j] for i,j in starts])[:,None].repeat(n, 1)
    sets = dict(dream=m.dreamed(model, lessons, starts, n)[0], memoriser=m.replayed(memory, lessons, starts, n),
                last=last, real=m.real_after(lessons, [(i, j + 90) for i,j in starts], n))
    res = {}
    for name,x in sets.items():
        at = {k:slice(k - 1, k + 3) for k in AFTER}
        res[name] = {str(k):dict(psnr=mid(m.psnr(real[:,k-1], x[:,k-1])), kid=round(m.kid_of(real[:,s], x[:,s]), 4))
                     for k,s in at.items()}
        print(name, res[name], flush=True)
    return res

def keys(model, lessons, memory):
    "How many keys a reader of real pairs reads right, on real, dreamed and other pairs"
    reader = m.train_key_reader(memory)
    starts = [(i, j) for i in range(16) for j in (60, 200)]
    held = np.stack([lessons.held[i][j:j + 20] for i,j in starts])
    first = np.stack([lessons.frames[i][j] for i,j in starts])[:,None]
    def score(x): return round(m.keys_read(reader, np.concatenate([first, x], 1), held), 3)
    return dict(real=score(m.real_after(lessons, starts, 20)), dream=score(m.dreamed(model, lessons, starts, 20)[0]),
                memoriser=score(m.replayed(memory, lessons, starts, 20)), last=score(first.repeat(20, 1)))

def rules(model, lessons, states, memory):
    "Share of situations in which the right thing happens"
    found = m.situations(lessons, states)
    def real(starts, n): return m.real_after(lessons, starts, n), changes(starts, n)
    def changes(starts, n): return np.stack([lessons.rewards[i][j:j + n] for i,j in starts])
    def still(starts, n):
        x = np.stack([lessons.frames[i][j] for i,j in starts])[:,None].repeat(n, 1)
        return x, np.zeros((len(starts), n), int)
    def replay(starts, n): return m.replayed(memory, lessons, starts, n), changes(starts, n)
    ways = dict(dream=lambda s, n: m.dreamed(model, lessons, s, n), real=real, last=still, memoriser=replay)
    res = {k:{a:round(b, 3) for a,b in m.rules_kept(found, states, f).items()} for k,f in ways.items()}
    return dict(res, situations={k:len(v) for k,v in found.items()})

def holding(model, lessons, states, n=400):
    "Frames until a judge of real frames ends a game: under the keys of a script, and at random"
    walls = [np.array([[*o] for o in s[0]['wall']]) == '1' for s in states]
    ends = lambda xs, ws: [m.survival(x, w) for x,w in zip(xs, ws)]
    starts = [(i, 16) for i in range(16)]
    res = dict(frames=n, script=mid(ends(m.dreamed(model, lessons, starts, n)[0], walls)),
               real=mid(ends(m.real_after(lessons, starts, n), walls)))
    held = np.stack([random_keys(i, n) for i in range(8)])
    res['random'] = mid(ends(m.dreamed(model, lessons, starts[:8], n, held=held)[0], walls))
    return res

def random_keys(seed, n):
    "Keys of a player who knows nothing (n,4)"
    player = maze_random(seed)
    return np.array([[k in player(dict(step=3*i)) for k in KEYS] for i in range(n)])

def drift(model, lessons, states, n=2000, games=2):
    "Flaws of frames after hundreds: share of frames with wrong walls, player, star, guards"
    held = np.stack([random_keys(i, n) for i in range(games)])
    x,_ = m.dreamed(model, lessons, [(i, 16) for i in range(games)], n, held=held)
    walls = [np.array([[*o] for o in s[0]['wall']]) == '1' for s in states]
    def flawed(a): return np.mean([m.flaws(f, w) for g,w in zip(x, walls) for f in g[a:a+100:5]], 0)
    parts = ('walls', 'player', 'star', 'guards')
    return {str(a + 100):dict(zip(parts, flawed(a).round(2).tolist())) for a in (0, 400, 900, 1900)}

def measure():
    torch.set_num_threads(1)
    model = DreamModel.bundled('sneak')
    lessons,states = sneak_lessons(range(1, 17), 420)
    memory,_ = sneak_lessons(range(100, 140))
    res = dict(step=model.info.step)
    for name,f,args in (('rules', rules, (lessons, states, memory)), ('survival', holding, (lessons, states)),
                        ('keys', keys, (lessons, memory)), ('pictures', pictures, (lessons, memory)),
                        ('drift', drift, (lessons, states))):
        res[name] = f(model, *args)
        print(name, json.dumps(res[name]), flush=True)
        with atomic_write(SCORES) as fn: fn.write_text(json.dumps(res, indent=1) + '\n')

if __name__ == '__main__':
    if sys.argv[1:] == ['measure']: measure()
    elif sys.argv[1:2] == ['train'] and len(sys.argv) == 3: train(sys.argv[2])
    else: sys.exit(__doc__)
