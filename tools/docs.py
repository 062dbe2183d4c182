"""Build the site into _docs/ from the executed notebooks: `python tools/docs.py`.

nbdev puts the library's signatures into the notebooks. Quarto renders them where it is installed;
where it is not, smalldocs does, in pure Python. Then every internal link is checked. Where Chromium
is installed, every page is opened in it, at two widths and in both themes, and searched for errors,
overflow and pictures without a description, and with axe-core (`npm install --global axe-core`) for
barriers to accessibility.
"""
import ast
import configparser
import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import yaml
from nbdev.config import nbpath2html

from formulas import NotDrawn, drawn

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT/'_proc/site'
OUT = ROOT/'_docs'
ini = configparser.ConfigParser(delimiters=['='])
ini.read(ROOT/'settings.ini', encoding='utf-8')
meta = ini['DEFAULT']
join = lambda o: ''.join(o) if isinstance(o, list) else o
NBS = ROOT/'nbs'

def notebooks(root=NBS):
    "All notebooks below `root`, sorted by folder and number"
    def hidden(fn): return any(o.startswith(('.', '_')) for o in fn.relative_to(root).parts)
    return sorted(o for o in root.rglob('*.ipynb') if not hidden(o))

def page(fn, root=NBS):
    "The name of a notebook's page: without its number, in the folder that the notebook is in"
    return nbpath2html(Path(fn).relative_to(root)).with_suffix('.ipynb').as_posix()

def link(to, here):
    "A link to the page `to` from the page `here`, both named as below the site"
    return Path(os.path.relpath(to, Path(here).parent)).as_posix()

# --- nbdev's part

def process():
    "nbdev's processed notebooks, with links into the repository"
    import nbdev.processors as procs
    from nbdev.serve import proc_nbs
    from gamegen import _modidx
    _modidx.d['settings'].update(git_url=meta['git_url'], branch=meta['branch'])
    do_eval = procs._do_eval
    run = {'export', 'exports', 'exporti', 'exec_doc'}
    # Of the cells that are not exported, nbdev runs those with an import; here only where there is
    # nothing else. No commands
    def only_imports(cell):
        return all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in cell.parsed_())
    def evaluate(cell):
        if not do_eval(cell): return
        return cell.directives_.keys() & run or 'show_doc' in cell.source or only_imports(cell)
    procs._do_eval = evaluate
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return proc_nbs(force=True, n_workers=0)

# --- pages

def line_of(cell):
    "The source line of the symbol that a `show_doc` cell shows, else None"
    if 'show_doc(' not in join(cell['source']): return None
    m = re.search(r'\.py#L(\d+)', json.dumps(cell.get('outputs', '')))
    return int(m[1]) if m else None

def on_github(path): return f"{meta['git_url']}/blob/{meta['branch']}/{path}"

def launch(fn):
    "The line under a page's title that opens its notebook elsewhere"
    repo = meta['git_url'].removeprefix('https://github.com/')
    branch = meta['branch']
    path = fn.relative_to(ROOT).as_posix()
    in_binder = f"{repo}/{branch}?labpath={quote(path, safe='')}"
    colab = 'https://colab.research.google.com/github'
    links = {'Open in Colab': f'{colab}/{repo}/blob/{branch}/{path}',
             'Launch on Binder': f'https://mybinder.org/v2/gh/{in_binder}',
             'Notebook on GitHub': on_github(path)}
    return '::: {.launch}\n' + ' '.join(f'[{k}]({v})' for k,v in links.items()) + '\n:::'

def headings(cell):
    "The symbols that a `show_doc` cell shows"
    if line_of(cell) is None: return []
    shown = [join(o.get('data', {}).get('text/markdown', '')) for o in cell['outputs']]
    return [o for md in shown for o in re.findall(r'^#+ (\S+)$', md, re.M)]

def symbols(nbs):
    "Where the site shows a symbol, as {page.html#anchor}"
    found = [(name, o) for name,nb in nbs.items() for c in nb['cells'] for o in headings(c)]
    return {f"{Path(name).with_suffix('.html')}#{o.lower()}" for name,o in found}

TOP = ('CHANGELOG.md', 'CONTRIBUTING.md')        # pages of the site, beside the notebooks
PICTURES = ROOT/'images'

