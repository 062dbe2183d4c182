"""Bring weights and checkpoints of an older layout to the present one: `python tools/convert_weights.py FILE ...`"""
import argparse, sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from gamegen.core import GamegenError
from gamegen.io import Renames, convert_file

# What each kind of weights called otherwise. Patterns must not match what they wrote: a file may be converted twice.
# Tensors: {pattern: replacement} on names as they stand in weights; config and notes: {old key: new key, or None};
# values: {new key: {old: new}}.
TABLE = {
    'match': Renames({r'^critic\.ears\.':'critic.filters.', r'^critic\.known\.':'critic.told.'},
                         config=dict(fresh='sample_noise', kept='gait_noise', gamma='penalty', shake='jitter',
                                     drop='dropout')),
    'lstm': Renames(),
    'creatures': Renames(
        tensors={r'^gen\.tilt$':'gen.category_bias', r'^codec\.round$':'codec.round_total',
                 r'^codec\.all$':'codec.all_heaped', '^combos$':'combinations'},
        config=dict(matching='moment_matching', wishes='full_condition', tau='temperature', spectral='spectral_norm'),
        values=dict(loss=dict(wgan='wgan-gp', rival='relativistic'))),
    'frames': Renames(
        tensors={r'norms\.(\d+)\.set\.':r'norms.\1.affine.',
                 r'norms\.(\d+)\.amount$':r'norms.\1.noise_strength',
                 r'norms\.(\d+)\.grit$':r'norms.\1.noise_const',
                 r'(^|\.)style\.(\d)':r'\1mapping.\2', r'(^|\.)rgb\.(\d)':r'\1to_rgb.\2'},
        config=dict(cooling='cooldown')),
    'latents': Renames(),
    'player': Renames(),
    'monsters': Renames(
        tensors={
            r'^gen\.first$': 'gen.const',
            r'^gen\.pics\.': 'gen.rgba_layers.',
            r'^gen\.mapping\.mean$': 'gen.mapping.w_avg',
            r'^gen\.mapping\.hint\.': 'gen.mapping.features.',
            r'^(gen\.layers\.\d+\.)places$': r'\1learned_noise',
            r'^(gen\.layers\.\d+\.)strength$': r'\1noise_strength',
            r'^(gen\.layers\.\d+\.)grit$': r'\1noise_const',
            r'^critic\.first\.': 'critic.from_rgba.',
            r'^(critic\.blocks\.\d+\.)a\.': r'\1conv0.',
            r'^(critic\.blocks\.\d+\.)b\.': r'\1conv1.',
            r'^(critic\.blocks\.\d+\.)past\.': r'\1skip.',
            r'^critic\.last\.': 'critic.conv.',
            r'^critic\.dense\.': 'critic.fc.',
            r'^critic\.score\.': 'critic.out.',
            r'^critic\.hint\.': 'critic.features.',
            r'^critic\.ada\.sure$': 'critic.ada.r_t',
            r'^critic\.ada\.seen$': 'critic.ada.count',
            r'^copies\.looks\.': 'copies.pixels.',
            r'^copies\.known$': 'copies.train',
            r'^copies\.usual$': 'copies.holdout',
            r'^hints\.': 'features.',
        },
        config=dict(most='max_features', rivals='relativistic', grain='noise_mode', path='path_length',
                    mixing='style_mixing', hints='cond_features', vague='cond_noise', images=None)),
    'animate': Renames(
        tensors={
            r'^codes$': 'latents',
            r'^(?!net\.|latents$)': 'net.',
            r'^net\.kind\.': 'net.motion.',
            r'^net\.flows\.': 'net.heads.',
            r'^net\.look\.': 'net.clip_encoder.',
            r'^net\.guess\.': 'net.posterior.',
            r'^(net\.up\.\d+\.)by\.': r'\1film.',
        },
        config=dict(code='latent', drop='dropout')),
}

def main():
    p = argparse.ArgumentParser(description=__doc__.split(':')[0])
    p.add_argument('files', nargs='+', help='weights (.safetensors), or checkpoints of one model')
    p.add_argument('--out', help='where to write, for a single file; in place when left out')
    p.add_argument('--model', choices=list(TABLE), help='the model that checkpoints are of')
    a = p.parse_args()
    if a.out and len(a.files) > 1: p.error('--out: goes with a single file')
    for o in a.files:
        try: print(convert_file(o, TABLE, a.out, a.model))
        except GamegenError as e: sys.exit(str(e))

if __name__ == '__main__': main()
