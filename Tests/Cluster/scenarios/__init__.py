"""Scenarios, by what they are about; importing a module registers its own."""

from . import bare, bed, equality, faults, guards, mpich, refusals, shards, slurm, storage  # noqa: F401
