"""Build student versions of the exercises in classroom/, and check them.

    python tools/classroom.py [NAME ...]        # write out/classroom/, and run every exercise
    python tools/classroom.py grade FILE ...    # points of notebooks handed in, as CSV

Into out/classroom/ go student/, without solutions and hidden tests, and source/, a course folder
for nbgrader. Then every exercise is run: its blank must fail, its solution must pass, and each
mistake that its hidden tests name must be caught.

The marks are nbgrader's, but nbgrader is not needed here: it requires Python 3.11, where gamegen
runs on 3.10, and brings a database and Jupyter extensions for what takes the few lines below. A
course that is kept in nbgrader can use source/.
"""
import argparse
import contextlib
import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT/'classroom'
OUT = ROOT/'out/classroom'
LIMIT = 300  # seconds for a notebook
KEYS = {'grade', 'grade_id', 'locked', 'schema_version', 'solution', 'task'}
HEAD = re.compile(r'## (\d)\. (.+)\n\n'
                  r'\*(\d+) minutes, (\d+) points, (both paths|the long path)\.\*\n\n.+', re.S)
SOLUTION = re.compile(r'^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$', re.M | re.S)
HIDDEN = re.compile(r'^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS$\n?', re.M | re.S)
MISTAKE = re.compile(r'^# MISTAKE (.+?): (.+) => (.*)$', re.M)
SETUP = (
    '# In Colab and on Binder this installs gamegen where it is missing; elsewhere it does nothing\n'
    'import importlib.util, os, subprocess, sys\n\n'
    "if {'COLAB_RELEASE_TAG', 'BINDER_REPO_URL'} & set(os.environ) and "
    "not importlib.util.find_spec('gamegen'):\n"
    "    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', "
    "'git+https://github.com/gamegen-lab/gamegen'], check=True)\n"
    '    importlib.invalidate_caches()')

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
    found = zip(cs, cs[1:], cs[2:])
    return [Exercise(text(head), answer, test) for head,answer,test in found
            if marks(answer).get('solution') and marks(test).get('grade')]

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
    points = marks(ex.test).get('points')
    folded = ex.answer['metadata'].get('jupyter', {}).get('source_hidden')
    if not m or int(m[1]) != i:
        yield (f'begins with {ex.head[:40]!r}; expected `## {i}. Title`, minutes, points and path, '
               'and a text')
    elif points != int(m[4]): yield f'its text says {m[4]} points, its test {points}'
    if len(SOLUTION.findall(answer)) != 1: yield 'expected one solution between its marks'
    if len(HIDDEN.findall(test)) != 1: yield 'expected hidden tests between their marks'
    if 'assert' not in shown(test): yield 'expected a test that students see'
    if not folded: yield 'its solution is not folded (jupyter.source_hidden)'
    found = MISTAKE.findall(test)
    if not found or MISTAKE.search(shown(test)):
        yield 'expected mistakes, `# MISTAKE why: old => new`, among the hidden tests'
    for why,old,_ in found:
        n = answer.count(old)
        if n != 1: yield f'mistake {why!r}: {old!r} is {n} times in the solution; expected once'

def wrong_form(fn, nb, exs):
    "What is wrong with the cells of a notebook of exercises"
    code = [c for c in nb['cells'] if c['cell_type'] == 'code']
    graded = [c for c in nb['cells'] if marks(c)]
    parts = sum(bool(marks(c).get('solution') or marks(c).get('grade')) for c in graded)
    ids = [marks(c)['grade_id'] for c in graded]
    if not 3 <= len(exs) <= 5: yield f'{len(exs)} exercises; expected 3 to 5'
    if len(exs)*2 != parts: yield 'an answer without its test, or a test without its answer'
    if not code or text(code[0]) != SETUP:
        yield 'its first code cell is not SETUP of tools/classroom.py'
    for o in sorted({o for o in ids if ids.count(o) > 1}): yield f'grade_id {o!r} occurs twice'
    for c in code:
        if not KEYS <= set(marks(c)): yield f"cell {c['id']}: lacks marks"
        if c['outputs'] or c['execution_count']: yield f"cell {c['id']}: has outputs"
    if fn.stat().st_size > 200_000: yield 'over 200 kB'
    for i,e in enumerate(exs, 1): yield from (f'exercise {i}: {o}' for o in wrong_with(i, e))

def wrong_page(exs):
    "What the teacher's page lacks of these exercises, and whether they take too long"
    heads = [HEAD.match(e.head).groups() for e in exs]
    page = (HOME/'README.md').read_text(encoding='utf-8')
    whole = sum(int(minutes) for _,_,minutes,_,_ in heads)
    short = sum(int(minutes) for _,_,minutes,_,path in heads if path == 'both paths')
    if short > 40 or whole > 140:
        yield f'{short} and {whole} minutes; expected 40 and 140 at most, the reading comes on top'
    for n,title,minutes,points,path in heads:
        kind = 'both' if path == 'both paths' else 'long'
        row = f'| {n} | {title} | {minutes} | {points} | {kind} |'
        if row not in page: yield f'no row `{row}` in classroom/README.md'

