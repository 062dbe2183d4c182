"""Check that library, notebooks, README and versions are in step: `python tools/check.py`. Changes nothing."""
import ast, hashlib, json, re, shutil, subprocess, sys, tempfile
from pathlib import Path

from classroom import problems
from readme import readme

ROOT = Path(__file__).resolve().parent.parent
join = lambda o: ''.join(o) if isinstance(o, list) else o

# --- what is looked at

def notebooks(): return sorted(o for o in (ROOT/'nbs').rglob('*.ipynb') if not o.parent.name.startswith('.'))
def modules(): return [o for o in sorted((ROOT/'gamegen').rglob('*.py')) if not o.stem.startswith('_')]
def name_of(fn): return '.'.join(fn.relative_to(ROOT/'gamegen').with_suffix('').parts)
def where(fn): return fn.relative_to(ROOT).as_posix()
def load(fn): return json.loads(fn.read_text(encoding='utf-8'))
def code_cells(fn): return [c for c in load(fn)['cells'] if c['cell_type'] == 'code' and join(c['source']).strip()]
def tree_hash(root): return {str(f.relative_to(root)):hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(root.rglob('*')) if f.is_file()}

def committed():
    "Files that git has, or would take"
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT/o for o in out.split('\0') if o and (ROOT/o).is_file()]

def imports(fn):
    "`{module: line}` of what `fn` imports, gamegen's own modules as gamegen.NAME"
    res = {}
    for n in ast.walk(ast.parse(fn.read_text(encoding='utf-8'))):
        if isinstance(n, ast.Import): names = [o.name for o in n.names]
        elif isinstance(n, ast.ImportFrom):
            home = fn.relative_to(ROOT).parent.parts
            above = list(home[:len(home) - n.level + 1]) if n.level else []
            mod = '.'.join(above + [n.module] if n.module else above)
            names = [f'{mod}.{o.name}' for o in n.names]
        else: continue
        for o in names: res.setdefault(o, n.lineno)
    return res

# --- the checks: each returns what is wrong, or a list that is empty

def check_export():
    "nbdev-export and nbdev-clean change nothing"
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)/'tree'
        for o in ('nbs', 'gamegen'): shutil.copytree(ROOT/o, tmp/o, ignore=shutil.ignore_patterns('__pycache__', '.*'))
        for o in ('pyproject.toml', 'settings.ini'): shutil.copy2(ROOT/o, tmp/o)
        old = tree_hash(tmp)
        for cmd in ('nbdev-export', 'nbdev-clean'):
            p = subprocess.run([str(Path(sys.executable).with_name(cmd))], cwd=tmp, capture_output=True, text=True)
            if p.returncode: return [f'{cmd} failed: {p.stderr.strip().splitlines()[-1]}']
        new = tree_hash(tmp)
    return [f'{o}: out of step; run `make export` and commit' for o in sorted(old.keys() | new.keys()) if old.get(o) != new.get(o)]

def check_readme():
    "README.md is made from nbs/index.ipynb, which links to every notebook"
    if not (ROOT/'nbs/index.ipynb').exists(): return ['nbs/index.ipynb: missing']
    txt,pictures = readme()
    bad = [] if (ROOT/'README.md').read_text(encoding='utf-8') == txt else ['README.md']
    bad += [o for o,b in pictures.items() if not (ROOT/o).exists() or (ROOT/o).read_bytes() != b]
    bad = [f'{o}: not what nbs/index.ipynb says; run `make export` and commit' for o in bad]
    return bad + [f'nbs/index.ipynb: does not link to {where(o)}' for o in notebooks() if o.stem != 'index' and f'({where(o)})' not in txt]

def check_figures():
    "the figures in README.md are those that data/, bench/, the weights and the notebooks keep"
    sys.path.insert(0, str(ROOT))
    from gamegen.report.results import headlines
    have = set((ROOT/'README.md').read_text(encoding='utf-8').splitlines())
    return [f'README.md: does not say "{o}"; run nbs/index.ipynb with `tools/test.py --save index`, then `make export`'
            for o in headlines('nbs/').splitlines() if o not in have]

def edges():
    "`{(module, module it imports): line}` within the library; imports in functions count too"
    files = {name_of(f):f for f in modules()}
    res = {}
    for k,f in files.items():
        for o,line in imports(f).items():
            to = o.removeprefix('gamegen.')
            while to not in files and '.' in to: to = to.rpartition('.')[0]
            if o.startswith('gamegen.') and to in files and to != k: res.setdefault((k, to), line)
    return res

