"""Check that library, notebooks, README and versions are in step: `python tools/check.py`.

Changes nothing.
"""
import ast
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
from PIL import Image

from classroom import problems
from density import FOLDERS, LIMITS, NAMES, measured, total
from formulas import not_drawn
from pictures import alike, keep_small, quantised
from readme import readme

ROOT = Path(__file__).resolve().parent.parent
join = lambda o: ''.join(o) if isinstance(o, list) else o

# --- what is looked at

def notebooks():
    "All notebooks below nbs/"
    return sorted(o for o in (ROOT/'nbs').rglob('*.ipynb') if not o.parent.name.startswith('.'))

def modules(root=ROOT):
    "All modules of the library"
    return [o for o in sorted((root/'gamegen').rglob('*.py')) if not o.stem.startswith('_')]

def name_of(fn, root=ROOT):
    "The name of a module within the library, as match.plan"
    return '.'.join(fn.relative_to(root/'gamegen').with_suffix('').parts)

def where(fn): return fn.relative_to(ROOT).as_posix()
def load(fn): return json.loads(fn.read_text(encoding='utf-8'))
def text_of(name): return (ROOT/name).read_text(encoding='utf-8')

def code_cells(nb):
    "Its code cells that hold something"
    return [c for c in nb['cells'] if c['cell_type'] == 'code' and join(c['source']).strip()]

def tree_hash(root):
    "`{file: hash}` of a folder"
    files = [f for f in sorted(root.rglob('*')) if f.is_file()]
    return {str(f.relative_to(root)):hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

def committed():
    "Files that git has, or would take"
    cmd = ['git', 'ls-files', '-co', '--exclude-standard', '-z']
    out = subprocess.run(cmd, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT/o for o in out.split('\0') if o and (ROOT/o).is_file()]

def names_in(node, home):
    "What an import statement of a module in the package `home` imports, in full"
    if isinstance(node, ast.Import): return [o.name for o in node.names]
    if not isinstance(node, ast.ImportFrom): return []
    above = list(home[:len(home) - node.level + 1]) if node.level else []
    mod = '.'.join(above + [node.module] if node.module else above)
    return [f'{mod}.{o.name}' for o in node.names]

def imports(fn, root=ROOT):
    "`{module: line}` of what `fn` imports, gamegen's own modules as gamegen.NAME"
    home = fn.relative_to(root).parent.parts
    res = {}
    for node in ast.walk(ast.parse(fn.read_text(encoding='utf-8'))):
        for o in names_in(node, home): res.setdefault(o, node.lineno)
    return res

# --- the checks: each returns what is wrong, or a list that is empty

def check_export():
    "nbdev-export and nbdev-clean change nothing"
    ignore = shutil.ignore_patterns('__pycache__', '.*')
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)/'tree'
        for o in ('nbs', 'gamegen'): shutil.copytree(ROOT/o, tmp/o, ignore=ignore)
        for o in ('pyproject.toml', 'settings.ini'): shutil.copy2(ROOT/o, tmp/o)
        old = tree_hash(tmp)
        for name in ('nbdev-export', 'nbdev-clean'):
            cmd = str(Path(sys.executable).with_name(name))
            p = subprocess.run([cmd], cwd=tmp, capture_output=True, text=True)
            if p.returncode: return [f'{name} failed: {p.stderr.strip().splitlines()[-1]}']
        new = tree_hash(tmp)
    changed = [o for o in sorted(old.keys() | new.keys()) if old.get(o) != new.get(o)]
    return [f'{o}: out of step; run `make export` and commit' for o in changed]

def check_readme():
    "README.md is made from nbs/index.ipynb, which links to every notebook"
    if not (ROOT/'nbs/index.ipynb').exists(): return ['nbs/index.ipynb: missing']
    txt,pictures = readme()
    same = lambda name, b: (ROOT/name).exists() and (ROOT/name).read_bytes() == b
    bad = [] if text_of('README.md') == txt else ['README.md']
    bad += [o for o,b in pictures.items() if not same(o, b)]
    bad = [f'{o}: not what nbs/index.ipynb says; run `make export` and commit' for o in bad]
    lost = [o for o in notebooks() if o.stem != 'index' and f'({where(o)})' not in txt]
    return bad + [f'nbs/index.ipynb: does not link to {where(o)}' for o in lost]

