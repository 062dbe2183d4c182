"""Build student versions of the exercises in classroom/, and check them: `python tools/classroom.py [NAME ...]`.

Into out/classroom/ go student/, without solutions and hidden tests, and source/, a course folder for nbgrader. Then every
exercise is run: its blank must fail, its solution pass, and each mistake that its hidden tests name must be caught.
`python tools/classroom.py grade FILE ...` runs notebooks that students have handed in, and prints their points as CSV.

The marks are nbgrader's. It is not needed for this: it wants Python 3.11, where gamegen runs on 3.10, and brings a
database and extensions of Jupyter for what takes the few lines below. Who keeps a course in it can use source/.
"""
import argparse, contextlib, csv, importlib.util, io, json, os, re, subprocess, sys, time, traceback, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT/'classroom'
OUT = ROOT/'out/classroom'
LIMIT = 300  # seconds for a notebook
KEYS = {'grade', 'grade_id', 'locked', 'schema_version', 'solution', 'task'}
HEAD = re.compile(r'## (\d)\. (.+)\n\n\*(\d+) minutes, (\d+) points, (both paths|the long path)\.\*\n\n.+', re.S)
SOLUTION = re.compile(r'^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$', re.M | re.S)
HIDDEN = re.compile(r'^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS$\n?', re.M | re.S)
MISTAKE = re.compile(r'^# MISTAKE (.+?): (.+) => (.*)$', re.M)
SETUP = '''\
# In Colab and on Binder this installs gamegen where it is missing; elsewhere it does nothing
import importlib.util, os, subprocess, sys

if {'COLAB_RELEASE_TAG', 'BINDER_REPO_URL'} & set(os.environ) and not importlib.util.find_spec('gamegen'):
    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', 'git+https://github.com/gamegen-lab/gamegen'], check=True)
    importlib.invalidate_caches()'''

# --- what a notebook holds

class Exercise(NamedTuple):
    "The cells of an exercise"
    head:str
    answer:dict
    test:dict
    @property
    def title(self): return HEAD.match(self.head)[2]

text = lambda cell: ''.join(cell['source'])
marks = lambda cell: cell['metadata'].get('nbgrader', {})
load = lambda fn: json.loads(Path(fn).read_text(encoding='utf-8'))
def sources(): return sorted(HOME.glob('*.ipynb'))
def blank(src): return SOLUTION.sub(r'\1# YOUR CODE HERE\n\1raise NotImplementedError()', src)
def shown(src): return HIDDEN.sub('', src).rstrip('\n')

def exercises(nb):
    "Its exercises: each a text, an answer and a test, one after the other"
    cs = nb['cells']
    return [Exercise(text(a), b, c) for a,b,c in zip(cs, cs[1:], cs[2:]) if marks(b).get('solution') and marks(c).get('grade')]

def student(nb):
    "A copy without solutions and hidden tests, in which nothing is folded"
    nb = json.loads(json.dumps(nb))
    for c in nb['cells']:
        c['metadata'].pop('jupyter', None)
        if marks(c).get('solution'): c['source'] = blank(text(c))
        if marks(c).get('grade'): c['source'] = shown(text(c))
    return nb

def unfolded(nb):
    "A copy in which nothing is folded, as nbgrader's own versions keep what is"
    nb = json.loads(json.dumps(nb))
    for c in nb['cells']: c['metadata'].pop('jupyter', None)
    return nb

# --- are they as they should be? tools/check.py asks this too

def wrong_with(i, ex):
    "What is wrong with the exercise at place `i`"
    m = HEAD.match(ex.head)
    answer = text(ex.answer)
    test = text(ex.test)
    if not m or int(m[1]) != i: yield f'begins with {ex.head[:40]!r}; expected `## {i}. Title`, minutes, points and path, and a text'
    elif marks(ex.test).get('points') != int(m[4]): yield f"its text says {m[4]} points, its test {marks(ex.test).get('points')}"
    if len(SOLUTION.findall(answer)) != 1: yield 'expected one solution between its marks'
    if len(HIDDEN.findall(test)) != 1: yield 'expected hidden tests between their marks'
    if 'assert' not in shown(test): yield 'expected a test that students see'
    if not ex.answer['metadata'].get('jupyter', {}).get('source_hidden'): yield 'its solution is not folded (jupyter.source_hidden)'
    found = MISTAKE.findall(test)
    if not found or MISTAKE.search(shown(test)): yield 'expected mistakes, `# MISTAKE why: old => new`, among the hidden tests'
    for why,old,_ in found:
        if answer.count(old) != 1: yield f'mistake {why!r}: {old!r} is {answer.count(old)} times in the solution; expected once'

