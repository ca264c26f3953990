#!/usr/bin/env python3
"""The local environment's command; the Makefile is how people call it. Standard library only: it runs before anything is installed."""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "Python 3.10 or newer is needed, and this is "
        + sys.version.split()[0]
        + ". Install it (Debian, Ubuntu: apt-get install python3; macOS: brew install python), or name one: make PYTHON=python3.12 up"
    )

from nuvem_env.cli import main

sys.exit(main(sys.argv[1:]))
