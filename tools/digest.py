"""Check that the library makes what it made: `python tools/digest.py [NAME ...]`.

With --record, keep what it makes now. Each artefact below is drawn, decided or trained from fixed
seeds, and compared with bench/digest.json. Equal bytes pass. Processors round differently, so
figures within 2 % of those kept pass too, and the line says so; with --exact they do not. Names of
tensors do not count, only their values: renaming them changes nothing here. Whoever renames a
function changes the line that calls it.
"""
import os

for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ[name] = '1'                      # sums over several threads round in other ways

import argparse
import contextlib
import csv
import hashlib
import io
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT/'bench/digest.json'
NEAR = .02                                      # share by which figures may differ
ROUGH = .15                                     # likewise, where rounding flips whole numbers
ARTEFACTS = {}

sys.path.insert(0, str(ROOT))
torch.set_num_threads(1)

def artefact(f):
    "Decorator: `f()` returns parts by name: arrays, tables, `Tensors`, and what JSON can hold"
    ARTEFACTS[f.__name__.replace('_', '-')] = f
    return f

def rough(f):
    "Decorator: rounding flips whole numbers here, and with them rows, so figures differ by more"
    f.near = ROUGH
    return f

# --- what is kept of a part

class Tensors(list):
    "Tensors whose names and order do not count"

def canonical(x):
    "Bytes that are equal for equal parts"
    if isinstance(x, Tensors): return '\n'.join(sorted(map(sha, x))).encode()
    if isinstance(x, torch.Tensor):
        if x.dtype != torch.bfloat16: return canonical(x.detach().cpu().numpy())
        return b'bfloat16' + canonical(x.float())
    if isinstance(x, np.ndarray):
        return f'{x.dtype.str}{x.shape}'.encode() + np.ascontiguousarray(x).tobytes()
    return json.dumps(x, sort_keys=True).encode()

def sha(x): return hashlib.sha256(canonical(x)).hexdigest()[:16]

def size(t):
    "Mean size of a tensor's numbers"
    return t.double().abs().mean().item() if t.numel() else 0.

def sketch_tensors(ts):
    "How many tensors and numbers, two means of all numbers, and the larger of the tensors' means"
    if not ts: return [0, 0]
    n = sum(t.numel() for t in ts)
    total = sum(t.double().abs().sum().item() for t in ts)
    squares = sum(t.double().square().sum().item() for t in ts)
    means = sorted(map(size, ts))               # the smallest ones may be nothing but rounding
    at = [int(q*(len(means) - 1)) for q in (.5, .6, .7, .8, .9, 1.)]
    return [len(ts), n, total/n, (squares/n)**.5, *(means[i] for i in at)]

def sketch_array(x, parts=6):
    "Its size, mean and deviation, and the means of six parts"
    a = np.asarray(x, dtype=float).reshape(-1)
    if not a.size: return [0]
    return [a.size, a.mean(), a.std(), *(o.mean() for o in np.array_split(a, min(parts, a.size)))]

def sketch_json(x):
    "How long it is, and how many different entries it has"
    entries = [json.dumps(o, sort_keys=True) for o in x] if isinstance(x, list) else []
    return [len(json.dumps(x)), len(entries), len(set(entries))]

def sketch(x):
    "About a dozen numbers that rounding hardly changes"
    if isinstance(x, Tensors): kind,numbers = 'tensors',sketch_tensors(x)
    elif isinstance(x, (np.ndarray, torch.Tensor)): kind,numbers = 'array',sketch_array(x)
    else: kind,numbers = 'json',sketch_json(x)
    return [kind, *(float(f'{o:.6g}') for o in numbers)]

def columns(table):
    "The columns of a table as parts: numbers as arrays, the rest as text"
    numeric = pd.api.types.is_numeric_dtype
    return {k:v.to_numpy() if numeric(v) else list(map(str, v)) for k,v in table.items()}

