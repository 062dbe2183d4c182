"""Run every notebook's tests, each in a process of its own.

    python tools/test.py [--force] [--save] [NAME ...]

A notebook that passed before is not run again while its code, the library, data/, bench/ and the
environment are the same. FORCE=1 or CI=true run all. --save writes the outputs into the notebooks;
with SLOW=1 it runs the slow cells too. At the end it says where the time went.
"""
import argparse
import atexit
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
CACHE = ROOT/'.cache/tests.json'
GUESS = 20  # seconds, for a notebook that has never been run

def clock(seconds): return f'{int(seconds)//60}:{int(seconds)%60:02d}'
def is_on(variable): return os.environ.get(variable, '').lower() not in ('', '0', 'false', 'no')
def read(fn): return json.loads(fn.read_text(encoding='utf-8'))

# --- what a notebook holds, and what its result depends on

def notebooks():
    "`{name: path}` of all notebooks; the name has the folder before it, as in match/01_simulate"
    found = (f for f in NBS.rglob('*.ipynb') if not f.parent.name.startswith('.'))
    return {f.relative_to(NBS).with_suffix('').as_posix():f for f in sorted(found)}

def wanted(every, name):
    "The notebooks that `name` stands for: one of them, or all in a folder"
    folder = name.rstrip('/') + '/'
    found = {k:f for k,f in every.items() if k == name or k.startswith(folder)}
    if found: return found
    sys.exit(f'error: no notebook nbs/{name}.ipynb, and no folder nbs/{name} with notebooks')

def reason(cell, flags):
    "Why a cell does not run"
    marks = cell.directives
    flagged = [f'#| {o}' for o in flags if o in marks]
    if flagged: return flagged[0]
    return '#| eval: false' if marks.get('eval') == 'false' else 'front matter'

def cells(fn, slow=False):
    "The code cells of `fn`: how many run, and why the others do not"
    from nbdev.test import nb_test_cells
    from fastcore.nbio import read_nb
    flags = [] if slow else ['slow']
    code = [c for c in read_nb(fn).cells if c.cell_type == 'code' and c.source.strip()]
    run = {c.id for c in nb_test_cells(fn, flags)}
    left_out = [c for c in code if c.id not in run]
    return len(code) - len(left_out), Counter(reason(c, flags) for c in left_out)

def digest(*paths):
    "One hash of the contents of files and folders"
    h = hashlib.sha256()
    for p in paths:
        for f in sorted(p.rglob('*') if p.is_dir() else [p]):
            if not f.is_file() or '__pycache__' in f.parts: continue
            h.update(f'{f.relative_to(ROOT)}\0'.encode() + f.read_bytes())
    return h.hexdigest()

def surroundings():
    "What every notebook depends on"
    env = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    paths = [ROOT/o for o in ('gamegen', 'data', 'bench', 'settings.ini', 'pyproject.toml')]
    return digest(*paths) + repr((sys.version, env))

def code_length(fn):
    "Characters of code in a notebook"
    return sum(len(''.join(c['source'])) for c in read(fn)['cells'] if c['cell_type'] == 'code')

def key(fn, around):
    "The hash under which a pass of `fn` is remembered; its outputs do not count"
    nb = read(fn)
    src = [(c['cell_type'], ''.join(c['source'])) for c in nb['cells']]
    return hashlib.sha256(repr((src, nb.get('metadata'), around)).encode()).hexdigest()

# --- run them

# What nearly all notebooks import takes seconds each time, so a process that has done it is copied
# where that is safe. fastai is not among it, for it changes how pandas prints
PROCESSES = multiprocessing.get_context('forkserver' if sys.platform == 'linux' else 'spawn')
PRELOAD = ['nbdev.test', 'pandas', 'sklearn.ensemble', 'torch', 'torchvision']

