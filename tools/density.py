"""How dense the code is, by module: `python tools/density.py [FILE or FOLDER ...]`.

Counted are lines over 40 tokens, tuple assignments (`a,b = 1,2`), and lines over 100 and over 120
columns. `python tools/check.py` holds gamegen/, tools/ and bench/ to the limits below.
"""
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ('gamegen', 'tools', 'bench')
GENERATED = ('_modidx.py', '__init__.py')
LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT,
          tokenize.ENDMARKER)

class Density(NamedTuple):
    "What is counted in a module; `lines` are those that hold code"
    lines:int
    dense:int
    tuples:int
    wide:int
    widest:int

    def shares(self):
        "The four counts as shares of the lines"
        return [o/max(1, self.lines) for o in self[1:]]

NAMES = ('lines over 40 tokens', 'tuple assignments', 'lines over 100 columns',
         'lines over 120 columns')
LIMITS = (.01, .015, .02, 0.)                    # shares of the lines with code

def tokens_of(source):
    "`{line: tokens on it}`"
    found = tokenize.generate_tokens(io.StringIO(source).readline)
    return Counter(o.start[0] for o in found if o.type not in LAYOUT)

def is_tuple_assignment(node):
    "Is it an assignment of a written tuple to names?"
    if not isinstance(node, ast.Assign): return False
    return isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)

def density(source):
    "The counts of a module's source, without the list of names that nbdev writes"
    source = re.sub(r'^__all__ = \[.*?\]$', '', source, count=1, flags=re.M | re.S)
    lines = source.splitlines()
    code = [o for o in lines if o.strip() and not o.strip().startswith('#')]
    dense = sum(n > 40 for n in tokens_of(source).values())
    tuples = sum(map(is_tuple_assignment, ast.walk(ast.parse(source))))
    wide = sum(len(o) > 100 for o in lines)
    widest = sum(len(o) > 120 for o in lines)
    return Density(len(code), dense, tuples, wide, widest)

def total(counts): return Density(*map(sum, zip(*counts)))

def measured(paths=()):
    "`{file: counts}` of all modules in `paths`"
    paths = [Path(o) for o in paths] or [ROOT/o for o in FOLDERS]
    found = [f for p in paths for f in (sorted(p.rglob('*.py')) if p.is_dir() else [p])]
    return {f:density(f.read_text(encoding='utf-8')) for f in found if f.name not in GENERATED}

def shown(name, d):
    "One row of the table"
    shares = '  '.join(f'{n:4} {share:6.1%}' for n,share in zip(d[1:], d.shares()))
    return f'{name:36} {d.lines:6}  {shares}'

def main():
    counts = measured(sys.argv[1:])
    print(f"{'':36} {'lines':>6}  {'>40 tokens':>11}  {'tuple =':>11}  {'>100 cols':>11}"
          f"  {'>120 cols':>11}")
    for f,d in counts.items(): print(shown(str(f), d))
    print(shown('all', total(counts.values())))
    print(f"{'at most':36} {'':6}  " + '  '.join(f'{o:11.1%}' for o in LIMITS))

if __name__ == '__main__': main()
