"""The story: what a user does, what the world does, and what AWS has afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from nuvem_env.settings import ROOT

from screen import NotYet, Screen
from stage import NAMESPACE, Instance, Stage

T = TypeVar("T")
SWEEP_SECONDS = 5
WEB = "examples/ec2-web.yaml"


def tell(stage: Stage, screen: Screen) -> None:
    """From the first apply until nothing is left."""
    _begin(stage, screen)
    web = _launch(stage, screen)
    _stopped_behind_our_back(stage, screen, web)
    _opened_behind_our_back(stage, screen, web)
    _lost_reply_and_kill(stage, screen)
    _resized(stage, screen, web)
    _refused(stage, screen)
    _terminated_by_hand(stage, screen, web)
    _what_there_is(stage, screen)
    _deleted(stage, screen)


def _begin(stage: Stage, screen: Screen) -> None:
    """What an earlier run may have left goes first."""
    stage.faults()
    if stage.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "--output", "name"):
        screen.say("  removing what an earlier demo has left …")
        stage.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")
    stage.kubectl("create", "namespace", NAMESPACE)


def _launch(stage: Stage, screen: Screen) -> Instance:
    screen.chapter("A web server, from YAML")
    screen.quote(_below_the_comment(ROOT / WEB))
    screen.command(f"kubectl apply -f {WEB}")
    stage.kubectl("apply", "--filename", WEB)
    web = screen.check("AWS has launched it", lambda: _one(stage.instances("web")))
    screen.check("it runs", lambda: _state(stage, "web", "running"))
    (group,) = web.groups
    screen.check("only 22 and 80 are open", lambda: _ports(stage, group))
    _settled(stage, screen, "web")
    return web


def _stopped_behind_our_back(stage: Stage, screen: Screen, web: Instance) -> None:
    screen.chapter(f"Somebody stops it in the console (AWS is swept every {SWEEP_SECONDS} s here, every 30 s by default)")
    screen.command(f"aws ec2 stop-instances --instance-ids {web.id}")
    stage.aws("StopInstances", InstanceId_1=web.id)
    screen.check("AWS has stopped it", lambda: _state(stage, "web", "stopping", "stopped"))
    screen.check("it runs again", lambda: _state(stage, "web", "running"))
    screen.check("an event says so", lambda: _event(stage, "web", "DriftFound", "power"))
    _settled(stage, screen, "web")


def _opened_behind_our_back(stage: Stage, screen: Screen, web: Instance) -> None:
    screen.chapter("Somebody opens a port to the world")
    (group,) = web.groups
    screen.command(f"aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 3389 --cidr 0.0.0.0/0")
    stage.aws(
        "AuthorizeSecurityGroupIngress",
        GroupId=group,
        IpPermissions_1_IpProtocol="tcp",
        IpPermissions_1_FromPort="3389",
        IpPermissions_1_ToPort="3389",
        IpPermissions_1_IpRanges_1_CidrIp="0.0.0.0/0",
    )
    screen.check("it is closed again", lambda: _ports(stage, group))
    screen.check("an event says so", lambda: _event(stage, "web", "DriftFound", "3389"))
    _settled(stage, screen, "web")


def _lost_reply_and_kill(stage: Stage, screen: Screen) -> None:
    screen.chapter("AWS's answers are lost, and the operator is killed (kill -9) in the middle of a launch")
    before = stage.processes()
    stage.faults({"match": r"ec2\.CreateSecurityGroup", "mode": "lostReply"}, {"match": r"ec2\.RunInstances", "mode": "kill"})
    screen.command("kubectl apply -f -    # the same web server again, as `api`")
    stage.kubectl("apply", "--filename", "-", stdin=(ROOT / WEB).read_text(encoding="utf-8").replace("name: web", "name: api"))
    screen.check("the answer to CreateSecurityGroup was lost", lambda: _struck(stage, 0))
    screen.check("the operator was killed before it heard of RunInstances", lambda: _killed(stage, before))
    screen.check("a new one runs", lambda: _restarted(stage, before))
    _settled(stage, screen, "api")
    screen.check("AWS has exactly one instance of it", lambda: _one(stage.instances("api")))
    screen.check("and exactly one security group", lambda: _one(stage.groups("api")))
    stage.faults()


def _resized(stage: Stage, screen: Screen, web: Instance) -> None:
    screen.chapter("It needs more memory")
    screen.command("kubectl patch ec2 web --type merge --patch '{\"spec\": {\"instanceType\": \"t3.small\"}}'")
    stage.kubectl("patch", "ec2", "web", "--type", "merge", "--patch", json.dumps({"spec": {"instanceType": "t3.small"}}))
    screen.check("the same instance runs as a t3.small", lambda: _resized_to(stage, web, "t3.small"))
    screen.check("the events tell how", lambda: _event(stage, "web", "StoppingInstance", "t3.small"))
    _settled(stage, screen, "web")


def _refused(stage: Stage, screen: Screen) -> None:
    screen.chapter("A typing error")
    bad = (ROOT / WEB).read_text(encoding="utf-8").replace("port: 80, cidrs: [0.0.0.0/0]", "port: 80, cidrs: [0.0.0.0/99]")
    screen.command("kubectl apply -f -    # with cidrs: [0.0.0.0/99]")
    refusal = stage.refusal(bad)
    screen.check("the API server refuses it and says what to write", lambda: _contains(refusal, "write for example 203.0.113.0/24"))
    screen.quote(refusal)


def _terminated_by_hand(stage: Stage, screen: Screen, web: Instance) -> None:
    screen.chapter("Somebody terminates it")
    screen.command(f"aws ec2 terminate-instances --instance-ids {web.id}")
    stage.aws("TerminateInstances", InstanceId_1=web.id)
    screen.check("another one runs in its place", lambda: _another(stage, web))
    _settled(stage, screen, "web")


def _what_there_is(stage: Stage, screen: Screen) -> None:
    screen.chapter("What there is")
    screen.command("kubectl get nuvem")
    screen.quote(stage.kubectl("get", "nuvem"))
    screen.command("aws ec2 describe-instances    # and security groups, volumes, with our tag")
    for instance in stage.instances():
        screen.quote(f"{instance.id}  {instance.type}  {instance.state}  {', '.join(instance.groups)}")
    screen.check("two instances, two groups and two volumes exist in AWS, nothing twice", lambda: _counts(stage, 2))


def _deleted(stage: Stage, screen: Screen) -> None:
    screen.chapter("The end")
    screen.command("kubectl delete ec2 --all")
    stage.kubectl("delete", "ec2", "--all", "--timeout=120s")
    screen.check("nothing of it is left in AWS: no instance, no group, no volume", lambda: _counts(stage, 0))
    stage.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _settled(stage: Stage, screen: Screen, name: str) -> None:
    """Until nuvem, too, says that nothing is under way."""
    screen.command(f"kubectl wait --for=condition=Synced ec2/{name}")
    stage.kubectl("wait", "--for=condition=Synced", f"ec2/{name}", "--timeout=60s")


# --- What is asked


def _one(found: Sequence[T]) -> T:
    if len(found) != 1:
        raise NotYet(f"there are {len(found)}: {', '.join(map(str, found))}")
    return found[0]


def _contains(text: str, words: str) -> None:
    if words not in text:
        raise NotYet(text)


def _state(stage: Stage, name: str, *wanted: str) -> None:
    instance = _one(stage.instances(name))
    if instance.state not in wanted:
        raise NotYet(f"{instance.id} is {instance.state}")


def _ports(stage: Stage, group: str) -> str:
    ports = stage.open_ports(group)
    if ports != ["22 from 203.0.113.0/24", "80 from 0.0.0.0/0"]:
        raise NotYet(", ".join(ports) or "nothing is open")
    return ", ".join(ports)


def _event(stage: Stage, name: str, reason: str, about: str) -> str:
    notes = stage.events(name, reason)
    fitting = [note for note in notes if about in note]
    if not fitting:
        raise NotYet(f"no event {reason} about {about}, but: {notes}")
    return f"“{fitting[-1]}”"


def _struck(stage: Stage, fault: int) -> None:
    if not stage.hits()[fault]:
        raise NotYet("the call has not been made")


def _killed(stage: Stage, before: list[str]) -> None:
    _struck(stage, 1)
    if set(stage.processes()) & set(before):
        raise NotYet(f"process {before} lives")


def _restarted(stage: Stage, before: list[str]) -> str:
    now = stage.processes()
    if not now or set(now) & set(before):
        raise NotYet(f"processes {now}")
    return f"process {now[0]} in place of {before[0]}"


def _resized_to(stage: Stage, web: Instance, wanted: str) -> None:
    instance = _one(stage.instances("web"))
    if (instance.id, instance.type, instance.state) != (web.id, wanted, "running"):
        raise NotYet(f"{instance.id} is a {instance.type} and {instance.state}")


def _another(stage: Stage, old: Instance) -> str:
    instance = _one(stage.instances("web"))
    if instance.id == old.id or instance.state != "running":
        raise NotYet(f"{instance.id} is {instance.state}")
    return instance.id


def _counts(stage: Stage, wanted: int) -> None:
    found = stage.instances(), stage.groups(), stage.volumes()
    if any(len(each) != wanted for each in found):
        raise NotYet(f"{found}")


def _below_the_comment(path: Path) -> str:
    """A file without the comment at its head."""
    text = path.read_text(encoding="utf-8")
    return text[text.index("apiVersion:") :]
