"""Make gamegen's environment in .venv: `python3 tools/setup_env.py [demo] [train] [dev] [docs] [play]`.

Any Python 3.6 or newer can start this file; it looks for one that gamegen can use. A second call
finds the finished installation by a hash of its requirements and returns at once.

PYTHON             the Python to use, instead of the one found
GAMEGEN_ENV_CACHE  a folder that keeps environments from one checkout to the next; .venv is then a link into it
"""
import configparser
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, '.venv')
BIN = 'Scripts' if os.name == 'nt' else 'bin'
OLDEST = (3, 10)
NEWEST = (3, 13)
GB = 1e9
# What an installation takes on Linux, fetched and on disk in bytes; PyTorch brings CUDA with it
TRAIN = (3.2*GB, 6.9*GB)
LIGHT = (.1*GB, .4*GB)

def stop(msg): sys.exit('error: ' + msg)
def say(msg): print(msg, flush=True)
def text(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f: return f.read()

def clock(secs):
    secs = int(secs)
    return '%d min %02d s' % (secs//60, secs%60) if secs >= 60 else '%d s' % secs

# --- which Python

def version_of(exe):
    "(major, minor) of the Python at `exe`, or None if it does not start"
    cmd = [exe, '-c', 'import sys; print(*sys.version_info[:2])']
    try: out = subprocess.check_output(cmd, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError): return None
    return tuple(int(o) for o in out.split())

def chosen_python(wanted):
    "The Python that $PYTHON names, checked"
    v = version_of(wanted)
    oldest = '%d.%d' % OLDEST
    if v is None: stop('PYTHON=%s does not start; set it to a Python %s or newer.' % (wanted, oldest))
    if v >= OLDEST: return wanted
    stop('PYTHON=%s is Python %d.%d; gamegen needs %s or newer.' % ((wanted,) + v + (oldest,)))

def find_python():
    "The Python for .venv: $PYTHON, else the one that runs this, else the newest supported on PATH"
    wanted = os.environ.get('PYTHON')
    here = sys.version_info[:2]
    if wanted: return chosen_python(wanted)
    if OLDEST <= here <= NEWEST: return sys.executable
    for minor in range(NEWEST[1], OLDEST[1]-1, -1):
        exe = shutil.which('python3.%d' % minor)
        if exe and version_of(exe) == (3, minor): return exe
    if here > NEWEST:
        say('note: gamegen is tested up to Python %d.%d; trying %d.%d.' % (NEWEST + here))
        return sys.executable
    stop('gamegen needs Python %d.%d or newer, and this is Python %d.%d; install a newer one, '
         'or name it: make demo PYTHON=/path/to/python3' % (OLDEST + here))

# --- what is wanted, and what is there

def requirements(extra=''):
    "The requirement lines of settings.ini for `extra`, or the run-time ones"
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read_string(text('settings.ini'))
    key = (extra + '_' if extra else '') + 'requirements'
    if key not in cfg['DEFAULT']: stop('settings.ini has no %r; known extras: demo, train, dev, docs, play.' % key)
    return [o.strip() for o in cfg['DEFAULT'][key].splitlines() if o.strip()]

def build_requirements():
    "What pyproject.toml needs to build"
    found = re.search(r'^requires = \[(.*?)\]', text('pyproject.toml'), re.M | re.S)
    return re.findall(r'"(.+?)"', found.group(1))

def digest(*parts): return hashlib.sha256('\n'.join(parts).encode('utf-8')).hexdigest()[:16]

def stamps(venv):
    "`{name: hash}` of what was installed to its end in `venv`"
    try:
        with open(os.path.join(venv, '.gamegen-stamps')) as f: return dict(o.split() for o in f)
    except (OSError, ValueError): return {}

def stamp(venv, **new):
    "Remember the hashes `new` of what was installed"
    path = os.path.join(venv, '.gamegen-stamps')
    rows = sorted(dict(stamps(venv), **new).items())
    with open(path+'.tmp', 'w') as f: f.writelines('%s %s\n' % o for o in rows)
    os.replace(path+'.tmp', path)

def existing(path):
    "The nearest folder that exists at or above `path`"
    path = os.path.abspath(path)
    while not os.path.isdir(path): path = os.path.dirname(path)
    return path

def check_disk(venv, size):
    "Stop unless the disks of `venv` and of pip's temporary files have room for an installation"
    folders = {}
    needs = {}
    for path, need in ((venv, size[1]), (tempfile.gettempdir(), size[0])):
        folder = existing(path)
        device = os.stat(folder).st_dev
        folders.setdefault(device, folder)
        needs[device] = needs.get(device, 0) + need
    for device, need in needs.items():
        free = shutil.disk_usage(folders[device]).free
        if free >= need: continue
        stop('an installation needs about %.1f GB free at %s, and %.1f GB are; make room and '
             'try again.' % (need/GB, folders[device], free/GB))

# --- pip, with its progress

UNITS = {'k':1e3, 'M':1e6, 'G':1e9}
FETCHED = re.compile(r'\s*(?:Downloading|Using cached) (?:\S*/)?(\S+?)-\d\S* \(([\d.]+) (k|M|G)B\)')

class Progress:
    "How far pip is: first by the bytes it has fetched, then by the space that it has filled"
    share = .5  # of the time goes into fetching
    def __init__(self, what, size, venv):
        self.what = what
        self.size = size                     # to fetch and on disk; None where it takes seconds
        self.venv = venv
        self.start = time.time()
        self.now = 'resolving'
        self.bytes = 0.
        self.free0 = None
        self.tty = sys.stdout.isatty()
        self.shown = 0
        self.done = False
        self.thread = threading.Thread(target=self.tick, daemon=True)
        self.thread.start()

    def line(self, l):
        "Take note of a line that pip wrote"
        m = FETCHED.match(l)
        if m and '.metadata ' not in l:
            self.bytes += float(m.group(2))*UNITS[m.group(3)]
            self.now = 'fetching %s (%s %sB)' % m.groups()
        elif l.startswith('Installing collected'):
            self.now = 'installing'
            self.free0 = shutil.disk_usage(self.venv).free

    def fraction(self):
        "How much is done, from 0 to 1"
        if self.free0 is None: return self.share*min(self.bytes/self.size[0], .99)
        filled = max(self.free0 - shutil.disk_usage(self.venv).free, 0)
        return self.share + (1 - self.share)*min(filled/(1.2*self.size[1]), .99)

    def message(self, gone):
        "The bar, the time, and what is going on"
        f = self.fraction() if self.size else 0
        left = ', about 3 to 5 min in all' if self.size == TRAIN else ''
        if f > .05: left = ', about %s left' % clock(gone*(1 - f)/f + 1)
        full = int(24*f)
        bar = '[%s%s] %2d %% ' % ('#'*full, '.'*(24 - full), 100*f) if self.size else ''
        return '  %s%s gone%s: %s' % (bar, clock(gone), left, self.now)

    def show(self):
        gone = time.time() - self.start
        if self.tty:
            width = shutil.get_terminal_size().columns - 1
            print('\r' + self.message(gone)[:width].ljust(width), end='', flush=True)
        elif gone - self.shown >= 15:
            self.shown = gone
            say(self.message(gone))

    def tick(self):
        while not self.done:
            self.show()
            time.sleep(.5)

    def close(self):
        self.done = True
        self.thread.join()
        if self.tty: print('\r' + ' '*(shutil.get_terminal_size().columns-1) + '\r', end='')
        return time.time() - self.start

def run_pip(cmd, log, prog):
    "Run pip, its words into the file `log`: its exit status and its lines"
    env = dict(os.environ, PIP_NO_INPUT='1', PYTHONUNBUFFERED='1')
    env.pop('PIP_REQUIRE_VIRTUALENV', None)
    proc = subprocess.Popen(cmd, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, errors='replace')
    lines = []
    try:
        with open(log, 'a') as f:
            for l in proc.stdout:
                f.write(l)
                f.flush()
                lines.append(l.rstrip())
                prog.line(l)
        return proc.wait(), lines
    except BaseException:
        proc.kill()
        raise

def pip(venv, what, args, size=None):
    "Run `pip install args`; on failure show the end of what it said"
    say(what + ' ...')
    python = os.path.join(venv, BIN, 'python')
    quiet = ['--progress-bar', 'off', '--disable-pip-version-check']
    log = os.path.join(venv, 'pip.log')
    prog = Progress(what, size, venv)
    try: rc, lines = run_pip([python, '-m', 'pip', 'install'] + quiet + args, log, prog)
    finally: secs = prog.close()
    if rc:
        say('\n'.join('  | ' + (o if len(o) < 200 else o[:197] + '...') for o in lines[-20:]))
        doing = what[0].lower() + what[1:].split(' (')[0]
        stop('pip failed (exit %d) while %s; the end of what it said is above, all of it in %s'
             % (rc, doing, os.path.relpath(log, ROOT)))
    say('  done in ' + clock(secs))

# --- the environment

def make_venv(venv, python):
    "An empty environment"
    name = os.path.relpath(venv, ROOT) if venv == VENV else venv
    version = version_of(python)
    say('Making %s with Python %d.%d (%s) ...' % ((name,) + version + (python,)))
    cmd = [python, '-m', 'venv', '--clear', venv]
    res = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if not res.returncode: return
    lines = res.stdout.decode('utf-8', 'replace').splitlines()
    say('\n'.join('  | ' + o for o in lines[-8:]))
    stop('%s could not make a virtual environment; on Debian and Ubuntu install python%d.%d-venv.'
         % ((python,) + version))

def cached_venv(cache, python):
    "The environment in `cache` for these requirements, with .venv linked to it"
    every = [l for o in ['', 'demo', 'train', 'dev', 'play', 'docs'] for l in requirements(o)]
    key = digest(*build_requirements() + every)
    folder = os.path.abspath(os.path.expanduser(cache))
    venv = os.path.join(folder, 'env-%d.%d-%s' % (version_of(python) + (key,)))
    os.makedirs(folder, exist_ok=True)
    if os.path.isdir(VENV) and not os.path.islink(VENV):
        stop('GAMEGEN_ENV_CACHE is set, but .venv is a folder of its own; '
             'delete it or unset GAMEGEN_ENV_CACHE.')
    if os.path.islink(VENV) and os.readlink(VENV) != venv: os.remove(VENV)
    if not os.path.islink(VENV): os.symlink(venv, VENV)
    return venv

def drop_old(cache, keep, days=14):
    "Delete cached environments that nobody has used for `days`"
    for o in os.listdir(cache):
        d = os.path.join(cache, o)
        try: age = time.time() - os.path.getmtime(os.path.join(d, '.gamegen-stamps'))
        except OSError: continue
        if o.startswith('env-') and d != keep and age > days*86400:
            say('Deleting %s, unused for %d days ...' % (d, age//86400))
            shutil.rmtree(d, ignore_errors=True)

def install_requirements(venv, new, size):
    "Install the requirements of the extras `new`, 'base' among them; `size` where that takes long"
    every = [l for o in new for l in requirements('' if o == 'base' else o)]
    names = ' and '.join('run-time requirements' if o == 'base' else o + ' extra' for o in new)
    about = ''
    options = ['--prefer-binary']
    if size:
        about = ' (about %.1f GB to fetch, %.1f GB on disk' % (size[0]/GB, size[1]/GB)
        about += ', 3 to 5 minutes)' if size == TRAIN else ')'
        tight = shutil.disk_usage(venv).free < size[1] + 2*size[0]  # to keep the downloads as well
        if tight: options.append('--no-cache-dir')
    pip(venv, 'Installing the ' + names + about, options + build_requirements() + every, size)

def install(venv, python, extras):
    "Bring the environment up to date"
    exe = os.path.join(venv, BIN, 'python')
    there = version_of(exe)
    old = stamps(venv)
    stale = there is None or (python and version_of(python) != there)
    size = None
    for o, needed in (('base', LIGHT), ('train', TRAIN)):
        if o in ['base'] + extras and (stale or o not in old): size = needed
    if size: check_disk(venv, size)
    if stale:
        make_venv(venv, python or find_python())
        old = {}
    v = '%d.%d' % version_of(exe)
    wanted = {o or 'base': digest(v, *build_requirements() + requirements(o)) for o in [''] + extras}
    new = [o for o in wanted if old.get(o) != wanted[o]]
    if new:
        install_requirements(venv, new, size)
        stamp(venv, **{o: wanted[o] for o in new})
    sources = ('settings.ini', 'setup.py', 'pyproject.toml', 'gamegen/__init__.py')
    here = digest(ROOT, *[text(o) for o in sources])
    if stamps(venv).get('editable') != here:
        pip(venv, 'Installing gamegen itself', ['--no-deps', '--no-build-isolation', '-e', '.'])
        stamp(venv, editable=here)
    os.utime(os.path.join(venv, '.gamegen-stamps'))

def main(extras):
    for o in extras: requirements(o)
    cache = os.environ.get('GAMEGEN_ENV_CACHE')
    if os.path.islink(VENV) and not os.path.exists(VENV): os.remove(VENV)
    python = find_python() if cache or os.environ.get('PYTHON') else None
    if not cache: return install(VENV, python, extras)
    venv = cached_venv(cache, python)
    with open(venv + '.lock', 'w') as f:
        try:
            import fcntl
            fcntl.flock(f, fcntl.LOCK_EX)
        except ImportError: pass
        install(venv, python, extras)
        drop_old(os.path.dirname(venv), venv)

if __name__ == '__main__':
    try: main(sys.argv[1:])
    except KeyboardInterrupt: sys.exit('\nstopped; run the same command again to go on')
    except OSError as e:
        stop('%s; the environment is not finished, run the same command again when that is '
             'mended.' % e)
