//! Hosts that look like those of people, by seed.

use komodo_api::{
    container::ContainerAction,
    live::LogStream,
    stats::{SingleDiskUsage, SystemLoadAverage, SystemStats, Timelength},
};

use crate::{containers::parse_container, world::World};

/// Services of a project, each with an image and what it needs.
const SERVICES: [(&str, &str, &str); 6] = [
    ("db", "postgres:16", ""),
    ("cache", "redis:7", ""),
    (
        "api",
        "ghcr.io/example/api:1.4.2",
        "db:service_healthy:false,cache:service_started:false",
    ),
    (
        "worker",
        "ghcr.io/example/api:1.4.2",
        "db:service_healthy:false",
    ),
    ("web", "nginx:1.27", "api:service_started:false"),
    ("cron", "busybox:1.36", "api:service_started:false"),
];
const PROJECTS: [&str; 8] = [
    "shop", "blog", "media", "home", "metrics", "wiki", "mail", "forge",
];

impl World {
    /// A host with so many containers in compose projects, most of them running, and figures of the host.
    pub fn seeded(seed: u64, containers: usize) -> World {
        let world = World::new(seed);
        world.populate(seed, containers);
        world
    }

    /// Adds so many containers in compose projects, most of them running, and figures of the host.
    pub fn populate(&self, seed: u64, containers: usize) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for at in 0..containers {
            let (service, image, needs) = SERVICES[at % SERVICES.len()];
            let round = at / SERVICES.len();
            let project = match round / PROJECTS.len() {
                0 => PROJECTS[round % PROJECTS.len()].to_owned(),
                more => format!("{}{}", PROJECTS[round % PROJECTS.len()], more + 1),
            };
            let state = match rng.u32(0..20) {
                0 => "exited",
                1 => "paused",
                2 => "created",
                _ => "running",
            };
            let mut line = format!(
                "{project}-{service}-1 {state} image={image} project={project} service={service} \
                 restart=unless-stopped"
            );
            if !needs.is_empty() {
                line += &format!(" needs={needs}");
            }
            if service == "web" {
                line += &format!(" ports={}", 8000 + round % 1000);
            }
            let container =
                parse_container(&line).expect("the line is made of words that are understood");
            let name = self.create(container).name;
            self.log(&name, LogStream::Stdout, &format!("{service} is ready"));
        }
        let now = self.now();
        let used = 2.0 + rng.f64() * 8.0;
        self.set_stats(SystemStats {
            cpu_perc: rng.f32() * 40.0,
            load_average: SystemLoadAverage {
                one: 0.5,
                five: 0.4,
                fifteen: 0.3,
            },
            mem_free_gb: 16.0 - used,
            mem_used_gb: used,
            mem_total_gb: 16.0,
            disks: vec![SingleDiskUsage {
                mount: "/".to_owned(),
                file_system: "ext4".to_owned(),
                used_gb: 40.0,
                total_gb: 100.0,
            }],
            polling_rate: Timelength::ThirtySeconds,
            refresh_ts: now,
            refresh_list_ts: now,
            ..SystemStats::default()
        });
    }

    /// One change that somebody on the host might make, by chance: for load that looks like life.
    pub fn stir(&self, rng: &mut fastrand::Rng) {
        let containers = self.containers();
        if containers.is_empty() {
            return;
        }
        let container = &containers[rng.usize(0..containers.len())];
        let action = if rng.bool() {
            ContainerAction::Stop
        } else {
            ContainerAction::Start
        };
        // What the Engine refuses (a paused one cannot be started) is part of life too.
        let _refused = self.docker(action, &container.id);
    }
}
