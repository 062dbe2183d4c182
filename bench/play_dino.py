"""A game that nobody here wrote, learned and played on the screen by the commands that ship.

python bench/play_dino.py chain FOLDER    record five minutes of a teacher, learn, teach two rounds
python bench/play_dino.py play FOLDER     games of random keys, a steady beat, the teacher and both clones

The game is react-chrome-dino (npm, MIT; Chromium's runner in it is under a BSD licence), fetched by
npm and checked by SHA-256; none of it is kept here. It runs in Chromium on a screen that nobody sees.
The figures go into bench/play_scores.json. `--pace .5` slows the game's own clock, on a busy machine.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
KEEP = ROOT/'bench'/'play_scores.json'

from gamegen.core import atomic_write
from gamegen.io import file_sha256
from gamegen.play.screen import ScreenGame, browser_game, virtual_screen
from gamegen.studio import _by_npm, _cache

PACKAGES = (
    ('react-chrome-dino', '0.1.3', 'build/index.js',
     'f085c1b4817899f023c6ef6d0bfbcfe545e8a3575f8838313c1e5e147a130dea'),
    ('react', '16.14.0', 'umd/react.production.min.js',
     'fe57dc365e50cbd95f61f78bca5b64e749c1af7f08f481f0565d92a6b014a5e3'),
    ('react-dom', '16.14.0', 'umd/react-dom.production.min.js',
     '61d08586f10f4de8d50aee90fcbda5c2f1d6eac3744f60fe4b0c1f294e7e3336'))
KEY = 'up'
TITLE = 'Dino score'
SIZE = 620, 166      # of the window
MOST = 30            # seconds of a game, by its own clock: the game itself has no end

# The title says score and state; a crash, or half a minute, begins the next game
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Dino</title>
<style>html, body {margin: 0; background: #fff; overflow: hidden}
.interstitial-wrapper {margin: 8px auto 0 !important; padding: 0 !important}
#root {width: 600px; margin: auto}</style><div id="root"></div>
<script src="react.js"></script><script src="react-dom.js"></script>
<script>
window.react = React
// the game's own clock: a sixtieth of a second each time that it draws, and so many times in a real second
const ask = new URLSearchParams(location.search), EVERY = 1000/60/(+ask.get('pace') || 1)
const clock = performance.now.bind(performance), frame = window.requestAnimationFrame.bind(window)
let frames = 0, due = clock(), waiting = []
performance.now = Date.now = () => frames*1000/60
window.requestAnimationFrame = f => { waiting.push(f); return waiting.length }
window.cancelAnimationFrame = () => { waiting = [] }
function beat() {
  if (clock() >= due - 2) {
    due = Math.max(due + EVERY, clock())
    frames++
    const now = waiting
    waiting = []
    for (const f of now) f(frames*1000/60)
  }
  frame(beat)
}
frame(beat)
</script>
<script src="react-chrome-dino.js"></script>
<script>
ReactDOM.render(React.createElement(window.default), document.getElementById('root'))
const done = [], r = () => Runner.instance_
let ended = 0
function tell() {
  const g = r()
  if (g && g.tRex) {
    const o = g.horizon && g.horizon.obstacles.find(o => o.xPos + o.width > g.tRex.xPos)
    const score = g.distanceMeter.getActualDistance(Math.ceil(g.distanceRan))
    const over = g.crashed || g.runningTime > MOST*1000
    if (over && !ended) { ended = clock(); done.push(score); if (!g.crashed) g.gameOver() }
    if (ended && clock() - ended > 54*EVERY) { ended = 0; g.restart() }
    const s = {n: done.length, last: done.slice(-1)[0] || 0, over: ended ? 1 : 0, on: g.activated ? 1 : 0,
      x: o ? Math.round(o.xPos - g.tRex.xPos - 44) : 999, w: o ? o.width : 0,
      v: +g.currentSpeed.toFixed(2), y: Math.round(g.tRex.groundYPos - g.tRex.yPos)}
    document.title = 'Dino score=' + score + ' ' + JSON.stringify(s)
  }
  frame(tell)
}
frame(tell)
</script></html>
"""

