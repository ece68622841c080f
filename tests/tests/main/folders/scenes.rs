//! What needs a process of its own: a working directory, a umask, a user.
//!
//! The process is this test program, which runs [`a_scene_in_a_process_of_its_own`] alone.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use super::{Place, access, held, locked};

const SCENE: &str = "REPRED_SCENE";
const PLACE: &str = "REPRED_PLACE";

/// A user who is not root, and owns nothing.
const NOBODY: u32 = 65534;

/// Does nothing when it is not told what.
#[test]
fn a_scene_in_a_process_of_its_own() {
    let Ok(scene) = env::var(SCENE) else { return };
    let place = env::var_os(PLACE).unwrap();
    let place = Path::new(&place);
    match &*scene {
        "another working directory" => held::in_another_working_directory(place),
        "modes" => access::modes(place),
        "reading" => access::reading(place),
        "second" => locked::second(place),
        _ => panic!("no scene {scene}"),
    }
    println!("the scene is over");
}

/// Runs a scene in a place.
#[track_caller]
pub(super) fn play(scene: &str, place: &Path) {
    run(Command::new(env::current_exe().unwrap()), scene, place);
}

/// Runs a scene under a umask, which is one of the whole process.
#[track_caller]
pub(super) fn play_with_umask(umask: &str, scene: &str, place: &Path) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
    shell.arg(env::current_exe().unwrap());
    run(shell, scene, place);
}

/// Runs a scene as a user to whom permissions apply, as they do not to root.
#[track_caller]
pub(super) fn play_as_user(scene: &str, place: &Place) {
    if fs::metadata(&place.0).unwrap().uid() != 0 {
        return play(scene, &place.0);
    }
    // The program may be where only root can go.
    let program = place.join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    command.uid(NOBODY).gid(NOBODY).current_dir(&place.0);
    run(command, scene, &place.0);
}

#[track_caller]
fn run(mut command: Command, scene: &str, place: &Path) {
    let name = "folders::scenes::a_scene_in_a_process_of_its_own";
    command.args(["--exact", name, "--nocapture"]).env(SCENE, scene).env(PLACE, place);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("the scene is over"), "{said}{errors}");
}
