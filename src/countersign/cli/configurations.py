"""The configuration files that the commands read: examples and reference, printed from the code."""

from __future__ import annotations

from countersign.gateway.config import Config
from countersign.registrar.config import RegistrarConfig
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


def whole_reference() -> str:
    """Return the reference of all settings in Markdown: docs/CONFIGURATION.md."""
    return (
        "# Configuration\n\n"
        "One TOML file for each server. This page is printed by `countersign setup reference`.\n\n"
        "# `countersign gateway`\n\n"
        + reference(Config)
        + "\n\n# `countersign registrar`\n\n"
        + reference(RegistrarConfig)
        + "\n"
    )
