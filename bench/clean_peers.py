"""Let other tools find the duplicates and non-sprites of nbs/sprite/05_copies and nbs/sprite/06_clean.

In gamegen's environment:
    python bench/clean_peers.py make OUT
In one with cleanvision, imagededup (and torchvision, for its CNN):
    python bench/clean_peers.py cleanvision OUT; python bench/clean_peers.py imagededup OUT
In one with fastdup:
    python bench/clean_peers.py fastdup OUT
In gamegen's environment again, to write data/clean/peers.json:
    python bench/clean_peers.py score OUT

Peers see PNGs on mid-grey, since they know no alpha. Each has two advantages over gamegen's own
finder: pairs within a family do not count against it, and every limit and setting is the one that
is best for the set.
"""
import importlib.metadata as versions
import json
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings('ignore')
SETS = {'wesnoth':('test', 11), 'crawl':('crawl', 12)}   # split and seed
FIELDS = 'odd_aspect_ratio odd_size low_information light grayscale dark blurry'.split()

def sets():
    "Yield the name, the pictures and the truth of each set"
    from gamegen.core import bundled
    from gamegen.sprite.faults import duplicate_set, non_sprites
    from gamegen.sprite.data import read_sprites, split_families
    for style,(split,seed) in SETS.items():
        h = duplicate_set(split, seed)
        yield f'duplicates-{style}', h.images, h
    for style in SETS:
        t,ims = read_sprites(bundled(f'sprites/{style}.zip'))
        keep = split_families(t, .3) if style == 'wesnoth' else np.ones(len(t), bool)
        ims = [a for a,k in zip(ims, keep) if k]
        strays = non_sprites(100, 0)[0]
        yield f'non-sprites-{style}', ims + strays, np.arange(len(ims) + 100) >= len(ims)

def make(out):
    "Write the pictures of each set as PNG files"
    from PIL import Image
    from gamegen.sprite.data import on_ground
    for name,ims,_ in sets():
        (out/name).mkdir(parents=True, exist_ok=True)
        for i,a in enumerate(ims):
            framed = np.pad(a, ((4, 4), (4, 4), (0, 0)))
            Image.fromarray(np.uint8(255*on_ground(framed))).save(out/name/f'{i:05}.png')

def row(path): return int(Path(path).stem)

def write(out, name, package, found, failed=None):
    """What a peer found: for each method of it and each set, pairs or rows with a score, nearest or
    worst first"""
    d = dict(version=versions.version(package), found=found, failed=failed or {})
    (out/f'{name}.json').write_text(json.dumps(d))
    counts = {k:{h:len(v) for h,v in by.items()} for k,by in found.items()}
    print(name, counts, failed or '')

def in_words(e):
    "An error in one short line"
    return f'{type(e).__name__}: {str(e).splitlines()[0][:150]}'

def imagededup(out):
    from imagededup.methods import AHash, DHash, PHash, WHash
    found = {}
    failed = {}
    for method in (AHash, DHash, PHash, WHash):
        by = found[method.__name__] = {}
        for h in SETS:
            finder = method(verbose=False)
            hashes = finder.encode_images(image_dir=out/f'duplicates-{h}', num_enc_workers=0)
            near = finder.find_duplicates(encoding_map=hashes, max_distance_threshold=16,
                                          scores=True, num_dist_workers=0)
            pairs = [(a, b, s) for a,bs in near.items() for b,s in bs if a < b]
            by[f'duplicates-{h}'] = sorted([float(s), row(a), row(b)] for a,b,s in pairs)
    try:
        from imagededup.methods import CNN
        CNN(verbose=False)
    except Exception as e: failed['CNN'] = in_words(e)
    write(out, 'imagededup', 'imagededup', found, failed)

def pairs_of(files):
    "All pairs of rows in a set of files that are said to be one picture"
    rows = sorted(map(row, files))
    return {(a, b) for a in rows for b in rows if a < b}

def hash_pairs(folder, size):
    "Pairs that cleanvision finds by a hash of `size`"
    from cleanvision import Imagelab
    lab = Imagelab(data_path=str(folder), verbose=False)
    lab.find_issues({'near_duplicates':{'hash_size':size}, 'exact_duplicates':{}}, n_jobs=1,
                    verbose=False)
    sets = lab.info['near_duplicates']['sets'] + lab.info['exact_duplicates']['sets']
    return sorted(set().union(*map(pairs_of, sets)))

