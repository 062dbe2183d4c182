"""Abuse every command some 500 times: `python tools/abuse.py [WORD ...]`.

Absurd numbers, hostile files, names that nobody should use, streams that are full or closed,
processes that are stopped. Each case must end with a documented exit code and, where it is an
error, with one line on stderr; nothing may be half written or overwritten, and no command may take
more memory or time than it should. With WORDs, only the cases with one of them in their name.

A case runs in a copy of this process, which has imported the library; where streams and signals
matter it is a process of its own. Each has a folder with the same files in it.
"""
import argparse
import gzip
import io
import json
import lzma
import multiprocessing
import os
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault('OMP_NUM_THREADS', '1')
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SECONDS = 20     # of a processor that a case may take
PATIENCE = 90    # seconds after which it hangs
MEMORY = 700     # MB that it may add to what the library takes
WRONG = (1, 2)   # exit codes of an error

class Case(NamedTuple):
    "A command line, and how it must end"
    name:str
    argv:list                # Words; those of a shell's line are split at spaces
    codes:tuple = WRONG      # Exit codes of which one is expected
    says:str = ''            # What stands in the line on stderr
    leaves:tuple = ()        # Patterns of the files that it may write
    alone:dict|None = None   # A process of its own, with these changes to `own_process`

# --- the files that every case finds

def write_safetensors(path, header, data=b''):
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack('<Q', len(text)) + text + data)

def refit(source, path, config=None, notes=None, tensors=None, **record):
    "A weights file with some of its contents changed, and a fingerprint that fits them"
    from gamegen.io import read_tensors, write_tensors
    ts,rec = read_tensors(source, 'weights')
    if config is not None: rec['config'] = config(rec['config'])
    if notes is not None: rec['notes'] = notes(rec['notes'])
    write_tensors(path, tensors(ts) if tensors else ts, 'weights', rec | record)

def with_nan(ts):
    import torch
    k = max((k for k,v in ts.items() if v.is_floating_point()), key=lambda k: ts[k].numel())
    return ts | {k:torch.full_like(ts[k], float('nan'))}

def as_bool(ts): return {k:v.bool() for k,v in ts.items()}
def short(ts): return {k:v[:1] if v.ndim else v for k,v in ts.items()}

def huge(config):
    "Settings whose numbers are as large as their limits allow, or larger"
    return {k:10**9 if type(v) is int and k not in ('seed', 'steps') else v
            for k,v in config.items()}

SHIPPED = {'match':'match', 'creatures':'creatures', 'frames':'frames', 'monsters':'monsters',
           'play':'play-defend_the_center'}
FOREIGN = {
    'list-config':dict(config=lambda c: [1, 2]), 'text-notes':dict(notes=lambda n: 'abc'),
    'no-config':dict(config=lambda c: {}), 'huge-config':dict(config=huge),
    'words-config':dict(config=lambda c: dict.fromkeys(c, 'x')),
    'no-notes':dict(notes=lambda n: {}),
    'odd-notes':dict(notes=lambda n: dict.fromkeys(n, 7)), 'half-step':dict(step=1.5),
    'escape-licence':dict(licence='CC0\x1b[2J\x07'), 'list-licence':dict(licence=[]),
    'nan':dict(tensors=with_nan), 'bool':dict(tensors=as_bool), 'short':dict(tensors=short),
    'no-tensors':dict(tensors=lambda ts: {}),
}

def make_weights(folder):
    "Weights of foreign contents: for each system and each kind one, `foreign/frames-nan`"
    folder.mkdir()
    for system,file in SHIPPED.items():
        source = ROOT/f'data/weights/{file}.safetensors'
        for kind,change in FOREIGN.items():
            refit(source, folder/f'{system}-{kind}.safetensors', **change)
    write_safetensors(folder/'f6.safetensors', {
        '__metadata__':dict(format='gamegen-2', kind='weights', record='{}', digest=''),
        'a':dict(dtype='F6_E2M3', shape=[4], data_offsets=[0, 3])}, b'abc')
    (folder/'pickle.safetensors').write_bytes(b'\x80\x04K\x01.')
    (folder/'empty.safetensors').touch()
    (folder/'noise.safetensors').write_bytes(os.urandom(4096))

