"""Export the networks that drawings go through into data/onnx/: `python tools/studio.py [NAME ...]`.

A graph holds no weights: it takes those of data/weights, whose fingerprint is noted in it.
"""
import argparse
import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONNX = ROOT/'data/onnx'
MODELS = dict(                           # by the name of the weights
    match='cgan:MatchModel', creatures='pokemon_wgan:CreatureModel', frames='mario_dcgan:FrameModel',
    monsters='monsters:MonsterModel', animate='monster.animate:AnimateModel',
    **{'monsters-crawl':'monster.flow:FlowModel'},
    **{'play-maze':'bvae_gpt:Player', 'dream-sneak':'dream:DreamModel'},
    game='bestiary.clone:GameClone')
# Those that pages alone draw with: `gamegen.studio.page_graphs`
PAGES = {'monsters':('styles', 'pictures'), 'play-maze':('decisions',)}

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
    more = {o.name for o in ONNX.glob('*.onnx')} - wanted
    return bad + [f'data/onnx/{o}: no model draws with it' for o in sorted(more)]

# --- what each graph gives for the same inputs: Python, the light package and pages are held to it

GOLDEN = ONNX/'golden.json'

def golden_inputs(net):
    "Arrays for a graph, the same each time"
    import numpy as np
    from gamegen.core import normal
    kinds = {'tensor(float)':np.float32, 'tensor(int64)':np.int64, 'tensor(uint8)':np.uint8}
    def one(o):
        shape = [d if isinstance(d, int) else 2 if d == 'n' else 64 for d in o.shape]
        x = normal(0, f'golden/{o.name}', *shape)
        if o.type == 'tensor(uint8)': x = (x*60 + 128).clip(0, 255)
        return (x*(o.type != 'tensor(int64)')).astype(kinds[o.type])
    return [one(o) for o in net.session.get_inputs()]

def golden_figures(net):
    "Of each output of a graph: its shape, mean and deviation, and some of its numbers"
    import numpy as np
    out = net(*golden_inputs(net))
    def one(x):
        x = np.asarray(x, float)
        some = x.ravel()[::max(1, x.size//8)][:8]
        mean,std,*some = (float(f'{v:.5g}') for v in (x.mean(), x.std(), *some))
        return dict(shape=list(x.shape), mean=mean, std=std, some=some)
    return [one(o) for o in (out if isinstance(out, tuple) else (out,))]

def graphs_of(name):
    "The graphs of weights, as `{name: OnnxNet}`"
    from gamegen.io import read_graphs, read_tensors
    path = ROOT/f'data/weights/{name}.safetensors'
    import numpy as np
    def full(v): return np.asarray(v.float() if v.is_floating_point() else v)
    tensors = {k:full(v) for k,v in read_tensors(path, 'weights')[0].items()}
    return read_graphs(path, tensors, (*model_class(name).drawn, *PAGES.get(name, ())))

def write_golden(names):
    "Note what the graphs of these weights give"
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name in names:
        for k,net in graphs_of(name).items():
            kept[net.path.name] = dict(weights=net.notes['weights'], outputs=golden_figures(net))
    rows = ',\n'.join(f' {json.dumps(k)}: {json.dumps(kept[k])}' for k in sorted(kept))
    GOLDEN.write_text(f'{{\n{rows}\n}}\n')

def alike(a, b):
    "Are figures of an output the same, but for what processors round otherwise?"
    import numpy as np
    if a['shape'] != b['shape']: return False
    scale = 1e-2*max(1., abs(b['mean']) + b['std'])
    values = [[o['mean'], o['std'], *o['some']] for o in (a, b)]
    return np.allclose(*values, rtol=1e-2, atol=scale)

def wrong_golden():
    "Graphs that give something else than is noted, or whose weights are others"
    kept = json.loads(GOLDEN.read_text())
    bad = []
    for name in MODELS:
        for net in graphs_of(name).values():
            want = kept.pop(net.path.name, None)
            if not want or want['weights'] != net.notes['weights']:
                bad.append(f'{net.path.name}: no golden case of its weights')
                continue
            for a,b in zip(golden_figures(net), want['outputs'], strict=True):
                if alike(a, b): continue
                bad.append(f'{net.path.name}: gives {a}; expected {b}')
    return bad + [f'{k}: a golden case of no graph' for k in kept]

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
    write_golden(names)

if __name__ == '__main__': main()
