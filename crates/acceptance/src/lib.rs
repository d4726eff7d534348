//! What must hold for users, tried with the real programs on a real Docker Engine: the numbered acceptance points of
//! operation safety. The tests are in `tests/`; here is only what several of them ask of Core in the same words. How the
//! parts are started is in `komodo_testkit::installation`.

pub mod cut;
pub mod hand_over;
pub mod native;
pub mod survival;
pub mod told;
pub mod truth;

use komodo_api::{
    container::{
        ContainerAction, PauseAllContainers, PruneContainers, RestartAllContainers,
        StartAllContainers, StopAllContainers, UnpauseAllContainers,
    },
    update::Update,
};
pub use komodo_testkit::installation::Failure;

use komodo_testkit::installation::Core;

/// Does one thing to all containers of a server and waits for the end.
///
/// # Errors
/// When Core refuses, or there is no such operation on all (`destroy`).
pub async fn act_on_all(
    core: &Core,
    server: &str,
    action: ContainerAction,
) -> Result<Update, Failure> {
    macro_rules! by_action {
        ($($action:ident: $request:ident),*) => {
            match action {
                $(ContainerAction::$action => core.client.execute_and_wait(&$request::of(server), |_| ()).await,)*
                ContainerAction::Destroy => return Err("there is no request that destroys all containers".into()),
            }
        };
    }
    Ok(by_action!(
        Start: StartAllContainers,
        Restart: RestartAllContainers,
        Pause: PauseAllContainers,
        Unpause: UnpauseAllContainers,
        Stop: StopAllContainers,
        Prune: PruneContainers
    )?)
}

/// Goes through all cases, and tells of every one that fails.
#[macro_export]
macro_rules! each {
    ($cases:expr, |$case:ident| $run:expr) => {{
        let mut failed = Vec::new();
        for $case in $cases {
            let began = std::time::Instant::now();
            let result: Result<_, $crate::Failure> = $run.await;
            println!("{:?}: {:?}", $case, began.elapsed());
            if let Err(error) = result {
                println!("FAILED: {error}");
                failed.push(format!("{:?}: {error}", $case));
            }
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err($crate::Failure::from(failed.join("\n\n"))),
        }
    }};
}