def flat(parts, head=''):
    "All parts by their full names"
    for k,v in parts.items():
        if isinstance(v, pd.DataFrame): v = columns(v)
        if isinstance(v, float): v = np.array([v])             # so that it is compared as a number
        if isinstance(v, dict): yield from flat(v, f'{head}{k}.')
        else: yield head + k, v

def entry(parts):
    "What is kept of an artefact"
    parts = dict(flat(parts))
    whole = sha({k:sha(v) for k,v in parts.items()})
    return dict(sha=whole, sketch={k:sketch(v) for k,v in parts.items()})

def near(a, b, floor, share): return abs(a - b) <= share*max(abs(a), abs(b), floor)

def part_differs(now, was, share):
    "How a part differs, or nothing"
    if now[0] != was[0] or len(now) != len(was): return f'{now}, was {was}'
    # the mean of an array may be 0: its deviation says how far is far
    floor = was[3] if was[0] == 'array' and len(was) > 3 else 0.
    bad = [i for i in range(1, len(now)) if not near(now[i], was[i], floor, share)]
    return f'figure {bad[0]} is {now[bad[0]]:g}, was {was[bad[0]]:g}' if bad else ''

def differs(now, was, share=NEAR):
    "How an artefact differs by more than rounding: a line for each such part"
    lost = [f'{k}: is new' for k in now if k not in was]
    lost += [f'{k}: is missing' for k in was if k not in now]
    both = [(k, part_differs(now[k], was[k], share)) for k in now if k in was]
    return lost + [f'{k}: {why}' for k,why in both if why]

# --- what a training run leaves in its folder

def newest(folder):
    "The tensors of the newest checkpoint, nets and optimisers; random generators left out"
    path = max(Path(folder).rglob('step-*.safetensors'), key=lambda p: p.name)
    if not path.stem.endswith('0010'): raise ValueError(f'{path.name}: expected a run of 10 steps')
    with safe_open(path, 'pt') as f:
        return {k:f.get_tensor(k) for k in f.keys() if not k.startswith('rng.')}

def losses(folder):
    "The losses of each round"
    path, = Path(folder).rglob('log.csv')
    with open(path, encoding='utf-8', newline='') as f: rows = list(csv.DictReader(f))
    return np.array([[float(v) for k,v in row.items() if k.endswith('/loss')] for row in rows])

def trained(train):
    "The checkpoint and the losses of `train(folder)`"
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        ts = newest(folder)
        nets = Tensors(v for k,v in ts.items() if not k.startswith('opt.'))
        squares = [k for k in ts if k.startswith('opt.') and k.endswith('_sq')]   # of all steps
        moments = Tensors(ts[k] for k in squares)
        return dict(nets=nets, moments=moments, losses=losses(folder))

# --- matches

def bundled_match(name):
    from gamegen.core import bundled
    return json.loads(bundled(f'match_{name}.json').read_text(encoding='utf-8'))

def signal(matches):
    "Matches as labels, lengths and norms"
    gaits = [g for m in matches for g in m]
    labels = np.array([g['label'] for g in gaits])
    shares = [(labels == o).mean() for o in sorted(set(labels))]
    lengths = np.array([len(g['norm']) for g in gaits])
    norms = np.concatenate([g['norm'] for g in gaits])
    many = np.array([len(m) for m in matches])
    return dict(labels=labels.tolist(), shares=np.array(shares), lengths=lengths, norms=norms,
                gaits=many)

@artefact
def match():
    from gamegen.cgan import generate_match, generate_matches
    styles = ('normal', 'attack', 'defend')
    parts = {o:signal([generate_match(2, o, seed=seed) for seed in range(3)]) for o in styles}
    settings = dict(start='run', temperature=.8, strength=.5, top_p=.9)
    return dict(parts, several=signal(generate_matches(4, 1, 'attack', seed=3, **settings)))

@artefact
def simulated_match():
    from gamegen.match.simulate import simulate_match
    players = ('midfielder', 'winger')
    return {o:signal([simulate_match(1, o, seed=seed) for seed in range(3)]) for o in players}

