"""Proofs of the promises in the design's section "Keys"."""
