"""Open the studio in Chromium, and compare what it draws with Python.

    python tools/try_studio.py [FOLDER]

The pages are opened from a folder, as a visitor without a server opens them, at two widths and in
both themes. Each network gets the same inputs in both; each page draws the same seeds as Python.
"""
import gzip
import io
import json
import os
import sys
import tempfile
import threading
import time
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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
    plain = '(k, v) => ArrayBuffer.isView(v) ? [...v].map(Number) : v'
    ask = f'studio.ask({json.dumps(what)}, {args})'
    return json.loads(tab.js(f'{ask}.then(r => JSON.stringify(r, {plain}))'))

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
    rows.add('numbers and permutations of a stream are those of NumPy', int(equal), 1)
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
        want = want[['Name', 'Type 1', 'Type 2', *nums]].to_numpy().tolist()
        equal = [[o['name'], *o['types'], *o['stats']] == row for o,row in zip(got, want)]
        rows.add(f'creatures of seed {seed} {kw or ""} that are equal, of 60', sum(equal), 57)

def frames(tab, rows):
    from gamegen.frame.tools import frame_walk
    from gamegen.mario_dcgan import FrameModel, generate_frames
    track = FrameModel.bundled().tracks[2]
    got = [asked(tab, 'frame', 3, track, i) for i in range(4)]
    want = generate_frames(4, 3, track=track).reshape(4, -1)
    rows.add('four frames of a seed and a track, dB', decibels(got, want), 40)
    got = asked(tab, 'walk', 5, 48, 4, 3, '')
    rows.add('a frame of a walk, dB', decibels(got, frame_walk(48, 4, 3)[5].ravel()), 40)

def monsters(tab, rows):
    from gamegen.monsters import MonsterModel, generate_monsters
    classes = MonsterModel.bundled().classes
    made = []
    got = []
    for i,cls in enumerate(classes[:6]):
        made.append(generate_monsters(1, cls, 40 + i, certify=False).sprites[0])
        got.append(asked(tab, 'monster', dict(cls=cls, seed=40 + i, truncation=1.)))
    seen = np.stack([premultiplied(np.reshape(o, made[0].shape)) for o in got])
    rows.add('six monsters, dB', decibels(seen, np.stack([premultiplied(o) for o in made])), 34)

def kinds(sprites):
    "Sprites for every kind of rig, the first of each: `{kind: sprite}`"
    from gamegen.monster.rig import find_rig
    found = {}
    for x in sprites: found.setdefault(find_rig(x).kind, x)
    return found

