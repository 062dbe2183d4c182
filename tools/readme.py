"""Write README.md from nbs/index.ipynb: `python tools/readme.py`.

With --run, do what a newcomer does who pastes from it: take README.md a section at a time, each in
a folder and a namespace of its own, compare what its code writes with what README.md shows, and run
the commands that it quotes.
"""
import argparse
import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from base64 import b64decode
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by `make export`; edit that. -->\n'
ANSI = re.compile(r'\x1b\[[0-9;]*m')
HELP_ONLY = ('match-train', 'monsters-page')    # they need a file of the reader's, or never end
join = lambda o: ''.join(o) if isinstance(o, list) else o

# --- from notebook to README

def output(o, pictures, said):
    """One output of a cell as Markdown. Pictures go into `pictures` as `{path: bytes}`, described by
    what is `said` of them"""
    d = o.get('data', {})
    if 'text' in o: d = {'text/plain':o['text']} if o.get('name') == 'stdout' else {}
    if 'image/png' in d:
        path = f'images/readme-{len(pictures)+1}.png'
        pictures[path] = b64decode(join(d['image/png']))
        return f'![{said}]({path})'
    if 'text/markdown' in d: return relink(join(d['text/markdown']).strip())
    txt = ANSI.sub('', join(d.get('text/plain', ''))).rstrip()
    return f'```text\n{txt}\n```' if txt else ''

def relink(src):
    "Links that hold in nbs/, as they hold in the top folder"
    return re.sub(r'\]\(([\w/]+\.ipynb)', r'](nbs/\1', src.replace('](../', ']('))

def split_marks(c):
    "The `#|` lines of a cell, as one line of text, and the rest of it"
    lines = join(c['source']).strip().splitlines()
    is_code = c['cell_type'] == 'code'
    marks = [l for l in lines if is_code and re.match(r'\s*#\|', l)]
    return ' '.join(marks), '\n'.join(l for l in lines if l not in marks).strip()

def readme(fn=ROOT/'nbs/index.ipynb'):
    "The text of README.md, and its pictures"
    parts = []
    pictures = {}
    heading = ''
    for c in json.loads(Path(fn).read_text(encoding='utf-8'))['cells']:
        marks,src = split_marks(c)
        if 'hide' in marks.split() or 'default_exp' in marks: continue
        if c['cell_type'] != 'code':
            heading = [heading, *re.findall(r'^#+ (.+)$', src, re.M)][-1]
            parts.append(relink(src))
            continue
        if 'echo: false' not in marks and src: parts.append(f'```python\n{src}\n```')
        alt = re.search(r'fig-alt: "(.+?)"', marks)
        parts += [output(o, pictures, alt[1] if alt else heading) for o in c['outputs']]
    return NOTE + '\n' + '\n\n'.join(p for p in parts if p) + '\n', pictures

# --- as a newcomer

def sections(txt):
    "`{heading: [(code, what README.md shows under it), ...]}`"
    res = {}
    for part in re.split(r'^## ', txt, flags=re.M)[1:]:
        blocks = re.findall(r'^```(python|text)\n(.*?)^```', part, re.M | re.S)
        runs = []
        for kind,body in blocks:
            if kind == 'python': runs.append((body, []))
            elif runs: runs[-1][1].append(body)
        if runs: res[part.splitlines()[0]] = [(code, '\n'.join(o)) for code,o in runs]
    return res

def paste(code, space):
    "What a notebook would show of a cell: what it prints, and its last value"
    body = ast.parse(code).body
    out = StringIO()
    has_value = isinstance(body[-1], ast.Expr) and not code.rstrip().endswith(';')
    last = body.pop() if has_value else None
    with redirect_stdout(out):
        exec(compile(ast.Module(body, []), 'README.md', 'exec'), space)
        if last is None: return out.getvalue()
        value = eval(compile(ast.Expression(last.value), 'README.md', 'eval'), space)
        is_drawing = type(value).__module__.startswith('matplotlib')
        if value is not None and not is_drawing: print(repr(value))
    return out.getvalue()

def alike(got, want):
    "The same words, and numbers within a fiftieth: processors round in their own ways"
    number = r'-?\d+(?:\.\d+)?'
    a,b = (re.sub(r'\s+', ' ', o).strip() for o in (got, want))
    if re.sub(number, '#', a) != re.sub(number, '#', b): return False
    def near(x, y): return abs(x - y) <= .02*max(abs(x), abs(y), .5)
    return all(map(near, map(float, re.findall(number, a)), map(float, re.findall(number, b))))

def run_section(runs):
    "What is wrong with a section, pasted cell by cell in the current folder"
    space = {}
    try:
        for code,want in runs:
            got = paste(code, space)
            if want and not alike(got, want): return f'shows\n{want}\nand writes\n{got}'
    except Exception as e: return f'{type(e).__name__}: {e}'
    return ''

def run_code(txt):
    "Each section on its own; yields (what, what is wrong)"
    import matplotlib
    matplotlib.use('Agg')
    import pandas as pd
    pd.set_option('display.width', 120)
    home = os.getcwd()
    for heading,runs in sections(txt).items():
        with tempfile.TemporaryDirectory() as tmp:
            os.chdir(tmp)
            bad = run_section(runs)
            os.chdir(home)
        yield heading, bad

def run_commands(txt):
    "The commands of the library that are quoted; yields (what, what is wrong)"
    here = Path(sys.executable).parent
    env = dict(os.environ, PATH=f"{here}{os.pathsep}{os.environ['PATH']}")
    for cmd in dict.fromkeys(re.findall(r'`(gamegen [^`]+)`', txt)):
        words = shlex.split(cmd.split(' >> ')[0])
        if words[1] in HELP_ONLY: words = [*words[:2], '--help']
        with tempfile.TemporaryDirectory() as tmp:
            p = subprocess.run(words, cwd=tmp, env=env, capture_output=True, text=True,
                               stdin=subprocess.DEVNULL)
            made = p.stdout or list(Path(tmp).iterdir())
        ok = p.returncode == 0 and made
        yield cmd, '' if ok else (p.stderr or 'made nothing').strip().splitlines()[-1]

def run():
    "Do what README.md says; did anything fail?"
    txt = (ROOT/'README.md').read_text(encoding='utf-8')
    found = []
    for f in (run_code, run_commands):
        for what,bad in f(txt):
            found.append(bad)
            note = f'\n     {bad}' if bad else ''
            print(f"{'FAIL' if bad else 'ok  '} {what}{note}", flush=True)
    failed = sum(map(bool, found))
    print(f'{len(found) - failed} passed, {failed} failed')
    return failed > 0

def write():
    "Write README.md and its pictures"
    if not (ROOT/'nbs/index.ipynb').exists():
        raise SystemExit('error: there is no nbs/index.ipynb to make README.md from')
    txt,pictures = readme()
    (ROOT/'README.md').write_text(txt, encoding='utf-8')
    for old in (ROOT/'images').glob('readme-*.png'): old.unlink()
    for path,b in pictures.items():
        (ROOT/path).parent.mkdir(exist_ok=True)
        (ROOT/path).write_bytes(b)
    print(f'README.md: {len(txt.splitlines())} lines, {len(pictures)} pictures')

if __name__ == '__main__':
    ap = argparse.ArgumentParser(description='Write README.md, or do what it says')
    ap.add_argument('--run', action='store_true', help="run README.md's code and commands")
    sys.exit(run() if ap.parse_args().run else write())