def make_matches(folder):
    path = ROOT/'data/match_midfielder.json'
    good = json.loads(path.read_text(encoding='utf-8'))[:400]
    (folder/'good.json').write_text(json.dumps(good))
    texts = {'deep':'['*100_000, 'nan':'[{"label": "run", "norm": [NaN]}]', 'object':'{}',
             'empty':'', 'twice':'[{"label": "run", "label": "run", "norm": [1]}]',
             'short':json.dumps(good[:3]), 'huge':'[{"label": "run", "norm": [1e999]}]',
             'cut':json.dumps(good)[:5000], 'escape':'[{"label": "\\u001b[2J", "norm": [1]}]'}
    for k,v in texts.items(): (folder/f'{k}.json').write_text(v)
    (folder/'bytes.json').write_bytes(b'[{"label": "\xff\xfe"}]')

def make_tables(folder):
    head,*rows = (ROOT/'data/creatures.csv').read_text(encoding='utf-8').splitlines()
    good = '\n'.join([head, *rows[:200]]) + '\n'
    (folder/'good.csv').write_text(good, encoding='utf-8')
    texts = {'empty':'', 'head':head + '\n', 'ragged':good + 'a,b\n', 'quote':head + '\n"unclosed\n',
             'wide':head + '\n' + 'x'*140_000 + '\n', 'nul':good.replace('a', '\0'),
             'numbers':'a,b\n' + '1,2\n'*50, 'one':'a\n1\n', 'twice':'a,a\n1,2\n',
             'formula':'=cmd,b\n' + '=1+1,2\n'*60, 'nan':'a,b\n' + 'nan,inf\n'*60}
    for k,v in texts.items(): (folder/f'{k}.csv').write_text(v, encoding='utf-8')
    (folder/'latin.csv').write_bytes(good.encode('utf-8') + b'\xff\xfe')
    bomb = gzip.compress(b'a,b\n') + gzip.compress(b'1,2\n'*(1 << 18))*600
    (folder/'bomb.csv.gz').write_bytes(bomb)
    packed = {'gz':gzip.compress(good.encode()), 'xz':lzma.compress(good.encode())}
    for k,v in packed.items(): (folder/f'cut.csv.{k}').write_bytes(v[:len(v)//2])
    (folder/'text.csv.zip').write_text('not a zip')

def make_pictures(folder):
    from PIL import Image
    pictures = folder/'pictures'
    pictures.mkdir()
    for i in range(24): Image.new('RGB', (32, 24), (9*i, 5*i, 99)).save(pictures/f'{i}.png')
    Image.new('RGBA', (20, 30), (200, 90, 40, 255)).save(folder/'creature.png')
    Image.new('RGBA', (20, 30)).save(folder/'clear.png')
    Image.new('RGBA', (600, 30), (200, 90, 40, 255)).save(folder/'wide.png')
    with zipfile.ZipFile(folder/'out.zip', 'w') as z: z.writestr('../../evil.png', b'x')
    with zipfile.ZipFile(folder/'bomb.zip', 'w', zipfile.ZIP_DEFLATED) as z:
        z.writestr('a.bmp', bytes(2*10**8))
    with tarfile.open(folder/'links.tar', 'w') as t:
        for name,to in (('a.png', '/etc/passwd'), ('b.png', '../good.json')):
            m = tarfile.TarInfo(name)
            m.type,m.linkname = tarfile.SYMTYPE,to
            t.addfile(m)
    h = tarfile.TarInfo('././@LongLink')
    h.type,h.size = tarfile.GNUTYPE_LONGNAME,900 << 20
    name = gzip.compress(h.tobuf(tarfile.GNU_FORMAT)) + gzip.compress(bytes(1 << 20))*900
    (folder/'name.tgz').write_bytes(name)
    films = (ROOT/'data/frames').glob('*.mp4')
    film = min(films, key=lambda p: p.stat().st_size).read_bytes()
    (folder/'cut.mp4').write_bytes(film[:len(film)//2])
    (folder/'odd.mp4').write_bytes(film.replace(b'avc1', b'zzzz'))
    (folder/'text.mp4').write_text('no film')
    head = struct.pack('>I4sIIBBBBB', 13, b'IHDR', 10**5, 10**5, 8, 6, 0, 0, 0)
    (folder/'big.png').write_bytes(b'\x89PNG\r\n\x1a\n' + head + bytes(8))

def make_settings(folder):
    texts = {'digits':f"[training]\nlr = {'9'*400}", 'section':'[\x1b[2J]\na = 1',
             'word':'[training]\nlr = x', 'nan':'[training]\nlr = nan', 'cut':'[training',
             'none':'steps = 3', 'twice':'[a]\nb=1\nb=2'}
    for k,v in texts.items(): (folder/f'{k}.ini').write_text(v)
    (folder/'list.json').write_text('[]')

def make_inputs(folder):
    "What is only read"
    make_pictures(folder)
    make_weights(folder/'foreign')

def make_files(folder):
    "What a command may find where it writes, and names that lead to what is no file"
    for f in (make_matches, make_tables, make_settings): f(folder)
    (folder/'there.csv').write_text('mine')
    (folder/'there.safetensors').write_text('mine')
    (folder/'there.mp4').write_text('mine')
    (folder/'taken').mkdir()
    for o in ('match_1.json', 'frame_0001.png', 'index.html', 'certificate.csv'):
        (folder/'taken'/o).write_text('mine')
    (folder/'folder').mkdir()
    os.mkfifo(folder/'pipe')
    os.symlink('/dev/null', folder/'link')
    os.symlink('nowhere', folder/'dangling')
    if os.geteuid() == 0: os.mknod(folder/'device', stat.S_IFCHR | 0o666, os.makedev(1, 3))

# --- the cases

LONG = 'n'*300
ESCAPE = 'e\x1b[2J\x07'
INTS = ('²', '1_0', '--5', '9'*400, '')
FLOATS = ('٣', '1_0', 'nan', '-inf', '9'*400)

# What a command needs beside the words of a case
NEEDS = {'match-train':['good.json'], 'record':['rec', 'a,b', '--region', '0,0,64,48'],
         'frames-train':['--images', '../in/pictures'], 'play-train':['rec'], 'dream-train':['rec'],
         'dream':['--out=new.gif'],
         'animate':['../in/creature.png'], 'vary':['../in/creature.png']}
# A number out of range for each option that has one
RANGE = {
    'match':{'games':['0', '-1'], 'time':['0', '-1', '1e9'], 'strength':['-1', '2'],
             'temperature':['0', '-1'], 'seed':['-1', str(2**70)]},
    'match-train':{'steps':['0', '-1'], 'seed':['-1', str(2**70)], 'every':['0', '-5'],
                   'balance':['-1', '2']},
    'creatures':{'N':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)]},
    'creatures-train':{'epochs':['0', '-1'], 'resume_from':['-1', '99999']},
    'frames':{'N':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)], 'truncation':['-1', '3'],
              'scale':['0', '-1', '99']},
    'play':{'seed':['-1', str(2**70)], 'lag':['-1'], 'temperature':['-1'], 'seconds':['0', '-1']},
    'record':{'rate':['0', '-1'], 'seconds':['0', '-1']},
    'play-train':{'steps':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)], 'lag':['-1', '61']},
    'dream':{'level':['0', '-1', str(10**12)], 'seconds':['0', '-1', '1e9'], 'seed':['-1', str(2**70)]},
    'dream-train':{'steps':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)]},
    'teach':{'rounds':['0', '-1'], 'moments':['0', '-1'], 'steps':['0', '-1'],
             'share':['-1', '2'], 'seconds':['0', '-1'], 'seed':['-1', str(2**70)]},
    'monsters':{'N':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)], 'truncation':['-1'],
                'max_similarity':['-1', '2'], 'colours':['0', '1', '999']},
    'animate':{'frames':['0', '1', '65'], 'seed':['-1', str(2**70)], 'strength':['-1', '9']},
    'vary':{'N':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)], 'change':['0', '-1', '2'],
            'scale':['0', '-1', '99']},
    'bestiary':{'N':['0', '-1', str(10**12)], 'seed':['-1', str(2**70)], 'families':['-1', '2']},
    'game':{'seed':['-1', str(2**70)]},
    'monsters-page':{'port':['-1', '99999']}, 'bench':{'rounds':['0', '-1']},
}

