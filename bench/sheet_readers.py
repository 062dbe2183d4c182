"""Which game engines read a sheet as it is.

python bench/sheet_readers.py MODULES loads the sheets of two monsters, with the same
motions, into engines that npm has put into the folder MODULES, in Chromium; the monsters' puppets go
into PixiJS by its runtime for DragonBones:

    npm install phaser3@npm:phaser@3.90 phaser4@npm:phaser@4.2 pixi.js@8 kaplay@3001 excalibur@0.31 \\
        pixi-dragonbones-runtime@8 @excaliburjs/plugin-aseprite@0.31 melonjs@18

Each engine says what it has read: names, milliseconds, loops and the point at the feet. That is
compared with what was written, and goes to data/sheet_readers.json; a strip of screenshots goes to
images/sheet_readers.png. Tiled and Debian's Godot 3 are tried where they are installed; pygame and
arcade where `--python` names the Python of an environment that has them, by the functions that the
notebook of sheets shows.
"""
import argparse
import functools
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from gamegen.core import bundled
from gamegen.images import tile
from gamegen.monster.deliver import file_names, whole_motions
from gamegen.monster.motion import LOOPS, TIMING, write_puppet
from gamegen.monster.rig import find_rig
from gamegen.monsters import generate_monsters
from gamegen.report.browser import chromium
from gamegen.sprite.sheets import write_sheet

MOTIONS = ('walk', 'attack')
HEAD = '<!doctype html><meta charset="utf-8"><title>{}</title><body style="margin:0;background:#567">'