def motions(tab, rows):
    "The rig of JavaScript moves sprites as that of Python"
    from gamegen.monster.motion import suits
    from gamegen.monster.rig import find_rig
    from gamegen.sprite.data import bestiary
    sprites,_ = bestiary('crawl', 64)
    chosen = [*kinds(sprites[::7]).values(), *sprites[::len(sprites)//24]]
    same = []
    for i,x in enumerate(chosen):
        ask = f"studio.ask('motions', Uint8Array.from({x.ravel().tolist()}), '', {i}, 32)"
        got = tab.js(f"{ask}.then(r => r.map(m => [m.name, m.ms, m.loop, m.n, [...m.frames]]))")
        rig = find_rig(x)
        names = [o[0] for o in got]
        same += [same_motion(rig, i, *o) for o in got] if names == list(suits(rig)) else [0]
    rows.add(f'{len(same)} motions of {len(chosen)} sprites: pixels that are equal, least', min(same), .995)
    rows.add('of these motions, share that is equal in each pixel', np.mean(np.array(same) == 1).round(3), .8)

def same_motion(rig, seed, name, ms, loop, n, frames):
    "Share of the pixels of a motion that are as Python draws them, of those that are seen"
    from gamegen.monster.motion import animate
    want = animate(rig, name, seed=seed, margin=32)
    if (ms,)*n != want.ms or loop != want.loop: return 0.
    got = np.reshape(frames, want.frames.shape)
    seen = got.any(1) | want.frames.any(1)
    return float((got == want.frames).all(1)[seen].mean())

def play(tab, rows):
    import torch
    from gamegen.bvae_gpt import Player
    from gamegen.core import bundled
    from gamegen.play.agents import Agent
    from gamegen.play.recordings import read_recording
    tab.js("$('#pause').click()")
    torch.set_num_threads(1)
    agent = Agent(Player.bundled('maze'))
    frames = read_recording(bundled('recordings/maze-1')).frames[:120:2].permute(0, 2, 3, 1).numpy()
    same = []
    for x in frames:
        want, = agent.act([x])
        got = tab.js(f"studio.ask('decide', {x.ravel().tolist()}).then(d => d.held)")
        same.append(tuple(got) == want)
    rows.add(f'decisions that are the same, of {len(same)}', sum(same), len(same) - 3)
    tab.js("pace = 20; $('#pause').click()")
    rate = 0
    for _ in range(4):               # something else may be going on
        time.sleep(3)
        rate = max(rate, float(tab.js("figures(); $('#rate').textContent")))
        if rate >= 19: break
    ms = tab.js("$('#ms').textContent")
    busy = os.getloadavg()[0] > os.cpu_count() + 1
    what = f'decisions a second where 20 are asked for, {ms} each'
    if busy and rate < 19: print(f'     {what}: {rate}; not judged, for the machine is busy')
    else: rows.add(what, rate, 19)
    take_keys(tab, rows)

def take_keys(tab, rows):
    "A visitor takes the keys by keyboard, walks, and hands them back"
    def key(kind, name, code):
        tab('Input.dispatchKeyEvent', type=kind, key=name, windowsVirtualKeyCode=code)
    held = "document.querySelectorAll('#pad .held').length"
    tab.js("$('#take').focus()")
    tab.press('Enter', '\r')
    tab.wait('yours', 10)
    tab.wait(f'{held} == 0', 10)
    place = 'JSON.stringify(JSON.parse(frame.contentDocument.title.match(/{.*}/)[0]).p)'
    before = tab.js(place)
    for name,code in ('ArrowUp', 38), ('ArrowLeft', 37), ('ArrowDown', 40), ('ArrowRight', 39):   # one is free of walls
        key('keyDown', name, code)
        tab.wait(f'{held} == 1', 10)
        time.sleep(2)
        key('keyUp', name, code)
        tab.wait(f'{held} == 0', 10)
        if tab.js(place) != before: break
    tab.wait(f'{place} != {json.dumps(before)}', 1)
    rows.add('a visitor takes the keys and walks', int(tab.js('yours')), 1)
    tab.js("$('#take').click()")
    tab.wait(held + ' > 0', 20)
    rows.add('and hands them back', int(not tab.js('yours')), 1)

def dream(tab, rows):
    "Frames dreamed here and there from one beginning; a visitor walks, and wakes up"
    from gamegen.dream import Dream, DreamModel
    tab.js("$('#pause').click(); busy")
    m = DreamModel.bundled('sneak')
    d = Dream(m)
    d.reset(m.first[:1], 5)
    tab.js(f"studio.ask('sleep', [{m.first[0].ravel().tolist()}], 5)")
    worst = []
    for _ in range(12):
        want,_ = d.step([[k == 'up' for k in m.keys]])
        got = tab.js("studio.ask('dream', ['up']).then(d => [...d.frame])")
        worst.append(decibels(np.reshape(got, want[0].shape), want[0]))
    rows.add('twelve dreamed frames, dB in the worst', min(worst), 34)
    tab.js("start().then(() => $('#pause').click())")
    tab('Input.dispatchKeyEvent', type='keyDown', key='ArrowUp', windowsVirtualKeyCode=38)
    tab.wait("count > 12", 60)
    tab('Input.dispatchKeyEvent', type='keyUp', key='ArrowUp', windowsVirtualKeyCode=38)
    pixels = "[...$('#%s').getContext('2d').getImageData(0, 0, 75, 55).data]"
    tab.js("$('#pause').click(); busy")
    tab.js("wake()")
    same = tab.js(pixels % 'dream') == tab.js(pixels % 'real')
    rows.add('who wakes up sees the game', int(same), 1)
    said = tab.js("[$('#ms').textContent, $('#rate').textContent]")
    print(f'     a frame: {said[0]}', flush=True)
    tab.js("$('#pause').click()")

def sheet(tab, rows):
    "The sheet that a page makes is laid out as Python lays it out"
    from gamegen.monster.motion import KIND_OF, whole_motions
    from gamegen.monster.rig import find_rig
    from gamegen.sprite.sheets import read_sheet, write_sheet
    from PIL import Image
    s,x,cls,seed,name = json.loads(tab.js("""sheetOf(one()).then(s => {
        const o = one()
        s.data = [...s.data]
        return JSON.stringify([s, [...o.x], o.cls, o.seed, file(o)])
    })"""))
    side = round((len(x)/4)**.5)
    sprite = np.array(x, np.uint8).reshape(4, side, side)
    with tempfile.TemporaryDirectory() as d:
        cycles = whole_motions(find_rig(sprite, kind=KIND_OF.get(cls)), seed=seed)
        path = write_sheet(Path(d)/f'{name}-sheet.png', cycles, name)
        table = json.loads(path.with_suffix('.json').read_text())
        rows.add('the table of a sheet is that of Python', int(s['table'] == table), 1)
        want = np.asarray(Image.open(path))
    got = np.array(s['data'], np.uint8).reshape(s['h'], s['w'], 4)
    rows.add('its picture, dB', decibels(got, want) if got.shape == want.shape else 0, 34)

# dB, by the bits of the weights; scenes mixed at random are hard on 8
NEAR = {8:20, 16:45, 32:80}

KINDS = {'float32':'Float32Array', 'int64':'BigInt64Array', 'uint8':'Uint8Array'}

def as_input(a):
    "An array as the worker's `run` wants it, in JavaScript"
    kind = a.dtype.name
    if kind == 'int64': values = ','.join(f'{v}n' for v in a.ravel())
    else: values = json.dumps(a.ravel().tolist())[1:-1]
    return f"['{kind}', {KINDS[kind]}.from([{values}]), {json.dumps(a.shape)}]"

def same_graphs(*names):
    "A case: each graph of some weights gives what it gives in Python, for its golden inputs"
    def case(tab, rows):
        from gamegen.studio import PACKS
        from studio import graphs_of
        for name in names:
            _,_,graphs,bits = PACKS[name]
            nets = graphs_of(name)
            for o in graphs: rows.add(f'{name}.{o}, dB of its peak', near(tab, name, o, nets[o]), NEAR[bits])
    return case

def near(tab, name, graph, net):
    "How near the outputs of a graph are to Python's, in the worst case"
    from studio import golden_inputs
    inputs = golden_inputs(net)
    want = net(*inputs)
    want = want if isinstance(want, tuple) else (want,)
    ask = f"studio.ask('run', '{name}', '{graph}', {', '.join(map(as_input, inputs))})"
    got = tab.js(f'{ask}.then(r => r.map(o => [...o.data].map(Number)))')
    def one(a, b): return decibels(np.reshape(a, b.shape), b, max(1e-6, float(np.abs(b).max())))
    return min(map(one, got, want))

def premultiplied(x):
    x = np.asarray(x, float)
    return np.concatenate([x[:3]*x[3:]/255, x[3:]])
CASES = dict(index=(), match=(same_graphs('match'), matches),
             creatures=(same_numbers, same_graphs('creatures'), creatures),
             frames=(same_graphs('frames'), frames),
             monsters=(same_graphs('monsters'), monsters, motions, sheet),
             play=(same_graphs('play-maze'), play), dream=(same_graphs('dream-sneak'), dream))

# --- every page

BUDGET = dict(match=3.6, creatures=3.6, frames=8.5, monsters=4.6, play=5.2, dream=6.)    # MB of a first visit
SPEED = 20e6/8       # bytes a second
HOW = "{resultTypes: ['violations'], iframes: false, preload: false}"
AXE = "axe.run(document, " + HOW + """).then(r => r.violations.map(v =>
    `${v.id}, ${v.nodes.length} times, first ${v.nodes[0].html.slice(0, 120)}`))"""

WIDE = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

def budgets(out, rows):
    "What a first visit loads"
    from gamegen.studio import page_files
    for name,limit in BUDGET.items():
        mb = sum(len(zipped(out/o)) for o in page_files(name))/1e6
        secs = mb*1e6/SPEED
        rows.add(f'{name}: MB of a first visit, {secs:.1f} s at 20 Mbit/s', round(mb, 2), limit, False)

def looks(tab, name, rows, axe):
    "Errors, requests, overflow and barriers, at two widths and in both themes"
    wide = 0
    found = []
    for width in (1280, 360):
        for dark in (False, True):
            tab.view((width, 900), dark)
            wide = max(wide, tab.js(WIDE))
            if not axe: continue
            tab.js(axe + '; 0')
            found += [f'{width} px, {"dark" if dark else "light"}: {o}' for o in tab.js(AXE)]
    for o in dict.fromkeys(found): print(f'     {o}')
    if axe: rows.add(f'{name}: barriers that axe finds', len(found), 0, False)
    rows.add(f'{name}: pixels too wide', wide, 0, False)
    names = tab.js("performance.getEntriesByType('resource').map(o => o.name)")
    names += asked(tab, 'requests')
    foreign = [o for o in names if not o.startswith(('file:', 'blob:', 'data:'))]
    rows.add(f'{name}: requests to other places', len(foreign), 0, False)
    notes = tab.js("$('#licence').textContent")
    said = 'weights are under' in notes and 'undefined' not in notes
    rows.add(f'{name}: says its licence', int(said), 1)

# A second visit finds the files where the first one has put them
WAIT = dict(match=7, creatures=7, frames=9, monsters=7, play=7, dream=7)     # seconds

@lru_cache
def zipped(path): return gzip.compress(Path(path).read_bytes(), mtime=0)

class Slow(SimpleHTTPRequestHandler):
    "A host at the end of a line of 20 Mbit/s, which all requests share"
    free = 0
    line = threading.Lock()
    def log_message(self, *args): pass
    def send_head(self):
        "A file, compressed and with an age, as static hosts send it"
        path = self.translate_path(self.path)
        if not Path(path).is_file(): return super().send_head()
        data = zipped(path)
        self.send_response(200)
        heads = {'Content-Type':self.guess_type(path), 'Content-Length':len(data),
                 'Content-Encoding':'gzip', 'Cache-Control':'max-age=600'}
        for k,v in heads.items(): self.send_header(k, str(v))
        self.end_headers()
        return io.BytesIO(data)
    def copyfile(self, source, outputfile):
        while part := source.read(1 << 14):
            with Slow.line:
                Slow.free = max(Slow.free, time.monotonic()) + len(part)/SPEED
                wait = Slow.free - time.monotonic()
            time.sleep(max(0, wait))
            outputfile.write(part)

def visits(out):
    "Seconds until a page can be used, over a line of 20 Mbit/s: on a first visit, and on a second"
    from gamegen.report.browser import chromium
    host = ThreadingHTTPServer(('127.0.0.1', 0), partial(Slow, directory=str(out)))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    def until_ready(tab, name):
        start = time.monotonic()
        tab.open(f'http://127.0.0.1:{host.server_port}/{name}.html')
        tab.wait('studio.ready || studio.error', 60)
        return round(time.monotonic() - start, 1)
    for name,limit in WAIT.items():
        with chromium('data:,') as tab:
            for nth,most in (('first', limit), ('second', 2)):
                secs = until_ready(tab, name)
                # told, and not judged: a speed is no test
                what = f'{name}: seconds until a {nth} visitor can use it'
                print(f'     {what}: {secs}; at most {most} are wanted', flush=True)
                tab.open('data:,')
    host.shutdown()

def problems(tab):
    "Errors on the console, and of the page"
    said = [e for e in tab.errors if e.get('entry', {}).get('level', 'error') == 'error']
    for e in said: print(json.dumps(e)[:300])
    return len(said) + bool(tab.js('studio.error'))

def try_page(out, name, cases, rows, axe):
    from gamegen.report.browser import chromium
    start = time.time()
    with chromium((out/f'{name}.html').as_uri(), size=(1280, 900)) as tab:
        tab('Network.enable')
        tab('Network.emulateNetworkConditions', offline=True, latency=0, downloadThroughput=0,
            uploadThroughput=0)
        tab.wait('studio.ready || studio.error', 60)
        print(f'--- {name}: ready {time.time() - start:.1f} s after the start of the browser', flush=True)
        tab.wait("document.body.getAttribute('aria-busy') != 'true'", 60)
        for f in cases: f(tab, rows)
        looks(tab, name, rows, axe)
        rows.add(f'{name}: errors', problems(tab), 0, False)

def main():
    from docs import find_axe, find_engine
    from gamegen.report.browser import no_browser
    from gamegen.studio import write_studio
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/'_docs/studio'
    lack = no_browser()
    if not (out/'index.html').exists():
        engine = find_engine()
        if not engine: lack = lack or 'onnxruntime-web'
        else: write_studio(out := Path(tempfile.mkdtemp())/'studio', engine)
    if lack: return print(f'{lack}: not installed; the studio was not tried')
    axe = find_axe()
    if not axe: print('axe-core: not in $AXE, node_modules or the packages of npm; tried without')
    rows = Rows()
    budgets(out, rows)
    visits(out)
    for name,cases in CASES.items(): try_page(out.resolve(), name, cases, rows, axe)
    print(f'{sum(rows)} passed, {len(rows) - sum(rows)} failed')
    sys.exit(not all(rows))

if __name__ == '__main__': main()