def flag_of(command, name):
    from gamegen.cli import options_of
    return next(o.flags[-1] for o in options_of(command) if o.name == name)

def number_cases():
    "Every option that takes a number, with words that are none"
    from gamegen.cli import COMMANDS, options_of
    for command in COMMANDS:
        need = NEEDS.get(command, [])
        for o in options_of(command):
            words = dict(int=INTS, float=FLOATS).get(o.kind, ())
            for w in (*words, *RANGE.get(command, {}).get(o.name, ())):
                flag = f'{o.flags[-1]}={w}'
                yield Case(f'{command} {flag[:30]}', [command, *need, flag])

def setting_cases():
    "The numbers among the settings of trainings"
    from gamegen.cli import COMMANDS, options_of
    for command in COMMANDS:
        settings = [o for o in options_of(command) if o.kind == 'setting']
        for i,o in enumerate(settings):
            if type(o.default) not in (int, float): continue
            for w in (('nan', '1_0'), ('²', '-1e9'), ('9'*400, 'inf'))[i % 3]:
                yield Case(f'{command} {o.flags[0]}={w[:8]}',
                           [command, *NEEDS.get(command, []), f'{o.flags[0]}={w}'], (2,))

def word_cases():
    "Words that name nothing"
    lines = dict(
        match=['--style=wild', '--player=nobody', '--games 2 --time 1', '--tiem 1', 'extra'],
        creatures=['--type1=DRAGONFLY', '--type1=FIRE --type2=FIRE', '--bst=-5', '--bst=²',
                   '--bst=--5', '--stage=²', '--stage=--1', '--stage=9', '--bst=' + '9'*400,
                   '--type1=' + ESCAPE],
        frames=['--walk=a.avi', '--walk=folder'],
        play=['--game=chess', '--game=../x', '--output=a.avi'],
        dream=['--game=chess', '--game=../x', '--out=a.avi', '--out=folder', '--player=nobody',
               '--model=there.safetensors'],
        teach=['--game=chess', '--game=maze', '--game=../x', '--out=a.pt', '--window=x',
               '--window=x --game=maze', '--window=x --game=maze --key=up',
               '--window=x --game=maze --key=nokey', '--window=x --model=there.safetensors'],
        record=['a b --region 1,2', 'a b --region ²,0,9,9', 'a b --region 0,0,0,0',
                'a b --size 9', 'a b'],
        monsters=['--class=dragonflies', '--animate=swim', '--class=' + ESCAPE, '--bestiary=narnia',
                  '--bestiary=wesnoth --class=dragonflies'],
        bestiary=['--types=LAVA', '--types=FIRE,,LAVA', '--types=' + ESCAPE, '--tipes=FIRE', 'extra'],
        game=['extra', '--seed=seven'],
        animate=[f'../in/creature.png {o}' for o in (
            '--motion=swim', '--motion=,', '--look=up', '--kind=fish', '--out=', '--out=good',
            '--out=good.json/x', '--out=' + LONG, '--motion=' + ESCAPE)],
        vary=[f'../in/creature.png {o}' for o in (
            '--class=dragonflies', '--class=' + ESCAPE, '--hole=1,2', '--hole=0,0,0,0', '--hole=a,b,c,d')],
        demo=['--only=Dragons', '--only=' + ESCAPE], bench=['--only=nothing'],
        completion=['tcsh', ''])
    for command,many in lines.items():
        for line in many:
            yield Case(f'{command} {line[:24]!r}', [command, *line.split(' ')])
    for line in ('', 'mach', '--hepl', ESCAPE, '-', '²'):
        yield Case(f'nothing {line!r}', [line] if line else [], (2,))

