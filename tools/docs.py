"""Build the site into _docs/ from the executed notebooks: `python tools/docs.py`.

nbdev puts the library's signatures into the notebooks. Quarto renders them where it is installed; where not, smalldocs
does, in pure Python, and says so. Then every internal link is checked.
"""
import configparser, json, re, shutil, subprocess, sys, warnings
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import yaml
from nbdev.config import nbpath2html

ROOT = Path(__file__).resolve().parent.parent
SITE,OUT = ROOT/'_proc/site',ROOT/'_docs'
ini = configparser.ConfigParser(delimiters=['='])
ini.read(ROOT/'settings.ini', encoding='utf-8')
meta = ini['DEFAULT']
join = lambda o: ''.join(o) if isinstance(o, list) else o
page = lambda fn: nbpath2html(Path(fn).name).with_suffix('.ipynb').name

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
        import ast
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
    repo,path = meta['git_url'].removeprefix('https://github.com/'),f'nbs/{fn.name}'
    links = {'Open in Colab': f"https://colab.research.google.com/github/{repo}/blob/{meta['branch']}/{path}",
             'Launch on Binder': f"https://mybinder.org/v2/gh/{repo}/{meta['branch']}?labpath={quote(path, safe='')}",
             'Notebook on GitHub': f"{meta['git_url']}/blob/{meta['branch']}/{path}"}
    return '::: {.launch}\n' + ' '.join(f'[{k}]({v})' for k,v in links.items()) + '\n:::'

def symbols(nbs):
    "Where the site shows a symbol, as {page.html#anchor}"
    return {f"{Path(name).with_suffix('.html')}#{m.lower()}" for name,nb in nbs.items() for c in nb['cells'] if line_of(c) is not None
            for o in c['outputs'] for m in re.findall(r'^#+ (\S+)$', join(o.get('data', {}).get('text/markdown', '')), re.M)}

def relink(md, known):
    "Links to symbols, between notebooks and to files of the repository, as they hold on the site"
    def symbol(m):
        txt,to = m[1],m[2]
        while to not in known and '.' in to.split('#')[1]: to = to.rpartition('.')[0]
        return f'[{txt}]({to})' if to in known else txt
    def one(m):
        url,tail = (m[1].split('#', 1) + [''])[:2]
        tail = '#'*bool(tail) + tail
        if not url or '://' in url or url.startswith('mailto:'): return m[0]
        if (ROOT/'nbs'/url).suffix == '.ipynb' and (ROOT/'nbs'/url).exists(): return f']({page(url)}{tail})'
        for base in (ROOT/'nbs', ROOT):
            f = (base/url).resolve()
            if f.exists() and f.is_relative_to(ROOT):
                rel = f.relative_to(ROOT).as_posix()
                if rel in ('CHANGELOG.md', 'CONTRIBUTING.md'): return f']({rel}{tail})'
                if rel == 'README.md': return f'](index.ipynb{tail})'
                return f"]({meta['git_url']}/blob/{meta['branch']}/{rel}{tail})"
        return m[0]
    md = re.sub(r'\[([^\]]+)\]\(/(\w+\.html#[^)\s]+)\)', symbol, md)
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
    res,run = [],[]
    for c in cells:
        if c['cell_type'] == 'code' and line_of(c) is not None: run.append(c); continue
        res += sorted(run, key=line_of) + [c]
        run = []
    return res + sorted(run, key=line_of)

def stage(cache):
    "Put the pages of the site into `SITE`, under the names that nbdev links to"
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir()
    nbs = {page(fn):json.loads(fn.read_text(encoding='utf-8')) for fn in cache.glob('*.ipynb')}
    names = {page(fn):fn for fn in (ROOT/'nbs').glob('*.ipynb')}
    known = symbols(nbs)
    for name,nb in nbs.items():
        for c in nb['cells']:
            src = join(c['source'])
            if c['cell_type'] == 'raw': c['source'] = re.sub(r'^output-file:.*\n', '', src, flags=re.M)  # the page has that name already
            if c['cell_type'] == 'markdown': c['source'] = relink(src, known)
            for o in c.get('outputs', []):
                if 'text/markdown' in o.get('data', {}): o['data']['text/markdown'] = relink(plain(join(o['data']['text/markdown'])), known)
        nb['cells'] = in_order(nb['cells'])
        below = relink(prose_below_title(names[name]) or '', known)
        nb['cells'].insert(1, dict(cell_type='markdown', id='launch', metadata={}, source=f'{launch(names[name])}\n\n{below}'))
        nb['metadata'].pop('widgets', None)
        (SITE/name).write_text(json.dumps(nb), encoding='utf-8')
    for o in ('CHANGELOG.md', 'CONTRIBUTING.md'):
        (SITE/o).write_text(relink((ROOT/o).read_text(encoding='utf-8'), known), encoding='utf-8')

