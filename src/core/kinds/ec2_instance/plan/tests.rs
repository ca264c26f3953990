//! What is decided, as pictures: from a state, the plan as text.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};

use super::super::desired::{ImageSource, Parting, UserDataWanted};
use super::super::observe::{ImageSight, NetworkSight};
use super::super::spec::{InstancePins, OnChange, RootVolume};
use super::*;
use crate::aws::ec2::{
    AttachedVolume, HttpTokens, Image, MetadataOptions, Monitoring, Rules, SecurityGroup, StateReason, Tags, Volume,
    VolumeModification,
};
use crate::engine::ledger::{Ledger, PartState};
use crate::engine::ownership::ClusterIdentity;
use crate::engine::resource::{Annotations, DeletionPolicy, Key};
use crate::parts::security_group::{Egress, PART as GROUP, Wanted};
use crate::secret::Secret;

const ALL_OUT: &str = "0.0.0.0/0";

/// A resource in a state, to be planned.
struct Case {
    view: View<Ec2>,
    observed: Observed,
    now: Timestamp,
}

fn epoch() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn owner() -> Owner {
    Owner {
        cluster: ClusterIdentity {
            id: "prod".to_owned(),
            home: "home".to_owned(),
            take_over_from: Vec::new(),
        },
        key: Key {
            kind: "Ec2Instance",
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            uid: "u-1".to_owned(),
        },
    }
}

fn desired() -> Desired {
    Desired {
        image: Some(ImageSource::Id("ami-1".to_owned())),
        instance_type: Some("t3.micro".to_owned()),
        key_name: None,
        power: Some(PowerState::Running),
        subnet_id: None,
        security_group_ids: BTreeSet::new(),
        group: None,
        user_data: None,
        root_volume: RootVolume::default(),
        http_tokens: Some(HttpTokens::Required),
        hop_limit: None,
        termination_protection: Some(false),
        stop_protection: Some(false),
        monitoring: Some(Monitoring::Basic),
        tags: Tags::from([("Name".to_owned(), "shop/web".to_owned())]),
    }
}

fn part(name: &str, state: PartState, id: Option<&str>) -> Part {
    Part {
        part: name.to_owned(),
        incarnation: 0,
        region: "us-east-1".to_owned(),
        name: None,
        id: id.map(str::to_owned),
        state,
        since: epoch(),
        token: Some(owner().token(INSTANCE, 0)),
        params_hash: None,
        adopted: false,
        fallback: None,
        source: None,
        last_failure: None,
    }
}