def place_of(url, home):
    "The file that a link in the folder `home` leads to, if it is one of the repository"
    for base in (home, NBS, ROOT):
        f = (base/url).resolve()
        if f.exists() and f.is_relative_to(ROOT): return f

def relink(md, known, here='index.ipynb', home=NBS):
    """Links to symbols, between notebooks and to files of the repository, as they hold on the page
    `here` of the site; those in `md` hold in the folder `home`"""
    def symbol(m):
        txt = m[1]
        to = m[2]
        while to not in known and '.' in to.split('#')[1]: to = to.rpartition('.')[0]
        return f'[{txt}]({link(to, here)})' if to in known else txt
    def one(m):
        url,mark,part = m[1].partition('#')
        if not url or '://' in url or url.startswith('mailto:'): return m[0]
        f = place_of(url, home)
        if f is None: return m[0]
        rel = f.relative_to(ROOT).as_posix()
        to = on_github(rel)
        if f.suffix == '.ipynb' and f.is_relative_to(NBS): to = link(page(f), here)
        elif rel in TOP or f.parent == PICTURES: to = link(rel, here)
        elif rel == 'README.md': to = link('index.ipynb', here)
        return f']({to}{mark}{part})'
    md = re.sub(r'\[([^\]]+)\]\(/([\w/]+\.html#[^)\s]+)\)', symbol, md)
    return re.sub(r'\]\(([^)\s]+)\)', one, md)

def plain(md):
    "No signature where it says nothing, as for most errors; no `__main__.` before classes"
    empty = r'```python\ndef \w+\(\n    \*args, \*\*kwargs\n\):\n```\n+'
    return re.sub(empty, '', md).replace('__main__.', '')

def prose_below_title(fn):
    "What follows the title and its sentence in their cell, all of which nbdev makes front matter"
    from nbdev.doclinks import NbdevLookup
    for c in json.loads(fn.read_text(encoding='utf-8'))['cells']:
        if c['cell_type'] != 'markdown': continue
        src = join(c['source'])
        m = re.match(r'# .+\n*(?:^>.*\n*)*', src, re.M)
        if m: return NbdevLookup().linkify(src[m.end():].strip()) or ''
    return ''

def in_order(cells):
    "nbdev shows the symbols of one cell last to first: turn each such run round"
    res = []
    run = []
    for c in cells:
        if c['cell_type'] == 'code' and line_of(c) is not None:
            run.append(c)
            continue
        res += sorted(run, key=line_of) + [c]
        run = []
    return res + sorted(run, key=line_of)

DECORATION = re.compile(r'<!--.*?-->|^:::[^\n]*$|^>|```.*?```|!\[.*?\]\(.*?\)', re.M | re.S)

class Said:
    "The heading and the sentence that stand above the place where reading is"
    def __init__(self):
        self.head = ''
        self.prose = ''

    def read(self, cell):
        "Take in a cell"
        src = join(cell['source'])
        title = cell['cell_type'] == 'raw' and re.search(r'^title: (.+)$', src, re.M)
        if title: self.head = title[1].strip('\'" ')
        if cell['cell_type'] != 'markdown': return
        text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', DECORATION.sub('', src))
        for l in text.splitlines():
            if not l.startswith('#'): continue
            self.head = re.sub(r'[*`$#{}]|\{.*\}', '', l).strip()
            self.prose = ''
        lines = re.sub(r'[*`$|]', '', text).splitlines()
        body = ' '.join(o for o in lines if o.strip() and not o.startswith(('#', '-', ' ')))
        said = re.match(r'.{40,}?[.!?:](?= |$)|.+', body.strip())   # a sentence, or two short ones
        if said: self.prose = said[0][:200]

    def alt(self):
        "A description of a picture that stands here"
        prose = self.prose or 'what the code above draws'
        return f"{self.head or 'Picture'}: {prose}".replace('\\', '')

def describe(cell, alt):
    "Give the pictures of a code cell the description `alt`"
    outputs = [o.get('data', {}) for o in cell.get('outputs', [])]
    drawn = any(k.startswith('image/') for d in outputs for k in d)
    src = join(cell['source'])
    if drawn and 'fig-alt' not in src:
        cell['source'] = f'#| fig-alt: {json.dumps(alt)}\n#| fig-align: left\n{src}'
    img = f'<img alt="{html.escape(alt, quote=True)}"'
    for d in outputs:
        for k in d.keys() & {'text/html', 'text/markdown'}:
            d[k] = re.sub(r'<img(?![^>]*\balt=)', lambda m: img, join(d[k]))

