"""Train the dream of Sneak, choose when its network looks, and measure it.

    python bench/dream.py train FOLDER BEFORE  # lessons, and 2,000 batches that go on from weights of the first stage
    python bench/dream.py choose WEIGHTS       # prints what each choice of times does, on levels of its own
    python bench/dream.py measure              # of the weights that ship: data/dream_scores.json, a quarter of an hour

BEFORE are the weights that the repository held before those that ship: `git log data/weights/dream-sneak.safetensors`.
Nothing is learned from the levels that measure, and nothing is chosen on them: see TRAIN, CHOOSE and MEASURE.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gamegen.core import atomic_write                                           # noqa: E402
from gamegen.dream import DreamConfig, DreamModel, DreamNet, train_dream                  # noqa: E402
from gamegen.io import load_weights, part                                       # noqa: E402
from gamegen.play.maze import KEYS, maze_random                                 # noqa: E402
from gamegen.world import measures as m                                         # noqa: E402
from gamegen.world.lessons import real_sneak, sneak_lessons         # noqa: E402

SCORES = ROOT/'data/dream_scores.json'
TRAIN = range(100, 350)     # levels of the lessons, 200 frames each
CHOOSE = range(17, 33)      # on which times are chosen
MEASURE = range(1, 17)
STEPS = 2000
AFTER = (1, 16, 64)         # frames
SEEDS = (0, 1, 2)           # of what happens in a dream by chance
TIMES = ((0., .3, .65), (0., .4, .7), (0., .3, .4, .65), (0., .3, .5, .75), (0., .25, .4, .55, .75),
         (0., .35, .5, .7), (0., .2, .35, .5, .7))

def first_stage(path, cfg, n_keys=4):
    "A network with the weights of an earlier one that saw less: what is new counts for nothing at first"
    net = DreamNet(cfg, n_keys)
    new = net.state_dict()
    old = {k:v.float() for k,v in part(load_weights(path)[0], 'net.').items()}
    more = new['stem.weight'].shape[1] - old['stem.weight'].shape[1]
    old['stem.weight'] = F.pad(old['stem.weight'], (0, 0, 0, 0, 0, more))
    net.load_state_dict(new | old)
    return net

def train(folder, before):
    "Lessons, and a run in a folder that goes on from weights of the first stage; resumes"
    lessons,_ = sneak_lessons(TRAIN)
    with real_sneak() as real: first = np.stack([real.reset(i)[0] for i in MEASURE])
    cfg = DreamConfig(steps=STEPS, every=50, bs=16, lr=.01, events=.3)
    run = train_dream(lessons, cfg, folder, True, 'Apache-2.0', first, net=first_stage(before, cfg))
    run.model.save(Path(folder)/'dream-sneak.safetensors')

def choose(path):
    "Stars after one was tagged (one is right), and how long dreams hold, on levels for choosing"
    torch.set_num_threads(1)
    model = DreamModel.load(path)
    lessons,states = sneak_lessons(CHOOSE, 420)
    walls = [np.array([[*o] for o in s[0]['wall']]) == '1' for s in states]
    tagged = [(i, int(j)) for i,r in enumerate(lessons.rewards) for j in np.flatnonzero(r > 0) if 16 < j < 400]
    held = np.stack([random_keys(i, 200) for i in range(8)])
    for times in TIMES:
        x,_ = m.dreamed(model, lessons, tagged, 3, times=times)
        one = np.mean([len(m.things(o[-1])['star']) == 1 for o in x])
        x,_ = m.dreamed(model, lessons, [(i, 40) for i in range(8)], 200, held=held, times=times)
        print(times, 'one star', round(one, 3), 'holds', mid([m.survival(o, w) for o,w in zip(x, walls)]), flush=True)

def mid(v):
    "Median and range"
    return [round(float(o), 2) for o in (np.median(v), np.min(v), np.max(v))]

PICTURES = [(i, j) for i in range(16) for j in (40, 240)]     # where dreams begin: game, frame
KEYS_READ = [(i, j) for i in range(16) for j in (60, 200)]

def pictures(lessons, x):
    "PSNR and KID after some frames (starts,n,h,w,3) that follow PICTURES"
    n = max(AFTER) + 3
    real = m.real_after(lessons, PICTURES, n)
    at = {k:slice(k - 1, k + 3) for k in AFTER}
    return {str(k):dict(psnr=mid(m.psnr(real[:,k-1], x[:,k-1])), kid=round(m.kid_of(real[:,s], x[:,s]), 4))
            for k,s in at.items()}

def read(reader, lessons, x):
    "How many keys a reader of real pairs reads right, of frames that follow KEYS_READ"
    held = np.stack([lessons.held[i][j:j + 20] for i,j in KEYS_READ])
    first = np.stack([lessons.frames[i][j] for i,j in KEYS_READ])[:,None]
    return round(m.keys_read(reader, np.concatenate([first, x], 1), held), 3)

def walls_at(states): return [np.array([[*o] for o in s[0]['wall']]) == '1' for s in states]

def holds(frames, walls):
    "Frames until a judge of real frames ends each game"
    return [m.survival(x, w) for x,w in zip(frames, walls)]

def rounded(d): return {k:round(v, 3) for k,v in d.items()}

def floors(lessons, states, memory, reader, n=400):
    "Figures of the real game, of the last frame repeated, and of a memoriser"
    found = m.situations(lessons, states)
    def changes(starts, k): return np.stack([lessons.rewards[i][j:j + k] for i,j in starts])
    def last(starts, k): return np.stack([lessons.frames[i][j] for i,j in starts])[:,None].repeat(k, 1)
    def real(starts, k): return m.real_after(lessons, starts, k)
    def memoriser(starts, k): return m.replayed(memory, lessons, starts, k)
    res = dict(rules={}, keys={}, pictures={})
    for name,f in (('real', real), ('last', last), ('memoriser', memoriser)):
        def play(starts, k): return f(starts, k), np.zeros((len(starts), k), int) if f is last else changes(starts, k)
        res['rules'][name] = rounded(m.rules_kept(found, states, play))
        res['keys'][name] = read(reader, lessons, f(KEYS_READ, 20))
        elsewhere = [(i, j + 90) for i,j in PICTURES] if f is real else PICTURES
        res['pictures'][name] = pictures(lessons, f(elsewhere, max(AFTER) + 3))
    res['rules']['situations'] = {k:len(v) for k,v in found.items()}
    res['survival'] = dict(frames=n, real=mid(holds(real([(i, 16) for i in range(16)], n), walls_at(states))))
    return res

def obedience(model, lessons, states, reader, seed):
    "Rules and keys of a dream whose chance has a seed"
    def dream(starts, k): return m.dreamed(model, lessons, starts, k, seed)
    rules = rounded(m.rules_kept(m.situations(lessons, states), states, dream))
    return dict(rules, keys=read(reader, lessons, dream(KEYS_READ, 20)[0]))

def long_dreams(model, lessons, states, n=400):
    "How long dreams hold, under the keys of a script and at random, and pictures"
    walls = walls_at(states)
    starts = [(i, 16) for i in range(16)]
    held = np.stack([random_keys(i, n) for i in range(8)])
    def dream(starts, k, **kw): return m.dreamed(model, lessons, starts, k, **kw)[0]
    return dict(script=holds(dream(starts, n), walls), random=holds(dream(starts[:8], n, held=held), walls),
                pictures=pictures(lessons, dream(PICTURES, max(AFTER) + 3)))

def random_keys(seed, n):
    "Keys of a player who knows nothing (n,4)"
    player = maze_random(seed)
    return np.array([[k in player(dict(step=3*i)) for k in KEYS] for i in range(n)])

def drift(model, lessons, states, n=1000, games=2):
    "Flaws of frames after hundreds: share of frames with wrong walls, player, star, guards"
    held = np.stack([random_keys(i, n) for i in range(games)])
    x,_ = m.dreamed(model, lessons, [(i, 16) for i in range(games)], n, held=held)
    def flawed(a): return np.mean([m.flaws(f, w) for g,w in zip(x, walls_at(states)) for f in g[a:a+100:5]], 0)
    parts = ('walls', 'player', 'star', 'guards')
    return {str(a + 100):dict(zip(parts, flawed(a).round(2).tolist())) for a in (0, 400, 900)}

def measure():
    torch.set_num_threads(1)
    model = DreamModel.bundled('sneak')
    lessons,states = sneak_lessons(MEASURE, 420)
    memory,_ = sneak_lessons(TRAIN[:40])
    reader = m.train_key_reader(memory)
    res = dict(step=model.info.step) | floors(lessons, states, memory, reader)
    runs = [obedience(model, lessons, states, reader, seed) for seed in SEEDS]
    res['seeds'] = {k:[o[k] for o in runs] for k in runs[0]}
    middle = {k:round(float(np.median(v)), 3) for k,v in res['seeds'].items()}
    far = long_dreams(model, lessons, states)
    for k,v in (('keys', middle.pop('keys')), ('rules', middle), ('pictures', far['pictures'])):
        res[k] = dict(dream=v) | res[k]
    for k in ('script', 'random'): res['survival'][k] = mid(far[k])
    res['drift'] = drift(model, lessons, states)
    with atomic_write(SCORES) as fn: fn.write_text(json.dumps(res, indent=1) + '\n')

if __name__ == '__main__':
    if sys.argv[1:] == ['measure']: measure()
    elif sys.argv[1:2] == ['train'] and len(sys.argv) == 4: train(*sys.argv[2:])
    elif sys.argv[1:2] == ['choose'] and len(sys.argv) == 3: choose(sys.argv[2])
    else: sys.exit(__doc__)