@artefact
def match_training():
    from gamegen.cgan import CGANConfig, generate_match, train_match
    from gamegen.lstm import LSTMConfig
    matches = {o:bundled_match(o) for o in ('midfielder', 'winger')}
    cfg = CGANConfig(steps=10, every=5, bs=4, channels=8)
    next_cfg = LSTMConfig(steps=10, every=5)
    models = []
    def train(folder): models.append(train_match(matches, cfg, folder, next_cfg=next_cfg).model)
    run = trained(train)
    drawn = [generate_match(1, seed=0, model=models[0], player=o) for o in matches]
    return dict(run, drawn=signal(drawn))

@artefact
def lstm_training():
    from gamegen.lstm import LSTMConfig, train_next_action
    first = bundled_match('midfielder')
    second = bundled_match('winger')
    model = train_next_action([first], LSTMConfig(steps=10, every=5, bs=8), valid=[second]).model
    return dict(net=Tensors(model.net.state_dict().values()), predicted=model.predict(second))

# --- creatures

@artefact
@rough
def creatures():
    from gamegen.pokemon_wgan import generate_creatures
    return dict(free=generate_creatures(50, seed=0),
                fire=generate_creatures(50, type1='FIRE', bst=500, seed=1),
                legendary=generate_creatures(50, bst='legendary', seed=2),
                families=generate_creatures(20, family=True, seed=3))

@artefact
def creatures_many():
    from gamegen.pokemon_wgan import generate_creatures
    return dict(free=generate_creatures(2000, seed=4),
                families=generate_creatures(500, family=True, seed=5))

def creature_run(**kw):
    "A short training of the creatures' networks, and rows of the model"
    from gamegen.pokemon_wgan import CreatureConfig, generate_creatures, train_creatures
    small = dict(steps=10, every=5, bs=256, hidden=32, lr=1e-4, lr_critic=1e-4)
    cfg = CreatureConfig(**small, **kw)
    models = []
    run = trained(lambda folder: models.append(train_creatures(cfg=cfg, folder=folder).model))
    return dict(run, drawn=generate_creatures(200, seed=0, model=models[0]))

@artefact
@rough
def creature_training(): return creature_run()

@artefact
@rough
def creature_training_relativistic():
    return creature_run(loss='relativistic', penalty=.3, layer_norm=False)

@artefact
@rough
def creature_training_norms(): return creature_run(batch_norm=True, spectral_norm=True, moment_matching=0.)

# --- frames

@artefact
def frames():
    from gamegen.mario_dcgan import generate_frames
    return dict(frames=generate_frames(16, seed=0), near=generate_frames(4, seed=1, truncation=.5))

def frame_run(preset, **kw):
    from gamegen.core import bundled
    from gamegen.mario_dcgan import train_frames
    film = str(bundled('frames/volcano_island.mp4'))
    small = dict(width=32, height=24, bs=8, gen_features=4, critic_features=4, collapse=0.)
    settings = dict(images=film, steps=10, every=5, device='cpu', **small, **kw)
    return trained(lambda folder: train_frames(preset(output=str(folder), **settings)))

@artefact
def frame_training():
    from gamegen.mario_dcgan import FramesConfig
    return frame_run(FramesConfig, watch=0, augment=True)

@artefact
def frame_training_watched():
    from gamegen.mario_dcgan import FramesConfig
    return frame_run(FramesConfig, watch=24)

@artefact
def frame_training_classic():
    from gamegen.mario_dcgan import classic
    return frame_run(classic, watch=0)

# --- play

def maze_frames(n=200):
    "Frames of a bundled recording, half as many a second, as its player wants them"
    from gamegen.core import bundled
    from gamegen.play.recordings import read_recording
    recording = read_recording(bundled('recordings/maze-1'))
    return recording.frames[:2*n:2].permute(0, 2, 3, 1).numpy()

