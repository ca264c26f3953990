#!/usr/bin/env python3
"""`make demo`: from a fresh machine to an EC2 instance's life, told line by line. Each line is a check that was really made, and made of
AWS, not of nuvem. Standard library only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import signal

from nuvem_env import environment, progress
from nuvem_env.errors import EnvironmentFailure
from nuvem_env.settings import Settings, Wishes

from screen import Failed, Screen
from stage import Stage
from story import SWEEP_SECONDS, tell

INTRODUCTION = """nuvem runs AWS from Kubernetes. This shows it on a real Kubernetes API server, installed from its own Helm chart, with a local AWS
behind a proxy that can make calls fail. Nothing leaves this machine, and no AWS account is needed.
"""


def main() -> int:
    """Answers with the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    settings = Settings.read(os.environ)
    screen = Screen()
    screen.say(INTRODUCTION)
    try:
        screen.say("The environment")
        environment.up(settings, Wishes.read(os.environ, Wishes(arguments=f"--sweep-interval-seconds {SWEEP_SECONDS}")))
        tell(Stage(settings), screen)
    except EnvironmentFailure as failure:
        print(f"\nmake demo: {failure}", file=sys.stderr, flush=True)
        return 1
    except Failed as failure:
        screen.failed(str(failure))
        screen.say(_how_to_look(settings))
        return 1
    except KeyboardInterrupt:
        print("\nmake demo: interrupted", file=sys.stderr, flush=True)
        return 130
    screen.say(f"\nAll {screen.checks} checks held; the story took {progress.duration(screen.elapsed())}.")
    screen.say(_how_to_go_on(settings))
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _how_to_go_on(settings: Settings) -> str:
    return f"""
The environment goes on running. To try it yourself:

  . {_short(settings.env_file)}
  kubectl apply -f examples/ec2-web.yaml
  kubectl get nuvem
  kubectl describe ec2 web
  kubectl explain ec2.spec

To stop it:  make down"""


def _how_to_look(settings: Settings) -> str:
    return f"""
The environment goes on running, so that you can look:

  . {_short(settings.env_file)}
  kubectl --namespace demo describe ec2
  less {_short(settings.log("operator-0"))}

To stop it:  make down"""


sys.exit(main())
