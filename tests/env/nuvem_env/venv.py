"""The emulator's virtual environment."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from nuvem_env import files
from nuvem_env.commands import run_quietly
from nuvem_env.settings import ROOT, Settings, without_interference

AWS_FOLDER = ROOT / "tests" / "env" / "aws"
REQUIREMENTS = AWS_FOLDER / "requirements.txt"
SECONDS = 60


def folder(settings: Settings) -> Path:
    """Keyed by what goes in and by the Python that it is for."""
    key = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    return settings.cache / "venvs" / f"aws-{key}-python{platform.python_version()}"


def is_built(settings: Settings) -> bool:
    """Its Python is a link to the system's, which may have gone."""
    interpreter = folder(settings) / "bin" / "python"
    complete = interpreter.exists() and (folder(settings) / "complete").exists()
    return complete and subprocess.run([interpreter, "-c", ""], check=False).returncode == 0


def python(settings: Settings) -> Path:
    """The virtual environment's interpreter; builds it if needed. Scripts in it name their own path, so it is built in place, and a
    mark says that it is complete."""
    venv = folder(settings)
    interpreter = venv / "bin" / "python"
    with files.lock(venv.with_name(f".{venv.name}.lock"), "preparing the emulator"):
        if not is_built(settings):
            shutil.rmtree(venv, ignore_errors=True)
            variables = {**without_interference(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
            log = venv.with_name(f"{venv.name}.log")
            run_quietly("creating the emulator's virtual environment", [sys.executable, "-m", "venv", str(venv)], variables, ROOT, log)
            run_quietly(
                "installing the emulator (moto)",
                [str(interpreter), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)],
                variables,
                ROOT,
                log,
            )
            (venv / "complete").touch()
    return interpreter
