//! A test's own namespace in the environment. It ends with the deletion of all that is in it, after
//! which nothing of it may be left in AWS.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use k8s_openapi::api::core::v1::Event as CoreEvent;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tokio::runtime::Runtime;

use super::aws::{Aws, Group, Instance};
use super::env::Env;
use super::kubectl::{Kubectl, Ran};
use super::manifest::Manifest;
use super::object::Object;
use super::operator::Operator;
use super::pool::{self, Taken};
use super::proxy::Proxy;
use super::wait::{eventually, seconds};

/// How long anything may take that nothing is in the way of.
pub const SOON: Duration = seconds(30);

/// A test's part of the environment.
pub struct Scene {
    pub namespace: String,
    pub env: Env,
    pub aws: Aws,
    pub proxy: Proxy,
    pub operator: Operator,
    pub kubectl: Kubectl,
    runtime: Runtime,
    client: Client,
    /// What it has to itself, and gives back at the end.
    taken: Option<Taken>,
}

/// An event, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub reason: String,
    pub note: String,
    pub warning: bool,
}

impl Scene {
    /// A new namespace in an environment of this run's, on a good day.
    pub fn new(name: &str) -> Self {
        let taken = pool::take();
        let mut scene = Self::of(taken.clone(), name);
        scene.taken = Some(taken);
        scene.begin();
        scene
    }

    /// The same in any environment, with nothing done yet.
    pub fn of(env: Env, name: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let namespace = format!("it-{name}");
        let client = runtime.block_on(client(&env.get("KUBECONFIG")));
        Self {
            aws: Aws::new(env.get("AWS_ENDPOINT_URL")),
            proxy: Proxy::new(&env),
            operator: Operator::new(env.clone()),
            kubectl: Kubectl::new(&env, &namespace),
            env,
            namespace,
            runtime,
            client,
            taken: None,
        }
    }

    /// A good day, the namespace, and calls that are counted from here on.
    pub fn begin(&self) {
        self.proxy.calm();
        self.eventually(SOON, "the namespace of an earlier run is gone", || {
            let ran = self.kubectl.tried(&["create", "namespace", &self.namespace], "");
            if ran.succeeded() { Ok(()) } else { Err(ran.stderr) }
        });
        self.proxy.count_anew();
    }

    // --- Kubernetes

    pub fn apply(&self, manifest: &Manifest) {
        self.apply_text(&manifest.text());
    }

    pub fn apply_text(&self, text: &str) {
        self.kubectl.ok_with(&["apply", "--filename", "-"], text);
    }

    /// Applies, and waits until it is done.
    pub fn converge(&self, manifest: &Manifest) -> Object {
        self.apply(manifest);
        self.until_converged(manifest.name())
    }

    /// What the API server would say to it.
    pub fn judged(&self, manifest: &Manifest) -> Ran {
        self.kubectl
            .tried(&["apply", "--dry-run=server", "--filename", "-"], &manifest.text())
    }

    pub fn annotate(&self, name: &str, annotation: &str) {
        self.kubectl.ok(&["annotate", "--overwrite", "ec2", name, annotation]);
    }

    /// A merge patch of the spec.
    pub fn patch(&self, name: &str, patch: &serde_json::Value) {
        self.kubectl
            .ok(&["patch", "ec2", name, "--type", "merge", "--patch", &patch.to_string()]);
    }

    /// Asks for the deletion, and does not wait for it.
    pub fn begin_deletion(&self, name: &str) {
        self.kubectl.ok(&["delete", "ec2", name, "--wait=false"]);
    }

    /// Deletes, and waits until the object is gone.
    pub fn delete(&self, name: &str) {
        self.begin_deletion(name);
        self.until_gone(name, SOON);
    }

    pub fn until_gone(&self, name: &str, within: Duration) {
        self.eventually(within, &format!("{name} is gone"), || match self.find(name) {
            None => Ok(()),
            Some(object) => Err(object.to_string()),
        });
    }

    pub fn find(&self, name: &str) -> Option<Object> {
        let found = self
            .runtime
            .block_on(self.api().get_opt(name))
            .expect("an answer of the API server");
        found.map(|object| Object(serde_json::to_value(object).expect("JSON")))
    }

    pub fn get(&self, name: &str) -> Object {
        self.find(name)
            .unwrap_or_else(|| panic!("there is no {name} in {}", self.namespace))
    }

    /// Every object of the namespace.
    fn objects(&self) -> Vec<Object> {
        let found = self
            .runtime
            .block_on(self.api().list(&ListParams::default()))
            .expect("a list");
        found
            .into_iter()
            .map(|object| Object(serde_json::to_value(object).expect("JSON")))
            .collect()
    }

