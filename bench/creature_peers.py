"""Fit the peers of the creature generator, each at its defaults, and write what they draw.

They need an environment of their own: pip install ctgan sdv arfpy mostlyai-engine pandas
Then: python bench/creature_peers.py OUT, and GAMEGEN_PEERS=OUT for the slow cells of
nbs/creature/03_scores.ipynb. OUT/all holds rows of peers fitted to the whole table, OUT/half of
those fitted to half of it; OUT/times.json says how long they took. Peers are given the types and
the six statistics; the total is summed up, and numbers are rounded, later.
"""
import importlib.metadata as versions
import json
import random
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

warnings.filterwarnings('ignore')
torch.set_num_threads(1)
if not hasattr(np, 'in1d'): np.in1d = np.isin          # arfpy calls it; newer NumPy lacks it
TYPES = ['Type 1', 'Type 2']
STATS = ['HP', 'Attack', 'Defense', 'Sp. Attack', 'Sp. Defense', 'Speed']

def table():
    path = Path(__file__).parents[1]/'data'/'creatures.csv'
    df = pd.read_csv(path, keep_default_na=False)[TYPES + STATS]
    return df.assign(**{'Type 2':df['Type 2'].replace('', 'NONE')})

def ctgan(df):
    from ctgan import CTGAN
    m = CTGAN(enable_gpu=False)
    m.fit(df, TYPES)
    return m.sample

def tvae(df):
    from ctgan import TVAE
    m = TVAE(enable_gpu=False)
    m.fit(df, TYPES)
    return m.sample

def copula(df):
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer
    kinds = {c:{'sdtype':'categorical' if c in TYPES else 'numerical'} for c in df}
    metadata = Metadata.load_from_dict({'tables':{'creatures':{'columns':kinds}}})
    m = GaussianCopulaSynthesizer(metadata)
    new = int(versions.version('sdv')[0]) > 1
    m.fit({'creatures':df} if new else df)
    return lambda n: m.sample(n)['creatures'] if isinstance(m.sample(2), dict) else m.sample(n)

def arf(df):
    from arfpy import arf as forest
    m = forest.arf(x=df, num_trees=30)
    m.forde()
    return lambda n: m.forge(n=n)

def argn(df):
    from mostlyai.engine import TabularARGN
    m = TabularARGN(verbose=0)
    m.fit(df)
    return lambda n: m.sample(n_samples=n)

PEERS = dict(CTGAN=(ctgan, 'ctgan'), TVAE=(tvae, 'ctgan'), GaussianCopula=(copula, 'sdv'),
             ARF=(arf, 'arfpy'), TabularARGN=(argn, 'mostlyai-engine'))

def fitted(fit, df, path):
    "Fit a peer, write what it draws, and return the seconds of both"
    for seed in (torch.manual_seed, np.random.seed, random.seed): seed(0)
    start = time.perf_counter()
    sample = fit(df.copy())
    done = time.perf_counter()
    rows = sample(10_000)
    drawn = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)
    return dict(fit=round(done - start, 1), draw=round(drawn - done, 3))

if __name__ == '__main__':
    out = Path(sys.argv[1])
    real = table()
    half = real.sample(frac=.5, random_state=0)
    times = {}
    for name,(fit,package) in PEERS.items():
        took = fitted(fit, real, out/f'all/{name}.csv')
        times[name] = dict(took, version=f'{package} {versions.version(package)}')
        print(name, times[name], flush=True)
        fitted(fit, half, out/f'half/{name}.csv')
    (out/'times.json').write_text(json.dumps(times, indent=1))
