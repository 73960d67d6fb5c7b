//! Making a cluster, and telling whether an existing one fits.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::cluster::Durability;
use crate::command::{decisive_line, quiet_as};
use crate::data_dir::DataDir;
use crate::error::{Error, Result};
use crate::installation::Installation;

/// The superuser that `initdb` makes.
pub(crate) const SUPERUSER: &str = "postgres";

/// Leaves a complete cluster of the installation's major version behind, or an error and no cluster.
pub(crate) fn ensure_cluster(
    installation: &Installation,
    data_dir: &DataDir,
    durability: Durability,
) -> Result<()> {
    let cluster = data_dir.cluster();
    match fs::symlink_metadata(&cluster) {
        Ok(_) => check_version(installation, &cluster),
        Err(source) if source.kind() == io::ErrorKind::NotFound => create(installation, data_dir, durability),
        Err(source) => Err(Error::io("read", &cluster)(source)),
    }
}

fn check_version(installation: &Installation, cluster: &Path) -> Result<()> {
    let made_by = match fs::read_to_string(cluster.join("PG_VERSION")) {
        Ok(text) => text.trim().to_owned(),
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::NotAccessible { path: cluster.to_path_buf() });
        }
        Err(_) => {
            return Err(Error::NotACluster { path: cluster.to_path_buf() });
        }
    };
    if made_by.parse::<u32>().is_err() {
        return Err(Error::NotACluster { path: cluster.to_path_buf() });
    }
    let found = installation.version();
    if made_by != found.major.to_string() {
        return Err(Error::OtherMajor { path: cluster.to_path_buf(), made_by, found });
    }
    Ok(())
}

fn create(installation: &Installation, data_dir: &DataDir, durability: Durability) -> Result<()> {
    let unfinished = data_dir.root().join("cluster.unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(Error::io("delete", &unfinished))?;
    }
    data_dir.create_private_dir(&unfinished)?;

    let program = installation.program("initdb");
    let mut command = quiet_as(&program, data_dir.account());
    command.arg("--pgdata").arg(&unfinished).args([
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    ]);
    command.args(["--username", SUPERUSER]);
    if durability == Durability::Disposable {
        command.arg("--no-sync");
    }
    let output = command.output().map_err(Error::io("start", &program))?;
    if !output.status.success() {
        drop(fs::remove_dir_all(&unfinished));
        let reason = decisive_line(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::Initdb { path: data_dir.cluster(), reason });
    }

    let cluster = data_dir.cluster();
    fs::rename(&unfinished, &cluster).map_err(Error::io("create", &cluster))?;
    if durability == Durability::Durable {
        let directory = File::open(data_dir.root()).map_err(Error::io("open", data_dir.root()))?;
        directory.sync_all().map_err(Error::io("write", data_dir.root()))?;
    }
    Ok(())
}
