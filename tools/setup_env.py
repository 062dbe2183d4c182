"""Make gamegen's environment in .venv: `python3 tools/setup_env.py [dev] [docs] [play]`.

Any Python 3.6 or newer can start this file; it looks for one that gamegen can use. A second call finds the finished
installation by a hash of its requirements and returns at once.

PYTHON             the Python to use, instead of the one found
GAMEGEN_ENV_CACHE  a folder that keeps environments from one checkout to the next; .venv is then a link into it
"""
import configparser, hashlib, os, re, shutil, subprocess, sys, tempfile, threading, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, '.venv')
BIN = 'Scripts' if os.name == 'nt' else 'bin'
OLDEST, NEWEST = (3, 10), (3, 13)
GB = 1e9
# What a first installation takes on Linux, where PyTorch brings CUDA with it: bytes fetched, bytes on disk
FETCH, DISK = 3.2*GB, 6.9*GB

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
    try: out = subprocess.check_output([exe, '-c', 'import sys; print(*sys.version_info[:2])'], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError): return None
    return tuple(int(o) for o in out.split())

def find_python():
    "The Python to make .venv with: $PYTHON, else the one that runs this, else the newest supported one on PATH"
    wanted, oldest = os.environ.get('PYTHON'), '%d.%d' % OLDEST
    if wanted:
        v = version_of(wanted)
        if v is None: stop('PYTHON=%s does not start; set it to a Python %s or newer.' % (wanted, oldest))
        if v < OLDEST: stop('PYTHON=%s is Python %d.%d; gamegen needs %s or newer.' % ((wanted,) + v + (oldest,)))
        return wanted
    if OLDEST <= sys.version_info[:2] <= NEWEST: return sys.executable
    for minor in range(NEWEST[1], OLDEST[1]-1, -1):
        exe = shutil.which('python3.%d' % minor)
        if exe and version_of(exe) == (3, minor): return exe
    if sys.version_info[:2] > NEWEST:
        say('note: gamegen is tested up to Python %d.%d; trying %d.%d.' % (NEWEST + sys.version_info[:2]))
        return sys.executable
    stop('gamegen needs Python %s or newer, and this is Python %d.%d; install a newer one, or name it: make demo PYTHON=/path/to/python3'
         % ((oldest,) + sys.version_info[:2]))

# --- what is wanted, and what is there

def requirements(extra=''):
    "The requirement lines of settings.ini for `extra`, or the run-time ones"
    cfg = configparser.ConfigParser(delimiters=['='])
    cfg.read_string(text('settings.ini'))
    key = (extra + '_' if extra else '') + 'requirements'
    if key not in cfg['DEFAULT']: stop('settings.ini has no %r; known extras: dev, docs, play.' % key)
    return [o.strip() for o in cfg['DEFAULT'][key].splitlines() if o.strip()]

def build_requirements(): return re.findall(r'"(.+?)"', re.search(r'^requires = \[(.*?)\]', text('pyproject.toml'), re.M|re.S).group(1))

def digest(*parts): return hashlib.sha256('\n'.join(parts).encode('utf-8')).hexdigest()[:16]

def stamps(venv):
    "`{name: hash}` of what was installed to its end in `venv`"
    try:
        with open(os.path.join(venv, '.gamegen-stamps')) as f: return dict(o.split() for o in f)
    except (OSError, ValueError): return {}

def stamp(venv, **new):
    path = os.path.join(venv, '.gamegen-stamps')
    with open(path+'.tmp', 'w') as f: f.writelines('%s %s\n' % o for o in sorted(dict(stamps(venv), **new).items()))
    os.replace(path+'.tmp', path)

def existing(path):
    "The nearest folder that exists at or above `path`"
    path = os.path.abspath(path)
    while not os.path.isdir(path): path = os.path.dirname(path)
    return path

