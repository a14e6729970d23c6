"""Which samples were used for what: a ledger, its certificate, and leaks in any split."""