READS = {'match --weights':'match', 'creatures --weights':'creatures', 'frames --weights':'frames',
         'monsters --bestiary':'monsters', 'play --model':'play'}
HARMLESS = ('no-config', 'no-notes', 'odd-notes')   # to some systems: they use none, or defaults
NO_FILES = ('nobody', 'folder', 'pipe', 'link', 'dangling', '/dev/zero', LONG, ESCAPE,
            'http://127.0.0.1:9/x', 'file:///etc/passwd', '')

FEW = {'match':['--time', '.1'], 'play':['--seconds', '1'],
       **dict.fromkeys(('creatures', 'frames', 'monsters'), ['-n', '1'])}

def weights_cases():
    "Weights that are none, and weights of foreign contents"
    for line,system in READS.items():
        command,flag = line.split()
        out = {'play':'--output', 'match':'--out'}.get(command, '--out')
        new = {'play':'new.mp4', 'creatures':'new.csv'}.get(command, 'new')
        files = [f'../in/foreign/{system}-{o}.safetensors' for o in FOREIGN]
        files += [f'../in/foreign/{o}.safetensors' for o in ('f6', 'pickle', 'empty', 'noise')]
        other = 'frames' if system != 'frames' else 'match'
        files += [f'../in/foreign/{other}-no-notes.safetensors', 'good.json']
        for f in files:
            codes = (0, *WRONG) if any(o in f for o in HARMLESS) else WRONG
            argv = [command, flag, f, out, new, *FEW[command]]
            yield Case(f'{command} {Path(f).name}', argv, codes, leaves=('new*', 'new/*'))
        for f in NO_FILES[:-1]:
            yield Case(f'{command} {flag} {f[:16]!r}', [command, f'{flag}={f}', out, new])

