"""Formulas as drawings, for pages that ask no other site for a script.

Where Quarto is not installed, Matplotlib draws the formulas. It knows a part of TeX only:
`python tools/check.py` says which formula of a notebook it cannot draw.
"""
import html
import io
import itertools
import re

# TeX that Matplotlib does not know, in words that it does
TEX = [(r'\\[td]frac', r'\\frac'),
       (r'\\[lr]Vert', r'\\Vert '),
       (r'\\[lr]vert', r'\\vert '),
       (r'\\(?:textstyle|displaystyle|[bB]igg?[lrm]?)(?![A-Za-z])', ''),
       (r'\\operatorname\*?\{(\w+)\}', r'\\mathrm{\1}'),
       (r'\\text(?:rm)?\{', r'\\mathrm{'),
       (r"'+", lambda m: '^{' + r'\prime'*len(m[0]) + '}'),
       (r'(\\math\w+)\s+(\w)', r'\1{\2}'),
       (r'([_^])\\mathrm\{([^{}]*)\}', r'\1{\\mathrm{\2}}'),
       (r'(\\frac)\s*(\w)\s*(\w)', r'\1{\2}{\3}'),
       (r'(\\frac)\s*(\\\w+)\s*(\w)', r'\1{\2}{\3}'),
       (r'(\\sqrt)\s*(\w)', r'\1{\2}'),
       (r'\\\|', r'\\Vert '),
       (r'\\top', r'\\mathsf{T}'),
       (r'\s+', ' ')]
NOT_DRAWN = re.compile(r'<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->',
                       re.S)
GROUND = re.compile(r'<g id="[^"]*patch_1">.*?</g>', re.S)
FORMULA = re.compile(r'<span class="(math (?:inline|display))">(.*?)</span>', re.S)
CODE = re.compile(r'```.*?```|`[^`\n]*`', re.S)
IN_MARKDOWN = re.compile(r'\$\$(.+?)\$\$|(?<![\\$\w])\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\d)', re.S)
counter = itertools.count(1)

class NotDrawn(ValueError): "A formula that Matplotlib cannot draw"

def parsed(tex):
    "The formula in words that Matplotlib knows, and how far it reaches below the line"
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    src = tex
    for a,b in TEX: src = re.sub(a, b, src)
    font = FontProperties(size=12)
    try: return src, MathTextParser('path').parse(f'${src}$', dpi=72, prop=font).depth
    except ValueError as e:
        why = str(e).splitlines()[-1]
        raise NotDrawn(f'the formula {tex} cannot be drawn without Quarto: {why}; '
                       'expected what Matplotlib knows of TeX') from e

def svg_of(src):
    "A formula as SVG, without ground and remarks"
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image
    out = io.BytesIO()
    math_to_image(f'${src}$', out, prop=FontProperties(size=12), format='svg', dpi=72)
    svg = re.sub(r'.*?(<svg)', r'\1', out.getvalue().decode(), count=1, flags=re.S)
    n = next(counter)                        # glyphs have names, which must differ on a page
    svg = re.sub(r'(id="|href="#|url\(#)', rf'\g<1>f{n}-', NOT_DRAWN.sub('', svg))
    return GROUND.sub('', svg)

def formula(m):
    "A formula of a page, matched by `FORMULA`, as a drawing"
    tex = html.unescape(m[2])[2:-2].strip()
    src,depth = parsed(tex)
    svg = svg_of(src)
    w,h = (float(o) for o in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    size = f'width:{w/12:.3f}em;height:{h/12:.3f}em;vertical-align:{-depth/12:.3f}em'
    tag = (f'<svg class="formula" role="img" aria-label="{html.escape(tex)}" style="{size}" '
           f'viewBox="0 0 {w} {h}" fill="currentColor">')
    return f'<span class="{m[1]}">{re.sub(r"<svg[^>]*>", lambda _: tag, svg, count=1)}</span>'

def drawn(page):
    "The HTML of a page with its formulas as drawings"
    return FORMULA.sub(formula, page)

def formulas(md):
    "The formulas in Markdown"
    return [a or b for a,b in IN_MARKDOWN.findall(CODE.sub('', md))]

def not_drawn(md):
    "What is wrong with the formulas in Markdown"
    for tex in formulas(md):
        try: parsed(tex.strip())
        except NotDrawn as e: yield str(e)
