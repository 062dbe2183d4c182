"""A hundred frames and a hundred sprites, in core-seconds: bench/draw_hundred.py writes bench/draw_hundred.json.

Each is drawn in a process of its own, after the imports and once for practice, with PyTorch and without it: on one
core, in core-seconds (`time.process_time`), which do not depend on what else the machine does; then on all, in
seconds by the clock, which say something on a quiet machine only.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from gamegen.core import atomic_write

ROOT = Path(__file__).parents[1]
OUT = ROOT/'bench/draw_hundred.json'
START = '''
import json, os, sys, time
if sys.argv[1] == 'light':
    from gamegen.light import go_light
    go_light()
else:
    import torch
    torch.set_num_threads(1)
from gamegen.mario_dcgan import FrameModel, generate_frames
from gamegen.monster.deliver import bestiary_model
from gamegen.monsters import generate_monsters
what,n = sys.argv[2],int(sys.argv[3])
def draw(n, seed):
    if what == 'frames': return generate_frames(n, seed=seed)
    which,_,how = what.partition(', ')
    model = bestiary_model(which)
    limit = .98 if which == 'crawl' and how else None
    return generate_monsters(n, seed=seed, certify=bool(how), max_similarity=limit, model=model)
draw(2, 0)
cores = os.sched_getaffinity(0)
os.sched_setaffinity(0, {min(cores)})
t = time.process_time()
draw(n, 1000)
one = time.process_time() - t
os.sched_setaffinity(0, cores)
t = time.time()
draw(n, 2000)
print(json.dumps(dict(core_seconds=round(one, 2), seconds=round(time.time() - t, 2), cores=len(cores))))
'''
WHAT = 'frames', 'wesnoth', 'wesnoth, certified', 'crawl', 'crawl, certified'

def measure(way, what, n):
    env = {**os.environ, 'OMP_NUM_THREADS':'1'}
    done = subprocess.run([sys.executable, '-c', START, way, what, str(n)], env=env, capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--n', default=100, type=int)
    p.add_argument('--only', default='', help='what begins so; the others stay as they are')
    a = p.parse_args()
    res = json.loads(OUT.read_text()) if a.only else dict(n=a.n, rows={})
    for way in ('torch', 'light'):
        for what in (o for o in WHAT if o.startswith(a.only)):
            res['rows'].setdefault(what, {})[way] = measure(way, what, a.n)
            print(way, what, res['rows'][what][way], flush=True)
    with atomic_write(OUT) as f: f.write_text(json.dumps(res) + '\n')
