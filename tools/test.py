"""Run every notebook's tests, each in a process of its own: `python tools/test.py [--force] [--save] [NAME ...]`.

A notebook that passed before is not run again while its code, the library, data/, bench/ and the environment are the
same. FORCE=1 or CI=true run all. --save writes the outputs into the notebooks; with SLOW=1 it runs the slow cells too.
"""
import argparse, atexit, hashlib, json, multiprocessing, os, shutil, sys, tempfile, threading, time
from collections import Counter
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT/'nbs'
CACHE = ROOT/'.cache/tests.json'
GUESS = 20  # seconds, for a notebook that has never been run
clock = lambda s: f'{int(s)//60}:{int(s)%60:02d}'

# --- what a notebook holds, and what its result depends on

def notebooks():
    "`{name: path}` of all notebooks; the name has the folder before it, as in match/01_simulate"
    found = (f for f in NBS.rglob('*.ipynb') if not f.parent.name.startswith('.'))
    return {f.relative_to(NBS).with_suffix('').as_posix():f for f in sorted(found)}

def wanted(every, name):
    "The notebooks that `name` stands for: one of them, or all in a folder"
    found = {k:f for k,f in every.items() if k == name or k.startswith(name.rstrip('/') + '/')}
    if not found: sys.exit(f'error: no notebook nbs/{name}.ipynb, and no folder nbs/{name} with notebooks')
    return found

def cells(fn, slow=False):
    "The code cells of `fn`: how many run, and why the others do not"
    from nbdev.test import nb_test_cells
    from fastcore.nbio import read_nb
    flags = [] if slow else ['slow']
    code = [c for c in read_nb(fn).cells if c.cell_type == 'code' and c.source.strip()]
    run = {c.id for c in nb_test_cells(fn, flags)}
    def why(c):
        d = c.directives
        return next((f'#| {o}' for o in flags if o in d), '#| eval: false' if d.get('eval') == 'false' else 'front matter')
    return sum(c.id in run for c in code), Counter(why(c) for c in code if c.id not in run)

def digest(*paths):
    "One hash of the contents of files and folders"
    h = hashlib.sha256()
    for p in paths:
        for f in sorted(p.rglob('*') if p.is_dir() else [p]):
            if f.is_file() and '__pycache__' not in f.parts: h.update(f'{f.relative_to(ROOT)}\0'.encode() + f.read_bytes())
    return h.hexdigest()

def surroundings():
    "What every notebook depends on"
    env = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    return digest(*[ROOT/o for o in ('gamegen','data','bench','settings.ini','pyproject.toml')]) + repr((sys.version, env))

def code_length(fn): return sum(len(''.join(c['source'])) for c in json.loads(fn.read_text(encoding='utf-8'))['cells'] if c['cell_type'] == 'code')

def key(fn, around):
    "The hash under which a pass of `fn` is remembered; its outputs do not count"
    nb = json.loads(fn.read_text(encoding='utf-8'))
    src = [(c['cell_type'], ''.join(c['source'])) for c in nb['cells']]
    return hashlib.sha256(repr((src, nb.get('metadata'), around)).encode()).hexdigest()

# --- run them

# What nearly all notebooks import takes seconds each time, so a process that has done it is copied where that is safe.
# fastai is not among it, for it changes how pandas prints
PROCESSES = multiprocessing.get_context('forkserver' if sys.platform == 'linux' else 'spawn')
PRELOAD = ['nbdev.test', 'pandas', 'sklearn.ensemble', 'torch', 'torchvision']

def run_one(name, save, slow, log):
    "Run one notebook, in the process that this is called in and ends; what it says goes into a file"
    multiprocessing.set_start_method(None, force=True)       # the usual one, not that of this process
    for fd,path in ((0, os.devnull), (1, log), (2, log)): os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), fd)
    from nbdev.config import get_config
    from nbdev.test import test_nb
    ok,_ = test_nb(NBS/f'{name}.ipynb', skip_flags=[] if slow else ['slow'], basepath=ROOT, save=save, profile=False,
                   cell_timeout=get_config(ROOT).cell_timeout)
    atexit._run_exitfuncs()                     # which such a process leaves out
    sys.stdout.flush(); sys.stderr.flush()
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
        rest = [max(self.guess(o) - (time.time() - t), 1) for o,t in self.running.items()]
        return max([sum(rest + [self.guess(o) for o in self.todo])/self.jobs, *rest, 0])

    def say(self, msg):
        with self.lock: print(('\r\x1b[K' if self.tty else '') + msg, flush=True)

    def show(self):
        with self.lock:
            if not self.running or not self.tty and time.time() - self.shown < 15: return
            self.shown = time.time()
            done = self.total - len(self.todo) - len(self.running)
            msg = f"  {done} of {self.total} done, {clock(time.time()-self.start)} gone, about {clock(self.left())} left: {', '.join(self.running)}"
            if self.tty: print('\r\x1b[K' + msg[:shutil.get_terminal_size().columns-1], end='', flush=True)
            else: print(msg, flush=True)