def check_figures():
    "the figures in README.md are those that data/, bench/, the weights and the notebooks keep"
    sys.path.insert(0, str(ROOT))
    from gamegen.report.results import headlines
    have = set(text_of('README.md').splitlines())
    cure = 'run nbs/index.ipynb with `tools/test.py --save index`, then `make export`'
    lost = [o for o in headlines('nbs/').splitlines() if o not in have]
    return [f'README.md: does not say "{o}"; {cure}' for o in lost]

# --- who may import whom

GUESTS = {'report', 'cli', 'studio', 'bestiary'}   # they may import every room
EXTRA = {('world', 'play'), ('world', 'report')}   # and the dream of a game the game, and a browser

def edges(root=ROOT):
    "`{(module, module it imports): line}` within the library; imports in functions count too"
    files = {name_of(f, root):f for f in modules(root)}
    res = {}
    for name,f in files.items():
        for full,line in imports(f, root).items():
            if not full.startswith('gamegen.'): continue
            to = full.removeprefix('gamegen.')
            while to not in files and '.' in to: to = to.rpartition('.')[0]
            if to in files and to != name: res.setdefault((name, to), line)
    return res

def folder_of(name):
    "The room of a module, by its folder; sprites are monsters' material"
    if '.' not in name: return 'foundation'
    folder = name.partition('.')[0]
    return 'monster' if folder == 'sprite' else folder

def rooms(arrows, root=ROOT):
    """`{module: room}`. The room of a module in a package is that package. A chapter, a module at
    the top whose notebook has a number from 10 up, belongs to the package that it trades with"""
    chapters = {o.stem.split('_', 1)[1] for o in (root/'nbs').glob('[1-9]?_*.ipynb')}
    names = [name_of(f, root) for f in modules(root)]
    res = {o:folder_of(o) for o in names}
    for m in sorted(chapters.intersection(names)):
        near = [b if a == m else a for a,b in arrows if m in (a, b)]
        systems = [res[o] for o in near if res[o] not in ('foundation', *GUESTS)]
        res[m] = max(systems, key=systems.count, default=m)
    return {k:k if k in GUESTS else v for k,v in res.items()}

def circles(arrows):
    "Modules that import each other in a circle, one list for each circle found"
    to = {}
    for a,b in arrows: to.setdefault(a, []).append(b)
    done = set()
    bad = []
    def walk(m, path):
        if m in path: return bad.append([*path[path.index(m):], m])
        if m in done: return
        for o in to.get(m, ()): walk(o, [*path, m])
        done.add(m)
    for m in list(to): walk(m, [])
    return bad

def check_order(root=ROOT):
    "no room imports another one, the foundation imports no room, and nothing imports in a circle"
    arrows = edges(root)
    home = rooms(arrows, root)
    bad = []
    for (a, b),line in sorted(arrows.items()):
        x = home[a]
        y = home[b]
        if x in GUESTS or y in (x, 'foundation') or (x, y) in EXTRA: continue
        want = 'the foundation' if x == 'foundation' else f'the foundation or {x}'
        bad.append(f"gamegen/{a.replace('.', '/')}.py:{line}: {a} ({x}) may not import {b} ({y}); "
                   f'expected {want}')
    return bad + ['in a circle: ' + ' -> '.join(o) for o in circles(arrows)]

# A line that must not stand in a module, and what `check_order` says of it
PLANTED = [
    ('pokemon_wgan', 'from gamegen.cgan import x',
     'pokemon_wgan (creature) may not import cgan (match)'),
    ('play/games', 'from ..monsters import x',
     'play.games (play) may not import monsters (monster)'),
    ('core', 'import gamegen.match.plan',
     'core (foundation) may not import match.plan (match)'),
    ('core', 'def f():\n    from gamegen.io import x',
     'in a circle: core -> io -> core')]

def check_planted_imports():
    "the check above finds a bad import, and a circle, where one is planted"
    bad = []
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        for f in [*modules(), *notebooks()]:
            (tmp/where(f)).parent.mkdir(parents=True, exist_ok=True)
            (tmp/where(f)).write_bytes(f.read_bytes() if f.suffix == '.py' else b'')
        for name,line,said in PLANTED:
            fn = tmp/f'gamegen/{name}.py'
            clean = fn.read_text(encoding='utf-8')
            fn.write_text(f'{clean}\n{line}\n', encoding='utf-8')
            if not any(said in o for o in check_order(tmp)):
                bad.append(f'`{line}` in gamegen/{name}.py: not found; expected "{said}"')
            fn.write_text(clean, encoding='utf-8')
    return bad

