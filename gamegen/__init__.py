"""A notebook-first laboratory for generating game content."""
__version__ = "0.1.0"

import os as _os
from importlib.util import find_spec as _find_spec

if _os.environ.get('GAMEGEN_LIGHT') or _find_spec('torch') is None:
    from .light import go_light as _go_light
    _go_light()