def problems(fn):
    "What is wrong with a notebook of exercises, without running it"
    nb = load(fn)
    exs = exercises(nb)
    bad = list(wrong_form(fn, nb, exs)) or list(wrong_page(exs))
    return [f'classroom/{fn.name}: {o}' for o in bad]

# --- run them

def attempt(src, ns, where='cell'):
    "Run code quietly; what it raised, or None"
    quiet = io.StringIO()
    with (warnings.catch_warnings(), contextlib.redirect_stdout(quiet),
          contextlib.redirect_stderr(quiet)):
        warnings.simplefilter('ignore')
        try: exec(compile(src, where, 'exec'), ns)
        except KeyboardInterrupt: raise
        except BaseException as e: return e

def told(e, src):
    "An exception in one line, with the line of the cell `src` where it came up"
    frames = traceback.extract_tb(e.__traceback__)[::-1]
    line = next((f.lineno for f in frames if f.filename == 'cell'), None)
    at = f' at `{src.splitlines()[line-1].strip()[:100]}`' if line else ''
    return f'{type(e).__name__}: {str(e)[:100]}{at}'

def try_blank(ex, ns):
    "What is wrong with what students get: its tests must ask for an answer"
    src = blank(text(ex.answer))
    test = text(ex.test)
    for tests,name in ((shown(test), 'the tests that students see'), (test, 'all tests')):
        space = dict(ns)
        e = attempt(src, space, 'answer') or attempt(tests, space)
        if isinstance(e, NotImplementedError): continue
        got = told(e, tests) if e else 'passes'
        yield f'the blank and {name}: {got}; expected NotImplementedError'

def try_mistake(src, test, ns):
    "What a wrong answer raises, and whether only the hidden tests notice it"
    space = dict(ns)
    e = attempt(src, space, 'answer') or attempt(shown(test), space)
    return (e, False) if e else (attempt(test, space), True)

def try_out(ex, ns):
    """Run an exercise by itself, with blank, solution and mistakes: what went wrong, and a note.
    `ns` is what stands before it"""
    answer = text(ex.answer)
    test = text(ex.test)
    bad = list(try_blank(ex, ns))
    space = dict(ns)
    if e := attempt(answer, space, 'answer') or attempt(test, space):
        return bad + [f'the solution fails: {told(e, test)}'], ''
    found = MISTAKE.findall(test)
    hidden = 0
    for why,old,new in found:
        e,only_hidden = try_mistake(answer.replace(old, new), test, ns)
        hidden += only_hidden
        if e is None: bad.append(f'mistake {why!r} passes')
        elif isinstance(e, (SyntaxError, NameError)):
            bad.append(f'mistake {why!r} is no code: {told(e, test)}')
    if not hidden: bad.append('its hidden tests catch no mistake that the others do not')
    return bad, f'{len(found)} mistakes caught, {hidden} of them by hidden tests alone'

# Where a notebook is opened, whether gamegen is there, and how many installations there must be
PLACES = [(None, False, 0), ('COLAB_RELEASE_TAG', True, 0), ('COLAB_RELEASE_TAG', False, 1),
          ('BINDER_REPO_URL', False, 1)]

def try_place(place, there):
    "What SETUP installs in a place, and what it raises"
    calls = []
    env = dict(os.environ)
    run = subprocess.run
    find = importlib.util.find_spec
    subprocess.run = lambda cmd, **kw: calls.append(cmd)
    importlib.util.find_spec = lambda name, *a: there and find(name, *a)
    try:
        for o in ('COLAB_RELEASE_TAG', 'BINDER_REPO_URL'): os.environ.pop(o, None)
        if place: os.environ[place] = 'x'
        return calls, attempt(SETUP, {})
    finally:
        subprocess.run = run
        importlib.util.find_spec = find
        os.environ.clear()
        os.environ.update(env)

def try_setup():
    "What is wrong with what SETUP does in the three places"
    bad = []
    for place,there,want in PLACES:
        calls,e = try_place(place, there)
        by_pip = all(c[1:4] == ['-m', 'pip', 'install'] for c in calls)
        if not e and len(calls) == want and by_pip: continue
        bad.append(f"{place or 'elsewhere'}, gamegen {'there' if there else 'missing'}: "
                   f"{len(calls)} installations; expected {want} {e or ''}")
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
    exs = list(enumerate(exercises(nb), 1))
    answers = {e.answer['id']:(i, e) for i,e in exs}
    tests = {e.test['id'] for _,e in exs}
    for c in nb['cells']:
        if c['cell_type'] != 'code' or c['id'] in tests: continue
        if c['id'] in answers:
            i,ex = answers[c['id']]
            start = time.perf_counter()
            bad,note = try_out(ex, ns)
            say(bad, f'{i}. {ex.title}', f'{time.perf_counter() - start:5.1f} s  {note}')
        elif e := attempt(text(c), ns): say([told(e, text(c))], f"cell {c['id']}", 'fails')
    return ok