def check_disk(venv):
    "Stop unless the file systems of `venv` and of pip's temporary files have room for a first installation"
    needs = {}
    for path, need in ((venv, DISK), (tempfile.gettempdir(), FETCH)):
        d = existing(path)
        dev = os.stat(d).st_dev
        needs[dev] = (d if path == venv else needs.get(dev, (d,))[0], needs.get(dev, (d, 0))[1] + need)
    for d, need in needs.values():
        free = shutil.disk_usage(d).free
        if free < need: stop('a first installation needs about %.0f GB free at %s, and %.1f GB are; make room and try again.' % (need/GB, d, free/GB))

# --- pip, with its progress

class Progress:
    "How far pip is: first by the bytes it has fetched, then by the space that it has filled"
    share = .5  # of the time goes into fetching
    def __init__(self, what, big, venv):
        self.what, self.big, self.venv, self.start, self.now = what, big, venv, time.time(), 'resolving'
        self.bytes, self.free0, self.tty, self.shown, self.done = 0., None, sys.stdout.isatty(), 0, False
        self.thread = threading.Thread(target=self.tick, daemon=True)
        self.thread.start()

    def line(self, l):
        m = re.match(r'\s*(?:Downloading|Using cached) (?:\S*/)?(\S+?)-\d\S* \(([\d.]+) (k|M|G)B\)', l)
        if m and '.metadata ' not in l:
            self.bytes += float(m.group(2)) * {'k':1e3, 'M':1e6, 'G':1e9}[m.group(3)]
            self.now = 'fetching %s (%s %sB)' % m.groups()
        elif l.startswith('Installing collected'): self.now, self.free0 = 'installing', shutil.disk_usage(self.venv).free

    def fraction(self):
        if self.free0 is None: return self.share*min(self.bytes/FETCH, .99)
        return self.share + (1-self.share)*min(max(self.free0 - shutil.disk_usage(self.venv).free, 0)/(1.2*DISK), .99)

    def show(self):
        gone, f = time.time() - self.start, self.fraction() if self.big else 0
        left = ', about %s left' % clock(gone*(1-f)/f + 1) if f > .05 else ', about 3 to 5 min in all' if self.big else ''
        bar = '[%s%s] %2d %% ' % ('#'*int(24*f), '.'*(24-int(24*f)), 100*f) if self.big else ''
        msg = '  %s%s gone%s: %s' % (bar, clock(gone), left, self.now)
        if self.tty:
            width = shutil.get_terminal_size().columns - 1
            print('\r' + msg[:width].ljust(width), end='', flush=True)
        elif gone - self.shown >= 15: self.shown = gone; say(msg)

    def tick(self):
        while not self.done: self.show(); time.sleep(.5)

    def close(self):
        self.done = True
        self.thread.join()
        if self.tty: print('\r' + ' '*(shutil.get_terminal_size().columns-1) + '\r', end='')
        return time.time() - self.start

def pip(venv, what, args, big=False):
    "Run `pip install args`; on failure show the end of what it said"
    say(what + ' ...')
    cmd = [os.path.join(venv, BIN, 'python'), '-m', 'pip', 'install', '--progress-bar', 'off', '--disable-pip-version-check'] + args
    log, prog, lines = os.path.join(venv, 'pip.log'), Progress(what, big, venv), []
    env = dict(os.environ, PIP_NO_INPUT='1', PYTHONUNBUFFERED='1')
    env.pop('PIP_REQUIRE_VIRTUALENV', None)
    proc = subprocess.Popen(cmd, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True, errors='replace')
    try:
        with open(log, 'a') as f:
            for l in proc.stdout:
                f.write(l); f.flush()
                lines.append(l.rstrip()); prog.line(l)
        rc = proc.wait()
    except BaseException: proc.kill(); raise
    finally: secs = prog.close()
    if rc:
        say('\n'.join('  | ' + (o if len(o) < 200 else o[:197] + '...') for o in lines[-20:]))
        stop('pip failed (exit %d) while %s; the end of what it said is above, all of it in %s'
             % (rc, what[0].lower() + what[1:].split(' (')[0], os.path.relpath(log, ROOT)))
    say('  done in ' + clock(secs))