def problems(fn):
    "What is wrong with a notebook of exercises, without running it"
    nb = load(fn)
    bad = []
    exs = exercises(nb)
    code = [c for c in nb['cells'] if c['cell_type'] == 'code']
    graded = [c for c in nb['cells'] if marks(c)]
    if not 3 <= len(exs) <= 5: bad.append(f'{len(exs)} exercises; expected 3 to 5')
    if len(exs)*2 != sum(bool(marks(c).get('solution') or marks(c).get('grade')) for c in graded): bad.append('an answer without its test, or a test without its answer')
    if not code or text(code[0]) != SETUP: bad.append('its first code cell is not SETUP of tools/classroom.py')
    ids = [marks(c)['grade_id'] for c in graded]
    bad += [f'grade_id {o!r} occurs twice' for o in sorted({o for o in ids if ids.count(o) > 1})]
    bad += [f'cell {c["id"]}: lacks marks' for c in code if not KEYS <= set(marks(c))]
    bad += [f'cell {c["id"]}: has outputs' for c in code if c['outputs'] or c['execution_count']]
    if fn.stat().st_size > 200_000: bad.append('over 200 kB')
    bad += [f'exercise {i}: {o}' for i,e in enumerate(exs, 1) for o in wrong_with(i, e)]
    if bad: return [f'classroom/{fn.name}: {o}' for o in bad]
    heads = [HEAD.match(e.head).groups() for e in exs]
    page = (HOME/'README.md').read_text(encoding='utf-8')
    short,whole = (sum(int(o[2]) for o in heads if o[4] in p) for p in (('both paths',), ('both paths', 'the long path')))
    if short > 40 or whole > 140: bad.append(f'{short} and {whole} minutes; expected 40 and 140 at most, the reading comes on top')
    rows = [f"| {n} | {t} | {m} | {p} | {'both' if w == 'both paths' else 'long'} |" for n,t,m,p,w in heads]
    return [f'classroom/{fn.name}: {o}' for o in bad + [f'no row `{o}` in classroom/README.md' for o in rows if o not in page]]

# --- run them

def attempt(src, ns, where='cell'):
    "Run code quietly; what it raised, or None"
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter('ignore')
        try: exec(compile(src, where, 'exec'), ns)
        except KeyboardInterrupt: raise
        except BaseException as e: return e

def told(e, src):
    "An exception in one line, with the line of the cell `src` where it came up"
    line = next((f.lineno for f in traceback.extract_tb(e.__traceback__)[::-1] if f.filename == 'cell'), None)
    at = f' at `{src.splitlines()[line-1].strip()[:100]}`' if line else ''
    return f'{type(e).__name__}: {str(e)[:100]}{at}'

def try_out(ex, ns):
    "Run an exercise by itself, with blank, solution and mistakes: what went wrong, and a note. `ns` is what stands before it"
    answer = text(ex.answer)
    test = text(ex.test)
    bad = []
    hidden = 0
    def result(src, tests, ns): return attempt(src, ns, 'answer') or attempt(tests, ns)
    for tests,name in ((shown(test), 'the tests that students see'), (test, 'all tests')):
        e = result(blank(answer), tests, dict(ns))
        if not isinstance(e, NotImplementedError): bad.append(f"the blank and {name}: {told(e, tests) if e else 'passes'}; expected NotImplementedError")
    if e := result(answer, test, dict(ns)): return bad + [f'the solution fails: {told(e, test)}'], ''
    found = MISTAKE.findall(test)
    for why,old,new in found:
        src = answer.replace(old, new)
        trial = dict(ns)
        e = attempt(src, trial, 'answer') or attempt(shown(test), trial)
        hidden += e is None
        e = e or attempt(test, trial)
        if e is None: bad.append(f'mistake {why!r} passes')
        elif isinstance(e, (SyntaxError, NameError)): bad.append(f'mistake {why!r} is no code: {told(e, test)}')
    if not hidden: bad.append('its hidden tests catch no mistake that the others do not')
    return bad, f'{len(found)} mistakes caught, {hidden} of them by hidden tests alone'

def try_setup():
    "What SETUP does in the three places"
    bad = []
    real = subprocess.run
    find = importlib.util.find_spec
    ns = {}
    for place,there,want in ((None, False, 0), ('COLAB_RELEASE_TAG', True, 0), ('COLAB_RELEASE_TAG', False, 1), ('BINDER_REPO_URL', False, 1)):
        calls = []
        env = dict(os.environ)
        subprocess.run = lambda cmd, **kw: calls.append(cmd)
        importlib.util.find_spec = lambda name, *a: there and find(name, *a)
        try:
            for o in ('COLAB_RELEASE_TAG', 'BINDER_REPO_URL'): os.environ.pop(o, None)
            if place: os.environ[place] = 'x'
            e = attempt(SETUP, ns)
        finally:
            subprocess.run = real
            importlib.util.find_spec = find
            os.environ.clear(); os.environ.update(env)
        if e or len(calls) != want or any(c[1:4] != ['-m', 'pip', 'install'] for c in calls):
            bad.append(f"{place or 'elsewhere'}, gamegen {'there' if there else 'missing'}: {len(calls)} installations; expected {want} {e or ''}")
    return bad