def run_one(name, save, slow, log):
    "Run one notebook in this process, and end it; what it says goes to `log`"
    multiprocessing.set_start_method(None, force=True)  # the usual one, not that of this process
    for fd,path in ((0, os.devnull), (1, log), (2, log)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), fd)
    from nbdev.config import get_config
    from nbdev.test import test_nb
    fn = NBS/f'{name}.ipynb'
    old = read(fn) if save else None
    ok,_ = test_nb(fn, skip_flags=[] if slow else ['slow'], basepath=ROOT, save=save, profile=False,
                   cell_timeout=get_config(ROOT).cell_timeout)
    if ok and save:
        from pictures import keep_small_file
        keep_small_file(fn, old)
    atexit._run_exitfuncs()                     # which such a process leaves out
    sys.stdout.flush()
    sys.stderr.flush()
    Path(f'{log}.cpu').write_text(str(sum(os.times()[:4])))
    os._exit(not ok)

class Board:
    "What is done and running, and how long is left"
    def __init__(self, todo, past, jobs):
        self.todo = list(todo)
        self.past = past
        self.jobs = jobs
        self.running = {}
        self.start = time.time()
        self.total = len(todo)
        self.tty = sys.stdout.isatty()
        self.shown = time.time()
        self.lock = threading.RLock()

    def guess(self, o): return self.past.get(o, {}).get('seconds', GUESS)

    def left(self):
        now = time.time()
        rest = [max(self.guess(o) - (now - t), 1) for o,t in self.running.items()]
        work = sum(rest) + sum(map(self.guess, self.todo))
        return max([work/self.jobs, *rest, 0])

    def say(self, msg):
        with self.lock: print(('\r\x1b[K' if self.tty else '') + msg, flush=True)

    def show(self):
        with self.lock:
            if not self.running or not self.tty and time.time() - self.shown < 15: return
            self.shown = time.time()
            done = self.total - len(self.todo) - len(self.running)
            gone = clock(time.time() - self.start)
            msg = f'  {done} of {self.total} done, {gone} gone, about {clock(self.left())} left: '
            msg += ', '.join(self.running)
            width = shutil.get_terminal_size().columns - 1
            if self.tty: print('\r\x1b[K' + msg[:width], end='', flush=True)
            else: print(msg, flush=True)

def worker(board, report, args):
    "Run notebooks until none is left to do"
    while True:
        with board.lock:
            if not board.todo: return
            name = board.todo.pop(0)
            start = time.time()
            board.running[name] = start
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder)/'log'
            log.touch()
            p = PROCESSES.Process(target=run_one, args=(name, *args, str(log)))
            p.start()
            p.join()
            said = log.read_bytes().decode(errors='replace')
            took = Path(f'{log}.cpu')
            cpu = float(took.read_text()) if took.exists() else time.time() - start
        with board.lock:
            board.running.pop(name)
            report(name, p.exitcode, time.time() - start, cpu, said)

# --- what is remembered, and what is said

class Memory:
    "What passed, under which hash, and how long it took"
    def __init__(self, path):
        self.path = path
        try: self.past = json.loads(path.read_text())
        except (OSError, ValueError): self.past = {}

    def passed(self, name, key): return self.past.get(name, {}).get('key') == key

    def keep(self, name, key, seconds):
        self.past[name] = dict(key=key, seconds=round(seconds, 1))
        self.path.parent.mkdir(exist_ok=True)
        tmp = self.path.with_suffix('.tmp')
        tmp.write_text(json.dumps(self.past, indent=1))
        tmp.replace(self.path)

def skips(n):
    "How many cells are skipped, and why"
    if not n: return ''
    return f"; {n.total()} cells skipped: " + ', '.join(f'{v} {k}' for k,v in n.items())

def system(name, fn):
    "The folder of a notebook, or the system of a chapter"
    from check import edges, rooms
    if '/' in name: return name.partition('/')[0]
    system.rooms = getattr(system, 'rooms', None) or rooms(edges())
    exported = re.search(r'#\| default_exp (\S+?)(?=[\\"])', fn.read_text(encoding='utf-8'))
    return system.rooms.get(exported[1], 'others') if exported else 'others'