fn instance(state: InstanceState) -> Instance {
    let mut tags = owner().tags(INSTANCE, 0);
    tags.extend(desired().tags);
    Instance {
        id: "i-1".to_owned(),
        state,
        state_reason: None,
        image_id: "ami-1".to_owned(),
        instance_type: "t3.micro".to_owned(),
        key_name: None,
        subnet_id: Some("subnet-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        availability_zone: "us-east-1a".to_owned(),
        private_ip: Some("10.0.0.4".to_owned()),
        public_ip: None,
        public_dns_name: None,
        launch_time: Some(epoch()),
        client_token: Some(owner().token(INSTANCE, 0)),
        security_groups: BTreeSet::from(["sg-default".to_owned()]),
        monitoring: Monitoring::Basic,
        metadata_options: Some(MetadataOptions {
            http_tokens: HttpTokens::Required,
            hop_limit: 1,
        }),
        root_device_name: Some("/dev/xvda".to_owned()),
        volumes: vec![AttachedVolume {
            device: "/dev/xvda".to_owned(),
            volume_id: "vol-1".to_owned(),
            delete_on_termination: true,
        }],
        tags,
    }
}

fn volume() -> Volume {
    Volume {
        id: "vol-1".to_owned(),
        state: "in-use".to_owned(),
        size_gib: 8,
        volume_type: "gp3".to_owned(),
        iops: Some(3000),
        throughput: Some(125),
        encrypted: true,
        kms_key_id: None,
        tags: instance(InstanceState::Running).tags,
    }
}

fn group() -> SecurityGroup {
    let mut tags = owner().tags(GROUP, 0);
    tags.extend(desired().tags);
    SecurityGroup {
        id: "sg-1".to_owned(),
        name: owner().name(255),
        vpc_id: "vpc-1".to_owned(),
        ingress: Rules::new(),
        egress: Rules::from([(
            crate::parts::security_group::everything_to(crate::aws::ec2::Peer::Ipv4(ALL_OUT.to_owned())),
            None,
        )]),
        tags,
    }
}

/// An object that was never seen.
fn new() -> Case {
    Case {
        view: View {
            owner: owner(),
            region: "us-east-1".to_owned(),
            goal: Goal::Present(desired()),
            ledger: Ledger::default(),
            pins: InstancePins::default(),
            annotations: Annotations::default(),
            generation: 1,
            observing: false,
            deep: false,
            adoption_requires_tag: true,
            window: None,
        },
        observed: Observed::new(epoch()),
        now: epoch(),
    }
}

/// An object whose instance is known.
fn known_in(state: InstanceState) -> Case {
    let mut case = new();
    case.view.ledger.put(part(INSTANCE, PartState::Living, Some("i-1")));
    case.view.pins.image_id = Some("ami-1".to_owned());
    case.view.pins.image_source = Some("ami-1".to_owned());
    case.view.pins.root_device_name = Some("/dev/xvda".to_owned());
    case.observed.instance = Sight::Known(Box::new(instance(state)));
    case.observed.root_volume = Some(volume());
    case
}

impl Case {
    fn wanting(mut self, change: impl FnOnce(&mut Desired)) -> Self {
        if let Goal::Present(desired) = &mut self.view.goal {
            change(desired);
        }
        self
    }

    fn seeing(mut self, change: impl FnOnce(&mut Instance)) -> Self {
        if let Sight::Known(instance) | Sight::Found(instance) = &mut self.observed.instance {
            change(instance);
        }
        self
    }

    fn remembering(mut self, change: impl FnOnce(&mut Part)) -> Self {
        self.view.ledger.update(INSTANCE, change);
        self
    }

    fn leaving(mut self, parting: Parting) -> Self {
        self.view.goal = Goal::Absent(parting);
        self
    }

    fn after(mut self, seconds: i64) -> Self {
        self.now = self.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
        self
    }

    fn planned(&self) -> Plan<Step> {
        plan(&self.view, &self.observed, self.now)
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write `expect!` without more")]
    fn check(&self, expected: Expect) {
        expected.assert_eq(&self.planned().to_string());
    }
}

fn image() -> ImageSight {
    ImageSight::Found(Box::new(Image {
        id: "ami-1".to_owned(),
        name: None,
        state: "available".to_owned(),
        creation_date: String::new(),
        architecture: "x86_64".to_owned(),
        root_device_name: Some("/dev/xvda".to_owned()),
        root_volume_gib: Some(8),
    }))
}

#[test]
fn a_running_instance_as_wanted_is_converged() {
    known_in(InstanceState::Running).check(expect![[r"
        converged
    "]]);
}

#[test]
fn a_launch_is_recorded_before_it_is_made() {
    let mut case = new();
    case.observed.image = image();
    case.check(expect![[r"
        record instance.0 Recorded -
        wait Creating: The instance is about to be launched.
    "]]);
}

#[test]
fn what_was_recorded_is_launched() {
    let mut case = new();
    case.observed.image = image();
    let record = case.planned().records.remove(0);
    case.view.ledger.put(record);
    case.observed.instance = Sight::Hidden;
    case.view.pins.image_id = Some("ami-1".to_owned());
    case.view.pins.image_source = Some("ami-1".to_owned());
    case.view.pins.root_device_name = Some("/dev/xvda".to_owned());
    case.check(expect![[r"
        Create instance: none → t3.micro: Launching an instance: t3.micro from ami-1
          launch t3.micro from ami-1
    "]]);
    // An edit in between may be of a launch that happened: it is waited for.
    let edited = Case {
        view: case.view,
        observed: case.observed,
        now: case.now,
    }
    .wanting(|desired| desired.instance_type = Some("t3.small".to_owned()));
    edited.check(expect![[r"
        wait Creating: The spec was edited while a launch was under way; until 2027-01-15T08:01:00Z its instance may still show up.
    "]]);
    edited.after(60).check(expect![[r"
        record instance.0 Recorded -
        wait Creating: The launch is prepared with the edited spec.
    "]]);
}

#[test]
fn a_group_is_recorded_then_created_then_filled() {
    let mut case = new().wanting(|desired| {
        desired.group = Some(Wanted {
            ingress: Rules::new(),
            egress: Egress::Exactly(Rules::new()),
        });
    });
    case.observed.network = NetworkSight::Vpc("vpc-1".to_owned());
    case.check(expect![[r"
        record securityGroup.0 Recorded -
        wait Creating: The security group is about to be created.
    "]]);
    let record = case.planned().records.remove(0);
    case.view.ledger.put(record);
    case.check(expect![[r"
        Create network.securityGroup: none → shop-web-ea31df1c: Creating security group shop-web-ea31df1c in vpc-1
          create security group shop-web-ea31df1c in vpc-1
    "]]);
    case.view.ledger.update(GROUP, |part| part.id = Some("sg-1".to_owned()));
    case.observed.group = Some(group());
    case.observed.image = image();
    case.check(expect![[r"
        InPlace network.securityGroup.egress: all 0.0.0.0/0 → none: Setting the rules of sg-1: revoke egress all 0.0.0.0/0
          revoke egress all 0.0.0.0/0
        record securityGroup.0 Living sg-1
        record instance.0 Recorded -
        wait Creating: The instance is about to be launched.
    "]]);
}

#[test]
fn a_group_of_our_name_that_is_not_ours_is_left_alone() {
    let mut case = new().wanting(|desired| {
        desired.group = Some(Wanted {
            ingress: Rules::new(),
            egress: Egress::Everything,
        });
    });
    case.observed.network = NetworkSight::Vpc("vpc-1".to_owned());
    case.observed.group = Some(SecurityGroup {
        tags: Tags::new(),
        ..group()
    });
    case.check(expect![[r"
        blocked NotOwned: A security group named shop-web-ea31df1c exists in vpc-1 already (sg-1) and belongs to nobody that nuvem knows; it is left alone. Delete or rename what uses the name, or use it through spec.network.securityGroupIds instead of securityGroup.
    "]]);
}

#[test]
fn an_instance_stopped_by_hand_is_started_again() {
    known_in(InstanceState::Stopped).check(expect![[r"
        InPlace power.state: Stopped → Running: Starting i-1 (t3.micro)
          start i-1
    "]]);
}

#[test]
fn resizing_a_running_instance_stops_it_changes_it_and_starts_it_again() {
    let larger = |desired: &mut Desired| desired.instance_type = Some("t3.large".to_owned());
    known_in(InstanceState::Running).wanting(larger).check(expect![[r"
        StopStart instanceType: t3.micro → t3.large: Stopping i-1 to change instanceType t3.micro → t3.large
          stop i-1
    "]]);
    known_in(InstanceState::Stopped).wanting(larger).check(expect![[r"
        InPlace instanceType: t3.micro → t3.large: instanceType changes once the instance is ready for it
        record instance.0 Living i-1
        wait Changing: i-1 is about to be resized.
    "]]);
    known_in(InstanceState::Stopped)
        .wanting(larger)
        .remembering(|part| part.fallback = Some("t3.micro".to_owned()))
        .check(expect![[r"
            InPlace instanceType: t3.micro → t3.large: Setting instanceType of i-1: t3.micro → t3.large
              set instance type t3.large of i-1
        "]]);
    known_in(InstanceState::Stopped)
        .wanting(larger)
        .seeing(|instance| instance.instance_type = "t3.large".to_owned())
        .remembering(|part| part.fallback = Some("t3.micro".to_owned()))
        .check(expect![[r"
            InPlace power.state: Stopped → Running: Starting i-1 (t3.large)
              start i-1
        "]]);
}

#[test]
fn without_capacity_for_the_new_type_the_old_one_is_put_back_and_runs() {
    let larger = |desired: &mut Desired| desired.instance_type = Some("t3.large".to_owned());
    let refused = |case: Case| {
        let hash = case
            .planned()
            .changes
            .iter()
            .find_map(|change| change.params_hash.clone())
            .unwrap();
        case.remembering(|part| {
            part.last_failure = Some(LastFailure {
                code: "InsufficientInstanceCapacity".to_owned(),
                message: "Insufficient capacity.".to_owned(),
                params_hash: hash,
            });
        })
    };
    let starting = known_in(InstanceState::Stopped)
        .wanting(larger)
        .seeing(|instance| instance.instance_type = "t3.large".to_owned())
        .remembering(|part| part.fallback = Some("t3.micro".to_owned()));
    let starting = refused(starting);
    starting.check(expect![[r"
        InPlace instanceType: t3.large → t3.micro: AWS refused t3.large (InsufficientInstanceCapacity); putting i-1 back to t3.micro
          set instance type t3.micro of i-1
        blocked NoCapacity: AWS refused t3.large: InsufficientInstanceCapacity: Insufficient capacity. The instance keeps t3.micro. It is tried again on an edit, when nuvem.dev/reconcile-at changes, or in the next disruption window.
    "]]);
    let back = starting.seeing(|instance| instance.instance_type = "t3.micro".to_owned());
    back.check(expect![[r#"
        InPlace power.state: Stopped → Running: Starting i-1 (t3.micro)
          start i-1
        blocked NoCapacity: AWS refused t3.large: InsufficientInstanceCapacity: Insufficient capacity. The instance keeps t3.micro. It is tried again on an edit, when nuvem.dev/reconcile-at changes, or in the next disruption window.
        ignored instanceType: t3.micro → t3.large: AWS refused it: InsufficientInstanceCapacity
    "#]]);
    let running = back.seeing(|instance| instance.state = InstanceState::Running);
    running.check(expect![[r#"
        blocked NoCapacity: AWS refused t3.large: InsufficientInstanceCapacity: Insufficient capacity. The instance keeps t3.micro. It is tried again on an edit, when nuvem.dev/reconcile-at changes, or in the next disruption window.
        ignored instanceType: t3.micro → t3.large: AWS refused it: InsufficientInstanceCapacity
    "#]]);
    // Another generation is another attempt.
    let mut edited = running;
    edited.view.generation = 2;
    edited.check(expect![[r"
        StopStart instanceType: t3.micro → t3.large: Stopping i-1 to change instanceType t3.micro → t3.large
          stop i-1
    "]]);
}

#[test]
fn changed_user_data_is_put_in_during_one_stop_with_the_type() {
    let mut case = known_in(InstanceState::Running).wanting(|desired| {
        desired.instance_type = Some("t3.large".to_owned());
        desired.user_data = Some(UserDataWanted {
            bytes: Secret::new(b"new".to_vec()),
            source: "uid/2".to_owned(),
            on_change: OnChange::StopStart,
        });
    });
    case.observed.user_data = Some(Some(Secret::new(b"old".to_vec())));
    case.check(expect![[r"
        StopStart instanceType: t3.micro → t3.large: Stopping i-1 to change instanceType t3.micro → t3.large, userData
          stop i-1
        StopStart userData: changed → changed: Stopping i-1 to change instanceType t3.micro → t3.large, userData
    "]]);
}

#[test]
fn ignored_user_data_is_listed_and_nothing_else() {
    let mut case = known_in(InstanceState::Running).wanting(|desired| {
        desired.user_data = Some(UserDataWanted {
            bytes: Secret::new(b"new".to_vec()),
            source: "uid/2".to_owned(),
            on_change: OnChange::Ignore,
        });
    });
    case.observed.user_data = Some(Some(Secret::new(b"old".to_vec())));
    case.check(expect![[r"
        ignored userData: changed → changed: Ignored: userData.onChange is Ignore, so it counts for the next launch
        converged
    "]]);
}

#[test]
fn a_volume_grows_and_never_shrinks_and_waits_for_its_last_modification() {
    let sized =
        |size: i32| known_in(InstanceState::Running).wanting(|desired| desired.root_volume.size_gib = Some(size));
    sized(20).check(expect![[r"
        InPlace rootVolume: 8 GiB gp3, 3000 IOPS, 125 MiB/s → 20 GiB gp3, 3000 IOPS, 125 MiB/s: Modifying vol-1: 8 GiB gp3, 3000 IOPS, 125 MiB/s → 20 GiB gp3, 3000 IOPS, 125 MiB/s
          modify volume vol-1
    "]]);
    sized(4).check(expect![[r"
        Forbidden rootVolume.sizeGiB: 8 → 4: a volume cannot shrink: vol-1 has 8 GiB. Write rootVolume.sizeGiB: 8 or more
    "]]);
    let mut busy = sized(20);
    busy.observed.modification = Some(VolumeModification {
        volume_id: "vol-1".to_owned(),
        state: "optimizing".to_owned(),
        status_message: None,
    });
    busy.check(expect![[r"
        wait Settling: AWS is still optimizing vol-1; the next modification waits for its end.
    "]]);
}

#[test]
fn image_key_and_subnet_need_another_instance() {
    known_in(InstanceState::Running)
        .wanting(|desired| {
            desired.image = Some(ImageSource::Id("ami-2".to_owned()));
            desired.key_name = Some("ops".to_owned());
            desired.subnet_id = Some("subnet-2".to_owned());
        })
        .check(expect![[r"
            Replacement image: ami-1 → ami-2: image: ami-1 → ami-2 needs another instance
            Replacement keyName: none → ops: keyName: none → ops needs another instance
            Replacement network.subnet: subnet-1 → subnet-2: network.subnet: subnet-1 → subnet-2 needs another instance
        "]]);
}

#[test]
fn tags_protection_metadata_and_monitoring_change_in_place() {
    let mut case = known_in(InstanceState::Running)
        .wanting(|desired| {
            desired.tags.insert("team".to_owned(), "shop".to_owned());
            desired.termination_protection = Some(true);
            desired.hop_limit = Some(2);
            desired.monitoring = Some(Monitoring::Detailed);
        })
        .seeing(|instance| {
            instance.tags.insert("old".to_owned(), "1".to_owned());
            instance.tags.insert("foreign".to_owned(), "stays".to_owned());
        });
    case.view.pins.tag_keys = vec!["Name".to_owned(), "old".to_owned()];
    case.observed.termination_protection = Some(false);
    case.observed.stop_protection = Some(false);
    case.check(expect![[r#"
        InPlace tags:  → team=shop: Tagging i-1 and vol-1 with team=shop; removing the tags old of i-1
          tag i-1 vol-1: team=shop
          untag i-1: old
        InPlace protection.termination: Disabled → Enabled: Setting protection.termination of i-1 to Enabled
          set termination protection on of i-1
        InPlace metadataOptions: httpTokens required, httpPutResponseHopLimit 1 → httpTokens required, httpPutResponseHopLimit 2: Setting the metadata options of i-1: httpTokens required, httpPutResponseHopLimit 1 → httpTokens required, httpPutResponseHopLimit 2
          set metadata options of i-1: httpTokens required, httpPutResponseHopLimit 2
        InPlace monitoring: Basic → Detailed: Setting monitoring of i-1 to Detailed
          turn detailed monitoring of i-1 on
    "#]]);
}

#[test]
fn an_instance_terminated_by_hand_is_launched_anew() {
    known_in(InstanceState::Terminated)
        .seeing(|instance| {
            instance.state_reason = Some(StateReason {
                code: "Client.UserInitiatedShutdown".to_owned(),
                message: "User initiated shutdown".to_owned(),
            });
        })
        .check(expect![[r"
            record instance.0 Gone i-1
            event DriftFound: i-1 was terminated outside of Kubernetes; another one is launched.
            wait Creating: i-1 was terminated outside of Kubernetes; another one is launched.
        "]]);
}

#[test]
fn an_instance_that_dies_before_it_ran_is_not_launched_in_a_loop() {
    let mut case = known_in(InstanceState::Terminated)
        .remembering(|part| part.state = PartState::Recorded)
        .seeing(|instance| {
            instance.state_reason = Some(StateReason {
                code: "Client.VolumeLimitExceeded".to_owned(),
                message: "Volume limit exceeded".to_owned(),
            });
        });
    case.check(expect![[r"
        record instance.0 Gone i-1
        event LaunchFailed: i-1 was terminated by AWS before it ran: Client.VolumeLimitExceeded: Volume limit exceeded
        wait LaunchFailed: i-1 was terminated by AWS before it ran.
    "]]);
    let record = case.planned().records.remove(0);
    case.view.ledger.put(record);
    case.observed.instance = Sight::None;
    case.check(expect![[r"
        blocked LaunchFailed: The last instance was terminated by AWS before it ran: Client.VolumeLimitExceeded: Volume limit exceeded. It is tried again on an edit or when nuvem.dev/reconcile-at changes.
    "]]);
    case.view.generation = 2;
    case.check(expect![[r"
        record instance.1 Recorded -
        wait Creating: The instance is about to be launched.
    "]]);
}

#[test]
fn missing_is_not_gone() {
    let mut case = known_in(InstanceState::Running);
    case.observed.instance = Sight::Hidden;
    case.check(expect![[r"
        record instance.0 Missing i-1
        wait Settling: AWS does not show i-1; that proves nothing yet.
    "]]);
    let record = case.planned().records.remove(0);
    case.view.ledger.put(record);
    let case = case.after(60);
    case.check(expect![[r"
        wait Settling: AWS does not show i-1 (yet). From 2027-01-15T08:10:00Z on it counts as gone.
    "]]);
    case.after(600).check(expect![[r"
        record instance.0 Gone i-1
        event InstanceGone: AWS has not shown i-1 for ten minutes: it is gone. Another one is launched.
        wait Creating: AWS has not shown i-1 for ten minutes: it is gone. Another one is launched.
    "]]);
}

#[test]
fn what_the_tags_lead_to_is_taken_over_only_with_a_second_proof() {
    let mut case = new();
    case.observed.instance = Sight::Found(Box::new(instance(InstanceState::Running)));
    case.check(expect![[r"
        record instance.0 Living i-1
        event TookOver: Found i-1 by its tags and its token; it was made for this object (uid u-1).
        wait Changing: Found i-1; it is this object's.
    "]]);
    case.seeing(|instance| instance.client_token = None).check(expect![[r"
        blocked NotOwned: i-1 has this object's tags, but was not launched by it: tags are copied easily. Remove its nuvem.dev/ tags, or name it in the annotation nuvem.dev/adopt.
    "]]);
}

#[test]
fn an_adoption_needs_the_consent_of_awss_side() {
    let mut case = new();
    case.view.annotations.adopt = Some("i-1".to_owned());
    case.observed.instance = Sight::Found(Box::new(Instance {
        tags: Tags::new(),
        client_token: None,
        ..instance(InstanceState::Running)
    }));
    case.check(expect![[r"
        blocked NotOwned: i-1 may not be adopted until AWS's side consents. Somebody with access to it must run: aws ec2 create-tags --resources i-1 --tags Key=nuvem.dev/adoptable-by,Value=prod/shop
    "]]);
    case.seeing(|instance| {
        instance
            .tags
            .insert(tag::ADOPTABLE_BY.to_owned(), "prod/shop".to_owned());
    })
    .check(expect![[r"
        record instance.0 Living i-1
        event Adopted: Adopted i-1.
        wait Changing: Adopted i-1.
    "]]);
}

#[test]
fn a_hold_from_awss_side_is_seen() {
    known_in(InstanceState::Stopped)
        .seeing(|instance| {
            instance.tags.insert(tag::HOLD.to_owned(), "forensics".to_owned());
        })
        .check(expect![[r"
            InPlace power.state: Stopped → Running: Starting i-1 (t3.micro)
              start i-1
            hold: forensics
        "]]);
}

#[test]
fn deletion_terminates_the_instance_and_then_its_group() {
    let mut case = known_in(InstanceState::Running).leaving(Parting::default());
    case.view.ledger.put(part(GROUP, PartState::Living, Some("sg-1")));
    case.observed.group = Some(group());
    case.check(expect![[r"
        Delete instance: running → terminated: Terminating i-1
          terminate i-1
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
    let case = case.seeing(|instance| instance.state = InstanceState::ShuttingDown);
    case.check(expect![[r"
        wait Deleting: AWS is terminating i-1.
    "]]);
    let mut case = case.seeing(|instance| instance.state = InstanceState::Terminated);
    case.check(expect![[r"
        record instance.0 Gone i-1
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
    let record = case.planned().records.remove(0);
    case.view.ledger.put(record);
    case.observed.instance = Sight::None;
    case.check(expect![[r"
        Delete network.securityGroup: shop-web-ea31df1c → none: Deleting security group sg-1
          delete security group sg-1
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
    case.view.ledger.update(GROUP, |part| part.state = PartState::Gone);
    case.observed.group = None;
    case.check(expect![[r"
        gone
    "]]);
}

#[test]
fn deletion_honours_protection_and_lets_it_go_with_the_spec() {
    let protected = |in_spec: bool| {
        let mut case = known_in(InstanceState::Running).leaving(Parting {
            protected: in_spec,
            ..Parting::default()
        });
        case.observed.termination_protection = Some(true);
        case
    };
    protected(true).check(expect![[r#"
        Delete instance: running → terminated: Terminating i-1
          terminate i-1
        wait Deleting: What is owned in AWS is being deleted.
        blocked DeletionBlocked: spec.protection.termination is Enabled. Set it to Disabled to let i-1 be terminated.
    "#]]);
    protected(false).check(expect![[r"
        InPlace protection.termination: Enabled → Disabled: Setting protection.termination of i-1 to Disabled
          set termination protection off of i-1
        Delete instance: running → terminated: Terminating i-1
          terminate i-1
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
}

#[test]
fn retain_takes_our_name_off_and_nothing_else() {
    let parting = Parting {
        deletion_policy: Some(DeletionPolicy::Retain),
        ..Parting::default()
    };
    known_in(InstanceState::Running).leaving(parting).check(expect![[r"
        Delete tags: Ec2Instance/shop/web → kept: Keeping i-1, vol-1 in AWS: deletionPolicy is Retain, or it was adopted
          tag i-1 vol-1: nuvem.dev/adoptable-by=prod/shop, nuvem.dev/kept-at=2027-01-15T08:00:00Z, nuvem.dev/kept-from=Ec2Instance/shop/web
          untag i-1 vol-1: nuvem.dev/adopted, nuvem.dev/cluster, nuvem.dev/home, nuvem.dev/part, nuvem.dev/resource, nuvem.dev/uid
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
}

#[test]
fn an_adopted_instance_is_terminated_only_where_that_is_written_out() {
    let adopted = |policy: Option<DeletionPolicy>| {
        known_in(InstanceState::Running)
            .remembering(|part| part.adopted = true)
            .leaving(Parting {
                deletion_policy: policy,
                ..Parting::default()
            })
            .planned()
            .changes
            .iter()
            .map(|change| change.reason)
            .collect::<Vec<_>>()
    };
    assert_eq!(adopted(None), ["KeepingInAws"]);
    assert_eq!(adopted(Some(DeletionPolicy::Delete)), ["TerminatingInstance"]);
}

#[test]
fn a_launch_that_may_have_been_sent_is_waited_for_when_deleting() {
    let mut case = new().leaving(Parting::default());
    case.view.ledger.put(part(INSTANCE, PartState::Recorded, None));
    case.observed.instance = Sight::Hidden;
    case.check(expect![[r"
        wait Settling: AWS does not show the instance of a launch that may have been sent; from 2027-01-15T08:01:00Z on it counts as gone.
    "]]);
    case.after(60).check(expect![[r"
        record instance.0 Gone -
        wait Deleting: What is owned in AWS is being deleted.
    "]]);
}
