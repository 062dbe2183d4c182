"""Train the encoders and the clones of nbs/50_bvae_gpt.ipynb, and let the clones play.

`python bench/play_clones.py code GAME --kind KIND` trains an encoder of a kind in `CODES`;
`clone GAME --kind OBS --seed S` a clone, by the encoder that `SEEN_BY` names;
`loss GAME --kind LOSS` a clone that sees `latent+slots`, trained by another loss;
`late GAME --lag N` likewise one that answers late;
`teach GAME` goes on from a clone that `--weights` names, with a teacher beside it;
`hand GAME` likewise, with a simulated person who takes over for five minutes in all;
`known GAME` plays the expert, chance, and the expert's keys of other games.
`record maze --recordings FOLDER` records demonstrations of the game on the screen,
`clone maze --recordings FOLDER` trains a clone by them,
and `play maze --kind NAME --weights FILE` lets it play there.
All add their figures to bench/play_scores.json and leave weights in the output folder.
"""
import argparse
import json
import random
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch

from gamegen.bvae_gpt import (FrameCode, Player, PolicyConfig, Trajectories, VAEConfig,
                              action_report, from_recordings, psnr, small_preset, to_size,
                              train_clone, train_latents, trajectories)
from gamegen.core import atomic_write, bundled
from gamegen.play.agents import returns, rollout
from gamegen.play.games import GAMES, DoomGame, Expert, at_random, demonstrate, play
from gamegen.play.maze import (maze_expert, maze_game, maze_random, maze_state, play_maze,
                               record_maze, start_maze)
from gamegen.play.recordings import read_recordings
from gamegen.play.slots import small_recall
from gamegen.play.takeover import teach_by_hand
from gamegen.play.teach import teach

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'play_scores.json'
CODES = dict(plain=dict(salience=0.), salient=dict(salience=3.),
             unguided=dict(salience=0., slots=5),
             slots=dict(salience=0., slots=5, heatmap=.1))
SEEN_BY = {'latent':'plain', 'latent+slots':'slots', 'small preset':'small preset'}
# what slots learn to find, where not all objects: imps are many, and took them from the fireballs
SPOTTED = dict(take_cover=('DoomImpBall',))
TESTS = range(900, 930)     # seeds of the games that all clones play

def keep(*path, **row):
    "Add a row to the file of figures"
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    at = kept
    for o in path: at = at.setdefault(str(o), {})
    at.update(row)
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')
    print(*path, row, flush=True)

def rounded(d): return {k:round(float(v), 4) for k,v in d.items()}

def train_code(game, kind, steps, frames, out):
    g = DoomGame(game)
    learn = demonstrate(g, frames, seed=1)
    test = demonstrate(g, 1500, seed=2)
    names = SPOTTED.get(game, GAMES[game]['objects'])
    objects = [[o for o in found if o.name in names] for found in learn.objects]
    if kind == 'small preset': cfg = small_preset()[0]
    else: cfg = VAEConfig(size=128, latent=128, collapse=0., **CODES[kind])
    cfg = cfg.replace(steps=steps, every=500)
    t = time.process_time()
    run = train_latents(learn.frames, cfg, objects, learn.starts, test.frames, licence='Apache-2.0')
    code = run.model
    t = time.process_time() - t
    x = to_size(test.frames, cfg.size)
    made = code.decode(code.encode(test.frames))
    recall = {k:small_recall(x, made, test.objects, (k,)) for k in GAMES[game]['objects']}
    keep('codes', game, kind, steps=steps, core_seconds=round(t), psnr=round(psnr(made, x), 3),
         recall=recall)
    code.save(out/f'{game}-{kind}.safetensors')

def demonstrations(game, obs, cfg, code, frames, out):
    "Demonstrations, as they are seen: all seeds learn from the same, so they are kept"
    parts = []
    for n,seed in ((frames, 10), (3000, 2)):
        path = out/f'demonstration-{game}-{obs}-{n}-{seed}.npz'
        if not path.exists():
            g = DoomGame(game)
            demo = demonstrate(g, n, seed=seed)
            seen = trajectories(demo, g.keys, cfg, code)._asdict()
            np.savez(path, **{k:v for k,v in seen.items() if v is not None})
            g.close()
        o = dict(np.load(path))
        o['obs'] = torch.from_numpy(o['obs'])
        o['keys'] = tuple(o['keys'].tolist())
        parts.append(Trajectories(**o))
    return parts