def described(cells):
    "Give the pictures of all cells a description, from the heading and the prose above them"
    said = Said()
    for c in cells:
        said.read(c)
        if c['cell_type'] == 'code': describe(c, said.alt())

def as_page(nb, fn, known):
    "Make the notebook `fn`, as nbdev has processed it, the page that Quarto gets"
    name = page(fn)
    here = functools.partial(relink, known=known, here=name, home=fn.parent)
    for c in nb['cells']:
        src = join(c['source'])
        # the page has its name already
        if c['cell_type'] == 'raw': c['source'] = re.sub(r'^output-file:.*\n', '', src, flags=re.M)
        if c['cell_type'] == 'markdown': c['source'] = here(src)
        for o in c.get('outputs', []):
            d = o.get('data', {})
            if 'text/markdown' in d: d['text/markdown'] = here(plain(join(d['text/markdown'])))
    nb['cells'] = in_order(nb['cells'])
    described(nb['cells'])
    top = f'{launch(fn)}\n\n{here(prose_below_title(fn))}'
    nb['cells'].insert(1, dict(cell_type='markdown', id='launch', metadata={}, source=top))
    nb['metadata'].pop('widgets', None)
    return nb

# The studio, drawn live at the head of the first page
EMBED = """```{=html}
<iframe class="studio" src="studio/index.html?embed" title="The studio: monsters, being drawn"></iframe>
<p class="launch"><a href="cards/index.html">Cards of 24 creatures</a>
<a href="game/index.html">A game made of them</a></p>
```"""

# What commands make, as pages of the site: folder, and the name of its link
MADE = {'cards':'Cards', 'game':'Game'}

def stage(cache, studio):
    "Put the pages of the site into `SITE`, under the names that nbdev links to"
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir()
    read = lambda fn: json.loads(fn.read_text(encoding='utf-8'))
    nbs = {page(fn, cache):read(fn) for fn in notebooks(cache)}
    names = {page(fn):fn for fn in notebooks()}
    if len(names) != len(notebooks()): sys.exit('error: two notebooks have one page; rename one')
    known = symbols(nbs)
    for name,nb in nbs.items():
        (SITE/name).parent.mkdir(exist_ok=True)
        nb = as_page(nb, names[name], known)
        if studio and name == 'index.ipynb':
            cell = dict(cell_type='markdown', id='studio', metadata={}, source=EMBED)
            nb['cells'].insert(1, cell)
        (SITE/name).write_text(json.dumps(nb), encoding='utf-8')
    (SITE/'reference.md').write_text(reference(known), encoding='utf-8')
    shutil.copytree(PICTURES, SITE/PICTURES.name, ignore=shutil.ignore_patterns('readme-*'))
    for o in TOP:
        md = relink((ROOT/o).read_text(encoding='utf-8'), known, home=ROOT)
        (SITE/o).write_text(md, encoding='utf-8')

REFERENCE = """---
title: Reference
description: Every function and class, with the page that explains it.
---

A name leads to its signature, where each parameter is described, among examples and tests.
"""

def docstrings(tree):
    "`{name: docstring}` of the functions and classes of a module"
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {n.name:ast.get_docstring(n) or '' for n in tree.body if isinstance(n, kinds)}

def reference_rows(module, syms, says, known):
    "A line for each symbol of a module that the site shows"
    for full,(to,_) in syms.items():
        name = full.removeprefix(f'{module}.')
        if to not in known or name not in says: continue
        first = says[name].splitlines()[0].replace('|', '&#124;') if says[name] else 'see there'
        yield f'- [`{name}`]({to}): {first}'

def reference(known):
    """The page of all that can be imported: modules in the order of the sidebar, each symbol with
    what it says of itself"""
    from gamegen import _modidx
    parts = [REFERENCE]
    syms = {m:d for m,d in _modidx.d['syms'].items() if d}
    pages = [o for section in sidebar() for o in section['contents']]
    place = lambda d: Path(next(iter(d.values()))[0].partition('#')[0]).with_suffix('.ipynb')
    def order(m):
        name = place(syms[m]).as_posix()
        return pages.index(name) if name in pages else len(pages)
    for m in sorted(syms, key=order):
        d = syms[m]
        tree = ast.parse((ROOT/next(iter(d.values()))[1]).read_text(encoding='utf-8'))
        rows = list(reference_rows(m, d, docstrings(tree), known))
        if rows: parts += [f'## {m}', '', ast.get_docstring(tree) or '', '', *rows, '']
    return '\n'.join(parts)

