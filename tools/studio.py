"""Export the networks that drawings go through: `python tools/studio.py [NAME ...]` writes data/onnx/.

A graph holds no weights: it takes those of data/weights, whose fingerprint is noted in it.
"""
import argparse
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONNX = ROOT/'data/onnx'
MODELS = dict(                           # by the name of the weights
    match='cgan:MatchModel', creatures='pokemon_wgan:CreatureModel', frames='mario_dcgan:FrameModel',
    monsters='monsters:MonsterModel', animate='monster.animate:AnimateModel')
# Those that pages alone draw with: `gamegen.studio.page_graphs`
PAGES = {'monsters':('styles', 'pictures'), 'play-maze':('decisions',)}
MODELS['play-maze'] = 'bvae_gpt:Player'

sys.path.insert(0, str(ROOT))

def model_class(name):
    "The class of the model in weights that ship"
    module,cls = MODELS[name].split(':')
    return getattr(importlib.import_module(f'gamegen.{module}'), cls)

def wrong_graphs():
    "What is wrong with the graphs that ship: missing, of other weights, or of none"
    from gamegen.io import read_graphs, read_tensors
    bad = []
    wanted = set()
    for name in MODELS:
        path = ROOT/f'data/weights/{name}.safetensors'
        drawn = (*model_class(name).drawn, *PAGES.get(name, ()))
        wanted |= {f'{name}.{o}.onnx' for o in drawn}
        try: nets = read_graphs(path, {}, drawn)
        except (ImportError, ValueError) as e:
            bad.append(str(e))
            continue
        there = set(read_tensors(path, 'weights')[0])
        for o in nets.values():
            lost = [k for k in o.tensors if k not in there]
            bad += [f'{o.path.name}: takes {k}, which {path.name} does not hold' for k in lost]
    more = {o.name for o in ONNX.glob('*')} - wanted
    return bad + [f'data/onnx/{o}: no model draws with it' for o in sorted(more)]

def main():
    ap = argparse.ArgumentParser(description='Export the networks that drawings go through')
    ap.add_argument('names', nargs='*', help=f"of weights: {', '.join(MODELS)}; all when none is given")
    names = ap.parse_args().names or list(MODELS)
    from gamegen.io import write_graphs
    from gamegen.studio import page_graphs
    ONNX.mkdir(exist_ok=True)
    for name in names:
        path = ROOT/f'data/weights/{name}.safetensors'
        model = model_class(name).load(path)
        graphs = (model.graphs() if model.drawn else {}) | page_graphs(model)
        for o in write_graphs(model, path, ONNX, graphs):
            print(f'{o.relative_to(ROOT)}: {o.stat().st_size:,} bytes', flush=True)

if __name__ == '__main__': main()
