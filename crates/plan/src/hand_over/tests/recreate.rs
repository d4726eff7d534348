use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::hand_over::{CannotRecreate, carried, recreated};

const ID: &str = "3f4e8b1a2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789ab";

fn old_image() -> Value {
    json!({
        "Id": "sha256:aaaa",
        "Config": {
            "User": "",
            "Env": ["PATH=/usr/bin:/bin", "KOMODO_HOME=/data"],
            "Entrypoint": ["/sbin/komodo-periphery"],
            "Cmd": ["run"],
            "WorkingDir": "/",
            "ExposedPorts": { "8120/tcp": {} },
            "Volumes": { "/data": {} },
            "Labels": { "org.opencontainers.image.version": "1", "komodo.skip": "true" },
            "StopSignal": "SIGTERM",
            "Healthcheck": { "Test": ["CMD", "komodo-periphery", "health"], "Interval": 30_000_000_000_u64 },
            "OnBuild": null
        }
    })
}

/// As Engine 20.10 tells of a container that Compose made.
fn engine_20_10() -> Value {
    json!({
        "Id": ID,
        "Created": "2026-11-23T10:00:00.123456789Z",
        "Name": "/p-periphery-1",
        "Image": "sha256:aaaa",
        "Config": {
            "Hostname": "3f4e8b1a2c3d",
            "Domainname": "",
            "User": "",
            "AttachStdin": false,
            "AttachStdout": false,
            "AttachStderr": false,
            "ExposedPorts": { "8120/tcp": {}, "9000/tcp": {} },
            "Tty": false,
            "OpenStdin": false,
            "StdinOnce": false,
            "Env": ["PERIPHERY_CORE=wss://core", "PATH=/usr/bin:/bin", "KOMODO_HOME=/data"],
            "Cmd": ["run"],
            "Healthcheck": { "Test": ["CMD", "komodo-periphery", "health"], "Interval": 5_000_000_000_u64 },
            "Image": "komodo-periphery:1",
            "Volumes": { "/data": {}, "/cache": {} },
            "WorkingDir": "/",
            "Entrypoint": ["/sbin/komodo-periphery"],
            "OnBuild": null,
            "Labels": {
                "com.docker.compose.config-hash": "abc",
                "com.docker.compose.image": "sha256:aaaa",
                "com.docker.compose.project": "p",
                "com.docker.compose.service": "periphery",
                "org.opencontainers.image.version": "1",
                "komodo.handed-over": "an older one",
                "komodo.skip": "true"
            },
            "StopSignal": "SIGTERM",
            "StopTimeout": 30
        },
        "HostConfig": {
            "Binds": ["/var/run/docker.sock:/var/run/docker.sock:rw", "keys:/keys:rw"],
            "NetworkMode": "p_default",
            "PortBindings": { "8120/tcp": [{ "HostIp": "", "HostPort": "8120" }] },
            "RestartPolicy": { "Name": "unless-stopped", "MaximumRetryCount": 0 },
            "AutoRemove": false,
            "VolumesFrom": [],
            "CapAdd": ["SYS_PTRACE"],
            "Links": null,
            "Memory": 268_435_456,
            "OomKillDisable": false,
            "Init": true,
            "UTSMode": ""
        },
        "Mounts": [
            { "Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "RW": true },
            { "Type": "volume", "Name": "keys", "Destination": "/keys", "RW": true },
            { "Type": "volume", "Name": "f00d", "Destination": "/data", "RW": true },
            { "Type": "volume", "Name": "cafe", "Destination": "/cache", "RW": false }
        ],
        "NetworkSettings": {
            "Networks": {
                "edge": {
                    "IPAMConfig": { "IPv4Address": "172.30.0.9" },
                    "Links": null,
                    "Aliases": ["komodo", "3f4e8b1a2c3d"],
                    "NetworkID": "bbbb",
                    "EndpointID": "e1",
                    "IPAddress": "172.30.0.9",
                    "MacAddress": "02:42:ac:1e:00:09",
                    "DriverOpts": null
                },
                "p_default": {
                    "IPAMConfig": null,
                    "Links": null,
                    "Aliases": ["p-periphery-1", "periphery", "3f4e8b1a2c3d"],
                    "NetworkID": "aaaa",
                    "EndpointID": "e0",
                    "IPAddress": "172.29.0.2",
                    "MacAddress": "02:42:ac:1d:00:02",
                    "DriverOpts": null
                }
            }
        }
    })
}

/// As Engine 26.1 tells of one of `docker run --network macvlan --ip … --mac-address …`.
fn engine_26_1() -> Value {
    json!({
        "Id": ID,
        "Name": "/agent",
        "Image": "sha256:aaaa",
        "Config": {
            "Hostname": "my-host",
            "Domainname": "",
            "User": "1000",
            "Env": ["PATH=/usr/bin:/bin", "KOMODO_HOME=/srv"],
            "Cmd": ["--debug"],
            "Image": "komodo-periphery:1",
            "Volumes": null,
            "WorkingDir": "/",
            "Entrypoint": ["/bin/wrapper"],
            "OnBuild": null,
            "Labels": {}
        },
        "HostConfig": {
            "Binds": null,
            "ContainerIDFile": "",
            "NetworkMode": "lan",
            "PortBindings": {},
            "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            "AutoRemove": false,
            "Mounts": [
                { "Type": "volume", "Target": "/data" },
                { "Type": "bind", "Source": "/run/docker.sock", "Target": "/run/docker.sock" }
            ],
            "Tmpfs": { "/run/secrets": "" },
            "ConsoleSize": [0, 0]
        },
        "Mounts": [
            { "Type": "volume", "Name": "beef", "Destination": "/data", "RW": true },
            { "Type": "bind", "Source": "/run/docker.sock", "Destination": "/run/docker.sock", "RW": true }
        ],
        "NetworkSettings": {
            "Networks": {
                "lan": {
                    "IPAMConfig": { "IPv4Address": "192.168.7.4", "IPv6Address": "fd00::4" },
                    "Links": ["db:database"],
                    "Aliases": ["agent.lan"],
                    "MacAddress": "02:00:5e:00:53:01",
                    "DriverOpts": { "k": "v" },
                    "NetworkID": "cccc",
                    "IPAddress": "192.168.7.4",
                    "DNSNames": ["agent", "agent.lan", "3f4e8b1a2c3d"]
                }
            }
        }
    })
}

fn check(inspect: &Value, old_image: &Value, expected: Expect) {
    let made = recreated(inspect, old_image, "komodo-periphery:2", "op").unwrap();
    // What the host grants is compared with what it granted; here is what differs.
    let mut body = made.body.clone();
    let host = body.as_object_mut().unwrap().remove("HostConfig").unwrap();
    let mut text = serde_json::to_string_pretty(&body).unwrap();
    for (field, value) in host.as_object().unwrap() {
        let before = &inspect["HostConfig"][field];
        if before != value {
            text += &format!("\n{field}: {value}");
        }
    }
    for field in inspect["HostConfig"].as_object().unwrap().keys() {
        assert!(host.get(field).is_some(), "{field} is lost");
    }
    for (name, endpoint) in &made.networks {
        text += &format!("\nconnect {name}: {endpoint}");
    }
    text.push('\n');
    expected.assert_eq(&text);
}

#[test]
fn a_container_of_compose_keeps_what_was_asked_for() {
    check(
        &engine_20_10(),
        &old_image(),
        expect![[r#"
            {
              "AttachStderr": false,
              "AttachStdin": false,
              "AttachStdout": false,
              "Domainname": "",
              "Env": [
                "PERIPHERY_CORE=wss://core"
              ],
              "ExposedPorts": {
                "9000/tcp": {}
              },
              "Healthcheck": {
                "Interval": 5000000000
              },
              "Image": "komodo-periphery:2",
              "Labels": {
                "com.docker.compose.config-hash": "abc",
                "com.docker.compose.project": "p",
                "com.docker.compose.service": "periphery",
                "komodo.handed-over": "op",
                "komodo.skip": "true"
              },
              "NetworkingConfig": {
                "EndpointsConfig": {
                  "p_default": {
                    "Aliases": [
                      "p-periphery-1",
                      "periphery"
                    ]
                  }
                }
              },
              "OpenStdin": false,
              "StdinOnce": false,
              "StopTimeout": 30,
              "Tty": false,
              "Volumes": {
                "/cache": {}
              }
            }
            Binds: ["/var/run/docker.sock:/var/run/docker.sock:rw","keys:/keys:rw","f00d:/data","cafe:/cache:ro"]
            connect edge: {"Aliases":["komodo"],"IPAMConfig":{"IPv4Address":"172.30.0.9"}}
        "#]],
    );
}

#[test]
fn a_container_with_an_address_of_its_own_keeps_it() {
    check(
        &engine_26_1(),
        &old_image(),
        expect![[r#"
        {
          "Cmd": [
            "--debug"
          ],
          "Domainname": "",
          "Entrypoint": [
            "/bin/wrapper"
          ],
          "Env": [
            "KOMODO_HOME=/srv"
          ],
          "Hostname": "my-host",
          "Image": "komodo-periphery:2",
          "Labels": {
            "komodo.handed-over": "op"
          },
          "NetworkingConfig": {
            "EndpointsConfig": {
              "lan": {
                "Aliases": [
                  "agent.lan"
                ],
                "DriverOpts": {
                  "k": "v"
                },
                "IPAMConfig": {
                  "IPv4Address": "192.168.7.4",
                  "IPv6Address": "fd00::4"
                },
                "Links": [
                  "db:database"
                ],
                "MacAddress": "02:00:5e:00:53:01"
              }
            }
          },
          "User": "1000",
          "Volumes": null
        }
        Mounts: [{"Source":"beef","Target":"/data","Type":"volume"},{"Source":"/run/docker.sock","Target":"/run/docker.sock","Type":"bind"}]
    "#]],
    );
}

#[test]
fn without_its_image_everything_counts_as_asked_for() {
    let made = recreated(&engine_20_10(), &Value::Null, "x", "op").unwrap();
    let was = engine_20_10();
    for field in [
        "Env",
        "Cmd",
        "Entrypoint",
        "ExposedPorts",
        "Healthcheck",
        "StopSignal",
    ] {
        assert_eq!(made.body[field], was["Config"][field], "{field}");
    }
}

#[test]
fn the_id_of_the_new_image_is_noted_where_compose_looks_for_it() {
    for (old, noted) in [
        (engine_20_10(), Value::from("sha256:bbbb")),
        (engine_26_1(), Value::Null),
    ] {
        let mut made = recreated(&old, &old_image(), "x", "op").unwrap();
        made.note_image_id(&old, "sha256:bbbb");
        assert_eq!(made.body["Labels"]["com.docker.compose.image"], noted);
    }
}

/// What the Engine refuses together with the network of another, or takes from it, is not asked for.
#[test]
fn the_network_mode_decides_what_may_be_asked_for() {
    let with = |mode: &str, uts: &str| {
        let mut old = engine_20_10();
        old["HostConfig"]["NetworkMode"] = mode.into();
        old["HostConfig"]["UTSMode"] = uts.into();
        old["Config"]["Hostname"] = "elsewhere".into();
        if mode != "default" {
            old["NetworkSettings"]["Networks"] = json!({ mode: {} });
        } else {
            old["NetworkSettings"]["Networks"] = json!({ "bridge": { "NetworkID": "dddd" } });
        }
        recreated(&old, &old_image(), "x", "op").unwrap()
    };
    let shares = with("container:abc", "").body;
    for taken in ["Hostname", "Domainname", "ExposedPorts", "NetworkingConfig"] {
        assert!(shares.get(taken).is_none(), "{taken}");
    }
    let host = with("host", "").body;
    assert_eq!(host["Hostname"], "elsewhere");
    assert!(host.get("NetworkingConfig").is_none());
    assert!(with("host", "host").body.get("Hostname").is_none());
    let bridge = with("default", "").body;
    assert_eq!(bridge["HostConfig"]["NetworkMode"], "default");
    assert_eq!(
        bridge["NetworkingConfig"],
        json!({ "EndpointsConfig": { "bridge": {} } })
    );
}

#[test]
fn networks_that_it_was_taken_out_of_are_not_joined_again() {
    let mut old = engine_20_10();
    let networks = old["NetworkSettings"]["Networks"].as_object_mut().unwrap();
    networks.remove("p_default");
    let made = recreated(&old, &old_image(), "x", "op").unwrap();
    assert_eq!(made.body["HostConfig"]["NetworkMode"], "edge");
    assert!(
        made.body["NetworkingConfig"]["EndpointsConfig"]
            .get("edge")
            .is_some()
    );
    assert!(made.networks.is_empty());
    // A mode may name the network by its id.
    let mut old = engine_20_10();
    let id = "ffffffffffffffffffff";
    old["HostConfig"]["NetworkMode"] = id.into();
    old["NetworkSettings"]["Networks"]["p_default"]["NetworkID"] = id.into();
    let made = recreated(&old, &old_image(), "x", "op").unwrap();
    let endpoints = made.body["NetworkingConfig"]["EndpointsConfig"]
        .as_object()
        .unwrap();
    assert_eq!(endpoints.keys().collect::<Vec<_>>(), [id]);
    assert_eq!(made.networks.len(), 1);
}

#[test]
fn a_mac_address_counts_only_where_it_was_set() {
    let mac = |config: &str, endpoint: &str| {
        let mut old = engine_26_1();
        old["Config"]["MacAddress"] = config.into();
        old["NetworkSettings"]["Networks"]["lan"]["MacAddress"] = endpoint.into();
        let made = recreated(&old, &old_image(), "x", "op").unwrap().body;
        let at = made["NetworkingConfig"]["EndpointsConfig"]["lan"].get("MacAddress");
        (made.get("MacAddress").cloned(), at.cloned())
    };
    let made_up = "02:42:C0:a8:07:04";
    let set = "02:00:5e:00:53:01";
    assert_eq!(mac("", made_up), (None, None));
    assert_eq!(mac(made_up, made_up), (None, None));
    assert_eq!(mac("", set), (None, Some(set.into())));
    assert_eq!(mac(set, set), (Some(set.into()), Some(set.into())));
}

#[test]
fn what_cannot_be_made_again_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut old = engine_20_10();
        change(&mut old);
        recreated(&old, &old_image(), "x", "op").unwrap_err()
    };
    assert_eq!(
        refused(&|old| old["HostConfig"]["AutoRemove"] = true.into()),
        CannotRecreate::AutoRemove
    );
    assert_eq!(
        refused(&|old| old["Config"]["Labels"]["com.docker.swarm.service.id"] = "s".into()),
        CannotRecreate::Swarm
    );
    for (field, missing) in [
        ("Id", "id"),
        ("Config", "configuration"),
        ("HostConfig", "host configuration"),
    ] {
        let error = refused(&|old| old[field] = Value::Null);
        assert_eq!(error, CannotRecreate::Missing(missing));
    }
}

#[test]
fn state_is_carried_from_where_no_mount_keeps_it() {
    let of = |inspect: &Value, paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        carried(inspect, &paths)
    };
    let compose = engine_20_10();
    assert_eq!(
        of(&compose, &["/data", "/data/", "/data/keys", "/keys/a/b"]),
        [""; 0]
    );
    assert_eq!(
        of(&compose, &["/etc/komodo", "/database", "/"]),
        ["/etc/komodo", "/database", "/"]
    );
    assert_eq!(
        of(&engine_26_1(), &["/run/secrets/x", "/var/lib/k"]),
        ["/var/lib/k"]
    );
    assert_eq!(of(&json!({}), &["/data"]), ["/data"]);
}
