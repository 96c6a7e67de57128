"""Long proofs: `python -m proofs` runs them part by part and keeps what they find under docs/evidence."""
