"""Train the encoders of nbs/play/06_slots.ipynb and the clones of nbs/50_bvae_gpt.ipynb, and let the clones play.

`python bench/play_clones.py code GAME --kind KIND` trains an encoder of a kind in `CODES`; `clone GAME --kind SEES --seed S` a
clone, which takes the encoder that `SEEN_BY` names; `loss GAME --kind LOSS` and `late GAME --lag N` clones that see `latent+things`,
trained by another loss, and to answer late; `known GAME` plays the expert and chance; `record maze --recordings FOLDER` records lessons of
the game on the screen, `clone maze --recordings FOLDER` trains a clone by them, and `play maze --kind NAME --weights FILE` lets it play there. All add their figures to bench/play_scores.json and leave weights in the output folder.
"""
import json
import random
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch
from fastcore.script import call_parse

from gamegen.bvae_gpt import Play, PlayConfig, Player, as_play, first_version, recorded, report, train_clone
from gamegen.core import atomic_write, bundled
from gamegen.play.games import GAMES, DoomGame, Expert, at_random, lesson, play
from gamegen.play.slots import FrameCode, LatentConfig, psnr, small_recall, to_size, train_latents
from gamegen.play.maze import maze_expert, maze_game, maze_random, maze_state, play_maze, record_maze, start_maze
from gamegen.play.agents import returns, steer
from gamegen.play.recordings import read_recordings

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'play_scores.json'
CODES = dict(plain=dict(focus=0.), focus=dict(focus=3.), spots=dict(focus=0., spots=5), things=dict(focus=0., spots=5, things=.1))
SEEN_BY = {'latent':'plain', 'latent+things':'things', 'first version':'first'}
SPOTTED = dict(take_cover=('DoomImpBall',))    # what spots learn to find, where not all things: imps are many, and took them from the fireballs
TESTS = range(900, 930)     # seeds of the games that all clones play

def keep(*path, **row):
    "Add a row to the file of figures"
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    at = kept
    for o in path: at = at.setdefault(str(o), {})
    at.update(row)
    with atomic_write(OUT) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')
    print(*path, row, flush=True)

def train_code(game, kind, steps, frames, out):
    g = DoomGame(game)
    learn = lesson(g, frames, seed=1)
    test = lesson(g, 1500, seed=2)
    things = [[o for o in found if o.name in SPOTTED.get(game, GAMES[game]['things'])] for found in learn.things]
    cfg = LatentConfig(size=128, latent=128, collapse=0., **CODES[kind]) if kind != 'first' else first_version()[0]
    cfg = cfg.replace(steps=steps, every=500)
    t = time.process_time()
    code = train_latents(learn.frames, cfg, things, learn.starts, test.frames, licence='Apache-2.0')
    t = time.process_time() - t
    x = to_size(test.frames, cfg.size)
    made = code.decode(code.encode(test.frames))
    keep('codes', game, kind, steps=steps, core_seconds=round(t), psnr=round(psnr(made, x), 3),
         recall={k:small_recall(x, made, test.things, (k,)) for k in GAMES[game]['things']})
    code.save(out/f'{game}-{kind}.safetensors')

def lessons(game, sees, cfg, code, frames, out):
    "The lessons, as they are seen: all seeds learn from the same, so they are kept"
    parts = []
    for n,seed in ((frames, 10), (3000, 2)):
        path = out/f'lesson-{game}-{sees}-{n}-{seed}.npz'
        if not path.exists():
            g = DoomGame(game)
            np.savez(path, **as_play(lesson(g, n, seed=seed), g.keys, cfg, code)._asdict())
            g.close()
        o = dict(np.load(path))
        parts.append(Play(**{**o, 'seen':torch.from_numpy(o['seen']), 'keys':tuple(o['keys'].tolist())}))
    return parts

def train_player(path, game, sees, cfg, frames, out, lags=(0,), **pilot):
    code = FrameCode.load(out/f'{game}-{SEEN_BY[sees]}.safetensors') if sees in SEEN_BY else None
    learn,test = lessons(game, sees, cfg, code, frames, out)
    t = time.process_time()
    p = train_clone(learn, cfg, code, licence='Apache-2.0', game=game)
    t = time.process_time() - t
    for lag in lags:
        keep(*path, *((lag,) if len(lags) > 1 else ()), steps=cfg.steps, frames=frames, core_seconds=round(t), **{k:round(float(v), 4) for k,v in report(p, test).items()},
             returns=returns(p, game, list(TESTS), lag=lag, **pilot), **(dict(hidden=returns(p, game, list(TESTS), hide=True)) if sees == 'frames' else {}))
    p.save(out/('-'.join(map(str, path)) + '.safetensors'))

def mirrored(lesson, keys, cfg):
    "A lesson as a player sees it, then as it looks in a mirror beside it, above it, and in both: a maze has no sides"
    other = dict(left='right', right='left', up='down', down='up')
    n = len(lesson.held)
    seen = None
    rest = []
    for i,(across,down) in enumerate(((1, 1), (-1, 1), (1, -1), (-1, -1))):
        order = [keys.index(other[k] if (across if k in ('left', 'right') else down) < 0 else k) for k in keys]
        p = as_play(lesson._replace(frames=lesson.frames[:,::down,::across], held=lesson.held[:,order], pressed=lesson.pressed[:,order]), keys, cfg)
        if seen is None: seen = p.seen.new_empty(4*n, *p.seen.shape[1:])    # in place: four copies are gigabytes
        seen[i*n:(i+1)*n] = p.seen
        rest.append(p[1:4])
    return Play(seen, *(np.concatenate(o) for o in zip(*rest)), tuple(keys))