def row(name, seconds, every): return f'  {name:<26} {seconds:7.1f}  {seconds/every:6.1%}'

def time_table(took, files, most=10):
    "Where the time goes: the slowest notebooks, and each folder with its chapters"
    every = max(sum(took.values()), 1e-9)
    slowest = sorted(took, key=took.get, reverse=True)[:most]
    sums = Counter()
    for name,seconds in took.items(): sums[system(name, files[name])] += seconds
    lines = ['where the time goes, in core-seconds; a browser that a notebook starts is left out']
    lines += [row(o, took[o], every) for o in slowest] + ['by system']
    lines += [row(k, v, every) for k,v in sums.most_common()]
    return '\n'.join([*lines, row('in all', every, every)])

def parsed():
    ap = argparse.ArgumentParser(description='Run the tests of the notebooks')
    ap.add_argument('names', nargs='*', help='notebooks or folders, say 01_core or match')
    ap.add_argument('--force', action='store_true', help='run also what has passed unchanged')
    ap.add_argument('--save', action='store_true', help='write the outputs into the notebooks')
    return ap.parse_args()

def cores():
    "Cores that this process may use"
    if hasattr(os, 'sched_getaffinity'): return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

def main():
    args = parsed()
    slow = args.save and is_on('SLOW')
    every = notebooks()
    files = {k:f for o in args.names for k,f in wanted(every, o).items()} if args.names else every
    memory = Memory(CACHE)
    around = surroundings()
    keys = {o:key(f, around) for o,f in files.items()}
    counts = {o:cells(f, slow) for o,f in files.items()}
    fresh = args.force or args.save or is_on('FORCE') or is_on('CI')
    cached = [o for o in files if not fresh and memory.passed(o, keys[o])]
    def longest(o):                              # first, so that none is left alone at the end
        return -memory.past.get(o, {}).get('seconds', GUESS), -code_length(files[o])
    todo = sorted(set(files) - set(cached), key=longest)
    jobs = max(1, min(2, cores(), len(todo)))
    board = Board(todo, memory.past, jobs)
    failed = []
    took = {}
    threads = str(max(1, cores()//jobs))
    os.environ.update(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads, PYTHONPATH=str(ROOT))
    PROCESSES.set_forkserver_preload(PRELOAD)

    def report(o, rc, secs, cpu, out):
        n,left_out = counts[o]
        ok = rc == 0 and n > 0
        took[o] = cpu
        if not ok: failed.append(o)
        note = skips(left_out) + ('' if n else '; nothing in it was run')
        board.say(f"{'ok  ' if ok else 'FAIL'} {o:<22} {secs:6.1f} s  {n:3d} cells{note}")
        last = out.rstrip().splitlines()[-80:]
        if rc: print('\n'.join('     | ' + l for l in last), flush=True)
        remember = ok and not args.save
        memory.keep(o, keys[o] if remember else '', secs)

    about = f', about {clock(board.left())}' if todo else ''
    print(f'{len(files)} notebooks, {len(cached)} of them unchanged since they passed; '
          f'running {len(todo)}, {jobs} at a time{about}', flush=True)
    for o in cached: print(f'ok   {o:<22} (cached)  {counts[o][0]:3d} cells{skips(counts[o][1])}')
    workers = [threading.Thread(target=worker, args=(board, report, (args.save, slow)), daemon=True)
               for _ in range(jobs)]
    for t in workers: t.start()
    while any(t.is_alive() for t in workers):
        board.show()
        time.sleep(.5)
    n = sum((counts[o][1] for o in files), Counter())
    if n: print('skipped cells in all: ' + ', '.join(f'{v} {k}' for k,v in n.items()))
    if took: print(time_table(took, files))
    if failed: print('failed: ' + ', '.join(sorted(failed)))
    print(f'{len(files) - len(failed)} passed, {len(failed)} failed')
    sys.exit(bool(failed) or not files)

if __name__ == '__main__': main()