# --- code

def check_density():
    "code is no denser than CONTRIBUTING.md says"
    counts = measured(ROOT/o for o in FOLDERS)
    every = total(counts.values())
    bad = []
    for i,(name,limit) in enumerate(zip(NAMES, LIMITS)):
        share = every.shares()[i]
        if share <= limit: continue
        worst = sorted(counts, key=lambda f: -counts[f][i + 1])[:5]
        files = ', '.join(f'{where(f)} {counts[f][i + 1]}' for f in worst if counts[f][i + 1])
        bad.append(f'{name}: {share:.1%}; expected {limit:.1%} at most. Most in {files}')
    return bad

def check_nbdev():
    "the library does without nbdev at run time"
    return [f'{where(f)}:{line}: imports {o}' for f in modules()
            for o,line in imports(f).items() if o.split('.')[0] == 'nbdev']

def check_syntax():
    "the library parses as Python 3.10, tools/setup_env.py as 3.6"
    versions = {o:(3,10) for o in modules()} | {ROOT/'tools/setup_env.py':(3,6)}
    bad = []
    for f,v in versions.items():
        try: ast.parse(f.read_text(encoding='utf-8'), feature_version=v)
        except SyntaxError as e: bad.append(f'{where(f)}:{e.lineno}: {e.msg}')
    return bad

# --- notebooks

CHAPTERS = ('00_explore', '10_cgan', '20_lstm', '30_pokemon_wgan', '40_mario_dcgan', '50_bvae_gpt',
            '60_monsters', '70_dream')
CELLS = 85                                   # of a notebook, at most
EXPORTED = 40                                # lines of an exported cell, at most

def is_print(node):
    "Is it a line that prints?"
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)): return False
    return getattr(node.value.func, 'id', '') == 'print'

def shows(src):
    "Does a cell with this code surely have an output?"
    try: body = ast.parse(re.sub(r'^\s*[%!].*$', '', src, flags=re.M)).body
    except SyntaxError: return False
    if any(map(is_print, body)): return True
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or src.rstrip().endswith(';'): return False
    return not isinstance(last.value, (ast.Call, ast.Await, ast.Yield))

def wrong_with_cell(c):
    "What is wrong with a code cell"
    src = join(c['source'])
    marks = re.findall(r'^\s*#\|\s*(.+?)\s*$', src, re.M)
    exported = any(re.match(r'exports?i?\b', o) for o in marks)
    n = sum(not l.lstrip().startswith('#|') for l in src.splitlines())
    kinds = {k for o in c['outputs'] for k in o.get('data', {})}
    if exported and n > EXPORTED: yield f'exports {n} lines; split it'
    if any(o['output_type'] == 'error' for o in c['outputs']): yield 'holds an error'
    if any('widget' in k for k in kinds): yield 'holds a widget'
    if not c['outputs'] and shows(src) and 'eval: false' not in marks:
        yield 'has no output; run `make notebooks`'

def pictures(nb):
    "How many pictures a notebook shows"
    data = [o.get('data', {}) for c in code_cells(nb) for o in c['outputs']]
    return sum(any(k.startswith('image/') for k in d) for d in data)

def wrong_with_chapter(name, nb):
    "What a chapter lacks: a network, an equation, a paper, pictures"
    cells = nb['cells']
    code = '\n'.join(join(c['source']) for c in code_cells(nb))
    prose = '\n'.join(join(c['source']) for c in cells if c['cell_type'] == 'markdown')
    if name != '00_explore' and not re.search(r'^class \w+\(nn\.Module', code, re.M):
        yield 'defines no nn.Module'
    if not re.search(r'\$\$.+?\$\$', prose, re.S): yield 'has no equation ($$...$$)'
    if not re.search(r'https://(arxiv|doi)\.org/', prose):
        yield 'links to no paper (arxiv.org, doi.org)'
    if pictures(nb) < 5: yield f'shows {pictures(nb)} pictures; expected five or more'