def input_cases():
    "Files to learn from, and settings"
    for o in ('deep nan object empty twice short huge cut escape bytes').split():
        yield Case(f'match-train {o}.json', ['match-train', f'{o}.json'], (1,))
    for f in NO_FILES:
        yield Case(f'match-train {f[:16]!r}', ['match-train', f])
        for o in ('play-train', 'dream-train'): yield Case(f'{o} {f[:16]!r}', [o, f])
    for f in ('../in/big.png', '../in/clear.png', '../in/wide.png', 'good.json', *NO_FILES):
        yield Case(f'animate {f[:16]!r}', ['animate', f, '--out=new'])
    for o in ('there.safetensors', 'new.pt', LONG + '.safetensors'):
        for k in ('play-train', 'dream-train'): yield Case(f'{k} --out {o[:20]}', [k, 'folder', '--out', o])
        yield Case(f'teach --out {o[:20]}', ['teach', '--out', o])
    tables = [f'{o}.csv' for o in 'empty head ragged quote wide nul one twice nan latin'.split()]
    packed = 'bomb.csv.gz', 'cut.csv.gz', 'cut.csv.xz', 'text.csv.zip'
    for f in (*tables, *packed, *NO_FILES[:-1]):
        argv = ['creatures-train', f'--csv={f}', '--steps=2']
        yield Case(f'creatures-train {f[:20]!r}', argv)
    hostile = 'out.zip bomb.zip links.tar name.tgz cut.mp4 odd.mp4 text.mp4 big.png'.split()
    sources = (*(f'../in/{o}' for o in hostile), 'good.json', *NO_FILES[:-1])
    for command,flag in (('frames-train', '--images'), ('monsters-train', '--bestiary')):
        for f in sources:
            argv = [command, f'{flag}={f}', '--steps=2', '--bs=2']
            yield Case(f'{command} {f[:20]!r}', argv, leaves=('output/*', 'output'))
    for command in ('creatures-train', 'frames-train', 'monsters-train'):
        for o in 'digits section word nan cut none twice'.split():
            yield Case(f'{command} {o}.ini', [command, f'{o}.ini'], (2,))
        yield Case(f'{command} list.json', [command, 'list.json'], (2,))
        for f in NO_FILES[:-1]: yield Case(f'{command} {f[:16]!r}', [command, f])

# Where a command writes, and a name there that is taken
WRITES = {
    'match --out':('taken', []), 'creatures --out':('there.csv', []), 'frames --out':('taken', []),
    'monsters --out':('taken', ['-n', '1']), 'bestiary --out':('taken', ['-n', '1']), 'game --out':('taken', []),
    'frames --walk':('there.mp4', ['--out', 'new']),
    'play --output':('there.mp4', ['--game', 'take_cover', '--seconds', '1']),
    'match-train --out':('there.safetensors', ['good.json', '--steps', '2']),
    'creatures-train --out':('there.safetensors', ['--steps', '2']),
    'demo --out':('taken', ['--only', 'Creatures']),
}
ENDS = {'play':'.mp4', 'match-train':'.safetensors', 'creatures-train':'.safetensors'}

def output_cases():
    "Names that are taken, cannot be written, or belong to what is no file"
    for line,(taken,more) in WRITES.items():
        command,flag = line.split()
        makes_folder = command in ('match', 'frames', 'monsters', 'bestiary', 'game', 'demo')
        folders = makes_folder and flag != '--walk'
        end = '.mp4' if flag == '--walk' else ENDS.get(command, '')
        names = [taken, f'good.json/x{end}', LONG + end]
        if not folders: names.append('folder')
        if command in ('creatures', 'play') or flag == '--walk': names.append(f'nowhere/x{end}')
        if folders: names += ['there.csv', 'pipe', 'device', '/dev/null', 'link']
        for f in names:
            yield Case(f'{command} {flag} {f[:16]!r}', [command, *more, f'{flag}={f}'],
                       leaves=('new', 'new/*') if flag == '--walk' else ())
    for f in ('/dev/null', 'pipe', 'device', 'link', 'folder', 'dangling'):
        for force in ([], ['--force']):
            argv = ['creatures', '-n', '1', '--out', f, *force]
            yield Case(f"creatures --out {f} {' '.join(force)}", argv, (1,))
    for f in ('/dev/null', 'pipe'):
        for command,more in (('match-train', ['good.json']), ('creatures-train', [])):
            argv = [command, *more, '--steps', '2', '--out', f, '--force']
            yield Case(f'{command} --out {f} --force', argv)

