"""Protocols: who is held out, once or in turns."""

from tsclr.bench.protocols.base import *
from tsclr.bench.protocols.devices import *
from tsclr.bench.protocols.sessions import *
from tsclr.bench.protocols.subjects import *
from tsclr.bench.protocols.windows import *