def doom_frames(name, n=200):
    "Frames of a game whose keys are held at random, so that they do not depend on a network"
    from gamegen.play.games import DoomGame, at_random
    game = DoomGame(name)
    act = at_random(game)
    seed = 0
    seen = []
    game.reset(seed)
    while len(seen) < n:
        if game.over:
            seed += 1
            game.reset(seed)
        seen.append(game.frame().copy())
        game.press(act())
    game.close()
    return np.stack(seen)

def decisions(name, frames):
    "Keys that the player that ships holds at each frame, and what it was shown"
    from gamegen.bvae_gpt import Player
    from gamegen.play.agents import Agent
    player = Player.bundled(name)
    agent = Agent(player)
    chosen = [agent.act([frame])[0] for frame in frames]
    held = np.array([[k in o for k in player.keys] for o in chosen], dtype=float)
    return dict(held=held, shares=held.mean(0), shown=frames.mean((1, 2, 3)))

@artefact
def player_maze(): return decisions('maze', maze_frames())

@artefact
def player_health_gathering(): return decisions('health_gathering', doom_frames('health_gathering'))

@artefact
def player_take_cover(): return decisions('take_cover', doom_frames('take_cover'))

@artefact
def player_defend_the_center():
    return decisions('defend_the_center', doom_frames('defend_the_center'))

def latents(folder, frames, slots=False):
    "A frame encoder after a short training"
    from gamegen.bvae_gpt import VAEConfig, train_latents
    cfg = VAEConfig(steps=10, every=5, bs=8, latent=16, features=4, device='cpu')
    if not slots: return train_latents(frames, cfg, folder=folder).model
    at = np.linspace(.2, .8, len(frames))
    objects = [[SimpleNamespace(name='thing', x=o, y=1 - o, w=.1, h=.1)] for o in at]
    cfg = cfg.replace(slots=3, latent=48, heatmap=.1)
    return train_latents(frames, cfg, objects, folder=folder).model

def latent_run(slots):
    frames = maze_frames(64)
    codes = []
    run = trained(lambda folder: codes.append(latents(folder, frames, slots)))
    z = codes[0].encode(frames)
    return dict(run, encoded=z, decoded=codes[0].decode(z))

@artefact
def latent_training(): return latent_run(False)

@artefact
def latent_training_slots(): return latent_run(True)

def policy_run(obs, slots=None, **kw):
    "A short training of a policy, whose encoder is none, or trained with slots or without"
    from gamegen.bvae_gpt import PolicyConfig, from_recordings, train_clone, trajectories
    from gamegen.core import bundled
    from gamegen.play.recordings import read_recording
    recording = read_recording(bundled('recordings/maze-2'))
    recording.frames = recording.frames[:128]
    recording.held = recording.held[:128]
    cfg = PolicyConfig(steps=10, every=5, bs=4, seq_len=16, obs=obs, width=32, device='cpu', **kw)
    code = latents(None, maze_frames(64), slots) if slots is not None else None
    play = trajectories(from_recordings([recording], 2), recording.keys, cfg, code)
    run = trained(lambda folder: train_clone(play, cfg, code, test=play, folder=folder))
    return dict(run, seen=play.obs)

@artefact
def policy_training_latents(): return policy_run('latent', False)

@artefact
def policy_training_slots(): return policy_run('latent+slots', True, lag=1)

@artefact
def policy_training_frames(): return policy_run('frames', channels=3, past_dropout=1.)

@artefact
def policy_training_one_frame(): return policy_run('one frame', loss='one-hot')

# --- monsters

@artefact
def monsters():
    from gamegen.monsters import generate_monsters
    free = generate_monsters(16, seed=0)
    asked = generate_monsters(4, cls=['elves', 'drakes'], seed=1, truncation=.5, max_similarity=.9)
    return dict(free=free._asdict(), asked=asked._asdict())