# --- the environment

def make_venv(venv, python):
    say('Making %s with Python %d.%d (%s) ...' % ((os.path.relpath(venv, ROOT) if venv == VENV else venv,) + version_of(python) + (python,)))
    res = subprocess.run([python, '-m', 'venv', '--clear', venv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if res.returncode:
        say('\n'.join('  | ' + o for o in res.stdout.decode('utf-8', 'replace').splitlines()[-8:]))
        stop('%s could not make a virtual environment; on Debian and Ubuntu install python%d.%d-venv.' % ((python,) + version_of(python)))

def cached_venv(cache, python):
    "The environment in `cache` for these requirements, with .venv linked to it"
    key = digest(*build_requirements() + [l for o in ['', 'dev', 'play', 'docs'] for l in requirements(o)])
    venv = os.path.join(os.path.abspath(os.path.expanduser(cache)), 'env-%d.%d-%s' % (version_of(python) + (key,)))
    os.makedirs(os.path.dirname(venv), exist_ok=True)
    if os.path.isdir(VENV) and not os.path.islink(VENV):
        stop('GAMEGEN_ENV_CACHE is set, but .venv is a folder of its own; delete it or unset GAMEGEN_ENV_CACHE.')
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

def install(venv, python, extras):
    there, old = version_of(os.path.join(venv, BIN, 'python')), stamps(venv)
    stale = there is None or (python and version_of(python) != there)
    if stale or 'base' not in old: check_disk(venv)
    if stale: make_venv(venv, python or find_python()); old = {}
    v = '%d.%d' % version_of(os.path.join(venv, BIN, 'python'))
    wanted = {o or 'base': digest(v, *build_requirements() + requirements(o)) for o in [''] + extras}
    new = [o for o in wanted if old.get(o) != wanted[o]]
    if new:
        first = 'base' not in old
        if first: check_disk(venv)
        reqs = build_requirements() + [l for o in new for l in requirements('' if o == 'base' else o)]
        size = ' (about %.0f GB to fetch, %.0f GB on disk, 3 to 5 minutes)' % (FETCH/GB, DISK/GB) if first else ''
        names = ' and '.join('run-time requirements' if o == 'base' else o + ' extra' for o in new)
        tight = shutil.disk_usage(venv).free < DISK + 2*FETCH  # no room to keep the downloads as well
        pip(venv, 'Installing the ' + names + size, ['--prefer-binary'] + ['--no-cache-dir']*(first and tight) + reqs, big=first)
        stamp(venv, **{o: wanted[o] for o in new})
    here = digest(ROOT, *[text(o) for o in ('settings.ini', 'setup.py', 'pyproject.toml', 'gamegen/__init__.py')])
    if stamps(venv).get('editable') != here:
        pip(venv, 'Installing gamegen itself', ['--no-deps', '--no-build-isolation', '-e', '.'])
        stamp(venv, editable=here)
    os.utime(os.path.join(venv, '.gamegen-stamps'))

def main(extras):
    for o in extras: requirements(o)
    cache = os.environ.get('GAMEGEN_ENV_CACHE')
    if os.path.islink(VENV) and not os.path.exists(VENV): os.remove(VENV)
    if not cache: return install(VENV, find_python() if os.environ.get('PYTHON') else None, extras)
    python = find_python()
    venv = cached_venv(cache, python)
    with open(venv + '.lock', 'w') as f:
        try: import fcntl; fcntl.flock(f, fcntl.LOCK_EX)
        except ImportError: pass
        install(venv, python, extras)
        drop_old(os.path.dirname(venv), venv)

if __name__ == '__main__':
    try: main(sys.argv[1:])
    except KeyboardInterrupt: sys.exit('\nstopped; run the same command again to go on')
    except OSError as e: stop('%s; the environment is not finished, run the same command again when that is mended.' % e)
