"""Pictures in saved notebooks: few colours where nobody sees it, old bytes where nothing changed.

The history of the repository grows by pictures, so `tools/test.py --save` calls `keep_small`.
"""
import io
import json
from base64 import b64decode, b64encode

import numpy as np
from PIL import Image

COLOURS = 256
MEAN = 1.                # mean error of a channel, of 255, that nobody sees
TAIL = 24                # and the error of all but a thousandth of the values
EQUAL = 8                # a picture that differs by so little in every value has not changed

def pixels(im): return np.asarray(im.convert('RGBA')).astype(int)

def opened(png):
    "A picture, read"
    im = Image.open(io.BytesIO(png))
    im.load()
    return im

def palette_of(im):
    "The picture with a palette of 256 colours at most, without dither"
    solid = im.getextrema()[3][0] == 255
    if solid: im = im.convert('RGB')
    method = Image.Quantize.MEDIANCUT if solid else Image.Quantize.FASTOCTREE
    few = im.getcolors(COLOURS)
    if not few or not solid: return im.quantize(COLOURS, method, dither=Image.Dither.NONE)
    colours = Image.new('P', (1, 1))             # few colours: these, and none between them
    colours.putpalette([v for _,colour in few for v in colour])
    return im.quantize(palette=colours, dither=Image.Dither.NONE)

def quantised(png):
    "The same picture in fewer bytes, as PNG; unchanged where the loss shows, as in photographs"
    im = opened(png)
    if im.mode == 'P': return png
    im = im.convert('RGBA')
    small = palette_of(im)
    error = np.abs(pixels(small) - pixels(im))
    if error.mean() > MEAN or np.quantile(error, .999) > TAIL: return png
    out = io.BytesIO()
    small.save(out, 'PNG', optimize=True)
    return min(out.getvalue(), png, key=len)

def alike(a, b):
    "Do two PNGs show the same?"
    x = pixels(opened(a))
    y = pixels(opened(b))
    return x.shape == y.shape and np.abs(x - y).max() <= EQUAL

def joined(o): return ''.join(o) if isinstance(o, list) else o

def shown(cell):
    "The outputs of a cell that hold a PNG, by place"
    outputs = cell.get('outputs', [])
    return {i:o['data'] for i,o in enumerate(outputs) if 'image/png' in o.get('data', {})}

def keep_small(nb, old):
    "Change `nb`: each picture that is as in `old` gets the old bytes, the others few colours"
    before = {c.get('id'):shown(c) for c in old['cells']}
    for c in nb['cells']:
        for i,data in shown(c).items():
            png = b64decode(joined(data['image/png']))
            small = quantised(png)
            was = before.get(c.get('id'), {}).get(i, {}).get('image/png')
            old_png = b64decode(joined(was)) if was else b''
            same = old_png and (alike(png, old_png) or alike(small, old_png))
            if same: data['image/png'] = was
            elif small != png: data['image/png'] = b64encode(small).decode()

def keep_small_file(path, old):
    "`keep_small` for the notebook at `path`"
    nb = json.loads(path.read_text(encoding='utf-8'))
    keep_small(nb, old)
    text = json.dumps(nb, indent=1, ensure_ascii=False) + '\n'
    path.write_text(text, encoding='utf-8')
