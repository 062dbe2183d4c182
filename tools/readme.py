"""Write README.md from nbs/index.ipynb: `python tools/readme.py`."""
import json, re
from base64 import b64decode
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by `make export`; edit that. -->\n'
ANSI = re.compile(r'\x1b\[[0-9;]*m')
join = lambda o: ''.join(o) if isinstance(o, list) else o

def output(o, pictures, heading=''):
    "One output of a cell as Markdown, pictures described by the heading they are under; they are put into `pictures` as {path: bytes}"
    d = o.get('data', {})
    if 'text' in o: d = {'text/plain':o['text']} if o.get('name') == 'stdout' else {}
    if 'image/png' in d:
        path = f'images/readme-{len(pictures)+1}.png'
        pictures[path] = b64decode(join(d['image/png']))
        return f'![{heading}]({path})'
    if 'text/markdown' in d: return join(d['text/markdown']).strip()
    txt = ANSI.sub('', join(d.get('text/plain', ''))).rstrip()
    return f'```text\n{txt}\n```' if txt else ''

def relink(src):
    "Links that hold in nbs/, as they hold in the top folder"
    return re.sub(r'\]\((\w+\.ipynb)', r'](nbs/\1', src.replace('](../', ']('))

def readme(fn=ROOT/'nbs/index.ipynb'):
    "The text of README.md, and its pictures"
    parts,pictures,heading = [],{},''
    for c in json.loads(Path(fn).read_text(encoding='utf-8'))['cells']:
        lines = join(c['source']).strip().splitlines()
        marks = [l for l in lines if re.match(r'\s*#\|', l)] if c['cell_type'] == 'code' else []
        src = '\n'.join(l for l in lines if l not in marks).strip()
        said = ' '.join(marks)
        if 'hide' in said.split() or 'default_exp' in said: continue
        if c['cell_type'] != 'code':
            heading = [heading, *re.findall(r'^#+ (.+)$', src, re.M)][-1]
            parts.append(relink(src))
            continue
        if 'echo: false' not in said and src: parts.append(f'```python\n{src}\n```')
        parts += [output(o, pictures, heading) for o in c['outputs']]
    return NOTE + '\n' + '\n\n'.join(p for p in parts if p) + '\n', pictures

if __name__ == '__main__':
    if not (ROOT/'nbs/index.ipynb').exists(): raise SystemExit('error: there is no nbs/index.ipynb to make README.md from')
    txt,pictures = readme()
    (ROOT/'README.md').write_text(txt, encoding='utf-8')
    for old in (ROOT/'images').glob('readme-*.png'): old.unlink()
    for path,b in pictures.items():
        (ROOT/path).parent.mkdir(exist_ok=True)
        (ROOT/path).write_bytes(b)
    print(f'README.md: {len(txt.splitlines())} lines, {len(pictures)} pictures')
