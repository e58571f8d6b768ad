"""A guard's settings from environment variables or a TOML file: issuers, leeway, origins, key files.

    values      one setting: its type, and how it is read from text and from TOML
    schema      all settings, by section
    reading     settings that were given → checked values, or an error that names the key
    sources     environment variables and TOML files
    making      checked values → issuers and options of a guard

Each module imports only those before it. Nothing here can turn verification off: there is no setting for rules,
``enforce=False`` or ``insist=True``, and the Firebase Auth emulator has no environment variable.
"""

from callerid.configuration._making import GuardSettings, settings_from_env, settings_from_toml
from callerid.configuration._schema import GUARD, SECTIONS, Section
from callerid.configuration._values import Setting

__all__ = ["GUARD", "SECTIONS", "GuardSettings", "Section", "Setting", "settings_from_env", "settings_from_toml"]