def worker(board, report, args):
    while True:
        with board.lock:
            if not board.todo: return
            name = board.todo.pop(0)
            board.running[name] = t = time.time()
        with tempfile.NamedTemporaryFile() as log:
            p = PROCESSES.Process(target=run_one, args=(name, *args, log.name))
            p.start(); p.join()
            said = log.read().decode(errors='replace')
        with board.lock:
            board.running.pop(name)
            report(name, p.exitcode, time.time()-t, said)

def main():
    ap = argparse.ArgumentParser(description='Run the tests of the notebooks')
    ap.add_argument('names', nargs='*', help='notebooks or folders of them, say 01_core or match; all by default')
    ap.add_argument('--force', action='store_true', help='run also what has passed unchanged')
    ap.add_argument('--save', action='store_true', help='write the outputs into the notebooks')
    args = ap.parse_args()
    on = lambda k: os.environ.get(k, '').lower() not in ('', '0', 'false', 'no')
    slow = args.save and on('SLOW')

    every = notebooks()
    files = {k:f for o in args.names for k,f in wanted(every, o).items()} if args.names else every
    try: past = json.loads(CACHE.read_text())
    except (OSError, ValueError): past = {}
    around = surroundings()
    keys = {o:key(f, around) for o,f in files.items()}
    counts = {o:cells(f, slow) for o,f in files.items()}
    fresh = args.force or args.save or on('FORCE') or on('CI')
    cached = [o for o in files if not fresh and past.get(o, {}).get('key') == keys[o]]
    longest = lambda o: (-past.get(o, {}).get('seconds', GUESS), -code_length(files[o]))    # first, so that none is left alone at the end
    todo = sorted(set(files) - set(cached), key=longest)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    jobs = max(1, min(2, cpus, len(todo)))
    board = Board(todo, past, jobs)
    failed = []
    os.environ.update(OMP_NUM_THREADS=str(max(1, cpus//jobs)), MKL_NUM_THREADS=str(max(1, cpus//jobs)), PYTHONPATH=str(ROOT))
    PROCESSES.set_forkserver_preload(PRELOAD)

    def skips(o):
        n = counts[o][1]
        return f"; {n.total()} cells skipped: {', '.join(f'{v} {k}' for k,v in n.items())}" if n else ''

    def report(o, rc, secs, out):
        nothing = counts[o][0] == 0
        ok = rc == 0 and not nothing
        if not ok: failed.append(o)
        note = '; nothing in it was run' if nothing else ''
        board.say(f"{'ok  ' if ok else 'FAIL'} {o:<22} {secs:6.1f} s  {counts[o][0]:3d} cells{skips(o)}{note}")
        if rc: print('\n'.join('     | ' + l for l in out.rstrip().splitlines()[-80:]), flush=True)
        past[o] = dict(key=keys[o] if ok and not args.save else '', seconds=round(secs, 1))
        CACHE.parent.mkdir(exist_ok=True)
        tmp = CACHE.with_suffix('.tmp')
        tmp.write_text(json.dumps(past, indent=1))
        tmp.replace(CACHE)

    print(f'{len(files)} notebooks, {len(cached)} of them unchanged since they passed; running {len(todo)}, {jobs} at a time'
          + (f', about {clock(board.left())}' if todo else ''), flush=True)
    for o in cached: print(f'ok   {o:<22} (cached)  {counts[o][0]:3d} cells{skips(o)}')
    threads = [threading.Thread(target=worker, args=(board, report, (args.save, slow)), daemon=True) for _ in range(jobs)]
    for t in threads: t.start()
    while any(t.is_alive() for t in threads):
        board.show()
        time.sleep(.5)
    n = sum((counts[o][1] for o in files), Counter())
    if n: print('skipped cells in all: ' + ', '.join(f'{v} {k}' for k,v in n.items()))
    if failed: print('failed: ' + ', '.join(sorted(failed)))
    print(f'{len(files)-len(failed)} passed, {len(failed)} failed')
    sys.exit(bool(failed) or not files)

if __name__ == '__main__': main()