def rooms(arrows):
    """`{module: room}`. The room of a module in a package is that package, but sprites are monsters' material. A chapter,
    which is a module at the top whose notebook has a number from 10 up, belongs to the package that it trades with"""
    chapters = {o.stem.split('_', 1)[1] for o in (ROOT/'nbs').glob('[1-9]?_*.ipynb')}
    folder = lambda m: dict(sprite='monster').get(m.partition('.')[0], m.partition('.')[0])
    res = {name_of(f):folder(name_of(f)) if '.' in name_of(f) else 'foundation' for f in modules()}
    for m in sorted(chapters & res.keys()):
        near = [res[b if a == m else a] for a,b in arrows if m in (a, b)]
        systems = [o for o in near if o not in ('foundation', *GUESTS)]
        res[m] = max(systems, key=systems.count, default=m)
    return {k:k if k in GUESTS else v for k,v in res.items()}

GUESTS = {'report', 'cli', 'studio'}       # they may import every room
EXTRA = {('dream', 'play')}                # and the dream of a game may use the game

def circles(arrows):
    "Modules that import each other in a circle, one list for each circle found"
    to = {}
    done = set()
    bad = []
    for a,b in arrows: to.setdefault(a, []).append(b)
    def walk(m, path):
        if m in path: bad.append([*path[path.index(m):], m]); return
        if m in done: return
        for o in to.get(m, ()): walk(o, [*path, m])
        done.add(m)
    for m in list(to): walk(m, [])
    return bad

def check_order():
    "no room imports another one, the foundation imports no room, and nothing imports in a circle"
    arrows = edges()
    home = rooms(arrows)
    bad = []
    for (a, b),line in sorted(arrows.items()):
        x,y = home[a],home[b]
        if x in GUESTS or y in (x, 'foundation') or (x, y) in EXTRA: continue
        bad.append(f"gamegen/{a.replace('.', '/')}.py:{line}: {a} ({x}) may not import {b} ({y}); expected the foundation or {x}")
    return bad + ['in a circle: ' + ' -> '.join(o) for o in circles(arrows)]

def check_nbdev():
    "the library does without nbdev at run time"
    return [f'{where(f)}:{line}: imports {o}' for f in modules() for o,line in imports(f).items() if o.split('.')[0] == 'nbdev']

def check_syntax():
    "the library parses as Python 3.10, tools/setup_env.py as 3.6"
    bad = []
    for f,v in [(o, (3,10)) for o in modules()] + [(ROOT/'tools/setup_env.py', (3,6))]:
        try: ast.parse(f.read_text(encoding='utf-8'), feature_version=v)
        except SyntaxError as e: bad.append(f'{f.relative_to(ROOT)}:{e.lineno}: {e.msg}')
    return bad

def shows(src):
    "Does a cell with this code surely have an output?"
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', '', src, flags=re.M)).body
    except SyntaxError: return False
    is_print = lambda n: isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and getattr(n.value.func, 'id', '') == 'print'
    last = body[-1] if body else None
    value = isinstance(last, ast.Expr) and not isinstance(last.value, (ast.Call, ast.Await, ast.Yield)) and not src.rstrip().endswith(';')
    return any(map(is_print, body)) or value

def check_notebooks():
    "notebooks are executed, clean and small: 80 cells or so, 1 MB, exports of 50 lines at most"
    bad = []
    for fn in notebooks():
        nb = load(fn)
        name = where(fn)
        if len(nb['cells']) > 85: bad.append(f"{name}: {len(nb['cells'])} cells; split it")
        if fn.stat().st_size > 1e6: bad.append(f'{name}: {fn.stat().st_size/1e6:.1f} MB; make its pictures smaller')
        if nb['metadata'].get('widgets'): bad.append(f'{name}: holds widget state')
        if not any(c['outputs'] for c in code_cells(fn)): bad.append(f'{name}: no cell has an output; was it run?')
        for c in code_cells(fn):
            src = join(c['source'])
            at = f"{name}, cell {c['id']}"
            marks = re.findall(r'^\s*#\|\s*(.+?)\s*$', src, re.M)
            n = len([l for l in src.splitlines() if not l.lstrip().startswith('#|')])
            if any(re.match(r'exports?i?\b', o) for o in marks) and n > 50: bad.append(f'{at}: exports {n} lines; split it')
            if any(o['output_type'] == 'error' for o in c['outputs']): bad.append(f'{at}: holds an error')
            if any('widget' in k for o in c['outputs'] for k in o.get('data', {})): bad.append(f'{at}: holds a widget')
            if not c['outputs'] and shows(src) and 'eval: false' not in marks: bad.append(f'{at}: has no output; run `make notebooks`')
    return bad