def wrong_with(fn):
    "What is wrong with a notebook"
    nb = load(fn)
    chapter = fn.stem in CHAPTERS and fn.parent.name == 'nbs'
    cells = len(nb['cells'])
    size = fn.stat().st_size/1e6
    if cells > CELLS: yield f'{cells} cells; expected {CELLS} at most'
    if size > 1: yield f'{size:.1f} MB; make its pictures smaller'
    if nb['metadata'].get('widgets'): yield 'holds widget state'
    if not any(c['outputs'] for c in code_cells(nb)): yield 'no cell has an output; was it run?'
    if chapter: yield from wrong_with_chapter(fn.stem, nb)
    for c in code_cells(nb): yield from (f"cell {c['id']}: {o}" for o in wrong_with_cell(c))

def check_notebooks():
    "notebooks are executed, clean and small; chapters have network, equation, paper, pictures"
    return [f'{where(fn)}: {o}' for fn in notebooks() for o in wrong_with(fn)]

def check_formulas():
    "formulas can be drawn where Quarto is not installed"
    bad = []
    for fn in notebooks():
        for c in load(fn)['cells']:
            if c['cell_type'] != 'markdown': continue
            bad += [f"{where(fn)}, cell {c['id']}: {o}" for o in not_drawn(join(c['source']))]
    return bad

def as_notebook(png):
    "A notebook whose one cell shows a picture"
    output = dict(output_type='display_data', data={'image/png':b64encode(png).decode()})
    return dict(cells=[dict(id='one', cell_type='code', outputs=[output])])

def saved(new, old):
    "The picture that `tools/test.py --save` writes for `new` where `old` was"
    nb = as_notebook(new)
    keep_small(nb, as_notebook(old))
    return b64decode(nb['cells'][0]['outputs'][0]['data']['image/png'])

def check_pictures():
    "saved plots get a palette, photographs none, and unchanged pictures keep their bytes"
    def png(x, **kw):
        out = io.BytesIO()
        Image.fromarray(x).save(out, 'PNG', **kw)
        return out.getvalue()
    plot = np.full((60, 80, 4), 255, np.uint8)
    plot[20:40,10:70,:3] = np.random.default_rng(0).integers(0, 200, (20, 60, 1))
    photo = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    changed = plot.copy()
    changed[5,5,:3] = 0
    old = png(plot, compress_level=1)
    wanted = {
        'a plot in a palette':Image.open(io.BytesIO(quantised(old))).mode == 'P',
        'a plot that shows the same':alike(quantised(old), old),
        'a photograph as it was':quantised(png(photo)) == png(photo),
        'old bytes for the same pixels':saved(png(plot), old) == old,
        'old bytes in a palette for the same pixels':saved(old, quantised(old)) == quantised(old),
        'new bytes for one other pixel':alike(saved(png(changed), old), png(changed))}
    return [f'tools/pictures.py: expected {k}' for k,ok in wanted.items() if not ok]

def check_classroom():
    "each chapter has exercises with solution, hidden tests and a row in the teacher's page"
    lost = [o for o in CHAPTERS if not (ROOT/f'classroom/{o}.ipynb').exists()]
    bad = [f'classroom/{o}.ipynb: missing' for o in lost]
    return bad + [o for f in sorted((ROOT/'classroom').glob('*.ipynb')) for o in problems(f)]

# --- the rest

VERSIONS = {'gamegen/__init__.py':r'^__version__ = ["\'](.+?)["\']',
            'CITATION.cff':r'^version: ["\']?([^"\'\s]+)',
            'CHANGELOG.md':r'^## \[?([\w.]+)'}

def check_version():
    "the version agrees in gamegen/__init__.py, CITATION.cff and CHANGELOG.md"
    found = {k:re.search(o, text_of(k), re.M) for k,o in VERSIONS.items()}
    says = {k:m[1] if m else 'none' for k,m in found.items()}
    if len(set(says.values())) == 1: return []
    return [', '.join(f'{k} says {o}' for k,o in says.items())]

# The names are put together here, so that this file does not hold them
HOMES = ['wor'+'k', 'roo'+'t', r'home/\w+', r'Users/\w+']
HOME = re.compile(r'(?<![\w.~-])/(?:' + '|'.join(HOMES) + r')/')
TMP = re.compile(r'(?<![\w.~-])/(?:tmp|var/folders)/\w+')

def output_text(c):
    "All text in the outputs of a cell"
    parts = [o.get('text', '') for o in c['outputs']]
    for o in c['outputs']:
        data = o.get('data', {})
        parts += [v for k,v in data.items() if not k.startswith('image/png')]
    return ''.join(join(o) for o in parts)

