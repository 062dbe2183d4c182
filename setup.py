"""Reads all package metadata from settings.ini and the version from gamegen/__init__.py."""
import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
parser = ConfigParser(delimiters=['='])
parser.read(root / 'settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
lines = lambda key: [o.strip() for o in cfg.get(key, '').splitlines() if o.strip()]
version = re.search(r"^__version__ = ['\"](.+)['\"]", (root / 'gamegen/__init__.py').read_text('utf-8'), re.M)[1]

def absolute(md):
    "`md` with its links into the repository made absolute, for PyPI's page"
    to = lambda m: f"{m[1]}({cfg['git_url']}/{'raw' if m[1][0] == '!' else 'blob'}/{cfg['branch']}/{m[2]})"
    return re.sub(r'(!?\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)', to, md)

setup(
    version=version,
    description=cfg['description'],
    long_description=absolute((root / 'README.md').read_text('utf-8')),
    long_description_content_type='text/markdown',
    author=cfg['author'],
    author_email=cfg['author_email'],
    license=cfg['license'],
    url=cfg['git_url'],
    project_urls={'Documentation': cfg['doc_url'], 'Changelog': cfg['git_url'] + '/blob/main/CHANGELOG.md'},
    keywords=cfg['keywords'].split(),
    classifiers=lines('classifiers'),
    python_requires='>=' + cfg['min_python'],
    install_requires=lines('requirements'),
    extras_require={o: lines(o + '_requirements') for o in ('train', 'demo', 'dev', 'play', 'docs')},
    entry_points={'console_scripts': lines('console_scripts'), 'nbdev': ['gamegen = gamegen._modidx:d']},
    packages=[*find_packages(include=['gamegen', 'gamegen.*']), 'gamegen.bundled'],
    package_dir={'gamegen.bundled': 'data'},
    package_data={'gamegen.bundled': lines('package_data')},
)
