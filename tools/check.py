"""Check that library, notebooks, README and versions are in step: `python tools/check.py`. Changes nothing."""
import ast, hashlib, json, re, shutil, subprocess, sys, tempfile
from pathlib import Path

from classroom import problems
from readme import readme

ROOT = Path(__file__).resolve().parent.parent
join = lambda o: ''.join(o) if isinstance(o, list) else o

# --- which exported module may import which; a new module adds its line here

BASE = {'core', 'io', 'data', 'images', 'shards', 'simulate', 'batches', 'train', 'features', 'metrics', 'matchscore', 'show'}
MODELS = {'plan', 'cgan', 'football', 'lstm', 'creature_names', 'creature_table', 'creature_gan', 'creatures', 'pokemon_wgan', 'frame_nets', 'frame_scores', 'mario_dcgan', 'capture', 'maze',
          'latents', 'bvae_gpt', 'play', 'stylegan', 'ada', 'monster_scores', 'monsters', 'monster_explore', 'animate', 'deliver',
          'monster_page'}
MAY = {
    'core':     set(),
    'io':       {'core'},
    'data':     {'core', 'io'},
    'images':   {'core', 'io', 'data'},
    'shards':   {'core', 'io', 'data', 'images'},
    'simulate': {'core', 'io', 'data'},
    'batches':  {'core', 'io'},
    'train':    {'core', 'io', 'batches'},
    'features': {'core', 'data', 'images'},
    'metrics':  {'core', 'data', 'images', 'features'},
    'matchscore': {'core', 'data', 'features', 'metrics'},
    'creature_score': {'core', 'data', 'metrics'},
    'frames': {'core', 'data', 'images'},
    'show':     {'core'},
    'games':    {'core'},
    'recordings': {'core', 'images', 'features', 'show'},
    'screen':   {'core', 'frames'},
    'sprites':  {'core', 'images'},
    'sprite_sources': {'core', 'sprites'},
    'collect':  {'core', 'images'},
    'sheets':   {'core', 'images', 'sprites'},
    'plants':   {'core', 'frames', 'sprites'},
    'copies':   {'core', 'sprites'},
    'clean':    {'core', 'copies', 'features', 'sprites'},
    'labeller': {'core', 'clean', 'sprites'},
    'explore':  BASE,
    **{m:BASE for m in MODELS},
    'plan':     BASE | {'lstm'},
    'cgan':     BASE | {'lstm', 'plan'},
    'football': BASE | {'lstm', 'plan', 'cgan'},
    'creature_gan': BASE | {'creature_table'},
    'pokemon_wgan': BASE | {'creature_names', 'creature_table', 'creature_gan'},
    'creatures': BASE | {'creature_names', 'creature_table', 'creature_gan', 'pokemon_wgan'},
    'frame_nets': BASE | {'frames'},
    'mario_dcgan': BASE | {'frames', 'frame_nets'},
    'frame_scores': BASE | {'frames', 'frame_nets', 'mario_dcgan'},
    'capture':  BASE | {'recordings', 'screen'},
    'maze':     BASE | {'capture', 'recordings', 'screen'},
    'bvae_gpt': BASE | {'games', 'latents'},
    'play':     BASE | {'bvae_gpt', 'frames', 'games', 'latents', 'maze', 'screen'},
    'stylegan': BASE | {'frame_nets'},
    'ada':      {'core', 'batches'},
    'monster_scores': BASE | {'stylegan'},
    'monsters': BASE | {'ada', 'monster_scores', 'sprites', 'stylegan'},
    'browser':  {'core'},
    'results':  {'core', 'io'},
    'cards':    {'core', 'io'},
    'deliver':  BASE | {'animate', 'monsters', 'sheets', 'sprites', 'stylegan'},
    'monster_explore': BASE | {'monster_scores', 'monsters', 'sprites', 'stylegan'},
    'monster_page': BASE | {'animate', 'deliver', 'monster_explore', 'monster_scores', 'monsters'},
    'animate':  BASE | {'ada', 'sheets', 'sprites', 'stylegan'},
    'studio':   BASE | MODELS,
    'demo':     BASE | MODELS | {'explore', 'studio'},
    'bench':    BASE | MODELS | {'explore', 'studio'},
    'cli':      {'core', 'frames', 'mario_dcgan'},      # what a command needs is imported by name when it runs
}