def train_player(path, game, obs, cfg, frames, out, lags=(0,), **agent):
    code = FrameCode.load(out/f'{game}-{SEEN_BY[obs]}.safetensors') if obs in SEEN_BY else None
    learn,test = demonstrations(game, obs, cfg, code, frames, out)
    t = time.process_time()
    p = train_clone(learn, cfg, code, licence='Apache-2.0', game=game).model
    row = dict(steps=cfg.steps, frames=frames, core_seconds=round(time.process_time() - t))
    row |= rounded(action_report(p, test))
    seeds = list(TESTS)
    if obs == 'frames': row['hidden'] = returns(p, game, seeds, hide_past=True)
    for lag in lags:
        where = (*path, lag) if len(lags) > 1 else path
        keep(*where, **row, returns=returns(p, game, seeds, lag=lag, **agent))
    p.save(out/('-'.join(map(str, path)) + '.safetensors'))

def mirrored(demo, keys, cfg):
    "A demonstration as a player sees it, then in mirrors beside it, above it, and in both: a maze has no sides"
    other = dict(left='right', right='left', up='down', down='up')
    n = len(demo.held)
    obs = None
    rest = []
    for i,(across,down) in enumerate(((1, 1), (-1, 1), (1, -1), (-1, -1))):
        turned = lambda k: (across if k in ('left', 'right') else down) < 0
        order = [keys.index(other[k] if turned(k) else k) for k in keys]
        seen = demo._replace(frames=demo.frames[:,::down,::across], held=demo.held[:,order],
                             pressed=demo.pressed[:,order])
        p = trajectories(seen, keys, cfg)
        # in place, for four copies are gigabytes
        if obs is None: obs = p.obs.new_empty(4*n, *p.obs.shape[1:])
        obs[i*n:(i+1)*n] = p.obs
        rest.append(p[1:4])
    return Trajectories(obs, *(np.concatenate(o) for o in zip(*rest)), tuple(keys))

class Slips:
    "The expert of the maze, who now and then holds a wrong key, so that recordings show the way back"
    __name__ = 'an expert that slips'
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.until = -1
        self.keys = set()
    def __call__(self, s):
        if s['step'] < self.until - 30: self.until = -1     # a new game
        if s['step'] >= self.until:
            if self.rng.random() >= .012: return maze_expert(s)
            self.until = s['step'] + self.rng.randint(4, 12)
            self.keys = set(self.rng.sample(('up', 'down', 'left', 'right'), 1))
        return self.keys

def record_demonstrations(folder):
    "Half an hour of the maze: ten sessions of the expert, twenty of one that slips, and those that ship"
    record_maze(folder/'expert', range(41, 51), 50)
    record_maze(folder/'erring', range(61, 81), 50, policy=Slips(61))
    for kind in ('erring', 'expert'):
        for o in sorted((folder/kind).iterdir()): o.rename(folder/f'{kind}-{o.name}')
        (folder/kind).rmdir()
    for o in sorted(bundled('recordings').glob('maze-*')):
        shutil.copytree(o, folder/f'bundled-{o.name}')

def train_maze(cfg, folder, out):
    """A clone of the expert of the maze, by every second frame of recordings; the last one is kept back.
    A frame may show what the keys at it do: so those of the next are learned"""
    recs = read_recordings(folder)
    keys = recs[0].keys
    info = recs[0].info
    demo = from_recordings(recs[:-1], 2)
    test = trajectories(from_recordings(recs[-1:], 2), keys, cfg)
    del recs      # gigabytes
    learn = mirrored(demo, keys, cfg)
    del demo
    t = time.process_time()
    notes = dict(game='maze', rate=info['rate']/2, size=info['size'])
    p = train_clone(learn, cfg, licence='Apache-2.0', **notes).model
    t = time.process_time() - t
    keep('clones', 'maze', cfg.obs, cfg.seed, steps=cfg.steps, frames=len(learn.held),
         core_seconds=round(t), **rounded(action_report(p, test)))
    p.save(out/f'clones-maze-{cfg.obs}-{cfg.seed}.safetensors')

# What is asked for, the row that it becomes, and who teaches
TEACHERS = dict(teach=('taught', teach), hand=('taught by hand', teach_by_hand))

def teach_player(what, game, weights, seed, out):
    "Correct a clone, by its teacher or by a simulated person"
    kind,correct = TEACHERS[what]
    def each(player, r):
        print(r, flush=True)
        player.save(out/f'clones-{game}-{kind}-{seed}.safetensors', overwrite=True)
    player,told = correct(Player.load(weights), game, seed=seed, each=each)
    keep('clones', game, kind, seed, rounds=rounded_rows(told),
         returns=returns(player, game, list(TESTS)))