def fetch_game():
    "A folder with the game's page; the packages are fetched by npm where they are not there yet"
    home = _cache()/'dino-0.1.3'
    home.mkdir(parents=True, exist_ok=True)
    for name,version,inside,sha in PACKAGES:
        path = _cache()/f'{name}-{version}.tgz'
        if not path.exists(): _by_npm(path, f'{name}@{version}')
        if file_sha256(path) != sha: sys.exit(f'{path}: its SHA-256 is not {sha}')
        with tarfile.open(path) as t: code = t.extractfile(f'package/{inside}').read()
        (home/f'{name}.js').write_bytes(code)
    (home/'index.html').write_text(PAGE.replace('MOST', str(MOST)))
    return home/'index.html'

def state(title):
    "What the title says, or None before the game is there"
    m = re.search(r'Dino score=(\d+) (\{.*\})', title)
    return dict(json.loads(m[2]), score=int(m[1])) if m else None

# --- players

class Teacher:
    "Jumps where the obstacle passes below the middle of the jump"
    def __init__(self, lead=2.):
        self.lead = lead      # frames of the game until a key takes effect
        self.down = False
    def due(self, s, late=0.):
        "Is it time to jump, or `late` frames after it?"
        if not s['w']: return False
        spare = max(0, 21*s['v'] - s['w'] - 30)            # pixels by which a jump may be too early or late
        return s['x'] <= s['v']*(5 + self.lead - late) + spare/2
    def __call__(self, s):
        if s['y'] > 45 or s['over']: self.down = False
        elif s['y'] == 0: self.down = self.due(s)
        return [KEY]*self.down

class AtRandom:
    "Holds the key, or not, for a while"
    def __init__(self, seed, low, high):
        self.rng = random.Random(seed)
        self.until = 0
        self.down = False
        self.low,self.high = low,high
    def __call__(self, s):
        now = time.monotonic()
        if now > self.until:
            self.down = not self.down
            self.until = now + (.15 if self.down else self.rng.uniform(self.low, self.high))
        return [KEY]*self.down

@contextmanager
def dino(pace):
    "The game in a window of its own, begun"
    page = fetch_game()
    with virtual_screen((SIZE[0] + 20, SIZE[1] + 20)), browser_game(page, TITLE, f'pace={pace}', SIZE):
        time.sleep(1)
        with ScreenGame([KEY], TITLE, limit=36_000) as g:
            for keys in ([KEY], []):
                g.press(keys)
                time.sleep(.1)
            time.sleep(2/pace)
            yield g

def games_of(g, player, n, tell=print):
    "Scores of so many games that begin from now on"
    scores = []
    first = state(g.title)['n']
    while len(scores) < n:
        s = state(g.title)
        if s['n'] > first + len(scores):
            scores.append(s['last'])
            tell(scores[-1])
        g.press(player(s))
        time.sleep(.004)
    g.press([])
    return scores

# --- what there is to do

def command(*args):
    "A command that ships"
    print('gamegen', *args, flush=True)
    return subprocess.Popen([sys.executable, '-m', 'gamegen.cli', *map(str, args)],
                            env=dict(os.environ, PYTHONPATH=str(ROOT)))

def ended(p):
    if p.wait(): sys.exit(f'gamegen ended with {p.returncode}')

def record(folder, pace, seconds=300):
    "Lessons: the teacher plays, and is recorded"
    with dino(pace) as g:
        p = command('record', folder/'lessons', KEY, '--game', 'dino', '--window', TITLE,
                    '--size', '310x83', '--rate', 20, '--seconds', seconds)
        player = Teacher()
        while p.poll() is None:
            g.press(player(state(g.title)))
            time.sleep(.004)
        g.press([])
        ended(p)

