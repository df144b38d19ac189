"""A daemonless container toolkit: build images, run containers, four doors to the same rooms.

Importing this package does nothing but define `__version__`; the public API is `mydocker.engine.Engine`.
"""

__version__ = "0.1.0"