FINE = {  # odd, and yet right: words, and what they leave
    'a name of 255 bytes':(['creatures', '-n', '1', '--out', 'n'*251 + '.csv'], 'nnn*'),
    'a name with ü and a space':(['creatures', '-n', '1', '--out', 'ü x.csv'], 'ü x.csv'),
    'a name that begins with -':(['creatures', '-n', '1', '--out=-x.csv'], '-x.csv'),
    'replace a file':(['creatures', '-n', '1', '--out', 'there.csv', '--force'], 'there.csv'),
    'the largest seed':(['creatures', '-n', '1', f'--seed={2**32 - 1}', '--out', 'a'], 'a'),
    'a short match':(['match', '--time', '.01', '--out', 'm'], 'm', 'm/*'),
    'a frame':(['frames', '-n', '1', '--out', 'f'], 'f', 'f/*'),
    'a sprite in motion':(['animate', '../in/creature.png', '--out', 'a'], 'a.*', 'a_*'),
    'match --help':(['match', '--help'],),
    'creatures-train --help':(['creatures-train', '--help'],),
    'monsters-train --help':(['monsters-train', '--help'],),
    'frames-train --settings':(['frames-train', '--settings'],),
}

def fine_cases():
    for name,(argv,*leaves) in FINE.items(): yield Case(name, argv, (0,), leaves=tuple(leaves))

# --- processes of their own

SHORT = ['creatures', '-n', '3', '--seed', '1', '--out', 'a.csv']
LOCALES = ('C', 'POSIX', 'en_US.ISO-8859-1')
ASCII = dict(LC_ALL='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0', PYTHONIOENCODING='ascii')

def own(name, argv, codes, leaves=(), says='', **how):
    return Case(name, argv, codes, says, leaves, how)

def stream_cases():
    "Streams that are closed or full, homes and alphabets that are missing"
    yield own('help to a full disk', ['--help'], (1,), shell='> /dev/full')
    yield own('help to nowhere', ['--help'], (1,), shell='>&-')
    yield own('version to a full disk', ['--version'], (1,), shell='> /dev/full')
    yield own('stdin closed', SHORT, (0,), ('a.csv',), shell='<&-')
    yield own('stderr closed', SHORT, (0,), ('a.csv',), shell='2>&-')
    yield own('an error without stderr', ['mach'], (2,), shell='2>&-', quiet=True)
    argv = [*SHORT, '--json']                     # what it would print goes to stderr then
    how = dict(shell='> /dev/full', quiet=True)
    yield own('json to a full disk', argv, (1,), ('a.csv',), 'standard output: ', **how)
    yield own('a reader that leaves', ['--help'], (0, 1), shell='| head -1', quiet=True)
    yield own('no home', SHORT, (0,), ('a.csv',), env=dict(HOME=None))
    yield own('a home that is no folder', SHORT, (0,), ('a.csv',), env=dict(HOME='/dev/null'))
    for o in LOCALES:
        argv = ['creatures', '-n', '1', '--out', f'ü-{o}.csv']
        yield own(f'locale {o}', argv, (0,), ('*.csv',), env=dict(LC_ALL=o))
    argv = ['creatures', '-n', '1', '--out', 'ü.csv']
    yield own('nothing but ASCII', argv, (0,), ('*.csv',), env=ASCII)
    yield own('an error in ASCII', ['creatures', '--out', 'ü/x.csv'], (1,), env=ASCII)

def full_disk_cases():
    "Files that cannot grow"
    for n in (0, 100, 4096):
        argv = ['creatures', '-n', '500', '--out', 'a.csv']
        yield own(f'no room after {n} bytes', argv, (1,), says='a.csv', file_size=n)
    argv = ['creatures-train', '--csv', 'good.csv', '--steps', '2', '--out', 'w.safetensors']
    leaves = ('w.run*', 'w.run/*')
    yield own('no room for a training', argv, (1,), leaves, 'w.run', file_size=5000)
    argv = ['match', '--time', '5', '--out', 'm']
    yield own('no room for a match', argv, (1,), ('m',), 'match_1.json', file_size=50_000)

def own_process(case, folder):
    "Run a case as a process; its exit code, stdout and stderr"
    how = case.alone
    env = {k:v for k,v in (os.environ | how.get('env', {})).items() if v is not None}
    env['PYTHONPATH'] = str(ROOT)
    line = '"$@" ' + how.get('shell', '')
    command = [sys.executable, '-m', 'gamegen.cli', *case.argv]
    cmd = ['bash', '-o', 'pipefail', '-c', line, 'bash', *command]
    size = how.get('file_size', resource.RLIM_INFINITY)
    def limit(): resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    p = subprocess.run(cmd, cwd=folder, env=env, capture_output=True, preexec_fn=limit,
                       timeout=PATIENCE)
    return p.returncode, p.stdout.decode(errors='replace'), p.stderr.decode(errors='replace')

# --- in a copy of this process

def in_a_copy(case, folder):
    "Run a case in a fork; its exit code, stdout, stderr, and the MB that it added"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pid = os.fork()
        if not pid: child(case, folder, out, err)
        _,status,usage = os.wait4(pid, 0)
        said = []
        for o in (out, err):
            o.seek(0)
            said.append(o.read().decode(errors='replace'))
        return os.waitstatus_to_exitcode(status), *said, (usage.ru_maxrss - before)/1024