def cleanvision(out):
    from cleanvision import Imagelab
    found = {}
    for h in SETS:
        for size in (4, 6, 8, 12, 16):
            pairs = hash_pairs(out/f'duplicates-{h}', size)
            by = found.setdefault(f'near duplicates, hash of {size}', {})
            by[f'duplicates-{h}'] = [[0., *p] for p in pairs]
        lab = Imagelab(data_path=str(out/f'non-sprites-{h}'), verbose=False)
        lab.find_issues(n_jobs=1, verbose=False)
        for field in FIELDS:
            scores = lab.issues[f'{field}_score']
            by = found.setdefault(field.replace('_', ' '), {})
            by[f'non-sprites-{h}'] = sorted([float(v), row(p)] for p,v in scores.items())
    write(out, 'cleanvision', 'cleanvision', found)

def fastdup_rows(folder, kind):
    "Pairs or rows that fastdup finds in a folder"
    import fastdup as fd
    import tempfile
    f = fd.create(work_dir=tempfile.mkdtemp(), input_dir=str(folder))
    f.run(threshold=.5, lower_threshold=.3, nearest_neighbors_k=10, num_threads=1, overwrite=True,
          print_summary=False)
    if kind == 'duplicates':
        t = f.similarity()
        pairs = zip(t.filename_from, t.filename_to, t.distance)
        return sorted([1 - float(d), row(a), row(b)] for a,b,d in pairs)
    t = f.outliers()
    return sorted([float(d), row(a)] for a,d in zip(t.filename_outlier, t.distance))

def fastdup(out):
    found = {}
    failed = {}
    for kind,method in (('duplicates', 'similarity'), ('non-sprites', 'outliers')):
        for h in SETS:
            name = f'{kind}-{h}'
            try: found.setdefault(method, {})[name] = fastdup_rows(out/name, kind)
            except Exception as e: failed[name] = in_words(e)
    write(out, 'fastdup', 'fastdup', found, failed)

def own():
    "What gamegen finds at its own limits, as a peer's file has it"
    from gamegen.sprite.clean import no_monster
    from gamegen.sprite.copies import find_duplicates
    found = dict(find_duplicates={}, no_monster={})
    for name,ims,true in sets():
        if name.startswith('duplicates'):
            pairs = find_duplicates(ims, true.families)
            found['find_duplicates'][name] = [[0., int(a), int(b)] for a,b in zip(pairs.a, pairs.b)]
        else: found['no_monster'][name] = [[0., i] for i,a in enumerate(ims) if no_monster(a)]
    return dict(found=found)

def scored(name, true, rows, natural):
    "Recall and precision of pairs or rows"
    if name.startswith('non-sprites'):
        hit = np.isin(np.arange(len(true)), [o for o, in rows])
        both = (hit & true).sum()
        return both/true.sum(), both/max(1, hit.sum())
    from gamegen.sprite.faults import score_duplicates
    apart = [(a, b) for a,b in rows if true.families[a] != true.families[b]]
    r = score_duplicates(apart, true, natural)
    return r['recall'], r['precision']

def best_limit(name, found, true, natural):
    "Recall, precision and limit, for the limit at which the smaller of the two is largest"
    far = np.array([o[0] for o in found])
    limits = np.unique(far)
    if len(limits) >= 40: limits = np.quantile(far, np.linspace(0, 1, 60))
    def at(limit): return scored(name, true, [o[1:] for o in found if o[0] <= limit], natural)
    tried = [(*at(o), o) for o in limits]
    return max(tried, key=lambda o: (min(o[:2]), o[0]))

def score(out):
    import pandas as pd
    from gamegen.core import atomic_write, bundled
    peers = {p.stem:json.loads(p.read_text()) for p in sorted(out.glob('*.json'))}
    natural = pd.read_csv(bundled('clean/natural.csv'))
    truth = {name:true for name,_,true in sets()}
    rows = []
    for peer,d in [('gamegen', own()), *peers.items()]:
        for method,by in d['found'].items():
            for name,found in by.items():
                known = natural.loc[natural['style'] == name.split('-')[-1], ['a', 'b']].to_numpy()
                best = best_limit(name, found, truth[name], known)
                recall,precision,limit = (round(float(o), 3) for o in best)
                rows.append(dict(peer=peer, method=method, set=name, recall=recall, precision=precision,
                                 limit=limit))
    res = dict(versions={k:d['version'] for k,d in peers.items()}, rows=rows,
               failed={f'{k} {w}':why for k,d in peers.items() for w,why in d['failed'].items()})
    with atomic_write(bundled()/'clean'/'peers.json') as f:
        f.write_text(json.dumps(res, indent=0) + '\n')
    print(pd.DataFrame(rows).to_string())

COMMANDS = dict(make=make, imagededup=imagededup, cleanvision=cleanvision, fastdup=fastdup,
                score=score)

if __name__ == '__main__':
    COMMANDS[sys.argv[1]](Path(sys.argv[2]))