# The sidebar: the chapters first, then the rooms of each system. A folder that is not named here
# comes last, by its own name
FOLDERS = {'match':'Matches', 'creature':'Creatures', 'frame':'Frames', 'play':'Play',
           'sprite':'Sprites', 'monster':'Monsters', 'report':'Results and reports'}
FOUNDATION = re.compile(r'0[1-9]')

def folder_of(fn): return fn.parent.relative_to(NBS).as_posix()

def sidebar():
    "The sections of the sidebar, each with its pages"
    top = [o for o in notebooks() if folder_of(o) == '.' and o.stem != 'index']
    rooms = [o for o in notebooks() if folder_of(o) != '.']
    others = [k for k in map(folder_of, rooms) if k not in (*FOLDERS, 'guide')]
    names = FOLDERS | {k:k.capitalize() for k in others}
    res = {'Start here':[page(o) for o in rooms if folder_of(o) == 'guide'] + ['reference.md'],
           'Chapters':[page(o) for o in top if not FOUNDATION.match(o.name)]}
    for folder,title in names.items():
        res[title] = [page(o) for o in rooms if folder_of(o) == folder]
    res['Foundation'] = [page(o) for o in top if FOUNDATION.match(o.name)]
    return [dict(section=k, contents=v) for k,v in res.items() if v]

def configure(fallback, studio):
    "Write the site's _quarto.yml: the top-level one, with what settings.ini and the notebooks say"
    cfg = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    web = cfg['website']
    web['title'] = meta['lib_name']
    web['description'] = meta['description']
    web['site-url'] = meta['doc_url']
    web['repo-url'] = meta['git_url']
    web['repo-branch'] = meta['branch']
    web['navbar']['right'].append(dict(text='GitHub', href=meta['git_url']))
    footer = web['page-footer']
    footer['left'] += (' Code: Apache-2.0. Data, weights and the pictures that they draw: '
                       f"[licences and sources]({on_github('NOTICE')}).")
    home = dict(text=meta['lib_name'], href='index.ipynb')
    first = [dict(text='Studio', href='studio/index.html')]*bool(studio)
    first += [dict(text=v, href=f'{k}/index.html') for k,v in MADE.items()]
    web['navbar']['left'][1:1] = first
    web['sidebar']['contents'] = [home]*(SITE/'index.ipynb').exists() + first + sidebar()
    if fallback:
        look = cfg['format']['html']
        for o in ('respect-user-color-scheme', 'grid', 'html-math-method'):
            del look[o]                      # done always, by site.css and by `finish`
        footer['right'] = 'Built by smalldocs, the fallback where Quarto is not installed.'
    (SITE/'_quarto.yml').write_text(yaml.safe_dump(cfg, sort_keys=False), encoding='utf-8')
    shutil.copy2(ROOT/'tools/site.css', SITE/'styles.css')
    for o in ('site.html', 'icon.svg'): shutil.copy2(ROOT/'tools'/o, SITE/o)

KATEX = re.compile(r'<link[^>]*katex[^>]*>|<script[^>]*katex[^>]*></script>')

def rewrite(fn, change):
    "Write a file anew if `change` changes its text"
    old = fn.read_text(encoding='utf-8')
    new = change(old)
    if new != old: fn.write_text(new, encoding='utf-8')

def finish(root, fallback):
    "Let the site ask no other one for anything: fonts, and the fallback's script for formulas"
    elsewhere = re.compile(r'@import\s*(?:url\([^)]*//[^)]*\)|"[^"]*//[^"]*")[^;{}]*;')
    for f in root.rglob('*.css'): rewrite(f, lambda o: elsewhere.sub('', o))
    if not fallback: return
    for f in root.rglob('*.html'):
        try: rewrite(f, lambda o: KATEX.sub('', drawn(o)))
        except NotDrawn as e: sys.exit(f'error: {f.relative_to(root)}: {e}')

