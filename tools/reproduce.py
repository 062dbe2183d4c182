"""Make kept figures again, part by part, and compare them with those that are kept.

    python tools/reproduce.py [--list] [PART ...]

Without a name, every part that can be made here is, the quickest first. Each runs in a copy of this
checkout below out/reproduce/, so nothing that is kept is replaced: slow cells of a notebook, after
the cells that they need, or a script of bench/. Then every number of the new file is held against
the kept one: where that is a figure for each of several seeds, the median must lie in their range,
widened by a tenth; else the number must lie within a tenth. Times and versions are not compared.
"""
import argparse
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT/'out'/'reproduce'

class Part(NamedTuple):
    "Kept figures, and how they are made"
    makes:str          # File
    how:tuple          # A notebook, or commands
    minutes:float      # Of a core, estimated
    needs:str=''       # What a clone does not have
    given:tuple=()     # Variables of the environment by which it is given
    only:str=''        # Of the notebook's slow cells, those that have this in them
    note:str=''        # What this does not make again, and why

MATCH = 'the real match, which is personal data of its player'
PEERS = 'environments of the peers, see the head of the script'
KNOWN = tuple(f'bench/play_clones.py known {o}'
              for o in ('take_cover', 'health_gathering', 'defend_the_center'))
FLOWS = 'auto', 'latent', 'pixel', 'measure'
FRAMES = ('classic', 'modern', 'modern --seed 1')
RACERS = ('grown', 'bare', 'frames')
PARTS = {
    'maze':Part('data/maze_scores.json', ('play/05_maze',), 8, only='maze_scores.json'),
    'play':Part('bench/play_scores.json', KNOWN, 6),
    'floors':Part('data/monster_floors.json', ('report/04_results',), 6,
                  only='monster_floors.json'),
    'tracks':Part('data/frame_scores.json', ('frame/03_race',), 6, only='frame_scores.json'),
    'copies':Part('data/clean/copies.json', ('sprite/05_copies',), 10, only='copies.json'),
    'motion':Part('data/motion_scores.json', ('monster/04c_motion_scores',), 12,
                  only='motion_scores.json'),
    'learned warp':Part('data/animate_scores.json', ('monster/04_animate',), 30, only='animate'),
    'augmentation':Part('data/monster_ada.json', ('monster/03a_runs',), 7, only='monster_ada.json'),
    'memory':Part('bench/stream_memory.json', ('02b_shards',), 10, only='stream_memory.json'),
    'frames':Part('bench/frame_race.json', tuple(f'bench/frame_race.py {o}' for o in FRAMES), 200),
    'flows of frames':Part('bench/frame_flow.json', tuple(f'bench/frame_flow.py {o}' for o in FLOWS), 80),
    'monsters':Part('bench/monster_peers.json',
                    tuple(f'bench/monster_peers.py {o}' for o in RACERS), 90),
    'flow':Part('bench/monster_flow.json',
                ('bench/monster_flow.py measure crawl data/weights/monsters-crawl.safetensors',), 3),
    'flow, Wesnoth':Part('bench/monster_flow_wesnoth.json', (), 60,
                         'bench/monster_flow.py train, choose and measure wesnoth, whose weights do not ship'),
    'dream':Part('data/dream_scores.json', ('bench/dream.py measure',), 10,
                 note='measures the weights that ship. Their run was changed on its way: steps raised '
                      '(3,000, 5,400, 6,600, 7,400); rare events .3 of a batch from step 2,900, .1 '
                      'from 5,650; times (0, .3, .65) chosen on the same held-out levels; one seed. '
                      'bench/dream.py train, events .1 throughout, is a clean version that has not '
                      'been run'),
    'open match':Part('data/midfielder_scores.json', ('bench/match_scores.py',), 15),
    'creatures':Part('data/creature_scores.json', ('creature/03_scores',), 90,
                     PEERS, ('GAMEGEN_PEERS',), 'record'),
    'cleaning':Part('data/clean/peers.json', ('bench/clean_peers.py score out/peers',), 5, PEERS),
    'match':Part('data/football_scores.json', ('10_cgan',), 60, MATCH, ('GAMEGEN_MATCH',), '.'),
    'rivals':Part('data/rivals.json', ('match/05_rivals',), 60, MATCH, ('GAMEGEN_MATCH',), '.'),
    'actions':Part('data/next_action.json', ('match/06_next_action',), 40, MATCH,
                   ('GAMEGEN_MATCH',), '.'),
    'simulator':Part('data/simulator.json', (), 1, MATCH),
    'match peers':Part('data/midfielder_peers.json', (), 35, PEERS),
    'speed':Part('bench/peers_match.json', (), 60, PEERS),
    'clones':Part('bench/play_scores.json', (), 2000,
                  'two days of a core: bench/play_clones.py code, clone, loss, late, play'),
    'battles':Part('data/bestiary_battles.json', ('bestiary/06_battles',), 30,
                   '' if shutil.which('npm') else 'Node.js and npm', (), 'bestiary_battles.json'),
    'game':Part('data/game_scores.json', ('tools/try_game.py --full',), 15,
                '' if shutil.which('node') else 'Node.js'),
    'lessons':Part('bench/play_taught.json', (), 60,
                   'an hour of bench/play_clones.py teach take_cover, of which it is a variant'),
    'projected':Part('bench/monster_projected.json', (), 60,
                     'gamegen monsters-train --critic projected, whose weights do not ship'),
    'hints':Part('bench/monster_hints.json', (), 700, 'half a day of a core'),
}

