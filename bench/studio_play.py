"""Let the clone of Sneak play in the studio's page: levels 21 to 30, a minute each, in Chromium.

python bench/studio_play.py adds the figures to bench/play_scores.json, beside those of the same
levels in a window (`bench/play_clones.py play maze`). It takes ten minutes and half of a core.
"""
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tools')]
KEEP = ROOT/'bench'/'play_scores.json'
STEPS = 1800        # Of a game: thirty a second

from docs import find_engine
from gamegen.core import atomic_write
from gamegen.play.maze import maze_state
from gamegen.report.browser import chromium
from gamegen.studio import write_studio

def games(tab, levels):
    "Yields how each level ends"
    title = 'frame.contentDocument.title'
    for level in levels:
        tab.js(f"form.level.value = '{level}'; start()")
        tab.wait(f'+/step=(\\d+)/.exec({title})[1] < {STEPS}/2', 10)
        rates = []
        while (end := maze_state(tab.js(title)))['step'] < STEPS:
            tab.wait(f'+/step=(\\d+)/.exec({title})[1] >= {min(end["step"] + 300, STEPS)}', 60)
            rates.append(float(tab.js("$('#rate').textContent")))
        ms = float(tab.js("$('#ms').textContent.split(' ')[0]"))
        yield dict(score=end['score'], caught=end['c'], ms=[ms], rate=min(rates[1:]))

def main():
    folder = Path(tempfile.mkdtemp())/'studio'
    write_studio(folder, find_engine() or sys.exit('onnxruntime-web: not found; expected npm'))
    found = []
    with chromium((folder/'play.html').as_uri(), size=(1280, 900)) as tab:
        tab.wait('studio.ready || studio.error', 60)
        for o in games(tab, range(21, 31)):
            print(o, flush=True)
            found.append(o)
    kept = json.loads(KEEP.read_text())
    kept['maze']['clone, in the page'] = dict(games=found)
    with atomic_write(KEEP, True) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')

if __name__ == '__main__': main()