# --- points for students

def code_of(nb): return [c for c in nb['cells'] if c['cell_type'] == 'code']
def without_magics(src): return re.sub(r'^(\s*)[%!].*$', r'\1pass', src, flags=re.M)

def same_tests(ids, nb):
    "How many graded cells of `nb` are among `ids`"
    return len(ids & {marks(c).get('grade_id') for c in nb['cells'] if marks(c).get('grade')})

def points_of(fn):
    """Points of a notebook that was handed in: the exercises' notebook, `{exercise: points}`.
    Tests are taken from the source"""
    cells = code_of(load(fn))
    ids = {marks(c).get('grade_id') for c in cells}
    src = max(sources(), key=lambda o: same_tests(ids, load(o)))
    nb = load(src)
    if not same_tests(ids, nb): raise ValueError('holds no exercise of this classroom')
    locked = {marks(c)['grade_id']:c for c in code_of(nb) if marks(c).get('locked')}
    got = {k:0 for k,c in locked.items() if marks(c).get('grade')}
    ns = {'__name__':'__main__'}
    for c in cells:
        k = marks(c).get('grade_id')
        e = attempt(text(locked[k]) if k in locked else without_magics(text(c)), ns)
        if k in got and e is None: got[k] = marks(locked[k])['points']
    return src.stem, got

def graded(fn, child):
    "The row of a file that was handed in"
    try: p = subprocess.run([*child, '--points', fn], capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired: return [fn, '', 0, '', f'stopped after {LIMIT} s']
    try: name,got = json.loads(p.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return [fn, '', 0, '', (p.stderr.strip().splitlines() or ['no result'])[-1]]
    tests = [c for c in load(HOME/f'{name}.ipynb')['cells'] if marks(c).get('grade')]
    of = sum(marks(c)['points'] for c in tests)
    points = ' '.join(f"{k.removesuffix('-test')}:{v}" for k,v in got.items())
    return [fn, name, sum(got.values()), of, points]

def grade(files, child):
    "Print the points of each file, as CSV"
    out = csv.writer(sys.stdout)
    out.writerow(['file', 'notebook', 'points', 'of', 'exercises'])
    for fn in files: out.writerow(graded(fn, child))

# --- all of it

def write(path, nb):
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_suffix('.tmp')
    tmp.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
    tmp.replace(path)

def run_child(fn, child):
    "What checking a notebook of exercises in a process of its own says"
    if bad := problems(fn): return '\n'.join(f'FAIL {o}' for o in bad)
    try: p = subprocess.run([*child, '--one', fn.stem], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired: return f'FAIL {fn.stem}: stopped after {LIMIT} s'
    died = p.returncode and 'FAIL' not in p.stdout
    return p.stdout.rstrip() + (f'\nFAIL {fn.stem}: {p.stderr.strip()[-500:]}' if died else '')

def build(files):
    "Write the versions for students and for nbgrader"
    for f in files:
        write(OUT/'student'/f.name, student(load(f)))
        write(OUT/'source'/f.stem/f.name, unfolded(load(f)))
    print(f"{len(files)} notebooks for students in {(OUT/'student').relative_to(ROOT)}; "
          'checking that blanks fail and solutions pass', flush=True)

def check(files, child):
    "Check the set-up cell and every exercise; how many passed and failed"
    bad = try_setup()
    head = 'FAIL ' if bad else 'ok   '
    lines = [head + 'set-up cell: installs in Colab and on Binder, nothing elsewhere']
    lines += [f'     {o}' for o in bad]
    print('\n'.join(lines), flush=True)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    with ThreadPoolExecutor(min(2, cpus or 1)) as pool:
        for res in pool.map(lambda f: run_child(f, child), files):
            print(res, flush=True)
            lines += res.splitlines()
    return [sum(o.startswith(k) for o in lines) for k in ('ok', 'FAIL')]

def main():
    ap = argparse.ArgumentParser(description='Build and check the exercises for students')
    ap.add_argument('names', nargs='*', help='notebooks, say 10_cgan; all by default. '
                                             'Or: grade FILE ...')
    ap.add_argument('--one', help=argparse.SUPPRESS)
    ap.add_argument('--points', help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.one: sys.exit(not run_one(HOME/f'{args.one}.ipynb'))
    if args.points: return print('\n' + json.dumps(points_of(args.points)))
    child = [sys.executable, __file__]
    os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    if args.names[:1] == ['grade']: return grade(args.names[1:], child)

    files = [f for f in sources() if not args.names or f.stem in args.names]
    lost = set(args.names) - {f.stem for f in files}
    if lost: sys.exit(f'error: no notebook classroom/{min(lost)}.ipynb')
    build(files)
    passed,failed = check(files, child)
    print(f'{passed} passed, {failed} failed')
    sys.exit(bool(failed) or not files)

if __name__ == '__main__': main()