def child(case, folder, out, err):
    "What the fork does"
    code = 70
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin,sys.stdout,sys.stderr = (os.fdopen(i, 'r' if i == 0 else 'w') for i in range(3))
        os.chdir(folder)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        from gamegen.cli import main
        code = main(case.argv)
    except BaseException: traceback.print_exc()
    finally:
        for o in (sys.stdout, sys.stderr):
            try: o.flush()
            except Exception: pass
        os._exit(code)

# --- what must hold

def state(folder):
    "What is in a folder: `{path: what would change if anyone touched it}`"
    res = {}
    for d,dirs,files in os.walk(folder):
        for o in (*dirs, *files):
            p = os.path.join(d, o)
            s = os.lstat(p)
            same = () if stat.S_ISDIR(s.st_mode) else (s.st_size, s.st_mtime_ns, s.st_ino)
            res[os.path.relpath(p, folder)] = (stat.S_IFMT(s.st_mode), *same)
    return res

def wrong_files(case, before, after):
    "Files that came, changed or went without leave"
    changed = [k for k in after if before.get(k) != after[k]]
    changed += [k for k in before if k not in after]
    allowed = lambda k: any(Path(k).match(o) for o in case.leaves) and not k.endswith('.tmp')
    return [k for k in changed if not allowed(k)]

def wrong_words(case, code, err):
    "What is wrong with what it said"
    lines = err.splitlines()
    if 'Traceback' in err: return f'a traceback: {lines[-1][:150]}'
    if not ''.join(lines).isprintable(): return f'control characters: {err[:150]!r}'
    if case.says not in err: return f'says {err[:150]!r}; expected {case.says!r} in it'
    if code not in WRONG or case.argv == [] or (case.alone or {}).get('quiet'): return None
    if len(lines) != 1: return f'{len(lines)} lines on stderr: {err[:300]!r}'
    if not lines[0].startswith('error: '): return f'says {lines[0][:150]!r}'
    if len(lines[0]) > 1200: return f'a line of {len(lines[0])} characters'

def wrong_with(case, folder):
    "What is wrong with how a case ends, or None"
    before = state(folder)
    if case.alone is None: code,out,err,mb = in_a_copy(case, folder)
    else: code,out,err,mb = *own_process(case, folder), 0
    if code == -signal.SIGALRM: return f'hung for {PATIENCE} s'
    if code in (-signal.SIGXCPU, -signal.SIGKILL): return f'took over {SECONDS} s of a processor'
    if code not in case.codes:
        want = ' or '.join(map(str, case.codes))
        return f'exit code {code}, expected {want}: {err[-300:]!r}'
    if why := wrong_words(case, code, err): return why
    if files := wrong_files(case, before, state(folder)): return f"touched {', '.join(files[:4])}"
    if mb > MEMORY: return f'took {mb:.0f} MB'

def fresh(template, folder):
    "The folder of the files, as it was"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(['cp', '-a', str(template), str(folder)], check=True)

# --- two at once, and signals

def start(folder, *argv):
    cmd = [sys.executable, '-m', 'gamegen.cli', *argv]
    env = os.environ | dict(PYTHONPATH=str(ROOT))
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen(cmd, cwd=folder, env=env, text=True, **pipes)

def two_writers(folder):
    "Two commands that write one file: one of them says so, and a whole file is there"
    ps = [start(folder, 'match', '--time', '60', '--seed', str(i), '--out', 'two') for i in (1, 2)]
    said = [p.communicate()[1] for p in ps]
    codes = sorted(p.returncode for p in ps)
    from gamegen.data import read_match
    if codes != [0, 1]: return f'exit codes {codes}: {said}'
    minutes = sum(len(g['norm']) for g in read_match(folder/'two/match_1.json'))/3000
    if abs(minutes - 60) > 1: return f'the match lasts {minutes:.1f} minutes'

def two_trainings(folder):
    "Two trainings in one folder: the second is refused"
    argv = 'creatures-train --csv good.csv --every 20 --out own.safetensors'.split()
    first = start(folder, *argv)
    log = folder/'own.run/log.csv'
    while first.poll() is None and not log.exists(): time.sleep(.05)
    second = start(folder, *argv)
    said = second.communicate()[1]
    first.send_signal(signal.SIGINT)
    first.communicate()
    if second.returncode != 1 or len(said.splitlines()) != 1:
        return f'exit code {second.returncode}: {said[-300:]!r}'
    if first.returncode != 130: return f'the first ended with {first.returncode}'

