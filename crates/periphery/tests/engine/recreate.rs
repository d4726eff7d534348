//! A container made from the Engine's document of another one is as that one, whatever was asked for then: seen by the
//! Engine that makes it.

use std::time::Duration;

use bollard::{
    models::{
        ContainerConfig, ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings,
        HealthConfig, HostConfig, HostConfigLogConfig, Ipam, IpamConfig, Mount, MountType,
        NetworkConnectRequest, NetworkCreateRequest, NetworkingConfig, PortBinding,
        ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::CommitContainerOptions,
};
use komodo_api::plan::{Reason, ReasonCode};
use komodo_docker::{Endpoint, grant_hand_over};
use komodo_plan::hand_over::{HandOverPlan, JournalPlace, Replace, recreated};
use komodo_testkit::engine::{BUSYBOX, Container, Engine, IDLE_COMMAND, State};
use serde_json::{Map, Value, json};
use tokio::time::{interval, timeout};

const WITHIN: Duration = Duration::from_secs(60);
const RICH: &str = "komodo-test/rich:1";
const ORIGINAL: &str = "original";

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

/// An image that says something of everything that an image can say.
async fn rich_image(engine: &Engine) {
    engine.create(Container::idle("rich")).await.unwrap();
    let config = ContainerConfig {
        cmd: words(&IDLE_COMMAND),
        env: words(&["OF_IMAGE=1", "BOTH=image"]),
        volumes: words(&["/data"]),
        exposed_ports: words(&["7001/tcp"]),
        labels: Some([("of.image".to_owned(), "1".to_owned())].into()),
        stop_signal: Some("SIGINT".into()),
        working_dir: Some("/tmp".into()),
        healthcheck: Some(HealthConfig {
            test: words(&["CMD", "true"]),
            interval: Some(60_000_000_000),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CommitContainerOptions {
        container: Some("rich".into()),
        repo: Some("komodo-test/rich".into()),
        tag: Some("1".into()),
        ..Default::default()
    };
    engine
        .docker()
        .commit_container(options, config)
        .await
        .unwrap();
    engine.remove("rich").await.unwrap();
}

/// Networks `first` (10.81.0.0/24) and `second` (10.82.0.0/24).
async fn networks(engine: &Engine) {
    for (name, subnet) in [("first", "10.81.0.0/24"), ("second", "10.82.0.0/24")] {
        let ipam = Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.into()),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let network = NetworkCreateRequest {
            name: name.into(),
            ipam: Some(ipam),
            ..Default::default()
        };
        engine.docker().create_network(network).await.unwrap();
    }
}

/// Makes another container from the Engine's document of the original, which is removed, starts it, and returns the
/// documents of both while they ran.
async fn made_again(engine: &Engine) -> (Value, Value) {
    let client = komodo_docker::Engine::new(Endpoint::parse(&engine.docker_host()).unwrap());
    client.negotiate().await.unwrap();
    let before = client.inspect_document(ORIGINAL).await.unwrap();
    let of = before["Image"].as_str().unwrap();
    let image = client.image_document(of).await.unwrap().unwrap();
    let plan = HandOverPlan {
        operation: "op".into(),
        container: before["Id"].as_str().unwrap().into(),
        name: ORIGINAL.into(),
        run: Default::default(),
        stop_timeout_s: None,
        replace: Some(Replace {
            image: RICH.into(),
            restart_policy: before["HostConfig"]["RestartPolicy"].clone(),
            carry: vec!["/kept".into(), "/tmp/not there".into()],
        }),
        journal: JournalPlace {
            container: None,
            path: "/j".into(),
        },
        until: 0,
    };
    let carry = plan.replace.as_ref().unwrap().carry.clone();
    let name = before["Config"]["Image"].as_str().unwrap();
    let new = recreated(&before, &image, name, "op").unwrap();
    let grant = grant_hand_over(plan, &[Reason::new(ReasonCode::Agent)]).unwrap();
    client.probe_hand_over(&grant).await.unwrap();
    let id = client.create_new(&grant, &new, WITHIN).await.unwrap();
    // As after a helper that died in between: what was done is done again.
    for _ in 0..2 {
        let found = client.inspect(&id).await.unwrap();
        let target = grant.target(&found).unwrap();
        let connected = client.connect_missing(&target, &found, &new, WITHIN).await;
        connected.unwrap();
    }
    let target = async |name: &str| {
        let found = client.inspect(name).await.unwrap();
        grant.target(&found).unwrap()
    };
    let (old, new) = (target(ORIGINAL).await, target(&id).await);
    client.stop_target(&old, Some(0), WITHIN).await.unwrap();
    client
        .rename_target(&grant, &old, "original.komodo-old")
        .await
        .unwrap();
    client.rename_target(&grant, &new, ORIGINAL).await.unwrap();
    let there = client.carry(&old, &new, &carry[0], WITHIN).await.unwrap();
    let not_there = client.carry(&old, &new, &carry[1], WITHIN).await.unwrap();
    assert!(!not_there);
    client.start_target(&new, WITHIN).await.unwrap();
    engine.wait_state(ORIGINAL, State::Running).await.unwrap();
    let kept = client.read_file(ORIGINAL, "/kept/file", 100).await.unwrap();
    assert_eq!(there, kept.is_some());
    client.remove_target(&old, WITHIN).await.unwrap();
    assert_eq!(
        engine.state("original.komodo-old").await.unwrap(),
        State::Absent
    );
    let after = client.inspect_document(ORIGINAL).await.unwrap();
    (before, after)
}

/// What was asked for, without what differs by nature: the id where it serves as a name, and what is ours.
fn asked(document: &Value) -> Value {
    let short_id = &document["Id"].as_str().unwrap()[..12];
    let mut config = document["Config"].as_object().unwrap().clone();
    if config.get("Hostname").and_then(Value::as_str) == Some(short_id) {
        config.remove("Hostname");
    }
    // Filled in with what the network gave it, by some Engines.
    config.remove("MacAddress");
    // Volumes go on by their names: what is mounted is compared below.
    config.remove("Volumes");
    if let Some(labels) = config["Labels"].as_object_mut() {
        labels.remove("komodo.handed-over");
    }
    let sorted = |value: Option<&Value>| {
        let mut list = value.and_then(Value::as_array).cloned().unwrap_or_default();
        list.sort_by_key(Value::to_string);
        Value::Array(list)
    };
    let environment = sorted(config.get("Env"));
    config.insert("Env".into(), environment);
    let mut host = document["HostConfig"].as_object().unwrap().clone();
    for mounted in ["Binds", "Mounts"] {
        host.remove(mounted);
    }
    let mounts = document["Mounts"].as_array().unwrap().iter();
    let mounts: Vec<Value> = mounts
        .map(|mount| {
            json!([
                mount["Type"],
                mount["Name"],
                mount["Source"],
                mount["Destination"],
                mount["RW"]
            ])
        })
        .collect();
    let mut networks = Map::new();
    let all = document["NetworkSettings"]["Networks"].as_object().unwrap();
    for (name, endpoint) in all {
        let mut aliases = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        aliases.retain(|alias| alias != short_id);
        let address = endpoint["IPAMConfig"]["IPv4Address"].clone();
        let mac = match address.is_null() {
            true => Value::Null,
            false => endpoint["MacAddress"].clone(),
        };
        networks.insert(
            name.clone(),
            json!([aliases, endpoint["Links"], address, mac]),
        );
    }
    json!({
        "config": config,
        "host": host,
        "mounts": sorted(Some(&mounts.into())),
        "networks": networks,
    })
}

fn compare(before: &Value, after: &Value) {
    let (before, after) = (asked(before), asked(after));
    let mut differences = Vec::new();
    for part in ["config", "host", "networks"] {
        let names = |of: &Value| {
            of[part]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut all = names(&before);
        all.extend(names(&after));
        all.sort();
        all.dedup();
        for name in all {
            let (was, is) = (&before[part][&name], &after[part][&name]);
            if was != is {
                differences.push(format!("{part} {name}: {was} became {is}"));
            }
        }
    }
    if before["mounts"] != after["mounts"] {
        let (was, is) = (&before["mounts"], &after["mounts"]);
        differences.push(format!("mounts: {was} became {is}"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn everything_that_was_asked_for_is_there_again() {
    let engine = Engine::start().await.unwrap();
    rich_image(&engine).await;
    networks(&engine).await;
    engine
        .run(Container::idle("db").network_mode("first"))
        .await
        .unwrap();
    let original = Container::from_image(ORIGINAL, RICH).with(|body| {
        *body = ContainerCreateBody {
            image: body.image.clone(),
            cmd: words(&[
                "sh",
                "-c",
                "mkdir -p /kept && echo state >/kept/file && sleep 1000",
            ]),
            env: words(&["BOTH=asked", "OWN=a b"]),
            hostname: Some("named".into()),
            domainname: Some("example.org".into()),
            user: Some("0:0".into()),
            labels: Some([("komodo.skip".to_owned(), "true".to_owned())].into()),
            exposed_ports: words(&["7002/udp"]),
            volumes: words(&["/anonymous"]),
            stop_timeout: Some(3),
            tty: Some(true),
            healthcheck: Some(HealthConfig {
                retries: Some(7),
                ..Default::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(
                    [(
                        "first".to_owned(),
                        EndpointSettings {
                            aliases: words(&["known-as"]),
                            links: words(&["db:database"]),
                            mac_address: Some("02:00:5e:00:53:01".into()),
                            ipam_config: Some(EndpointIpamConfig {
                                ipv4_address: Some("10.81.0.9".into()),
                                ..Default::default()
                            }),
                            ..Default::default()
                        },
                    )]
                    .into(),
                ),
            }),
            host_config: Some(HostConfig {
                network_mode: Some("first".into()),
                binds: words(&["/proc:/host/proc:ro", "named:/named", "shared:/shared:ro"]),
                mounts: Some(vec![
                    Mount {
                        target: Some("/unnamed".into()),
                        typ: Some(MountType::VOLUME),
                        ..Default::default()
                    },
                    Mount {
                        target: Some("/memory".into()),
                        typ: Some(MountType::TMPFS),
                        ..Default::default()
                    },
                ]),
                tmpfs: Some([("/scratch".to_owned(), "size=1m".to_owned())].into()),
                port_bindings: Some(
                    [(
                        "7001/tcp".to_owned(),
                        Some(vec![PortBinding {
                            host_ip: Some("127.0.0.1".into()),
                            host_port: Some("7001".into()),
                        }]),
                    )]
                    .into(),
                ),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::ON_FAILURE),
                    maximum_retry_count: Some(3),
                }),
                cap_add: words(&["SYS_PTRACE"]),
                cap_drop: words(&["MKNOD"]),
                dns: words(&["10.0.0.53"]),
                dns_search: words(&["example.org"]),
                extra_hosts: words(&["core:10.0.0.1"]),
                group_add: words(&["999"]),
                security_opt: words(&["no-new-privileges"]),
                init: Some(true),
                shm_size: Some(16 * 1024 * 1024),
                oom_score_adj: Some(100),
                ulimits: Some(vec![ResourcesUlimits {
                    name: Some("nofile".into()),
                    soft: Some(1000),
                    hard: Some(2000),
                }]),
                devices: Some(vec![DeviceMapping {
                    path_on_host: Some("/dev/null".into()),
                    path_in_container: Some("/dev/nothing".into()),
                    cgroup_permissions: Some("r".into()),
                }]),
                log_config: Some(HostConfigLogConfig {
                    typ: Some("json-file".into()),
                    config: Some([("max-size".to_owned(), "1m".to_owned())].into()),
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
    });
    engine.create(original).await.unwrap();
    let second = NetworkConnectRequest {
        container: ORIGINAL.into(),
        endpoint_config: Some(EndpointSettings {
            aliases: words(&["too"]),
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some("10.82.0.9".into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    engine
        .docker()
        .connect_network("second", second)
        .await
        .unwrap();
    engine.start_container(ORIGINAL).await.unwrap();
    engine.wait_state(ORIGINAL, State::Running).await.unwrap();
    let client = komodo_docker::Engine::new(Endpoint::parse(&engine.docker_host()).unwrap());
    client.negotiate().await.unwrap();
    let written = async {
        let mut looks = interval(Duration::from_millis(50));
        let written = async || client.read_file(ORIGINAL, "/kept/file", 100).await.unwrap();
        while written().await.is_none_or(|file| file.is_empty()) {
            looks.tick().await;
        }
    };
    timeout(WITHIN, written).await.unwrap();
    let (before, after) = made_again(&engine).await;
    let mounted = before["Mounts"].as_array().unwrap().len();
    assert!(mounted >= 6, "{mounted} mounts");
    compare(&before, &after);
}

/// With nothing said but what a container is to be, all that the image says comes from the image.
#[tokio::test]
async fn what_nobody_asked_for_is_left_to_the_image() {
    let engine = Engine::start().await.unwrap();
    rich_image(&engine).await;
    engine
        .run(Container::from_image(ORIGINAL, RICH))
        .await
        .unwrap();
    let client = komodo_docker::Engine::new(Endpoint::parse(&engine.docker_host()).unwrap());
    client.negotiate().await.unwrap();
    let before = client.inspect_document(ORIGINAL).await.unwrap();
    let of = before["Image"].as_str().unwrap();
    let image = client.image_document(of).await.unwrap().unwrap();
    let new = recreated(&before, &image, BUSYBOX, "op").unwrap();
    for field in [
        "Cmd",
        "Entrypoint",
        "Healthcheck",
        "StopSignal",
        "WorkingDir",
        "Hostname",
    ] {
        let left = new.body.get(field).is_none_or(Value::is_null);
        assert!(left, "{field}: {}", new.body[field]);
    }
    for field in ["Env", "ExposedPorts", "Volumes"] {
        let value = &new.body[field];
        let empty = value.as_object().is_none_or(Map::is_empty)
            && value.as_array().is_none_or(Vec::is_empty);
        assert!(empty, "{field}: {value}");
    }
    assert_eq!(new.body["Labels"], json!({ "komodo.handed-over": "op" }));
    let (before, after) = made_again(&engine).await;
    compare(&before, &after);
}

/// Modes in which the Engine refuses, or fills in, what it takes in others.
#[tokio::test]
async fn each_network_mode_is_taken_again() {
    let engine = Engine::start().await.unwrap();
    rich_image(&engine).await;
    engine.run(Container::idle("other")).await.unwrap();
    for mode in ["default", "bridge", "none", "host", "container:other"] {
        let original = Container::from_image(ORIGINAL, RICH).network_mode(mode);
        engine.run(original).await.unwrap();
        let (before, after) = made_again(&engine).await;
        compare(&before, &after);
        engine.remove(ORIGINAL).await.unwrap();
    }
    let uts = Container::from_image(ORIGINAL, RICH).network_mode("host");
    let uts = uts.with(|body| {
        if let Some(host) = &mut body.host_config {
            host.uts_mode = Some("host".into());
            host.pid_mode = Some("host".into());
            host.ipc_mode = Some("host".into());
        }
    });
    engine.run(uts).await.unwrap();
    let (before, after) = made_again(&engine).await;
    compare(&before, &after);
}
