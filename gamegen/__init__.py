"""A notebook-first laboratory for generating game content."""
__version__ = "0.1.0"