GROUPS = {'0':'Foundation', '1':'Matches', '2':'Matches', '3':'Creatures', '4':'Frames', '5':'Play', '6':'Monsters', '7':'Studio'}

def configure(fallback):
    "Write the site's _quarto.yml: the top-level one, with what settings.ini and the notebooks' names say"
    cfg = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    web,bar = cfg['website'],{}
    web.update({'title':meta['lib_name'], 'description':meta['description'], 'site-url':meta['doc_url'], 'repo-url':meta['git_url'],
                'repo-branch':meta['branch']})
    web['navbar']['right'].append(dict(text='GitHub', href=meta['git_url']))
    for fn in sorted((ROOT/'nbs').glob('[0-9]*.ipynb')): bar.setdefault(GROUPS.get(fn.name[0], 'More'), []).append(page(fn))
    web['sidebar']['contents'] = [dict(text=meta['lib_name'], href='index.ipynb')]*(SITE/'index.ipynb').exists() + [
        dict(section=k, contents=v) for k,v in bar.items()]
    if fallback:
        for o in ('respect-user-color-scheme', 'grid'): del cfg['format']['html'][o]  # smalldocs does the first always; site.css has the second
        web['page-footer']['right'] = 'Built by smalldocs, the fallback where Quarto is not installed.'
    (SITE/'_quarto.yml').write_text(yaml.safe_dump(cfg, sort_keys=False), encoding='utf-8')
    shutil.copy2(ROOT/'tools/site.css', SITE/'styles.css')

def render():
    "Quarto, else smalldocs"
    quarto,small = shutil.which('quarto'),Path(sys.executable).with_name('smalldocs')
    if not quarto and not small.exists():
        sys.exit('error: neither Quarto nor the fallback smalldocs is here (smalldocs needs Python 3.11 or newer); install Quarto.')
    if not quarto: print('Quarto is not installed: building with smalldocs, a fallback in pure Python.', flush=True)
    configure(not quarto)
    cmd = [quarto, 'render', '--no-cache'] if quarto else [str(small), 'render', '--quiet', '.']
    p = subprocess.run(cmd, cwd=SITE, capture_output=True, text=True)
    if p.returncode: sys.exit(f'{p.stdout}{p.stderr}error: {Path(cmd[0]).name} could not build the site.')
    notes = [l for l in p.stderr.splitlines() if l.startswith('warning')]
    for l in notes: print('  ' + l)
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.move(SITE/'_docs', OUT)

# --- links

class Links(HTMLParser):
    "The links of a page, and the places that a link can lead to"
    def __init__(self, fn):
        super().__init__()
        self.urls,self.ids = [],set()
        self.feed(fn.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        self.ids |= {d[o] for o in ('id', 'name') if d.get(o)}
        self.urls += [d[o] for o in ('href', 'src') if d.get(o)]

def check_links(root):
    "How many internal links there are in `root`, and those that lead nowhere"
    pages = {f:Links(f) for f in root.rglob('*.html')}
    n,bad = 0,[]
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

def main():
    if not (ROOT/'nbs/index.ipynb').exists(): print('note: there is no nbs/index.ipynb yet; the site has no front page')
    print('Reading the notebooks ...', flush=True)
    stage(process())
    render()
    n,bad,pages = check_links(OUT.resolve())
    for o in bad: print(f'  broken link in {o}')
    print(f'_docs/index.html: {pages} pages, {n} internal links, {len(bad)} broken')
    sys.exit(bool(bad))

if __name__ == '__main__': main()
