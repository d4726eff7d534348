//! What a plan says of the agent as a service of systemd: one item, which is no container.

use komodo_agent_api::{Container, PROBATION_S_DEFAULT};
use komodo_api::{
    engine::ContainerStateStatusEnum,
    periphery::AgentService,
    plan::{Effect, PlanItem},
};

use super::{ContainersPlan, PlanInput, branch::under_way, counts};
use crate::settle::hand_over_deadline_ms;

/// Begins the id of what is no container but a unit of systemd.
pub const UNIT_PREFIX: &str = "unit:";

/// Plans a restart, or an update, of the agent's own service.
pub(super) fn plan(
    op: &PlanInput<'_>,
    service: &AgentService,
    containers: &[&Container],
) -> ContainersPlan {
    let hindrance = under_way(containers);
    let effect = match hindrance {
        Some(_) => Effect::Refuse,
        None => Effect::HandOver,
    };
    let unit = &service.unit;
    let item = PlanItem {
        container: unit.clone(),
        id: format!("{UNIT_PREFIX}{unit}"),
        state: ContainerStateStatusEnum::Running,
        image: None,
        project: None,
        effect,
        reason: hindrance,
        protected: Vec::new(),
        dependants: Vec::new(),
        ports: Vec::new(),
        volumes: Vec::new(),
        after: Vec::new(),
        comes_back: false,
        bytes: None,
        bring_back: None,
        back_to: None,
    };
    let probation_s = op.probation_s.unwrap_or(PROBATION_S_DEFAULT);
    let warning = match &service.program {
        Some(program) => format!(
            "'{unit}' runs the agent: a helper puts the program of version {} in its place and restarts it, and nothing can be \
             asked of this server meanwhile; the old program is kept until the new one was watched for {probation_s} s, \
             and put back if that goes wrong",
            program.version
        ),
        None => format!(
            "'{unit}' runs the agent: a helper restarts it, and nothing can be asked of this server meanwhile"
        ),
    };
    let acts = effect == Effect::HandOver;
    let deadline_ms =
        hand_over_deadline_ms(None, op.time, op.probation_s, service.program.is_some());
    let items = vec![item];
    ContainersPlan {
        deadlines_ms: vec![if acts { deadline_ms } else { 0 }],
        counts: counts(&items),
        warnings: if acts { vec![warning] } else { Vec::new() },
        items,
    }
}
