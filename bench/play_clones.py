"""Train the encoders of nbs/50f_latents.ipynb and the clones of nbs/50_bvae_gpt.ipynb, and let the clones play.

python bench/play_clones.py code GAME KIND trains an encoder of a kind in `CODES`; `clone GAME SEES --seed S` a clone, which
takes the encoder that `SEEN_BY` names. Both add their figures to bench/play_scores.json and leave weights in the output folder.
"""
import json
import sys
import time
from pathlib import Path

import torch
from fastcore.script import call_parse

from gamegen.bvae_gpt import PlayConfig, as_play, recorded, report, train_clone
from gamegen.core import atomic_write, bundled
from gamegen.games import GAMES, DoomGame, Expert, at_random, lesson, play
from gamegen.latents import FrameCode, LatentConfig, psnr, small_recall, to_size, train_latents
from gamegen.play import returns
from gamegen.recordings import read_recordings

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench'/'play_scores.json'
CODES = dict(plain=dict(focus=0.), focus=dict(focus=3.), spots=dict(focus=0., spots=8), things=dict(focus=0., spots=8, things=.1))
SEEN_BY = {'latent':'plain', 'latent+things':'things'}
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
    learn,test = lesson(g, frames, seed=1),lesson(g, 1500, seed=2)
    cfg = LatentConfig(size=128, latent=128, steps=steps, every=500, collapse=0., **CODES[kind])
    t = time.process_time()
    code = train_latents(learn.frames, cfg, learn.things, learn.starts, test.frames, licence='Apache-2.0')
    t = time.process_time() - t
    x = to_size(test.frames, 128)
    made = code.decode(code.encode(test.frames))
    keep('codes', game, kind, steps=steps, core_seconds=round(t), psnr=round(psnr(made, x), 3),
         recall={k:small_recall(x, made, test.things, (k,)) for k in GAMES[game]['things']})
    code.save(out/f'{game}-{kind}.safetensors')

def train_player(game, sees, seed, steps, frames, out):
    g = DoomGame(game)
    code = FrameCode.load(out/f'{game}-{SEEN_BY[sees]}.safetensors') if sees in SEEN_BY else None
    cfg = PlayConfig(sees=sees, seed=seed, steps=steps, every=steps)
    learn,test = (as_play(lesson(g, n, seed=s), g.keys, cfg, code) for n,s in ((frames, 10 + seed), (3000, 2)))
    t = time.process_time()
    p = train_clone(learn, cfg, code, licence='Apache-2.0', game=game)
    t = time.process_time() - t
    keep('clones', game, sees, seed, steps=steps, frames=frames, core_seconds=round(t), **{k:round(float(v), 4) for k,v in report(p, test).items()},
         returns=returns(p, game, list(TESTS)))
    p.save(out/f'{game}-{sees}-{seed}.safetensors')

def train_maze(steps, out):
    "A clone of the expert of the maze, by the recordings that ship, every second frame; the last session is kept back"
    recs = read_recordings(bundled('recordings'))
    cfg = PlayConfig(sees='frames', size=128, steps=steps, every=steps, bs=8)
    learn,test = (as_play(recorded(o, 2), recs[0].keys, cfg) for o in (recs[:-1], recs[-1:]))
    p = train_clone(learn, cfg, licence='Apache-2.0', game='maze', rate=recs[0].info['rate']/2)
    keep('clones', 'maze', 'frames', 0, steps=steps, frames=len(learn.held), **{k:round(float(v), 4) for k,v in report(p, test).items()})
    p.save(out/'maze-frames-0.safetensors')

def known(game):
    "Expert and chance"
    g = DoomGame(game)
    keep('clones', game, 'expert', 0, returns=[play(g, Expert(g).act, s) for s in TESTS])
    keep('clones', game, 'random', 0, returns=[play(g, at_random(g, s), s) for s in TESTS])

@call_parse
def main(
    what:str, # 'code', 'clone' or 'known'
    game:str, # A key of `GAMES`; 'maze' for a clone
    kind:str='', # Of the encoder, or what the clone sees
    seed:int=0, # Of a clone's first weights, batches and lessons
    steps:int=900, # Batches
    frames:int=30000, # Of the lessons
    output:str='output/play', # Folder of the weights
):
    torch.set_num_threads(1)
    out = Path(output)
    out.mkdir(parents=True, exist_ok=True)
    if what == 'code': train_code(game, kind, steps, frames, out)
    elif what == 'clone' and game == 'maze': train_maze(steps, out)
    elif what == 'clone': train_player(game, kind, seed, steps, frames, out)
    elif what == 'known': known(game)
    else: sys.exit(f"{what}: expected 'code', 'clone' or 'known'")