def render(studio):
    "Quarto, else smalldocs; then the studio, if there is an engine for it"
    quarto = shutil.which('quarto')
    small = Path(sys.executable).with_name('smalldocs')
    if not quarto and not small.exists():
        sys.exit('error: neither Quarto nor the fallback smalldocs is here '
                 '(smalldocs needs Python 3.11 or newer); install Quarto.')
    if not quarto: print('Quarto is not installed: smalldocs builds the site.', flush=True)
    configure(not quarto, studio)
    cmd = [quarto, 'render', '--no-cache'] if quarto else [str(small), 'render', '--quiet', '.']
    p = subprocess.run(cmd, cwd=SITE, capture_output=True, text=True)
    said = p.stdout + p.stderr
    if p.returncode: sys.exit(f'{said}error: {Path(cmd[0]).name} could not build the site.')
    notes = [l for l in p.stderr.splitlines() if l.startswith('warning')]
    written = [f'/{o}/index.html' for o in ('studio', *MADE)]              # below
    notes = [l for l in notes if not any(o in l for o in written)]
    for l in notes: print('  ' + l)
    shutil.copytree(SITE/PICTURES.name, SITE/'_docs'/PICTURES.name, dirs_exist_ok=True)
    finish(SITE/'_docs', not quarto)
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(SITE/'_docs', OUT)
    write_made()
    if not studio: return
    from gamegen.studio import write_studio
    files = write_studio(OUT/'studio', studio, '../index.html')
    mb = sum(o.stat().st_size for o in files)/1e6
    print(f'_docs/studio: {len(files)} files, {mb:.1f} MB', flush=True)

def write_made():
    "A page of 24 creatures, and a game made of them, each with its licences"
    from gamegen.bestiary.deliver import write_bestiary
    from gamegen.bestiary.game import main as write_game
    from gamegen.bestiary.species import generate_bestiary
    with tempfile.TemporaryDirectory() as tmp:
        (made := Path(tmp)/'cards').mkdir()
        write_bestiary(made, generate_bestiary(24, seed=7))
        (OUT/'cards').mkdir()
        for o in ('index.html', 'print.pdf', 'GPL-2.txt', 'ATTRIBUTION.txt', 'OFL.txt'):
            shutil.copyfile(made/o, OUT/'cards'/o)
    write_game(7, str(OUT/'game'))

def find_engine():
    "The engine of the studio, or None and a line that says why the site is built without"
    from gamegen.core import DataError
    from gamegen.studio import fetch_engine
    try: return fetch_engine()
    except DataError as e: print(f'The site is built without the studio: {e}', flush=True)

# --- links

