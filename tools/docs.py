"""Build the site into _docs/ from the executed notebooks: `python tools/docs.py`.

nbdev puts the library's signatures into the notebooks. Quarto renders them where it is installed; where not, smalldocs
does, in pure Python, and says so. Then every internal link is checked, and every page is opened in Chromium where that is
here: at two widths, in both themes, for errors, overflow and pictures without a description, and with axe-core
(`npm install --global axe-core`) for what keeps people out.
"""
import ast, configparser, functools, html, http.server, io, json, os, re, shutil, subprocess, sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import yaml
from nbdev.config import nbpath2html

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
    return sorted(o for o in root.rglob('*.ipynb') if not any(p.startswith(('.', '_')) for p in o.relative_to(root).parts))

def page(fn, root=NBS):
    "The name of a notebook's page below the site: without its number, in the folder that the notebook is in"
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
    # Of the cells that are not exported, nbdev runs those with an import; here only where there is nothing else. No commands
    def only_imports(cell):
        return all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in cell.parsed_())
    def evaluate(cell):
        if not do_eval(cell): return
        return cell.directives_.keys() & {'export', 'exports', 'exporti', 'exec_doc'} or 'show_doc' in cell.source or only_imports(cell)
    procs._do_eval = evaluate
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return proc_nbs(force=True, n_workers=0)

# --- pages

def line_of(cell):
    "The source line of the symbol that a `show_doc` cell shows, else None"
    m = 'show_doc(' in join(cell['source']) and re.search(r'\.py#L(\d+)', json.dumps(cell.get('outputs', '')))
    return int(m[1]) if m else None

def launch(fn):
    "The line under a page's title that opens its notebook elsewhere"
    repo = meta['git_url'].removeprefix('https://github.com/')
    path = fn.relative_to(ROOT).as_posix()
    links = {'Open in Colab': f"https://colab.research.google.com/github/{repo}/blob/{meta['branch']}/{path}",
             'Launch on Binder': f"https://mybinder.org/v2/gh/{repo}/{meta['branch']}?labpath={quote(path, safe='')}",
             'Notebook on GitHub': f"{meta['git_url']}/blob/{meta['branch']}/{path}"}
    return '::: {.launch}\n' + ' '.join(f'[{k}]({v})' for k,v in links.items()) + '\n:::'

def symbols(nbs):
    "Where the site shows a symbol, as {page.html#anchor}"
    return {f"{Path(name).with_suffix('.html')}#{m.lower()}" for name,nb in nbs.items() for c in nb['cells'] if line_of(c) is not None
            for o in c['outputs'] for m in re.findall(r'^#+ (\S+)$', join(o.get('data', {}).get('text/markdown', '')), re.M)}

def relink(md, known, here='index.ipynb', home=NBS):
    """Links to symbols, between notebooks and to files of the repository, as they hold on the page `here` of the site;
    those in `md` hold in the folder `home`"""
    def symbol(m):
        txt = m[1]
        to = m[2]
        while to not in known and '.' in to.split('#')[1]: to = to.rpartition('.')[0]
        return f'[{txt}]({link(to, here)})' if to in known else txt
    def one(m):
        url,tail = (m[1].split('#', 1) + [''])[:2]
        tail = '#'*bool(tail) + tail
        if not url or '://' in url or url.startswith('mailto:'): return m[0]
        for base in (home, NBS, ROOT):
            f = (base/url).resolve()
            if f.suffix == '.ipynb' and f.exists() and f.is_relative_to(NBS): return f']({link(page(f), here)}{tail})'
            if f.exists() and f.is_relative_to(ROOT):
                rel = f.relative_to(ROOT).as_posix()
                if rel in ('CHANGELOG.md', 'CONTRIBUTING.md'): return f']({link(rel, here)}{tail})'
                if rel == 'README.md': return f"]({link('index.ipynb', here)}{tail})"
                return f"]({meta['git_url']}/blob/{meta['branch']}/{rel}{tail})"
        return m[0]
    md = re.sub(r'\[([^\]]+)\]\(/([\w/]+\.html#[^)\s]+)\)', symbol, md)
    return re.sub(r'\]\(([^)\s]+)\)', one, md)

def plain(md):
    "No signature where it says nothing, as for most errors; no `__main__.` before the classes of a page"
    return re.sub(r'```python\ndef \w+\(\n    \*args, \*\*kwargs\n\):\n```\n+', '', md).replace('__main__.', '')