class Corrector:
    """Takes over by F8 where the clone has not jumped in time, or jumps where it should not;
    the clone's own jumps are let be"""
    def __init__(self):
        self.teacher = Teacher()
        self.mine = False
        self.last = 0
    def __call__(self, s):
        t = self.teacher
        up = bool(t(s))
        if s['over']: self.mine = False
        elif not self.mine:
            rose = s['y'] > 0 and self.last == 0
            self.mine = t.due(s, 4) and s['y'] == 0 or rose and not t.due(s, -8)
        elif s['y'] == 0 and not up and s['x'] > 20*s['v']: self.mine = False
        self.last = s['y']
        return (['f8'] + [KEY]*up) if self.mine else []

def teach(folder, pace, rounds=2, seconds=60):
    "Rounds in which the clone plays and the teacher corrects it"
    with dino(pace) as g:
        paths = '--model', folder/'player.safetensors', '--out', folder/'taught.safetensors'
        p = command('teach', '--window', TITLE, *paths, '--recordings', folder/'lessons',
                    '--rounds', rounds, '--seconds', seconds, '--steps', 60, '--force')
        player = Corrector()
        with ScreenGame([KEY, 'f8'], TITLE, stop='f12', limit=36_000) as hand:
            while p.poll() is None:
                hand.press(player(state(hand.title)))
                time.sleep(.004)
            hand.press([])
        ended(p)

def clone_games(path, n, pace, film=None):
    "Games of a clone, by gamegen play"
    with dino(pace) as g:
        more = ['--output', film] if film else []
        p = command('play', '--game', 'dino', '--window', TITLE, '--model', path, '--seconds', 36_000,
                    *more)
        while p.poll() is None and not state(g.title)['y']: time.sleep(.05)
        first = state(g.title)['n'] + 1         # the game that is on began without the player
        scores = []
        while p.poll() is None and len(scores) < n:
            s = state(g.title)
            if s['n'] > first + len(scores):
                scores.append(s['last'])
                print(scores[-1], flush=True)
            time.sleep(.05)
        p.send_signal(2)
        p.wait()
    return scores

PLAYERS = {
    'teacher': Teacher, 'random keys': lambda: AtRandom(0, .1, 3),
    'a steady beat': lambda: AtRandom(0, .95, .95)}

def keep(name, scores, **more):
    "Add a row to the figures"
    kept = json.loads(KEEP.read_text())
    kept.setdefault('dino', {})[name] = dict(scores=scores, **more)
    with atomic_write(KEEP, True) as f: f.write_text(json.dumps(kept, separators=(',', ':')) + '\n')

def learn(folder, steps):
    "The clone, from its lessons"
    ended(command('play-train', folder/'lessons', '--steps', steps, '--force',
                  '--out', folder/'player.safetensors'))

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('what', choices=('record', 'learn', 'teach', 'chain', 'play', *PLAYERS, 'clone', 'taught'))
    p.add_argument('folder', type=Path)
    p.add_argument('--pace', type=float, default=.5, help="of the game's clock")
    p.add_argument('--games', type=int, default=10)
    p.add_argument('--steps', type=int, default=200)
    a = p.parse_args()
    a.folder.mkdir(parents=True, exist_ok=True)
    if a.what in ('record', 'chain'): record(a.folder, a.pace)
    if a.what in ('learn', 'chain'): learn(a.folder, a.steps)
    if a.what in ('teach', 'chain'): teach(a.folder, a.pace)
    for name,make in PLAYERS.items():
        if a.what not in (name, 'play'): continue
        with dino(a.pace) as g: keep(name, games_of(g, make(), a.games))
    for name,file in (('clone', 'player'), ('taught', 'taught')):
        if a.what in (name, 'play'):
            keep(name, clone_games(a.folder/f'{file}.safetensors', a.games, a.pace))

if __name__ == '__main__': main()