class Links(HTMLParser):
    "The links of a page, and the places that a link can lead to"
    def __init__(self, fn):
        super().__init__()
        self.urls = []
        self.ids = set()
        self.feed(fn.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        self.ids |= {d[o] for o in ('id', 'name') if d.get(o)}
        self.urls += [d[o] for o in ('href', 'src') if d.get(o)]

def leads_to(url, fn, root):
    "The file that a link on the page `fn` leads to"
    if not url.path: return fn.resolve()
    to = root/url.path.lstrip('/') if url.path.startswith('/') else fn.parent/unquote(url.path)
    return (to/'index.html' if to.is_dir() else to).resolve()

def check_links(root):
    "How many internal links there are in `root`, those that lead nowhere, and how many pages"
    pages = {f:Links(f) for f in root.rglob('*.html')}
    n = 0
    bad = []
    for f,o in pages.items():
        for url in map(urlsplit, o.urls):
            if url.scheme or url.netloc: continue
            n += 1
            to = leads_to(url, f, root)
            frag = unquote(url.fragment)
            lost = not to.is_file() or frag and to in pages and frag not in pages[to].ids
            if url.path.startswith('/') or lost:
                bad.append(f'{f.relative_to(root)}: {url.geturl()}')
    return n, bad, len(pages)

# --- pages, as people meet them

VIEWS = [(1280, False), (360, False), (1280, True), (360, True)]     # width, dark?

def find_axe():
    "axe-core's script: named by $AXE, in node_modules here or among npm's packages; else None"
    folders = [ROOT/'node_modules']
    if shutil.which('npm'):
        p = subprocess.run(['npm', 'root', '--global'], capture_output=True, text=True)
        folders.append(Path(p.stdout.strip() or '.'))
    named = [Path(os.environ['AXE'])] if os.environ.get('AXE') else []
    files = named + [o/'axe-core/axe.min.js' for o in folders]
    return next((o.read_text(encoding='utf-8') for o in files if o.is_file()), None)

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

LOOK = """({
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    dumb: [...document.images]
        .filter(i => !i.alt && i.getAttribute('role') != 'presentation').length})"""
AXE = """axe.run(document, {resultTypes: ['violations'], iframes: false, runOnly: %s}).then(r => r.violations
    .filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => `${v.id}, ${v.nodes.length} times, first ${v.nodes[0].html.slice(0, 120)} `
              + v.nodes[0].any.map(o => o.message).join(' ').slice(0, 160)))"""

# All rules once; then those that depend on the width, and on the colours
RULES = {(1280, False):['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
         (1280, True):['color-contrast'],
         (360, False):['scrollable-region-focusable', 'aria-hidden-focus', 'button-name',
                       'link-name', 'nested-interactive']}

def faults(tab, view, axe):
    "What is wrong with the page that a tab shows"
    got = tab.js(LOOK)
    rules = RULES.get(view)
    if got['over'] > 0: yield f"{got['over']} px too wide"
    if got['dumb'] and view == VIEWS[0]: yield f"{got['dumb']} pictures have no description"
    if axe and rules:
        tab.js('new Promise(o => setTimeout(o, 400))')      # colours fade from theme to theme
        tab.js(axe + '; 0')
        yield from tab.js(AXE % rules)
    for e in tab.errors:
        if e.get('entry', {}).get('level', 'error') == 'error': yield json.dumps(e)[:300]

def look_at(tab, url, axe):
    "What is wrong with a page, which is loaded once: an entry for each fault and view"
    bad = []
    tab.errors.clear()
    for view in VIEWS:
        width,dark = view
        theme = 'dark' if dark else 'light'
        tab('Emulation.setDeviceMetricsOverride', width=width, height=800, deviceScaleFactor=1,
            mobile=False)
        tab('Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value=theme)])
        if view == VIEWS[0]: tab.open(url)
        else: tab.js("dispatchEvent(new Event('resize')); 0")    # which a hidden tab is not told of
        where = f"{url.rpartition('/')[2]} ({width} px, {theme})"
        bad += [f'{where}: {o}' for o in faults(tab, view, axe)]
        tab.errors.clear()
    return bad

def serve(root):
    "A server of the site on this machine"
    handler = functools.partial(Quiet, directory=str(root))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

def look_at_all(base, names, axe, tabs):
    "What is wrong with the pages `names` of the site at `base`"
    from gamegen.report.browser import chromium
    with chromium(base) as first:
        free = [first] + [first.another(base) for _ in range(tabs - 1)]
        def one(name):
            tab = free.pop()
            try: return look_at(tab, base + name, axe)
            finally: free.append(tab)
        with ThreadPoolExecutor(tabs) as pool: found = list(pool.map(one, names))
        return [o for bad in found for o in bad]

def check_pages(root, tabs=2):
    "Open every page in Chromium; what is wrong, or None where there is no Chromium"
    from gamegen.report.browser import no_browser
    if no_browser():
        print(f'{no_browser()}: not installed; the pages were not tried in a browser')
        return
    axe = find_axe()
    if not axe: print('axe-core: not in $AXE, node_modules or the packages of npm; tried without')
    names = sorted(f.relative_to(root).as_posix() for f in root.rglob('*.html'))
    server = serve(root)
    try: return look_at_all(f'http://127.0.0.1:{server.server_port}/', names, axe, tabs)
    finally: server.shutdown()

def main():
    if not (ROOT/'nbs/index.ipynb').exists():
        print('note: there is no nbs/index.ipynb yet; the site has no front page')
    engine = find_engine()
    print('Reading the notebooks ...', flush=True)
    stage(process(), engine)
    render(engine)
    n,bad,pages = check_links(OUT.resolve())
    for o in bad: print(f'  broken link in {o}')
    print(f'_docs/index.html: {pages} pages, {n} internal links, {len(bad)} broken', flush=True)
    start = time.time()
    wrong = check_pages(OUT)
    for o in wrong or []: print(f'  {o}')
    if wrong is not None:
        print(f'each was seen at 1280 and 360 px, light and dark, in {time.time() - start:.0f} s: '
              f'{len(wrong)} faults')
    # faults of Quarto's own templates are listed, and hold nothing up
    sys.exit(bool(bad or wrong and not shutil.which('quarto')))

if __name__ == '__main__': main()
