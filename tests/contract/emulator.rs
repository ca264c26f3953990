//! The cases on the emulator, through the SDK's adapters, each as a test of its own.
//!
//! The emulator is shared with whoever uses the environment, and its dials hold for everything in
//! it. So the cases have Regions and names of their own, run one after the other, and put the
//! dials back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nuvem::aws::Clients;
use nuvem_core::aws::Backend;
use nuvem_core::aws::ec2::{DescribeImages, DescribeSubnets, Image, RunInstances, SelectImages};
use nuvem_core::aws::memory::Dials;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::cases;
use super::stage::{Grounds, Stage, World};

const REGION: &str = "eu-central-1";
const ELSEWHERE: &str = "eu-north-1";

/// The emulator's own interfaces: its dials, and those calls of EC2 that nuvem has no operation for.
#[derive(Clone)]
struct Emulator {
    http: Client<HttpConnector, Full<Bytes>>,
    endpoint: String,
}

impl Emulator {
    fn new(endpoint: String) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            endpoint,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> String {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = self
            .http
            .request(request)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        assert!(status.is_success(), "{what}: {status} {body}");
        body
    }

    async fn dials(&self) -> Value {
        let request = Request::get(format!("{}/_nuvem/aws", self.endpoint)).body(Full::default());
        serde_json::from_str(&self.send(request.expect("a request")).await).expect("JSON")
    }

    async fn set_dials(&self, dials: &Value) {
        let request = Request::put(format!("{}/_nuvem/aws", self.endpoint)).body(Full::from(dials.to_string()));
        self.send(request.expect("a request")).await;
    }

    /// A call of EC2's query API; the emulator checks no signature.
    async fn query(&self, parameters: &[(&str, &str)]) -> String {
        let scope = format!("AWS4-HMAC-SHA256 Credential=contract/20261123/{REGION}/ec2/aws4_request");
        let mut form = "Version=2016-11-15".to_owned();
        for (name, value) in parameters {
            form = format!("{form}&{name}={}", value.replace('/', "%2F"));
        }
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/", self.endpoint))
            .header("Authorization", scope)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(Full::from(form));
        self.send(request.expect("a request")).await
    }
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once('<').expect("its end").0.to_owned()
}

#[async_trait]
impl World for Emulator {
    async fn turn(&self, dials: &Dials) {
        self.set_dials(&json!({
            "transitionSeconds": dials.transition.as_secs(),
            "visibilitySeconds": dials.visibility.as_secs(),
            "tagVisibilitySeconds": dials.tag_visibility.as_secs(),
            "terminatedSeconds": dials.terminated.as_secs(),
            "throttling": "off",
            "insufficientCapacity": dials.insufficient_capacity,
            "dieFromPending": dials.die_from_pending,
        }))
        .await;
    }

    /// In one call, since a thousand would take long.
    async fn crowd(&self, spec: &RunInstances, number: usize) {
        let number = number.to_string();
        let (key, value) = spec.tags.first_key_value().expect("a tag");
        self.query(&[
            ("Action", "RunInstances"),
            ("ImageId", &spec.image_id),
            ("InstanceType", &spec.instance_type),
            ("MinCount", &number),
            ("MaxCount", &number),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", key),
            ("TagSpecification.1.Tag.1.Value", value),
        ])
        .await;
    }
}

/// What all cases share: they are made once, and live on one runtime.
struct Shared {
    runtime: Runtime,
    emulator: Emulator,
    stage: Stage,
    /// The dials as somebody else has set them.
    before: Value,
}

/// Without an environment every case says so, not only the first.
static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());

fn shared() -> Result<Shared, String> {
    let endpoint = endpoint()?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let emulator = Emulator::new(endpoint.clone());
    let (before, stage) = runtime.block_on(async {
        let before = emulator.dials().await;
        (before, stage(&emulator, backends(&endpoint).await).await)
    });
    Ok(Shared {
        runtime,
        emulator,
        stage,
        before,
    })
}

/// From the file that `make up` and `make test` write for a shell to source.
fn endpoint() -> Result<String, String> {
    let how = "the emulator is part of the environment; run: make test";
    let file = std::env::var("NUVEM_ENV_FILE").map_err(|_| format!("NUVEM_ENV_FILE is not set: {how}"))?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}: {how}"))?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("export AWS_ENDPOINT_URL="))
        .map(|value| value.trim_matches(['\'', '"']).trim_end_matches('/').to_owned())
        .ok_or_else(|| format!("{file} does not export AWS_ENDPOINT_URL: {how}"))
}

fn on_the_emulator(case: impl for<'a> FnOnce(&'a Stage) -> BoxFuture<'a, ()>) {
    let _one_after_the_other = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = match SHARED.get_or_init(shared) {
        Ok(shared) => shared,
        Err(why) => panic!("{why}"),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        shared.runtime.block_on(async {
            shared.stage.calm().await;
            case(&shared.stage).await;
        });
    }));
    shared.runtime.block_on(shared.emulator.set_dials(&shared.before));
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

macro_rules! tests_of_all_cases {
    ($($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            use super::{cases, on_the_emulator};
            $(#[test]
            fn $case() {
                on_the_emulator(|stage| Box::pin(cases::$module::$case(stage)));
            })+
        })+
    };
}
cases::with_all_cases!(tests_of_all_cases);

type Backends = (Arc<dyn Backend>, Arc<dyn Backend>);

async fn stage(emulator: &Emulator, (aws, elsewhere): Backends) -> Stage {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_millis();
    let run = format!("{now:x}");
    let subnets = aws.perform(DescribeSubnets::DefaultForAz).await.expect("listed");
    let vpc = element(
        &emulator
            .query(&[("Action", "CreateVpc"), ("CidrBlock", "10.77.0.0/16")])
            .await,
        "vpcId",
    );
    let subnet = [
        ("Action", "CreateSubnet"),
        ("VpcId", &vpc),
        ("CidrBlock", "10.77.0.0/20"),
        ("AvailabilityZone", &format!("{REGION}a")),
    ];
    let key_pair = format!("contract-{run}");
    emulator
        .query(&[
            ("Action", "CreateKeyPair"),
            ("KeyName", &key_pair),
            ("KeyType", "ed25519"),
        ])
        .await;
    let grounds = Grounds {
        default_vpc: subnets.first().expect("a default subnet").vpc_id.clone(),
        default_subnets: subnets.into_iter().map(|subnet| subnet.id).collect(),
        other_subnet: element(&emulator.query(&subnet).await, "subnetId"),
        other_vpc: vpc,
        image: newest(aws.as_ref(), "x86_64").await,
        arm_image: newest(aws.as_ref(), "arm64").await,
        key_pair,
    };
    Stage {
        aws,
        elsewhere,
        grounds,
        world: Box::new(emulator.clone()),
        run,
        names: AtomicU32::new(0),
    }
}

async fn newest(aws: &dyn Backend, architecture: &str) -> String {
    let select = SelectImages::Named {
        owner: "amazon".to_owned(),
        name: format!("al2023-ami-2023.*-{architecture}"),
    };
    let images = aws.perform(DescribeImages { select }).await.expect("listed");
    let newest = images
        .into_iter()
        .max_by_key(|image: &Image| image.creation_date.clone());
    newest.expect("an image of Amazon Linux 2023").id
}

/// The adapters that the operator uses.
async fn backends(endpoint: &str) -> Backends {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("contract", "secret", None, None, "contract"))
        .region(Region::new(REGION))
        .load()
        .await;
    let clients = Clients::new(config);
    (clients.backend(REGION), clients.backend(ELSEWHERE))
}