def rounded_rows(told): return [{k:round(v, 3) for k,v in o._asdict().items()} for o in told]

def played_back(g, seed, other):
    "The score of keys that an expert held in another game: what one would have who looks at nothing"
    keys = []
    play(g, Expert(g).act, other, keys.append)
    left = iter(keys)
    return play(g, lambda: next(left, ()), seed)

def known(game):
    "Expert, chance, and an expert's keys without his eyes"
    g = DoomGame(game)
    keep('clones', game, 'expert', 0, returns=[play(g, Expert(g).act, s) for s in TESTS])
    keep('clones', game, 'random', 0, returns=[play(g, at_random(g, s), s) for s in TESTS])
    keep('clones', game, 'played back', 0, returns=[played_back(g, s, s + 1000) for s in TESTS])

def in_maze(name, weights, levels=range(21, 31)):
    "Games of a minute on the screen: of a clone, or of a player of nbs/play/05_maze.ipynb"
    player = Player.load(weights) if weights else None
    games = []
    with maze_game(size=player.info.notes['size'] if player else None, limit=3600) as g:
        for level in levels:
            if player:
                start_maze(g, level)
                ms = [o.ms for o in rollout(g, player, player.info.notes['rate'])]
                ms = np.percentile(ms, (50, 99)).round(2).tolist()
                end = maze_state(g.title)
            else:
                ms = []
                end = play_maze(g, maze_expert if name == 'expert' else maze_random(level), level)
            games.append(dict(score=end['score'], caught=end['c'], ms=ms))
            print(games[-1], flush=True)
    keep('maze', name, games=games)

def arguments():
    p = argparse.ArgumentParser(description='Train encoders and clones, and let the clones play.')
    p.add_argument('what', choices=('known', 'code', 'clone', 'teach', 'hand', 'loss', 'late', 'record',
                                    'play'))
    p.add_argument('game', choices=(*GAMES, 'maze'))
    p.add_argument('--kind', default='', help='of encoder; what a clone sees; a loss; a player of the maze')
    p.add_argument('--seed', type=int, default=0, help="of a clone's first weights and batches")
    p.add_argument('--lag', type=int, default=0, help='frames that a clone is taught to be late')
    p.add_argument('--steps', type=int, default=2000, help='batches')
    p.add_argument('--frames', type=int, default=60000, help='of the demonstrations')
    p.add_argument('--recordings', default='', help='folder of the recordings of the maze')
    p.add_argument('--weights', default='', help='of the clone that plays in the maze, or is taught')
    p.add_argument('--output', default='output/play', help='folder of the weights')
    return p.parse_args()

def main():
    a = arguments()
    torch.set_num_threads(1)
    out = Path(a.output)
    out.mkdir(parents=True, exist_ok=True)
    cfg = dict(seed=a.seed, steps=a.steps, every=a.steps, size=128, bf16=True)
    if a.game == 'maze': return main_maze(a, cfg, out)
    def train(what, lags=(0,), path=(a.game, a.kind, a.seed), **kw):
        policy = PolicyConfig(**cfg, **kw)
        train_player((what, *path), a.game, policy.obs, policy, a.frames, out, lags)
    if a.what == 'known': known(a.game)
    elif a.what in TEACHERS: teach_player(a.what, a.game, a.weights, a.seed, out)
    elif a.what == 'code': train_code(a.game, a.kind, a.steps, a.frames, out)
    elif a.what == 'clone' and a.kind == 'small preset':
        small = small_preset(seed=a.seed, steps=a.steps, every=a.steps)[1]
        train_player(('clones', a.game, a.kind, a.seed), a.game, a.kind, small, a.frames, out, temperature=1.)
    elif a.what == 'clone': train('clones', obs=a.kind)
    elif a.what == 'loss': train('losses', obs='latent+slots', loss=a.kind)
    elif a.what == 'late': train('late', (0, 2, 4), (a.game, a.lag), obs='latent+slots', lag=a.lag)
    else: sys.exit(f'{a.what} {a.game}: no such thing to do')

def main_maze(a, cfg, out):
    if a.what == 'record': record_demonstrations(Path(a.recordings))
    elif a.what == 'play': in_maze(a.kind, a.weights)
    elif a.what == 'clone':
        cfg = dict(cfg, size=64, channels=3, past_dropout=1., change_weight=8., lag=1)
        train_maze(PolicyConfig(obs='frames', **cfg), a.recordings, out)
    else: sys.exit(f'{a.what} maze: no such thing to do')

if __name__ == '__main__': main()