    fn api(&self) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "nuvem.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "nuvem.dev/v1alpha1".to_owned(),
            kind: "Ec2Instance".to_owned(),
            plural: "ec2instances".to_owned(),
        };
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// The events about an object, oldest first.
    pub fn events(&self, name: &str) -> Vec<Event> {
        let api: Api<CoreEvent> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let mut found = self.runtime.block_on(api.list(&params)).expect("events").items;
        found.sort_by_key(|event| event.event_time.clone());
        let text = |text: Option<String>| text.unwrap_or_default();
        found
            .into_iter()
            .map(|event| Event {
                reason: text(event.reason),
                note: text(event.message),
                warning: event.type_.as_deref() == Some("Warning"),
            })
            .collect()
    }

    /// The notes of the events with this reason, oldest first.
    pub fn notes(&self, name: &str, reason: &str) -> Vec<String> {
        self.events(name)
            .into_iter()
            .filter(|event| event.reason == reason)
            .map(|event| event.note)
            .collect()
    }

    // --- Waiting

    /// Waits, and tells everything about the scene when it was for nothing.
    pub fn eventually<T>(&self, within: Duration, what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
        eventually(within, what, || self.explain(), ask)
    }

    /// Waits until the object is as wanted.
    pub fn until(&self, name: &str, within: Duration, what: &str, wanted: impl Fn(&Object) -> bool) -> Object {
        self.eventually(within, &format!("{name}: {what}"), || {
            let object = self.find(name).ok_or_else(|| format!("there is no {name}"))?;
            if wanted(&object) {
                Ok(object)
            } else {
                Err(object.to_string())
            }
        })
    }

    pub fn until_converged(&self, name: &str) -> Object {
        self.until(name, SOON, "Ready and Synced", Object::is_converged)
    }

    /// Waits for a condition that is there only while it is true, with a reason.
    pub fn until_stalled(&self, name: &str, reason: &str) -> Object {
        self.until(name, SOON, &format!("Stalled, {reason}"), |object| {
            object.is("Stalled", "True") && object.reason("Stalled") == reason
        })
    }

    /// How long drift may live: a sweep and five seconds.
    pub fn a_sweep(&self) -> Duration {
        self.operator.sweep_interval() + seconds(5)
    }

    /// Waits until AWS was swept this many times, beginning now. The sweep is the only one who
    /// lists instances of more than one object.
    pub fn until_swept(&self, times: usize) {
        let swept = || {
            self.proxy
                .calls()
                .log
                .iter()
                .filter(|call| call.call == "ec2.DescribeInstances")
                .count()
        };
        let wanted = swept() + times;
        let within = self.operator.sweep_interval() * u32::try_from(times + 1).expect("few") + seconds(5);
        self.eventually(within, &format!("{times} sweeps"), || match swept() {
            enough if enough >= wanted => Ok(()),
            so_far => Err(format!("{so_far} of {wanted}")),
        });
    }

    // --- AWS

    /// The instances of an object in AWS that live.
    pub fn instances(&self, name: &str) -> Vec<Instance> {
        let mut found = self.aws.instances("tag:nuvem.dev/resource", &self.resource(name));
        found.retain(Instance::lives);
        found
    }

    /// The only instance of an object in AWS.
    pub fn instance(&self, name: &str) -> Instance {
        let mut found = self.instances(name);
        assert_eq!(found.len(), 1, "exactly one instance of {name}: {found:#?}");
        found.remove(0)
    }

    /// The groups of an object in AWS.
    pub fn groups(&self, name: &str) -> Vec<Group> {
        self.aws.groups("tag:nuvem.dev/resource", &self.resource(name))
    }

    /// The only group of an object in AWS.
    pub fn group(&self, name: &str) -> Group {
        let mut found = self.groups(name);
        assert_eq!(found.len(), 1, "exactly one group of {name}: {found:#?}");
        found.remove(0)
    }

    /// Waits until an instance that the operator does not know runs.
    pub fn until_running(&self, id: &str) {
        self.eventually(SOON, &format!("{id} runs"), || match self.aws.instance(id).state {
            state if state == "running" => Ok(()),
            state => Err(state),
        });
    }

    /// The cluster's id in AWS: by default the uid of `kube-system`.
    pub fn cluster_id(&self) -> String {
        self.kubectl.ok(&[
            "get",
            "namespace",
            "kube-system",
            "--output",
            "jsonpath={.metadata.uid}",
        ])
    }

    /// The value of the tag `nuvem.dev/resource`.
    pub fn resource(&self, name: &str) -> String {
        format!("Ec2Instance/{}/{name}", self.namespace)
    }

    /// What AWS has with a tag that says that it belongs to this namespace.
    pub fn left_in_aws(&self) -> BTreeSet<String> {
        let everything = self.resource("*");
        let filter = "tag:nuvem.dev/resource";
        let instances = self
            .aws
            .instances(filter, &everything)
            .into_iter()
            .filter(Instance::lives)
            .map(|one| one.id);
        let groups = self.aws.groups(filter, &everything).into_iter().map(|one| one.id);
        let volumes = self.aws.volumes(filter, &everything).into_iter().map(|one| one.id);
        let interfaces = self.aws.interfaces(filter, &everything);
        instances.chain(groups).chain(volumes).chain(interfaces).collect()
    }

    /// Nothing that costs money or blocks a name is left. Volumes and interfaces go with their
    /// instance, and AWS takes a moment for it.
    pub fn assert_nothing_left(&self) {
        self.eventually(seconds(5), "nothing is left in AWS", || {
            let left = self.left_in_aws();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
    }

    // --- The end

    /// Deletes all objects, after which nothing may be left in AWS. The namespace goes by itself:
    /// Kubernetes takes five seconds for that, and nobody has to wait for them.
    pub fn end(&self) {
        self.proxy.calm();
        self.kubectl.ok(&["delete", "ec2", "--all", "--wait=false"]);
        self.eventually(SOON, "all objects are gone", || {
            let left = self.objects();
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.iter().map(Object::to_string).collect())
            }
        });
        self.proxy.note();
        self.assert_nothing_left();
        self.kubectl.ok(&[
            "delete",
            "namespace",
            &self.namespace,
            "--wait=false",
            "--ignore-not-found",
        ]);
    }

    /// Deletes the namespace with all that is in it, and waits until it is gone.
    pub fn delete_namespace(&self) {
        self.kubectl
            .ok(&["delete", "namespace", &self.namespace, "--wait=false"]);
        self.eventually(SOON, "the namespace is gone", || {
            let ran = self.kubectl.tried(
                &[
                    "get",
                    "namespace",
                    &self.namespace,
                    "--ignore-not-found",
                    "--output",
                    "name",
                ],
                "",
            );
            if ran.succeeded() && ran.stdout.trim().is_empty() {
                Ok(())
            } else {
                Err(ran.stdout + &ran.stderr)
            }
        });
    }

    /// After a failure: away with everything, whatever state it is in, so that the next test
    /// begins on clean ground.
    fn clear_away(&self) {
        self.proxy.calm();
        for object in self.objects() {
            let name = object.0["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            self.kubectl.tried(
                &[
                    "annotate",
                    "--overwrite",
                    "ec2",
                    &name,
                    "nuvem.dev/abandon=true",
                    "nuvem.dev/paused-",
                ],
                "",
            );
        }
        self.kubectl
            .tried(&["delete", "namespace", &self.namespace, "--timeout=60s"], "");
        for instance in self
            .aws
            .instances("tag:nuvem.dev/resource", &self.resource("*"))
            .iter()
            .filter(|one| one.lives())
        {
            for attribute in ["DisableApiTermination.Value", "DisableApiStop.Value"] {
                let parameters = [("InstanceId", instance.id.as_str()), (attribute, "false")];
                let _ = self.aws.call("ModifyInstanceAttribute", &parameters);
            }
            let _ = self.aws.call("TerminateInstances", &[("InstanceId.1", &instance.id)]);
        }
        for group in self.aws.groups("tag:nuvem.dev/resource", &self.resource("*")) {
            let _ = self.aws.call("DeleteSecurityGroup", &[("GroupId", &group.id)]);
        }
    }

    /// Everything that helps to see why something did not happen.
    fn explain(&self) -> String {
        let described = self.kubectl.tried(&["describe", "ec2"], "").stdout;
        let log = self.env.operator_log(0);
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(40)..].join("\n");
        let calls: Vec<String> = self
            .proxy
            .calls()
            .log
            .iter()
            .map(|call| {
                format!(
                    "{:9.3} {} {} {}",
                    call.at,
                    call.status,
                    call.call,
                    call.fault.clone().unwrap_or_default()
                )
            })
            .collect();
        let calls = calls[calls.len().saturating_sub(40)..].join("\n");
        format!("--- kubectl describe ec2\n{described}\n--- the operator's log\n{end}\n--- its calls\n{calls}")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let ended = if std::thread::panicking() {
            self.clear_away();
            Ok(())
        } else {
            catch_unwind(AssertUnwindSafe(|| self.end())).inspect_err(|_| self.clear_away())
        };
        drop(self.taken.take());
        if let Err(panic) = ended {
            resume_unwind(panic);
        }
    }
}

async fn client(kubeconfig: &str) -> Client {
    let read = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    Client::try_from(config).expect("a client")
}
