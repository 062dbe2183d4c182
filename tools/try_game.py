"""Play the game in Chromium, by the script and by the clone: `python tools/try_game.py [--full]`.

One game is made and played to its end by both; nothing may be said on the console; the clone's
networks give in the page what ONNX Runtime gives. With --full, twenty games are played so, and
hundreds without a picture by those that the clone is measured against; data/game_scores.json keeps
the figures.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tools')]
SEEDS = range(200, 220)        # the clone has learned from games of seeds 1000 and above
MOST = 12                      # MB
STATE = "JSON.stringify({done:!!s.done, level:s.level + 1, ticks:s.ticks, wins:s.wins, falls:s.falls})"

def write_game(folder, seed):
    "The page of a game, and its licences"
    from contextlib import redirect_stdout
    from gamegen.bestiary.game import main
    import io
    with redirect_stdout(io.StringIO()): main(seed, str(folder))
    return folder/'index.html'

def play(tab, page, who, secs=240):
    "How a game ended that is played as fast as can be"
    from gamegen.bestiary.clone import LIMIT
    tab.open(f'{page.as_uri()}?play={who}&speed=40')
    try: tab.wait(f's.done || s.ticks > {LIMIT}', secs)
    except TimeoutError: pass
    return json.loads(tab.js(STATE))

def rate(tab, page):
    "Frames a second while the clone plays at the usual pace"
    tab.open(f'{page.as_uri()}?play=clone')
    tab.wait('s.steps > 30', 30)
    count = 'new Promise(r => { let n = 0, t = performance.now(); const f = () => { n++; ' \
            'performance.now() - t > 4000 ? r(n/4) : requestAnimationFrame(f) }; f() })'
    return tab.js(count)

def networks(tab, rows):
    "The clone's networks, in the page beside ONNX Runtime"
    from studio import golden_inputs, graphs_of
    from gamegen.bestiary.game import HIGH, WIDE, make_level
    nets = graphs_of('game')
    off = []
    for seed in range(20):
        level = make_level(seed, [])
        planes = np.zeros((1, 6, HIGH, WIDE), np.float32)
        planes[0, 0] = np.array([int(o) for o in level['wall']]).reshape(HIGH, WIDE)
        for x,y in level['seals']: planes[0, 1, y, x] = 1
        planes[0, 5] = seed % 2
        x,y = level['start']
        at = np.array([y*WIDE + x])
        flat = json.dumps(planes[0].reshape(6, -1).tolist())
        got = tab.js(f'ways(game.clone.walk, {flat}, {at[0]})')
        off.append(np.abs(nets['walk'](np.repeat(planes, 2, 0), np.repeat(at, 2))[0] - got).max())
    rows.add('steps beside ONNX Runtime, largest difference', float(max(off)), .01, False)
    moves, = golden_inputs(nets['battle'])
    got = tab.js(f'{json.dumps(moves.tolist())}.map(o => worths(game.clone.battle, o))')
    off = np.abs(nets['battle'](moves) - np.array(got)).max()
    rows.add('moves beside ONNX Runtime, largest difference', float(off), .001, False)

def said(tab):
    "What was said on the console"
    for e in tab.errors: print(json.dumps(e)[:300])
    return len(tab.errors)

def short(rows):
    "One game"
    from docs import find_axe
    from gamegen.report.browser import chromium
    with tempfile.TemporaryDirectory() as tmp:
        page = write_game(Path(tmp)/'game', 7)
        rows.add('MB of the page', round(page.stat().st_size/1e6, 2), MOST, False)
        with chromium(page.as_uri(), size=(1280, 900)) as tab:
            wide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
            axe = find_axe()
            for width in (1280, 360):
                tab.view((width, 780))
                rows.add(f'pixels too wide at {width}', tab.js(wide), 0, False)
                if not axe: continue
                tab.js(axe + '; 0')
                found = tab.js("axe.run(document, {resultTypes: ['violations']})"
                               ".then(r => r.violations.map(v => v.id))")
                for o in found: print(f'     {o}')
                rows.add(f'barriers that axe finds at {width}', len(found), 0, False)
            tab.view((1280, 900))
            networks(tab, rows)
            for who in ('script', 'clone'):
                end = play(tab, page, who)
                rows.add(f'the {who} has finished ({end})', int(end['done']), 1)
            fps = rate(tab, page)
            print(f'     frames a second at the usual pace: {fps:.0f}; a speed is no test')
            rows.add('words on the console', said(tab), 0, False)

def full(rows):
    "Twenty games in Chromium, and without a picture by what the clone is measured against"
    from gamegen.report.browser import chromium
    from gamegen.bestiary.clone import GameClone, play_games
    ends = dict(script=[], clone=[])
    mb = []
    with tempfile.TemporaryDirectory() as tmp, chromium('data:,', size=(800, 760)) as tab:
        for seed in SEEDS:
            page = write_game(Path(tmp)/str(seed), seed)
            mb.append(page.stat().st_size/1e6)
            for who in ends: ends[who].append(play(tab, page, who))
            print(seed, *(o[-1] for o in ends.values()), flush=True)
        fps = rate(tab, page)
        words = said(tab)
    ours = GameClone.bundled().as_page()
    node = {k:play_games(SEEDS, *v) for k,v in dict(script=('script', ours), clone=('clone', ours),
            random=('random',), nearest=('nearest',)).items()}
    kept = dict(chromium=ends, node={k:[{a:b for a,b in o.items() if a not in ('walks', 'fights')} for o in v]
                                     for k,v in node.items()})
    kept |= dict(mb=round(max(mb), 2), about=dict(fps=round(fps)), words=words, seeds=[*SEEDS])
    (ROOT/'data/game_scores.json').write_text(json.dumps(kept))
    rows.add('MB of the largest page', max(mb), MOST, False)
    rows.add('games that the script finishes, of 20', sum(o['done'] for o in ends['script']), 20)
    rows.add('games that the clone finishes, of 20', sum(o['done'] for o in ends['clone']), 18)
    for k in ('random', 'nearest'):
        n = sum(o['done'] for o in node[k])
        rows.add(f'games that {k} finishes, of 20', n, 2, False)
    rows.add('words on the console', words, 0, False)

def main():
    from try_studio import Rows
    from gamegen.report.browser import no_browser
    ap = argparse.ArgumentParser(description='Play the game in Chromium')
    ap.add_argument('--full', action='store_true', help='twenty games; writes data/game_scores.json')
    args = ap.parse_args()
    if no_browser(): return print(f'{no_browser()}: not installed; the game was not tried')
    rows = Rows()
    full(rows) if args.full else short(rows)
    print(f'{sum(rows)} passed, {len(rows) - sum(rows)} failed')
    sys.exit(not all(rows))

if __name__ == '__main__': main()
