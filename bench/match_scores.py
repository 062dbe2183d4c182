"""How real generated matches are, on data that every clone has.

python bench/match_scores.py [--trainings N] [--steps N] [--folder RUNS] trains on the simulated
midfielder, as `gamegen match-train` does it. The matches are compared with the one they were
trained on, and with the winger's, which they have not seen. The figures go to
data/midfielder_scores.json; runs in RUNS are gone on with. A training of 2,000 steps takes four to seven
minutes of one core, the rest six.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from gamegen.cgan import CGANConfig, generate_match, train_match
from gamegen.core import bundled
from gamegen.data import read_match
from gamegen.match.commands import STEPS
from gamegen.match.scores import copy_figures, memoriser, score_table, window_auc
from gamegen.match.simulate import simulate_match

MINUTES = 9.3
ABOUT = ('Trained on the simulated midfielder; three matches of each training, as long as his. '
         'own: compared with his match. other: with the simulated winger. copies: share of copied '
         'waves and of copied runs of the plan in each match, at 1 % false alarm. windows: AUC of '
         'five gaits in a row of fresh simulated matches against his. Text is median [least, most].')

def trained(match, seed, steps, folder):
    "The model of one training"
    cfg = CGANConfig(steps=steps, every=100, seed=seed)
    how = dict(resume=True, licence='CC0-1.0')
    return train_match({'midfielder':match}, cfg, folder/f'midfielder-{seed}', **how).model

def one_norm(match, seed):
    "A match whose samples are drawn one by one"
    rng = np.random.default_rng(seed)
    pool = {g['label']:[] for g in match}
    for g in match: pool[g['label']] += g['norm']
    return [dict(g, norm=rng.choice(pool[g['label']], len(g['norm'])).tolist()) for g in match]

def three(f): return [f(s) for s in range(3)]
def simulated(who, s): return simulate_match(MINUTES, who, 100 + s)

def copied(own, held, matches):
    "Shares of copies in each of several matches"
    rows = [copy_figures(own, held, m) for m in matches]
    return {k:[round(o[k], 4) for o in rows] for k in ('copy_rate', 'plan_copies', 'exact')}

def figures(models):
    "All that is kept of these models"
    own,other = (read_match(bundled(f'match_{o}.json')) for o in ('midfielder', 'winger'))
    def of(k, i): return generate_match(MINUTES, seed=10*k + i, model=models[k])
    every = [of(k, i) for k in range(len(models)) for i in range(3)]
    made = {'this GAN':every}
    fresh = {'simulator, the same player':three(lambda s: simulated('midfielder', s))}
    alone = {'one norm at a time':three(lambda s: one_norm(own, s))}
    known = {'the training match':[own], 'memoriser of it':three(lambda s: memoriser(own, s))}
    winger = {'simulator, the winger':three(lambda s: simulated('winger', s))}
    to_own = score_table(own, made | fresh | alone, digits=3)
    to_other = score_table(other, known | made | winger | fresh, digits=3).drop('memoriser')
    of_copies = ['copy_rate', 'dcr_ratio', 'plan_copies', 'exact']
    held = simulate_match(60, seed=12)
    windows = [window_auc(own, simulate_match(MINUTES, seed=300 + i), i) for i in range(8)]
    copies = {k:copied(own, held, v) for k,v in {**made, **fresh, **known}.items()}
    return dict(own=to_own.to_dict('index'), copies=copies, windows=[round(o, 3) for o in windows],
                other=to_other.drop(columns=of_copies).to_dict('index'))

def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--trainings', type=int, default=1)
    p.add_argument('--steps', type=int, default=STEPS)
    p.add_argument('--folder', type=Path)
    a = p.parse_args()
    torch.set_num_threads(1)
    folder = a.folder or Path(tempfile.mkdtemp())
    match = read_match(bundled('match_midfielder.json'))
    models = [trained(match, s, a.steps, folder) for s in range(a.trainings)]
    about = dict(about=ABOUT, minutes=MINUTES, steps=a.steps, trainings=a.trainings)
    record = about | figures(models)
    text = json.dumps(record, indent=1) + '\n'
    (bundled()/'midfielder_scores.json').write_text(text, encoding='utf-8')

if __name__ == '__main__': main()