class Slips:
    "The expert of the maze, who now and then holds a wrong key for a moment, so that recordings show the way back"
    __name__ = 'an expert that slips'
    def __init__(self, seed): self.rng,self.until,self.keys = random.Random(seed),-1,set()
    def __call__(self, s):
        if s['step'] < self.until - 30: self.until = -1     # a new game
        if s['step'] >= self.until:
            if self.rng.random() >= .012: return maze_expert(s)
            self.until,self.keys = s['step'] + self.rng.randint(4, 12),set(self.rng.sample(('up', 'down', 'left', 'right'), 1))
        return self.keys

def record_lessons(folder):
    "Half an hour of the maze, in real time: ten sessions of the expert, twenty of one that slips, and the three that ship"
    record_maze(folder/'expert', range(41, 51), 50)
    record_maze(folder/'erring', range(61, 81), 50, policy=Slips(61))
    for kind in ('erring', 'expert'):
        for o in sorted((folder/kind).iterdir()): o.rename(folder/f'{kind}-{o.name}')
        (folder/kind).rmdir()
    for o in sorted(bundled('recordings').glob('maze-*')): shutil.copytree(o, folder/f'bundled-{o.name}')

def train_maze(cfg, folder, out):
    "A clone of the expert of the maze, by recordings, every second frame; the last session is kept back. What the keys at a frame do, the frame may show: so those of the next are learned"
    recs = read_recordings(folder)
    keys = recs[0].keys
    info = recs[0].info
    lesson = recorded(recs[:-1], 2)
    test = as_play(recorded(recs[-1:], 2), keys, cfg)
    del recs      # gigabytes
    learn = mirrored(lesson, keys, cfg)
    del lesson
    t = time.process_time()
    p = train_clone(learn, cfg, licence='Apache-2.0', game='maze', rate=info['rate']/2, size=info['size'])
    keep('clones', 'maze', cfg.sees, cfg.seed, steps=cfg.steps, frames=len(learn.held), core_seconds=round(time.process_time() - t),
         **{k:round(float(v), 4) for k,v in report(p, test).items()})
    p.save(out/f'clones-maze-{cfg.sees}-{cfg.seed}.safetensors')

def known(game):
    "Expert and chance"
    g = DoomGame(game)
    keep('clones', game, 'expert', 0, returns=[play(g, Expert(g).act, s) for s in TESTS])
    keep('clones', game, 'random', 0, returns=[play(g, at_random(g, s), s) for s in TESTS])

def in_maze(name, weights, levels=range(21, 31)):
    "Games of a minute on the screen, in real time: of a clone, or of a player of nbs/play/05_maze.ipynb"
    player = Player.load(weights) if weights else None
    games = []
    with maze_game(size=player.info.notes['size'] if player else None, limit=3600) as g:
        for level in levels:
            if player:
                start_maze(g, level)
                ms = np.percentile([o.ms for o in steer(g, player, player.info.notes['rate'])], (50, 99)).round(2).tolist()
                end = maze_state(g.title)
            else: ms,end = [],play_maze(g, maze_expert if name == 'expert' else maze_random(level), level)
            games.append(dict(score=end['score'], caught=end['c'], ms=ms))
            print(games[-1], flush=True)
    keep('maze', name, games=games)

@call_parse
def main(
    what:str, # 'known', 'code', 'clone', 'loss', 'late', 'record' or 'play'
    game:str, # A key of `GAMES`, or 'maze'
    kind:str='', # Of the encoder; what a clone sees; a loss; the name of a player of the maze
    seed:int=0, # Of a clone's first weights and batches
    lag:int=0, # Frames that a clone is taught to be late
    steps:int=2000, # Batches
    frames:int=60000, # Of the lessons
    recordings:str='', # Folder of the recordings of the maze
    weights:str='', # Of the clone that plays in the maze
    output:str='output/play', # Folder of the weights
):
    torch.set_num_threads(1)
    out = Path(output)
    out.mkdir(parents=True, exist_ok=True)
    cfg = dict(seed=seed, steps=steps, every=steps, size=128, bf16=True)
    if (what, game) == ('record', 'maze'): record_lessons(Path(recordings))
    elif (what, game) == ('clone', 'maze'): train_maze(PlayConfig(sees='frames', channels=3, forget=1., change=8., lag=1, **{**cfg, 'size':64}), recordings, out)
    elif (what, game) == ('play', 'maze'): in_maze(kind, weights)
    elif what == 'known': known(game)
    elif what == 'code': train_code(game, kind, steps, frames, out)
    elif (what, kind) == ('clone', 'first version'):
        train_player(('clones', game, kind, seed), game, kind, first_version(seed=seed, steps=steps, every=steps)[1], frames, out, temperature=1.)
    elif what == 'clone': train_player(('clones', game, kind, seed), game, kind, PlayConfig(sees=kind, **cfg), frames, out)
    elif what == 'loss': train_player(('losses', game, kind, seed), game, 'latent+things', PlayConfig(sees='latent+things', loss=kind, **cfg), frames, out)
    elif what == 'late': train_player(('late', game, lag), game, 'latent+things', PlayConfig(sees='latent+things', lag=lag, **cfg), frames, out, (0, 2, 4))
    else: sys.exit(f'{what}: no such thing to do')
