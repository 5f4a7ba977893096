"""Chapter K: what the verifier proves of the run as a whole: K10, in `etl/reconcile/compare/audit.py`. The other rules are about how a run behaves."""

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "K9": (),
    "K10": (),
}