def run_one(fn):
    "Run a notebook of exercises, with a line for each; did all go well?"
    nb = load(fn)
    ns = {'__name__':'__main__'}
    ok = True
    def say(bad, what, note):
        nonlocal ok
        ok &= not bad
        print(f"{'FAIL' if bad else 'ok  '} {fn.stem:<16} {what:<40} {note}", flush=True)
        for o in bad: print(f'     {o}', flush=True)
    exs = exercises(nb)
    part = {}
    for i,e in enumerate(exs, 1): part[e.answer['id']],part[e.test['id']] = (i, e),None
    for c in nb['cells']:
        if c['cell_type'] != 'code': continue
        if c['id'] not in part:
            if e := attempt(text(c), ns): say([told(e, text(c))], f"cell {c['id']}", 'fails')
        elif part[c['id']]:
            i,ex = part[c['id']]
            t = time.perf_counter()
            bad,note = try_out(ex, ns)
            say(bad, f'{i}. {ex.title}', f'{time.perf_counter()-t:5.1f} s  {note}')
    return ok

# --- points for students

def points_of(fn):
    "Points of a notebook that was handed in: file, exercises' notebook, `{exercise: points}`; tests are taken from the source"
    cells = [c for c in load(fn)['cells'] if c['cell_type'] == 'code']
    ids = {marks(c).get('grade_id') for c in cells}
    like = lambda nb: len(ids & {marks(c).get('grade_id') for c in nb['cells'] if marks(c).get('grade')})
    src = max(sources(), key=lambda o: like(load(o)))
    nb = load(src)
    if not like(nb): raise ValueError('holds no exercise of this classroom')
    locked = {marks(c)['grade_id']:c for c in nb['cells'] if c['cell_type'] == 'code' and marks(c).get('locked')}
    got = {k:0 for k,c in locked.items() if marks(c).get('grade')}
    ns = {'__name__':'__main__'}
    for c in cells:
        k = marks(c).get('grade_id')
        e = attempt(text(locked[k]) if k in locked else re.sub(r'^(\s*)[%!].*$', r'\1pass', text(c), flags=re.M), ns)
        if k in got and e is None: got[k] = marks(locked[k])['points']
    return src.stem, got

def grade(files, child):
    "Print the points of each file, as CSV"
    out = csv.writer(sys.stdout)
    out.writerow(['file', 'notebook', 'points', 'of', 'exercises'])
    for fn in files:
        p = None
        try: p = subprocess.run([*child, '--points', fn], capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired: out.writerow([fn, '', 0, '', f'stopped after {LIMIT} s'])
        if p is None: continue
        try: name,got = json.loads(p.stdout.splitlines()[-1])
        except (ValueError, IndexError): out.writerow([fn, '', 0, '', (p.stderr.strip().splitlines() or ['no result'])[-1]]); continue
        of = sum(marks(c)['points'] for c in load(HOME/f'{name}.ipynb')['cells'] if marks(c).get('grade'))
        out.writerow([fn, name, sum(got.values()), of, ' '.join(f"{k.removesuffix('-test')}:{v}" for k,v in got.items())])

# --- all of it

def write(path, nb):
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_suffix('.tmp')
    tmp.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
    tmp.replace(path)

def main():
    ap = argparse.ArgumentParser(description='Build and check the exercises for students')
    ap.add_argument('names', nargs='*', help='notebooks, say 10_cgan; all by default. Or: grade FILE ...')
    ap.add_argument('--one', help=argparse.SUPPRESS)
    ap.add_argument('--points', help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.one: sys.exit(not run_one(HOME/f'{args.one}.ipynb'))
    if args.points: print('\n' + json.dumps(points_of(args.points))); return
    child = [sys.executable, __file__]
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    if args.names[:1] == ['grade']: return grade(args.names[1:], child)

    files = [f for f in sources() if not args.names or f.stem in args.names]
    if lost := set(args.names) - {f.stem for f in files}: sys.exit(f"error: no notebook classroom/{min(lost)}.ipynb")
    for f in files:
        write(OUT/'student'/f.name, student(load(f)))
        write(OUT/'source'/f.stem/f.name, unfolded(load(f)))
    print(f"{len(files)} notebooks for students in {(OUT/'student').relative_to(ROOT)}; checking that blanks fail and solutions pass", flush=True)
    lines = [('FAIL ' if (bad := try_setup()) else 'ok   ') + 'set-up cell: installs in Colab and on Binder, nothing elsewhere'] + [f'     {o}' for o in bad]
    print('\n'.join(lines), flush=True)
    def job(f):
        if bad := problems(f): return '\n'.join(f'FAIL {o}' for o in bad)
        try: p = subprocess.run([*child, '--one', f.stem], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired: return f'FAIL {f.stem}: stopped after {LIMIT} s'
        return p.stdout.rstrip() + (f'\nFAIL {f.stem}: {p.stderr.strip()[-500:]}' if p.returncode and 'FAIL' not in p.stdout else '')
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    with ThreadPoolExecutor(min(2, cpus)) as pool:
        for res in pool.map(job, files):
            print(res, flush=True)
            lines += res.splitlines()
    n = {k:sum(o.startswith(k) for o in lines) for k in ('ok', 'FAIL')}
    print(f"{n['ok']} passed, {n['FAIL']} failed")
    sys.exit(bool(n['FAIL']) or not files)

if __name__ == '__main__': main()