def prose_below_title(fn):
    "What follows the title and its sentence in their cell, which nbdev turns into front matter whole"
    from nbdev.doclinks import NbdevLookup
    for c in json.loads(fn.read_text(encoding='utf-8'))['cells']:
        m = c['cell_type'] == 'markdown' and re.match(r'# .+\n*(?:^>.*\n*)*', join(c['source']), re.M)
        if m: return NbdevLookup().linkify(join(c['source'])[m.end():].strip())
    return ''

def in_order(cells):
    "nbdev shows the symbols of one cell last to first: turn each such run round"
    res = []
    run = []
    for c in cells:
        if c['cell_type'] == 'code' and line_of(c) is not None: run.append(c); continue
        res += sorted(run, key=line_of) + [c]
        run = []
    return res + sorted(run, key=line_of)

def described(cells):
    "Give the pictures that cells have made a description, from the heading and the prose above them"
    head = ''
    prose = ''
    for c in cells:
        src = join(c['source'])
        if m := c['cell_type'] == 'raw' and re.search(r'^title: (.+)$', src, re.M): head = m[1].strip('\'" ')
        if c['cell_type'] == 'markdown':
            text = re.sub(r'<!--.*?-->|^:::[^\n]*$|^>|```.*?```|!\[.*?\]\(.*?\)', '', src, flags=re.M | re.S)
            text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', text)
            for l in text.splitlines():
                if l.startswith('#'): head,prose = re.sub(r'[*`$#{}]|\{.*\}', '', l).strip(),''
            body = ' '.join(o for o in re.sub(r'[*`$|]', '', text).splitlines() if o.strip() and not o.startswith(('#', '-', ' ')))
            said = re.match(r'.{40,}?[.!?:](?= |$)|.+', body.strip())                  # a sentence, or two short ones
            prose = said[0][:200] if said else prose
        elif c['cell_type'] == 'code':
            kinds = {k for o in c.get('outputs', []) for k in o.get('data', {})}
            alt = html.escape(f"{head or 'Picture'}: {prose or 'what the code above draws'}", quote=True).replace('\\', '')
            if any(k.startswith('image/') for k in kinds) and 'fig-alt' not in src:
                c['source'] = f'#| fig-alt: {json.dumps(html.unescape(alt))}\n#| fig-align: left\n{src}'
            for o in c.get('outputs', []):
                for k in o.get('data', {}).keys() & {'text/html', 'text/markdown'}:
                    o['data'][k] = re.sub(r'<img(?![^>]*\balt=)', lambda m: f'<img alt="{alt}"', join(o['data'][k]))

def stage(cache):
    "Put the pages of the site into `SITE`, under the names that nbdev links to"
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir()
    nbs = {page(fn, cache):json.loads(fn.read_text(encoding='utf-8')) for fn in notebooks(cache)}
    names = {page(fn):fn for fn in notebooks()}
    assert len(names) == len(notebooks()), 'two notebooks have one page'
    known = symbols(nbs)
    for name,nb in nbs.items():
        here = functools.partial(relink, known=known, here=name, home=names[name].parent)
        for c in nb['cells']:
            src = join(c['source'])
            if c['cell_type'] == 'raw': c['source'] = re.sub(r'^output-file:.*\n', '', src, flags=re.M)  # the page has that name already
            if c['cell_type'] == 'markdown': c['source'] = here(src)
            for o in c.get('outputs', []):
                if 'text/markdown' in o.get('data', {}): o['data']['text/markdown'] = here(plain(join(o['data']['text/markdown'])))
        nb['cells'] = in_order(nb['cells'])
        described(nb['cells'])
        below = here(prose_below_title(names[name]) or '')
        nb['cells'].insert(1, dict(cell_type='markdown', id='launch', metadata={}, source=f'{launch(names[name])}\n\n{below}'))
        nb['metadata'].pop('widgets', None)
        (SITE/name).parent.mkdir(exist_ok=True)
        (SITE/name).write_text(json.dumps(nb), encoding='utf-8')
    (SITE/'reference.md').write_text(reference(known), encoding='utf-8')
    for o in ('CHANGELOG.md', 'CONTRIBUTING.md'):
        (SITE/o).write_text(relink((ROOT/o).read_text(encoding='utf-8'), known, home=ROOT), encoding='utf-8')