# Each page loads the sheets in SHEETS, shows a sprite of every animation and leaves in `window.found`
# {animation: {ms: [...], loops: true or false, feet: [x, y]}}; null stands for what an engine ignores.
PHASER = '''<script src="/modules/MODULE/dist/phaser.min.js"></script><script>
new Phaser.Game({type: Phaser.CANVAS, width: 640, height: 160, pixelArt: true,
  backgroundColor: '#556677', banner: false, audio: {noAudio: true}, scene: {
  preload() { for (const k of SHEETS) this.load.aseprite(k, k + '-sheet.png', k + '-sheet.json'); },
  create() { const found = {}; let i = 0;
    for (const k of SHEETS) for (const a of this.anims.createFromAseprite(k)) {
      const tag = this.cache.json.get(k).meta.frameTags.find(t => t.name == a.key);
      const s = this.add.sprite(90 + 150*i++, 130, k);
      s.play({key: a.key, repeat: 'repeat' in tag ? tag.repeat - 1 : -1});
      found[a.key] = {ms: a.frames.map(f => Math.round(f.duration)), loops: s.anims.repeat == -1,
                      feet: [s.originX, s.originY]}; }
    window.found = found; } }});
</script>'''
PIXI = '''<script src="/modules/pixi.js/dist/pixi.min.js"></script><script>
(async () => { const app = new PIXI.Application();
  await app.init({width: 640, height: 160, background: '#556677', preference: 'webgl'});
  document.body.append(app.canvas); const found = {}; let i = 0;
  for (const k of SHEETS) { const sheet = await PIXI.Assets.load({src: k + '-sheet.json', data: {cachePrefix: k}});
    for (const name in sheet.animations) { const tag = sheet.data.meta.frameTags.find(t => t.name == name);
      const ms = []; for (let j = tag.from; j <= tag.to; j++) ms.push(sheet.data.frames[j].duration);
      const s = new PIXI.AnimatedSprite(sheet.animations[name].map((texture, j) => ({texture, time: ms[j]})));
      s.loop = !('repeat' in tag); s.position.set(90 + 150*i++, 130); s.play(); app.stage.addChild(s);
      found[name] = {ms, loops: s.loop, feet: [s.anchor.x, s.anchor.y]}; } }
  window.found = found; })();
</script>'''
KAPLAY = '''<script src="/modules/kaplay/dist/kaplay.js"></script><script>
const k = kaplay({width: 640, height: 160, background: '#556677', global: false}); const found = {}; let i = 0;
for (const name of SHEETS) k.loadAseprite(name, name + '-sheet.png', name + '-sheet.json');
k.onLoad(() => { for (const name of SHEETS) { const d = k.getSprite(name).data;
    for (const a in d.anims) { const o = d.anims[a];
      k.add([k.sprite(name, {anim: a}), k.pos(26 + 150*i++, 16)]);
      found[a] = {ms: null, loops: o.loop ?? null, feet: null}; } }
  window.found = found; });
</script>'''
EXCALIBUR = '''<script src="/modules/excalibur/build/dist/excalibur.min.js"></script>
<script src="/modules/@excaliburjs/plugin-aseprite/build/umd/excalibur-aseprite.min.js"></script><script>
(async () => { const P = ex.Plugin.Aseprite; const found = {}; let i = 0;
  const game = new ex.Engine({width: 640, height: 160, backgroundColor: ex.Color.fromHex('#556677'),
                              suppressConsoleBootMessage: true,
                              suppressPlayButton: true});
  const all = SHEETS.map(k => new P.AsepriteResource(k + '-sheet.json')); await game.start(new ex.Loader(all));
  for (const r of all) for (const [name, a] of r.data.animations) {
      const s = new ex.Actor({x: 90 + 150*i++, y: 80}); s.graphics.use(a); game.add(s);
      found[name] = {ms: a.frames.map(f => f.duration), loops: a.strategy == ex.AnimationStrategy.Loop, feet: null}; }
  window.found = found; })();
</script>'''
MELON = '''<script type="module">
import * as me from '/modules/melonjs/build/index.js';
me.device.onReady(() => { me.video.init(640, 160, {parent: 'screen', renderer: me.video.CANVAS});
  const files = SHEETS.flatMap(k => [{name: k, type: 'json', src: k + '-sheet.json'},
                                     {name: k + '-sheet', type: 'image', src: k + '-sheet.png'}]);
  me.loader.preload(files, () => { const found = {}; let i = 0;
    for (const k of SHEETS) { const table = me.loader.getJSON(k);
      const texture = new me.TextureAtlas(table, me.loader.getImage(k + '-sheet'));
      const s = texture.createAnimationFromName(table.frames.map(f => f.filename));
      for (const a of Object.values(texture.getAtlas().anims)) {
        s.addAnimation(a.name, a.index.map((n, j) => ({name: n, delay: table.frames[n].duration})));
        const one = texture.createAnimationFromName(a.index.map(String)); one.pos.set(90 + 150*i++, 80, 1);
        me.game.world.addChild(one); found[a.name] = {ms: null, loops: null, feet: null}; } }
    window.found = found; }, true); });
</script><div id="screen"></div>'''
# Of a puppet, each motion is told as a sheet's are, and `bones` beside
PUPPETS = '''<script type="importmap">{"imports": {"pixi.js": "/modules/pixi.js/dist/pixi.mjs"}}</script>
<script type="module">
import * as PIXI from 'pixi.js';
import {PixiFactory} from '/modules/pixi-dragonbones-runtime/lib/index.mjs';
const app = new PIXI.Application(), found = {}, factory = PixiFactory.factory; let i = 0;
await app.init({width: 640, height: 160, background: '#556677', preference: 'webgl'});
document.body.append(app.canvas);
const json = path => fetch(path).then(r => r.json());
for (const k of SHEETS) {
  factory.parseDragonBonesData(await json(k + '_ske.json'));
  factory.parseTextureAtlasData(await json(k + '_tex.json'), await PIXI.Assets.load(k + '_tex.png'));
  const data = factory.getArmatureData(k), bones = data.sortedBones.map(b => b.name);
  for (const name of data.animationNames) {
    const d = factory.buildArmatureDisplay(k, k), state = d.animation.play(name);
    d.position.set(58 + 150*i++, 56); app.stage.addChild(d);
    found[k + '-' + name] = {ms: state.totalTime*1000, loops: state.playTimes == 0, bones}; } }
window.found = found;
</script>'''
# Godot 3 reads no `.tres` of Godot 4; a script makes its `SpriteFrames` from the table, and asks these
GODOT = '''extends SceneTree
func _init():
    var found = {}
    for path in OS.get_cmdline_args():
        if not path.ends_with("-sheet.json"): continue
        var file = File.new()
        file.open(path, File.READ)
        var table = JSON.parse(file.get_as_text()).result
        var image = Image.new()
        image.load(path.get_base_dir() + "/" + table.meta.image)
        var texture = ImageTexture.new()
        texture.create_from_image(image, 0)
        var sprite = AnimatedSprite.new()
        sprite.frames = SpriteFrames.new()
        for tag in table.meta.frameTags:
            var first = int(tag.from)
            sprite.frames.add_animation(tag.name)
            sprite.frames.set_animation_loop(tag.name, not "repeat" in tag)
            sprite.frames.set_animation_speed(tag.name, 1000.0/table.frames[first].duration)
            for i in range(first, int(tag.to) + 1):
                var cell = table.frames[i].frame
                var part = AtlasTexture.new()
                part.atlas = texture
                part.region = Rect2(cell.x, cell.y, cell.w, cell.h)
                sprite.frames.add_frame(tag.name, part)
            var ms = []
            var speed = sprite.frames.get_animation_speed(tag.name)
            for i in sprite.frames.get_frame_count(tag.name): ms.append(1000.0/speed)
            found[tag.name] = {"ms": ms, "loops": sprite.frames.get_animation_loop(tag.name)}
    print(to_json(found))
    quit()
'''.replace('    ', '\t')
# Below the functions of the notebook: show every animation, and say what was read
PYGAME = '''
import os, sys
os.environ['SDL_VIDEODRIVER'] = 'dummy'
screen = pygame.display.set_mode((640, 160))
screen.fill('#556677')
found = {}
for path in sys.argv[2:]:
    for name,(pictures, ms, loops, feet) in load_sheet(path).items():
        w,h = pictures[0].get_size()
        screen.blit(pictures[2], (90 + 150*len(found) - w*feet['x'], 130 - h*feet['y']))
        found[name] = dict(ms=ms, loops=loops, feet=[feet['x'], feet['y']])
pygame.image.save(screen, sys.argv[1])
print(json.dumps(dict(version=pygame.version.ver, found=found)))
'''
ARCADE = '''
import sys
window = arcade.Window(640, 160)
window.clear(color=arcade.types.Color.from_hex_string('556677'))
found = {}
sprites = arcade.SpriteList()
for path in sys.argv[2:]:
    for name,(sprite, loops, feet) in load_sheet(path).items():
        w,h = sprite.size
        sprite.position = 90 + 150*len(found) + w*(.5 - feet['x']), 30 + h*(feet['y'] - .5)
        sprite.update_animation(.25)
        sprites.append(sprite)
        ms = [round(o.duration) for o in sprite.animation.keyframes]
        found[name] = dict(ms=ms, loops=loops, feet=[feet['x'], feet['y']])
sprites.draw(pixelated=True)
arcade.get_image().save(sys.argv[1])
print(json.dumps(dict(version=arcade.__version__, found=found)))
'''

