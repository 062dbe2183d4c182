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
    'match':     Renames(),
    'lstm':      Renames(),
    'creatures': Renames(),
    'frames':    Renames(),
    'latents':   Renames(),
    'player':    Renames(),
    'monsters':  Renames(),
    'animate':   Renames(),
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
