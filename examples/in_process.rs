//! Two replicas in one process, connected by a pipe, on an executor that is not tokio.
//!
//! A connection is a future like any other, and so is the wait for the other side to have everything.
//!
//! ```text
//! cargo run --example in_process
//! ```

use std::error::Error;

use futures::{
    StreamExt,
    executor::LocalPool,
    task::{LocalSpawnExt, SpawnExt},
};
use repred::{Notice, Register, Replica, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let editor = Replica::new(Register::new("untitled".to_string()));
    let viewer = Replica::new(Register::new("untitled".to_string()));
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();

    // Any byte stream does; this one holds at most a kilobyte each way.
    let (left, right) = pipe(1024);
    for connection in [editor.connect(left), viewer.connect(right)] {
        spawner.spawn(async {
            if let Err(error) = connection.await {
                eprintln!("the connection ended: {error}");
            }
        })?;
    }

    // The viewer draws the title whenever it changes.
    let mut changes = viewer.subscribe()?;
    let view = viewer.clone();
    let viewing = spawner.spawn_local_with_handle(async move {
        loop {
            if let Some(Notice::Changed { stamp, .. }) = changes.next().await {
                let title = view.read(|title| title.to_string()).expect("nobody panics");
                println!("the viewer shows {title:?}, written by {:?}", stamp.origin());
                if title == "Groceries" {
                    break;
                }
            }
        }
    })?;

    println!("the editor is {:?}", editor.id()?);
    for title in ["Shop", "Shopping", "Groceries"] {
        editor.update(title.to_string())?;
    }
    pool.run_until(viewing);
    println!(
        "{} entry is kept of three: a write makes the one before it obsolete",
        viewer.history_len()?
    );
    Ok(())
}
