"""Write README.md from nbs/index.ipynb: `python tools/readme.py`. With --run, do as a newcomer who pastes what it says.

--run takes README.md a section at a time, each in a folder and a namespace of its own, compares what its code writes with
what README.md shows, and runs the commands that it quotes.
"""
import argparse, ast, json, os, re, shlex, subprocess, sys, tempfile
from base64 import b64decode
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by `make export`; edit that. -->\n'
ANSI = re.compile(r'\x1b\[[0-9;]*m')
HELP_ONLY = ('match-train', 'monsters-page')    # commands that wait for a file of the reader's, or that serve until stopped
join = lambda o: ''.join(o) if isinstance(o, list) else o

# --- from notebook to README

def output(o, pictures, said):
    "One output of a cell as Markdown, pictures described by what is `said` of them; they are put into `pictures` as {path: bytes}"
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

def readme(fn=ROOT/'nbs/index.ipynb'):
    "The text of README.md, and its pictures"
    parts = []
    pictures = {}
    heading = ''
    for c in json.loads(Path(fn).read_text(encoding='utf-8'))['cells']:
        lines = join(c['source']).strip().splitlines()
        marks = [l for l in lines if re.match(r'\s*#\|', l)] if c['cell_type'] == 'code' else []
        src = '\n'.join(l for l in lines if l not in marks).strip()
        marked = ' '.join(marks)
        if 'hide' in marked.split() or 'default_exp' in marked: continue
        if c['cell_type'] != 'code':
            heading = [heading, *re.findall(r'^#+ (.+)$', src, re.M)][-1]
            parts.append(relink(src))
            continue
        if 'echo: false' not in marked and src: parts.append(f'```python\n{src}\n```')
        alt = re.search(r'fig-alt: "(.+?)"', marked)
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
    last = body.pop() if isinstance(body[-1], ast.Expr) and not code.rstrip().endswith(';') else None
    with redirect_stdout(out):
        exec(compile(ast.Module(body, []), 'README.md', 'exec'), space)
        value = eval(compile(ast.Expression(last.value), 'README.md', 'eval'), space) if last else None
        if value is not None and not type(value).__module__.startswith('matplotlib'): print(repr(value))
    return out.getvalue()

def alike(got, want):
    "The same words, and numbers within a fiftieth: processors round in their own ways"
    number = r'-?\d+(?:\.\d+)?'
    a,b = (re.sub(r'\s+', ' ', o).strip() for o in (got, want))
    if re.sub(number, '#', a) != re.sub(number, '#', b): return False
    return all(abs(float(x) - float(y)) <= .02*max(abs(float(x)), abs(float(y)), .5) for x,y in zip(re.findall(number, a), re.findall(number, b)))

def run_code(txt):
    "Each section on its own; yields (what, what is wrong)"
    import matplotlib
    matplotlib.use('Agg')
    import pandas as pd
    pd.set_option('display.width', 120)
    for heading,runs in sections(txt).items():
        space = {}
        home = os.getcwd()
        with tempfile.TemporaryDirectory() as tmp:
            os.chdir(tmp)
            try:
                for code,want in runs:
                    got = paste(code, space)
                    if want and not alike(got, want): yield heading, f'shows\n{want}\nand writes\n{got}'
            except Exception as e: yield heading, f'{type(e).__name__}: {e}'
            else: yield heading, ''
            finally: os.chdir(home)

def run_commands(txt):
    "The commands of the library that are quoted; yields (what, what is wrong)"
    env = {**os.environ, 'PATH':f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for cmd in dict.fromkeys(re.findall(r'`(gamegen [^`]+)`', txt)):
        words = shlex.split(cmd.split(' >> ')[0])
        if words[1] in HELP_ONLY: words = [*words[:2], '--help']
        with tempfile.TemporaryDirectory() as tmp:
            p = subprocess.run(words, cwd=tmp, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            made = p.stdout or list(Path(tmp).iterdir())
        yield cmd, '' if p.returncode == 0 and made else (p.stderr or 'made nothing').strip().splitlines()[-1]

def run():
    txt = (ROOT/'README.md').read_text(encoding='utf-8')
    failed = 0
    n = 0
    for f in (run_code, run_commands):
        for what,bad in f(txt):
            print(f"{'FAIL' if bad else 'ok  '} {what}" + f'\n     {bad}'*bool(bad), flush=True)
            n = n + 1
            failed = failed + bool(bad)
    print(f'{n-failed} passed, {failed} failed')
    return bool(failed)

def write():
    if not (ROOT/'nbs/index.ipynb').exists(): raise SystemExit('error: there is no nbs/index.ipynb to make README.md from')
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