def named_in_outputs(fn):
    "Folders that outputs of a notebook name"
    for c in code_cells(load(fn)):
        txt = output_text(c)
        m = HOME.search(txt) or TMP.search(txt)
        if m: yield f"{where(fn)}, cell {c['id']}: its output names {m[0]}"

def check_paths():
    "no file names a folder of the machine that it was made on"
    bad = []
    for f in committed():
        if f.suffix == '.ipynb': bad += named_in_outputs(f)
        if f.stat().st_size > 2e6: continue
        try: m = HOME.search(f.read_text(encoding='utf-8'))
        except UnicodeDecodeError: continue
        if m: bad.append(f'{where(f)}: names {m[0]}')
    return bad

def python(src):
    "What a fresh Python prints, and its last line of error"
    p = subprocess.run([sys.executable, '-c', src], cwd=ROOT, capture_output=True, text=True)
    return p.stdout, p.stderr.strip().splitlines()[-1] if p.returncode else ''

def check_import():
    "`import gamegen, gamegen.core` leaves PyTorch alone"
    out,error = python('import sys, time; t = time.perf_counter(); import gamegen, gamegen.core; '
                       'print(time.perf_counter() - t, "torch" in sys.modules)')
    if error: return [error]
    secs,torch = out.split()
    print(f'     import gamegen, gamegen.core: {float(secs):.2f} s')
    return ['it imports torch'] if torch == 'True' else []

DRAW = ('cgan', 'match.commands', 'lstm', 'pokemon_wgan', 'mario_dcgan', 'play.slots', 'bvae_gpt',
        'play.agents', 'monsters', 'monster.animate', 'monster.deliver', 'frame.tools',
        'bestiary.deliver')
HEAVY = ('fastai', 'sklearn', 'matplotlib', 'scipy.stats', 'torchvision')

def check_light():
    "what draws from weights that ship leaves fastai, scikit-learn and matplotlib alone"
    out,error = python(f'import sys\nfor o in {DRAW}: __import__("gamegen." + o)\n'
                       f'print(*(o for o in {HEAVY} if o in sys.modules))')
    return [error] if error else [f'importing them imports {o}' for o in out.split()]

def check_graphs():
    "the graphs in data/onnx, by which drawing does without PyTorch, are those of data/weights"
    from studio import wrong_graphs
    return [f'{o}; `make studio` writes them' for o in wrong_graphs()]

def check_golden():
    "each graph gives for the same inputs what data/onnx/golden.json says"
    from studio import wrong_golden
    return [f'{o}; `make studio` writes them' for o in wrong_golden()]

STREAMS = """
import sys
import gamegen.core as core
plain,values,users = core.stream,{},{}
def stream(seed, name):
    at = sys._getframe(1)
    while at.f_code.co_filename == core.__file__: at = at.f_back
    users.setdefault((seed, name), set()).add((at.f_code.co_filename, at.f_lineno))
    values[seed,name] = plain(seed, name)
    return values[seed,name]
core.stream = stream
from gamegen.cgan import generate_match
from gamegen.pokemon_wgan import generate_creatures
from gamegen.mario_dcgan import generate_frames
from gamegen.monsters import generate_monsters
generate_match(1, seed=5)
generate_creatures(5, seed=5, family=True)
generate_creatures(5, seed=5, bst=500)
generate_frames(2, seed=5)
generate_monsters(2, seed=5)
systems = {name.split('/')[0] for _,name in values}
if systems != {'match', 'creatures', 'frames', 'monsters'}: print('of systems', *sorted(systems))
if len(set(values.values())) < len(values): print('two names give one stream')
for (seed,name),at in users.items():
    if len(at) > 1: print(name, 'is drawn in', *sorted(f'{f}:{line}' for f,line in at))
"""

def check_streams():
    "no two streams of random numbers agree, over all systems that draw from one seed"
    out,error = python(STREAMS)
    return [error] if error else out.splitlines()

def main():
    checks = [v for k,v in globals().items() if k.startswith('check_')]
    failed = 0
    for f in checks:
        bad = f()
        print(f"{'FAIL' if bad else 'ok  '} {f.__doc__}", flush=True)
        for o in bad: print(f'     {o}')
        failed += bool(bad)
    print(f'{len(checks) - failed} passed, {failed} failed')
    sys.exit(bool(failed))

if __name__ == '__main__': main()