def reference(known):
    "The page of all that can be imported: modules in the order of the notebooks, each symbol with what it says of itself"
    from gamegen import _modidx
    parts = ['---', 'title: Reference', 'description: Every function and class, with the page that explains it.', '---', '',
             'A name leads to its signature, where each parameter is described, among the examples and tests that use it.', '']
    syms = {m:d for m,d in _modidx.d['syms'].items() if d}
    for m,d in sorted(syms.items(), key=lambda o: next(iter(o[1].values()))[0]):
        tree = ast.parse((ROOT/next(iter(d.values()))[1]).read_text(encoding='utf-8'))
        says = {n.name:ast.get_docstring(n) or '' for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        rows = []
        for k,(to,_) in d.items():
            name = k.removeprefix(f'{m}.')
            if to in known and name in says: rows.append(f"- [`{name}`]({to}): {says[name].splitlines()[0].replace('|', '&#124;') if says[name] else 'see there'}")
        if rows: parts += [f'## {m}', '', f'{ast.get_docstring(tree) or ""}', '', *rows, '']
    return '\n'.join(parts)

# The sidebar: the chapters first, then the rooms of each system; a folder that is not named here comes last, by its own name
FOLDERS = {'match':'Matches', 'creature':'Creatures', 'frame':'Frames', 'play':'Play', 'sprite':'Sprites', 'monster':'Monsters',
           'report':'Results and reports'}
FOUNDATION = re.compile(r'0[1-9]')

def sidebar():
    "The sections of the sidebar, each with its pages"
    folder = lambda fn: fn.parent.relative_to(NBS).as_posix()
    pages = lambda keep: [page(o) for o in notebooks() if keep(o)]
    top = lambda fn: folder(fn) == '.' and fn.stem != 'index'
    names = FOLDERS | {folder(o):folder(o).capitalize() for o in notebooks() if folder(o) not in ('.', 'guide', *FOLDERS)}
    res = {'Start here': pages(lambda o: folder(o) == 'guide') + ['reference.md'],
           'Chapters': pages(lambda o: top(o) and not FOUNDATION.match(o.name)),
           **{v:pages(lambda o: folder(o) == k) for k,v in names.items()},
           'Foundation': pages(lambda o: top(o) and FOUNDATION.match(o.name))}
    return [dict(section=k, contents=v) for k,v in res.items() if v]

def configure(fallback):
    "Write the site's _quarto.yml: the top-level one, with what settings.ini and the notebooks' names say"
    cfg = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    web = cfg['website']
    web.update({'title':meta['lib_name'], 'description':meta['description'], 'site-url':meta['doc_url'], 'repo-url':meta['git_url'],
                'repo-branch':meta['branch']})
    web['navbar']['right'].append(dict(text='GitHub', href=meta['git_url']))
    notice = f"{meta['git_url']}/blob/{meta['branch']}/NOTICE"
    web['page-footer']['left'] += f" Code: Apache-2.0. Data, weights and the pictures that they draw: [licences and sources]({notice})."
    web['sidebar']['contents'] = [dict(text=meta['lib_name'], href='index.ipynb')]*(SITE/'index.ipynb').exists() + sidebar()
    if fallback:
        for o in ('respect-user-color-scheme', 'grid', 'html-math-method'): del cfg['format']['html'][o]   # done always, by site.css and by `finish`
        web['page-footer']['right'] = 'Built by smalldocs, the fallback where Quarto is not installed.'
    (SITE/'_quarto.yml').write_text(yaml.safe_dump(cfg, sort_keys=False), encoding='utf-8')
    for o,to in (('site.css', 'styles.css'), ('site.html', 'site.html'), ('icon.svg', 'icon.svg')): shutil.copy2(ROOT/'tools'/o, SITE/to)

def formula(m):
    "A formula of the fallback's pages as a drawing that needs no script from elsewhere"
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser, math_to_image
    tex = html.unescape(m[2])[2:-2].strip()
    src = tex
    for a,b in ((r'\\tfrac', r'\\frac'), (r'\\(?:textstyle|displaystyle|[bB]igg?[lrm]?)(?![A-Za-z])', ''), (r'\\operatorname\{(\w+)\}', r'\\mathrm{\1}'),
                (r'\\text\{', r'\\mathrm{'), (r"'+", lambda m: '^{' + r'\prime'*len(m[0]) + '}'), (r'(\\math\w+)\s+(\w)', r'\1{\2}'), (r'(\\frac)\s*(\w)\s*(\w)', r'\1{\2}{\3}'), (r'(\\frac)\s*(\\\w+)\s*(\w)', r'\1{\2}{\3}'),
                (r'(\\sqrt)\s*(\w)', r'\1{\2}'), (r'\\\|', r'\\Vert '), (r'\\top', r'\\mathsf{T}'), (r'\s+', ' ')): src = re.sub(a, b, src)
    font = FontProperties(size=12)
    out = io.BytesIO()
    try: depth = MathTextParser('path').parse(f'${src}$', dpi=72, prop=font).depth
    except ValueError as e: sys.exit(f'error: the formula {tex} cannot be drawn without Quarto: {str(e).splitlines()[-1]}; expected what Matplotlib knows of TeX')
    math_to_image(f'${src}$', out, prop=font, format='svg', dpi=72)
    svg = re.sub(r'.*?(<svg)', r'\1', out.getvalue().decode(), count=1, flags=re.S)
    w,h = (float(o) for o in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    n = formula.n = getattr(formula, 'n', 0) + 1                       # names of glyphs are the page's, so each formula has its own
    svg = re.sub(r'(id="|href="#|url\(#)', rf'\g<1>f{n}-', re.sub(r'<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->', '', svg, flags=re.S))
    svg = re.sub(r'<g id="[^"]*patch_1">.*?</g>', '', svg, flags=re.S)      # the white ground
    tag = f'<svg class="formula" role="img" aria-label="{html.escape(tex)}" style="width:{w/12:.3f}em;height:{h/12:.3f}em;vertical-align:{-depth/12:.3f}em" viewBox="0 0 {w} {h}" fill="currentColor">'
    return f'<span class="{m[1]}">{re.sub(r"<svg[^>]*>", lambda _: tag, svg, count=1)}</span>'

def finish(root, fallback):
    "Let the site ask no other one for anything: fonts, and the fallback's script for formulas"
    for f in root.rglob('*.css'):
        old = f.read_text(encoding='utf-8')
        new = re.sub(r'@import\s*(?:url\([^)]*//[^)]*\)|"[^"]*//[^"]*")[^;{}]*;', '', old)
        if new != old: f.write_text(new, encoding='utf-8')
    for f in root.rglob('*.html') if fallback else ():
        old = f.read_text(encoding='utf-8')
        new = re.sub(r'<span class="(math (?:inline|display))">(.*?)</span>', formula, old, flags=re.S)
        new = re.sub(r'<link[^>]*katex[^>]*>|<script[^>]*katex[^>]*></script>', '', new)
        if new != old: f.write_text(new, encoding='utf-8')

def render():
    "Quarto, else smalldocs"
    quarto = shutil.which('quarto')
    small = Path(sys.executable).with_name('smalldocs')
    if not quarto and not small.exists():
        sys.exit('error: neither Quarto nor the fallback smalldocs is here (smalldocs needs Python 3.11 or newer); install Quarto.')
    if not quarto: print('Quarto is not installed: building with smalldocs, a fallback in pure Python.', flush=True)
    configure(not quarto)
    cmd = [quarto, 'render', '--no-cache'] if quarto else [str(small), 'render', '--quiet', '.']
    p = subprocess.run(cmd, cwd=SITE, capture_output=True, text=True)
    if p.returncode: sys.exit(f'{p.stdout}{p.stderr}error: {Path(cmd[0]).name} could not build the site.')
    notes = [l for l in p.stderr.splitlines() if l.startswith('warning')]
    for l in notes: print('  ' + l)
    finish(SITE/'_docs', not quarto)
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(SITE/'_docs', OUT)

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

def check_links(root):
    "How many internal links there are in `root`, and those that lead nowhere"
    pages = {f:Links(f) for f in root.rglob('*.html')}
    n = 0
    bad = []
    for f,o in pages.items():
        for url in o.urls:
            u = urlsplit(url)
            if u.scheme or u.netloc: continue
            n += 1
            to = f if not u.path else root/u.path.lstrip('/') if u.path.startswith('/') else f.parent/unquote(u.path)
            to = (to/'index.html' if to.is_dir() else to).resolve()
            frag = unquote(u.fragment)
            lost = not to.is_file() or frag and to in pages and frag not in pages[to].ids
            if u.path.startswith('/') or lost: bad.append(f'{f.relative_to(root)}: {url}')
    return n,bad,len(pages)

# --- pages, as people meet them

VIEWS = [(1280, False), (360, False), (1280, True), (360, True)]     # width, dark?

def find_axe():
    "axe-core's script: named by $AXE, in node_modules here or among npm's global packages; else None"
    dirs = [ROOT/'node_modules']
    if shutil.which('npm'): dirs.append(Path(subprocess.run(['npm', 'root', '--global'], capture_output=True, text=True).stdout.strip() or '.'))
    files = [*map(Path, filter(None, [os.environ.get('AXE')])), *(o/'axe-core/axe.min.js' for o in dirs)]
    return next((o.read_text(encoding='utf-8') for o in files if o.is_file()), None)

class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

LOOK = """({over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
           dumb: [...document.images].filter(i => !i.alt && i.getAttribute('role') != 'presentation').length})"""
AXE = """axe.run(document, {resultTypes: ['violations'], runOnly: %s}).then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact))
         .map(v => `${v.id}, ${v.nodes.length} times, first ${v.nodes[0].html.slice(0, 120)} ${v.nodes[0].any.map(o => o.message).join(' ').slice(0, 160)}`))"""

# All rules once; then those that depend on the width, and on the colours
RULES = {(1280, False):['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], (1280, True):['color-contrast'],
         (360, False):['scrollable-region-focusable', 'aria-hidden-focus', 'button-name', 'link-name', 'nested-interactive']}

def look_at(tab, url, axe):
    "What is wrong with a page: an entry for each fault and view"
    bad = []
    for width,dark in VIEWS:
        tab('Emulation.setDeviceMetricsOverride', width=width, height=800, deviceScaleFactor=1, mobile=False)
        tab('Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value='dark' if dark else 'light')])
        tab.errors.clear()
        tab.open(url)
        got = tab.js(LOOK)
        where = f"{url.rpartition('/')[2]} ({width} px, {'dark' if dark else 'light'})"
        if got['over'] > 0: bad.append(f"{where}: {got['over']} px too wide")
        if got['dumb'] and (width, dark) == VIEWS[0]: bad.append(f"{where}: {got['dumb']} pictures have no description")
        rules = RULES.get((width, dark))
        if axe and rules:
            tab.js(axe + '; 0')
            bad += [f'{where}: {o}' for o in tab.js(AXE % rules)]
        for e in tab.errors:
            if e.get('entry', {}).get('level', 'error') == 'error': bad.append(f'{where}: {json.dumps(e)[:300]}')
    return bad

def check_pages(root, tabs=2):
    "Open every page in Chromium; what is wrong, or None where there is no Chromium"
    from gamegen.report.browser import chromium, no_browser
    if no_browser(): print(f'{no_browser()}: not installed; the pages were not tried in a browser'); return
    axe = find_axe()
    if not axe: print('axe-core: not found in $AXE, node_modules or among the global packages of npm; tried without it')
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    todo = sorted(f.relative_to(root).as_posix() for f in root.rglob('*.html'))
    base = f'http://127.0.0.1:{server.server_port}/'
    try:
        with chromium(base) as first:
            free = [first] + [first.another(base) for _ in range(tabs - 1)]
            def one(name):
                tab = free.pop()
                try: return look_at(tab, base + name, axe)
                finally: free.append(tab)
            with ThreadPoolExecutor(tabs) as pool: return [o for bad in pool.map(one, todo) for o in bad]
    finally: server.shutdown()

def main():
    if not (ROOT/'nbs/index.ipynb').exists(): print('note: there is no nbs/index.ipynb yet; the site has no front page')
    print('Reading the notebooks ...', flush=True)
    stage(process())
    render()
    n,bad,pages = check_links(OUT.resolve())
    for o in bad: print(f'  broken link in {o}')
    print(f'_docs/index.html: {pages} pages, {n} internal links, {len(bad)} broken', flush=True)
    start = time.time()
    wrong = check_pages(OUT)
    for o in wrong or []: print(f'  {o}')
    if wrong is not None: print(f'opened {len(VIEWS)} times each in {time.time()-start:.0f} s, at 1280 and 360 px, light and dark: {len(wrong)} faults')
    sys.exit(bool(bad or wrong and not shutil.which('quarto')))    # faults of Quarto's own templates are listed, and hold nothing up

if __name__ == '__main__': main()
