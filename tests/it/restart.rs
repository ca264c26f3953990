//! A new operator finds everything as the old one has left it.

use super::support::proxy::mutating;
use super::support::{Scene, firewalled, web};

#[test]
fn a_restart_writes_neither_to_aws_nor_to_a_status() {
    let scene = Scene::new("restart");
    scene.converge(&firewalled());
    scene.converge(&web().named("bare"));
    scene.until_swept(1);
    let versions = || ["web", "bare"].map(|name| scene.get(name).version().to_owned());
    let before = versions();
    for restart in [
        super::support::operator::Operator::restart,
        super::support::operator::Operator::kill,
    ] {
        scene.proxy.count_anew();
        restart(&scene.operator);
        scene.until_swept(2);
        let calls = scene.proxy.calls();
        assert_eq!(mutating(&calls), [] as [&str; 0]);
        assert!(calls.total <= 25, "{:?}", calls.by);
        assert_eq!(versions(), before, "no status was written");
    }
}

#[test]
fn what_happens_while_the_operator_is_down_is_done_when_it_is_back() {
    let scene = Scene::new("meanwhile");
    scene.converge(&firewalled());
    let pids = scene.operator.pids();
    pids.iter().copied().for_each(super::support::operator::freeze);
    scene.aws.stop(&scene.instance("web").id);
    scene.apply(&web().named("new"));
    scene.operator.kill();
    scene.until_converged("new");
    scene.eventually(scene.a_sweep(), "it runs again", || {
        let state = scene.instance("web").state;
        if state == "running" { Ok(()) } else { Err(state) }
    });
    scene.until_converged("web");
}
