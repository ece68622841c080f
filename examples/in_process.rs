//! Two replicas in one process, connected by a pipe, on an executor that is not tokio.
//!
//! A connection is a future like any other: whatever polls it, runs it.
//!
//! ```text
//! cargo run --example in_process
//! ```

use std::error::Error;

use futures::{StreamExt, executor::LocalPool, task::SpawnExt};
use repred::{Register, Replica, ReplicaEvent, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let editor = Replica::new(Register::new("untitled".to_string()));
    let viewer = Replica::new(Register::new("untitled".to_string()));
    let mut pool = LocalPool::new();

    // Any byte stream does; this one holds at most a kilobyte each way.
    let (left, right) = pipe(1024);
    for connection in [editor.connect(left), viewer.connect(right)] {
        pool.spawner().spawn(async {
            if let Err(error) = connection.await {
                eprintln!("the connection ended: {error}");
            }
        })?;
    }

    println!("the editor is {:?}, the viewer {:?}", editor.id()?, viewer.id()?);
    let mut changes = viewer.subscribe()?;
    for text in ["Shop", "Shopping", "Groceries"] {
        editor.update(text.to_string())?;
        // The viewer gets all changes of its state, from local and remote updates.
        if let Some(ReplicaEvent::Changed { stamp, .. }) = pool.run_until(changes.next()) {
            let title = viewer.read(|title| title.to_string())?;
            println!("the viewer shows {title:?}, written by {:?}", stamp.origin());
        }
    }

    println!("of three writes, history keeps {}: the last, which overwrote", viewer.history_len()?);
    println!("the others; the viewer has seen {}", viewer.version()?);
    Ok(())
}
