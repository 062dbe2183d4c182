"""Open the studio in Chromium and compare what it draws with Python: `python tools/try_studio.py [FOLDER]`.

The pages are opened from a folder, as a visitor without a server opens them, at two widths and in both
themes. Each network gets the same inputs in both; each page draws the same seeds as Python.
"""
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tools')]

def decibels(a, b, top=255):
    "How near two arrays are"
    error = np.square(np.asarray(a, float) - np.asarray(b, float)).mean()
    return float('inf') if error == 0 else round(10*np.log10(top**2/error), 1)

def asked(tab, what, *args):
    "What the worker of a page answers; arrays as lists"
    args = ', '.join(map(json.dumps, args))
    plain = '(k, v) => ArrayBuffer.isView(v) ? [...v].map(Number) : typeof v == "bigint" ? Number(v) : v'
    return json.loads(tab.js(f'studio.ask({json.dumps(what)}, {args}).then(r => JSON.stringify(r, {plain}))'))

class Rows(list):
    "Figures of a run, each with its limit"
    def add(self, what, value, limit, least=True):
        ok = value >= limit if least else value <= limit
        self.append(ok)
        sign = '>=' if least else '<='
        print(f"{'ok  ' if ok else 'FAIL'} {what}: {value} ({sign} {limit})", flush=True)

# --- seeds: the same here and there

def same_numbers(tab, rows):
    from gamegen.core import normal, stream
    got = asked(tab, 'numbers', 5, 'a/name')
    rng = np.random.default_rng(stream(5, 'a/name'))
    floats = rng.random(5, dtype=np.float32)
    doubles = [rng.random(), rng.random()]
    below = [int(rng.integers(o)) for o in (3, 7, 1000, 2**31)]
    equal = got['floats'] == floats.tolist() and got['doubles'] == doubles and got['below'] == below
    equal = equal and got['permutation'] == rng.permutation(50).tolist()
    rows.add('uniform numbers, whole numbers and permutations of a stream are those of NumPy', int(equal), 1)
    n = 20_000
    off = np.abs(np.array(asked(tab, 'normal', 7, 'a/name', n)) - normal(7, 'a/name', n)).max()
    rows.add(f'{n:,} normal numbers, largest difference', float(off), 3e-7, False)

def matches(tab, rows):
    from gamegen.cgan import generate_match
    for seed,style,strength in ((1, 'normal', 1), (2, 'attack', 1), (3, 'defend', .5)):
        got = asked(tab, 'match', 10, style, strength, 'walk', seed)
        want = generate_match(10, style, seed, strength=strength)
        def plan(gaits): return [(g['label'], len(g['norm'])) for g in gaits]
        same = plan(got) == plan(want)
        rows.add(f'match of seed {seed}, {style} {strength}: gaits equal', int(same), 1)
        if not same: continue
        a,b = (np.concatenate([g['norm'] for g in o]) for o in (got, want))
        rows.add('its signal, largest difference', round(float(np.abs(a - b).max()), 4), .02, False)

def creatures(tab, rows):
    from gamegen.pokemon_wgan import generate_creatures
    for seed,kw in ((7, {}), (8, dict(type1='FIRE')), (9, dict(bst=500))):
        allowed = {'Type 1':[kw['type1']]} if 'type1' in kw else {}
        got = asked(tab, 'creatures', 60, allowed, kw.get('bst', 0), seed)
        want = generate_creatures(60, seed=seed, **kw)
        nums = list(want.columns[-6:])
        texts = want[['Name', 'Type 1', 'Type 2']].to_numpy().tolist()
        equal = [[o['name'], *o['types']] == t and o['stats'] == v for o,t,v in zip(got, texts, want[nums].to_numpy().tolist())]
        rows.add(f'creatures of seed {seed} {kw or ""} that are equal, of 60', sum(equal), 57)

def frames(tab, rows):
    from gamegen.frame.tools import frame_walk
    from gamegen.mario_dcgan import FrameModel, generate_frames
    track = FrameModel.bundled().tracks[2]
    got = [asked(tab, 'frame', 3, track, i) for i in range(4)]
    rows.add('four frames of a seed and a track, dB', decibels(got, generate_frames(4, 3, track=track).reshape(4, -1)), 40)
    got = asked(tab, 'walk', 5, 48, 4, 3, '')
    rows.add('a frame of a walk, dB', decibels(got, frame_walk(48, 4, 3)[5].ravel()), 40)

def monsters(tab, rows):
    from gamegen.monster.animate import MOTIONS, animate
    from gamegen.monsters import MonsterModel, generate_monsters
    classes = MonsterModel.bundled().classes
    made = []
    got = []
    for i,cls in enumerate(classes[:6]):
        made.append(generate_monsters(1, cls, 40 + i, certify=False).sprites[0])
        got.append(asked(tab, 'monster', dict(cls=cls, seed=40 + i, truncation=.8)))
    seen = np.stack([premultiplied(np.reshape(o, made[0].shape)) for o in got])
    rows.add('six monsters, dB', decibels(seen, np.stack([premultiplied(o) for o in made])), 34)
    for m in MOTIONS:
        c = animate(made[0], m, seed=3, margin=16)
        js = f"studio.ask('animate', Uint8Array.from({made[0].ravel().tolist()}), '{m}', 3, 16).then(r => [r.ms, r.loop, r.n, [...r.frames]])"
        ms,loop,n,x = tab.js(js)
        same = (ms,)*n == tuple(c.ms) and loop == c.loop
        x = np.reshape(x, c.frames.shape)
        near = decibels(np.stack([premultiplied(o) for o in x]), np.stack([premultiplied(o) for o in c.frames]))
        rows.add(f'{m}, dB{"" if same else "; other times"}', near*same, 34)

def premultiplied(x):
    x = np.asarray(x, float)
    return np.concatenate([x[:3]*x[3:]/255, x[3:]])
CASES = dict(match=(matches,), creatures=(same_numbers, creatures), frames=(frames,), monsters=(monsters,))

def main():
    from gamegen.report.browser import chromium
    from gamegen.studio import write_studio
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())/'studio'
    rows = Rows()
    if not (out/'index.html').exists(): write_studio(out)
    for name,cases in CASES.items():
        start = time.time()
        with chromium((out/f'{name}.html').as_uri(), size=(1280, 900)) as tab:
            tab.wait('studio.ready || studio.error', 60)
            rows.add(f'{name}: errors', len(tab.errors) + bool(tab.js('studio.error')), 0, False)
            for e in tab.errors: print(json.dumps(e)[:300])
            for f in cases: f(tab, rows)
        print(f'     {name}: {time.time() - start:.0f} s')
    print(f'{sum(rows)} passed, {len(rows) - sum(rows)} failed')
    sys.exit(not all(rows))

if __name__ == '__main__': main()