ENGINES = {'Phaser 3':('phaser3', PHASER.replace('MODULE', 'phaser3')),
           'Phaser 4':('phaser4', PHASER.replace('MODULE', 'phaser4')), 'PixiJS':('pixi.js', PIXI),
           'Kaplay':('kaplay', KAPLAY), 'Excalibur':('excalibur', EXCALIBUR),
           'melonJS':('melonjs', MELON)}

def written(folder):
    "Sheets of two monsters, and what is in them: `{animation: what}`"
    made = generate_monsters(2, ['drakes', 'elves'], seed=3)
    names = file_names(made.certificate)
    for name,sprite in zip(names, np.asarray(made.sprites)):
        write_sheet(folder/f'{name}-sheet.png', whole_motions(sprite, MOTIONS, seed=3), name)
    tables = {o:json.loads((folder/f'{o}-sheet.json').read_text()) for o in names}
    want = {}
    for table in tables.values():
        for t in table['meta']['frameTags']:
            cells = table['frames'][t['from']:t['to'] + 1]
            want[t['name']] = dict(ms=[o['duration'] for o in cells], loops='repeat' not in t,
                                   feet=[cells[0]['anchor'][k] for k in 'xy'])
    return names, want, puppets(folder, names, np.asarray(made.sprites))

class Quiet(http.server.SimpleHTTPRequestHandler):
    "Serves two folders"
    def __init__(self, *args, modules, **kw):
        self.modules = modules
        super().__init__(*args, **kw)
    def translate_path(self, path):
        if not path.startswith('/modules/'): return super().translate_path(path)
        return str(self.modules/path.removeprefix('/modules/').split('?')[0])
    def log_message(self, *args): pass

OFFSCREEN = os.environ | dict(QT_QPA_PLATFORM='offscreen')

def tiled_version():
    r = subprocess.run(['tiled', '--version'], env=OFFSCREEN, capture_output=True, text=True)
    return r.stdout.split()[-1]

def by_tiled(folder, names):
    "What Tiled has read of the tilesets, which it writes as JSON"
    found = {}
    for o in names:
        out = folder/f'{o}-tiled.json'
        cmd = ['tiled', '--export-tileset', 'json', str(folder/f'{o}-sheet.tsx'), str(out)]
        subprocess.run(cmd, env=OFFSCREEN, check=True, capture_output=True)
        for t in json.loads(out.read_text())['tiles']:
            found[t['type']] = dict(ms=[f['duration'] for f in t['animation']])
    return found

def by_godot(folder, names):
    "What Godot 3 has read: its version, and the animations"
    (folder/'read.gd').write_text(GODOT, encoding='utf-8')
    cmd = ['godot3-server', '--path', str(folder), '-s', 'read.gd']
    r = subprocess.run(cmd + [str(folder/f'{o}-sheet.json') for o in names], capture_output=True, text=True)
    found = next(o for o in r.stdout.splitlines() if o.startswith('{'))
    version = subprocess.run(cmd[:1] + ['--version'], capture_output=True, text=True).stdout
    return '.'.join(version.split('.')[:3]), json.loads(found)