def check_classroom():
    "each numbered notebook of a system has its exercises, each with solution, hidden tests and a row in the teacher's page"
    bad = [f'classroom/{o.name}: missing' for o in sorted((ROOT/'nbs').glob('[0-6]0_*.ipynb')) if not (ROOT/'classroom'/o.name).exists()]
    return bad + [o for f in sorted((ROOT/'classroom').glob('*.ipynb')) for o in problems(f)]

def check_version():
    "the version agrees in gamegen/__init__.py, CITATION.cff and CHANGELOG.md"
    find = lambda fn,pat: (re.search(pat, (ROOT/fn).read_text(encoding='utf-8'), re.M) or [None, 'none'])[1]
    v = {'gamegen/__init__.py':find('gamegen/__init__.py', r'^__version__ = ["\'](.+?)["\']'),
         'CITATION.cff':find('CITATION.cff', r'^version: ["\']?([^"\'\s]+)'), 'CHANGELOG.md':find('CHANGELOG.md', r'^## \[?([\w.]+)')}
    return [] if len(set(v.values())) == 1 else [', '.join(f'{k} says {o}' for k,o in v.items())]

def check_paths():
    "no file names a folder of the machine that it was made on"
    home = re.compile(r'(?<![\w.~-])/(?:' + '|'.join(['wor'+'k', 'roo'+'t', r'home/\w+', r'Users/\w+']) + r')/')
    tmp = re.compile(r'(?<![\w.~-])/(?:tmp|var/folders)/\w+')
    bad = []
    for f in committed():
        if f.suffix == '.ipynb':
            for c in code_cells(f):
                txt = ''.join(join(v) for o in c['outputs'] for k,v in [('', o.get('text', '')), *o.get('data', {}).items()] if not k.startswith('image/png'))
                m = home.search(txt) or tmp.search(txt)
                if m: bad.append(f"{where(f)}, cell {c['id']}: its output names {m[0]}")
        try: m = home.search(f.read_text(encoding='utf-8')) if f.stat().st_size < 2e6 else None
        except UnicodeDecodeError: continue
        if m: bad.append(f'{f.relative_to(ROOT)}: names {m[0]}')
    return bad

def check_import():
    "`import gamegen, gamegen.core` leaves PyTorch alone"
    src = 'import sys, time; t = time.perf_counter(); import gamegen, gamegen.core; print(time.perf_counter()-t, "torch" in sys.modules)'
    p = subprocess.run([sys.executable, '-c', src], cwd=ROOT, capture_output=True, text=True)
    if p.returncode: return [p.stderr.strip().splitlines()[-1]]
    secs,torch = p.stdout.split()
    print(f'     import gamegen, gamegen.core: {float(secs):.2f} s')
    return ['it imports torch'] if torch == 'True' else []

DRAW = ('cgan', 'match.commands', 'lstm', 'pokemon_wgan', 'mario_dcgan', 'play.slots', 'bvae_gpt', 'play.agents', 'monsters',
        'monster.animate', 'monster.deliver')
HEAVY = ('fastai', 'sklearn', 'matplotlib', 'scipy.stats', 'torchvision')

def check_light():
    "what draws from weights that ship leaves fastai, scikit-learn and matplotlib alone"
    src = f'import sys\nfor o in {DRAW}: __import__("gamegen." + o)\nprint(*(o for o in {HEAVY} if o in sys.modules))'
    p = subprocess.run([sys.executable, '-c', src], cwd=ROOT, capture_output=True, text=True)
    if p.returncode: return [p.stderr.strip().splitlines()[-1]]
    return [f'importing them imports {o}' for o in p.stdout.split()]

def main():
    checks = [v for k,v in globals().items() if k.startswith('check_')]
    failed = 0
    for f in checks:
        bad = f()
        print(f"{'FAIL' if bad else 'ok  '} {f.__doc__}", flush=True)
        for o in bad: print(f'     {o}')
        failed += bool(bad)
    print(f'{len(checks)-failed} passed, {failed} failed')
    sys.exit(bool(failed))

if __name__ == '__main__': main()
