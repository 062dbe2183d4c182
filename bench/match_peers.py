"""How matches of peers compare with ours, on the simulated midfielder that every clone has.

Each peer needs an environment of its own. DGAN: gretel-synthetics 0.22.20 with numpy 1.23.5,
pandas 1.5.3, category-encoders 2.2.2, scikit-learn 1.3.2, scipy 1.10.1, statsmodels and torch.
PAR: deepecho 0.8.1.

    python bench/match_peers.py dgan OUT      in the environment of DGAN
    python bench/match_peers.py par OUT       in that of PAR
    python bench/match_peers.py score OUT     in ours; writes data/midfielder_peers.json. It goes on with
                                              the runs of bench/match_scores.py --folder OUT

Either is trained with three seeds, for nearly as many seconds of one core as the training of
bench/match_scores.py takes, which is one. DGAN draws windows of 64
samples and is given those of the match, one at each eighth sample; PAR draws a gait of an action.
"""
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parents[1]/'data'
SECONDS = 300      # of one core: 2,000 steps of our own
WINDOW = 64        # samples
SEEDS = (0, 1, 2)

def match_gaits(): return json.loads((DATA/'match_midfielder.json').read_text(encoding='utf-8'))

def signal(gaits): return np.concatenate([g['norm'] for g in gaits])

def windows(x, step=WINDOW):
    "Stretches of 64 samples, one at each `step`"
    return np.array([x[i:i+WINDOW] for i in range(0, len(x) - WINDOW + 1, step)])

def seeded(seed):
    np.random.seed(seed)
    torch.manual_seed(seed)

def epochs_for(train, seconds, least=0):
    "How many epochs take so many seconds, by the time of a few; `train(epochs)` trains"
    start = time.process_time()
    train(3)
    each = (time.process_time() - start)/3
    return max(least, int(seconds/each))

def dgan(out):
    "DGAN at its defaults, 8 samples a step of its LSTM, as its authors advise for such lengths"
    from gretel_synthetics.timeseries_dgan.config import DGANConfig
    from gretel_synthetics.timeseries_dgan.dgan import DGAN
    x = windows(signal(match_gaits()), 8)[:,:,None]
    def train(epochs):
        m = DGAN(DGANConfig(max_sequence_len=WINDOW, sample_len=8, batch_size=128, cuda=False,
                            epochs=epochs))
        m.train_numpy(features=x)
        return m
    epochs = epochs_for(train, SECONDS)
    for s in SEEDS:
        seeded(s)
        start = time.process_time()
        m = train(epochs)
        took = time.process_time() - start
        _,made = m.generate_numpy(2000)
        np.save(out/f'dgan-{s}.npy', np.stack(made)[:,:,0])
        note(out, f'dgan-{s}', dict(epochs=epochs, core_seconds=round(took)))

def par(out):
    "PAR at its defaults: a gait of an action, sample by sample, as long as one of the match"
    from deepecho import PARModel
    gaits = match_gaits()
    rows = [dict(context=[g['label']], data=[list(g['norm'])]) for g in gaits]
    def train(epochs):
        m = PARModel(epochs=epochs, cuda=False, verbose=False)
        m.fit_sequences(rows, ['categorical'], ['continuous'])
        return m
    epochs = epochs_for(train, SECONDS)
    for s in SEEDS:
        seeded(s)
        start = time.process_time()
        m = train(epochs)
        took = time.process_time() - start
        made = []
        for g in gaits:
            y, = m.sample_sequence([g['label']], len(g['norm']))
            made.append(dict(label=g['label'], norm=[max(float(o), .01) for o in y]))
        (out/f'par-{s}.json').write_text(json.dumps(made))
        note(out, f'par-{s}', dict(epochs=epochs, core_seconds=round(took)))

def note(out, name, what):
    "Keep how a peer was trained"
    print(name, what, flush=True)
    p = out/'times.json'
    kept = json.loads(p.read_text()) if p.exists() else {}
    p.write_text(json.dumps(kept | {name:what}))

# --- scores

def told(real, fake, seed):
    "AUC of windows, real ones of the match against others"
    from gamegen.features import series_features
    from gamegen.metrics import two_sample_auc
    a = series_features(list(real))
    b = series_features(list(fake))
    return two_sample_auc(a, b, seed=seed)

def some(rows, n, seed): return rows[np.random.default_rng(seed).permutation(len(rows))[:n]]

def spread(values):
    return f'{np.median(values):.3f} [{min(values):.3f}, {max(values):.3f}]'

def score(out):
    from match_scores import MINUTES, STEPS, simulated, trained
    from gamegen.cgan import generate_match
    from gamegen.match.scores import gait_auc
    own = match_gaits()
    real = windows(signal(own))
    times = json.loads((out/'times.json').read_text())
    fresh = [simulated('midfielder', s) for s in SEEDS]
    model = trained(own, 0, STEPS, out)         # one training, three matches
    ours = [generate_match(MINUTES, seed=s, model=model) for s in SEEDS]
    pars = [json.loads((out/f'par-{s}.json').read_text()) for s in SEEDS]
    matches = {'simulator, the same player':fresh, 'this GAN':ours, 'PAR of deepecho 0.8.1':pars}
    res = {}
    for k,ms in matches.items():
        rows = [told(real, windows(signal(m)), s) for s,m in zip(SEEDS, ms)]
        res[k] = {'AUC of windows':spread(rows),
                  'gait_auc':spread([gait_auc(own, m, s) for s,m in zip(SEEDS, ms)])}
    made = [np.load(out/f'dgan-{s}.npy') for s in SEEDS]
    rows = [told(real, some(m, len(real), s), s) for s,m in zip(SEEDS, made)]
    res['DGAN of gretel-synthetics 0.22.20'] = {'AUC of windows':spread(rows), 'gait_auc':''}
    shuffled = [np.stack([np.random.default_rng(s).permutation(o) for o in real]) for s in SEEDS]
    res['samples of a window in any order'] = {
        'AUC of windows':spread([told(real, o, s) for s,o in zip(SEEDS, shuffled)]), 'gait_auc':''}
    for k,o in (('PAR of deepecho 0.8.1', 'par'), ('DGAN of gretel-synthetics 0.22.20', 'dgan')):
        mine = [times[f'{o}-{s}'] for s in SEEDS]
        res[k] |= {'epochs':mine[0]['epochs'],
                   'core-seconds':int(np.median([v['core_seconds'] for v in mine]))}
    about = __doc__.splitlines()[0]
    record = dict(about=about, seconds=SECONDS, window=WINDOW, figures=res)
    (DATA/'midfielder_peers.json').write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')

if __name__ == '__main__':
    torch.set_num_threads(1)
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    dict(dgan=dgan, par=par, score=score)[sys.argv[1]](folder)
