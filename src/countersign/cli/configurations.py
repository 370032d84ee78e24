"""The configuration files that the commands read: examples and reference, printed from the code."""

from __future__ import annotations

from countersign.gateway.config import Config
from countersign.probe.config import ProbeConfig
from countersign.registrar.config import RegistrarConfig
from countersign.registry.replica.settings import ReplicaConfig
from countersign.settings.file import example_config, reference


def gateway_example() -> str:
    """Return a whole gateway configuration, every setting explained."""
    return example_config(
        Config,
        "Countersign gateway. Each setting that is commented out shows its default.\n"
        "Check with: countersign check config FILE",
    )


def registrar_example() -> str:
    """Return a whole registrar configuration, every setting explained."""
    return example_config(
        RegistrarConfig,
        "Countersign registrar. Each setting that is commented out shows its default.\n"
        "Check with: countersign registrar check --config FILE",
    )


def replica_example() -> str:
    """Return a whole configuration of a replica that runs by itself, every setting explained."""
    return example_config(
        ReplicaConfig,
        "Countersign replica. Each setting that is commented out shows its default.\n"
        "A gateway keeps a copy itself, and needs no such file.",
    )


def probe_example() -> str:
    """Return a whole probe's configuration, every setting explained."""
    return example_config(
        ProbeConfig,
        "Countersign probe. Each setting that is commented out shows its default.\n"
        "Most probes need no such file.",
    )


def whole_reference() -> str:
    """Return the reference of all settings in Markdown: docs/CONFIGURATION.md."""
    return (
        "# Configuration\n\n"
        "One TOML file for each server. This page is printed by `countersign setup reference`.\n\n"
        "# `countersign gateway`\n\n"
        + reference(Config)
        + "\n\n# `countersign replica`\n\n"
        + reference(ReplicaConfig)
        + "\n\n# `countersign registrar`\n\n"
        + reference(RegistrarConfig)
        + "\n\n# `countersign probe`\n\n"
        + reference(ProbeConfig)
        + "\n"
    )
