//! Every operation that changes something on a server names the question that it puts to the guard.

use komodo_api::{Guard, Module, operations};

#[test]
fn every_execute_request_names_its_guard_and_no_other_request_has_one() {
    for operation in operations() {
        let name = operation.name;
        match (operation.module, operation.guard) {
            (Module::Execute, Some(_)) => {}
            (Module::Execute, None) => panic!(
                "{name} changes something on a server and names no guard: add `guard Guard::…` to its `operation!`, \
                 and see that what it does asks that"
            ),
            (_, None) => {}
            (module, Some(guard)) => panic!(
                "{name} is of {module:?} and claims to ask {guard:?}: only execute requests reach a server"
            ),
        }
    }
}

#[test]
fn what_names_containers_is_guarded_by_container() {
    let guarded = |name: &str| {
        let operations = operations();
        let operation = operations.iter().find(|operation| operation.name == name);
        operation.and_then(|operation| operation.guard)
    };
    for verb in ["Start", "Restart", "Pause", "Unpause", "Stop", "Destroy"] {
        let name = format!("{verb}Container");
        assert_eq!(guarded(&name), Some(Guard::Containers), "{name}");
    }
    for name in [
        "StopAllContainers",
        "PruneContainers",
        "BatchContainers",
        "UndoUpdate",
    ] {
        assert_eq!(guarded(name), Some(Guard::Containers), "{name}");
    }
    assert_eq!(guarded("CancelUpdate"), Some(Guard::Ends));
}