# --- what is looked at

def notebooks(): return sorted((ROOT/'nbs').glob('*.ipynb'))
def modules(): return [o for o in sorted((ROOT/'gamegen').glob('*.py')) if not o.stem.startswith('_')]
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
            mod = '.'.join(o for o in (['gamegen'] if n.level else []) + [n.module or ''] if o)
            names = [f'{mod}.{o.name}' for o in n.names] if mod == 'gamegen' else [mod]
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
    return bad + [f'nbs/index.ipynb: does not link to {o.name}' for o in notebooks() if o.stem != 'index' and f'({"nbs/"+o.name})' not in txt]

def check_figures():
    "the figures in README.md are those that data/, bench/, the weights and the notebooks keep"
    sys.path.insert(0, str(ROOT))
    from gamegen.results import headlines
    have = set((ROOT/'README.md').read_text(encoding='utf-8').splitlines())
    return [f'README.md: does not say "{o}"; run nbs/index.ipynb with `tools/test.py --save index`, then `make export`'
            for o in headlines('nbs/').splitlines() if o not in have]

def check_order():
    "modules import only what is below them"
    bad = []
    for f in modules():
        if f.stem not in MAY: bad.append(f'gamegen/{f.name}: unknown module; add its line to MAY in tools/check.py'); continue
        for o,line in imports(f).items():
            parts = o.split('.')
            if parts[0] != 'gamegen' or len(parts) < 2 or parts[1].startswith('_') or parts[1] == f.stem: continue
            if parts[1] not in MAY[f.stem]: bad.append(f'gamegen/{f.name}:{line}: may not import {parts[1]}; '
                                                      f"allowed: {', '.join(sorted(MAY[f.stem])) or 'nothing of gamegen'}")
    return bad

def check_nbdev():
    "the library does without nbdev at run time"
    return [f'gamegen/{f.name}:{line}: imports {o}' for f in modules() for o,line in imports(f).items() if o.split('.')[0] == 'nbdev']

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
        nb,name = load(fn),fn.name
        if len(nb['cells']) > 85: bad.append(f"{name}: {len(nb['cells'])} cells; split it")
        if fn.stat().st_size > 1e6: bad.append(f'{name}: {fn.stat().st_size/1e6:.1f} MB; make its pictures smaller')
        if nb['metadata'].get('widgets'): bad.append(f'{name}: holds widget state')
        if not any(c['outputs'] for c in code_cells(fn)): bad.append(f'{name}: no cell has an output; was it run?')
        for c in code_cells(fn):
            src,where = join(c['source']),f"{name}, cell {c['id']}"
            marks = re.findall(r'^\s*#\|\s*(.+?)\s*$', src, re.M)
            n = len([l for l in src.splitlines() if not l.lstrip().startswith('#|')])
            if any(re.match(r'exports?i?\b', o) for o in marks) and n > 50: bad.append(f'{where}: exports {n} lines; split it')
            if any(o['output_type'] == 'error' for o in c['outputs']): bad.append(f'{where}: holds an error')
            if any('widget' in k for o in c['outputs'] for k in o.get('data', {})): bad.append(f'{where}: holds a widget')
            if not c['outputs'] and shows(src) and 'eval: false' not in marks: bad.append(f'{where}: has no output; run `make notebooks`')
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
                if m: bad.append(f"{f.name}, cell {c['id']}: its output names {m[0]}")
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

def main():
    checks,failed = [v for k,v in globals().items() if k.startswith('check_')],0
    for f in checks:
        bad = f()
        print(f"{'FAIL' if bad else 'ok  '} {f.__doc__}", flush=True)
        for o in bad: print(f'     {o}')
        failed += bool(bad)
    print(f'{len(checks)-failed} passed, {failed} failed')
    sys.exit(bool(failed))

if __name__ == '__main__': main()
