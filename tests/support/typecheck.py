"""The type checker that the tests put around every function of tsclr: beartype, int is a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