def monster_training_run(**kw):
    from gamegen.monsters import tiny, train_monsters
    some = ('merfolk', 'nagas', 'vermin')
    settings = dict(labels=some, steps=10, every=5, **kw)
    return trained(lambda folder: train_monsters(tiny(output=str(folder), **settings)))

@artefact
def monster_training(): return monster_training_run(watch=0, path_every=4, r1_every=4, ada_every=2)

@artefact
def monster_training_watched():
    return monster_training_run(watch=24, cond_features=8, relativistic=True, noise_mode='learned', path_length=0.)

def sheet(cycles):
    "The picture and the table of a sprite sheet"
    from gamegen.sprite.sheets import write_sheet
    from PIL import Image
    with tempfile.TemporaryDirectory() as folder:
        path = write_sheet(Path(folder)/'sheet.png', cycles)
        with Image.open(path) as picture: pixels = np.asarray(picture)
        table = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
        return dict(pixels=pixels, table=table)

@artefact
def animated():
    from gamegen.monster.animate import MOTIONS, animate
    from gamegen.monsters import generate_monsters
    sprites = generate_monsters(2, seed=5, certify=False).sprites
    def motions(i): return {o:animate(sprites[i], o, seed=i) for o in MOTIONS}
    return {f'monster {i}':sheet(motions(i)) for i in range(len(sprites))}

@artefact
def rigged():
    from gamegen.monster.motion import MOTIONS, animate
    from gamegen.monsters import generate_monsters
    sprites = generate_monsters(2, seed=5, certify=False).sprites
    def motions(i): return {o:animate(sprites[i], o, seed=i) for o in MOTIONS}
    return {f'monster {i}':sheet(motions(i)) for i in range(len(sprites))}

@artefact
def monsters_crawl():
    from gamegen.monster.flow import FlowModel
    from gamegen.monsters import generate_monsters
    return generate_monsters(4, seed=0, certify=False, model=FlowModel.bundled('crawl'))._asdict()

