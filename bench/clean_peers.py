"""Let kept tools look for the copies and impostors of nbs/sprite/05_copies.ipynb and nbs/sprite/06_clean.ipynb.

In gamegen's environment:        python bench/clean_peers.py plant OUT
In one with cleanvision, imagededup (and torchvision, for its CNN):
                                 python bench/clean_peers.py cleanvision OUT; ... imagededup OUT
In one with fastdup:             python bench/clean_peers.py fastdup OUT
In gamegen's environment again:  python bench/clean_peers.py score OUT      (writes data/clean/peers.json)

Peers see PNGs on mid-grey, since they know no alpha. Each has two advantages that gamegen's own finder does not have:
pairs within a family do not count against it, and every limit and setting is the one that is best for the heap.
"""
import importlib.metadata as versions
import json
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings('ignore')
COPY_HEAPS = {'wesnoth':('held', 11), 'crawl':('crawl', 12)}   # as in nbs/sprite/05_copies.ipynb
FIELDS = 'odd_aspect_ratio odd_size low_information light grayscale dark blurry'.split()

def heaps():
    "Yield the name, the pictures and the truth of each heap"
    from gamegen.core import bundled
    from gamegen.sprite.faults import impostors, planted_heap
    from gamegen.sprite.data import read_sprites, split_families
    for style,(lot,seed) in COPY_HEAPS.items():
        h = planted_heap(lot, seed)
        yield f'copies-{style}', h.images, h
    for style in COPY_HEAPS:
        t,ims = read_sprites(bundled(f'sprites/{style}.zip'))
        keep = split_families(t, .3) if style == 'wesnoth' else np.ones(len(t), bool)
        ims = [a for a,k in zip(ims, keep) if k]
        strays = impostors(100, 0)[0]
        yield f'impostors-{style}', ims + strays, np.arange(len(ims) + 100) >= len(ims)

def plant(out):
    from PIL import Image
    from gamegen.sprite.data import on_ground
    for name,ims,_ in heaps():
        (out/name).mkdir(parents=True, exist_ok=True)
        for i,a in enumerate(ims):
            Image.fromarray(np.uint8(255*on_ground(np.pad(a, ((4, 4), (4, 4), (0, 0)))))).save(out/name/f'{i:05}.png')

def row(path): return int(Path(path).stem)

def write(out, name, package, found, failed=None):
    "What a peer found: for each way of it and each heap, pairs or rows with a score, the nearest or worst first"
    d = dict(version=versions.version(package), found=found, failed=failed or {})
    (out/f'{name}.json').write_text(json.dumps(d))
    print(name, {k:{h:len(v) for h,v in o.items()} for k,o in found.items()}, failed or '')

def imagededup(out):
    from imagededup.methods import AHash, DHash, PHash, WHash
    found = {}
    failed = {}
    for m in (AHash, DHash, PHash, WHash):
        for h in COPY_HEAPS:
            x = m(verbose=False).encode_images(image_dir=out/f'copies-{h}', num_enc_workers=0)
            d = m(verbose=False).find_duplicates(encoding_map=x, max_distance_threshold=16, scores=True,
                                                 num_dist_workers=0)
            found.setdefault(m.__name__, {})[f'copies-{h}'] = sorted(
                [float(s), row(a), row(b)] for a,bs in d.items() for b,s in bs if a < b)
    try:
        from imagededup.methods import CNN
        CNN(verbose=False)
    except Exception as e: failed['CNN'] = f'{type(e).__name__}: {str(e).splitlines()[0][:150]}'
    write(out, 'imagededup', 'imagededup', found, failed)

def cleanvision(out):
    from cleanvision import Imagelab
    found = {}
    for h in COPY_HEAPS:
        for size in (4, 6, 8, 12, 16):
            lab = Imagelab(data_path=str(out/f'copies-{h}'), verbose=False)
            lab.find_issues({'near_duplicates':{'hash_size':size}, 'exact_duplicates':{}}, n_jobs=1, verbose=False)
            sets = [s for k in ('near_duplicates', 'exact_duplicates') for s in lab.info[k]['sets']]
            pairs = {(min(a, b), max(a, b)) for s in sets for a in map(row, s) for b in map(row, s) if a != b}
            found.setdefault(f'near duplicates, hash of {size}', {})[f'copies-{h}'] = [[0., *p] for p in sorted(pairs)]
        lab = Imagelab(data_path=str(out/f'impostors-{h}'), verbose=False)
        lab.find_issues(n_jobs=1, verbose=False)
        for k in FIELDS:
            s = lab.issues[f'{k}_score']
            by = found.setdefault(k.replace('_', ' '), {})
            by[f'impostors-{h}'] = sorted([float(v), row(p)] for p,v in s.items())
    write(out, 'cleanvision', 'cleanvision', found)

