use super::*;

const IMAGE: Option<&str> = Some("periphery:2");
const VERSION: Option<&str> = Some("2.4.0");

fn agent(container: bool, unit: bool) -> AgentProperties {
    AgentProperties {
        container: container.then(|| "c1".to_owned()),
        unit: unit.then(|| OwnUnit {
            name: "komodo-periphery.service".into(),
            user: false,
            program: "/usr/local/bin/komodo-periphery".into(),
            sha256: "ab".repeat(32),
            fixed: None,
        }),
        ..AgentProperties::default()
    }
}

fn update(image: Option<&str>, version: Option<&str>) -> Renewal {
    Renewal::Update {
        image: image.map(str::to_owned),
        version: version.map(str::to_owned),
    }
}

fn roll(image: Option<&str>, version: Option<&str>) -> Renewal {
    Renewal::Roll {
        image: image.map(str::to_owned),
        version: version.map(str::to_owned),
    }
}

#[test]
fn what_is_asked_for_fits_the_kind_of_the_agent_or_it_says_what_would() {
    let (container, service) = (agent(true, false), agent(false, true));
    let (both, neither) = (agent(true, true), agent(false, false));
    for (agent, renewal, comes_of_it) in [
        (&container, Renewal::Restart, "container as it is"),
        (&service, Renewal::Restart, "service as it is"),
        (&both, Renewal::Restart, "service as it is"),
        (&neither, Renewal::Restart, "neither in a container"),
        (&container, update(None, None), "container of its image"),
        (&service, update(None, None), "program newest"),
        (&both, update(None, None), "program newest"),
        (&neither, update(None, None), "neither in a container"),
        (&container, update(IMAGE, None), "container periphery:2"),
        (&service, update(IMAGE, None), "give `version`"),
        (&both, update(IMAGE, None), "container periphery:2"),
        (&neither, update(IMAGE, None), "neither in a container"),
        (&container, update(None, VERSION), "give `image`"),
        (&service, update(None, VERSION), "program 2.4.0"),
        (&both, update(None, VERSION), "program 2.4.0"),
        (&neither, update(None, VERSION), "neither in a container"),
        (&both, update(IMAGE, VERSION), "leave one of them out"),
        (&container, roll(IMAGE, VERSION), "container periphery:2"),
        (&service, roll(IMAGE, VERSION), "program 2.4.0"),
        (&both, roll(IMAGE, VERSION), "program 2.4.0"),
        (&container, roll(None, VERSION), "give `image`"),
        (&service, roll(IMAGE, None), "give `version`"),
        (&both, roll(IMAGE, None), "container periphery:2"),
        (&neither, roll(IMAGE, VERSION), "neither in a container"),
    ] {
        let said = match how("alpha", agent, &renewal) {
            Ok(How::Container(id, None)) => format!("{id} container as it is"),
            Ok(How::Container(id, Some(recreate))) => {
                let image = recreate.image.unwrap_or_else(|| "of its image".into());
                format!("{id} container {image}")
            }
            Ok(How::Service(_)) => "service as it is".to_owned(),
            Ok(How::Program(_, version)) => format!("program {}", version.unwrap_or("newest")),
            Err(error) => {
                assert_eq!(error.code, Code::Unprocessable, "{renewal:?}");
                error.error
            }
        };
        assert!(
            said.contains(comes_of_it),
            "{renewal:?} of {agent:?}: {said}"
        );
    }
}