# --- comparing

IGNORED = ('seconds', 'ms', 'times', 'training', 'sampling', 'version', 'torch', 'python', 'date',
           'about', 'weights', 'webdataset', 'platform')

def numbers(v, path=()):
    "Yield the numbers of a JSON value with their places: a list of numbers is one place"
    if isinstance(v, str):
        found = re.match(r'(-?[\d.]+)(?: \[(-?[\d.]+), (-?[\d.]+)\])?( !)?$', v)
        v = [float(o) for o in found.groups()[:3] if o] if found else None
    if isinstance(v, dict):
        for k,o in v.items():
            if not any(w in k.lower() for w in IGNORED): yield from numbers(o, (*path, k))
    elif isinstance(v, list) and v and not all(isinstance(o, (int, float)) for o in v):
        for i,o in enumerate(v): yield from numbers(o, (*path, str(i)))
    elif isinstance(v, (int, float, list)) and not isinstance(v, bool):
        yield path, [float(o) for o in (v if isinstance(v, list) else [v]) if o == o]

def middle(v):
    v = sorted(v)
    return (v[(len(v) - 1)//2] + v[len(v)//2])/2

def differences(kept, made):
    "How many numbers both have, and the places where the new one is out of range"
    old = dict(numbers(kept))
    both = [(k, v) for k,v in numbers(made) if k in old and v and old[k]]
    bad = []
    for k,v in both:
        lo,hi = min(old[k]), max(old[k])
        room = max(.1*abs(middle(old[k])), .1*(hi - lo), .02)
        if not lo - room <= middle(v) <= hi + room: bad.append((k, middle(old[k]), middle(v)))
    return len(both), bad

# --- making

def run_cells(name, only):
    "Run a notebook of the copy in this process: its quick cells, and the slow ones that match"
    from execnb.shell import CaptureShell
    from fastcore.nbio import read_nb
    path = Path('nbs')/f'{name}.ipynb'
    shell = CaptureShell(path=path.parent)
    os.chdir(path.parent)
    for c in read_nb(path.name).cells:
        if c.cell_type != 'code' or 'nbdev_export()' in c.source: continue
        marks = c.source.split('\n')[:3]
        if '#| eval: false' in marks: continue
        if '#| slow' in marks and not re.search(only, c.source): continue
        shell.run(c.source)
        if shell.exc: raise shell.exc

def copy_of(name):
    "A copy of this checkout without its history"
    at = OUT/name.replace(' ', '_')
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir(parents=True)
    words = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    files = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for o in filter(None, files.split('\0')):
        if not (ROOT/o).is_file(): continue
        (at/o).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT/o, at/o)
    return at

def make(name):
    "Make a part; returns what became of it, and whether that is as it should be"
    p = PARTS[name]
    at = copy_of(name)
    kept = json.loads((at/p.makes).read_text(encoding='utf-8'))
    if (ROOT/'nbs'/f'{p.how[0]}.ipynb').exists(): jobs = [[__file__, '--cells', p.how[0], p.only]]
    else:
        jobs = [shlex.split(o) for o in p.how]
        (at/p.makes).unlink()                      # a script adds to what is there
    env = dict(os.environ, PYTHONPATH=str(at), OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    with open(at/'reproduce.log', 'w') as log:
        for words in jobs:
            done = subprocess.run([sys.executable, *words], cwd=at, env=env, stdout=log, stderr=log)
            if done.returncode: return f'failed, see {at.relative_to(ROOT)}/reproduce.log', False
    n,bad = differences(kept, json.loads((at/p.makes).read_text(encoding='utf-8')))
    lines = [f'{n - len(bad)} of {n} numbers in their ranges']
    lines += [f"    {' / '.join(k)}: kept {a:.4g}, made {b:.4g}" for k,a,b in bad[:10]]
    return '\n'.join(lines), len(bad) <= n*.05

def lacking(p):
    "What a part lacks here, or ''"
    if not p.needs or p.how and p.given and all(os.environ.get(o) for o in p.given): return ''
    return p.needs + (f" ({', '.join(p.given)})" if p.given else '')

def show():
    for k,p in PARTS.items():
        print(f'{k:16} {p.makes:30} {p.minutes:4.0f} min' + f'; needs {p.needs}'*bool(p.needs))
        if p.note: print(textwrap.fill(p.note, 96, initial_indent=' '*17, subsequent_indent=' '*17))

def main():
    ap = argparse.ArgumentParser(description='Make kept figures again, and compare them')
    ap.add_argument('parts', nargs='*', help='of those that --list shows; all that can be made here')
    ap.add_argument('--list', action='store_true', help='show the parts, their time and their needs')
    ap.add_argument('--cells', nargs=2, help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.cells: return run_cells(*args.cells)
    if args.list: return show()
    unknown = set(args.parts) - set(PARTS)
    if unknown: sys.exit(f"error: no part {', '.join(sorted(unknown))}; --list shows them")
    todo = args.parts or sorted(PARTS, key=lambda k: PARTS[k].minutes)
    passed = failed = 0
    for k in todo:
        if why := lacking(PARTS[k]):
            print(f'left out {k}: needs {why}', flush=True)
            continue
        start = time.time()
        said,fine = make(k)
        passed += fine
        failed += not fine
        print(f"{'ok  ' if fine else 'FAIL'} {k}, {(time.time() - start)/60:.1f} min: {said}", flush=True)
    print(f'{passed} passed, {failed} failed')
    sys.exit(failed > 0)

if __name__ == '__main__': main()