def stopped(sig, code, seconds):
    "A command that is stopped after so long leaves nothing, or all of it"
    def f(folder):
        p = start(folder, 'match', '--time', '3000', '--out', 'cut')
        time.sleep(seconds)
        p.send_signal(sig)
        err = p.communicate()[1]
        begun = re.search(r'cli\.py", line \d+, in main', err)    # else Python was still starting
        early = 'Traceback' in err and not begun
        if p.returncode not in code and not early:
            return f'exit code {p.returncode}: {err[-300:]!r}'
        if 'Traceback' in err and not early: return f'a traceback: {err[-300:]!r}'
        left = [o.name for o in (folder/'cut').glob('*')]
        if 'match_1.json' in left: return 'half a match under its name'
        if sig == signal.SIGINT and left: return f'left {left}'
        p = start(folder, 'match', '--time', '.1', '--out', 'cut')
        p.communicate()
        left = sorted(o.name for o in (folder/'cut').iterdir())
        if left != ['match_1.json']: return f'the next one left {left}'
    return f

def live_cases():
    "`{name: function of a folder}`, which returns what is wrong"
    yield 'two writers', two_writers
    yield 'two trainings', two_trainings
    for seconds in (.02, .05, .1, .3, 2.):
        yield f'Ctrl-C after {seconds} s', stopped(signal.SIGINT, (130, -signal.SIGINT), seconds)
    for sig in (signal.SIGTERM, signal.SIGKILL):
        yield f'{sig.name} after 2 s', stopped(sig, (-sig,), 2.)

# --- all of it

PARTS = (number_cases, setting_cases, word_cases, weights_cases, input_cases, output_cases,
         fine_cases, stream_cases, full_disk_cases)
MODULES = ('match.commands', 'creature.commands', 'creature.table', 'frame.tools', 'play.agents',
           'play.capture', 'monster.deliver', 'monster.page', 'report.demo', 'report.bench',
           'learner')

def prepare():
    "Import what the commands import, so that copies of this process need not"
    import importlib
    import torch
    import pandas, sklearn.neighbors    # noqa
    torch.set_num_threads(1)
    for o in MODULES: importlib.import_module(f'gamegen.{o}')

def run_some(cases, template, folder):
    "Run cases one after the other; yields a case's name, what is wrong, and the seconds it took"
    fresh(template, folder)
    first = state(folder)
    for case in cases:
        live = callable(case[1])
        began = time.time()
        try: why = case[1](folder) if live else wrong_with(case, folder)
        except Exception as e: why = f'{type(e).__name__}: {e}'
        yield case[0], why, time.time() - began
        if live or state(folder) != first:
            fresh(template, folder)
            first = state(folder)

def run_all(cases, tmp):
    "Run those that are processes of their own beside the others; yields as `run_some` does"
    alone = [o for o in cases if callable(o[1]) or o.alone is not None]
    parts = dict(alone=alone, copies=[o for o in cases if o not in alone])
    fork = multiprocessing.get_context('fork')
    queue = fork.Queue()
    def work(name):
        for o in run_some(parts[name], tmp/'files', tmp/name): queue.put(o)
    workers = [fork.Process(target=work, args=(o,)) for o in parts]
    for o in workers: o.start()
    for _ in cases: yield queue.get()
    for o in workers: o.join()

def main():
    parser = argparse.ArgumentParser(description='Abuse every command')
    about = 'run the cases with one of these in their name'
    parser.add_argument('words', nargs='*', metavar='WORD', help=about)
    parser.add_argument('-v', '--verbose', action='store_true', help='name every case')
    args = parser.parse_args()
    start = time.time()
    signal.signal(signal.SIGINT, signal.default_int_handler)   # a shell's background jobs ignore it
    prepare()
    cases = [o for part in PARTS for o in part()] + list(live_cases())
    if args.words: cases = [o for o in cases if any(w in o[0] for w in args.words)]
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        os.environ['TMPDIR'] = tmp
        for name,make in (('files', make_files), ('in', make_inputs)):
            (Path(tmp)/name).mkdir()
            make(Path(tmp)/name)
        print(f'{len(cases)} cases; ready after {time.time() - start:.0f} s', flush=True)
        for name,why,seconds in run_all(cases, Path(tmp)):
            line = f"{'FAIL' if why else 'ok  '} {seconds:4.1f} s {name}: {why or ''}"
            if why or args.verbose: print(line, flush=True)
            failed += bool(why)
    print(f'{time.time() - start:.0f} s')
    print(f'{len(cases) - failed} passed, {failed} failed')
    sys.exit(bool(failed))

if __name__ == '__main__': main()