@artefact
def dream_sneak():
    import numpy as np
    from gamegen.dream import Dream, DreamModel
    d = Dream(DreamModel.bundled('sneak'))
    d.reset(d.model.first[:2], 3)
    keys = np.eye(4)
    made = [d.step(np.stack([keys[i//3], keys[3]])) for i in range(6)]
    return dict(frames=np.stack([o for o,_ in made]), rewards=np.stack([r for _,r in made]))

@artefact
def bestiary():
    from gamegen.bestiary.species import generate_bestiary
    return dict(table=generate_bestiary(6, seed=0).table)

@artefact
def game_clone():
    from gamegen.bestiary.clone import GameClone
    from gamegen.core import normal
    nets = GameClone.bundled().nets
    planes = torch.from_numpy(normal(0, 'digest/planes', 4, 6, 11, 15)).abs()
    moves = torch.from_numpy(normal(0, 'digest/moves', 4, 3, 11))
    at = torch.tensor([16, 50, 70, 100])
    return dict(walk=nets['walk'](planes, at), battle=nets['battle'](moves))

@artefact
def animate_training():
    from gamegen.monster.animate import AnimateConfig, animate_trainer, animations, clip_flows
    pictures,table = animations()
    table = table.sort_values('n', kind='stable').groupby('motion').head(1).reset_index(drop=True)
    flows = clip_flows(pictures, table)
    cfg = AnimateConfig(steps=10, every=5, bs=8, features=8, device='cpu')
    def train(folder):
        animate_trainer(pictures, table, flows, cfg, folder=folder, progress=False).train()
    return dict(trained(train), flows=flows, standing=pictures[table['first'].tolist()])

# --- scores

@artefact
def scores():
    from gamegen.features import image_features, kid_efflite0
    from gamegen.metrics import copy_rate, corr_diff, ks, prdc, wasserstein
    rng = np.random.default_rng(0)
    real,held,made = (pd.DataFrame(rng.normal(size=(200, 8)) + shift) for shift in (0., 0., .3))
    pictures = torch.from_numpy(rng.integers(0, 256, (12, 3, 16, 16), dtype=np.uint8))
    features = image_features(pictures)
    figures = dict(prdc(real, made), ks=ks(real, made), wasserstein=wasserstein(real, made))
    figures.update(copy_rate=copy_rate(made, real, held).rate, corr_diff=corr_diff(real, made))
    figures['kid'] = kid_efflite0(features[:6], features[6:])
    return dict(figures=figures, features=features)

@artefact
def match_scores():
    from gamegen.match.scores import copy_figures, memory_figures
    from gamegen.match.scores import gait_auc, transfer_f1, transition_tv, window_auc
    real,made = bundled_match('midfielder'),bundled_match('winger')
    figures = {f.__name__:f(real, made) for f in (gait_auc, window_auc, transition_tv, transfer_f1)}
    figures.update(memory_figures(made), copies=copy_figures(real, None, made))
    return dict(figures=figures)

# --- weights that ship

@artefact
def weights():
    files = sorted((ROOT/'data/weights').glob('*.safetensors'))
    def tensors(path):
        with safe_open(path, 'pt') as f: return Tensors(f.get_tensor(k) for k in f.keys())
    return {path.stem:tensors(path) for path in files}

# --- compare

def make(name):
    "What is kept of an artefact; what it prints on its way is not shown"
    with contextlib.redirect_stdout(io.StringIO()): return entry(ARTEFACTS[name]())

def verdict(name, kept, exact):
    "Whether an artefact is as it was, and what there is to say of it"
    now = make(name)
    if name not in kept: return False, ['not in bench/digest.json; --record keeps it']
    if now['sha'] == kept[name]['sha']: return True, []
    share = getattr(ARTEFACTS[name], 'near', NEAR)
    why = differs(now['sketch'], kept[name]['sketch'], share)
    if exact and not why: return False, ['equal but for rounding, or for little']
    return (False, why) if why else (True, ['equal but for rounding'])

def check(names, exact):
    kept = json.loads(RECORD.read_text(encoding='utf-8')) if RECORD.exists() else {}
    failed = 0
    for name in names:
        start = time.perf_counter()
        try: ok,notes = verdict(name, kept, exact)
        except Exception: ok,notes = False,traceback.format_exc().rstrip().splitlines()
        failed += not ok
        note = f'  {notes[0]}' if ok and notes else ''
        secs = time.perf_counter() - start
        print(f"{'ok  ' if ok else 'FAIL'} {name:<32} {secs:5.1f} s{note}", flush=True)
        if not ok: print('\n'.join(f'     {o}' for o in notes), flush=True)
    print(f'{len(names) - failed} passed, {failed} failed')
    return failed > 0

def record(names):
    kept = json.loads(RECORD.read_text(encoding='utf-8')) if RECORD.exists() else {}
    for name in names:
        start = time.perf_counter()
        kept[name] = make(name)
        secs = time.perf_counter() - start
        print(f"kept {name:<32} {secs:5.1f} s  {kept[name]['sha']}", flush=True)
    rows = [f'{json.dumps(k)}: {json.dumps(kept[k])}' for k in ARTEFACTS if k in kept]
    RECORD.write_text('{\n' + ',\n'.join(rows) + '\n}\n', encoding='utf-8')

def main():
    parser = argparse.ArgumentParser(description='Check that the library makes what it made')
    known = ', '.join(ARTEFACTS)
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'some of {known}; all by default')
    parser.add_argument('--record', action='store_true', help='keep what the library makes now')
    parser.add_argument('--exact', action='store_true', help='equal bytes alone pass')
    args = parser.parse_args()
    unknown = [o for o in args.names if o not in ARTEFACTS]
    if unknown: parser.error(f'{unknown[0]}: no such artefact; there are {known}')
    names = args.names or list(ARTEFACTS)
    if args.record: return record(names)
    sys.exit(check(names, args.exact))

if __name__ == '__main__': main()