def puppets(folder, names, sprites):
    "Write puppets, and say what is in them: `{animation: what}`"
    want = {}
    for name,sprite in zip(names, sprites):
        rig = find_rig(sprite)
        write_puppet(folder/f'{name}.png', rig, MOTIONS, seed=3)
        bones = json.loads((folder/f'{name}_ske.json').read_text())['armature'][0]['bone']
        for m in MOTIONS:
            n,fps = TIMING[m]
            want[f'{name}-{m}'] = dict(ms=1000*n/fps, loops=m in LOOPS, bones=[o['name'] for o in bones])
    return want

def by_python(python, folder, names):
    "Yield what pygame and arcade have read, `(name, found, screenshot)`"
    nb = json.loads((bundled().parent/'nbs/sprite/08_sheets.ipynb').read_text(encoding='utf-8'))
    text = '\n'.join(''.join(c['source']) for c in nb['cells'])
    for block in re.findall(r'```python\n(.*?)```', text, re.S):
        package,tail = ('pygame', PYGAME) if 'import pygame' in block else ('arcade', ARCADE)
        shot = folder/f'{package}.png'
        cmd = [python, '-c', block + tail, str(shot)] + [str(folder/f'{o}-sheet.json') for o in names]
        if package == 'arcade': cmd = ['xvfb-run', '-a', *cmd]
        env = {k:v for k,v in os.environ.items() if k != 'PYTHONPATH'}
        r = subprocess.run(cmd, env=env, check=True, capture_output=True, text=True)
        said = json.loads(r.stdout.splitlines()[-1])
        yield f"{package} {said['version']}", said['found'], Image.open(shot).convert('RGB')

def seen(server, folder, a, engine, module, page, names):
    "What a page says of the sheets, and a picture of it"
    version = json.loads((a.modules/module/'package.json').read_text())['version']
    head = HEAD.format(engine) + f'<script>const SHEETS = {json.dumps(names)};</script>'
    (folder/f'{module}.html').write_text(head + page, encoding='utf-8')
    url = f'http://127.0.0.1:{server.server_port}/{module}.html'
    with chromium(url, (640, 400)) as tab:
        tab.wait('window.found', 30)
        tab.wait('new Promise(o => setTimeout(() => o(true), 1000))')
        found = tab.js('window.found')
        shot = Image.open(io.BytesIO(tab.shot())).convert('RGB').crop((0, 0, 640, 160))
    return f'{engine} {version}', found, shot

def compared(found, want):
    "Which of names, times, loops and feet an engine has read as they were written"
    row = dict(names=set(want) <= set(found))
    for k in ('ms', 'loops', 'feet'):
        values = [(found.get(o, {}).get(k), v.get(k)) for o,v in want.items()]
        if all(a is None for a,_ in values): row[k] = 'not read'
        else: row[k] = all(np.allclose(a, b, atol=.6*(k == 'ms')) for a,b in values)
    return row

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('modules', type=Path)
    p.add_argument('--python', help='of an environment with pygame and arcade')
    a = p.parse_args()
    folder = Path(tempfile.mkdtemp())
    names,want,puppet = written(folder)
    serve = functools.partial(Quiet, directory=str(folder), modules=a.modules.resolve())
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = {}
    shots = []
    for engine,(module,page) in ENGINES.items():
        name,found,shot = seen(server, folder, a, engine, module, page, names)
        rows[name] = compared(found, want)
        print(name, rows[name], flush=True)
        shots.append(shot)
    pixi = 'Puppets, PixiJS with pixi-dragonbones-runtime', 'pixi-dragonbones-runtime', PUPPETS
    name,found,shot = seen(server, folder, a, *pixi, names)
    rows[name] = compared(found, puppet)
    rows[name]['names'] &= all(found[k]['bones'] == v['bones'] for k,v in puppet.items())
    print(name, rows[name], flush=True)
    shots.append(shot)
    if shutil.which('tiled'): rows['Tiled ' + tiled_version()] = compared(by_tiled(folder, names), want)
    if shutil.which('godot3-server'):
        version,found = by_godot(folder, names)
        rows[f'Godot {version}, by a script'] = compared(found, want)
        print(version, rows[f'Godot {version}, by a script'], flush=True)
    for name,found,shot in by_python(a.python, folder, names) if a.python else ():
        rows[name] = compared(found, want)
        print(name, rows[name], flush=True)
        shots.append(shot)
    if len(shots) % 2: shots.append(Image.new('RGB', shots[0].size, '#556677'))
    strip = tile(np.stack(shots), 2)
    Image.fromarray(strip).quantize(64).save(bundled().parent/'images/sheet_readers.png', optimize=True)
    (bundled()/'sheet_readers.json').write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')

if __name__ == '__main__': main()