def fastdup(out):
    import fastdup as fd
    import tempfile
    found = {}
    failed = {}
    for kind in ('copies', 'impostors'):
        for h in COPY_HEAPS:
            name = f'{kind}-{h}'
            try:
                f = fd.create(work_dir=tempfile.mkdtemp(), input_dir=str(out/name))
                f.run(threshold=.5, lower_threshold=.3, nearest_neighbors_k=10, num_threads=1, overwrite=True,
                      print_summary=False)
                t = f.similarity() if kind == 'copies' else f.outliers()
                if kind == 'copies':
                    v = [[1 - float(d), row(a), row(b)] for a,b,d in zip(t.filename_from, t.filename_to, t.distance)]
                else: v = [[float(d), row(a)] for a,d in zip(t.filename_outlier, t.distance)]
                found.setdefault('similarity' if kind == 'copies' else 'outliers', {})[name] = sorted(v)
            except Exception as e: failed[name] = f'{type(e).__name__}: {str(e).splitlines()[0][:150]}'
    write(out, 'fastdup', 'fastdup', found, failed)

def own():
    "What gamegen finds at its own limits, as a peer's file has it"
    from gamegen.sprite.clean import no_monster
    from gamegen.sprite.copies import find_copies
    found = dict(find_copies={}, no_monster={})
    for name,ims,true in heaps():
        if name.startswith('copies'):
            pairs = find_copies(ims, true.families)
            found['find_copies'][name] = [[0., int(a), int(b)] for a,b in zip(pairs.a, pairs.b)]
        else: found['no_monster'][name] = [[0., i] for i,a in enumerate(ims) if no_monster(a)]
    return dict(found=found)

def scored(name, true, rows, twins):
    "Recall and precision of pairs or rows"
    if name.startswith('impostors'):
        hit = np.isin(np.arange(len(true)), [o for o, in rows])
        return (hit & true).sum()/true.sum(), (hit & true).sum()/max(1, hit.sum())
    from gamegen.sprite.faults import score_copies
    r = score_copies([(a, b) for a,b in rows if true.families[a] != true.families[b]], true, twins)
    return r['recall'], r['precision']

def score(out):
    import pandas as pd
    from gamegen.core import atomic_write, bundled
    peers = {p.stem:json.loads(p.read_text()) for p in sorted(out.glob('*.json'))}
    twins = pd.read_csv(bundled('clean/twins.csv'))
    rows = []
    truth = {k:v for k,_,v in heaps()}
    for peer,way,name,found in [(p, w, n, f) for p,d in [('gamegen', own()), *peers.items()]
                                for w,by in d['found'].items() for n,f in by.items()]:
        far = np.array([o[0] for o in found])
        tw = twins[twins['style'] == name.split('-')[1]][['a', 'b']].to_numpy()
        limits = np.unique(far) if len(np.unique(far)) < 40 else np.quantile(far, np.linspace(0, 1, 60))
        tried = [(*scored(name, truth[name], [o[1:] for o in found if o[0] <= k], tw), k) for k in limits]
        best = max(tried, key=lambda o: (min(o[:2]), o[0]))
        recall,precision,limit = (round(float(o), 3) for o in best)
        rows.append(dict(peer=peer, way=way, heap=name, recall=recall, precision=precision, limit=limit))
    res = dict(versions={k:d['version'] for k,d in peers.items()}, rows=rows,
               failed={f'{k} {w}':why for k,d in peers.items() for w,why in d['failed'].items()})
    with atomic_write(bundled()/'clean'/'peers.json') as f: f.write_text(json.dumps(res, indent=0) + '\n')
    print(pd.DataFrame(rows).to_string())

if __name__ == '__main__':
    what = sys.argv[1]
    out = Path(sys.argv[2])
    dict(plant=plant, imagededup=imagededup, cleanvision=cleanvision, fastdup=fastdup, score=score)[what](out)
